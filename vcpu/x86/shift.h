/* SPDX-License-Identifier: MIT */
/*
 * shift.h - the meaning of shifts and rotates, once: shift.c makes the general
 * functions of it, fast.c the ones with the size known in advance.
 *
 * OF is undefined for counts but 1, CF for SHL and SHR counts past the
 * operand, AF always: we compute OF as for 1 and clear AF (SDM 2,
 * "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR").
 */
#ifndef MINIVMM_VCPU_X86_SHIFT_H
#define MINIVMM_VCPU_X86_SHIFT_H

#include "vcpu/x86/flags.h"

/* A new value of @v shifted by @n, 1 to 63, with flags set. */
typedef uint64_t shift_fn(struct x86_cpu *cpu, uint64_t v, unsigned int n,
			  unsigned int bits);

X86_INLINE bool tshift_bit(uint64_t v, unsigned int bits)
{
	return v >> (bits - 1) & 1;
}

X86_INLINE uint64_t shift_shl(struct x86_cpu *cpu, uint64_t v, unsigned int n,
			      unsigned int bits)
{
	uint64_t r = v << n;
	bool cf = n <= bits && (v >> (bits - n) & 1);

	x86_flags_shift(cpu, cf, cf != tshift_bit(r, bits), r, bits / 8);
	return r;
}

X86_INLINE uint64_t shift_shr(struct x86_cpu *cpu, uint64_t v, unsigned int n,
			      unsigned int bits)
{
	uint64_t r = v >> n;

	x86_flags_shift(cpu, v >> (n - 1) & 1, tshift_bit(v, bits) && n == 1, r,
			bits / 8);
	return r;
}

X86_INLINE uint64_t shift_sar(struct x86_cpu *cpu, uint64_t v, unsigned int n,
			      unsigned int bits)
{
	int64_t s = x86_sext(v, bits / 8);
	uint64_t r = (uint64_t)(s >> n);

	x86_flags_shift(cpu, s >> (n - 1) & 1, false, r, bits / 8);
	return r;
}

/* Rotates change CF and OF only. */
X86_INLINE uint64_t shift_rol(struct x86_cpu *cpu, uint64_t v, unsigned int n,
			      unsigned int bits)
{
	unsigned int k = n % bits;
	uint64_t r = k ? v << k | v >> (bits - k) : v;
	bool cf = r & 1;

	x86_set_cf_of(cpu, cf, cf != tshift_bit(r, bits));
	return r;
}

X86_INLINE uint64_t shift_ror(struct x86_cpu *cpu, uint64_t v, unsigned int n,
			      unsigned int bits)
{
	unsigned int k = n % bits;
	uint64_t r = k ? v >> k | v << (bits - k) : v;

	x86_set_cf_of(cpu, tshift_bit(r, bits),
		      tshift_bit(r, bits) != (r >> (bits - 2) & 1));
	return r;
}

#endif
