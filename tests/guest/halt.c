// SPDX-License-Identifier: MIT
/*
 * halt.c - halts with interrupts off: only a timeout ends it.
 */
#include "tests/guest/lib/guest.h"

int guest_main(void)
{
	for (;;)
		asm volatile("cli; hlt");
}
