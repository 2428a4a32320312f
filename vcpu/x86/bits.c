// SPDX-License-Identifier: MIT
/*
 * bits.c - bit tests, scans, counts, byte swaps, CRC32, BMI1 and BMI2.
 */
#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"

typedef uint64_t bit_fn(uint64_t v, uint64_t bit);

static uint64_t bit_keep(uint64_t v, uint64_t bit)
{
	(void)bit;
	return v;
}

static uint64_t bit_set(uint64_t v, uint64_t bit)
{
	return v | bit;
}

static uint64_t bit_clear(uint64_t v, uint64_t bit)
{
	return v & ~bit;
}

static uint64_t bit_flip(uint64_t v, uint64_t bit)
{
	return v ^ bit;
}

/*
 * SDM 2, "BT": with a register as the offset, memory is a bit string that
 * goes on in both directions.
 */
static uint64_t bit_lin(struct x86_cpu *cpu, const struct x86_insn *in,
			int64_t off, bool write)
{
	unsigned int log = in->size == 2 ? 4 : in->size == 4 ? 5 : 6;
	struct x86_insn moved = *in;

	if (in->form != X86_RM_IMM)
		moved.disp += (off >> log) * in->size;
	return x86_lin(cpu, &moved, in->size, write);
}

static void bit_test(struct x86_cpu *cpu, const struct x86_insn *in, bit_fn *op)
{
	unsigned int size = in->size;
	int64_t off = in->form == X86_RM_IMM
			      ? (int64_t)in->imm
			      : x86_sext(cpu->reg[in->reg], size);
	uint64_t bit = 1ull << (off & (8 * size - 1)), old, lin;
	struct x86_dst d;

	if (!x86_is_mem(in)) {
		old = x86_reg_get(cpu, in->rm, size);
		if (op != bit_keep)
			x86_reg_set(cpu, in->rm, op(old, bit), size);
	} else if (op == bit_keep) {
		old = x86_read(cpu, bit_lin(cpu, in, off, false), size);
	} else {
		lin = bit_lin(cpu, in, off, true);
		do
			old = x86_mem_dst_load(cpu, lin, size, &d);
		while (!x86_mem_dst_store(cpu, in, size, &d, old,
					  op(old, bit)));
	}
	x86_set_cf(cpu, old & bit);
}

void x86_do_bt(struct x86_cpu *cpu, const struct x86_insn *in)
{
	bit_test(cpu, in, bit_keep);
}

void x86_do_bts(struct x86_cpu *cpu, const struct x86_insn *in)
{
	bit_test(cpu, in, bit_set);
}

void x86_do_btr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	bit_test(cpu, in, bit_clear);
}

void x86_do_btc(struct x86_cpu *cpu, const struct x86_insn *in)
{
	bit_test(cpu, in, bit_flip);
}

/* Of 0 the destination stays, as AMD documents and Intel does. */
void x86_do_bsf(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);

	if (v)
		x86_reg_set(cpu, in->reg, (uint64_t)__builtin_ctzll(v),
			    in->size);
	x86_set_zf(cpu, !v);
}

void x86_do_bsr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);

	if (v)
		x86_reg_set(cpu, in->reg, 63 - (uint64_t)__builtin_clzll(v),
			    in->size);
	x86_set_zf(cpu, !v);
}

/* CF: the source was 0; ZF: the result is. */
static void set_count(struct x86_cpu *cpu, const struct x86_insn *in,
		      uint64_t src, uint64_t count)
{
	x86_set_zf(cpu, !count);
	x86_set_cf(cpu, !src);
	x86_reg_set(cpu, in->reg, count, in->size);
}

void x86_do_tzcnt(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);

	set_count(cpu, in, v, v ? (uint64_t)__builtin_ctzll(v) : in->size * 8u);
}

void x86_do_lzcnt(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);
	unsigned int bits = in->size * 8u;

	set_count(cpu, in, v,
		  v ? (uint64_t)__builtin_clzll(v) - (64 - bits) : bits);
}

void x86_do_popcnt(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);

	x86_set_status_flags(cpu, v ? 0 : X86_FL_ZF);
	x86_reg_set(cpu, in->reg, (uint64_t)__builtin_popcountll(v), in->size);
}

/* SDM 2A, "BSWAP": a 16-bit operand is undefined; we zero it, as hosts do. */
void x86_do_bswap(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = cpu->reg[in->rm];

	if (in->size == 8)
		cpu->reg[in->rm] = __builtin_bswap64(v);
	else if (in->size == 4)
		cpu->reg[in->rm] = __builtin_bswap32((uint32_t)v);
	else
		x86_reg_set(cpu, in->rm, 0, 2);
}

/* The Castagnoli polynomial, reflected (SDM 2A, "CRC32"). */
void x86_do_crc32(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int size = in->opcode == 0xf0 ? 1 : in->size, i;
	uint64_t v = x86_rm_get(cpu, in, size);
	uint32_t crc = (uint32_t)cpu->reg[in->reg];

	for (i = 0; i < 8 * size; i++, v >>= 1)
		crc = crc >> 1 ^ ((crc ^ v) & 1 ? 0x82f63b78u : 0);
	cpu->reg[in->reg] = crc;
}

/* CF as given, OF 0, SF and ZF by @res; AF and PF are undefined. */
static void bmi_result(struct x86_cpu *cpu, unsigned int reg, uint64_t res,
		       unsigned int size, bool cf)
{
	x86_flags_shift(cpu, cf, false, res, size);
	x86_reg_set(cpu, reg, res, size);
}

void x86_do_andn(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);

	bmi_result(cpu, in->reg, ~cpu->reg[in->vvvv] & v, in->size, false);
}

void x86_do_bextr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);
	unsigned int start = cpu->reg[in->vvvv] & 0xff;
	unsigned int len = cpu->reg[in->vvvv] >> 8 & 0xff;

	v = start < 64 ? v >> start : 0;
	if (len < 64)
		v &= (1ull << len) - 1;
	bmi_result(cpu, in->reg, v, in->size, false);
}

void x86_do_blsr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);

	bmi_result(cpu, in->vvvv, v & (v - 1), in->size, !v);
}

void x86_do_blsmsk(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);

	bmi_result(cpu, in->vvvv, v ^ (v - 1), in->size, !v);
}

void x86_do_blsi(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);

	bmi_result(cpu, in->vvvv, v & -v, in->size, v);
}

void x86_do_bzhi(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);
	unsigned int n = cpu->reg[in->vvvv] & 0xff, bits = in->size * 8u;

	if (n < bits)
		v &= (1ull << n) - 1;
	bmi_result(cpu, in->reg, v, in->size, n >= bits);
}

void x86_do_pdep(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t mask = x86_rm_get(cpu, in, in->size), r = 0;
	uint64_t src = cpu->reg[in->vvvv];

	for (; mask; mask &= mask - 1, src >>= 1)
		if (src & 1)
			r |= mask & -mask;
	x86_reg_set(cpu, in->reg, r, in->size);
}

void x86_do_pext(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t mask = x86_rm_get(cpu, in, in->size), r = 0, bit = 1;
	uint64_t src = cpu->reg[in->vvvv];

	for (; mask; mask &= mask - 1, bit <<= 1)
		if (src & mask & -mask)
			r |= bit;
	x86_reg_set(cpu, in->reg, r, in->size);
}

/* When both destinations are one register, it gets the upper half. */
void x86_do_mulx(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);
	unsigned __int128 p =
		(unsigned __int128)x86_zext(cpu->reg[CPU_RDX], in->size) * v;

	x86_reg_set(cpu, in->vvvv, (uint64_t)p, in->size);
	x86_reg_set(cpu, in->reg, (uint64_t)(p >> (8 * in->size)), in->size);
}

void x86_do_rorx(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);
	unsigned int bits = in->size * 8u, n = in->imm & (bits - 1);

	if (n)
		v = v >> n | v << (bits - n);
	x86_reg_set(cpu, in->reg, v, in->size);
}

static unsigned int vvvv_count(const struct x86_cpu *cpu,
			       const struct x86_insn *in)
{
	return cpu->reg[in->vvvv] & (in->size * 8u - 1);
}

void x86_do_sarx(struct x86_cpu *cpu, const struct x86_insn *in)
{
	int64_t v = x86_sext(x86_rm_get(cpu, in, in->size), in->size);

	x86_reg_set(cpu, in->reg, (uint64_t)(v >> vvvv_count(cpu, in)),
		    in->size);
}

void x86_do_shlx(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);

	x86_reg_set(cpu, in->reg, v << vvvv_count(cpu, in), in->size);
}

void x86_do_shrx(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = x86_rm_get(cpu, in, in->size);

	x86_reg_set(cpu, in->reg, v >> vvvv_count(cpu, in), in->size);
}
