/* SPDX-License-Identifier: MIT */
/*
 * pvh_note.S - what makes VMMs start an ELF image at _start, in 32-bit
 * protected mode without paging (the PVH boot protocol).
 */
	.section .note.pvh, "a", @note
	.balign	4
	.long	4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	_start
