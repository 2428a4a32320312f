/* SPDX-License-Identifier: MIT */
/*
 * insn.h - one decoded instruction, and the decoder.
 *
 * How it works. x86_decode() reads prefixes, finds the row of the opcode in
 * a table (decode_table.c), and fills a struct x86_insn that holds all that
 * execution needs: no byte of the guest's code is looked at twice. It knows
 * encodings, not meanings; x86_bind() (semantics.h) adds the function.
 *
 * Any thread; nothing here allocates.
 */
#ifndef MINIVMM_VCPU_X86_INSN_H
#define MINIVMM_VCPU_X86_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vcpu/x86/ops.h"

struct x86_cpu;
struct x86_insn;

typedef void x86_fn(struct x86_cpu *cpu, const struct x86_insn *in);

#define X86_INSN_MAX 15 /* bytes; longer is #GP (SDM 2A §2.3.11) */

enum x86_op {
#define X86_OP(name) X86_OP_##name,
	X86_OPS(X86_OP)
#undef X86_OP
	X86_NR_OPS,
};

/* How the code segment makes the decoder read (SDM 3A §3.4.5, "L", "D/B"). */
enum x86_mode {
	X86_MODE_16,
	X86_MODE_32,
	X86_MODE_64,
};

/*
 * Indexes into x86_cpu.reg: the sixteen of enum cpu_gpr, then two that make
 * every effective address the same sum.
 */
#define X86_REG_ZERO 16 /* always 0: no base, no index */
#define X86_REG_IP   17 /* what x86_insn.off is relative to */
#define X86_NR_REGS  18

/* Indexes into x86_cpu.seg_base: enum cpu_seg's first six, then no segment. */
#define X86_SEG_FLAT 6
#define X86_NR_BASES 7

/* x86_insn.pfx */
#define X86_PFX_LOCK  0x01u
#define X86_PFX_REP   0x02u /* F3 */
#define X86_PFX_REPNE 0x04u /* F2 */
#define X86_PFX_66    0x08u
#define X86_PFX_REX   0x10u
#define X86_PFX_REXW  0x20u
#define X86_PFX_VEX   0x40u
#define X86_PFX_VEXL  0x80u

/* x86_insn.form: which of rm, reg and imm an instruction reads and writes. */
enum x86_form {
	X86_RM_REG, /* rm is the destination (or both), reg the source */
	X86_REG_RM,
	X86_RM_IMM,
};

/* x86_insn.flags */
#define X86_F_MEM    0x01u /* rm is memory */
#define X86_F_LEGACY 0x02u /* segments have limits: not 64-bit mode */
#define X86_F_STACK  0x04u /* address faults are #SS, not #GP */
#define X86_F_END    0x08u /* the last of its block */
#define X86_F_CODE64 0x10u /* decoded in 64-bit mode */
#define X86_F_CODE16 0x20u /* decoded for a 16-bit segment */

struct x86_insn {
	x86_fn *fn;   /* NULL until bound */
	uint64_t imm; /* extended as the SDM says; far: offset */
	int64_t disp; /* rip-relative: from reg[X86_REG_IP], once set_off() */
	uint16_t off; /* of the first byte, from reg[X86_REG_IP] */
	uint16_t op;  /* enum x86_op */
	uint16_t sel; /* far pointer's selector, or ENTER's level */
	uint8_t len;
	uint8_t flags;
	uint8_t form; /* enum x86_form */
	uint8_t size; /* of the operand: 1, 2, 4 or 8 bytes */
	/*
	 * Register numbers, REX included. Where the operand is a byte:
	 * the byte offset into x86_cpu.reg, so that AH is like any other.
	 */
	uint8_t reg, rm;
	uint8_t base, index, scale;
	uint8_t seg;   /* of the memory operand, index into seg_base */
	uint8_t asize; /* address size: 2, 4 or 8 bytes */
	uint8_t pfx;
	uint8_t map; /* 0: one byte, 1: 0F, 2: 0F38, 3: 0F3A */
	uint8_t opcode;
	uint8_t modrm;
	uint8_t vvvv;
};

/*
 * Decode the instruction at @code, of which @avail bytes can be read, for
 * code of @mode. Fills *in (fn NULL, off 0).
 *
 * 0; -EILSEQ: not an instruction (#UD), len is what was looked at; -ENODATA:
 * it goes on after @avail (and avail < X86_INSN_MAX); -E2BIG: longer than
 * X86_INSN_MAX (#GP).
 */
int x86_decode(struct x86_insn *in, const uint8_t *code, size_t avail,
	       enum x86_mode mode);

/* "add", ... for logs and tests. */
const char *x86_op_name(unsigned int op);

/*
 * The instruction sits @off bytes after what reg[X86_REG_IP] points to: make
 * a rip-relative displacement relative to that. Once for each instruction,
 * before it runs.
 */
void x86_insn_set_off(struct x86_insn *in, uint16_t off);

static inline bool x86_is_mem(const struct x86_insn *in)
{
	return in->flags & X86_F_MEM;
}

#endif
