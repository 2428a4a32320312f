/* SPDX-License-Identifier: MIT */
/*
 * thunk.h - vector and x87 instructions run by the host's own CPU.
 *
 * How it works. For each encoding that comes up, a thunk is written: a small
 * host function that loads the registers the instruction names from a struct
 * x86_thunk_args, runs the instruction with its memory operand replaced by
 * args->mem, and stores the registers back. Guest memory is read before and
 * written after, through the software TLB. Nothing of the guest's bytes is
 * copied but opcode, ModRM.reg and immediate of an encoding that the decoder
 * knows: no address of the guest's is ever used by the host.
 *
 * SSE encodings are made canonical (reg is XMM1, rm XMM2), so that one thunk
 * serves all registers. x87 and MMX keep theirs, because the register stack
 * moves: they load and save all of FXSAVE's state.
 *
 * Code is written through one mapping and run through another: no page is
 * ever writable and executable.
 *
 * Threads: one owner.
 */
#ifndef MINIVMM_VCPU_X86_THUNK_H
#define MINIVMM_VCPU_X86_THUNK_H

#include <stdbool.h>
#include <stdint.h>

#define X86_FXSAVE_SIZE 512

struct x86_thunk_args {
	_Alignas(64) uint8_t fx[X86_FXSAVE_SIZE];
	_Alignas(64) uint8_t mem[128];
	_Alignas(16) uint8_t reg[16], rm[16], xmm0[16];
	uint64_t rax, rcx, rdx; /* RAX: GPR in reg; RCX: GPR in rm */
	uint64_t flags;
	uint32_t mxcsr, host_mxcsr;
};

/* An encoding; equal bytes are equal thunks: zero it before filling. */
struct x86_thunk_key {
	uint8_t map, opcode;
	uint8_t prefix; /* 0, 0x66, 0xf3, 0xf2 */
	uint8_t rex;	/* 0 or 0x40 | WRXB */
	uint8_t modrm;	/* mod 3, or mod 0: memory is args->mem */
	uint8_t imm;
	uint8_t flags; /* X86_THUNK_ */
	uint8_t unused;
};

#define X86_THUNK_FX	0x01u /* all state from fx */
#define X86_THUNK_IMM	0x02u
#define X86_THUNK_MXCSR 0x04u
#define X86_THUNK_FLAGS 0x08u /* RFLAGS in and out */
#define X86_THUNK_XMM0	0x10u
#define X86_THUNK_GPR	0x20u
#define X86_THUNK_REG	0x40u /* reg is an XMM register */
#define X86_THUNK_RM	0x80u /* rm is */

struct x86_thunks;

int x86_thunks_create(struct x86_thunks **out);
void x86_thunks_destroy(struct x86_thunks *t);

/* Run @key with @args. */
void x86_thunk_run(struct x86_thunks *t, const struct x86_thunk_key *key,
		   struct x86_thunk_args *args);

#endif
