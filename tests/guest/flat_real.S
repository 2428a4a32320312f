/* SPDX-License-Identifier: MIT */
/* flat_real - a raw image starts in real mode at 1000:0000. */
	.code16
	.globl	_start
_start:
	mov	%cs, %ax
	cmp	$0x1000, %ax
	jne	fail
	mov	%ds, %ax
	cmp	$0x1000, %ax
	jne	fail
	mov	%cr0, %eax
	test	$1, %al
	jnz	fail
	mov	$message, %si
1:	lodsb
	test	%al, %al
	jz	2f
	mov	$0x3f8, %dx
	out	%al, %dx
	jmp	1b
2:	xor	%ax, %ax
	jmp	exit
fail:	mov	$1, %ax
exit:	out	%al, $0xf4
3:	hlt
	jmp	3b
message:
	.asciz	"real mode\n"
