// SPDX-License-Identifier: MIT
/*
 * muldiv.c - multiplication, division and decimal arithmetic.
 *
 * SF, ZF, AF and PF are undefined after MUL and IMUL, all six after DIV
 * (SDM 2): we set them from the low half of the product, or leave them.
 */
#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"

typedef unsigned __int128 u128;
typedef __int128 s128;

/* AX, DX:AX, EDX:EAX or RDX:RAX */
static void set_wide(struct x86_cpu *cpu, unsigned int size, u128 v)
{
	if (size == 1) {
		x86_reg_set(cpu, CPU_RAX, (uint64_t)v, 2);
		return;
	}
	x86_reg_set(cpu, CPU_RAX, (uint64_t)v, size);
	x86_reg_set(cpu, CPU_RDX, (uint64_t)(v >> (8 * size)), size);
}

static u128 get_wide(const struct x86_cpu *cpu, unsigned int size)
{
	if (size == 1)
		return x86_reg_get(cpu, CPU_RAX, 2);
	return (u128)x86_reg_get(cpu, CPU_RDX, size) << (8 * size) |
	       x86_reg_get(cpu, CPU_RAX, size);
}

/* CF and OF: the upper half says more than the lower. */
static void product_flags(struct x86_cpu *cpu, bool wide, uint64_t low,
			  unsigned int size)
{
	x86_flags_shift(cpu, wide, wide, low, size);
}

void x86_do_mul(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t b = x86_rm_get(cpu, in, in->size);
	u128 p = (u128)x86_zext(cpu->reg[CPU_RAX], in->size) * b;

	set_wide(cpu, in->size, p);
	product_flags(cpu, p >> (8 * in->size) != 0, (uint64_t)p, in->size);
}

static s128 signed_product(struct x86_cpu *cpu, uint64_t a, uint64_t b,
			   unsigned int size)
{
	s128 p = (s128)x86_sext(a, size) * x86_sext(b, size);

	product_flags(cpu, p != x86_sext((uint64_t)p, size), (uint64_t)p, size);
	return p;
}

void x86_do_imul(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t b = x86_rm_get(cpu, in, in->size);

	set_wide(cpu, in->size,
		 (u128)signed_product(cpu, cpu->reg[CPU_RAX], b, in->size));
}

void x86_do_imul2(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t b = x86_rm_get(cpu, in, in->size);
	s128 p = signed_product(cpu, cpu->reg[in->reg], b, in->size);

	x86_reg_set(cpu, in->reg, (uint64_t)p, in->size);
}

void x86_do_imul3(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t a = x86_rm_get(cpu, in, in->size);
	s128 p = signed_product(cpu, a, in->imm, in->size);

	x86_reg_set(cpu, in->reg, (uint64_t)p, in->size);
}

/* Quotient and remainder where set_wide() has the halves of a product. */
static void set_quotient(struct x86_cpu *cpu, unsigned int size, uint64_t quot,
			 uint64_t rem)
{
	u128 low = x86_zext(quot, size);

	set_wide(cpu, size, (u128)x86_zext(rem, size) << (8 * size) | low);
}

void x86_do_div(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t d = x86_rm_get(cpu, in, in->size);
	u128 n = get_wide(cpu, in->size);

	/* The quotient fits when the upper half is below the divisor. */
	if (n >> (8 * in->size) >= d)
		x86_raise(cpu, X86_DE);
	if (in->size <= 4)
		set_quotient(cpu, in->size, (uint64_t)n / d, (uint64_t)n % d);
	else
		set_quotient(cpu, in->size, (uint64_t)(n / d),
			     (uint64_t)(n % d));
}

static s128 sign_extend_wide(u128 v, unsigned int size)
{
	unsigned int shift = 128 - 16 * size;

	return (s128)(v << shift) >> shift;
}

void x86_do_idiv(struct x86_cpu *cpu, const struct x86_insn *in)
{
	int64_t d = x86_sext(x86_rm_get(cpu, in, in->size), in->size);
	s128 n = sign_extend_wide(get_wide(cpu, in->size), in->size);
	s128 min = (s128)((u128)1 << 127), quot;

	if (!d || (n == min && d == -1))
		x86_raise(cpu, X86_DE);
	quot = n / d;
	if (quot != x86_sext((uint64_t)quot, in->size))
		x86_raise(cpu, X86_DE);
	set_quotient(cpu, in->size, (uint64_t)quot, (uint64_t)(n % d));
}

static uint8_t get_al(const struct x86_cpu *cpu)
{
	return (uint8_t)cpu->reg[CPU_RAX];
}

/* SF, ZF and PF by AL; OF is undefined: 0. */
static void decimal_flags(struct x86_cpu *cpu, uint8_t al, bool cf, bool af)
{
	x86_reg_set(cpu, 0, al, 1);
	x86_flags_shift(cpu, cf, false, al, 1);
	if (af)
		cpu->flag_aux |= X86_AUX_AF;
}

/* SDM 2, "DAA", "DAS": @sign 1 or -1. */
static void adjust_decimal(struct x86_cpu *cpu, int sign)
{
	uint8_t old = get_al(cpu), al = old;
	bool cf = x86_cf(cpu), af = x86_af(cpu) || (old & 0xf) > 9;
	bool carry = cf || old > 0x99;

	if (af) {
		al = (uint8_t)(al + 6 * sign);
		if (sign < 0 && old < 6)
			carry = true;
	}
	if (cf || old > 0x99)
		al = (uint8_t)(al + 0x60 * sign);
	decimal_flags(cpu, al, carry, af);
}

void x86_do_daa(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	adjust_decimal(cpu, 1);
}

void x86_do_das(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	adjust_decimal(cpu, -1);
}

/* SDM 2, "AAA", "AAS": only CF and AF are defined. */
static void adjust_ascii(struct x86_cpu *cpu, int sign)
{
	uint16_t ax = (uint16_t)cpu->reg[CPU_RAX];
	bool adjust = (ax & 0xf) > 9 || x86_af(cpu);

	if (adjust)
		ax = (uint16_t)(ax + 0x106 * sign);
	ax &= 0xff0f;
	x86_reg_set(cpu, CPU_RAX, ax, 2);
	decimal_flags(cpu, (uint8_t)ax, adjust, adjust);
}

void x86_do_aaa(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	adjust_ascii(cpu, 1);
}

void x86_do_aas(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	adjust_ascii(cpu, -1);
}

void x86_do_aam(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint8_t al = get_al(cpu), base = (uint8_t)in->imm;

	if (!base)
		x86_raise(cpu, X86_DE);
	x86_reg_set(cpu, CPU_RAX, (uint64_t)(al / base) << 8 | al % base, 2);
	decimal_flags(cpu, al % base, false, false);
}

void x86_do_aad(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint16_t ax = (uint16_t)cpu->reg[CPU_RAX];
	uint8_t al = (uint8_t)(ax + (ax >> 8) * in->imm);

	x86_reg_set(cpu, CPU_RAX, al, 2);
	decimal_flags(cpu, al, false, false);
}
