/* SPDX-License-Identifier: MIT */
/*
 * step.h - a run of decoded instructions; or one at a time, with all that
 * debugging wants: single steps, breakpoints, the shadows of STI and MOV SS.
 */
#ifndef MINIVMM_VCPU_X86_STEP_H
#define MINIVMM_VCPU_X86_STEP_H

#include <stddef.h>

#include "vcpu/x86/cpu.h"

#define X86_DR7_ENABLED 0xffull /* L0 to G3: SDM 3B §17.2.4 */

/*
 * Run @in and those behind it in memory, decoded from RIP on, to the one that
 * ends them (X86_F_END).
 */
X86_INLINE void x86_run_insns(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->reg[X86_REG_IP] = cpu->rip;
	for (;;) {
		cpu->cur = in;
		in->fn(cpu, in);
		if (in->flags & X86_F_END)
			break;
		in++;
	}
	cpu->cur = NULL;
}

/* Must the next instruction run between x86_step_begin() and _end()? */
static inline bool x86_one_at_a_time(const struct x86_cpu *cpu)
{
	return cpu->rflags & X86_FL_TF || cpu->st.dr[7] & X86_DR7_ENABLED ||
	       cpu->st.events.shadow_sti || cpu->st.events.shadow_mov_ss;
}

/* May an interrupt be delivered now? */
static inline bool x86_may_interrupt(const struct x86_cpu *cpu)
{
	return cpu->rflags & X86_FL_IF && !cpu->st.events.shadow_sti &&
	       !cpu->st.events.shadow_mov_ss;
}

/*
 * Before the one instruction; for x86_step_end(): whether a trap follows it.
 * Unwinds: a breakpoint.
 */
bool x86_step_begin(struct x86_cpu *cpu);
/* Behind it. Unwinds: a trap. */
void x86_step_end(struct x86_cpu *cpu, bool trap);

#endif
