/* SPDX-License-Identifier: MIT */
/*
 * alu.h - the meaning of two-operand arithmetic, once, for every operand
 * size and form: alu.c makes the general functions of it, alu_fast.c the ones
 * with size and form known in advance.
 */
#ifndef MINIVMM_VCPU_X86_ALU_H
#define MINIVMM_VCPU_X86_ALU_H

#include "vcpu/x86/mem.h"

enum x86_alu_kind {
	ALU_RR, /* register, register */
	ALU_MR, /* memory is the destination */
	ALU_RM, /* memory is the source */
	ALU_RI, /* register, immediate */
	ALU_MI,
	ALU_NR_KINDS,
};

typedef uint64_t alu_fn(struct x86_cpu *cpu, uint64_t a, uint64_t b,
			unsigned int size);

/* SDM 2: ADD, ADC, SUB, SBB, CMP, AND, OR, XOR, TEST */
X86_INLINE uint64_t alu_add(struct x86_cpu *cpu, uint64_t a, uint64_t b,
			    unsigned int size)
{
	uint64_t r = a + b;

	x86_flags_add(cpu, a, b, r, size);
	return r;
}

X86_INLINE uint64_t alu_adc(struct x86_cpu *cpu, uint64_t a, uint64_t b,
			    unsigned int size)
{
	uint64_t r = a + b + x86_cf(cpu);

	x86_flags_add(cpu, a, b, r, size);
	return r;
}

X86_INLINE uint64_t alu_sub(struct x86_cpu *cpu, uint64_t a, uint64_t b,
			    unsigned int size)
{
	uint64_t r = a - b;

	x86_flags_sub(cpu, a, b, r, size);
	return r;
}

X86_INLINE uint64_t alu_sbb(struct x86_cpu *cpu, uint64_t a, uint64_t b,
			    unsigned int size)
{
	uint64_t r = a - b - x86_cf(cpu);

	x86_flags_sub(cpu, a, b, r, size);
	return r;
}

X86_INLINE uint64_t alu_and(struct x86_cpu *cpu, uint64_t a, uint64_t b,
			    unsigned int size)
{
	x86_flags_logic(cpu, a & b, size);
	return a & b;
}

X86_INLINE uint64_t alu_or(struct x86_cpu *cpu, uint64_t a, uint64_t b,
			   unsigned int size)
{
	x86_flags_logic(cpu, a | b, size);
	return a | b;
}

X86_INLINE uint64_t alu_xor(struct x86_cpu *cpu, uint64_t a, uint64_t b,
			    unsigned int size)
{
	x86_flags_logic(cpu, a ^ b, size);
	return a ^ b;
}

X86_INLINE enum x86_alu_kind alu_kind(const struct x86_insn *in)
{
	bool mem = x86_is_mem(in);

	if (in->form == X86_RM_IMM)
		return mem ? ALU_MI : ALU_RI;
	if (!mem)
		return ALU_RR;
	return in->form == X86_REG_RM ? ALU_RM : ALU_MR;
}

/* The source operand of @kind. */
X86_INLINE uint64_t alu_src(struct x86_cpu *cpu, const struct x86_insn *in,
			    unsigned int size, enum x86_alu_kind kind)
{
	if (kind == ALU_RI || kind == ALU_MI)
		return x86_zext(in->imm, size);
	if (kind == ALU_RM)
		return x86_read(cpu, x86_lin(cpu, in, size, false), size);
	return x86_reg_get(cpu, in->reg, size);
}

/* dst = op(dst, src); flags of a store that lost its race are not kept. */
X86_INLINE void alu_update(struct x86_cpu *cpu, const struct x86_insn *in,
			   unsigned int size, enum x86_alu_kind kind,
			   alu_fn *op)
{
	uint64_t src = alu_src(cpu, in, size, kind), old, val, lin;
	unsigned int dst = kind == ALU_RM ? in->reg : in->rm;
	struct x86_dst d;

	if (kind != ALU_MR && kind != ALU_MI) {
		val = op(cpu, x86_reg_get(cpu, dst, size), src, size);
		x86_reg_set(cpu, dst, val, size);
		return;
	}
	lin = x86_lin(cpu, in, size, true);
	for (;;) {
		uint64_t aux = cpu->flag_aux;

		old = x86_mem_dst_load(cpu, lin, size, &d);
		val = op(cpu, old, src, size);
		if (X86_LIKELY(x86_mem_dst_store(cpu, in, size, &d, old, val)))
			return;
		cpu->flag_aux = aux; /* ADC's carry in */
	}
}

/* op(dst, src) for its flags: CMP, TEST */
X86_INLINE void alu_compare(struct x86_cpu *cpu, const struct x86_insn *in,
			    unsigned int size, enum x86_alu_kind kind,
			    alu_fn *op)
{
	uint64_t src = alu_src(cpu, in, size, kind), dst;

	if (kind == ALU_MR || kind == ALU_MI)
		dst = x86_read(cpu, x86_lin(cpu, in, size, false), size);
	else
		dst = x86_reg_get(cpu, kind == ALU_RM ? in->reg : in->rm, size);
	op(cpu, dst, src, size);
}

X86_INLINE void alu_mov(struct x86_cpu *cpu, const struct x86_insn *in,
			unsigned int size, enum x86_alu_kind kind)
{
	uint64_t src = alu_src(cpu, in, size, kind);

	if (kind == ALU_MR || kind == ALU_MI)
		x86_write(cpu, x86_lin(cpu, in, size, true), size, src);
	else
		x86_reg_set(cpu, kind == ALU_RM ? in->reg : in->rm, src, size);
}

#endif
