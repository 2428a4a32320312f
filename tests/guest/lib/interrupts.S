/* SPDX-License-Identifier: MIT */
/*
 * interrupts.S - 256 entry points, 16 bytes apart: push the vector, count it,
 * end the interrupt.
 */
	.code64
	.text
	.globl	irq_entry
	.balign	16
irq_entry:
	.set	vector, 0
	.rept	256
	.balign	16
	push	%rax
	mov	$vector, %eax
	jmp	common
	.set	vector, vector + 1
	.endr

common:
	cmp	$32, %eax
	jb	exception
	push	%rdx
	lea	irq_count(%rip), %rdx
	incl	(%rdx, %rax, 4)
	mov	$0xfee000b0, %edx	/* EOI */
	movl	$0, (%rdx)
	pop	%rdx
	pop	%rax
	iretq

exception:
	mov	$99, %edi
	call	guest_exit
	.section .note.GNU-stack, "", @progbits
