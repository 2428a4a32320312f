/* SPDX-License-Identifier: MIT */
/*
 * kvm_gate.h - KVM as nothing but the interrupt controller and the clock of a
 * vCPU whose instructions run elsewhere (kvm_soft.c).
 *
 * How it works. The vCPU stands in a few pages that only KVM knows: 64-bit
 * code with page tables, a GDT and an IDT of its own. Each KVM_RUN executes
 * one instruction there, by single step: a NOP, a HLT, RDMSR, WRMSR, or an
 * access to the local APIC's page. An interrupt that KVM delivers on that
 * occasion goes through our IDT to a stub of its own, so that RIP says which
 * one it was; then it is for kvm_soft.c to deliver it to the guest. Registers
 * go in and out through the shared page (KVM_CAP_SYNC_REGS): a whole call is
 * one ioctl.
 *
 * The guest's own state is never in KVM meanwhile. That is necessary: KVM's
 * shadow page tables do not follow what user space writes to the guest's.
 *
 * Threads: the vCPU's own; kvm_gate_open() any, with kvm_engine.gate_lock.
 */
#ifndef MINIVMM_VCPU_KVM_KVM_GATE_H
#define MINIVMM_VCPU_KVM_KVM_GATE_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_engine;
struct kvm_vcpu;

enum kvm_gate_op {
	KVM_GATE_NOP, /* look whether something is pending */
	KVM_GATE_HLT, /* sleep until something is */
	KVM_GATE_RDMSR,
	KVM_GATE_WRMSR,
	KVM_GATE_READ, /* EAX from the guest-physical address RBX */
	KVM_GATE_WRITE,
	KVM_GATE_OPS,
};

/* What a call came to, beside -errno */
enum kvm_gate_end {
	KVM_GATE_DONE,
	KVM_GATE_EVENT,	 /* not done: vector is to be delivered */
	KVM_GATE_KICKED, /* not done */
	KVM_GATE_RESET,	 /* INIT: the state in KVM is the vCPU's new one */
};

struct kvm_gate_call {
	enum kvm_gate_op op;
	bool irqs; /* may an interrupt be delivered? */
	bool nmi_masked;
	uint64_t rax, rbx, rcx, rdx; /* in and out */
	uint8_t vector;
};

/* In a vCPU: what KVM said of it last. */
struct kvm_gate {
	uint64_t cr8, apic_base;
};

/* Addresses that a gate's code can reach: what the guest has its APIC at. */
#define KVM_GATE_REACH_FIRST 0xc0000000ull
#define KVM_GATE_REACH_LAST  0xffffffffull

/* Make the pages, once for the VM. 0 or -errno. */
int kvm_gate_open(struct kvm_engine *k);
void kvm_gate_close(struct kvm_engine *k);

/* The vCPU goes into the gate, its state having been read; and leaves it. */
int kvm_gate_enter(struct kvm_vcpu *v);
int kvm_gate_leave(struct kvm_vcpu *v);

/* One call: enum kvm_gate_end or -errno, which has been logged. */
int kvm_gate_call(struct kvm_vcpu *v, struct kvm_gate_call *c);

#endif
