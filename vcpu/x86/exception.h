/* SPDX-License-Identifier: MIT */
/*
 * exception.h - delivering exceptions and interrupts (SDM 3A, chapter 6).
 */
#ifndef MINIVMM_VCPU_X86_EXCEPTION_H
#define MINIVMM_VCPU_X86_EXCEPTION_H

#include "vcpu/x86/cpu.h"

/*
 * After cpu->unwind returned: deliver the fault that is in cpu->fault, or
 * the double fault it became; cpu->shutdown when there is no third. May
 * unwind again: call it in the same way then.
 */
void x86_handle_fault(struct x86_cpu *cpu);

/*
 * Deliver an external interrupt or NMI at the boundary where cpu->rip is.
 * cpu->cur is NULL. May unwind.
 */
void x86_deliver_interrupt(struct x86_cpu *cpu, uint8_t vector);

/* #DB as a trap at cpu->rip, with these bits of DR6. Unwinds. */
_Noreturn void x86_trap_debug(struct x86_cpu *cpu, uint64_t dr6);

#endif
