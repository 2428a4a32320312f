// SPDX-License-Identifier: MIT
/*
 * alu.c - additive and logic instructions, INC to NEG.
 */
#include "vcpu/x86/alu.h"
#include "vcpu/x86/semantics.h"

/* One function per operation; the compiler folds @size and @kind. */
X86_INLINE void update_sized(struct x86_cpu *cpu, const struct x86_insn *in,
			     alu_fn *op)
{
	enum x86_alu_kind kind = alu_kind(in);

	switch (in->size) {
	case 1:
		alu_update(cpu, in, 1, kind, op);
		break;
	case 2:
		alu_update(cpu, in, 2, kind, op);
		break;
	case 4:
		alu_update(cpu, in, 4, kind, op);
		break;
	default:
		alu_update(cpu, in, 8, kind, op);
		break;
	}
}

X86_INLINE void compare(struct x86_cpu *cpu, const struct x86_insn *in,
			alu_fn *op)
{
	alu_compare(cpu, in, in->size, alu_kind(in), op);
}

void x86_do_add(struct x86_cpu *cpu, const struct x86_insn *in)
{
	update_sized(cpu, in, alu_add);
}

void x86_do_or(struct x86_cpu *cpu, const struct x86_insn *in)
{
	update_sized(cpu, in, alu_or);
}

void x86_do_adc(struct x86_cpu *cpu, const struct x86_insn *in)
{
	update_sized(cpu, in, alu_adc);
}

void x86_do_sbb(struct x86_cpu *cpu, const struct x86_insn *in)
{
	update_sized(cpu, in, alu_sbb);
}

void x86_do_and(struct x86_cpu *cpu, const struct x86_insn *in)
{
	update_sized(cpu, in, alu_and);
}

void x86_do_sub(struct x86_cpu *cpu, const struct x86_insn *in)
{
	update_sized(cpu, in, alu_sub);
}

void x86_do_xor(struct x86_cpu *cpu, const struct x86_insn *in)
{
	update_sized(cpu, in, alu_xor);
}

void x86_do_cmp(struct x86_cpu *cpu, const struct x86_insn *in)
{
	compare(cpu, in, alu_sub);
}

void x86_do_test(struct x86_cpu *cpu, const struct x86_insn *in)
{
	compare(cpu, in, alu_and);
}

/* SDM 2, "INC", "DEC": CF stays. */
static void step(struct x86_cpu *cpu, const struct x86_insn *in, alu_fn *op)
{
	bool cf = x86_cf(cpu);
	uint64_t old, val;
	struct x86_dst d;

	do {
		old = x86_dst_load(cpu, in, in->size, &d);
		val = op(cpu, old, 1, in->size);
	} while (!x86_dst_store(cpu, in, in->size, &d, old, val));
	x86_set_cf(cpu, cf);
}

void x86_do_inc(struct x86_cpu *cpu, const struct x86_insn *in)
{
	step(cpu, in, alu_add);
}

void x86_do_dec(struct x86_cpu *cpu, const struct x86_insn *in)
{
	step(cpu, in, alu_sub);
}

void x86_do_not(struct x86_cpu *cpu, const struct x86_insn *in)
{
	struct x86_dst d;
	uint64_t old;

	do
		old = x86_dst_load(cpu, in, in->size, &d);
	while (!x86_dst_store(cpu, in, in->size, &d, old, ~old));
}

void x86_do_neg(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t old, val;
	struct x86_dst d;

	do {
		old = x86_dst_load(cpu, in, in->size, &d);
		val = alu_sub(cpu, 0, old, in->size);
	} while (!x86_dst_store(cpu, in, in->size, &d, old, val));
}
