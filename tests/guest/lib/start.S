/* SPDX-License-Identifier: MIT */
/* start.S - from the 64-bit entry point to guest_main(), and its exit. */
	.code64
	.section .text.start, "ax"
	.globl	_start
_start:
	lea	stack_top(%rip), %rsp
	cld
	mov	%rsi, boot_info(%rip)
	call	guest_main
	mov	%eax, %edi
	call	guest_exit

	.bss
	.globl	boot_info
boot_info:
	.quad	0
	.balign	16
	.skip	16384
stack_top:
	.section .note.GNU-stack, "", @progbits
