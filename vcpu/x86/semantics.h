/* SPDX-License-Identifier: MIT */
/*
 * semantics.h - what each instruction does: one function each, and the table
 * that finds it.
 *
 * An x86_do_<insn>() executes one decoded instruction on a struct x86_cpu.
 * Instructions that transfer control (X86_F_END) set cpu->rip; for all
 * others the caller goes on at x86_next_ip(). Faults unwind (cpu.h).
 */
#ifndef MINIVMM_VCPU_X86_SEMANTICS_H
#define MINIVMM_VCPU_X86_SEMANTICS_H

#include "vcpu/x86/insn.h"

#define X86_OP(name) x86_fn x86_do_##name;
X86_OPS(X86_OP)
#undef X86_OP

/* Set in->fn to the instruction's function. */
void x86_bind(struct x86_insn *in);

/*
 * Likewise, to a variant that knows operand size and form in advance where
 * there is one: for engines that run an instruction many times.
 */
void x86_bind_fast(struct x86_insn *in);

#endif
