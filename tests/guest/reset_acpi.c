// SPDX-License-Identifier: MIT
/*
 * reset_acpi.c - a reset through the FADT's reset register ends with 0.
 */
#include "tests/guest/lib/guest.h"

int guest_main(void)
{
	outb(0x602, 1);
	return 1;
}
