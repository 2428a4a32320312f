// SPDX-License-Identifier: MIT
/*
 * vex.c - an AVX instruction while XCR0 is as after reset: #UD, and without an
 * IDT the end. Where a host's KVM emulates ring 0, nobody knows it.
 */
#include "tests/guest/lib/guest.h"

int guest_main(void)
{
	/* vpaddd %xmm0, %xmm0, %xmm0, unknown to -mgeneral-regs-only */
	asm volatile(".byte 0xc5, 0xf9, 0xfe, 0xc0");
	return 1;
}
