// SPDX-License-Identifier: MIT
/*
 * flags.c - which status flags an instruction reads, defines, and leaves
 * undefined.
 *
 * Flags that the SDM calls undefined may differ between CPUs, so nothing may
 * depend on them: they are not compared, and the generator places no reader
 * of one behind them. The section is that of SDM volume 2 (2A: A-L, 2B: M-U,
 * 2C: V), "Flags Affected" of the instruction named.
 */
#include "tests/engines/diff.h"
#include "vcpu/x86/cpu.h"
#include "vcpu/x86/mem.h"

#define CF  (uint32_t) X86_FL_CF
#define PF  (uint32_t) X86_FL_PF
#define AF  (uint32_t) X86_FL_AF
#define ZF  (uint32_t) X86_FL_ZF
#define SF  (uint32_t) X86_FL_SF
#define OF  (uint32_t) X86_FL_OF
#define ALL (uint32_t) X86_FL_STATUS

struct row {
	const char *section; /* of SDM 2 */
	uint32_t reads, undef, define;
};

/* clang-format off */
static const struct row table[X86_NR_OPS] = {
	/*                  section         reads    undefined           defined */
	[X86_OP_add]     = { "2A ADD",      0,       0,                  ALL },
	[X86_OP_or]      = { "2B OR",       0,       AF,                 ALL & ~AF },
	[X86_OP_adc]     = { "2A ADC",      CF,      0,                  ALL },
	[X86_OP_sbb]     = { "2B SBB",      CF,      0,                  ALL },
	[X86_OP_and]     = { "2A AND",      0,       AF,                 ALL & ~AF },
	[X86_OP_sub]     = { "2B SUB",      0,       0,                  ALL },
	[X86_OP_xor]     = { "2C XOR",      0,       AF,                 ALL & ~AF },
	[X86_OP_cmp]     = { "2A CMP",      0,       0,                  ALL },
	[X86_OP_test]    = { "2B TEST",     0,       AF,                 ALL & ~AF },
	[X86_OP_inc]     = { "2A INC",      0,       0,                  ALL & ~CF },
	[X86_OP_dec]     = { "2A DEC",      0,       0,                  ALL & ~CF },
	[X86_OP_neg]     = { "2B NEG",      0,       0,                  ALL },
	[X86_OP_mul]     = { "2B MUL",      0,       SF | ZF | AF | PF,  CF | OF },
	[X86_OP_imul]    = { "2A IMUL",     0,       SF | ZF | AF | PF,  CF | OF },
	[X86_OP_imul2]   = { "2A IMUL",     0,       SF | ZF | AF | PF,  CF | OF },
	[X86_OP_imul3]   = { "2A IMUL",     0,       SF | ZF | AF | PF,  CF | OF },
	[X86_OP_div]     = { "2A DIV",      0,       ALL,                0 },
	[X86_OP_idiv]    = { "2A IDIV",     0,       ALL,                0 },
	[X86_OP_daa]     = { "2A DAA",      CF | AF, OF,                 ALL & ~OF },
	[X86_OP_das]     = { "2A DAS",      CF | AF, OF,                 ALL & ~OF },
	[X86_OP_aaa]     = { "2A AAA",      AF,      OF | SF | ZF | PF,  AF | CF },
	[X86_OP_aas]     = { "2A AAS",      AF,      OF | SF | ZF | PF,  AF | CF },
	[X86_OP_aam]     = { "2A AAM",      0,       OF | AF | CF,       SF | ZF | PF },
	[X86_OP_aad]     = { "2A AAD",      0,       OF | AF | CF,       SF | ZF | PF },
	[X86_OP_into]    = { "2A INT n/INTO", OF,    0,                  0 },
	[X86_OP_salc]    = { "D6 (SETALC)", CF,      0,                  0 },
	[X86_OP_arpl]    = { "2A ARPL",     0,       0,                  ZF },
	/* Shifts and rotates: shift_flags() */
	[X86_OP_rol]     = { "2B RCL/RCR/ROL/ROR", 0,  0,                0 },
	[X86_OP_ror]     = { "2B RCL/RCR/ROL/ROR", 0,  0,                0 },
	[X86_OP_rcl]     = { "2B RCL/RCR/ROL/ROR", CF, 0,                0 },
	[X86_OP_rcr]     = { "2B RCL/RCR/ROL/ROR", CF, 0,                0 },
	[X86_OP_shl]     = { "2B SAL/SAR/SHL/SHR", 0,  0,                0 },
	[X86_OP_shr]     = { "2B SAL/SAR/SHL/SHR", 0,  0,                0 },
	[X86_OP_sar]     = { "2B SAL/SAR/SHL/SHR", 0,  0,                0 },
	[X86_OP_shld]    = { "2B SHLD",     0,       0,                  0 },
	[X86_OP_shrd]    = { "2B SHRD",     0,       0,                  0 },
	[X86_OP_bt]      = { "2A BT",       0,       OF | SF | AF | PF,  CF },
	[X86_OP_bts]     = { "2A BTS",      0,       OF | SF | AF | PF,  CF },
	[X86_OP_btr]     = { "2A BTR",      0,       OF | SF | AF | PF,  CF },
	[X86_OP_btc]     = { "2A BTC",      0,       OF | SF | AF | PF,  CF },
	[X86_OP_bsf]     = { "2A BSF",      0,       ALL & ~ZF,          ZF },
	[X86_OP_bsr]     = { "2A BSR",      0,       ALL & ~ZF,          ZF },
	[X86_OP_tzcnt]   = { "2B TZCNT",    0,       OF | SF | PF | AF,  ZF | CF },
	[X86_OP_lzcnt]   = { "2A LZCNT",    0,       OF | SF | PF | AF,  ZF | CF },
	[X86_OP_popcnt]  = { "2B POPCNT",   0,       0,                  ALL },
	[X86_OP_andn]    = { "2A ANDN",     0,       AF | PF,            ALL & ~(AF | PF) },
	[X86_OP_bextr]   = { "2A BEXTR",    0,       AF | SF | PF,       ZF | CF | OF },
	[X86_OP_blsr]    = { "2A BLSR",     0,       AF | PF,            ALL & ~(AF | PF) },
	[X86_OP_blsmsk]  = { "2A BLSMSK",   0,       AF | PF,            ALL & ~(AF | PF) },
	[X86_OP_blsi]    = { "2A BLSI",     0,       AF | PF,            ALL & ~(AF | PF) },
	[X86_OP_bzhi]    = { "2A BZHI",     0,       AF | PF,            ALL & ~(AF | PF) },
	[X86_OP_xadd]    = { "2C XADD",     0,       0,                  ALL },
	[X86_OP_cmpxchg] = { "2A CMPXCHG",  0,       0,                  ALL },
	[X86_OP_cmpxchg8b] = { "2A CMPXCHG8B/CMPXCHG16B", 0, 0,          ZF },
	[X86_OP_cmovcc]  = { "2A CMOVcc",   ALL,     0,                  0 },
	[X86_OP_setcc]   = { "2B SETcc",    ALL,     0,                  0 },
	[X86_OP_jcc]     = { "2A Jcc",      ALL,     0,                  0 },
	[X86_OP_loope]   = { "2A LOOP/LOOPcc", ZF,   0,                  0 },
	[X86_OP_loopne]  = { "2A LOOP/LOOPcc", ZF,   0,                  0 },
	[X86_OP_pushf]   = { "2B PUSHF/PUSHFD/PUSHFQ", ALL, 0,           0 },
	[X86_OP_popf]    = { "2B POPF/POPFD/POPFQ", 0, 0,                ALL },
	[X86_OP_lahf]    = { "2A LAHF",     ALL & ~OF, 0,                0 },
	[X86_OP_sahf]    = { "2B SAHF",     0,       0,                  ALL & ~OF },
	[X86_OP_clc]     = { "2A CLC",      0,       0,                  CF },
	[X86_OP_stc]     = { "2B STC",      0,       0,                  CF },
	[X86_OP_cmc]     = { "2A CMC",      CF,      0,                  CF },
	[X86_OP_cmps]    = { "2A CMPS",     0,       0,                  ALL },
	[X86_OP_scas]    = { "2B SCAS",     0,       0,                  ALL },
};
/* clang-format on */

/* Condition codes, two a row (SDM 1, appendix B). */
static uint32_t condition_reads(const struct x86_insn *in)
{
	static const uint32_t reads[8] = {
		OF, CF, ZF, CF | ZF, SF, PF, SF | OF, ZF | SF | OF,
	};

	return reads[in->opcode >> 1 & 7];
}

/* The count of a shift as it will be taken. */
static unsigned int shift_count(const struct x86_insn *in,
				const struct x86_cpu *cpu)
{
	bool imm = in->form == X86_RM_IMM || in->map == 1;
	unsigned int n = (unsigned int)in->imm;

	/* SHLD, SHRD: A5 and AD have the count in CL. */
	if (in->map == 1 && in->opcode & 1)
		imm = false;
	if (!imm)
		n = (unsigned int)cpu->reg[CPU_RCX];
	return n & (in->size == 8 ? 63 : 31);
}

/* SHLD, SHRD: of more than the operand's bits, even the result. */
static struct flag_use double_shift(const struct x86_insn *in, unsigned int n)
{
	struct flag_use f = { 0 };

	if (!n)
		return f;
	f.undef = AF | (n > 1 ? OF : 0);
	if (n > 8u * in->size)
		f.undef = ALL;
	f.define = ALL & ~f.undef;
	return f;
}

/* No flag changes when the masked count is 0; OF is for a count of 1. */
static struct flag_use shift_flags(const struct x86_insn *in,
				   const struct x86_cpu *cpu)
{
	unsigned int n = shift_count(in, cpu);
	bool rotate = in->op <= X86_OP_rcr;
	struct flag_use f = { .reads = table[in->op].reads };

	if (in->op == X86_OP_shld || in->op == X86_OP_shrd)
		return double_shift(in, n);
	if (!n)
		return f;
	f.undef = n > 1 ? OF : 0;
	if (rotate) {
		f.define = (CF | OF) & ~f.undef;
		return f;
	}
	f.undef |= AF;
	/* SAL, SHL and SHR of all bits or more: CF */
	if (in->op != X86_OP_sar && n >= 8u * in->size)
		f.undef |= CF;
	f.define = ALL & ~f.undef;
	return f;
}

/* Vector compares that set flags: all of them (SDM 2A "COMISS", 2B "PTEST"). */
static bool sets_flags(const struct x86_insn *in)
{
	switch (in->map) {
	case 1:
		return in->opcode == 0x2e || in->opcode == 0x2f;
	case 2:
		return in->opcode == 0x17;
	case 3:
		return in->opcode >= 0x60 && in->opcode <= 0x63;
	}
	return false;
}

/* FCMOVcc reads, FCOMI and its kin write (SDM 2A). */
static struct flag_use x87_flags(const struct x86_insn *in)
{
	unsigned int reg = in->modrm >> 3 & 7, esc = in->opcode & 7;
	static const uint32_t fcmov[4] = { CF, ZF, CF | ZF, PF };
	struct flag_use f = { 0 };

	if (x86_is_mem(in))
		return f;
	if ((esc == 2 || esc == 3) && reg < 4)
		f.reads = fcmov[reg];
	if ((esc == 3 || esc == 7) && (reg == 5 || reg == 6))
		f.define = ALL; /* OF, SF, AF to 0 */
	return f;
}

/* REP CMPS and SCAS of no element change nothing. */
static bool rep_of_none(const struct x86_insn *in, const struct x86_cpu *cpu)
{
	return in->pfx & (X86_PFX_REP | X86_PFX_REPNE) &&
	       !x86_zext(cpu->reg[CPU_RCX], in->asize);
}

struct flag_use flags_of(const struct x86_insn *in, const struct soft *s)
{
	const struct x86_cpu *cpu = soft_cpu(s);
	const struct row *row = &table[in->op];
	struct flag_use f = { row->reads, row->undef, row->define };

	if (in->op >= X86_OP_rol && in->op <= X86_OP_shrd)
		return shift_flags(in, cpu);
	if (in->op == X86_OP_x87)
		return x87_flags(in);
	if (in->op == X86_OP_sse && sets_flags(in))
		f.define = ALL;
	if (in->op == X86_OP_cmovcc || in->op == X86_OP_setcc ||
	    in->op == X86_OP_jcc)
		f.reads = condition_reads(in);
	if ((in->op == X86_OP_cmps || in->op == X86_OP_scas) &&
	    rep_of_none(in, cpu))
		f.define = 0;
	return f;
}
