// SPDX-License-Identifier: MIT
/*
 * topology.c - four CPUs are four cores of one package, with a thread each,
 * by every leaf of CPUID that has a word on it (SDM 2A, "CPUID"; APM 3).
 */
#include "tests/guest/lib/guest.h"

#define CPUS	   4
#define ID_BITS	   2
#define LEVEL_SMT  1
#define LEVEL_CORE 2

struct regs {
	uint32_t eax, ebx, ecx, edx;
};

static struct regs cpuid(uint32_t leaf, uint32_t index)
{
	struct regs r;

	asm volatile("cpuid"
		     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
		     : "a"(leaf), "c"(index));
	return r;
}

/* Leaves 0xb and 0x1f: the levels from the thread up */
static void check_levels(uint32_t leaf)
{
	struct regs thread = cpuid(leaf, 0), core = cpuid(leaf, 1);

	if (cpuid(0, 0).eax < leaf || !thread.ebx)
		return;
	expect((thread.ecx >> 8 & 0xff) == LEVEL_SMT, "level 0: threads");
	expect(thread.ebx == 1 && thread.eax == 0, "one thread a core");
	expect((core.ecx >> 8 & 0xff) == LEVEL_CORE, "level 1: cores");
	expect((core.ebx & 0xffff) == CPUS, "as many cores as CPUs");
	expect((core.eax & 0x1f) == ID_BITS, "the package above them");
	expect(!(cpuid(leaf, 2).ecx >> 8 & 0xff), "no other level");
}

/* Leaves 4 and 0x8000001d */
static void check_caches(uint32_t leaf)
{
	struct regs r;
	uint32_t i;

	for (i = 0; i < 8; i++) {
		r = cpuid(leaf, i);
		if (!(r.eax & 0x1f))
			return;
		expect((r.eax >> 14 & 0xfff) < CPUS, "a cache of one package");
	}
	expect(false, "an end of the caches");
}

int guest_main(void)
{
	struct regs one = cpuid(1, 0);

	expect((one.ebx >> 16 & 0xff) == CPUS, "leaf 1: logical CPUs");
	expect(one.edx >> 28 & 1, "leaf 1: HTT");
	check_levels(0xb);
	check_levels(0x1f);
	check_caches(4);
	if (cpuid(0x80000000, 0).eax >= 0x80000008 &&
	    cpuid(0x80000008, 0).ecx & 0xff)
		expect((cpuid(0x80000008, 0).ecx & 0xff) == CPUS - 1,
		       "leaf 0x80000008: cores");
	if (cpuid(0x80000000, 0).eax >= 0x8000001d)
		check_caches(0x8000001d);
	return 0;
}
