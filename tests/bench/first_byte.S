/* SPDX-License-Identifier: MIT */
/*
 * first_byte.S - the smallest guest: one byte on the serial line, then halt.
 * PVH, so that other VMMs start it too.
 */
#include "tests/bench/pvh_note.S"

	.code32
	.section .text.start, "ax"
	.globl	_start
_start:
	mov	$0x3f8, %dx
	mov	$'!', %al
	out	%al, %dx
1:	hlt
	jmp	1b
	.section .note.GNU-stack, "", @progbits
