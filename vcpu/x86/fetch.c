// SPDX-License-Identifier: MIT
/*
 * fetch.c - from RIP to a decoded instruction.
 */
#include "vcpu/x86/fetch.h"

#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/mmu.h"

uint64_t x86_code_lin(const struct x86_cpu *cpu, uint64_t rip)
{
	if (cpu->mode == X86_MODE_64)
		return rip;
	return (uint32_t)(cpu->st.seg[CPU_CS].base + rip);
}

/* SDM 3A §5.3; 64-bit mode: §3.3.7.1 */
void x86_check_rip(struct x86_cpu *cpu)
{
	bool inside = cpu->mode == X86_MODE_64
			      ? x86_canonical(cpu->rip)
			      : cpu->rip <= cpu->st.seg[CPU_CS].limit;

	if (X86_UNLIKELY(!inside))
		x86_raise_error(cpu, X86_GP, 0);
}

/*
 * Up to 15 bytes at @lin, those of the next page only with @across: it may
 * not be there, and need not be. Returns how many.
 */
static size_t fetch(struct x86_cpu *cpu, uint64_t lin, bool across,
		    uint8_t *buf)
{
	size_t n = min_u64(X86_PAGE - lin % X86_PAGE, X86_INSN_MAX);
	const uint8_t *p;
	gpa_t gpa;

	p = x86_fetch_ptr(cpu, lin, &gpa);
	if (!p)
		return 0;
	memcpy(buf, p, n);
	if (n == X86_INSN_MAX || !across)
		return n;
	p = x86_fetch_ptr(cpu, lin + n, &gpa);
	if (!p)
		return n;
	memcpy(buf + n, p, X86_INSN_MAX - n);
	return X86_INSN_MAX;
}

void x86_fetch_insn(struct x86_cpu *cpu, struct x86_insn *in)
{
	uint64_t lin = x86_code_lin(cpu, cpu->rip);
	uint8_t bytes[X86_INSN_MAX];
	int err;

	err = x86_decode(in, bytes, fetch(cpu, lin, false, bytes), cpu->mode);
	if (err == -ENODATA)
		err = x86_decode(in, bytes, fetch(cpu, lin, true, bytes),
				 cpu->mode);
	if (err == -EILSEQ)
		x86_raise(cpu, X86_UD);
	if (err)
		x86_raise_error(cpu, X86_GP, 0);
}
