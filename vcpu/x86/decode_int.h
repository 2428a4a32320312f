/* SPDX-License-Identifier: MIT */
/*
 * decode_int.h - what a row of the opcode tables says. Rows only describe
 * encodings (SDM 2D, appendix A); decode.c reads them.
 */
#ifndef MINIVMM_VCPU_X86_DECODE_INT_H
#define MINIVMM_VCPU_X86_DECODE_INT_H

#include <stdint.h>

#include "vcpu/x86/insn.h"

struct x86_row {
	uint16_t op;  /* enum x86_op */
	uint16_t sub; /* first row of x86_decode_sub for D_GRP and the like */
	uint32_t f;
};

#define D_M 0x1u /* has a ModRM byte */

/* The immediate */
#define D_IMM	0x1eu
#define D_IB	0x02u /* imm8, sign-extended to the operand */
#define D_UB	0x04u /* imm8, zero-extended */
#define D_IW	0x06u /* imm16, zero-extended */
#define D_IZ	0x08u /* imm16 or imm32, sign-extended */
#define D_IV	0x0au /* imm of the operand's full size */
#define D_AP	0x0cu /* far pointer */
#define D_MO	0x0eu /* absolute address of the address size */
#define D_ENTER 0x10u /* imm16, imm8 */
#define D_ONE	0x12u /* the constant 1, no byte */

/* Operands */
#define D_B   0x20u    /* byte operation */
#define D_RMB 0x40u    /* rm is a byte, reg is not */
#define D_RMW 0x80u    /* rm is a word, reg is not */
#define D_R   0x100u   /* reg is the destination */
#define D_I   0x200u   /* the immediate is the source */
#define D_CL  0x400u   /* CL is the source */
#define D_OR  0x800u   /* rm is the low three bits of the opcode */
#define D_ACC 0x1000u  /* rm is the accumulator */
#define D_NAT 0x2000u  /* rm is a register of native size, mod ignored */
#define D_MEM 0x4000u  /* rm must be memory */
#define D_REG 0x8000u  /* rm must be a register */
#define D_D64 0x10000u /* 64 bits are the default in 64-bit mode */
#define D_F64 0x20000u /* always 64 bits in 64-bit mode */
#define D_VEC 0x40000u /* operands as vector_table.c says */

/* Where it exists */
#define D_X64  0x80000u	  /* not in 64-bit mode */
#define D_O64  0x100000u  /* in 64-bit mode only */
#define D_LOCK 0x200000u  /* LOCK is allowed on memory */
#define D_STK  0x400000u  /* uses the stack: faults are #SS */
#define D_END  0x800000u  /* the next instruction starts a new block */
#define D_STR  0x1000000u /* string instruction: ends a block with REP */

/* The row depends on more */
#define D_GRP  0x2000000u  /* ... on ModRM.reg: 8 rows */
#define D_GRPM 0x4000000u  /* ... memory: 8 rows, register: 8 more */
#define D_PFX  0x8000000u  /* ... on the prefix: none, 66, F3, F2 */
#define D_RM   0x10000000u /* ... on ModRM.rm: 8 rows */

#define D_NP 0x20000000u /* no 66, F3 or F2 (the SDM's "NP") */
#define D_OK 0x80000000u /* there is such an instruction */

extern const struct x86_row x86_decode_map0[256];
extern const struct x86_row x86_decode_map1[256];
extern const struct x86_row x86_decode_map2[256];
extern const struct x86_row x86_decode_map3[256];
extern const struct x86_row x86_decode_sub[];

#endif
