// SPDX-License-Identifier: MIT
/*
 * triple_fault.c - an exception without an IDT ends with 126.
 */
#include "tests/guest/lib/guest.h"

int guest_main(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };

	asm volatile("lidt %0; ud2" : : "m"(none));
	return 1;
}
