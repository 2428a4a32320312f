/* SPDX-License-Identifier: MIT */
/*
 * pvh_start.S - from a PVH entry to the 64-bit one of tests/guest/lib/start.S,
 * so that other VMMs start a guest that is written for minivmm: identity
 * pages of 2 MiB for 4 GiB, where minivmm has its own.
 */
#define PAGE_TABLES 0x9000 /* LAYOUT_PAGE_TABLES */
#define CR4_PAE	 (1 << 5)
#define EFER	 0xc0000080
#define EFER_LME (1 << 8)
#define CR0_PG	 (1 << 31)

	.section .note.pvh, "a", @note
	.long	4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	pvh_start

	.code32
	.text
	.globl	pvh_start
pvh_start:
	mov	%ebx, %esi		/* struct hvm_start_info */
	cld

	/* One table each of level 4 and 3, four of level 2. */
	mov	$PAGE_TABLES, %edi
	mov	$(6 * 1024), %ecx
	xor	%eax, %eax
	rep stosl
	movl	$(PAGE_TABLES + 0x1003), PAGE_TABLES
	mov	$(PAGE_TABLES + 0x1000), %edi
	mov	$(PAGE_TABLES + 0x2003), %eax
	mov	$4, %ecx
1:	mov	%eax, (%edi)
	add	$0x1000, %eax
	add	$8, %edi
	loop	1b
	mov	$(PAGE_TABLES + 0x2000), %edi
	mov	$0x83, %eax
	mov	$2048, %ecx
2:	mov	%eax, (%edi)
	add	$0x200000, %eax
	add	$8, %edi
	loop	2b

	mov	$PAGE_TABLES, %eax
	mov	%eax, %cr3
	mov	%cr4, %eax
	or	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	lgdt	gdtr
	mov	%cr0, %eax
	or	$CR0_PG, %eax
	mov	%eax, %cr0
	ljmp	$0x10, $_start

	.data
	.balign	8
gdt:	.quad	0, 0
	.quad	0x00af9b000000ffff	/* 0x10: 64-bit code */
	.quad	0x00cf93000000ffff	/* 0x18: data */
gdtr:	.short	31
	.long	gdt
	.section .note.GNU-stack, "", @progbits
