// SPDX-License-Identifier: MIT
/*
 * shift.c - shifts and rotates.
 */
#include "vcpu/x86/shift.h"

#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"

static unsigned int count_of(const struct x86_cpu *cpu,
			     const struct x86_insn *in)
{
	uint64_t n =
		in->form == X86_RM_IMM ? in->imm : x86_reg_get(cpu, in->reg, 1);

	return n & (in->size == 8 ? 63 : 31);
}

static void shift(struct x86_cpu *cpu, const struct x86_insn *in, shift_fn *op)
{
	unsigned int n = count_of(cpu, in);
	struct x86_dst d;
	uint64_t v = x86_dst_load(cpu, in, in->size, &d);

	/* A count of 0 changes no flag, but writes (and clears 63:32). */
	if (n)
		v = op(cpu, v, n, in->size * 8u);
	x86_dst_store(cpu, in, in->size, &d, 0, v);
}

void x86_do_shl(struct x86_cpu *cpu, const struct x86_insn *in)
{
	shift(cpu, in, shift_shl);
}

void x86_do_shr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	shift(cpu, in, shift_shr);
}

void x86_do_sar(struct x86_cpu *cpu, const struct x86_insn *in)
{
	shift(cpu, in, shift_sar);
}

/* Through CF: rotations of bits + 1, done bit by bit. */
static uint64_t rcl(struct x86_cpu *cpu, uint64_t v, unsigned int n,
		    unsigned int bits)
{
	bool cf = x86_cf(cpu);

	for (n %= bits + 1; n; n--) {
		bool out = tshift_bit(v, bits);

		v = v << 1 | cf;
		cf = out;
	}
	x86_set_cf_of(cpu, cf, cf != tshift_bit(v, bits));
	return v;
}

static uint64_t rcr(struct x86_cpu *cpu, uint64_t v, unsigned int n,
		    unsigned int bits)
{
	bool cf = x86_cf(cpu);

	for (n %= bits + 1; n; n--) {
		bool out = v & 1;

		v = v >> 1 | (uint64_t)cf << (bits - 1);
		cf = out;
	}
	x86_set_cf_of(cpu, cf, tshift_bit(v, bits) != (v >> (bits - 2) & 1));
	return v;
}

void x86_do_rol(struct x86_cpu *cpu, const struct x86_insn *in)
{
	shift(cpu, in, shift_rol);
}

void x86_do_ror(struct x86_cpu *cpu, const struct x86_insn *in)
{
	shift(cpu, in, shift_ror);
}

void x86_do_rcl(struct x86_cpu *cpu, const struct x86_insn *in)
{
	shift(cpu, in, rcl);
}

void x86_do_rcr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	shift(cpu, in, rcr);
}

/* 0F A4, A5, AC, AD: even opcodes have an immediate, odd ones CL. */
static unsigned int double_count(const struct x86_cpu *cpu,
				 const struct x86_insn *in)
{
	uint64_t n = in->opcode & 1 ? cpu->reg[CPU_RCX] : in->imm;

	return n & (in->size == 8 ? 63 : 31);
}

/*
 * Counts past a 16-bit operand are undefined; like hosts, rotate on through
 * the pair src:dst.
 */
void x86_do_shld(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int n = double_count(cpu, in), bits = in->size * 8u;
	uint64_t src = x86_reg_get(cpu, in->reg, in->size), v, r;
	struct x86_dst d;
	bool cf;

	v = x86_dst_load(cpu, in, in->size, &d);
	r = v;
	if (n && n <= bits) {
		r = (n == bits ? 0 : v << n) | src >> (bits - n);
		cf = v >> (bits - n) & 1;
	} else if (n) {
		r = src << (n - bits) | v >> (2 * bits - n);
		cf = src >> (2 * bits - n) & 1;
	}
	if (n)
		x86_flags_shift(cpu, cf,
				tshift_bit(v, bits) != tshift_bit(r, bits), r,
				in->size);
	x86_dst_store(cpu, in, in->size, &d, 0, r);
}

void x86_do_shrd(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int n = double_count(cpu, in), bits = in->size * 8u;
	uint64_t src = x86_reg_get(cpu, in->reg, in->size), v, r;
	struct x86_dst d;
	bool cf;

	v = x86_dst_load(cpu, in, in->size, &d);
	r = v;
	if (n && n <= bits) {
		r = (n == bits ? 0 : v >> n) | src << (bits - n);
		cf = v >> (n - 1) & 1;
	} else if (n) {
		r = src >> (n - bits) | v << (2 * bits - n);
		cf = src >> (n - bits - 1) & 1;
	}
	if (n)
		x86_flags_shift(cpu, cf,
				tshift_bit(v, bits) != tshift_bit(r, bits), r,
				in->size);
	x86_dst_store(cpu, in, in->size, &d, 0, r);
}
