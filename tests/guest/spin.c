// SPDX-License-Identifier: MIT
/*
 * spin.c - runs for ever with interrupts off: only a timeout ends it.
 */
#include "tests/guest/lib/guest.h"

int guest_main(void)
{
	put_text("spinning\n");
	for (;;)
		asm volatile("pause");
}
