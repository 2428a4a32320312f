/* SPDX-License-Identifier: MIT */
/*
 * native_entry.S - between C and a foreign register file.
 *
 * native_enter(regs) loads everything and jumps; the way back is always a
 * signal, whose handler ends with RIP at native_leave and the stack pointer
 * that native_enter saved.
 */
	.set	R_RIP, 128
	.set	R_RFLAGS, 136
	.set	R_FS, 144
	.set	R_GS, 152
	.set	R_CS, 160
	.set	R_DS, 168
	.set	R_FX, 192

	.text
	.globl	native_enter
native_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, native_host_rsp(%rip)
	cmpb	$0, native_fsgsbase(%rip)
	je	1f
	rdfsbase %rax
	mov	%rax, native_host_fs(%rip)
	rdgsbase %rax
	mov	%rax, host_gs(%rip)
	movb	$1, native_inside(%rip)
	mov	R_FS(%rdi), %rax
	wrfsbase %rax
	mov	R_GS(%rdi), %rax
	wrgsbase %rax
1:	movb	$1, native_inside(%rip)
	fxrstor64 R_FX(%rdi)
	mov	R_RIP(%rdi), %eax
	mov	%eax, target(%rip)
	mov	R_CS(%rdi), %eax
	mov	%ax, 4+target(%rip)
	mov	R_DS(%rdi), %eax
	mov	%eax, %ds
	mov	%eax, %es
	push	R_RFLAGS(%rdi)
	popf
	mov	(%rdi), %rax
	mov	8(%rdi), %rcx
	mov	16(%rdi), %rdx
	mov	24(%rdi), %rbx
	mov	32(%rdi), %rsp
	mov	40(%rdi), %rbp
	mov	48(%rdi), %rsi
	mov	64(%rdi), %r8
	mov	72(%rdi), %r9
	mov	80(%rdi), %r10
	mov	88(%rdi), %r11
	mov	96(%rdi), %r12
	mov	104(%rdi), %r13
	mov	112(%rdi), %r14
	mov	120(%rdi), %r15
	mov	56(%rdi), %rdi
	ljmp	*target(%rip)	/* m16:32 */

	.globl	native_leave
native_leave:
	cld
	fninit
	ldmxcsr	mxcsr(%rip)
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/* The handler of all signals: C code needs FS, and no alignment checks. */
	.globl	native_signal
native_signal:
	pushf
	andl	$~0x44000, (%rsp)	/* AC, NT */
	popf
	cmpb	$0, native_fsgsbase(%rip)
	je	1f
	cmpb	$0, native_inside(%rip)
	je	1f
	rdfsbase %rax
	mov	%rax, native_seen_fs(%rip)
	rdgsbase %rax
	mov	%rax, native_seen_gs(%rip)
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	mov	native_host_fs(%rip), %rax
	wrfsbase %rax
	mov	host_gs(%rip), %rax
	wrgsbase %rax
1:	jmp	native_handle

	.section .rodata
	.balign	4
mxcsr:	.long	0x1f80

	.bss
	.balign	8
	.globl	native_host_rsp, native_host_fs, native_seen_fs, native_seen_gs
	.globl	native_fsgsbase, native_inside
native_host_rsp: .quad	0
native_host_fs:	.quad	0
native_seen_fs:	.quad	0
native_seen_gs:	.quad	0
host_gs:	.quad	0
target:		.quad	0
native_fsgsbase: .byte	0
native_inside:	.byte	0
	.section .note.GNU-stack, "", @progbits
