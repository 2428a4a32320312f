// SPDX-License-Identifier: MIT
/*
 * cpu.c - between struct cpu_state and the context that executes.
 */
#include "vcpu/x86/cpu.h"

#include <errno.h>
#include <string.h>

#include "vcpu/x86/cpuid.h"
#include "vcpu/x86/flags.h"
#include "vcpu/x86/fpu.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/thunk.h"

/* What CPUID leaf 0x80000008 says. */
#define PHYS_BITS 40

void x86_cpu_init(struct x86_cpu *cpu, struct ram *ram, struct bus *bus,
		  const struct x86_env_ops *env, void *env_ctx)
{
	memset(cpu, 0, sizeof(*cpu));
	cpu->ram = ram;
	cpu->bus = bus;
	cpu->env = env;
	cpu->env_ctx = env_ctx;
	cpu->tlb = cpu->tlb_set[0];
	cpu->tlb_gen = 1;
	cpu->rflags = X86_FL_ONE;
	cpu->repeat_max = UINT64_MAX;
	cpu->phys_mask = (1ull << PHYS_BITS) - 1;
	cpu->vec_features = x86_host_vec_features();
}

static enum x86_mode mode_of(const struct x86_cpu *cpu)
{
	uint16_t cs = cpu->st.seg[CPU_CS].access;

	if (cpu->long_mode && cs & CPU_SEG_L)
		return X86_MODE_64;
	return cs & CPU_SEG_DB && !x86_real_or_v86(cpu) ? X86_MODE_32
							: X86_MODE_16;
}

static uint8_t cpl_of(const struct x86_cpu *cpu)
{
	if (!x86_protected(cpu))
		return 0;
	if (x86_v86(cpu))
		return 3;
	return cpu->st.seg[CPU_SS].access >> 5 & 3;
}

/* Data to be read and written, from 0 to 4 GiB. Code, for jumps: the same. */
static bool is_flat(const struct cpu_segment *s, bool code)
{
	const uint16_t want = CPU_SEG_P | CPU_SEG_S | (code ? 0x8 : 0x2);

	return !s->base && s->limit == UINT32_MAX &&
	       (s->access & (want | (code ? 0 : 0xc))) == want;
}

/* Only 32-bit code is worth it. */
static uint8_t flat_segments(const struct x86_cpu *cpu)
{
	unsigned int i, flat = 0;

	if (cpu->mode != X86_MODE_32)
		return 0;
	for (i = 0; i <= CPU_GS; i++)
		if (is_flat(&cpu->st.seg[i], i == CPU_CS))
			flat |= 1u << i;
	return (uint8_t)flat;
}

/* SDM 3A §6.15, "Alignment Check Exception"; no translation fits an address
 * in the empty set, so that all accesses are checked. */
void x86_update_align(struct x86_cpu *cpu)
{
	static const struct x86_tlb_entry empty[X86_TLB_SIZE];

	cpu->align = cpu->cpl == 3 && cpu->rflags & X86_FL_AC &&
		     cpu->st.cr0 & X86_CR0_AM;
	cpu->tlb = cpu->align ? empty : cpu->tlb_set[cpu->cpl == 3];
}

void x86_update_mode(struct x86_cpu *cpu)
{
	unsigned int i;

	cpu->long_mode = cpu->st.efer & X86_EFER_LMA;
	cpu->mode = mode_of(cpu);
	cpu->cpl = cpl_of(cpu);
	x86_update_align(cpu);
	if (cpu->mode == X86_MODE_64)
		cpu->stack_size = 8;
	else
		cpu->stack_size =
			cpu->st.seg[CPU_SS].access & CPU_SEG_DB ? 4 : 2;
	cpu->flat = flat_segments(cpu);
	for (i = 0; i <= CPU_GS; i++)
		cpu->seg_base[i] = cpu->mode == X86_MODE_64 && i < CPU_FS
					   ? 0
					   : cpu->st.seg[i].base;
}

static bool watches(uint64_t dr7)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (dr7 >> (2 * i) & 3 && dr7 >> (16 + 4 * i) & 1)
			return true;
	return false;
}

void x86_update_watch(struct x86_cpu *cpu)
{
	cpu->watch = watches(cpu->st.dr[7]);
	x86_tlb_flush(cpu);
}

/* SDM 3A §2.2, §4.1.1, §9.8.5; SDM 1 §3.4.3.3 */
int x86_check_state(const struct cpu_state *st)
{
	bool pe = st->cr0 & X86_CR0_PE, pg = st->cr0 & X86_CR0_PG;
	bool lme = st->efer & X86_EFER_LME, lma = st->efer & X86_EFER_LMA;
	bool vm = st->rflags & X86_FL_VM;

	if (pg && !pe)
		return -EINVAL;
	if (lma != (lme && pg) || (lma && !(st->cr4 & X86_CR4_PAE)))
		return -EINVAL;
	if (st->cr4 & X86_CR4_PCIDE && !lma)
		return -EINVAL;
	return vm && (!pe || lma) ? -EINVAL : 0;
}

void x86_cpu_load(struct x86_cpu *cpu, const struct cpu_state *st)
{
	cpu->st = *st;
	x86_fx_normalize(cpu->st.xsave);
	*x86_mxcsr(cpu) &= 0xffff; /* the rest is #GP for LDMXCSR */
	memcpy(cpu->reg, st->gpr, sizeof(st->gpr));
	cpu->rip = st->rip;
	x86_set_rflags(cpu, st->rflags);
	cpu->halted = st->mp_state == CPU_MP_HALTED;
	cpu->cur = NULL;
	/* What the CPU was about is not the new state's. */
	cpu->shutdown = false;
	cpu->delivering = 0;
	cpu->external = false;
	cpu->pending_dr6 = 0;
	x86_update_mode(cpu);
	x86_update_watch(cpu);
}

void x86_cpu_store(struct x86_cpu *cpu, struct cpu_state *st)
{
	*st = cpu->st;
	memcpy(st->gpr, cpu->reg, sizeof(st->gpr));
	st->rip = cpu->rip;
	st->rflags = x86_get_rflags(cpu);
	/* XSTATE_BV: all of x87 and SSE is in use, as far as anybody knows. */
	st->xsave[X86_FXSAVE_SIZE] |= 3;
	if (cpu->st.mp_state == CPU_MP_RUNNABLE && cpu->halted)
		st->mp_state = CPU_MP_HALTED;
}

static _Noreturn void unwind(struct x86_cpu *cpu, struct x86_fault fault)
{
	cpu->fault = fault;
	longjmp(cpu->unwind, 1);
}

_Noreturn void x86_raise(struct x86_cpu *cpu, enum x86_vector vector)
{
	unwind(cpu, (struct x86_fault){ .vector = (uint8_t)vector });
}

_Noreturn void x86_raise_error(struct x86_cpu *cpu, enum x86_vector vector,
			       uint32_t error)
{
	unwind(cpu, (struct x86_fault){ .vector = (uint8_t)vector,
					.has_error = true,
					.error = error });
}

_Noreturn void x86_raise_page_fault(struct x86_cpu *cpu, uint64_t lin,
				    uint32_t error)
{
	unwind(cpu, (struct x86_fault){ .vector = X86_PF,
					.has_error = true,
					.error = error,
					.cr2 = lin });
}
