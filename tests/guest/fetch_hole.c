// SPDX-License-Identifier: MIT
/*
 * fetch_hole.c - jumps to an address where there is no memory: no engine can
 * go on, and KVM says so instead of raising an exception.
 */
#include "tests/guest/lib/guest.h"

int guest_main(void)
{
	void (*nowhere)(void) = (void (*)(void))0xd8000000ul;

	nowhere();
	return 1;
}
