// SPDX-License-Identifier: MIT
/*
 * exit_wide.c - a wide write to the debug-exit port uses its low byte.
 */
#include "tests/guest/lib/guest.h"

int guest_main(void)
{
	outl(PORT_DEBUG_EXIT, 0x1ff07);
	return 1;
}
