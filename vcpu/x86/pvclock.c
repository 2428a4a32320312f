// SPDX-License-Identifier: MIT
/*
 * pvclock.c - KVM's paravirtual clock, see pvclock.h.
 */
#include "vcpu/x86/pvclock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/le.h"
#include "memory/ram.h"

#define MSR_ENABLE   1u
#define MSR_RESERVED 2u

#define FLAG_STABLE  1u
#define FLAG_STOPPED 2u

#define NS_PER_SEC 1000000000ull

/* struct pvclock_vcpu_time_info */
struct time_page {
	le32 version;
	le32 pad0;
	le64 tsc_timestamp;
	le64 system_time;
	le32 mul;
	int8_t shift;
	uint8_t flags;
	uint8_t pad[2];
};
_Static_assert(sizeof(struct time_page) == 32, "guest ABI");

/* struct pvclock_wall_clock */
struct wall_page {
	le32 version;
	le32 sec;
	le32 nsec;
};
_Static_assert(sizeof(struct wall_page) == 12, "guest ABI");

/*
 * 10^6 / khz as mul * 2^(shift - 32) with the highest bit of mul set: bring
 * the fraction into [1/2, 1) by powers of two.
 */
struct x86_pvclock_scale x86_pvclock_scale_of(uint64_t tsc_khz)
{
	uint64_t num = 1000000, den = tsc_khz;
	int8_t shift = 0;

	for (; num >= den; shift++)
		den <<= 1;
	for (; num * 2 < den; shift--)
		num <<= 1;
	return (struct x86_pvclock_scale){
		.mul = (uint32_t)(((unsigned __int128)num << 32) / den),
		.shift = shift,
	};
}

uint64_t x86_pvclock_ns(const struct x86_pvclock_scale *s, uint64_t ticks)
{
	if (s->shift >= 0)
		ticks <<= s->shift;
	else
		ticks >>= -s->shift;
	return (uint64_t)(((unsigned __int128)ticks * s->mul) >> 32);
}

uint64_t x86_pvclock_now(const struct x86_pvclock_ref *ref, uint64_t tsc)
{
	return ref->ns + x86_pvclock_ns(&ref->scale, tsc - ref->tsc);
}

static int write_version(struct ram *ram, gpa_t at, uint32_t version)
{
	le32 v = le32_put(version);

	return ram_write(ram, at, &v, sizeof(v));
}

/*
 * Write a page whose first word is a version, odd while the rest changes.
 * @page is all of it; its version is not used.
 *
 * The fences order the three writes for a guest that reads the page from
 * another CPU, as Linux's vDSO does. The version goes on from the guest's
 * own, so that a reader of the old contents cannot miss the change.
 */
static int write_versioned(struct ram *ram, gpa_t at, const void *page,
			   size_t len)
{
	const size_t body = sizeof(le32);
	uint32_t version;
	le32 old;
	int err;

	if (!ram_ptr(ram, at, len))
		return -EFAULT;
	err = ram_read(ram, at, &old, sizeof(old));
	if (err)
		return err;
	version = (le32_get(old) & ~1u) + 1;

	err = write_version(ram, at, version);
	atomic_thread_fence(memory_order_release);
	if (!err)
		err = ram_write(ram, at + body, (const char *)page + body,
				len - body);
	atomic_thread_fence(memory_order_release);
	if (!err)
		err = write_version(ram, at, version + 1);
	return err;
}

int x86_pvclock_write_time(struct ram *ram, uint64_t msr,
			   const struct x86_pvclock_ref *ref)
{
	struct time_page page = {
		.tsc_timestamp = le64_put(ref->tsc),
		.system_time = le64_put(ref->ns),
		.mul = le32_put(ref->scale.mul),
		.shift = ref->scale.shift,
		.flags = (ref->stable ? FLAG_STABLE : 0) |
			 (ref->stopped ? FLAG_STOPPED : 0),
	};

	if (msr & MSR_RESERVED)
		return -EINVAL;
	if (!(msr & MSR_ENABLE))
		return 0;
	return write_versioned(ram, msr & ~(uint64_t)MSR_ENABLE, &page,
			       sizeof(page));
}

int x86_pvclock_write_wall(struct ram *ram, uint64_t msr, uint64_t realtime,
			   uint64_t now)
{
	uint64_t boot = realtime > now ? realtime - now : 0;
	struct wall_page page = {
		.sec = le32_put((uint32_t)(boot / NS_PER_SEC)),
		.nsec = le32_put((uint32_t)(boot % NS_PER_SEC)),
	};

	if (msr & 3)
		return -EINVAL;
	return write_versioned(ram, msr, &page, sizeof(page));
}
