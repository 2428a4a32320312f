// SPDX-License-Identifier: MIT
/*
 * host_tsc.c - how fast the host's time stamp counter runs.
 */
#include "vcpu/x86/host_tsc.h"

#include <cpuid.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "base/checked.h"

/* Outside of these a leaf, or a measurement, is broken. */
#define KHZ_MIN 100000u
#define KHZ_MAX 20000000u

/* Of measuring: 1 / EXACT is 50 ppm. */
#define EXACT	    20000u
#define SHORTEST_US 300u
#define LONGEST_US  10000u

#define LEAF_FEATURES	0x1u
#define LEAF_TSC	0x15u
#define LEAF_FREQUENCY	0x16u
#define LEAF_HYPERVISOR 0x40000000u
#define LEAF_TIMING	0x40000010u

#define HYPERVISOR_PRESENT (1u << 31) /* of ECX of LEAF_FEATURES */

enum cpuid_reg {
	EAX,
	EBX,
	ECX,
	EDX
};

void x86_host_cpuid(uint32_t leaf, uint32_t out[4])
{
	__cpuid_count(leaf, 0, out[EAX], out[EBX], out[ECX], out[EDX]);
}

static uint64_t believable(uint64_t khz)
{
	return khz >= KHZ_MIN && khz <= KHZ_MAX ? khz : 0;
}

/* Others use the number of that leaf for other things. */
static bool has_timing_leaf(x86_host_cpuid_fn *cpuid)
{
	static const char *const names[] = { "KVMKVMKVM\0\0", "VMwareVMware" };
	uint32_t r[4];

	cpuid(LEAF_FEATURES, r);
	if (!(r[ECX] & HYPERVISOR_PRESENT))
		return false;
	cpuid(LEAF_HYPERVISOR, r);
	if (r[EAX] < LEAF_TIMING)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!memcmp(&r[EBX], names[i], 12))
			return true;
	return false;
}

/* SDM 2A, leaf 15H: crystal * EBX / EAX; some leave the crystal out. */
static uint64_t from_crystal(x86_host_cpuid_fn *cpuid)
{
	uint32_t max[4], r[4], base[4];

	cpuid(0, max);
	if (max[EAX] < LEAF_TSC)
		return 0;
	cpuid(LEAF_TSC, r);
	if (!r[EAX] || !r[EBX])
		return 0;
	if (r[ECX])
		return (uint64_t)r[ECX] * r[EBX] / r[EAX] / 1000;
	if (max[EAX] < LEAF_FREQUENCY)
		return 0;
	cpuid(LEAF_FREQUENCY, base);
	return (uint64_t)(base[EAX] & 0xffff) * 1000;
}

uint64_t x86_host_tsc_khz_cpuid(x86_host_cpuid_fn *cpuid)
{
	uint32_t r[4];

	if (has_timing_leaf(cpuid)) {
		cpuid(LEAF_TIMING, r);
		if (believable(r[EAX]))
			return r[EAX];
	}
	return believable(from_crystal(cpuid));
}

/* The same moment on both clocks */
struct moment {
	uint64_t tsc;
	uint64_t ns;
	uint64_t doubt; /* ticks that the reading took */
};

/* The quickest of some readings: the one that nobody interrupted */
static struct moment read_both(void)
{
	struct moment m = { .doubt = UINT64_MAX };
	struct timespec ts;

	for (int i = 0; i < 32; i++) {
		uint64_t before = __rdtsc(), took;

		clock_gettime(CLOCK_MONOTONIC, &ts);
		took = __rdtsc() - before;
		if (took >= m.doubt)
			continue;
		m.doubt = took;
		m.tsc = before + took / 2;
		m.ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	}
	return m;
}

static void sleep_us(unsigned int us)
{
	struct timespec left = { us / 1000000, (long)(us % 1000000) * 1000 };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static uint64_t khz_between(const struct moment *a, const struct moment *b)
{
	unsigned __int128 khz;

	if (b->tsc <= a->tsc || b->ns <= a->ns)
		return 0;
	khz = (unsigned __int128)(b->tsc - a->tsc) * 1000000u / (b->ns - a->ns);
	return khz > KHZ_MAX ? 0 : believable((uint64_t)khz);
}

uint64_t x86_host_tsc_khz_measure(unsigned int us)
{
	struct moment a = read_both(), b;

	sleep_us(us);
	b = read_both();
	return khz_between(&a, &b);
}

/* Half of a reading's time is the most that it can be wrong. */
static bool is_exact(const struct moment *a, const struct moment *b)
{
	return (a->doubt + b->doubt) / 2 <= (b->tsc - a->tsc) / EXACT;
}

/* As short as the clock allows: the user waits for it. */
static uint64_t measure(void)
{
	struct moment a = read_both(), b;
	unsigned int us;

	for (us = SHORTEST_US; us < LONGEST_US; us *= 2) {
		sleep_us(us);
		b = read_both();
		if (is_exact(&a, &b))
			break;
	}
	return khz_between(&a, &b);
}

uint64_t x86_host_tsc_khz(void)
{
	uint64_t khz = x86_host_tsc_khz_cpuid(x86_host_cpuid);

	return khz ? khz : measure();
}
