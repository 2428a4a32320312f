// SPDX-License-Identifier: MIT
/*
 * reset_i8042.c - a reset through the keyboard controller ends with 0.
 */
#include "tests/guest/lib/guest.h"

int guest_main(void)
{
	outb(0x64, 0xfe);
	return 1;
}
