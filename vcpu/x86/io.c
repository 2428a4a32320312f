// SPDX-License-Identifier: MIT
/*
 * io.c - port access, and who may do it (SDM 1 §19.5).
 */
#include "memory/bus.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"

#define TSS_IOMAP_BASE 0x66

/* A bit of the TSS's map for each port; all of the access's must be 0. */
static bool iomap_allows(struct x86_cpu *cpu, unsigned int port,
			 unsigned int size)
{
	const struct cpu_segment *tr = &cpu->st.seg[CPU_TR];
	unsigned int type = tr->access & 0xf, at;
	uint64_t bits;

	/* 32- and 64-bit TSS, available or busy */
	if (!(tr->access & CPU_SEG_P) || (type != 9 && type != 11))
		return false;
	if (tr->limit < TSS_IOMAP_BASE + 1)
		return false;
	at = (unsigned int)x86_sys_read(cpu, tr->base + TSS_IOMAP_BASE, 2) +
	     port / 8;
	if (at + 1 > tr->limit)
		return false;
	bits = x86_sys_read(cpu, tr->base + at, 2) >> (port % 8);
	return !(bits & ((1u << size) - 1));
}

void x86_check_port(struct x86_cpu *cpu, unsigned int port, unsigned int size)
{
	if (!x86_protected(cpu))
		return;
	if (cpu->cpl <= x86_iopl(cpu) && !x86_v86(cpu))
		return;
	if (!iomap_allows(cpu, port, size))
		x86_raise_error(cpu, X86_GP, 0);
}

/* E4 to E7 name the port, EC to EF take it from DX. */
static uint16_t port_of(const struct x86_cpu *cpu, const struct x86_insn *in)
{
	return (uint16_t)(in->opcode & 8 ? cpu->reg[CPU_RDX] : in->imm);
}

void x86_do_in(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint16_t port = port_of(cpu, in);

	x86_check_port(cpu, port, in->size);
	x86_reg_set(cpu, CPU_RAX, bus_read(cpu->bus, BUS_PIO, port, in->size),
		    in->size);
}

void x86_do_out(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint16_t port = port_of(cpu, in);

	x86_check_port(cpu, port, in->size);
	cpu->rip = x86_next_ip(cpu, in);
	bus_write(cpu->bus, BUS_PIO, port, in->size, cpu->reg[CPU_RAX]);
}
