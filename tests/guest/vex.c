// SPDX-License-Identifier: MIT
/*
 * wide_atomic.c - CMPXCHG16B works, which every stock kernel uses: the first
 * instruction that fails where a host's KVM emulates ring 0.
 */
#include "tests/guest/lib/guest.h"

static uint64_t pair[2] __attribute__((aligned(16))) = { 1, 2 };

int guest_main(void)
{
	uint64_t lo = 1, hi = 2;
	bool equal;

	asm volatile("lock cmpxchg16b %1"
		     : "=@ccz"(equal), "+m"(pair), "+a"(lo), "+d"(hi)
		     : "b"(3ull), "c"(4ull)
		     : "memory");
	expect(equal && pair[0] == 3 && pair[1] == 4, "the pair is exchanged");
	return 0;
}
