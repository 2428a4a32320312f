// SPDX-License-Identifier: MIT
/*
 * step.c - one instruction at a time, with all that debugging wants.
 */
#include "vcpu/x86/step.h"

#include "vcpu/x86/exception.h"

#define DR6_BS (1ull << 14)

/* Bits of DR6 for the instruction breakpoints at the current address. */
static uint64_t hit_breakpoints(const struct x86_cpu *cpu)
{
	uint64_t lin = cpu->seg_base[CPU_CS] + cpu->rip, bits = 0;
	uint64_t dr7 = cpu->st.dr[7];
	unsigned int i;

	if (cpu->rflags & X86_FL_RF)
		return 0;
	for (i = 0; i < 4; i++)
		if (dr7 >> (2 * i) & 3 && !(dr7 >> (16 + 4 * i) & 3) &&
		    cpu->st.dr[i] == lin)
			bits |= 1ull << i;
	return bits;
}

bool x86_step_begin(struct x86_cpu *cpu)
{
	bool trap = cpu->rflags & X86_FL_TF;
	uint64_t dr6 = hit_breakpoints(cpu);

	if (dr6)
		x86_trap_debug(cpu, dr6);
	/* Before it runs: it may begin a shadow of its own. */
	cpu->st.events.shadow_sti = false;
	cpu->st.events.shadow_mov_ss = false;
	cpu->rflags &= ~X86_FL_RF;
	return trap;
}

void x86_step_end(struct x86_cpu *cpu, bool trap)
{
	uint64_t dr6 = cpu->pending_dr6 | (trap ? DR6_BS : 0);

	cpu->pending_dr6 = 0;
	if (dr6)
		x86_trap_debug(cpu, dr6);
}
