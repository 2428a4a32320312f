// SPDX-License-Identifier: MIT
/*
 * system.c - control and debug registers, and the privileged rest.
 */
#include "vcpu/x86/exception.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/mmu.h"
#include "vcpu/x86/semantics.h"

#define CR0_ALL                                                           \
	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | \
	 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | \
	 X86_CR0_PG)

#define CR3_NOFLUSH (1ull << 63)

static void gp(struct x86_cpu *cpu)
{
	x86_raise_error(cpu, X86_GP, 0);
}

/* Paging on or off with EFER.LME is long mode on or off. SDM 3A §9.8.5 */
static void switch_long_mode(struct x86_cpu *cpu, uint64_t cr0)
{
	bool on = cr0 & X86_CR0_PG;

	if (!(cpu->st.efer & X86_EFER_LME))
		return;
	if (on && (!(cpu->st.cr4 & X86_CR4_PAE) ||
		   cpu->st.seg[CPU_CS].access & CPU_SEG_L))
		gp(cpu);
	if (!on && cpu->mode == X86_MODE_64)
		gp(cpu);
	cpu->st.efer &= ~X86_EFER_LMA;
	if (on)
		cpu->st.efer |= X86_EFER_LMA;
}

static void set_cr0(struct x86_cpu *cpu, uint64_t v)
{
	uint64_t old = cpu->st.cr0;

	if (v >> 32 || (v & X86_CR0_PG && !(v & X86_CR0_PE)) ||
	    (v & X86_CR0_NW && !(v & X86_CR0_CD)))
		gp(cpu);
	/* SDM 3A §4.10.1: process-context identifiers need paging. */
	if (!(v & X86_CR0_PG) && cpu->st.cr4 & X86_CR4_PCIDE)
		gp(cpu);
	v = (v & CR0_ALL) | X86_CR0_ET;
	if ((v ^ old) & X86_CR0_PG)
		switch_long_mode(cpu, v);
	cpu->st.cr0 = v;
	if ((v ^ old) & (X86_CR0_PG | X86_CR0_WP | X86_CR0_PE))
		x86_tlb_flush(cpu);
	x86_update_mode(cpu);
}

/* One address space is kept at a time: every load is a flush. */
static void set_cr3(struct x86_cpu *cpu, uint64_t v)
{
	if (cpu->st.cr4 & X86_CR4_PCIDE)
		v &= ~CR3_NOFLUSH;
	if (cpu->long_mode && v & ~cpu->phys_mask)
		gp(cpu);
	cpu->st.cr3 = v;
	x86_tlb_flush(cpu);
}

static void set_cr4(struct x86_cpu *cpu, uint64_t v)
{
	uint64_t old = cpu->st.cr4;

	if (v & ~X86_CR4_KNOWN)
		gp(cpu);
	if (cpu->long_mode && !(v & X86_CR4_PAE))
		gp(cpu);
	if (v & ~old & X86_CR4_PCIDE &&
	    (!cpu->long_mode || cpu->st.cr3 & 0xfff))
		gp(cpu);
	cpu->st.cr4 = v;
	if ((v ^ old) & (X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE |
			 X86_CR4_PCIDE | X86_CR4_SMEP))
		x86_tlb_flush(cpu);
}

void x86_do_mov_to_cr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_reg_get(cpu, in->rm, in->size);

	x86_need_cpl0(cpu);
	switch (in->reg) {
	case 0:
		set_cr0(cpu, v);
		break;
	case 2:
		cpu->st.cr2 = v;
		break;
	case 3:
		set_cr3(cpu, v);
		break;
	case 4:
		set_cr4(cpu, v);
		break;
	default:
		if (v & ~0xfull)
			gp(cpu);
		cpu->env->set_cr8(cpu, v);
		break;
	}
	cpu->rip = x86_next_ip(cpu, in);
}

void x86_do_mov_from_cr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v;

	x86_need_cpl0(cpu);
	switch (in->reg) {
	case 0:
		v = cpu->st.cr0;
		break;
	case 2:
		v = cpu->st.cr2;
		break;
	case 3:
		v = cpu->st.cr3;
		break;
	case 4:
		v = cpu->st.cr4;
		break;
	default:
		v = cpu->env->get_cr8(cpu);
		break;
	}
	x86_reg_set(cpu, in->rm, v, in->size);
}

void x86_do_clts(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_need_cpl0(cpu);
	cpu->st.cr0 &= ~X86_CR0_TS;
	cpu->rip = x86_next_ip(cpu, in);
}

void x86_do_smsw(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_rm_set(cpu, in, x86_is_mem(in) ? 2 : in->size, cpu->st.cr0);
}

/* PE can be set but not cleared (SDM 2, "LMSW"). */
void x86_do_lmsw(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v;

	x86_need_cpl0(cpu);
	v = (x86_rm_get(cpu, in, 2) & 0xf) | (cpu->st.cr0 & X86_CR0_PE);
	set_cr0(cpu, (cpu->st.cr0 & ~0xfull) | v);
	cpu->rip = x86_next_ip(cpu, in);
}

#define DR6_ONES  0xffff0ff0ull
#define DR7_ONES  0x400ull
#define DR7_GD	  0x2000ull
#define DR7_VALID 0xffff2fffull
#define DR6_BD	  0x2000ull

/* DR4 and DR5 are other names unless CR4.DE says they are none. */
static unsigned int debug_reg(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_need_cpl0(cpu);
	if (in->reg == 4 || in->reg == 5) {
		if (cpu->st.cr4 & X86_CR4_DE)
			x86_raise(cpu, X86_UD);
		return in->reg + 2u;
	}
	if (cpu->st.dr[7] & DR7_GD) {
		cpu->st.dr[7] &= ~DR7_GD;
		cpu->rip = x86_ip(cpu, in);
		x86_trap_debug(cpu, DR6_BD);
	}
	return in->reg;
}

void x86_do_mov_from_dr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int n = debug_reg(cpu, in);

	x86_reg_set(cpu, in->rm, cpu->st.dr[n], in->size);
}

void x86_do_mov_to_dr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int n = debug_reg(cpu, in);
	uint64_t v = x86_reg_get(cpu, in->rm, in->size);

	if (n >= 6 && v >> 32)
		gp(cpu);
	if (n == 6)
		v |= DR6_ONES;
	if (n == 7)
		v = (v & DR7_VALID) | DR7_ONES;
	cpu->st.dr[n] = v;
	x86_update_watch(cpu);
	cpu->rip = x86_next_ip(cpu, in);
}

void x86_do_hlt(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_need_cpl0(cpu);
	cpu->halted = true;
	cpu->rip = x86_next_ip(cpu, in);
}

void x86_do_cli(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	if (x86_iopl(cpu) < cpu->cpl)
		gp(cpu);
	cpu->rflags &= ~X86_FL_IF;
}

/* SDM 2, "STI": interrupts wait for the next instruction. */
void x86_do_sti(struct x86_cpu *cpu, const struct x86_insn *in)
{
	if (x86_iopl(cpu) < cpu->cpl)
		gp(cpu);
	cpu->st.events.shadow_sti = !(cpu->rflags & X86_FL_IF);
	cpu->rflags |= X86_FL_IF;
	cpu->rip = x86_next_ip(cpu, in);
}

void x86_do_invlpg(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_need_cpl0(cpu);
	x86_tlb_flush_page(cpu, x86_ea(cpu, in) + cpu->seg_base[in->seg]);
	cpu->rip = x86_next_ip(cpu, in);
}

/* Whatever the type, forgetting everything is enough. */
void x86_do_invpcid(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int size = in->flags & X86_F_CODE64 ? 8 : 4;
	uint64_t type = x86_reg_get(cpu, in->reg, size), lin, desc;

	x86_need_cpl0(cpu);
	lin = x86_lin(cpu, in, 16, false);
	desc = x86_read(cpu, lin, 8);
	if (type > 3 || desc >> 12 ||
	    (type == 0 && !x86_canonical(x86_read(cpu, lin + 8, 8))))
		gp(cpu);
	/* There is only one to name. */
	if (type <= 1 && desc && !(cpu->st.cr4 & X86_CR4_PCIDE))
		gp(cpu);
	x86_tlb_flush(cpu);
	cpu->rip = x86_next_ip(cpu, in);
}

void x86_do_invd(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	x86_need_cpl0(cpu);
}

void x86_do_wbinvd(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	x86_need_cpl0(cpu);
}

/* A load as far as faults go; caches are the host's. */
void x86_do_clflush(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_read(cpu, x86_lin(cpu, in, 1, false), 1);
}

/* SMAP is not offered, so these are not there. */
void x86_do_clac(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	x86_raise(cpu, X86_UD);
}

void x86_do_stac(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	x86_raise(cpu, X86_UD);
}

static unsigned int base_seg(struct x86_cpu *cpu, const struct x86_insn *in)
{
	if (!(cpu->st.cr4 & X86_CR4_FSGS))
		x86_raise(cpu, X86_UD);
	return in->modrm & 8 ? CPU_GS : CPU_FS;
}

void x86_do_rdfsbase(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int seg = base_seg(cpu, in);

	/* A 66 prefix means nothing here. */
	x86_reg_set(cpu, in->rm, cpu->st.seg[seg].base, in->size == 8 ? 8 : 4);
}

void x86_do_wrfsbase(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int seg = base_seg(cpu, in);
	uint64_t v = x86_reg_get(cpu, in->rm, in->size == 8 ? 8 : 4);

	if (!x86_canonical(v))
		gp(cpu);
	cpu->st.seg[seg].base = v;
	cpu->seg_base[seg] = v;
}

void x86_do_vmcall(struct x86_cpu *cpu, const struct x86_insn *in)
{
	if (cpu->cpl)
		cpu->reg[CPU_RAX] = (uint64_t)-1; /* KVM_EPERM */
	else
		cpu->reg[CPU_RAX] = cpu->env->hypercall(cpu, cpu->reg[CPU_RAX]);
	cpu->rip = x86_next_ip(cpu, in);
}

/* No counters are offered. */
void x86_do_rdpmc(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	gp(cpu);
}

void x86_do_monitor(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	x86_raise(cpu, X86_UD);
}

void x86_do_ud(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	x86_raise(cpu, X86_UD);
}
