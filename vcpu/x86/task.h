/* SPDX-License-Identifier: MIT */
/*
 * task.h - the task state segment, and switching tasks by the hardware (SDM
 * 3A, chapter 7). Threads: the vCPU's own only.
 */
#ifndef MINIVMM_VCPU_X86_TASK_H
#define MINIVMM_VCPU_X86_TASK_H

#include "vcpu/x86/cpu.h"

enum x86_task_how {
	X86_TASK_JUMP,	 /* JMP */
	X86_TASK_CALL,	 /* CALL, interrupts, exceptions: the new task nests */
	X86_TASK_RETURN, /* IRET with NT */
};

struct x86_task_switch {
	enum x86_task_how how;
	uint64_t rip, rflags; /* what the old task's TSS gets */
	bool has_error;	      /* push @error on the new task's stack */
	uint32_t error;
};

/*
 * Switch to the task of the TSS that @sel names in the GDT. Raises #GP (#TS
 * from IRET), #NP or #TS with the TSS's selector while the old task still
 * runs, then the same and #SS in the new task.
 */
void x86_switch_task(struct x86_cpu *cpu, uint16_t sel,
		     const struct x86_task_switch *sw);

/* @size bytes at @off of the current TSS; #TS when it is too short. */
uint64_t x86_read_tss(struct x86_cpu *cpu, unsigned int off, unsigned int size);

/* SS and *sp for privilege @cpl, from a 32- or 16-bit TSS. */
uint16_t x86_inner_stack(struct x86_cpu *cpu, unsigned int cpl, uint64_t *sp);

#endif
