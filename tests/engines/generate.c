// SPDX-License-Identifier: MIT
/*
 * generate.c - random cases from the decoder's own tables.
 *
 * How it works. Every combination of map, opcode and mandatory prefix is
 * given to the decoder with all 256 ModRM bytes; what it takes is a row of
 * what can be generated, so that an instruction added to the tables is under
 * test at once. A case is made instruction by instruction while the software
 * CPU runs it: displacements, string registers and jump targets are chosen
 * from the registers of that moment, so that most operands fall into the
 * window. Code goes where RIP is, so jumps leave gaps.
 *
 * Not generated: left_out[], and what allowed() refuses.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engines/diff.h"
#include "tests/engines/random.h"
#include "vcpu/x86/cpu.h"
#include "vcpu/x86/fpu.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/mmu.h"

#define MAX_ROWS   4096
#define NR_MEMORY  32
#define MXCSR_MASK 0xffffu

/* One opcode that the decoder knows, and its ModRM bytes. */
struct row {
	uint16_t op;
	uint8_t map, opcode;
	uint8_t prefix; /* 0, 66, F3, F2 */
	uint8_t vex;	/* 0, or C4 with ... */
	uint8_t vex_l, vex_w;
	bool has_modrm;
	uint8_t modrm[256];
	uint16_t nr_modrm, nr_mem; /* the first nr_mem are memory */
};

enum group {
	GROUP_INTEGER,
	GROUP_STRING,
	GROUP_FLOW,
	GROUP_SYSTEM,
	GROUP_X87,
	GROUP_SSE,
	NR_GROUPS,
};

/* What the decoder knows in one mode. */
struct book {
	enum x86_mode mode;
	struct row row[MAX_ROWS];
	unsigned int nr_rows;
	uint16_t group[NR_GROUPS][MAX_ROWS];
	unsigned int nr_group[NR_GROUPS];
};

struct generator {
	struct book book[2]; /* 64 bits, 32 bits */
	uint8_t memory[NR_MEMORY][DIFF_DATA_SIZE];
	uint8_t ro[DIFF_PAGE];
};

/* Parts in a hundred of instructions. */
static const unsigned int group_share[NR_GROUPS] = { 48, 6, 7, 2, 14, 23 };

/* What is not compared with the host's CPU at all. */
static const struct {
	uint16_t op;
	const char *why;
} left_out[] = {
	{ X86_OP_syscall, "would call the host's kernel" },
	{ X86_OP_sysenter, "would call the host's kernel" },
	{ X86_OP_vmcall, "would call the host's hypervisor" },
	{ X86_OP_cpuid, "a policy, not the host's" },
	{ X86_OP_xgetbv, "the host's XCR0" },
	{ X86_OP_rdtsc, "changes from moment to moment" },
	{ X86_OP_rdtscp, "changes from moment to moment" },
	{ X86_OP_rdrand, "random" },
	{ X86_OP_rdseed, "random" },
	{ X86_OP_sgdt, "the host's tables; UMIP" },
	{ X86_OP_sidt, "the host's tables; UMIP" },
	{ X86_OP_sldt, "the host's tables; UMIP" },
	{ X86_OP_str, "the host's tables; UMIP" },
	{ X86_OP_smsw, "the host's CR0; UMIP" },
	{ X86_OP_lar, "the host's GDT" },
	{ X86_OP_lsl, "the host's GDT" },
	{ X86_OP_verr, "the host's GDT" },
	{ X86_OP_verw, "the host's GDT" },
	{ X86_OP_mov_to_sreg, "the host's GDT" },
	{ X86_OP_pop_sreg, "the host's GDT" },
	{ X86_OP_lds, "the host's GDT" },
	{ X86_OP_jmp_far_ind, "the host's GDT" },
	{ X86_OP_call_far_ind, "the host's GDT" },
	{ X86_OP_ret_far, "the host's GDT" },
	{ X86_OP_iret, "the host's GDT" },
	{ X86_OP_jmp_far, "the host's GDT" },
	{ X86_OP_call_far, "the host's GDT" },
	{ X86_OP_avx, "not in CPUID, though the host may have it" },
	{ X86_OP_monitor, "not in CPUID" },
	{ X86_OP_int1, "a fault or a trap, as the host's hypervisor likes" },
};

static bool is_left_out(unsigned int op)
{
	unsigned int i;

	for (i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		if (left_out[i].op == op)
			return true;
	return false;
}

static enum group group_of(const struct row *row)
{
	if (row->op == X86_OP_x87 || row->op == X86_OP_fwait ||
	    row->op == X86_OP_emms)
		return GROUP_X87;
	if (row->op == X86_OP_sse || row->op == X86_OP_maskmov ||
	    (row->op >= X86_OP_fxsave && row->op <= X86_OP_xrstor))
		return GROUP_SSE;
	if (row->op >= X86_OP_movs && row->op <= X86_OP_outs)
		return GROUP_STRING;
	if (row->op >= X86_OP_jmp && row->op <= X86_OP_jrcxz)
		return GROUP_FLOW;
	if (row->op >= X86_OP_in || row->op == X86_OP_ud)
		return GROUP_SYSTEM;
	return GROUP_INTEGER;
}

/* The bytes of @row with @modrm, then zeroes. Returns where ModRM is. */
static unsigned int row_bytes(const struct row *row, uint8_t modrm, uint8_t *b)
{
	static const uint8_t pp[256] = { [0x66] = 1, [0xf3] = 2, [0xf2] = 3 };
	unsigned int n = 0;

	memset(b, 0, X86_INSN_MAX);
	if (row->vex) {
		b[n++] = 0xc4;
		b[n++] = 0xe0 | row->map;
		b[n++] = (uint8_t)(row->vex_w << 7 | 0x78 | row->vex_l << 2 |
				   pp[row->prefix]);
	} else {
		if (row->prefix)
			b[n++] = row->prefix;
		if (row->map)
			b[n++] = 0x0f;
		if (row->map > 1)
			b[n++] = row->map == 2 ? 0x38 : 0x3a;
	}
	b[n++] = row->opcode;
	b[n] = modrm;
	return n;
}

static bool decodes(const struct row *row, uint8_t modrm, enum x86_mode mode,
		    struct x86_insn *in)
{
	uint8_t b[X86_INSN_MAX];

	row_bytes(row, modrm, b);
	return !x86_decode(in, b, sizeof(b), mode);
}

/* Has the opcode a ModRM byte? Its value changes the decoder's answer. */
static bool takes_modrm(const struct row *row, enum x86_mode mode)
{
	struct x86_insn in;
	unsigned int m, modrm = 0;

	for (m = 0; m < 256; m++) {
		if (decodes(row, (uint8_t)m, mode, &in))
			modrm |= in.modrm;
	}
	return modrm;
}

static struct row *find_row(struct book *g, const struct row *like)
{
	unsigned int i;

	for (i = g->nr_rows; i-- > 0;) {
		struct row *r = &g->row[i];

		if (r->op == like->op && r->map == like->map &&
		    r->opcode == like->opcode && r->prefix == like->prefix &&
		    r->vex == like->vex && r->vex_l == like->vex_l &&
		    r->vex_w == like->vex_w)
			return r;
	}
	if (g->nr_rows == MAX_ROWS)
		abort();
	g->row[g->nr_rows] = *like;
	return &g->row[g->nr_rows++];
}

/* All instructions that share @like's opcode. */
static void add_opcode(struct book *g, struct row *like)
{
	bool has_modrm = takes_modrm(like, g->mode);
	struct x86_insn in;
	unsigned int m;

	like->has_modrm = has_modrm;
	for (m = 0; m < (has_modrm ? 256u : 1u); m++) {
		struct row *r;

		if (!decodes(like, (uint8_t)m, g->mode, &in) ||
		    is_left_out(in.op))
			continue;
		like->op = in.op;
		r = find_row(g, like);
		r->modrm[r->nr_modrm++] = (uint8_t)m;
		if (m < 0xc0)
			r->nr_mem = r->nr_modrm;
	}
}

static bool is_prefix(unsigned int b, enum x86_mode mode)
{
	bool rex = b >= 0x40 && b <= 0x4f, vex = b == 0xc4 || b == 0xc5;

	if (mode != X86_MODE_64 && (rex || vex || b == 0x62))
		return false;
	return (b & 0xe7) == 0x26 || rex || (b >= 0x64 && b <= 0x67) ||
	       b == 0xf0 || b == 0xf2 || b == 0xf3 || b == 0x0f || vex ||
	       b == 0x62;
}

static void add_rows(struct book *g)
{
	static const uint8_t prefix[] = { 0, 0x66, 0xf3, 0xf2 };
	unsigned int map, op, p, lw;

	for (map = 0; map < 4; map++) {
		for (op = 0; op < 256; op++) {
			if (map == 0 && is_prefix(op, g->mode))
				continue;
			if (map == 1 && (op == 0x38 || op == 0x3a))
				continue;
			for (p = 0; p < 4; p++) {
				struct row r = { .map = (uint8_t)map,
						 .opcode = (uint8_t)op,
						 .prefix = prefix[p] };

				add_opcode(g, &r);
				r = (struct row){ .map = (uint8_t)map,
						  .opcode = (uint8_t)op,
						  .prefix = prefix[p],
						  .vex = 1 };
				for (lw = 0; lw < 4 && map; lw++) {
					r.vex_l = lw & 1;
					r.vex_w = lw >> 1;
					add_opcode(g, &r);
				}
			}
		}
	}
}

/* x87 rows hold many instructions each, and so come up more often. */
static void add_to_group(struct book *g, unsigned int row)
{
	enum group n = group_of(&g->row[row]);

	g->group[n][g->nr_group[n]++] = (uint16_t)row;
}

static void add_book(struct book *b)
{
	unsigned int i;

	add_rows(b);
	for (i = 0; i < b->nr_rows; i++)
		add_to_group(b, i);
}

int generator_create(struct generator **out)
{
	struct generator *g = calloc(1, sizeof(*g));
	struct rng r = { 4711 };
	unsigned int i;

	*out = g;
	if (!g)
		return -ENOMEM;
	g->book[0].mode = X86_MODE_64;
	g->book[1].mode = X86_MODE_32;
	for (i = 0; i < 2; i++)
		add_book(&g->book[i]);
	for (i = 0; i < NR_MEMORY; i++)
		rng_memory(&r, g->memory[i], DIFF_DATA_SIZE);
	rng_memory(&r, g->ro, DIFF_PAGE);
	return 0;
}

void generator_destroy(struct generator *g)
{
	free(g);
}

void generator_describe(const struct generator *g)
{
	static const char *const name[NR_GROUPS] = { "integer", "string",
						     "flow",	"system",
						     "x87",	"sse" };
	unsigned int i;

	for (i = 0; i < NR_GROUPS; i++)
		printf("# %-8s %4u opcodes, %4u in 32-bit code\n", name[i],
		       g->book[0].nr_group[i], g->book[1].nr_group[i]);
	for (i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		printf("# left out: %s: %s\n", x86_op_name(left_out[i].op),
		       left_out[i].why);
}

/* One instruction in the making. */
struct draft {
	struct generator *g;
	struct soft *s;
	struct diff_case *c;
	struct rng rng;
	uint8_t b[X86_INSN_MAX + 1];
	unsigned int n;
	struct x86_insn in;
	uint32_t undef; /* flags that are undefined now */
};

static const struct x86_cpu *cpu_of(const struct draft *d)
{
	return soft_cpu(d->s);
}

static void append(struct draft *d, uint64_t v, unsigned int bytes)
{
	for (; bytes && d->n <= X86_INSN_MAX; bytes--, v >>= 8)
		d->b[d->n++] = (uint8_t)v;
}

static void add_prefixes(struct draft *d, const struct row *row)
{
	static const uint8_t segment[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
	struct rng *r = &d->rng;
	bool string = row->op >= X86_OP_movs && row->op <= X86_OP_outs;

	if (rng_chance(r, 8))
		append(d, 0x67, 1);
	if (rng_chance(r, 6))
		append(d, segment[rng_below(r, 6)], 1);
	if (!row->vex && rng_chance(r, string ? 20 : 3))
		append(d, 0x66, 1);
	if (string && rng_chance(r, 40))
		append(d, rng_chance(r, 50) ? 0xf3 : 0xf2, 1);
	if (!row->vex && rng_chance(r, 8))
		append(d, 0xf0, 1);
	if (row->prefix && !row->vex)
		append(d, row->prefix, 1);
	if (!row->vex && d->c->mode == X86_MODE_64 && rng_chance(r, 60))
		append(d, 0x40 | rng_below(r, 16), 1);
}

static void add_opcode_bytes(struct draft *d, const struct row *row)
{
	static const uint8_t pp[256] = { [0x66] = 1, [0xf3] = 2, [0xf2] = 3 };
	unsigned int rxb = d->c->mode == X86_MODE_64 ? 0 : 0xe0;
	struct rng *r = &d->rng;

	if (row->vex) {
		append(d, 0xc4, 1);
		append(d, (rng_below(r, 8) << 5) | row->map | rxb, 1);
		append(d,
		       (uint64_t)row->vex_w << 7 | rng_below(r, 16) << 3 |
			       row->vex_l << 2 | pp[row->prefix],
		       1);
	} else if (row->map) {
		append(d, 0x0f, 1);
		if (row->map > 1)
			append(d, row->map == 2 ? 0x38 : 0x3a, 1);
	}
	append(d, row->opcode, 1);
}

static uint8_t pick_modrm(struct draft *d, const struct row *row)
{
	unsigned int regs = row->nr_modrm - row->nr_mem;
	bool mem = row->nr_mem && (!regs || rng_chance(&d->rng, 55));

	if (mem)
		return row->modrm[rng_below(&d->rng, row->nr_mem)];
	return row->modrm[row->nr_mem + rng_below(&d->rng, regs)];
}

/* SIB and displacement for @modrm, all random. */
static void add_memory(struct draft *d, uint8_t modrm)
{
	unsigned int mod = modrm >> 6, rm = modrm & 7;
	uint8_t sib = (uint8_t)rng_next(&d->rng);
	unsigned int disp = mod == 1 ? 1 : mod == 2 ? 4 : 0;

	if (mod == 3)
		return;
	if (rm == 4) {
		if (rng_chance(&d->rng, 50))
			sib |= 0x20; /* often no index */
		append(d, sib, 1);
		if (mod == 0 && (sib & 7) == 5)
			disp = 4;
	} else if (rm == 5 && mod == 0) {
		disp = 4;
	}
	append(d, rng_integer(&d->rng), disp);
}

/* Where the bytes of the displacement are; 0: none. */
static unsigned int disp_size(const struct x86_insn *in)
{
	unsigned int mod = in->modrm >> 6;

	if (mod == 1 || mod == 2)
		return mod == 1 ? 1 : 4;
	return in->base == X86_REG_IP || in->base == X86_REG_ZERO ? 4 : 0;
}

static unsigned int opcode_pos(const struct draft *d, const struct row *row)
{
	unsigned int n = 0;

	while (n < d->n && (d->b[n] == 0x66 || d->b[n] == 0x67 ||
			    d->b[n] == 0xf0 || d->b[n] == 0xf2 ||
			    d->b[n] == 0xf3 || (d->b[n] & 0xe7) == 0x26 ||
			    d->b[n] == 0x64 || d->b[n] == 0x65 ||
			    (!row->vex && d->c->mode == X86_MODE_64 &&
			     (d->b[n] & 0xf0) == 0x40)))
		n++;
	if (row->vex)
		return n + 3;
	return n + (row->map > 1 ? 2 : row->map);
}

/* Point the displacement to the window if a register is near enough. */
static void aim(struct draft *d, const struct row *row)
{
	const struct x86_insn *in = &d->in;
	const struct x86_cpu *cpu = cpu_of(d);
	unsigned int pos = opcode_pos(d, row) + 2, size = disp_size(in);
	uint64_t want, base, disp;
	int32_t d32;

	if (!x86_is_mem(in) || size != 4 || in->asize == 2 ||
	    rng_chance(&d->rng, 4))
		return;
	if ((in->modrm & 7) == 4)
		pos++;
	want = rng_address(&d->rng);
	base = in->base == X86_REG_IP ? cpu->rip + in->len : cpu->reg[in->base];
	base += cpu->reg[in->index] << in->scale;
	if (in->seg < X86_SEG_FLAT)
		base += cpu->seg_base[in->seg];
	disp = want - base;
	d32 = (int32_t)disp;
	if (in->asize == 8 && (uint64_t)d32 != disp)
		return;
	memcpy(d->b + pos, &d32, 4);
}

static uint64_t effective(const struct draft *d)
{
	const struct x86_insn *in = &d->in;
	const struct x86_cpu *cpu = cpu_of(d);
	uint64_t ea = in->base == X86_REG_IP ? cpu->rip + in->len
					     : cpu->reg[in->base];

	ea += (cpu->reg[in->index] << in->scale) + (uint64_t)in->disp;
	ea = x86_zext(ea, in->asize);
	return ea + (in->seg < X86_SEG_FLAT ? cpu->seg_base[in->seg] : 0);
}

static bool in_window(uint64_t addr)
{
	return addr - (DIFF_CODE - 64) < DIFF_END + 64 - DIFF_CODE;
}

static bool is_free(const struct diff_case *c, uint64_t addr)
{
	uint64_t off = addr - DIFF_CODE;
	unsigned int i;

	if (off > DIFF_PAGE - 2 * X86_INSN_MAX)
		return false;
	for (i = 0; i < X86_INSN_MAX; i++)
		if (c->code[off + i] != 0xcc)
			return false;
	return true;
}

/* A jump must end where nothing is, or outside the page. */
static bool target_is_safe(const struct draft *d, uint64_t target)
{
	const struct x86_cpu *cpu = cpu_of(d);

	if (target - DIFF_CODE >= DIFF_PAGE)
		return true;
	if (target >= cpu->rip && target < cpu->rip + d->in.len)
		return false;
	return is_free(d->c, target);
}

/* Give a relative jump a target: a little ahead, seldom anywhere. */
static void aim_jump(struct draft *d)
{
	struct x86_insn *in = &d->in;
	unsigned int size;
	uint64_t rel = rng_below(&d->rng, 24);

	size = in->opcode >= 0x80 && in->opcode < 0x90 && in->map == 1	    ? 4
	       : in->map == 0 && (in->opcode == 0xe8 || in->opcode == 0xe9) ? 4
									    : 1;
	if (size == 4 && rng_chance(&d->rng, 10))
		rel = rng_next(&d->rng);
	memcpy(d->b + in->len - size, &rel, size);
}

static bool jump_allowed(const struct draft *d)
{
	const struct x86_insn *in = &d->in;
	const struct x86_cpu *cpu = cpu_of(d);
	uint64_t next = cpu->rip + in->len, target;

	/* AMD cuts RIP to 16 bits, Intel ignores the prefix. */
	if (in->pfx & X86_PFX_66)
		return false;
	/* Reserved; on AMD a REP prefix changes LOOPcc's condition. */
	if (in->pfx & (X86_PFX_REP | X86_PFX_REPNE) &&
	    (in->op == X86_OP_loope || in->op == X86_OP_loopne))
		return false;
	switch (in->op) {
	case X86_OP_jmp:
	case X86_OP_jcc:
	case X86_OP_call:
	case X86_OP_loop:
	case X86_OP_loope:
	case X86_OP_loopne:
	case X86_OP_jrcxz:
		target = next + in->imm;
		break;
	case X86_OP_ret:
		target = soft_peek(d->s, cpu->reg[CPU_RSP], in->size);
		break;
	default:
		target = x86_is_mem(in)
				 ? soft_peek(d->s, effective(d), in->size)
				 : cpu->reg[in->rm];
	}
	return target_is_safe(d, target);
}

/* The bits of EDX:EAX that name state components. */
static bool xsave_allowed(const struct draft *d)
{
	const struct x86_cpu *cpu = cpu_of(d);

	if ((d->in.modrm >> 3 & 7) == 6)
		return false; /* XSAVEOPT: what it leaves out is the CPU's */
	return !((uint32_t)cpu->reg[CPU_RAX] & ~3u) &&
	       !(uint32_t)cpu->reg[CPU_RDX];
}

/* A value whose reserved bits differ with CPU: MXCSR.MM of AMD. */
static bool mxcsr_allowed(const struct draft *d, uint64_t at)
{
	return !(soft_peek(d->s, at, 4) & 0x20000);
}

/* From memory: whether a pending #MF comes first depends on the vendor. */
static bool is_cvtpi2ps(const struct x86_insn *in)
{
	return in->map == 1 && in->opcode == 0x2a && x86_is_mem(in) &&
	       !(in->pfx & (X86_PFX_66 | X86_PFX_REP | X86_PFX_REPNE));
}

/* DPPS and DPPD: flags of steps behind the one that ended it. */
static bool dot_product_allowed(const struct draft *d)
{
	const struct x86_insn *in = &d->in;
	uint32_t mxcsr;

	memcpy(&mxcsr, cpu_of(d)->st.xsave + X86_FX_MXCSR, 4);
	return in->map != 3 || (in->opcode != 0x40 && in->opcode != 0x41) ||
	       (mxcsr & 0x1f80) == 0x1f80;
}

/*
 * Is it the address that has to be canonical, or its offset, too? CPUs of
 * AMD look at both, the SDM (3A §3.3.7.1) says the former.
 */
static bool base_matters(const struct draft *d)
{
	const struct x86_insn *in = &d->in;
	const struct x86_cpu *cpu = cpu_of(d);
	bool moffs = in->op == X86_OP_mov_moffs_load ||
		     in->op == X86_OP_mov_moffs_store;
	uint64_t off = x86_is_mem(in) ? x86_ea(cpu, in)
		       : moffs	      ? in->imm
				      : cpu->reg[CPU_RSI];

	return in->seg <= CPU_GS && cpu->seg_base[in->seg] &&
	       !x86_canonical(off) &&
	       x86_canonical(off + cpu->seg_base[in->seg]);
}

static bool is_mapped(uint64_t addr, unsigned int size)
{
	return addr >= DIFF_DATA && addr + size <= DIFF_END;
}

static bool allowed(struct draft *d)
{
	const struct x86_insn *in = &d->in;
	const struct x86_cpu *cpu = cpu_of(d);
	unsigned int n = (unsigned int)cpu->reg[CPU_RCX] & 31;

	if (base_matters(d))
		return false;
	switch (in->op) {
	case X86_OP_int:
		return in->imm < 0x20;
	case X86_OP_bswap: /* SDM 2A "BSWAP": undefined */
		return in->size != 2;
	case X86_OP_shld: /* SDM 2B "SHLD": undefined past the operand */
	case X86_OP_shrd:
		if (!(in->opcode & 1))
			n = in->imm & 31;
		return in->size != 2 || n <= 16;
	case X86_OP_sse:
		return !is_cvtpi2ps(in) && dot_product_allowed(d);
	case X86_OP_movsxd: /* SDM 2B "MOVSXD": m16; AMD's read m32 */
		return in->size != 2 || !x86_is_mem(in);
	case X86_OP_popa: /* registers it loaded before a fault */
		return is_mapped(cpu->reg[CPU_RSP], 8u * in->size);
	case X86_OP_xsave:
	case X86_OP_xrstor:
		return xsave_allowed(d) &&
		       mxcsr_allowed(d, effective(d) + X86_FX_MXCSR);
	case X86_OP_fxrstor:
		return mxcsr_allowed(d, effective(d) + X86_FX_MXCSR);
	case X86_OP_ldmxcsr:
		return mxcsr_allowed(d, effective(d));
	}
	if (in->op >= X86_OP_jmp && in->op <= X86_OP_jrcxz)
		return jump_allowed(d);
	return true;
}

/* Registers of memory operands are far from the window more often than not. */
static bool likely_misses(struct draft *d)
{
	const struct x86_insn *in = &d->in;
	const struct x86_cpu *cpu = cpu_of(d);
	bool miss = false;

	if (x86_is_mem(in) && in->op != X86_OP_lea)
		miss = !in_window(effective(d));
	if (in->flags & X86_F_STACK)
		miss |= !in_window(cpu->reg[CPU_RSP]);
	return miss && rng_chance(&d->rng, 90);
}

static void add_immediate(struct draft *d)
{
	append(d, rng_integer(&d->rng), 8);
}

static void add_hole(struct draft *d, unsigned int off, unsigned int len)
{
	struct diff_case *c = d->c;

	if (c->nr_holes < DIFF_HOLES)
		c->hole[c->nr_holes++] =
			(struct diff_hole){ effective(d) + off, len };
}

static bool is_environment(const struct x86_insn *in, unsigned int ext)
{
	return in->op == X86_OP_x87 && x86_is_mem(in) &&
	       (in->modrm >> 3 & 7) == ext &&
	       (in->opcode == 0xd9 || in->opcode == 0xdd);
}

/*
 * Memory that need not be equal: MXCSR_MASK is the CPU's own (SDM 1 §11.6.6);
 * whether the x87 pointers are saved without an exception depends on the
 * vendor (compare.c).
 */
static void note_holes(struct draft *d)
{
	bool small = d->in.size == 2;

	if (d->in.op == X86_OP_fxsave || d->in.op == X86_OP_xsave) {
		add_hole(d, X86_FX_FOP, X86_FX_MXCSR - X86_FX_FOP);
		add_hole(d, X86_FX_MXCSR + 4, 4);
	} else if (is_environment(&d->in, 6)) {
		add_hole(d, small ? 6 : 12, small ? 8 : 16);
	}
}

/* Instructions whose accesses come in parts, in an order of the CPU's own. */
static bool in_parts(const struct x86_insn *in)
{
	return in->op == X86_OP_maskmov ||
	       (in->op >= X86_OP_fxsave && in->op <= X86_OP_xrstor) ||
	       is_environment(in, 4) || is_environment(in, 6);
}

static const struct row *pick_row(struct draft *d)
{
	struct book *g = &d->g->book[d->c->mode != X86_MODE_64];
	unsigned int n = rng_below(&d->rng, 100), i;

	for (i = 0; n >= group_share[i]; i++)
		n -= group_share[i];
	return &g->row[g->group[i][rng_below(&d->rng, g->nr_group[i])]];
}

/* Random bytes that decode to @row's instruction, or to none. */
static bool draft_bytes(struct draft *d, const struct row *row)
{
	uint8_t modrm;
	int err;

	d->n = 0;
	add_prefixes(d, row);
	add_opcode_bytes(d, row);
	if (row->has_modrm) {
		modrm = pick_modrm(d, row);
		append(d, modrm, 1);
		add_memory(d, modrm);
	}
	add_immediate(d);
	err = x86_decode(&d->in, d->b, X86_INSN_MAX, d->c->mode);
	/* #UD on both; but AMD's LOCK MOV CR0 is MOV CR8. */
	if (err == -EILSEQ && d->in.pfx & X86_PFX_LOCK)
		return rng_chance(&d->rng, 3) &&
		       !(row->map == 1 && (row->opcode & 0xfc) == 0x20);
	return !err && d->in.op == row->op;
}

/* Draft an instruction at RIP; false: this one will not do. */
static bool draft(struct draft *d)
{
	const struct row *row = pick_row(d);
	struct flag_use f;

	if (!draft_bytes(d, row))
		return false;
	if (d->in.op == X86_OP_ud)
		return true;
	aim(d, row);
	if (x86_decode(&d->in, d->b, X86_INSN_MAX, d->c->mode))
		return false;
	if (row->op >= X86_OP_jmp && row->op <= X86_OP_jrcxz &&
	    row->op != X86_OP_ret && !row->has_modrm) {
		aim_jump(d);
		if (x86_decode(&d->in, d->b, X86_INSN_MAX, d->c->mode))
			return false;
	}
	if (d->in.op != row->op)
		return false;
	f = flags_of(&d->in, d->s);
	return !(f.reads & d->undef) && !likely_misses(d) && allowed(d);
}

static void place(struct draft *d)
{
	struct diff_case *c = d->c;
	uint64_t off = cpu_of(d)->rip - DIFF_CODE;
	struct flag_use f = flags_of(&d->in, d->s);

	memcpy(c->code + off, d->b, d->in.len);
	c->insn[c->nr++] = (struct diff_insn){
		.off = (uint16_t)off,
		.len = d->in.len,
		.op = d->in.op,
	};
	note_holes(d);
	c->in_parts = in_parts(&d->in);
	c->either_first =
		d->in.op == X86_OP_cmps || d->in.op == X86_OP_call_ind;
	c->aligned = d->in.op == X86_OP_sse;
	d->undef = (d->undef & ~f.define) | f.undef;
	soft_load_code(d->s, c);
}

static void make_fx(struct rng *r, uint8_t *fx)
{
	uint16_t fcw = 0x37f, fsw = 0;
	uint32_t mxcsr = 0x1f80;
	unsigned int i;

	memset(fx, 0, DIFF_FX_SIZE);
	if (rng_chance(r, 30))
		fcw = (uint16_t)(0x40 | (rng_next(r) & 0xf3f));
	if (rng_chance(r, 70))
		fcw |= 0x3f;
	if (rng_chance(r, 50))
		fsw = (uint16_t)(rng_next(r) & 0x7f00);
	if (rng_chance(r, 15))
		fsw |= (uint16_t)(rng_next(r) & 0x7f);
	if (fsw & ~fcw & 0x3f)
		fsw |= 0x8080;
	if (rng_chance(r, 20))
		mxcsr = (uint32_t)rng_next(r) & 0xffff;
	if (rng_chance(r, 60))
		mxcsr |= 0x1f80;
	/*
	 * Underflow stays masked: unmasked, a tiny result raises it even when
	 * exact, and nothing that runs masked can tell (SDM 1 §4.9.1.5).
	 */
	mxcsr |= 0x800;
	memcpy(fx + X86_FX_FCW, &fcw, 2);
	memcpy(fx + X86_FX_FSW, &fsw, 2);
	fx[X86_FX_FTW] = rng_chance(r, 40)   ? 0xff
			 : rng_chance(r, 20) ? 0
					     : (uint8_t)rng_next(r);
	memcpy(fx + X86_FX_MXCSR, &mxcsr, 4);
	for (i = 0; i < 8; i++)
		rng_x87(r, fx + X86_FX_ST + 16 * i);
	for (i = 0; i < 16; i++)
		rng_vector(r, fx + X86_FX_XMM + 16 * i);
}

static void make_regs(struct rng *r, struct diff_regs *regs, enum x86_mode mode)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		regs->gpr[i] =
			rng_chance(r, 50) ? rng_address(r) : rng_integer(r);
	if (rng_chance(r, 85))
		regs->gpr[CPU_RSP] =
			DIFF_DATA + 0x100 + 8 * rng_below(r, 0x3c0);
	if (rng_chance(r, 60))
		regs->gpr[CPU_RCX] = rng_below(r, 70);
	if (rng_chance(r, 40))
		regs->gpr[CPU_RAX] = rng_below(r, 4);
	if (rng_chance(r, 40))
		regs->gpr[CPU_RDX] = 0;
	regs->rflags = X86_FL_ONE | X86_FL_IF | (rng_next(r) & X86_FL_STATUS);
	if (rng_chance(r, 15))
		regs->rflags |= X86_FL_DF;
	if (rng_chance(r, 5))
		regs->rflags |= X86_FL_ID;
	if (rng_chance(r, 12))
		regs->rflags |= X86_FL_AC;
	if (mode != X86_MODE_64)
		for (i = 0; i < 16; i++)
			regs->gpr[i] = (uint32_t)regs->gpr[i];
	regs->rip = DIFF_CODE + rng_below(r, 0x300);
	if (native_has_fsgsbase()) {
		regs->fs_base = rng_chance(r, 70) ? 16 * rng_below(r, 64) : 0;
		regs->gs_base =
			rng_chance(r, 70) ? 0 - (uint64_t)rng_below(r, 512) : 0;
	}
	make_fx(r, regs->fx);
}

static void start_case(struct draft *d, uint64_t seed)
{
	struct diff_case *c = d->c;

	c->seed = seed;
	c->nr = c->nr_holes = 0;
	c->in_parts = c->either_first = c->aligned = false;
	d->undef = 0;
	c->mode = rng_chance(&d->rng, 25) ? X86_MODE_32 : X86_MODE_64;
	make_regs(&d->rng, &c->regs, c->mode);
	memset(c->code, 0xcc, sizeof(c->code));
	memcpy(c->data, d->g->memory[rng_below(&d->rng, NR_MEMORY)],
	       DIFF_DATA_SIZE);
	memcpy(c->ro, d->g->ro, DIFF_PAGE);
	soft_load(d->s, c);
}

/* More instructions until an exception; false: start over. */
static bool extend(struct draft *d, unsigned int want)
{
	unsigned int tries, steps;

	while (d->c->nr < want) {
		uint64_t rip = cpu_of(d)->rip;

		d->c->undef = d->undef;
		if (rip - DIFF_CODE >= DIFF_PAGE)
			return true;
		if (!is_free(d->c, rip))
			return d->c->code[rip - DIFF_CODE] == 0xcc;
		for (tries = 0; tries < 200 && !draft(d); tries++)
			;
		if (tries == 200)
			return true;
		place(d);
		if (d->c->nr_holes)
			want = 0; /* nothing may read them */
		for (steps = 0; cpu_of(d)->rip == rip && steps < 1000; steps++)
			if (!soft_step(d->s)) {
				d->c->undef |= d->undef;
				return true;
			}
	}
	d->c->undef = d->undef;
	return true;
}

void generate(struct generator *g, struct soft *s, uint64_t seed,
	      struct diff_case *c)
{
	struct draft d = { .g = g, .s = s, .c = c };
	unsigned int want;

	d.rng.s = seed * 0x2545f4914f6cdd1dull + 1;
	do {
		want = rng_chance(&d.rng, 35)
			       ? 1
			       : 1 + rng_below(&d.rng, DIFF_INSNS);
		start_case(&d, seed);
	} while (!extend(&d, want));
}
