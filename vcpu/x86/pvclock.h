/* SPDX-License-Identifier: MIT */
/*
 * pvclock.h - KVM's paravirtual clock: time that a guest reads from a page
 * and its TSC, without leaving the guest and without calibrating anything.
 *
 * How it works. The guest names a page of its RAM through an MSR. We write a
 * pair (TSC, nanoseconds) and a scale there, and the guest works out the time
 * of any later TSC. While the TSC runs at a constant rate one write is enough;
 * the engine writes again when the relation has changed (a resumed or loaded
 * VM, a guest that set its TSC).
 *
 * ABI: Linux Documentation/virt/kvm/x86/msr.rst. No state here: the MSRs are
 * in cpu_state.msr, the reference is the engine's.
 *
 * Threads: any thread, but one writer a page: the vCPU that named it, or
 * whoever has stopped it.
 */
#ifndef MINIVMM_VCPU_X86_PVCLOCK_H
#define MINIVMM_VCPU_X86_PVCLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct ram;

#define X86_PVCLOCK_MSR_WALL 0x4b564d00u /* MSR_KVM_WALL_CLOCK_NEW */
#define X86_PVCLOCK_MSR_TIME 0x4b564d01u /* MSR_KVM_SYSTEM_TIME_NEW */

/* ns = ((ticks << shift) * mul) >> 32; a negative shift goes right. */
struct x86_pvclock_scale {
	uint32_t mul;
	int8_t shift;
};

/* The best scale for a TSC of @tsc_khz, 1 to 2^40. */
struct x86_pvclock_scale x86_pvclock_scale_of(uint64_t tsc_khz);

/* What a guest makes of @ticks: bits that it loses are lost here too. */
uint64_t x86_pvclock_ns(const struct x86_pvclock_scale *s, uint64_t ticks);

struct x86_pvclock_ref {
	struct x86_pvclock_scale scale;
	uint64_t tsc; /* when this vCPU's TSC was this, ... */
	uint64_t ns;  /* ... the VM's time was this */
	/*
	 * Every vCPU has the same reference, up to the offsets of their TSCs:
	 * guests need not compare CPUs (flag bit 0, CPUID 0x40000001 bit 24).
	 */
	bool stable;
	bool stopped; /* the VM was paused: no soft lockup (flag bit 1) */
};

/* The VM's time at @tsc, which is not before @ref. */
uint64_t x86_pvclock_now(const struct x86_pvclock_ref *ref, uint64_t tsc);

/*
 * X86_PVCLOCK_MSR_TIME holds @msr: write the page it names, if its enable bit
 * is set. 0, -EINVAL (bit 1 is reserved: #GP) or -EFAULT (not RAM).
 */
int x86_pvclock_write_time(struct ram *ram, uint64_t msr,
			   const struct x86_pvclock_ref *ref);

/*
 * X86_PVCLOCK_MSR_WALL was written with @msr: tell the guest what time of day
 * it was at its time 0. @realtime is CLOCK_REALTIME in ns when the VM's time
 * was @now. 0, -EINVAL (not aligned: #GP) or -EFAULT (not RAM).
 */
int x86_pvclock_write_wall(struct ram *ram, uint64_t msr, uint64_t realtime,
			   uint64_t now);

#endif
