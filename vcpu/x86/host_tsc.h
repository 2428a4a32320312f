/* SPDX-License-Identifier: MIT */
/*
 * host_tsc.h - how fast the host's time stamp counter runs.
 *
 * Nothing is remembered: ask once and keep the answer. Any thread.
 */
#ifndef MINIVMM_VCPU_X86_HOST_TSC_H
#define MINIVMM_VCPU_X86_HOST_TSC_H

#include <stdint.h>

/* out[] = EAX, EBX, ECX, EDX of @leaf, sub-leaf 0. */
typedef void x86_host_cpuid_fn(uint32_t leaf, uint32_t out[4]);

/* The host's CPUID instruction. */
void x86_host_cpuid(uint32_t leaf, uint32_t out[4]);

/*
 * What @cpuid says of the TSC's frequency, in kHz: a hypervisor's timing leaf
 * (0x40000010 of KVM and VMware), else the crystal's ratio (SDM 2A, CPUID
 * leaves 0x15 and 0x16). 0 when it does not say, or nothing believable.
 */
uint64_t x86_host_tsc_khz_cpuid(x86_host_cpuid_fn *cpuid);

/*
 * Measure the TSC against CLOCK_MONOTONIC for @us microseconds, 100 to
 * 1000000, asleep. 0 when the counter does not advance.
 */
uint64_t x86_host_tsc_khz_measure(unsigned int us);

/*
 * What CPUID says, else what measuring says within 50 ppm: 0.3 ms where the
 * clock is read without a system call, up to 20 ms elsewhere. 0 when both
 * fail.
 */
uint64_t x86_host_tsc_khz(void);

#endif
