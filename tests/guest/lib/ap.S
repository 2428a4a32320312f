/* SPDX-License-Identifier: MIT */
/*
 * ap.S - from SIPI to 64-bit code: what every other CPU runs first.
 *
 * The code is copied to AP_PAGE, below 1 MiB. It uses the page tables and the
 * GDT that the first CPU was started with.
 */
#define AP_PAGE	   0x8000
#define AT(label)  (AP_PAGE + label - ap_code)
#define STACK_SIZE 4096
#define STACKS	   8

	.code16
	.section .rodata
	.globl	ap_code, ap_code_end
ap_code:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	lgdtl	AT(ap_gdtr)
	mov	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	$0x9000, %eax		/* LAYOUT_PAGE_TABLES */
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx	/* EFER.LME */
	rdmsr
	or	$0x100, %eax
	wrmsr
	mov	$0x80000011, %eax	/* PG, ET, PE */
	mov	%eax, %cr0
	ljmpl	$0x10, $ap_entry
ap_gdtr:
	.word	0x2f
	.long	0x500
ap_code_end:

	.code64
	.text
ap_entry:
	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$1, %edi
	lock xadd %edi, ap_count(%rip)
	mov	%edi, %eax
	inc	%eax
	imul	$STACK_SIZE, %eax, %eax
	lea	ap_stacks(%rip), %rsp
	add	%rax, %rsp
	cld
	call	*ap_function(%rip)
1:	cli
	hlt
	jmp	1b

	.data
	.globl	ap_count, ap_function
ap_count:
	.long	0
	.balign	8
ap_function:
	.quad	0

	.bss
	.balign	16
ap_stacks:
	.skip	STACKS * STACK_SIZE
	.section .note.GNU-stack, "", @progbits
