// SPDX-License-Identifier: MIT
/*
 * far.c - jumps and calls to other code segments (SDM 3A §5.8).
 *
 * Targets are code segments; gates and tasks raise #GP: neither 64- nor
 * 32-bit Linux has any to go through.
 */
#include "vcpu/x86/mem.h"
#include "vcpu/x86/mmu.h"
#include "vcpu/x86/segment.h"
#include "vcpu/x86/semantics.h"

static void check_target(struct x86_cpu *cpu, const struct x86_desc *cs,
			 uint64_t ip)
{
	bool code64 = cpu->long_mode && cs->hi & X86_DESC_L;

	if (code64 ? !x86_canonical(ip) : ip > x86_unpack_desc(0, cs).limit)
		x86_raise_error(cpu, X86_GP, 0);
}

static void jump_far(struct x86_cpu *cpu, uint16_t sel, uint64_t ip)
{
	struct x86_desc d;

	if (x86_real_or_v86(cpu)) {
		x86_load_real_segment(cpu, CPU_CS, sel);
		cpu->rip = ip;
		return;
	}
	d = x86_check_code(cpu, sel);
	check_target(cpu, &d, ip);
	x86_set_cs(cpu, sel, &d, cpu->cpl);
	cpu->rip = ip;
}

static void call_far(struct x86_cpu *cpu, const struct x86_insn *in,
		     uint16_t sel, uint64_t ip)
{
	unsigned int size = in->size;
	uint64_t rsp = cpu->reg[CPU_RSP];
	struct x86_desc d;

	/* All checks before the pushes, both pushes before RSP moves. */
	if (!x86_real_or_v86(cpu)) {
		d = x86_check_code(cpu, sel);
		check_target(cpu, &d, ip);
	}
	x86_write(cpu, x86_stack_lin(cpu, rsp - size, size, true), size,
		  cpu->st.seg[CPU_CS].selector);
	x86_write(cpu, x86_stack_lin(cpu, rsp - 2 * size, size, true), size,
		  x86_next_ip(cpu, in));
	x86_add_rsp(cpu, -2 * (int64_t)size);
	jump_far(cpu, sel, ip);
}

void x86_do_jmp_far(struct x86_cpu *cpu, const struct x86_insn *in)
{
	jump_far(cpu, in->sel, in->imm);
}

void x86_do_call_far(struct x86_cpu *cpu, const struct x86_insn *in)
{
	call_far(cpu, in, in->sel, in->imm);
}

/* m16:16, m16:32 or m16:64: offset first. */
static uint16_t read_pointer(struct x86_cpu *cpu, const struct x86_insn *in,
			     uint64_t *ip)
{
	uint64_t lin = x86_lin(cpu, in, in->size + 2u, false);

	*ip = x86_read(cpu, lin, in->size);
	return (uint16_t)x86_read(cpu, lin + in->size, 2);
}

void x86_do_jmp_far_ind(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t ip;
	uint16_t sel = read_pointer(cpu, in, &ip);

	jump_far(cpu, sel, ip);
}

void x86_do_call_far_ind(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t ip;
	uint16_t sel = read_pointer(cpu, in, &ip);

	call_far(cpu, in, sel, ip);
}
