/* SPDX-License-Identifier: MIT */
/*
 * kvm_assist.h - what the two ways to run instructions in KVM's stead share:
 * one of them (kvm_assist.c), or all (kvm_soft.c).
 */
#ifndef MINIVMM_VCPU_KVM_KVM_ASSIST_H
#define MINIVMM_VCPU_KVM_KVM_ASSIST_H

#include "vcpu/kvm/kvm_block.h"
#include "vcpu/kvm/kvm_int.h"
#include "vcpu/kvm/kvm_soft.h"
#include "vcpu/state.h"
#include "vcpu/x86/cpu.h"

#define KVM_WRITTEN_MAX 256

struct kvm_assist {
	struct x86_cpu cpu;
	struct cpu_state st;
	struct kvm_vcpu *v;
	struct kvm_blocks *blocks;
	uint64_t tsc_offset;

	gpa_t written[KVM_WRITTEN_MAX]; /* pages, to be reported */
	unsigned int nr_written;

	bool inside;	     /* kvm_soft.c has the state, KVM the gate's */
	bool nmi;	     /* came in the middle of an instruction */
	bool poll;	     /* look at KVM's interrupts as soon as possible */
	bool want;	     /* ... as soon as the guest takes some */
	uint64_t next_poll;  /* host TSC */
	unsigned int budget; /* blocks until the clock is looked at */
	unsigned int halts;  /* HLTs that ended without an interrupt */

	bool seen[X86_NR_OPS]; /* logged once per kind */
	unsigned long steps;
	unsigned long gates;
	uint64_t insns;
};

/* The vCPU's, made at its first call; NULL: no memory. */
struct kvm_assist *kvm_assist_get(struct kvm_vcpu *v);

/* Behind the writes: tell of the pages noted since the last time. */
void kvm_assist_report_written(struct kvm_assist *a);

/* The vCPU's TSC runs this much ahead of the host's. */
int kvm_assist_read_tsc_offset(struct kvm_assist *a);

/* Members of x86_env_ops that both ways share. */
uint64_t kvm_assist_tsc(struct x86_cpu *cpu);
void kvm_assist_write_page(struct x86_cpu *cpu, gpa_t gpa);
void kvm_assist_flush_code(struct x86_cpu *cpu);
uint64_t kvm_assist_hypercall(struct x86_cpu *cpu, uint64_t nr);
bool kvm_assist_random(struct x86_cpu *cpu, uint64_t *val);
void kvm_assist_pause(struct x86_cpu *cpu);

/* kvm_soft_env.c: what instructions need when all of them run here. */
extern const struct x86_env_ops kvm_soft_env_ops;

/* Unwinds to kvm_soft_run() with this: the vCPU is no longer ours. */
#define KVM_SOFT_GONE 2
/* ... or KVM failed. */
#define KVM_SOFT_ERROR 3

#endif
