/* SPDX-License-Identifier: MIT */
/*
 * mmu.h - page tables: linear to guest-physical (SDM 3A, chapter 4).
 */
#ifndef MINIVMM_VCPU_X86_MMU_H
#define MINIVMM_VCPU_X86_MMU_H

#include "vcpu/x86/cpu.h"

/* The kind of access; also the bits of #PF's error code. */
#define X86_ACC_WRITE 0x02u
#define X86_ACC_USER  0x04u
#define X86_ACC_FETCH 0x10u

/*
 * The guest-physical address of @lin for @access, accessed and dirty bits
 * set. 0, or -1 and the #PF error code in *error.
 */
int x86_translate(struct x86_cpu *cpu, uint64_t lin, unsigned int access,
		  gpa_t *gpa, uint32_t *error);

static inline bool x86_canonical(uint64_t lin)
{
	return (uint64_t)((int64_t)(lin << 16) >> 16) == lin;
}

#endif
