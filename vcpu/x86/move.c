// SPDX-License-Identifier: MIT
/*
 * move.c - moves, exchanges, conversions, and what moves nothing.
 */
#include "vcpu/x86/alu.h"
#include "vcpu/x86/semantics.h"

void x86_do_mov(struct x86_cpu *cpu, const struct x86_insn *in)
{
	alu_mov(cpu, in, in->size, alu_kind(in));
}

/* A0 to A3: an absolute offset in the (overridable) data segment. */
static uint64_t moffs_lin(struct x86_cpu *cpu, const struct x86_insn *in,
			  bool write)
{
	if (!(in->flags & X86_F_LEGACY))
		return in->imm + cpu->seg_base[in->seg];
	return x86_seg_lin(cpu, in->seg, in->imm, in->size, write);
}

void x86_do_mov_moffs_load(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t lin = moffs_lin(cpu, in, false);

	x86_reg_set(cpu, CPU_RAX, x86_read(cpu, lin, in->size), in->size);
}

void x86_do_mov_moffs_store(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_write(cpu, moffs_lin(cpu, in, true), in->size, cpu->reg[CPU_RAX]);
}

/* The source of MOVZX and MOVSX is a byte or, with an odd opcode, a word. */
void x86_do_movzx(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_reg_set(cpu, in->reg, x86_rm_get(cpu, in, in->opcode & 1 ? 2 : 1),
		    in->size);
}

void x86_do_movsx(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int size = in->opcode & 1 ? 2 : 1;
	int64_t v = x86_sext(x86_rm_get(cpu, in, size), size);

	x86_reg_set(cpu, in->reg, (uint64_t)v, in->size);
}

/* Without REX.W the operands are of one size: a plain move. */
void x86_do_movsxd(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int size = in->size == 8 ? 4 : in->size;

	x86_reg_set(cpu, in->reg,
		    (uint64_t)x86_sext(x86_rm_get(cpu, in, size), size),
		    in->size);
}

void x86_do_lea(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_reg_set(cpu, in->reg, x86_ea(cpu, in), in->size);
}

/* Locked with memory, prefix or not (SDM 2, "XCHG"). 90+r: with rAX. */
void x86_do_xchg(struct x86_cpu *cpu, const struct x86_insn *in)
{
	struct x86_insn locked = *in;
	uint64_t old, val = x86_reg_get(cpu, in->reg, in->size);
	struct x86_dst d;

	/* NOP: must not clear the upper half of RAX. */
	if ((in->opcode & 0xf8) == 0x90 && in->rm == CPU_RAX)
		return;
	locked.pfx |= X86_PFX_LOCK;
	do
		old = x86_dst_load(cpu, in, in->size, &d);
	while (!x86_dst_store(cpu, &locked, in->size, &d, old, val));
	x86_reg_set(cpu, in->reg, old, in->size);
}

void x86_do_xadd(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t old, val, src = x86_reg_get(cpu, in->reg, in->size);
	struct x86_dst d;

	/* First the source: the destination wins when they are one. */
	do {
		old = x86_dst_load(cpu, in, in->size, &d);
		val = alu_add(cpu, old, src, in->size);
		if (!x86_is_mem(in))
			x86_reg_set(cpu, in->reg, old, in->size);
	} while (!x86_dst_store(cpu, in, in->size, &d, old, val));
	if (x86_is_mem(in))
		x86_reg_set(cpu, in->reg, old, in->size);
}

/*
 * SDM 2, "CMPXCHG": memory is written either way; of a register that does not
 * match, the upper half stays (seen on hosts).
 */
void x86_do_cmpxchg(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t want = x86_reg_get(cpu, CPU_RAX, in->size), old, val;
	uint64_t src = x86_reg_get(cpu, in->reg, in->size);
	struct x86_dst d;

	do {
		old = x86_dst_load(cpu, in, in->size, &d);
		val = old == want ? src : old;
		if (old != want && !x86_is_mem(in))
			break;
	} while (!x86_dst_store(cpu, in, in->size, &d, old, val));
	alu_sub(cpu, want, old, in->size);
	if (old != want)
		x86_reg_set(cpu, CPU_RAX, old, in->size);
}

static void cmpxchg8(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t want = cpu->reg[CPU_RDX] << 32 | (uint32_t)cpu->reg[CPU_RAX];
	uint64_t src = cpu->reg[CPU_RCX] << 32 | (uint32_t)cpu->reg[CPU_RBX];
	struct x86_dst d;
	uint64_t old;

	do
		old = x86_dst_load(cpu, in, 8, &d);
	while (!x86_dst_store(cpu, in, 8, &d, old, old == want ? src : old));
	x86_set_zf(cpu, old == want);
	if (old == want)
		return;
	cpu->reg[CPU_RAX] = (uint32_t)old;
	cpu->reg[CPU_RDX] = old >> 32;
}

/* The host's own CMPXCHG16B: true when *p was {lo, hi}, else *p in them. */
static bool native_cmpxchg16(void *p, uint64_t *lo, uint64_t *hi,
			     uint64_t new_lo, uint64_t new_hi)
{
	bool same;

	__asm__ volatile("lock cmpxchg16b %1"
			 : "=@ccz"(same), "+m"(*(char(*)[16])p), "+a"(*lo),
			   "+d"(*hi)
			 : "b"(new_lo), "c"(new_hi)
			 : "memory");
	return same;
}

static void cmpxchg16(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t lin = x86_lin(cpu, in, 16, true);
	uint64_t lo = cpu->reg[CPU_RAX], hi = cpu->reg[CPU_RDX];
	void *p;
	bool same;

	if (lin & 15)
		x86_raise_error(cpu, X86_GP, 0);
	p = x86_write_ptr(cpu, lin, 8);
	if (!p)
		x86_raise_error(cpu, X86_GP, 0); /* MMIO: no device has it */
	same = native_cmpxchg16(p, &lo, &hi, cpu->reg[CPU_RBX],
				cpu->reg[CPU_RCX]);
	x86_set_zf(cpu, same);
	cpu->reg[CPU_RAX] = lo;
	cpu->reg[CPU_RDX] = hi;
}

void x86_do_cmpxchg8b(struct x86_cpu *cpu, const struct x86_insn *in)
{
	if (in->size == 8)
		cmpxchg16(cpu, in);
	else
		cmpxchg8(cpu, in);
}

static uint64_t swap_bytes(uint64_t v, unsigned int size)
{
	return __builtin_bswap64(v) >> (64 - 8 * size);
}

void x86_do_movbe(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v;

	if (in->form == X86_REG_RM) {
		v = swap_bytes(x86_rm_get(cpu, in, in->size), in->size);
		x86_reg_set(cpu, in->reg, v, in->size);
	} else {
		v = x86_reg_get(cpu, in->reg, in->size);
		x86_rm_set(cpu, in, in->size, swap_bytes(v, in->size));
	}
}

/* The source is read, and 63:32 cleared, even when the condition is false. */
void x86_do_cmovcc(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);

	if (!x86_cond(cpu, in->opcode & 0xf))
		v = cpu->reg[in->reg];
	x86_reg_set(cpu, in->reg, v, in->size);
}

void x86_do_setcc(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_rm_set(cpu, in, 1, x86_cond(cpu, in->opcode & 0xf));
}

/* CBW, CWDE, CDQE */
void x86_do_cbw(struct x86_cpu *cpu, const struct x86_insn *in)
{
	int64_t v = x86_sext(cpu->reg[CPU_RAX], in->size / 2u);

	x86_reg_set(cpu, CPU_RAX, (uint64_t)v, in->size);
}

/* CWD, CDQ, CQO */
void x86_do_cwd(struct x86_cpu *cpu, const struct x86_insn *in)
{
	bool negative = x86_sext(cpu->reg[CPU_RAX], in->size) < 0;

	x86_reg_set(cpu, CPU_RDX, negative ? UINT64_MAX : 0, in->size);
}

void x86_do_xlat(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t ea = cpu->reg[CPU_RBX] + (uint8_t)cpu->reg[CPU_RAX], lin;

	if (in->asize < 8)
		ea = x86_zext(ea, in->asize);
	if (in->flags & X86_F_LEGACY)
		lin = x86_seg_lin(cpu, in->seg, ea, 1, false);
	else
		lin = ea + cpu->seg_base[in->seg];
	x86_reg_set(cpu, 0, x86_read(cpu, lin, 1), 1);
}

void x86_do_movnti(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_rm_set(cpu, in, in->size, x86_reg_get(cpu, in->reg, in->size));
}

void x86_do_nop(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)cpu;
	(void)in;
}

void x86_do_prefetch(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)cpu;
	(void)in;
}

void x86_do_pause(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->rip = x86_next_ip(cpu, in);
	cpu->env->pause(cpu);
}

void x86_do_fence(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)cpu;
	(void)in;
	atomic_thread_fence(memory_order_seq_cst);
}

/* CF 1: a value; all other status flags 0. */
static void random_result(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = 0;
	bool ok = cpu->env->random(cpu, &v);

	x86_reg_set(cpu, in->rm, ok ? v : 0, in->size);
	x86_set_status_flags(cpu, ok ? X86_FL_CF : 0);
}

void x86_do_rdrand(struct x86_cpu *cpu, const struct x86_insn *in)
{
	random_result(cpu, in);
}

void x86_do_rdseed(struct x86_cpu *cpu, const struct x86_insn *in)
{
	random_result(cpu, in);
}
