// SPDX-License-Identifier: MIT
/*
 * panic.c - a panic reported through pvpanic ends with 126.
 */
#include "tests/guest/lib/guest.h"

int guest_main(void)
{
	expect(inb(0x505) & 1, "pvpanic offers the panicked event");
	outb(0x505, 1);
	return 1;
}
