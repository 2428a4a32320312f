/* SPDX-License-Identifier: MIT */
/*
 * mem.h - guest memory as instructions see it: linear addresses through the
 * software TLB.
 *
 * How it works. x86_lin() makes a linear address of a memory operand, with
 * the segment checks of legacy modes. x86_read() and x86_write() look it up
 * in the TLB: one compare says that the page is mapped, the access allowed,
 * is RAM, and does not cross into the next page; everything else, also
 * filling the TLB, is the slow way in mem.c. There, a fault unwinds by
 * x86_raise() and MMIO goes to the bus.
 *
 * A read-modify-write asks for the write permission first (x86_dst_load), so
 * that it faults as a write, and stores without a second lookup. With LOCK
 * it is a compare-and-swap on guest RAM, so that vCPUs on other threads see
 * what other CPUs would; the host's bus lock does it where the operand crosses
 * a cache line, or into the next page of RAM. For two pages that are no
 * neighbours all other CPUs stop.
 */
#ifndef MINIVMM_VCPU_X86_MEM_H
#define MINIVMM_VCPU_X86_MEM_H

#include <string.h>

#include "vcpu/x86/cpu.h"
#include "vcpu/x86/flags.h"

/* For x86_need_align() */
_Noreturn void x86_raise_align(struct x86_cpu *cpu, uint64_t lin,
			       unsigned int align);

/* The slow ways; @size 1 to 8. Raise #PF, #GP, #SS. */
uint64_t x86_read_slow(struct x86_cpu *cpu, uint64_t lin, unsigned int size);
void x86_write_slow(struct x86_cpu *cpu, uint64_t lin, unsigned int size,
		    uint64_t val);
/*
 * The host address of [lin, lin + size) for writing, or NULL when it is not
 * one piece of RAM: use the slow ways then; nothing will fault.
 */
void *x86_write_ptr_slow(struct x86_cpu *cpu, uint64_t lin, unsigned int size);

/* Accesses of the CPU itself to descriptor tables: CPL does not matter. */
uint64_t x86_sys_read(struct x86_cpu *cpu, uint64_t lin, unsigned int size);
void x86_sys_write(struct x86_cpu *cpu, uint64_t lin, unsigned int size,
		   uint64_t val);

/*
 * #AC when alignment is checked and @lin is not a multiple of @align. Like
 * hosts, before any page fault. x86_read() and x86_write() do this themselves,
 * for their size; what follows here does not.
 */
X86_INLINE void x86_need_align(struct x86_cpu *cpu, uint64_t lin,
			       unsigned int align)
{
	if (X86_UNLIKELY(cpu->align && lin & (align - 1)))
		x86_raise_align(cpu, lin, align);
}

/* Bytes; @len at most 4096. A write faults before anything is written. */
void x86_read_bytes(struct x86_cpu *cpu, uint64_t lin, void *buf,
		    unsigned int len);
void x86_write_bytes(struct x86_cpu *cpu, uint64_t lin, const void *buf,
		     unsigned int len);
/* Raise what writing [lin, lin + len) would; len at most 4096. */
void x86_probe_write(struct x86_cpu *cpu, uint64_t lin, unsigned int len);

/* Forget translations: all, all but global ones, of one page. */
void x86_tlb_flush(struct x86_cpu *cpu);
void x86_tlb_flush_page(struct x86_cpu *cpu, uint64_t lin);

/* x86_env_ops.mmio_read and mmio_write where all that is not RAM is the bus. */
uint64_t x86_bus_read(struct x86_cpu *cpu, gpa_t gpa, unsigned int len);
void x86_bus_write(struct x86_cpu *cpu, gpa_t gpa, unsigned int len,
		   uint64_t val);

/*
 * Where to fetch code at linear address @lin: the host address of that byte,
 * *gpa of it. Raises #PF (instruction fetch). NULL: not RAM; code there
 * cannot be run.
 */
const uint8_t *x86_fetch_ptr(struct x86_cpu *cpu, uint64_t lin, gpa_t *gpa);

/*
 * Linear address of [off, off + size) in segment @seg, checked as legacy
 * modes do (SDM 3A §5.3, §5.4). In 64-bit mode only the base counts.
 */
uint64_t x86_seg_lin(struct x86_cpu *cpu, unsigned int seg, uint64_t off,
		     unsigned int size, bool write);

/* Is [off, off + size) inside the segment's limit? SDM 3A §5.3 */
bool x86_in_limit(const struct cpu_segment *s, uint64_t off, unsigned int size);

/* #GP(0) when ports [port, port + size) are not this code's to use. */
void x86_check_port(struct x86_cpu *cpu, unsigned int port, unsigned int size);

/* Effective address: no segment. */
X86_INLINE uint64_t x86_ea(const struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t ea = cpu->reg[in->base] + (cpu->reg[in->index] << in->scale) +
		      (uint64_t)in->disp;

	return X86_LIKELY(in->asize == 8) ? ea
	       : in->asize == 4		  ? (uint32_t)ea
					  : (uint16_t)ea;
}

/*
 * Do checks of [off, off + size) in @seg come to nothing, and is the linear
 * address the offset? So it is for all data of the usual 32-bit kernels.
 */
X86_INLINE bool x86_is_flat(const struct x86_cpu *cpu, unsigned int seg,
			    uint64_t off, unsigned int size)
{
	return cpu->flat >> seg & 1 && seg != CPU_CS &&
	       off <= UINT32_MAX - (size - 1);
}

/* The linear address of the memory operand, @size bytes. */
X86_INLINE uint64_t x86_lin(struct x86_cpu *cpu, const struct x86_insn *in,
			    unsigned int size, bool write)
{
	uint64_t ea = x86_ea(cpu, in);

	if (X86_LIKELY(!(in->flags & X86_F_LEGACY)))
		return ea + cpu->seg_base[in->seg];
	if (X86_LIKELY(x86_is_flat(cpu, in->seg, ea, size)))
		return ea;
	return x86_seg_lin(cpu, in->seg, ea, size, write);
}

X86_INLINE const struct x86_tlb_entry *x86_tlb_slot(const struct x86_cpu *cpu,
						    uint64_t lin)
{
	return &cpu->tlb[lin / X86_PAGE % X86_TLB_SIZE];
}

/* What a tag must be for all of [lin, lin + size) to lie in its page. */
X86_INLINE uint64_t x86_tlb_want(const struct x86_cpu *cpu, uint64_t lin,
				 unsigned int size)
{
	return ((lin + (size - 1)) & ~(X86_PAGE - 1)) | cpu->tlb_gen;
}

X86_INLINE void *x86_host(const struct x86_tlb_entry *e, uint64_t lin)
{
	return (void *)(uintptr_t)(lin + e->addend);
}

X86_INLINE uint64_t x86_load(const void *p, unsigned int size)
{
	uint64_t v8;
	uint32_t v4;
	uint16_t v2;

	switch (size) {
	case 1:
		return *(const volatile uint8_t *)p;
	case 2:
		memcpy(&v2, p, 2);
		return v2;
	case 4:
		memcpy(&v4, p, 4);
		return v4;
	}
	memcpy(&v8, p, 8);
	return v8;
}

X86_INLINE void x86_store(void *p, uint64_t v, unsigned int size)
{
	switch (size) {
	case 1:
		*(volatile uint8_t *)p = (uint8_t)v;
		break;
	case 2:
		memcpy(p, &(uint16_t){ (uint16_t)v }, 2);
		break;
	case 4:
		memcpy(p, &(uint32_t){ (uint32_t)v }, 4);
		break;
	default:
		memcpy(p, &v, 8);
		break;
	}
}

X86_INLINE uint64_t x86_read(struct x86_cpu *cpu, uint64_t lin,
			     unsigned int size)
{
	const struct x86_tlb_entry *e = x86_tlb_slot(cpu, lin);

	if (X86_LIKELY(e->tag_r == x86_tlb_want(cpu, lin, size)))
		return x86_load(x86_host(e, lin), size);
	return x86_read_slow(cpu, lin, size);
}

X86_INLINE void x86_write(struct x86_cpu *cpu, uint64_t lin, unsigned int size,
			  uint64_t val)
{
	const struct x86_tlb_entry *e = x86_tlb_slot(cpu, lin);

	if (X86_LIKELY(e->tag_w == x86_tlb_want(cpu, lin, size)))
		x86_store(x86_host(e, lin), val, size);
	else
		x86_write_slow(cpu, lin, size, val);
}

X86_INLINE void *x86_write_ptr(struct x86_cpu *cpu, uint64_t lin,
			       unsigned int size)
{
	const struct x86_tlb_entry *e = x86_tlb_slot(cpu, lin);

	if (X86_LIKELY(e->tag_w == x86_tlb_want(cpu, lin, size)))
		return x86_host(e, lin);
	return x86_write_ptr_slow(cpu, lin, size);
}

/*
 * Registers as operands. @n is a number, a byte offset when size is 1
 * (struct x86_insn).
 */
X86_INLINE uint64_t x86_reg_get(const struct x86_cpu *cpu, unsigned int n,
				unsigned int size)
{
	if (size == 1)
		return ((const uint8_t *)cpu->reg)[n];
	return x86_zext(cpu->reg[n], size);
}

/* Writing 32 bits clears the upper half (SDM 1 §3.4.1.1). */
X86_INLINE void x86_reg_set(struct x86_cpu *cpu, unsigned int n, uint64_t v,
			    unsigned int size)
{
	if (size == 1)
		((uint8_t *)cpu->reg)[n] = (uint8_t)v;
	else if (size == 2)
		x86_store(&cpu->reg[n], v, 2);
	else
		cpu->reg[n] = x86_zext(v, size);
}

/* The rm operand. */
X86_INLINE uint64_t x86_rm_get(struct x86_cpu *cpu, const struct x86_insn *in,
			       unsigned int size)
{
	if (!x86_is_mem(in))
		return x86_reg_get(cpu, in->rm, size);
	return x86_read(cpu, x86_lin(cpu, in, size, false), size);
}

X86_INLINE void x86_rm_set(struct x86_cpu *cpu, const struct x86_insn *in,
			   unsigned int size, uint64_t v)
{
	if (!x86_is_mem(in))
		x86_reg_set(cpu, in->rm, v, size);
	else
		x86_write(cpu, x86_lin(cpu, in, size, true), size, v);
}

/* A destination that is read before it is written. */
struct x86_dst {
	void *p;      /* in guest RAM, or NULL */
	uint64_t lin; /* of memory when p is NULL */
};

X86_INLINE uint64_t x86_mem_dst_load(struct x86_cpu *cpu, uint64_t lin,
				     unsigned int size, struct x86_dst *d)
{
	d->lin = lin;
	d->p = x86_write_ptr(cpu, lin, size);
	return d->p ? x86_load(d->p, size) : x86_read_slow(cpu, lin, size);
}

X86_INLINE uint64_t x86_dst_load(struct x86_cpu *cpu, const struct x86_insn *in,
				 unsigned int size, struct x86_dst *d)
{
	d->p = NULL;
	d->lin = 0;
	if (!x86_is_mem(in))
		return x86_reg_get(cpu, in->rm, size);
	return x86_mem_dst_load(cpu, x86_lin(cpu, in, size, true), size, d);
}

/* Replace @old at *p by @val if it is still there. */
bool x86_cas(void *p, uint64_t old, uint64_t val, unsigned int size);

/* The same at @lin, which is not one piece of RAM; MMIO is just written. */
bool x86_cas_split(struct x86_cpu *cpu, uint64_t lin, uint64_t old,
		   uint64_t val, unsigned int size);

/* False: another CPU was faster, start again from the load. */
X86_INLINE bool x86_mem_dst_store(struct x86_cpu *cpu,
				  const struct x86_insn *in, unsigned int size,
				  const struct x86_dst *d, uint64_t old,
				  uint64_t val)
{
	if (in->pfx & X86_PFX_LOCK)
		return X86_LIKELY(d->p)
			       ? x86_cas(d->p, old, val, size)
			       : x86_cas_split(cpu, d->lin, old, val, size);
	if (X86_UNLIKELY(!d->p))
		x86_write_slow(cpu, d->lin, size, val);
	else
		x86_store(d->p, val, size);
	return true;
}

X86_INLINE bool x86_dst_store(struct x86_cpu *cpu, const struct x86_insn *in,
			      unsigned int size, const struct x86_dst *d,
			      uint64_t old, uint64_t val)
{
	if (x86_is_mem(in))
		return x86_mem_dst_store(cpu, in, size, d, old, val);
	x86_reg_set(cpu, in->rm, val, size);
	return true;
}

/* Stack: @size bytes; RSP changes after the access. */
uint64_t x86_stack_lin(struct x86_cpu *cpu, uint64_t rsp, unsigned int size,
		       bool write);
void x86_add_rsp(struct x86_cpu *cpu, int64_t n);

X86_INLINE void x86_push(struct x86_cpu *cpu, uint64_t v, unsigned int size)
{
	if (X86_LIKELY(cpu->stack_size == 8)) {
		uint64_t rsp = cpu->reg[CPU_RSP] - size;

		x86_write(cpu, rsp, size, v);
		cpu->reg[CPU_RSP] = rsp;
		return;
	}
	x86_write(cpu, x86_stack_lin(cpu, cpu->reg[CPU_RSP] - size, size, true),
		  size, v);
	x86_add_rsp(cpu, -(int64_t)size);
}

/* The word @off bytes above the top of the stack; RSP stays. */
X86_INLINE uint64_t x86_peek(struct x86_cpu *cpu, uint64_t off,
			     unsigned int size)
{
	uint64_t rsp = cpu->reg[CPU_RSP] + off;

	if (X86_UNLIKELY(cpu->stack_size != 8))
		rsp = x86_stack_lin(cpu, rsp, size, false);
	return x86_read(cpu, rsp, size);
}

X86_INLINE uint64_t x86_pop(struct x86_cpu *cpu, unsigned int size)
{
	uint64_t v = x86_peek(cpu, 0, size);

	if (X86_LIKELY(cpu->stack_size == 8))
		cpu->reg[CPU_RSP] += size;
	else
		x86_add_rsp(cpu, size);
	return v;
}

/*
 * Jump within the code segment: @ip cut to the operand size, #GP when it is
 * outside (SDM 2, "JMP").
 */
uint64_t x86_branch_target(struct x86_cpu *cpu, const struct x86_insn *in,
			   uint64_t ip);

X86_INLINE void x86_branch(struct x86_cpu *cpu, const struct x86_insn *in,
			   uint64_t ip)
{
	if (X86_UNLIKELY(in->flags & X86_F_LEGACY))
		ip = x86_branch_target(cpu, in, ip);
	cpu->rip = ip;
}

#endif
