// SPDX-License-Identifier: MIT
/*
 * decode.c - bytes to struct x86_insn (SDM 2A, chapter 2).
 *
 * How it works. prefixes -> opcode and map -> row (through groups) -> ModRM,
 * SIB, displacement -> immediate. The reader never reads past what it was
 * given: it notes that it wanted to, and the caller learns it at the end.
 */
#include "vcpu/x86/insn.h"

#include <errno.h>
#include <string.h>

#include "vcpu/state.h"
#include "vcpu/x86/decode_int.h"
#include "vcpu/x86/vector.h"

struct reader {
	const uint8_t *code;
	size_t pos, avail;
	bool short_of; /* wanted a byte that was not there */
};

struct decoder {
	struct reader r;
	struct x86_insn *in;
	enum x86_mode mode;
	uint8_t rex; /* as the byte's low four bits: W R X B */
	bool seg_override;
	bool pfx67;
	unsigned int mandatory; /* 0: none, 1: 66, 2: F3, 3: F2 */
};

#define REX_B 1u
#define REX_X 2u
#define REX_R 4u
#define REX_W 8u

static uint8_t peek(struct reader *r)
{
	if (r->pos >= r->avail) {
		r->short_of = true;
		return 0;
	}
	return r->code[r->pos];
}

static uint8_t next8(struct reader *r)
{
	uint8_t b = peek(r);

	r->pos++;
	return b;
}

static uint64_t next_le(struct reader *r, unsigned int bytes)
{
	uint64_t v = 0;
	unsigned int i;

	for (i = 0; i < bytes; i++)
		v |= (uint64_t)next8(r) << (8 * i);
	return v;
}

static uint64_t next_signed(struct reader *r, unsigned int bytes)
{
	unsigned int shift = 64 - 8 * bytes;

	return (uint64_t)((int64_t)(next_le(r, bytes) << shift) >> shift);
}

static void set_segment(struct decoder *d, uint8_t seg)
{
	/* SDM 1 §3.3.4: CS, DS, ES and SS overrides mean nothing there. */
	if (d->mode == X86_MODE_64 && seg != CPU_FS && seg != CPU_GS)
		return;
	d->in->seg = seg;
	d->seg_override = true;
}

/* One legacy prefix; false when @b is none. */
static bool take_prefix(struct decoder *d, uint8_t b)
{
	switch (b) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		set_segment(d, (b >> 3) & 3);
		return true;
	case 0x64:
		set_segment(d, CPU_FS);
		return true;
	case 0x65:
		set_segment(d, CPU_GS);
		return true;
	case 0x66:
		d->in->pfx |= X86_PFX_66;
		return true;
	case 0x67:
		d->pfx67 = true;
		return true;
	case 0xf0:
		d->in->pfx |= X86_PFX_LOCK;
		return true;
	case 0xf2:
	case 0xf3:
		d->in->pfx &= ~(X86_PFX_REP | X86_PFX_REPNE);
		d->in->pfx |= b == 0xf2 ? X86_PFX_REPNE : X86_PFX_REP;
		return true;
	}
	return false;
}

/* All prefixes; returns the first byte that is none, consumed. */
static uint8_t read_prefixes(struct decoder *d)
{
	for (;;) {
		uint8_t b = next8(&d->r);

		if (d->r.pos > X86_INSN_MAX)
			return b;
		if (take_prefix(d, b)) {
			d->rex = 0; /* only the last byte before the opcode */
			d->in->pfx &= ~(X86_PFX_REX | X86_PFX_REXW);
			continue;
		}
		if (d->mode != X86_MODE_64 || (b & 0xf0) != 0x40)
			return b;
		d->rex = b & 0xf;
		d->in->pfx |= X86_PFX_REX;
		d->in->pfx &= ~X86_PFX_REXW;
		if (d->rex & REX_W)
			d->in->pfx |= X86_PFX_REXW;
	}
}

static void find_mandatory(struct decoder *d)
{
	if (d->in->pfx & X86_PFX_REPNE)
		d->mandatory = 3;
	else if (d->in->pfx & X86_PFX_REP)
		d->mandatory = 2;
	else
		d->mandatory = d->in->pfx & X86_PFX_66 ? 1 : 0;
}

static const struct x86_row *no_row(void)
{
	static const struct x86_row none;

	return &none;
}

/* Opcode 63 is ARPL or, in 64-bit mode, MOVSXD. */
static const struct x86_row *row_63(const struct decoder *d)
{
	static const struct x86_row arpl = {
		.op = X86_OP_arpl,
		.f = D_M | D_RMW | D_OK,
	};
	static const struct x86_row movsxd = {
		.op = X86_OP_movsxd,
		.f = D_M | D_R | D_OK,
	};

	return d->mode == X86_MODE_64 ? &movsxd : &arpl;
}

static const struct x86_row *find_row(struct decoder *d, uint8_t b)
{
	struct x86_insn *in = d->in;

	in->opcode = b;
	if (b == 0x63)
		return row_63(d);
	if (b != 0x0f)
		return &x86_decode_map0[b];

	b = next8(&d->r);
	in->map = 1;
	if (b == 0x38 || b == 0x3a) {
		in->map = b == 0x38 ? 2 : 3;
		b = next8(&d->r);
	}
	in->opcode = b;
	return in->map == 1   ? &x86_decode_map1[b]
	       : in->map == 2 ? &x86_decode_map2[b]
			      : &x86_decode_map3[b];
}

/* Follow groups until a row names an instruction. */
static const struct x86_row *resolve(struct decoder *d,
				     const struct x86_row *row)
{
	uint8_t modrm = row->f & D_M ? peek(&d->r) : 0;
	bool mem = modrm < 0xc0;

	for (;;) {
		if (row->f & D_X64 && d->mode == X86_MODE_64)
			return no_row();
		if (row->f & D_O64 && d->mode != X86_MODE_64)
			return no_row();
		if (row->f & D_GRP)
			row = &x86_decode_sub[row->sub + (modrm >> 3 & 7)];
		else if (row->f & D_GRPM)
			row = &x86_decode_sub[row->sub + (modrm >> 3 & 7) +
					      (mem ? 0 : 8)];
		else if (row->f & D_PFX)
			row = &x86_decode_sub[row->sub + d->mandatory];
		else if (row->f & D_RM)
			row = &x86_decode_sub[row->sub + (modrm & 7)];
		else
			return row;
	}
}

/* SDM 2A, table 2-1: 16-bit addressing. */
static void read_mem16(struct decoder *d, uint8_t modrm)
{
	static const uint8_t base[8] = { CPU_RBX, CPU_RBX, CPU_RBP, CPU_RBP,
					 CPU_RSI, CPU_RDI, CPU_RBP, CPU_RBX };
	static const uint8_t index[4] = { CPU_RSI, CPU_RDI, CPU_RSI, CPU_RDI };
	struct x86_insn *in = d->in;
	unsigned int mod = modrm >> 6, rm = modrm & 7;

	in->base = base[rm];
	in->index = rm < 4 ? index[rm] : X86_REG_ZERO;
	if (mod == 0 && rm == 6) {
		in->base = X86_REG_ZERO;
		in->disp = (int64_t)next_signed(&d->r, 2);
		return;
	}
	if (!d->seg_override && in->base == CPU_RBP)
		in->seg = CPU_SS;
	if (mod)
		in->disp = (int64_t)next_signed(&d->r, mod);
}

static void read_sib(struct decoder *d, unsigned int mod)
{
	struct x86_insn *in = d->in;
	uint8_t sib = next8(&d->r);

	in->scale = sib >> 6;
	in->index = (sib >> 3 & 7) | (d->rex & REX_X ? 8 : 0);
	if (in->index == CPU_RSP) {
		in->index = X86_REG_ZERO;
		in->scale = 0;
	}
	in->base = (sib & 7) | (d->rex & REX_B ? 8 : 0);
	if ((sib & 7) == 5 && mod == 0) {
		in->base = X86_REG_ZERO;
		in->disp = (int64_t)next_signed(&d->r, 4);
	}
}

/* SDM 2A, tables 2-2 and 2-3, §2.2.1.6. */
static void read_mem32(struct decoder *d, uint8_t modrm)
{
	struct x86_insn *in = d->in;
	unsigned int mod = modrm >> 6, rm = modrm & 7;

	in->index = X86_REG_ZERO;
	in->base = rm | (d->rex & REX_B ? 8 : 0);
	if (rm == 4) {
		read_sib(d, mod);
	} else if (rm == 5 && mod == 0) {
		in->base = d->mode == X86_MODE_64 ? X86_REG_IP : X86_REG_ZERO;
		in->disp = (int64_t)next_signed(&d->r, 4);
	}
	if (mod == 1)
		in->disp = (int64_t)next_signed(&d->r, 1);
	else if (mod == 2)
		in->disp = (int64_t)next_signed(&d->r, 4);
	if (!d->seg_override && (in->base == CPU_RSP || in->base == CPU_RBP))
		in->seg = CPU_SS;
}

static void read_modrm(struct decoder *d, bool register_only)
{
	struct x86_insn *in = d->in;
	uint8_t modrm = next8(&d->r);

	in->modrm = modrm;
	in->reg = (modrm >> 3 & 7) | (d->rex & REX_R ? 8 : 0);
	if (modrm >= 0xc0 || register_only) {
		in->rm = (modrm & 7) | (d->rex & REX_B ? 8 : 0);
		return;
	}
	in->flags |= X86_F_MEM;
	if (in->asize == 2)
		read_mem16(d, modrm);
	else
		read_mem32(d, modrm);
}

static uint8_t operand_size(const struct decoder *d, uint32_t f)
{
	bool pfx66 = d->in->pfx & X86_PFX_66;

	if (f & D_B)
		return 1;
	if (d->mode == X86_MODE_64) {
		if (f & (D_F64 | D_NAT) || d->rex & REX_W)
			return 8;
		if (f & D_D64)
			return pfx66 ? 2 : 8;
		return pfx66 ? 2 : 4;
	}
	if (f & D_NAT)
		return 4;
	return (d->mode == X86_MODE_16) != pfx66 ? 2 : 4;
}

static uint8_t address_size(const struct decoder *d)
{
	if (d->mode == X86_MODE_64)
		return d->pfx67 ? 4 : 8;
	return (d->mode == X86_MODE_16) != d->pfx67 ? 2 : 4;
}

/* Register numbers of byte operands become byte offsets. */
static uint8_t byte_reg(const struct decoder *d, uint8_t n)
{
	if (!(d->in->pfx & X86_PFX_REX) && n >= 4)
		return (uint8_t)((n - 4) * 8 + 1);
	return (uint8_t)(n * 8);
}

static void read_imm(struct decoder *d, uint32_t f)
{
	struct x86_insn *in = d->in;
	unsigned int z = in->size == 8 ? 4 : in->size;

	switch (f & D_IMM) {
	case D_IB:
		in->imm = next_signed(&d->r, 1);
		break;
	case D_UB:
		in->imm = next8(&d->r);
		break;
	case D_IW:
		in->imm = next_le(&d->r, 2);
		break;
	case D_IZ:
		in->imm = next_signed(&d->r, z);
		break;
	case D_IV:
		in->imm = next_le(&d->r, in->size);
		break;
	case D_AP:
		in->imm = next_le(&d->r, in->size);
		in->sel = (uint16_t)next_le(&d->r, 2);
		break;
	case D_MO:
		in->imm = next_le(&d->r, in->asize);
		break;
	case D_ENTER:
		in->imm = next_le(&d->r, 2);
		in->sel = next8(&d->r);
		break;
	case D_ONE:
		in->imm = 1;
		break;
	}
}

/* Between two registers, one form is enough for these. */
static void swap_registers(struct x86_insn *in)
{
	uint8_t reg = in->reg;

	if (in->form != X86_REG_RM || x86_is_mem(in) || in->map ||
	    (in->op > X86_OP_test && in->op != X86_OP_mov))
		return;
	in->form = X86_RM_REG;
	in->reg = in->rm;
	in->rm = reg;
}

static bool is_port_access(uint16_t op)
{
	return op == X86_OP_in || op == X86_OP_out || op == X86_OP_ins ||
	       op == X86_OP_outs;
}

static void set_operands(struct decoder *d, uint32_t f)
{
	struct x86_insn *in = d->in;

	/* Ports have no 64-bit form: REX.W means 32. */
	if (is_port_access(in->op) && in->size == 8)
		in->size = 4;

	in->form = f & D_R ? X86_REG_RM : f & D_I ? X86_RM_IMM : X86_RM_REG;
	if (f & D_OR)
		in->rm = (in->opcode & 7) | (d->rex & REX_B ? 8 : 0);
	/* F3 90 with REX.B is XCHG of R8, not PAUSE. */
	if (in->op == X86_OP_pause && in->rm) {
		in->op = X86_OP_xchg;
		f &= ~D_END;
	}
	if (f & D_ACC)
		in->rm = 0;
	if (f & D_B) {
		in->reg = byte_reg(d, in->reg);
		in->rm = byte_reg(d, in->rm);
	} else if (f & D_RMB && !x86_is_mem(in)) {
		in->rm = byte_reg(d, in->rm);
	}
	if (f & D_CL)
		in->reg = CPU_RCX * 8;
	swap_registers(in);
	if (x86_is_mem(in) ? in->seg == CPU_SS : f & D_STK)
		in->flags |= X86_F_STACK;
	if (f & D_END)
		in->flags |= X86_F_END;
	if (f & D_STR && in->pfx & (X86_PFX_REP | X86_PFX_REPNE))
		in->flags |= X86_F_END;
}

/* Which x87 encodings exist: SDM 2D, table A-7 on, bit n: ModRM.reg n. */
static bool x87_exists(const struct x86_insn *in)
{
	static const uint8_t mem[8] = { 0xff, 0xfd, 0xff, 0xaf,
					0xff, 0xdf, 0xff, 0xff };
	unsigned int esc = in->opcode & 7, n = in->modrm & 0x3f;

	if (x86_is_mem(in))
		return mem[esc] & 1u << (in->modrm >> 3 & 7);
	switch (esc) {
	case 1:
		return n <= 0x10 || (n >= 0x18 && n <= 0x21) ||
		       (n >= 0x24 && n <= 0x25) || (n >= 0x28 && n != 0x2f);
	case 2:
		return n < 0x20 || n == 0x29;
	case 3:
		return n < 0x24 || (n >= 0x28 && n < 0x38);
	case 5:
		return n < 0x30;
	case 6:
		return n < 0x18 || n == 0x19 || n >= 0x20;
	case 7:
		return n <= 0x20 || (n >= 0x28 && n < 0x38);
	}
	return true;
}

static bool vec_exists(struct decoder *d, uint32_t *f)
{
	struct x86_insn *in = d->in;
	uint8_t modrm = peek(&d->r);
	const struct x86_vec *v =
		x86_vec_find(in->map, in->opcode, d->mandatory, modrm >> 3 & 7);

	if (!v)
		return false;
	if (v->flags & X86_VEC_MEMONLY)
		*f |= D_MEM;
	if (v->flags & X86_VEC_REGONLY)
		*f |= D_REG;
	if (v->flags & X86_VEC_IMM)
		*f |= D_UB;
	return true;
}

/* What the row cannot say about ModRM.reg. */
static bool reg_field_exists(const struct x86_insn *in)
{
	switch (in->op) {
	case X86_OP_mov_to_sreg:
		return (in->modrm >> 3 & 7) < 6 && (in->modrm >> 3 & 7) != 1;
	case X86_OP_mov_from_sreg:
		return (in->modrm >> 3 & 7) < 6;
	case X86_OP_mov_from_cr:
	case X86_OP_mov_to_cr:
		return in->reg == 0 || (in->reg >= 2 && in->reg <= 4) ||
		       in->reg == 8;
	case X86_OP_mov_from_dr:
	case X86_OP_mov_to_dr:
		return in->reg < 8;
	case X86_OP_x87:
		return x87_exists(in);
	}
	return true;
}

static bool lock_allowed(const struct x86_insn *in, uint32_t f)
{
	return !(in->pfx & X86_PFX_LOCK) || (f & D_LOCK && x86_is_mem(in));
}

static int finish(struct decoder *d, bool exists)
{
	struct x86_insn *in = d->in;

	if (d->r.pos > X86_INSN_MAX)
		return -E2BIG;
	if (d->r.short_of)
		return -ENODATA;
	in->len = (uint8_t)d->r.pos;
	if (d->mode == X86_MODE_64 && in->seg != CPU_FS && in->seg != CPU_GS)
		in->seg = X86_SEG_FLAT;
	if (exists)
		return 0;
	in->op = X86_OP_ud;
	in->flags |= X86_F_END;
	return -EILSEQ;
}

static int decode_legacy(struct decoder *d, uint8_t b)
{
	struct x86_insn *in = d->in;
	const struct x86_row *row;
	uint32_t f;

	find_mandatory(d);
	row = resolve(d, find_row(d, b));
	f = row->f;
	if (!f || (f & D_VEC && !vec_exists(d, &f)) ||
	    (f & D_NP && d->mandatory))
		return finish(d, false);

	in->op = row->op;
	in->size = operand_size(d, f);
	if (f & D_M)
		read_modrm(d, f & D_NAT);
	set_operands(d, f);
	read_imm(d, f);
	if ((f & D_MEM && !x86_is_mem(in)) || (f & D_REG && x86_is_mem(in)))
		return finish(d, false);
	return finish(d, lock_allowed(in, f) && reg_field_exists(in));
}

/* The BMI instructions, by map, opcode and prefix (SDM 2, chapters 3, 4). */
static uint16_t bmi_op(const struct decoder *d)
{
	static const uint16_t group17[8] = {
		[1] = X86_OP_blsr, [2] = X86_OP_blsmsk, [3] = X86_OP_blsi
	};
	static const uint16_t f5[4] = { X86_OP_bzhi, 0, X86_OP_pext,
					X86_OP_pdep };
	static const uint16_t f6[4] = { 0, 0, 0, X86_OP_mulx };
	static const uint16_t f7[4] = { X86_OP_bextr, X86_OP_shlx, X86_OP_sarx,
					X86_OP_shrx };
	const struct x86_insn *in = d->in;

	if (in->pfx & X86_PFX_VEXL)
		return 0;
	if (in->map == 3 && in->opcode == 0xf0 && d->mandatory == 3)
		return in->vvvv ? 0 : X86_OP_rorx;
	if (in->map != 2)
		return 0;
	switch (in->opcode) {
	case 0xf2:
		return d->mandatory ? 0 : X86_OP_andn;
	case 0xf3:
		return d->mandatory ? 0 : group17[in->modrm >> 3 & 7];
	case 0xf5:
		return f5[d->mandatory];
	case 0xf6:
		return f6[d->mandatory];
	case 0xf7:
		return f7[d->mandatory];
	}
	return 0;
}

/* Immediates of VEX and EVEX maps: by opcode alone. */
static bool vex_has_imm(unsigned int map, uint8_t op)
{
	if (map == 3)
		return true;
	return map == 1 && ((op >= 0x70 && op <= 0x73) || op == 0xc2 ||
			    (op >= 0xc4 && op <= 0xc6));
}

/* Opcode, ModRM and immediate behind a VEX or EVEX prefix. */
static int decode_vex_rest(struct decoder *d, unsigned int map)
{
	struct x86_insn *in = d->in;
	bool legacy_pfx = in->pfx & (X86_PFX_LOCK | X86_PFX_66 | X86_PFX_REP |
				     X86_PFX_REPNE | X86_PFX_REX);

	in->map = (uint8_t)map;
	in->opcode = next8(&d->r);
	in->pfx |= X86_PFX_VEX;
	in->size = d->rex & REX_W && d->mode == X86_MODE_64 ? 8 : 4;
	if (!(map == 1 && in->opcode == 0x77))
		read_modrm(d, false);
	in->op = bmi_op(d); /* where vvvv must be 0, all four bits must */
	if (!in->op)
		in->op = X86_OP_avx;
	/* There are eight registers: the fourth bit names none. */
	if (d->mode != X86_MODE_64)
		in->vvvv &= 7;
	set_operands(d, D_R);
	if (vex_has_imm(map, in->opcode))
		read_imm(d, D_UB);
	return finish(d, !legacy_pfx && map >= 1 && map <= 3);
}

/* SDM 2A §2.3.5: R, X, B and vvvv are inverted. */
static int decode_vex(struct decoder *d, uint8_t first)
{
	uint8_t b1 = next8(&d->r), b2 = 0;
	unsigned int map = 1;

	d->rex = b1 & 0x80 ? 0 : REX_R;
	if (first == 0xc4) {
		b2 = next8(&d->r);
		d->rex |= (b1 & 0x40 ? 0 : REX_X) | (b1 & 0x20 ? 0 : REX_B) |
			  (b2 & 0x80 ? REX_W : 0);
		map = b1 & 0x1f;
		b1 = b2;
	}
	if (d->mode != X86_MODE_64)
		d->rex &= REX_W;
	d->in->vvvv = (uint8_t)(~(b1 >> 3) & 15);
	if (b1 & 4)
		d->in->pfx |= X86_PFX_VEXL;
	/* pp orders 66, F3, F2 as we do. */
	d->mandatory = b1 & 3;
	return decode_vex_rest(d, map);
}

/* SDM 2A §2.7: only the length matters, nothing in it is offered. */
static int decode_evex(struct decoder *d)
{
	uint8_t p0 = next8(&d->r), p1 = next8(&d->r);

	next8(&d->r);
	d->rex = (p0 & 0x80 ? 0 : REX_R) | (p0 & 0x40 ? 0 : REX_X) |
		 (p0 & 0x20 ? 0 : REX_B);
	d->in->pfx |= X86_PFX_VEXL;
	d->mandatory = p1 & 3;
	return decode_vex_rest(d, p0 & 7);
}

/* C4, C5 and 62 are old instructions outside 64-bit mode, with memory. */
static bool is_vex(struct decoder *d, uint8_t b)
{
	if (b != 0xc4 && b != 0xc5 && b != 0x62)
		return false;
	return d->mode == X86_MODE_64 || peek(&d->r) >= 0xc0;
}

int x86_decode(struct x86_insn *in, const uint8_t *code, size_t avail,
	       enum x86_mode mode)
{
	struct decoder d = {
		.r = { .code = code, .avail = avail },
		.in = in,
		.mode = mode,
	};
	uint8_t b;

	memset(in, 0, sizeof(*in));
	in->seg = CPU_DS;
	in->base = in->index = X86_REG_ZERO;
	b = read_prefixes(&d);
	in->asize = address_size(&d);
	in->flags = mode == X86_MODE_64	  ? X86_F_CODE64
		    : mode == X86_MODE_16 ? X86_F_LEGACY | X86_F_CODE16
					  : X86_F_LEGACY;
	if (d.r.short_of || d.r.pos > X86_INSN_MAX)
		return finish(&d, false);
	if (!is_vex(&d, b))
		return decode_legacy(&d, b);
	return b == 0x62 ? decode_evex(&d) : decode_vex(&d, b);
}

void x86_insn_set_off(struct x86_insn *in, uint16_t off)
{
	in->off = off;
	if (in->base == X86_REG_IP)
		in->disp += off + in->len;
}

const char *x86_op_name(unsigned int op)
{
	static const char *const name[X86_NR_OPS] = {
#define X86_OP(n) #n,
		X86_OPS(X86_OP)
#undef X86_OP
	};

	return op < X86_NR_OPS ? name[op] : "?";
}
