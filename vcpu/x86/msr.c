// SPDX-License-Identifier: MIT
/*
 * msr.c - model-specific registers of the core, and the time stamp counter.
 */
#include "base/log.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/mmu.h"
#include "vcpu/x86/semantics.h"

/* SDM 4, chapter 2; AMD's from APM 2, appendix A */
enum {
	MSR_TSC = 0x10,
	MSR_PLATFORM_ID = 0x17,
	MSR_SPEC_CTRL = 0x48,
	MSR_PRED_CMD = 0x49,
	MSR_BIOS_SIGN = 0x8b,
	MSR_MTRRCAP = 0xfe,
	MSR_ARCH_CAP = 0x10a,
	MSR_SYSENTER_CS = 0x174,
	MSR_SYSENTER_ESP = 0x175,
	MSR_SYSENTER_EIP = 0x176,
	MSR_MCG_CAP = 0x179,
	MSR_MCG_STATUS = 0x17a,
	MSR_MISC_ENABLE = 0x1a0,
	MSR_MTRR_FIRST = 0x200,
	MSR_MTRR_LAST = 0x26f,
	MSR_PAT = 0x277,
	MSR_MTRR_DEF_TYPE = 0x2ff,
	MSR_EFER = 0xc0000080,
	MSR_STAR = 0xc0000081,
	MSR_LSTAR = 0xc0000082,
	MSR_CSTAR = 0xc0000083,
	MSR_FMASK = 0xc0000084,
	MSR_FS_BASE = 0xc0000100,
	MSR_GS_BASE = 0xc0000101,
	MSR_KERNEL_GS_BASE = 0xc0000102,
	MSR_TSC_AUX = 0xc0000103,
	MSR_AMD_FIRST = 0xc0010000,
	MSR_AMD_LAST = 0xc0011fff,
	MSR_AMD_HWCR = 0xc0010015,
	MSR_AMD_DE_CFG = 0xc0011029,
};

#define EFER_ALL		 (X86_EFER_SCE | X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE)
#define DE_CFG_LFENCE_SERIALIZES 2ull
#define HWCR_TSC_FREQ_SEL	 (1ull << 24) /* the TSC is constant */

/* Registers that are one plain 64-bit value. */
static uint64_t *plain(struct x86_cpu *cpu, uint32_t index)
{
	struct cpu_msrs *m = &cpu->st.msr;

	switch (index) {
	case MSR_SPEC_CTRL:
		return &m->spec_ctrl;
	case MSR_SYSENTER_CS:
		return &m->sysenter_cs;
	case MSR_MISC_ENABLE:
		return &m->misc_enable;
	case MSR_MTRR_DEF_TYPE:
		return &m->mtrr_def_type;
	case MSR_STAR:
		return &m->star;
	case MSR_FMASK:
		return &m->fmask;
	case MSR_TSC_AUX:
		return &m->tsc_aux;
	}
	return NULL;
}

/* Registers that hold a linear address: a canonical one. */
static uint64_t *address(struct x86_cpu *cpu, uint32_t index)
{
	struct cpu_msrs *m = &cpu->st.msr;

	switch (index) {
	case MSR_SYSENTER_ESP:
		return &m->sysenter_esp;
	case MSR_SYSENTER_EIP:
		return &m->sysenter_eip;
	case MSR_LSTAR:
		return &m->lstar;
	case MSR_CSTAR:
		return &m->cstar;
	case MSR_FS_BASE:
		return &cpu->st.seg[CPU_FS].base;
	case MSR_GS_BASE:
		return &cpu->st.seg[CPU_GS].base;
	case MSR_KERNEL_GS_BASE:
		return &m->kernel_gs_base;
	}
	return NULL;
}

/* What reads as 0 and ignores writes: guests look without asking CPUID. */
static bool is_void(uint32_t index)
{
	switch (index) {
	case MSR_PLATFORM_ID:
	case MSR_PRED_CMD:
	case MSR_BIOS_SIGN:
	case MSR_MTRRCAP:
	case MSR_ARCH_CAP:
	case MSR_MCG_CAP:
	case MSR_MCG_STATUS:
		return true;
	}
	return (index >= MSR_MTRR_FIRST && index <= MSR_MTRR_LAST) ||
	       (index >= MSR_AMD_FIRST && index <= MSR_AMD_LAST);
}

static int read_msr(struct x86_cpu *cpu, uint32_t index, uint64_t *v)
{
	const uint64_t *p = plain(cpu, index);

	if (!p)
		p = address(cpu, index);
	if (p) {
		*v = *p;
		return 0;
	}
	switch (index) {
	case MSR_TSC:
		*v = cpu->env->tsc(cpu);
		return 0;
	case MSR_EFER:
		*v = cpu->st.efer;
		return 0;
	case MSR_PAT:
		*v = cpu->st.msr.pat;
		return 0;
	case MSR_AMD_HWCR:
		*v = HWCR_TSC_FREQ_SEL;
		return 0;
	case MSR_AMD_DE_CFG:
		*v = DE_CFG_LFENCE_SERIALIZES;
		return 0;
	}
	if (!cpu->env->rdmsr(cpu, index, v))
		return 0;
	*v = 0;
	return is_void(index) ? 0 : -1;
}

static int write_efer(struct x86_cpu *cpu, uint64_t v)
{
	uint64_t old = cpu->st.efer;

	if (v & ~EFER_ALL)
		return -1;
	if ((v ^ old) & X86_EFER_LME && cpu->st.cr0 & X86_CR0_PG)
		return -1;
	cpu->st.efer = (v & ~X86_EFER_LMA) | (old & X86_EFER_LMA);
	x86_tlb_flush(cpu);
	return 0;
}

/* Memory types 2, 3 and above 7 do not exist (SDM 3A §11.12.2). */
static int write_pat(struct x86_cpu *cpu, uint64_t v)
{
	unsigned int i;

	for (i = 0; i < 64; i += 8) {
		unsigned int type = v >> i & 0xff;

		if (type > 7 || type == 2 || type == 3)
			return -1;
	}
	cpu->st.msr.pat = v;
	return 0;
}

static int write_msr(struct x86_cpu *cpu, uint32_t index, uint64_t v)
{
	uint64_t *p = plain(cpu, index);

	if (p) {
		*p = v;
		return 0;
	}
	p = address(cpu, index);
	if (p) {
		if (!x86_canonical(v))
			return -1;
		*p = v;
		x86_update_mode(cpu);
		return 0;
	}
	switch (index) {
	case MSR_TSC:
		cpu->env->set_tsc(cpu, v);
		return 0;
	case MSR_EFER:
		return write_efer(cpu, v);
	case MSR_PAT:
		return write_pat(cpu, v);
	}
	if (!cpu->env->wrmsr(cpu, index, v))
		return 0;
	return is_void(index) ? 0 : -1;
}

void x86_do_rdmsr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint32_t index = (uint32_t)cpu->reg[CPU_RCX];
	uint64_t v;

	(void)in;
	x86_need_cpl0(cpu);
	if (read_msr(cpu, index, &v)) {
		log_debug("cpu %u: rdmsr 0x%x: none", cpu->id, index);
		x86_raise_error(cpu, X86_GP, 0);
	}
	cpu->reg[CPU_RAX] = (uint32_t)v;
	cpu->reg[CPU_RDX] = v >> 32;
}

void x86_do_wrmsr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint32_t index = (uint32_t)cpu->reg[CPU_RCX];
	uint64_t v = cpu->reg[CPU_RDX] << 32 | (uint32_t)cpu->reg[CPU_RAX];

	x86_need_cpl0(cpu);
	if (write_msr(cpu, index, v)) {
		log_debug("cpu %u: wrmsr 0x%x: refused", cpu->id, index);
		x86_raise_error(cpu, X86_GP, 0);
	}
	cpu->rip = x86_next_ip(cpu, in);
}

static void read_tsc(struct x86_cpu *cpu)
{
	uint64_t v;

	if (cpu->st.cr4 & X86_CR4_TSD && cpu->cpl)
		x86_raise_error(cpu, X86_GP, 0);
	v = cpu->env->tsc(cpu);
	cpu->reg[CPU_RAX] = (uint32_t)v;
	cpu->reg[CPU_RDX] = v >> 32;
}

void x86_do_rdtsc(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	read_tsc(cpu);
}

void x86_do_rdtscp(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	read_tsc(cpu);
	cpu->reg[CPU_RCX] = (uint32_t)cpu->st.msr.tsc_aux;
}
