// SPDX-License-Identifier: MIT
/*
 * semantics.c - from a decoded instruction to its function.
 */
#include "vcpu/x86/semantics.h"

#include "vcpu/x86/mem.h"

/*
 * The instruction after the last of a block: no byte of the guest's, it only
 * says where the block ends.
 */
void x86_do_block_end(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->rip = x86_ip(cpu, in);
}

static x86_fn *const table[X86_NR_OPS] = {
#define X86_OP(name) [X86_OP_##name] = x86_do_##name,
	X86_OPS(X86_OP)
#undef X86_OP
};

void x86_bind(struct x86_insn *in)
{
	in->fn = table[in->op];
}
