/* SPDX-License-Identifier: MIT */
/*
 * segment.h - descriptors, and loading segment registers from them (SDM 3A,
 * chapters 3 and 5).
 */
#ifndef MINIVMM_VCPU_X86_SEGMENT_H
#define MINIVMM_VCPU_X86_SEGMENT_H

#include "vcpu/x86/cpu.h"

/* A descriptor's first eight bytes. */
struct x86_desc {
	uint32_t lo, hi;
};

/* In hi */
#define X86_DESC_ACCESSED   0x00000100u
#define X86_DESC_WRITABLE   0x00000200u /* data; code: readable */
#define X86_DESC_CONFORMING 0x00000400u /* code */
#define X86_DESC_CODE	    0x00000800u
#define X86_DESC_S	    0x00001000u
#define X86_DESC_P	    0x00008000u
#define X86_DESC_L	    0x00200000u
#define X86_DESC_DB	    0x00400000u
#define X86_DESC_G	    0x00800000u

static inline unsigned int x86_desc_dpl(const struct x86_desc *d)
{
	return d->hi >> 13 & 3;
}

static inline unsigned int x86_desc_type(const struct x86_desc *d)
{
	return d->hi >> 8 & 0xf;
}

static inline uint32_t x86_desc_base(const struct x86_desc *d)
{
	return d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000);
}

static inline bool x86_desc_is_code(const struct x86_desc *d)
{
	return (d->hi & (X86_DESC_S | X86_DESC_CODE)) ==
	       (X86_DESC_S | X86_DESC_CODE);
}

static inline bool x86_sel_null(uint16_t sel)
{
	return !(sel & ~3u);
}

/* The selector as an error code shows it, with the EXT bit when delivering. */
uint32_t x86_sel_error(const struct x86_cpu *cpu, uint16_t sel);

/* The descriptor of @sel, not null; @vector when it is past its table. */
struct x86_desc x86_read_desc(struct x86_cpu *cpu, uint16_t sel,
			      enum x86_vector vector);
/* False instead of an exception; also for null. */
bool x86_peek_desc(struct x86_cpu *cpu, uint16_t sel, struct x86_desc *d);

/* The second half of a 16-byte descriptor; false: it is past its table. */
bool x86_peek_upper(struct x86_cpu *cpu, uint16_t sel, uint64_t *v);

/* Set the accessed bit in the table if it is not set. */
void x86_mark_accessed(struct x86_cpu *cpu, uint16_t sel, struct x86_desc *d);

/* The hidden part as a segment register holds it. */
struct cpu_segment x86_unpack_desc(uint16_t sel, const struct x86_desc *d);

/* Load ES, SS, DS, FS or GS with every check. */
void x86_load_segment(struct x86_cpu *cpu, unsigned int seg, uint16_t sel);

/* ES, DS, FS or GS of protected mode; @vector for what is wrong but #NP. */
void x86_load_data(struct x86_cpu *cpu, unsigned int seg, uint16_t sel,
		   enum x86_vector vector);

/* Real and virtual-8086 mode: base = selector * 16. */
void x86_load_real_segment(struct x86_cpu *cpu, unsigned int seg, uint16_t sel);

/*
 * Check that a transfer may go to code segment @sel from the current CPL,
 * leaving CPL as it is (SDM 3A §5.8.1): the descriptor.
 */
struct x86_desc x86_check_code(struct x86_cpu *cpu, uint16_t sel);

/* Make @sel, described by @d, the code segment with @cpl. */
void x86_set_cs(struct x86_cpu *cpu, uint16_t sel, struct x86_desc *d,
		unsigned int cpl);
/* SS for privilege @cpl: descriptor checked; vector for what is wrong. */
struct x86_desc x86_check_ss(struct x86_cpu *cpu, uint16_t sel,
			     unsigned int cpl, enum x86_vector vector);
void x86_set_ss(struct x86_cpu *cpu, uint16_t sel, struct x86_desc *d);
/* A null SS, as 64-bit mode allows below CPL 3. */
void x86_set_ss_null(struct x86_cpu *cpu, uint16_t sel, unsigned int cpl);

/* After a return to outer privilege: data segments it may not keep. */
void x86_drop_segments(struct x86_cpu *cpu);

/* Flat code and stack of SYSCALL and the like. */
void x86_set_flat(struct x86_cpu *cpu, uint16_t cs, uint16_t ss,
		  unsigned int cpl, bool code64);

#endif
