/* SPDX-License-Identifier: MIT */
/*
 * flags.h - the status flags, kept as a result and its carries.
 *
 * Most flags are never read, so arithmetic stores what they follow from
 * (x86_cpu.flag_res, flag_aux) and readers work them out.
 */
#ifndef MINIVMM_VCPU_X86_FLAGS_H
#define MINIVMM_VCPU_X86_FLAGS_H

#include "vcpu/x86/cpu.h"

#define X86_AUX_CF (1ull << 63)
#define X86_AUX_OF (1ull << 62) /* OF is this xor CF */
#define X86_AUX_AF 8ull
#define X86_AUX_SF 1ull
#define X86_AUX_PF 2ull

X86_INLINE int64_t x86_sext(uint64_t v, unsigned int size)
{
	switch (size) {
	case 1:
		return (int8_t)v;
	case 2:
		return (int16_t)v;
	case 4:
		return (int32_t)v;
	}
	return (int64_t)v;
}

X86_INLINE uint64_t x86_zext(uint64_t v, unsigned int size)
{
	switch (size) {
	case 1:
		return (uint8_t)v;
	case 2:
		return (uint16_t)v;
	case 4:
		return (uint32_t)v;
	}
	return v;
}

X86_INLINE bool x86_cf(const struct x86_cpu *cpu)
{
	return cpu->flag_aux >> 63;
}

X86_INLINE bool x86_of(const struct x86_cpu *cpu)
{
	return (cpu->flag_aux ^ cpu->flag_aux << 1) >> 63;
}

X86_INLINE bool x86_zf(const struct x86_cpu *cpu)
{
	return !cpu->flag_res;
}

X86_INLINE bool x86_sf(const struct x86_cpu *cpu)
{
	return (cpu->flag_res < 0) ^ (cpu->flag_aux & X86_AUX_SF);
}

X86_INLINE bool x86_pf(const struct x86_cpu *cpu)
{
	return !__builtin_parity(cpu->flag_res & 0xff) ^
	       (cpu->flag_aux >> 1 & 1);
}

X86_INLINE bool x86_af(const struct x86_cpu *cpu)
{
	return cpu->flag_aux & X86_AUX_AF;
}

/* @vec: carries out of each bit. */
X86_INLINE void x86_set_carries(struct x86_cpu *cpu, uint64_t vec, uint64_t res,
				unsigned int size)
{
	cpu->flag_res = x86_sext(res, size);
	cpu->flag_aux = (vec << (64 - 8 * size) & (X86_AUX_CF | X86_AUX_OF)) |
			(vec & X86_AUX_AF);
}

/* res = a + b (+ carry) */
X86_INLINE void x86_flags_add(struct x86_cpu *cpu, uint64_t a, uint64_t b,
			      uint64_t res, unsigned int size)
{
	x86_set_carries(cpu, (a & b) | ((a | b) & ~res), res, size);
}

/* res = a - b (- borrow) */
X86_INLINE void x86_flags_sub(struct x86_cpu *cpu, uint64_t a, uint64_t b,
			      uint64_t res, unsigned int size)
{
	x86_set_carries(cpu, (~a & b) | (~(a ^ b) & res), res, size);
}

/* AF is undefined after logic (SDM 2, "AND"): 0 here, as on hosts. */
X86_INLINE void x86_flags_logic(struct x86_cpu *cpu, uint64_t res,
				unsigned int size)
{
	cpu->flag_res = x86_sext(res, size);
	cpu->flag_aux = 0;
}

/* CF and OF as given; SF, ZF, PF by @res; AF 0. */
X86_INLINE void x86_flags_shift(struct x86_cpu *cpu, bool cf, bool of,
				uint64_t res, unsigned int size)
{
	cpu->flag_res = x86_sext(res, size);
	cpu->flag_aux = (uint64_t)cf << 63 | (uint64_t)(cf ^ of) << 62;
}

/* CF and OF alone. */
X86_INLINE void x86_set_cf_of(struct x86_cpu *cpu, bool cf, bool of)
{
	cpu->flag_aux &= ~(X86_AUX_CF | X86_AUX_OF);
	cpu->flag_aux |= (uint64_t)cf << 63 | (uint64_t)(cf ^ of) << 62;
}

X86_INLINE void x86_set_cf(struct x86_cpu *cpu, bool cf)
{
	x86_set_cf_of(cpu, cf, x86_of(cpu));
}

/* The six, as in RFLAGS. */
static inline uint64_t x86_status_flags(const struct x86_cpu *cpu)
{
	return (x86_cf(cpu) ? X86_FL_CF : 0) | (x86_pf(cpu) ? X86_FL_PF : 0) |
	       (x86_af(cpu) ? X86_FL_AF : 0) | (x86_zf(cpu) ? X86_FL_ZF : 0) |
	       (x86_sf(cpu) ? X86_FL_SF : 0) | (x86_of(cpu) ? X86_FL_OF : 0);
}

static inline void x86_set_status_flags(struct x86_cpu *cpu, uint64_t fl)
{
	bool zf = fl & X86_FL_ZF, pf = fl & X86_FL_PF;

	/* A result of 0 or 1 has PF = ZF and SF = 0: invert what differs. */
	cpu->flag_res = !zf;
	cpu->flag_aux = (fl & X86_FL_SF ? X86_AUX_SF : 0) |
			(zf != pf ? X86_AUX_PF : 0) |
			(fl & X86_FL_AF ? X86_AUX_AF : 0);
	x86_set_cf_of(cpu, fl & X86_FL_CF, fl & X86_FL_OF);
}

static inline void x86_set_zf(struct x86_cpu *cpu, bool zf)
{
	uint64_t fl = x86_status_flags(cpu) & ~X86_FL_ZF;

	x86_set_status_flags(cpu, fl | (zf ? X86_FL_ZF : 0));
}

static inline uint64_t x86_get_rflags(const struct x86_cpu *cpu)
{
	return cpu->rflags | x86_status_flags(cpu);
}

/* All of RFLAGS; callers check who may change what. */
static inline void x86_set_rflags(struct x86_cpu *cpu, uint64_t fl)
{
	uint64_t old = cpu->rflags;

	cpu->rflags = (fl & ~X86_FL_STATUS) | X86_FL_ONE;
	x86_set_status_flags(cpu, fl);
	if (X86_UNLIKELY((old ^ fl) & X86_FL_AC))
		x86_update_align(cpu);
}

/* SDM 1, appendix B: the condition in an opcode's low four bits. */
X86_INLINE bool x86_cond(const struct x86_cpu *cpu, unsigned int cc)
{
	bool v;

	switch (cc >> 1) {
	case 0:
		v = x86_of(cpu);
		break;
	case 1:
		v = x86_cf(cpu);
		break;
	case 2:
		v = x86_zf(cpu);
		break;
	case 3:
		v = x86_cf(cpu) || x86_zf(cpu);
		break;
	case 4:
		v = x86_sf(cpu);
		break;
	case 5:
		v = x86_pf(cpu);
		break;
	case 6:
		v = x86_sf(cpu) != x86_of(cpu);
		break;
	default:
		v = x86_zf(cpu) || x86_sf(cpu) != x86_of(cpu);
		break;
	}
	return v ^ (cc & 1);
}

#endif
