// SPDX-License-Identifier: MIT
/*
 * stack.c - pushes and pops, stack frames, and the flags as a whole.
 */
#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"

/* The stack pointer wraps at the stack segment's size. */
static uint64_t mask_sp(const struct x86_cpu *cpu, uint64_t sp)
{
	return x86_zext(sp, cpu->stack_size);
}

uint64_t x86_stack_lin(struct x86_cpu *cpu, uint64_t rsp, unsigned int size,
		       bool write)
{
	if (cpu->mode == X86_MODE_64)
		return rsp;
	rsp = mask_sp(cpu, rsp);
	if (X86_LIKELY(x86_is_flat(cpu, CPU_SS, rsp, size)))
		return rsp;
	return x86_seg_lin(cpu, CPU_SS, rsp, size, write);
}

void x86_add_rsp(struct x86_cpu *cpu, int64_t n)
{
	x86_reg_set(cpu, CPU_RSP, cpu->reg[CPU_RSP] + (uint64_t)n,
		    cpu->stack_size);
}

/* FF /6 pushes rm; 50+r has rm too. */
void x86_do_push(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_push(cpu, x86_rm_get(cpu, in, in->size), in->size);
}

void x86_do_push_imm(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_push(cpu, in->imm, in->size);
}

/*
 * SDM 2, "POP": an address with RSP as base uses it after the increment, and
 * a fault on the write leaves it as it was.
 */
void x86_do_pop(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t old = cpu->reg[CPU_RSP], v = x86_peek(cpu, 0, in->size), lin;
	struct x86_insn after = *in;

	if (!x86_is_mem(in)) {
		x86_add_rsp(cpu, in->size);
		x86_reg_set(cpu, in->rm, v, in->size);
		return;
	}
	if (in->base == CPU_RSP)
		after.disp += in->size;
	lin = x86_lin(cpu, &after, in->size, true);
	x86_write(cpu, lin, in->size, v);
	cpu->reg[CPU_RSP] = old;
	x86_add_rsp(cpu, in->size);
}

void x86_do_pusha(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t rsp = cpu->reg[CPU_RSP];
	unsigned int i;

	/* All eight must fit before RSP moves. */
	for (i = 0; i < 8; i++)
		x86_write(cpu,
			  x86_stack_lin(cpu, rsp - (i + 1) * in->size, in->size,
					true),
			  in->size, cpu->reg[i]);
	x86_add_rsp(cpu, -8 * (int64_t)in->size);
}

void x86_do_popa(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v[8];
	unsigned int i;

	for (i = 0; i < 8; i++)
		v[i] = x86_peek(cpu, i * in->size, in->size);
	x86_add_rsp(cpu, 8 * (int64_t)in->size);
	for (i = 0; i < 8; i++)
		if (i != 7 - CPU_RSP)
			x86_reg_set(cpu, 7 - i, v[i], in->size);
}

void x86_do_pushf(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t fl = x86_get_rflags(cpu) & ~(X86_FL_VM | X86_FL_RF);

	if (x86_v86(cpu) && x86_iopl(cpu) < 3)
		x86_raise_error(cpu, X86_GP, 0);
	x86_push(cpu, fl, in->size);
}

/* SDM 2, "POPF", tables 4-16 and 4-17: who may change what. */
void x86_do_popf(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t may = X86_FL_STATUS | X86_FL_TF | X86_FL_DF | X86_FL_NT |
		       X86_FL_AC | X86_FL_ID;
	uint64_t old = x86_get_rflags(cpu), v;

	if (x86_v86(cpu) && x86_iopl(cpu) < 3)
		x86_raise_error(cpu, X86_GP, 0);
	v = x86_pop(cpu, in->size);
	if (in->size == 2)
		may &= 0xffff;
	if (!cpu->cpl)
		may |= X86_FL_IOPL;
	if (cpu->cpl <= x86_iopl(cpu))
		may |= X86_FL_IF;
	x86_set_rflags(cpu, (old & ~may & ~X86_FL_RF) | (v & may));
	cpu->rip = x86_next_ip(cpu, in);
}

static uint64_t frame_read(struct x86_cpu *cpu, uint64_t bp, unsigned int size)
{
	return x86_read(cpu, x86_stack_lin(cpu, bp, size, false), size);
}

/* SDM 2, "ENTER": copies @level - 1 frame pointers, then its own. */
void x86_do_enter(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t rsp = cpu->reg[CPU_RSP], rbp = cpu->reg[CPU_RBP], frame, top;
	unsigned int level = in->sel & 31, size = in->size, i;

	rsp -= size;
	x86_write(cpu, x86_stack_lin(cpu, rsp, size, true), size, rbp);
	frame = rsp;
	for (i = 1; i < level; i++) {
		uint64_t v = frame_read(cpu, rbp - i * size, size);

		rsp -= size;
		x86_write(cpu, x86_stack_lin(cpu, rsp, size, true), size, v);
	}
	if (level) {
		rsp -= size;
		x86_write(cpu, x86_stack_lin(cpu, rsp, size, true), size,
			  mask_sp(cpu, frame));
	}
	rsp -= in->imm;
	/* The new top must be writable: the fault is ENTER's. */
	top = x86_stack_lin(cpu, rsp, size, true);
	x86_need_align(cpu, top, size);
	x86_probe_write(cpu, top, size);
	x86_reg_set(cpu, CPU_RBP, frame, size);
	x86_reg_set(cpu, CPU_RSP, rsp, cpu->stack_size);
}

void x86_do_leave(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t rbp = cpu->reg[CPU_RBP];
	uint64_t v = frame_read(cpu, rbp, in->size);

	x86_reg_set(cpu, CPU_RSP, rbp + in->size, cpu->stack_size);
	x86_reg_set(cpu, CPU_RBP, v, in->size);
}

#define AH 1 /* byte offset into reg */

void x86_do_lahf(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t fl = x86_status_flags(cpu) & ~X86_FL_OF;

	(void)in;
	x86_reg_set(cpu, AH, fl | X86_FL_ONE, 1);
}

void x86_do_sahf(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t ah = x86_reg_get(cpu, AH, 1);
	uint64_t of = x86_of(cpu) ? X86_FL_OF : 0;

	(void)in;
	x86_set_status_flags(cpu, (ah & X86_FL_STATUS) | of);
}

void x86_do_clc(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	x86_set_cf(cpu, false);
}

void x86_do_stc(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	x86_set_cf(cpu, true);
}

void x86_do_cmc(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	x86_set_cf(cpu, !x86_cf(cpu));
}

void x86_do_cld(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	cpu->rflags &= ~X86_FL_DF;
}

void x86_do_std(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	cpu->rflags |= X86_FL_DF;
}
