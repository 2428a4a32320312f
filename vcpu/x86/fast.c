// SPDX-License-Identifier: MIT
/*
 * fast.c - variants of the commonest instructions that know operand size and
 * form in advance.
 *
 * No meaning of their own: each is the inline function that the general
 * x86_do_<insn>() uses too, with constants for what that one looks up.
 */
#include "vcpu/x86/alu.h"
#include "vcpu/x86/mmu.h"
#include "vcpu/x86/semantics.h"
#include "vcpu/x86/shift.h"
#include "vcpu/x86/vector.h"

#define VARIANT(name, apply, kind, size)                              \
	static void name##_##kind##_##size(struct x86_cpu *cpu,       \
					   const struct x86_insn *in) \
	{                                                             \
		apply(cpu, in, size, ALU_##kind);                     \
	}

#define SIZES(name, apply, kind)      \
	VARIANT(name, apply, kind, 1) \
	VARIANT(name, apply, kind, 2) \
	VARIANT(name, apply, kind, 4) \
	VARIANT(name, apply, kind, 8)

#define KINDS(name, apply)     \
	SIZES(name, apply, RR) \
	SIZES(name, apply, MR) \
	SIZES(name, apply, RM) \
	SIZES(name, apply, RI) \
	SIZES(name, apply, MI)

#define ROW(name, kind)                                        \
	[ALU_##kind] = { name##_##kind##_1, name##_##kind##_2, \
			 name##_##kind##_4, name##_##kind##_8 }

#define ROWS(name)                                                          \
	{                                                                   \
		ROW(name, RR), ROW(name, MR), ROW(name, RM), ROW(name, RI), \
			ROW(name, MI)                                       \
	}

#define UPDATE(op)                                                             \
	X86_INLINE void op##_any(struct x86_cpu *cpu,                          \
				 const struct x86_insn *in, unsigned int size, \
				 enum x86_alu_kind kind)                       \
	{                                                                      \
		alu_update(cpu, in, size, kind, alu_##op);                     \
	}                                                                      \
	KINDS(op, op##_any)

#define COMPARE(name, op)                                                     \
	X86_INLINE void name##_any(struct x86_cpu *cpu,                       \
				   const struct x86_insn *in,                 \
				   unsigned int size, enum x86_alu_kind kind) \
	{                                                                     \
		alu_compare(cpu, in, size, kind, alu_##op);                   \
	}                                                                     \
	KINDS(name, name##_any)

UPDATE(add)
UPDATE(or)
UPDATE(adc)
UPDATE(sbb)
UPDATE(and)
UPDATE(sub)
UPDATE(xor)
COMPARE(cmp, sub)
COMPARE(test, and)
KINDS(mov, alu_mov)

typedef x86_fn *const alu_rows[ALU_NR_KINDS][4];

/* In the order of enum x86_op. */
static alu_rows alu_table[] = {
	ROWS(add), ROWS(or),  ROWS(adc), ROWS(sbb),  ROWS(and),
	ROWS(sub), ROWS(xor), ROWS(cmp), ROWS(test),
};

static alu_rows mov_table = ROWS(mov);

static unsigned int size_index(const struct x86_insn *in)
{
	return (unsigned int)__builtin_ctz(in->size);
}

#define JCC(cc)                                                              \
	static void jcc_##cc(struct x86_cpu *cpu, const struct x86_insn *in) \
	{                                                                    \
		uint64_t ip = cpu->reg[X86_REG_IP] + in->off + in->len;      \
                                                                             \
		cpu->rip = x86_cond(cpu, cc) ? ip + in->imm : ip;            \
	}

JCC(0)
JCC(1)
JCC(2)
JCC(3)
JCC(4)
JCC(5)
JCC(6)
JCC(7)
JCC(8)
JCC(9)
JCC(10)
JCC(11)
JCC(12)
JCC(13)
JCC(14)
JCC(15)

static x86_fn *const jcc_table[16] = {
	jcc_0, jcc_1, jcc_2,  jcc_3,  jcc_4,  jcc_5,  jcc_6,  jcc_7,
	jcc_8, jcc_9, jcc_10, jcc_11, jcc_12, jcc_13, jcc_14, jcc_15,
};

static void lea_4(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->reg[in->reg] = (uint32_t)x86_ea(cpu, in);
}

static void lea_8(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->reg[in->reg] = x86_ea(cpu, in);
}

static void push_reg_8(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_push(cpu, cpu->reg[in->rm], 8);
}

static void pop_reg_8(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_read(cpu, cpu->reg[CPU_RSP], 8);

	cpu->reg[CPU_RSP] += 8;
	cpu->reg[in->rm] = v;
}

static void call_8(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t next = cpu->reg[X86_REG_IP] + in->off + in->len;

	x86_push(cpu, next, 8);
	cpu->rip = next + in->imm;
}

static void ret_8(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t to = x86_read(cpu, cpu->reg[CPU_RSP], 8);

	if (X86_UNLIKELY(!x86_canonical(to)))
		x86_raise_error(cpu, X86_GP, 0);
	cpu->rip = to;
	cpu->reg[CPU_RSP] += 8 + in->imm;
}

static void jmp_8(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->rip = cpu->reg[X86_REG_IP] + in->off + in->len + in->imm;
}

static void movzx_mem_1(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->reg[in->reg] = x86_read(cpu, x86_lin(cpu, in, 1, false), 1);
}

static void movzx_mem_2(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->reg[in->reg] = x86_read(cpu, x86_lin(cpu, in, 2, false), 2);
}

static void movzx_reg_1(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->reg[in->reg] = x86_reg_get(cpu, in->rm, 1);
}

static void movzx_reg_2(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->reg[in->reg] = (uint16_t)cpu->reg[in->rm];
}

static void step_reg(struct x86_cpu *cpu, const struct x86_insn *in,
		     unsigned int size, alu_fn *op)
{
	bool cf = x86_cf(cpu);

	x86_reg_set(cpu, in->rm,
		    op(cpu, x86_reg_get(cpu, in->rm, size), 1, size), size);
	x86_set_cf(cpu, cf);
}

static void inc_4(struct x86_cpu *cpu, const struct x86_insn *in)
{
	step_reg(cpu, in, 4, alu_add);
}

static void inc_8(struct x86_cpu *cpu, const struct x86_insn *in)
{
	step_reg(cpu, in, 8, alu_add);
}

static void dec_4(struct x86_cpu *cpu, const struct x86_insn *in)
{
	step_reg(cpu, in, 4, alu_sub);
}

static void dec_8(struct x86_cpu *cpu, const struct x86_insn *in)
{
	step_reg(cpu, in, 8, alu_sub);
}

/* Of registers, by an immediate that is not 0, and by CL. */
X86_INLINE void shift_imm(struct x86_cpu *cpu, const struct x86_insn *in,
			  unsigned int size, shift_fn *op)
{
	uint64_t v = x86_reg_get(cpu, in->rm, size);

	x86_reg_set(cpu, in->rm, op(cpu, v, (unsigned int)in->imm, size * 8),
		    size);
}

X86_INLINE void shift_cl(struct x86_cpu *cpu, const struct x86_insn *in,
			 unsigned int size, shift_fn *op)
{
	unsigned int n = cpu->reg[CPU_RCX] & (size * 8 - 1);
	uint64_t v = x86_reg_get(cpu, in->rm, size);

	x86_reg_set(cpu, in->rm, n ? op(cpu, v, n, size * 8) : v, size);
}

#define SHIFT(op, size)                                        \
	static void op##_imm_##size(struct x86_cpu *cpu,       \
				    const struct x86_insn *in) \
	{                                                      \
		shift_imm(cpu, in, size, shift_##op);          \
	}                                                      \
	static void op##_cl_##size(struct x86_cpu *cpu,        \
				   const struct x86_insn *in)  \
	{                                                      \
		shift_cl(cpu, in, size, shift_##op);           \
	}

#define SHIFTS(op)   \
	SHIFT(op, 4) \
	SHIFT(op, 8)

SHIFTS(shl)
SHIFTS(shr)
SHIFTS(sar)
SHIFTS(rol)
SHIFTS(ror)

static x86_fn *fast_shift(const struct x86_insn *in)
{
	/* by imm: 32, 64 bits; by CL: the same */
	static x86_fn *const table[][4] = {
#define SHIFT_ROW(op) { op##_imm_4, op##_imm_8, op##_cl_4, op##_cl_8 }
		SHIFT_ROW(shl), SHIFT_ROW(shr), SHIFT_ROW(sar),
		SHIFT_ROW(rol), SHIFT_ROW(ror),
#undef SHIFT_ROW
	};
	unsigned int row = in->op == X86_OP_shl	  ? 0
			   : in->op == X86_OP_shr ? 1
			   : in->op == X86_OP_sar ? 2
			   : in->op == X86_OP_rol ? 3
						  : 4;
	bool imm = in->form == X86_RM_IMM;

	if (x86_is_mem(in) || in->size < 4 ||
	    (imm && (!in->imm || in->imm >= in->size * 8u)))
		return NULL;
	return table[row][(imm ? 0 : 2) + (in->size == 8)];
}

#define CMOV(size)                                                            \
	static void cmov_reg_##size(struct x86_cpu *cpu,                      \
				    const struct x86_insn *in)                \
	{                                                                     \
		uint64_t v = cpu->reg[in->rm], old = cpu->reg[in->reg];       \
                                                                              \
		x86_reg_set(cpu, in->reg,                                     \
			    x86_cond(cpu, in->opcode & 0xf) ? v : old, size); \
	}

CMOV(4)
CMOV(8)

static void movsxd_reg(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->reg[in->reg] = (uint64_t)(int32_t)cpu->reg[in->rm];
}

static void movsxd_mem(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_read(cpu, x86_lin(cpu, in, 4, false), 4);

	cpu->reg[in->reg] = (uint64_t)(int32_t)v;
}

static x86_fn *fast_extend(const struct x86_insn *in)
{
	bool mem = x86_is_mem(in);

	if (in->size < 4)
		return NULL;
	if (in->op == X86_OP_movsxd)
		return in->size < 8 ? NULL : mem ? movsxd_mem : movsxd_reg;
	return mem ? NULL : in->size == 4 ? cmov_reg_4 : cmov_reg_8;
}

/* What is short in 64-bit code only. */
static x86_fn *fast64(const struct x86_insn *in)
{
	bool mem = x86_is_mem(in);

	switch (in->op) {
	case X86_OP_jcc:
		return jcc_table[in->opcode & 0xf];
	case X86_OP_call:
		return call_8;
	case X86_OP_jmp:
		return jmp_8;
	case X86_OP_ret:
		return ret_8;
	case X86_OP_push:
		return in->size == 8 && !mem ? push_reg_8 : NULL;
	case X86_OP_pop:
		return in->size == 8 && !mem ? pop_reg_8 : NULL;
	}
	return NULL;
}

static x86_fn *fast_movzx(const struct x86_insn *in)
{
	if (in->size < 4)
		return NULL;
	if (in->opcode & 1)
		return x86_is_mem(in) ? movzx_mem_2 : movzx_reg_2;
	return x86_is_mem(in) ? movzx_mem_1 : movzx_reg_1;
}

static x86_fn *fast_step(const struct x86_insn *in, x86_fn *four, x86_fn *eight)
{
	if (x86_is_mem(in) || in->size < 4)
		return NULL;
	return in->size == 4 ? four : eight;
}

static x86_fn *find_fast(const struct x86_insn *in)
{
	if (in->op >= X86_OP_add && in->op <= X86_OP_test)
		return alu_table[in->op - X86_OP_add][alu_kind(in)]
				[size_index(in)];
	switch (in->op) {
	case X86_OP_mov:
		return mov_table[alu_kind(in)][size_index(in)];
	case X86_OP_lea:
		return in->size == 8 ? lea_8 : in->size == 4 ? lea_4 : NULL;
	case X86_OP_movzx:
		return fast_movzx(in);
	case X86_OP_movsxd:
	case X86_OP_cmovcc:
		return fast_extend(in);
	case X86_OP_shl:
	case X86_OP_shr:
	case X86_OP_sar:
	case X86_OP_rol:
	case X86_OP_ror:
		return fast_shift(in);
	case X86_OP_inc:
		return fast_step(in, inc_4, inc_8);
	case X86_OP_dec:
		return fast_step(in, dec_4, dec_8);
	case X86_OP_sse:
		return x86_vec_fast(in);
	}
	return in->flags & X86_F_CODE64 ? fast64(in) : NULL;
}

void x86_bind_fast(struct x86_insn *in)
{
	x86_fn *fast = find_fast(in);

	x86_bind(in);
	if (fast)
		in->fn = fast;
}
