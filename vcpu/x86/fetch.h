/* SPDX-License-Identifier: MIT */
/*
 * fetch.h - from RIP to a decoded instruction.
 */
#ifndef MINIVMM_VCPU_X86_FETCH_H
#define MINIVMM_VCPU_X86_FETCH_H

#include "vcpu/x86/cpu.h"

/* The linear address of @rip in the code segment. */
uint64_t x86_code_lin(const struct x86_cpu *cpu, uint64_t rip);

/* Unwinds with #GP when RIP is outside the code segment, or not canonical. */
void x86_check_rip(struct x86_cpu *cpu);

/*
 * Decode the instruction at RIP into *in, to be bound by the caller. The page
 * after it is looked at only if the instruction goes on there. Unwinds: #PF,
 * #UD, #GP (too long, or not in RAM).
 */
void x86_fetch_insn(struct x86_cpu *cpu, struct x86_insn *in);

#endif
