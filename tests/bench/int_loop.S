/* SPDX-License-Identifier: MIT */
/*
 * int_loop.S - how fast an engine executes integer instructions: 64-bit mode,
 * 16 instructions of the common kinds per iteration, '<' on the serial line
 * before them and '>' after, then a triple fault, which ends every VMM.
 * PVH, so that other VMMs start it too.
 */
#include "tests/bench/pvh_note.S"

	.set	ITERATIONS, 20000000	/* software.sh counts on it */

	.code32
	.section .text.start, "ax"
	.globl	_start
_start:
	lgdt	gdt_pointer
	mov	$pml4, %eax
	mov	%eax, %cr3
	mov	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	$0xc0000080, %ecx	/* EFER: long mode */
	xor	%edx, %edx
	mov	$0x100, %eax
	wrmsr
	mov	$0x80000011, %eax	/* paging, protection */
	mov	%eax, %cr0
	ljmp	$8, $long_mode

	.code64
long_mode:
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$0x3f8, %dx
	mov	$'<', %al
	out	%al, %dx
	mov	$ITERATIONS, %ecx
	mov	$words, %rbx
	mov	$1, %esi
	xor	%edi, %edi
	.balign	64
1:	mov	%rcx, %rax
	and	$255, %eax
	mov	(%rbx, %rax, 8), %rdx
	add	%rdx, %rsi
	lea	7(%rsi, %rcx, 2), %r8
	shr	$3, %r8
	xor	%r8, %rdi
	imul	$33, %rdi, %rdi
	mov	%rdi, (%rbx, %rax, 8)
	test	$64, %r8b
	jz	2f			/* 16 executed either way */
2:	movzbl	%dil, %r10d
	sub	%r10, %r11
	add	%r11d, %r9d
	dec	%rcx
	jnz	1b
	mov	$0x3f8, %dx
	mov	$'>', %al
	out	%al, %dx
	lidt	no_idt
	ud2

	.balign	8
gdt:	.quad	0, 0x00209a0000000000
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt
no_idt:	.fill	10, 1, 0

	/* The first 2 MiB, one page. */
	.balign	4096
pml4:	.quad	pdpt + 3
	.balign	4096
pdpt:	.quad	pd + 3
	.balign	4096
pd:	.quad	0x83
	.balign	4096
words:	.fill	256, 8, 0
	.section .note.GNU-stack, "", @progbits
