// SPDX-License-Identifier: MIT
/*
 * kvm_soft_env.c - what instructions need when all of them run in KVM's
 * stead: the local APIC, the clocks and their MSRs are still KVM's.
 */
#include "vcpu/kvm/kvm_assist.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/pvclock.h"

#define MSR_TSC		 0x10
#define MSR_APIC_BASE	 0x1b
#define MSR_TSC_ADJUST	 0x3b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC_FIRST 0x800
#define MSR_X2APIC_LAST	 0x8ff

#define APIC_BASE_X2APIC (1ull << 10) /* SDM 3A §10.12.1 */
#define APIC_BASE_ENABLE (1ull << 11)

static struct kvm_assist *of_cpu(struct x86_cpu *cpu)
{
	return cpu->env_ctx;
}

/*
 * A call in the middle of an instruction: kicks and NMIs wait for its end.
 * False: it raised #GP.
 */
static bool call(struct kvm_assist *a, struct kvm_gate_call *c)
{
	for (;;) {
		c->nmi_masked = a->cpu.st.events.nmi_masked || a->nmi;
		a->gates++;
		switch (kvm_gate_call(a->v, c)) {
		case KVM_GATE_DONE:
			return true;
		case KVM_GATE_KICKED:
			break;
		case KVM_GATE_EVENT:
			if (c->vector == X86_GP)
				return false;
			if (c->vector != X86_NMI)
				longjmp(a->cpu.unwind, KVM_SOFT_ERROR);
			a->nmi = true;
			break;
		case KVM_GATE_RESET:
			longjmp(a->cpu.unwind, KVM_SOFT_GONE);
		default:
			longjmp(a->cpu.unwind, KVM_SOFT_ERROR);
		}
	}
}

/*
 * What a write asked of KVM it may put off to the next entry: the clock's
 * page, the end of a level-triggered interrupt. The guest expects it now.
 */
static void settle(struct kvm_assist *a)
{
	struct kvm_gate_call nop = { .op = KVM_GATE_NOP };

	call(a, &nop);
}

static bool is_ours_to_ask(uint32_t index)
{
	switch (index) {
	case MSR_TSC:
	case MSR_APIC_BASE:
	case MSR_TSC_ADJUST:
	case MSR_TSC_DEADLINE:
	case X86_PVCLOCK_MSR_WALL:
	case X86_PVCLOCK_MSR_TIME:
		return true;
	}
	return index >= MSR_X2APIC_FIRST && index <= MSR_X2APIC_LAST;
}

static int soft_rdmsr(struct x86_cpu *cpu, uint32_t index, uint64_t *val)
{
	struct kvm_gate_call c = { .op = KVM_GATE_RDMSR, .rcx = index };

	if (!is_ours_to_ask(index) || !call(of_cpu(cpu), &c))
		return -1;
	*val = c.rdx << 32 | (uint32_t)c.rax;
	return 0;
}

static int soft_wrmsr(struct x86_cpu *cpu, uint32_t index, uint64_t val)
{
	struct kvm_gate_call c = {
		.op = KVM_GATE_WRMSR,
		.rcx = index,
		.rax = (uint32_t)val,
		.rdx = val >> 32,
	};
	struct kvm_assist *a = of_cpu(cpu);

	if (!is_ours_to_ask(index) || !call(a, &c))
		return -1;
	settle(a);
	/* An end of interrupt may have let another one through. */
	if (index >= MSR_X2APIC_FIRST && index <= MSR_X2APIC_LAST)
		a->poll = true;
	if (index == MSR_TSC || index == MSR_TSC_ADJUST)
		kvm_assist_read_tsc_offset(a);
	return 0;
}

static void soft_set_tsc(struct x86_cpu *cpu, uint64_t val)
{
	if (soft_wrmsr(cpu, MSR_TSC, val))
		x86_raise_error(cpu, X86_GP, 0);
}

/* The register page, where a gate reaches it. */
static bool is_apic(const struct kvm_assist *a, gpa_t gpa)
{
	uint64_t base = a->v->gate.apic_base;

	return (base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) ==
		       APIC_BASE_ENABLE &&
	       gpa / X86_PAGE == base / X86_PAGE &&
	       gpa >= KVM_GATE_REACH_FIRST && gpa <= KVM_GATE_REACH_LAST;
}

static uint64_t soft_mmio_read(struct x86_cpu *cpu, gpa_t gpa, unsigned int len)
{
	struct kvm_assist *a = of_cpu(cpu);
	struct kvm_gate_call c = { .op = KVM_GATE_READ, .rbx = gpa & ~3ull };
	uint64_t val;

	if (!is_apic(a, gpa))
		return x86_bus_read(cpu, gpa, len);
	if (!call(a, &c))
		longjmp(cpu->unwind, KVM_SOFT_ERROR);
	val = (uint32_t)c.rax >> (8 * (gpa & 3));
	return len < 4 ? val & ((1u << (8 * len)) - 1) : val;
}

/* SDM 3A §10.4.1: 32 bits, aligned; what else does is not defined. */
static void soft_mmio_write(struct x86_cpu *cpu, gpa_t gpa, unsigned int len,
			    uint64_t val)
{
	struct kvm_assist *a = of_cpu(cpu);
	struct kvm_gate_call c = {
		.op = KVM_GATE_WRITE,
		.rbx = gpa,
		.rax = (uint32_t)val,
	};

	if (!is_apic(a, gpa)) {
		x86_bus_write(cpu, gpa, len, val);
		return;
	}
	if (len < 4 || gpa & 3)
		return;
	if (!call(a, &c))
		longjmp(cpu->unwind, KVM_SOFT_ERROR);
	settle(a);
	a->poll = true;
}

static uint64_t soft_get_cr8(struct x86_cpu *cpu)
{
	return of_cpu(cpu)->v->gate.cr8;
}

/* It goes in with the next call. */
static void soft_set_cr8(struct x86_cpu *cpu, uint64_t val)
{
	struct kvm_assist *a = of_cpu(cpu);

	a->v->gate.cr8 = val & 0xf;
	a->poll = true;
}

const struct x86_env_ops kvm_soft_env_ops = {
	.tsc = kvm_assist_tsc,
	.set_tsc = soft_set_tsc,
	.mmio_read = soft_mmio_read,
	.mmio_write = soft_mmio_write,
	.rdmsr = soft_rdmsr,
	.wrmsr = soft_wrmsr,
	.get_cr8 = soft_get_cr8,
	.set_cr8 = soft_set_cr8,
	.write_page = kvm_assist_write_page,
	.flush_code = kvm_assist_flush_code,
	.hypercall = kvm_assist_hypercall,
	.random = kvm_assist_random,
	.pause = kvm_assist_pause,
};
