// SPDX-License-Identifier: MIT
/*
 * flow.c - jumps, calls and returns within the code segment, loops.
 */
#include "vcpu/x86/mem.h"
#include "vcpu/x86/mmu.h"
#include "vcpu/x86/semantics.h"

uint64_t x86_branch_target(struct x86_cpu *cpu, const struct x86_insn *in,
			   uint64_t ip)
{
	ip = x86_zext(ip, in->size == 2 ? 2 : 4);
	if (ip > cpu->st.seg[CPU_CS].limit)
		x86_raise_error(cpu, X86_GP, 0);
	return ip;
}

/* Where an indirect jump goes: #GP before anything has changed. */
static uint64_t checked_target(struct x86_cpu *cpu, const struct x86_insn *in,
			       uint64_t to)
{
	if (in->flags & X86_F_LEGACY)
		return x86_branch_target(cpu, in, to);
	if (!x86_canonical(to))
		x86_raise_error(cpu, X86_GP, 0);
	return to;
}

static void jump_relative(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_branch(cpu, in, x86_next_ip(cpu, in) + in->imm);
}

void x86_do_jmp(struct x86_cpu *cpu, const struct x86_insn *in)
{
	jump_relative(cpu, in);
}

static void jump_if(struct x86_cpu *cpu, const struct x86_insn *in, bool taken)
{
	if (taken)
		jump_relative(cpu, in);
	else
		cpu->rip = x86_next_ip(cpu, in);
}

void x86_do_jcc(struct x86_cpu *cpu, const struct x86_insn *in)
{
	jump_if(cpu, in, x86_cond(cpu, in->opcode & 0xf));
}

void x86_do_call(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t next = x86_next_ip(cpu, in), to = next + in->imm;

	if (in->flags & X86_F_LEGACY)
		to = x86_branch_target(cpu, in, to);
	x86_push(cpu, next, in->size);
	cpu->rip = to;
}

void x86_do_jmp_ind(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->rip = checked_target(cpu, in, x86_rm_get(cpu, in, in->size));
}

void x86_do_call_ind(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t to = x86_rm_get(cpu, in, in->size);

	/* A push that faults comes first. */
	if (!(in->flags & X86_F_LEGACY) && !x86_canonical(to)) {
		x86_need_align(cpu, cpu->reg[CPU_RSP] - in->size, in->size);
		x86_probe_write(cpu, cpu->reg[CPU_RSP] - in->size, in->size);
	}
	to = checked_target(cpu, in, to);
	x86_push(cpu, x86_next_ip(cpu, in), in->size);
	cpu->rip = to;
}

void x86_do_ret(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->rip = checked_target(cpu, in, x86_peek(cpu, 0, in->size));
	x86_add_rsp(cpu, (int64_t)(in->size + in->imm));
}

/* RCX, ECX or CX by address size, @n less. */
static uint64_t count_minus(const struct x86_cpu *cpu,
			    const struct x86_insn *in, unsigned int n)
{
	return x86_zext(cpu->reg[CPU_RCX] - n, in->asize);
}

static void loop_if(struct x86_cpu *cpu, const struct x86_insn *in, bool cond)
{
	uint64_t count = count_minus(cpu, in, 1);

	jump_if(cpu, in, count && cond);
	x86_reg_set(cpu, CPU_RCX, count, in->asize);
}

void x86_do_loop(struct x86_cpu *cpu, const struct x86_insn *in)
{
	loop_if(cpu, in, true);
}

void x86_do_loope(struct x86_cpu *cpu, const struct x86_insn *in)
{
	loop_if(cpu, in, x86_zf(cpu));
}

void x86_do_loopne(struct x86_cpu *cpu, const struct x86_insn *in)
{
	loop_if(cpu, in, !x86_zf(cpu));
}

void x86_do_jrcxz(struct x86_cpu *cpu, const struct x86_insn *in)
{
	jump_if(cpu, in, !count_minus(cpu, in, 0));
}

void x86_do_bound(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t lin = x86_lin(cpu, in, 2u * in->size, false);
	int64_t low = x86_sext(x86_read(cpu, lin, in->size), in->size);
	int64_t high =
		x86_sext(x86_read(cpu, lin + in->size, in->size), in->size);
	int64_t v = x86_sext(cpu->reg[in->reg], in->size);

	if (v < low || v > high)
		x86_raise(cpu, X86_BR);
}

/* D6, undocumented: AL = CF ? FF : 0 */
void x86_do_salc(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	x86_reg_set(cpu, 0, x86_cf(cpu) ? 0xff : 0, 1);
}
