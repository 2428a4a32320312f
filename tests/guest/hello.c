// SPDX-License-Identifier: MIT
/*
 * hello.c - the serial line works and power-off through ACPI ends with 0.
 */
#include "tests/guest/lib/guest.h"

int guest_main(void)
{
	put_text("hello, world\n");
	outb(0x600, 5 << 2 | 1 << 5); /* SLP_TYP 5, SLP_EN */
	return 3;		      /* not reached */
}
