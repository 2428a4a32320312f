/* SPDX-License-Identifier: MIT */
/*
 * kvm_block.h - decoded instructions of the guest, kept for the next time.
 *
 * How it works. A block is found by guest-physical address and compared with
 * the bytes in RAM whenever it is used: nobody has to tell of code that was
 * changed, be it by a device, another vCPU or KVM.
 *
 * Threads: one owner.
 */
#ifndef MINIVMM_VCPU_KVM_KVM_BLOCK_H
#define MINIVMM_VCPU_KVM_KVM_BLOCK_H

#include "vcpu/x86/cpu.h"

#define KVM_BLOCK_INSNS 12 /* a synthetic end comes behind them */
#define KVM_BLOCK_BYTES 64

struct kvm_block {
	gpa_t gpa;
	uint8_t mode; /* enum x86_mode */
	uint8_t nr;   /* instructions; 0: an empty place */
	uint8_t len;  /* in bytes */
	uint8_t bytes[KVM_BLOCK_BYTES];
	struct x86_insn insn[KVM_BLOCK_INSNS + 1];
};

struct kvm_blocks;

/* 0 or -ENOMEM. */
int kvm_blocks_create(struct kvm_blocks **out);
void kvm_blocks_destroy(struct kvm_blocks *b);

/* The block at RIP. Unwinds: #PF, #UD or #GP of the fetch. */
const struct kvm_block *kvm_block_find(struct kvm_blocks *b,
				       struct x86_cpu *cpu);
/* Only the instruction at RIP; valid until the next call. Unwinds. */
const struct kvm_block *kvm_block_single(struct kvm_blocks *b,
					 struct x86_cpu *cpu);

#endif
