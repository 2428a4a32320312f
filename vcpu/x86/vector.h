/* SPDX-License-Identifier: MIT */
/*
 * vector.h - the operands of MMX, SSE to SSE4.2, AES, PCLMUL and SHA
 * instructions: all that running them natively has to know.
 */
#ifndef MINIVMM_VCPU_X86_VECTOR_H
#define MINIVMM_VCPU_X86_VECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "vcpu/x86/insn.h"

/* struct x86_vec: operand kinds */
enum x86_vec_kind {
	X86_VEC_NONE, /* the field extends the opcode */
	X86_VEC_XMM,
	X86_VEC_MM,
	X86_VEC_GPR, /* 32 bits, 64 with REX.W */
};

#define X86_VEC_STORE	0x01u /* rm is the destination */
#define X86_VEC_IMM	0x02u /* imm8 */
#define X86_VEC_ALIGN	0x04u /* a memory operand must be aligned: #GP */
#define X86_VEC_MEMONLY 0x08u
#define X86_VEC_REGONLY 0x10u
#define X86_VEC_FP	0x20u  /* raises SIMD floating-point exceptions */
#define X86_VEC_FLAGS	0x40u  /* sets RFLAGS' arithmetic flags */
#define X86_VEC_XMM0	0x80u  /* XMM0 is an implicit operand */
#define X86_VEC_ACDX	0x100u /* reads EAX and EDX, may write ECX */

/* CPUID's features of vector instructions; SSE2 is every host's. */
#define X86_VEC_SSE3   0x01u
#define X86_VEC_SSSE3  0x02u
#define X86_VEC_SSE41  0x04u
#define X86_VEC_SSE42  0x08u
#define X86_VEC_AES    0x10u
#define X86_VEC_PCLMUL 0x20u
#define X86_VEC_SHA    0x40u

struct x86_vec {
	uint8_t reg, rm; /* enum x86_vec_kind */
	uint8_t mem;	 /* bytes of a memory operand; 0xff: 4 or 8, REX.W */
	uint16_t flags;
	bool valid;
};

/*
 * The description of @opcode in @map (1: 0F, 2: 0F38, 3: 0F3A) with the
 * mandatory prefix @pfx (0: none, 1: 66, 2: F3, 3: F2) and ModRM.reg @ext;
 * NULL when there is no such instruction.
 */
const struct x86_vec *x86_vec_find(unsigned int map, uint8_t opcode,
				   unsigned int pfx, unsigned int ext);

/* @pfx of an instruction. */
unsigned int x86_vec_prefix(const struct x86_insn *in);

/*
 * The function that knows @in without looking (op sse), or NULL: the common
 * ones, in vector_fast.c. Runs what x86_do_sse() would.
 */
x86_fn *x86_vec_fast(const struct x86_insn *in);

/* The feature that an instruction x86_vec_find() knows needs, or 0. */
uint32_t x86_vec_needs(unsigned int map, uint8_t opcode, unsigned int pfx);

#endif
