// SPDX-License-Identifier: MIT
/*
 * syscall.c - the fast ways into the kernel and out (SDM 2, "SYSCALL",
 * "SYSRET", "SYSENTER", "SYSEXIT", "SWAPGS").
 */
#include "vcpu/x86/mem.h"
#include "vcpu/x86/mmu.h"
#include "vcpu/x86/segment.h"
#include "vcpu/x86/semantics.h"

static void need_syscall(struct x86_cpu *cpu)
{
	if (!(cpu->st.efer & X86_EFER_SCE))
		x86_raise(cpu, X86_UD);
}

/* 64-bit mode enters at LSTAR, compatibility mode at CSTAR. */
void x86_do_syscall(struct x86_cpu *cpu, const struct x86_insn *in)
{
	const struct cpu_msrs *msr = &cpu->st.msr;
	uint16_t cs = msr->star >> 32 & 0xfffc;
	bool code64 = cpu->mode == X86_MODE_64;

	need_syscall(cpu);
	if (!cpu->long_mode)
		x86_raise(cpu, X86_UD); /* the legacy form is AMD's alone */
	cpu->reg[CPU_RCX] = x86_next_ip(cpu, in);
	cpu->reg[CPU_R11] = x86_get_rflags(cpu) & ~X86_FL_RF;
	x86_set_rflags(cpu, x86_get_rflags(cpu) & ~(msr->fmask | X86_FL_RF));
	x86_set_flat(cpu, cs, cs + 8, 0, true);
	cpu->rip = code64 ? msr->lstar : msr->cstar;
}

/*
 * SYSRET leaves SS's hidden part as AMD and Intel differ in; like Intel we
 * load a flat one.
 */
void x86_do_sysret(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint16_t base = (uint16_t)(cpu->st.msr.star >> 48);
	uint64_t to = cpu->reg[CPU_RCX], may = ~(X86_FL_RF | X86_FL_VM);
	bool code64 = in->size == 8;

	need_syscall(cpu);
	x86_need_cpl0(cpu);
	if (code64 && !x86_canonical(to))
		x86_raise_error(cpu, X86_GP, 0);
	x86_set_rflags(cpu, cpu->reg[CPU_R11] & may & 0x3c7fd7);
	x86_set_flat(cpu, (uint16_t)(base + (code64 ? 16 : 0)) | 3,
		     (uint16_t)(base + 8) | 3, 3, code64);
	cpu->rip = code64 ? to : (uint32_t)to;
}

void x86_do_sysenter(struct x86_cpu *cpu, const struct x86_insn *in)
{
	const struct cpu_msrs *msr = &cpu->st.msr;
	uint16_t cs = msr->sysenter_cs & 0xfffc;

	(void)in;
	if (x86_sel_null(cs) || !x86_protected(cpu))
		x86_raise_error(cpu, X86_GP, 0);
	cpu->rflags &= ~(X86_FL_VM | X86_FL_IF | X86_FL_RF);
	x86_set_flat(cpu, cs, cs + 8, 0, cpu->long_mode);
	cpu->reg[CPU_RSP] = msr->sysenter_esp;
	cpu->rip = msr->sysenter_eip;
	if (!cpu->long_mode) {
		cpu->reg[CPU_RSP] = (uint32_t)msr->sysenter_esp;
		cpu->rip = (uint32_t)msr->sysenter_eip;
	}
}

void x86_do_sysexit(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint16_t cs = cpu->st.msr.sysenter_cs & 0xfffc;
	bool code64 = in->size == 8;
	uint64_t ip = cpu->reg[CPU_RDX], sp = cpu->reg[CPU_RCX];

	if (x86_sel_null(cs) || !x86_protected(cpu))
		x86_raise_error(cpu, X86_GP, 0);
	x86_need_cpl0(cpu);
	if (code64 && (!x86_canonical(ip) || !x86_canonical(sp)))
		x86_raise_error(cpu, X86_GP, 0);
	cs = (uint16_t)(cs + (code64 ? 32 : 16)) | 3;
	x86_set_flat(cpu, cs, cs + 8, 3, code64);
	cpu->reg[CPU_RSP] = code64 ? sp : (uint32_t)sp;
	cpu->rip = code64 ? ip : (uint32_t)ip;
}

void x86_do_swapgs(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t base = cpu->st.seg[CPU_GS].base;

	x86_need_cpl0(cpu);
	cpu->st.seg[CPU_GS].base = cpu->st.msr.kernel_gs_base;
	cpu->seg_base[CPU_GS] = cpu->st.msr.kernel_gs_base;
	cpu->st.msr.kernel_gs_base = base;
	cpu->rip = x86_next_ip(cpu, in);
}
