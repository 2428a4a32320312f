/* SPDX-License-Identifier: MIT */
/*
 * cpuid.h - what a software engine's CPU says that it can do.
 */
#ifndef MINIVMM_VCPU_X86_CPUID_H
#define MINIVMM_VCPU_X86_CPUID_H

#include <stdint.h>

struct x86_cpu;

/* out[] = EAX, EBX, ECX, EDX of @leaf and @sub. */
void x86_cpuid(const struct x86_cpu *cpu, uint32_t leaf, uint32_t sub,
	       uint32_t out[4]);

/* X86_VEC_SSE3 to X86_VEC_SHA (vector.h) that the host's CPU has. */
uint32_t x86_host_vec_features(void);

#endif
