// SPDX-License-Identifier: MIT
/*
 * kvm_gap.c - instructions that a KVM without hardware cannot emulate run all
 * the same, and those that fault still fault.
 */
#include "tests/guest/lib/guest.h"

static _Alignas(16) uint64_t pair[2];

static bool cmpxchg16b(uint64_t lo, uint64_t hi, uint64_t new_lo,
		       uint64_t new_hi)
{
	bool equal;

	asm volatile("lock cmpxchg16b %1"
		     : "=@ccz"(equal), "+m"(pair), "+a"(lo), "+d"(hi)
		     : "b"(new_lo), "c"(new_hi));
	return equal;
}

int guest_main(void)
{
	uint64_t v;

	pair[0] = 1;
	pair[1] = 2;
	expect(!cmpxchg16b(1, 3, 7, 8), "an unequal pair");
	expect(pair[0] == 1 && pair[1] == 2, "the pair as it was");
	expect(cmpxchg16b(1, 2, 7, 8), "an equal pair");
	expect(pair[0] == 7 && pair[1] == 8, "the new pair");

	asm volatile("popcnt %1, %0" : "=r"(v) : "r"(0xff00fful));
	expect(v == 16, "popcnt");
	asm volatile("crc32q %1, %0" : "+r"(v) : "r"(0x1234ul));
	expect(v != 16, "crc32");
	return 0;
}
