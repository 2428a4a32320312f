/* SPDX-License-Identifier: MIT */
/*
 * kvm_soft.h - the whole guest in KVM's stead, with KVM's interrupts and time.
 *
 * How it works. A KVM without VMX or SVM runs guest kernels in an emulator
 * that neither knows all instructions nor is fast, and on some such hosts
 * user mode is not right either: SYSCALL stays at privilege level 3, CPUID
 * and XGETBV are the host's. Once that matters (kvm_assist.h), all of a VM's
 * vCPUs go on with the semantics of vcpu/x86, block by block, as long as they
 * live. KVM keeps the local APICs with their timers, the interrupt routes and
 * the paravirtual clock; each vCPU asks it through its gate (kvm_gate.h).
 *
 *   run blocks -> some 1 ms: gate NOP ---> interrupt? -> into the guest's IDT
 *              -> HLT:       gate HLT ------^
 *              -> x2APIC, deadline, clock MSRs; APIC page: the same access
 *                 in the gate
 *
 * A page that was written is reported (the dirty log) when the vCPU comes to
 * the gate, so always behind the write, and only then.
 *
 * Threads: the vCPU's own, where nothing else is said.
 */
#ifndef MINIVMM_VCPU_KVM_KVM_SOFT_H
#define MINIVMM_VCPU_KVM_KVM_SOFT_H

#include <stdbool.h>

#include "vcpu/engine.h"

struct cpu_state;
struct kvm_vcpu;

/*
 * The paravirtual features of CPUID leaf 0x40000001 that need nothing of KVM
 * at the guest's instructions: NOP_IO_DELAY, CLOCKSOURCE2, its stability.
 */
#define KVM_SOFT_FEATURES (1u << 1 | 1u << 3 | 1u << 24)

/* Does this CPU's state have a meaning in vcpu/x86? */
bool kvm_soft_can_take(const struct cpu_state *st);

/*
 * From now on all vCPUs run here; the others than @v are kicked. 0 or -errno:
 * this KVM is no good for it. Thread of @v.
 */
int kvm_soft_take_over(struct kvm_vcpu *v);

/* engine_ops.run, once kvm_engine.soft is set. */
int kvm_soft_run(struct kvm_vcpu *v, enum vcpu_exit *why);

/* Give KVM the state, for who reads or replaces it there. 0 or -errno. */
int kvm_soft_give_back(struct kvm_vcpu *v);

#endif
