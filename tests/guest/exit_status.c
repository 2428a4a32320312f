// SPDX-License-Identifier: MIT
/*
 * exit_status.c - the byte at the debug-exit port is the exit status.
 */
#include "tests/guest/lib/guest.h"

int guest_main(void)
{
	return 42;
}
