/* SPDX-License-Identifier: MIT */
/*
 * traps.S - 256 entry points, 16 bytes apart: push an error code where the
 * CPU does not, the vector, and go to trap_common, which copies the frame to
 * `trap` and continues at trap.resume, CPL 0.
 */
	/* struct trap */
	.set	T_VECTOR, 0
	.set	T_INSN, 72
	.set	T_RESUME, 80
	.set	T_SP, 88
	.set	T_FRAME, 96
	.code64
	.text
	.globl	trap_entry
	.balign	16
trap_entry:
	.set	vector, 0
	.rept	256
	.balign	16
	.if	(vector != 8) & ((vector < 10) | (vector > 14)) & (vector != 17)
	push	$0
	.endif
	push	$vector
	jmp	trap_common
	.set	vector, vector + 1
	.endr

/* vector, error, rip, cs, rflags, rsp, ss on the stack */
trap_common:
	push	%rax
	push	%rcx
	push	%rsi
	push	%rdi
	cld
	lea	32(%rsp), %rsi
	lea	trap(%rip), %rdi
	mov	$7, %ecx
	rep movsq
	mov	%cr2, %rax
	stosq
	mov	%dr6, %rax
	stosq
	lea	-8(%rsi), %rax
	mov	%rax, trap+T_FRAME(%rip)
	pop	%rdi
	pop	%rsi
	pop	%rcx
	pop	%rax
	mov	$0x10, %r11d
	mov	%r11d, %ss
	mov	trap+T_SP(%rip), %rsp
	jmp	*trap+T_RESUME(%rip)

/* user_run(code, stack, rflags, arg) */
	.globl	user_run
user_run:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	movq	$0x1000, trap+T_VECTOR(%rip)
	lea	1f(%rip), %rax
	mov	%rax, trap+T_RESUME(%rip)
	mov	%rdi, trap+T_INSN(%rip)
	mov	%rsp, trap+T_SP(%rip)
	push	$0x23
	push	%rsi
	push	%rdx
	push	$0x2b
	push	%rdi
	mov	%rcx, %rax
	mov	%rcx, %rdx
	mov	%rcx, %rdi
	iretq
1:	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.section .note.GNU-stack, "", @progbits
