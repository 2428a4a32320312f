// SPDX-License-Identifier: MIT
/*
 * test_x86_semantics - instructions against the real CPU.
 *
 * Random sequences of user-level instructions, of every encoding that the
 * decoder knows and that may run in this process, with boundary operands, on
 * vcpu/x86 and natively: registers, flags, x87 and SSE state, memory and the
 * vector of a fault must be the same. Flags that the manual leaves undefined
 * are masked by the table below.
 *
 * X86_SEED=n repeats a run, X86_SEQUENCES=n makes it longer (1000000: about
 * a minute); X86_ONLY=name tests one instruction.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "memory/bus.h"
#include "memory/ram.h"
#include "tests/unit/unit.h"
#include "tests/unit/x86_native.h"
#include "vcpu/x86/exception.h"
#include "vcpu/x86/fpu.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"
#include "vcpu/x86/thunk.h"

#define SEQUENCES 20000
#define RAM_SIZE  (4u << 20)
#define GPA_CODE  0x100000ull
#define GPA_DATA  0x110000ull
#define MAX_INSNS 6
#define REPS	  (X86_PFX_REP | X86_PFX_REPNE)

/* --- The CPU under test --- */

struct bench {
	struct ram *ram;
	struct bus *bus;
	struct x86_cpu *cpu;
	struct cpu_state init;
	bool fast; /* use the variants of fast.c */
	atomic_uint attention;
};

static uint64_t env_tsc(struct x86_cpu *cpu)
{
	(void)cpu;
	return 0;
}

static void env_write_page(struct x86_cpu *cpu, gpa_t gpa)
{
	(void)cpu;
	(void)gpa;
}

static void env_nothing(struct x86_cpu *cpu)
{
	(void)cpu;
}

static const struct x86_env_ops env = {
	.tsc = env_tsc,
	.write_page = env_write_page,
	.flush_code = env_nothing,
	.pause = env_nothing,
};

static void put64(struct bench *b, gpa_t at, uint64_t v)
{
	ram_write(b->ram, at, &v, 8);
}

/* The page @n of the data at a place that is not in order. */
static gpa_t data_page(unsigned int n)
{
	return GPA_DATA + (n * 5 % 8) * 4096;
}

static void map(struct bench *b, uint64_t lin, gpa_t gpa, bool writable)
{
	uint64_t pt = 0x4000 + (lin >> 28) * 0x1000;

	put64(b, 0x1000, 0x2007);
	put64(b, 0x2000, 0x3007);
	put64(b, 0x3000 + (lin >> 21 & 511) * 8, pt | 7);
	put64(b, pt + (lin >> 12 & 511) * 8, gpa | (writable ? 7 : 5));
}

static void set_user_segments(struct cpu_state *st)
{
	st->seg[CPU_CS] = (struct cpu_segment){
		.selector = 0x33,
		.limit = UINT32_MAX,
		.access = 0x00fb | CPU_SEG_L | CPU_SEG_G,
	};
	st->seg[CPU_SS] = (struct cpu_segment){
		.selector = 0x2b,
		.limit = UINT32_MAX,
		.access = 0x00f3 | CPU_SEG_DB | CPU_SEG_G,
	};
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct cpu_state *st = &b->init;
	unsigned int i;

	*state = b;
	if (ram_create(&b->ram, RAM_SIZE) || bus_create(&b->bus) ||
	    posix_memalign((void **)&b->cpu, 64, sizeof(*b->cpu)))
		return -1;
	x86_cpu_init(b->cpu, b->ram, b->bus, &env, b);
	b->cpu->attention = &b->attention;
	if (x86_thunks_create(&b->cpu->thunks))
		return -1;
	map(b, X86_NATIVE_CODE, GPA_CODE, false);
	for (i = 0; i < X86_NATIVE_PAGES; i++)
		map(b, X86_NATIVE_DATA + i * 4096, data_page(i), true);
	set_user_segments(st);
	st->cr0 = X86_CR0_PG | X86_CR0_PE | X86_CR0_NE | X86_CR0_WP |
		  X86_CR0_MP | X86_CR0_ET;
	st->cr3 = 0x1000;
	st->cr4 = X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMM;
	st->efer = X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	x86_thunks_destroy(b->cpu->thunks);
	free(b->cpu);
	bus_destroy(b->bus);
	ram_destroy(b->ram);
	free(b);
	return 0;
}

/* One instruction at cpu->rip. */
static void step(struct bench *b, const uint8_t *code, unsigned int len)
{
	struct x86_cpu *cpu = b->cpu;
	unsigned int off = (unsigned int)(cpu->rip - X86_NATIVE_CODE);
	static struct x86_insn in;

	x86_decode(&in, code + off, len - off, X86_MODE_64);
	x86_insn_set_off(&in, (uint16_t)off);
	if (b->fast)
		x86_bind_fast(&in);
	else
		x86_bind(&in);
	cpu->reg[X86_REG_IP] = X86_NATIVE_CODE;
	cpu->cur = &in;
	in.fn(cpu, &in);
	cpu->cur = NULL;
	if (!(in.flags & X86_F_END))
		cpu->rip = x86_next_ip(cpu, &in);
}

/* The page of code as x86_native_run() leaves it: code can read it. */
static void copy_code(struct bench *b)
{
	ram_write(b->ram, GPA_CODE, (void *)(uintptr_t)X86_NATIVE_CODE, 4096);
}

static void run_ours(struct bench *b, struct x86_native *st,
		     const uint8_t *code, unsigned int len)
{
	struct x86_cpu *cpu = b->cpu;
	struct cpu_state cs = b->init;

	memcpy(cs.gpr, st->gpr, sizeof(cs.gpr));
	cs.rip = X86_NATIVE_CODE;
	cs.rflags = st->rflags;
	memcpy(cs.xsave, st->fx, sizeof(st->fx));
	x86_cpu_load(cpu, &cs);
	st->vector = X86_NATIVE_NONE;
	if (!setjmp(cpu->unwind)) {
		while (cpu->rip - X86_NATIVE_CODE < len)
			step(b, code, len);
	} else {
		st->vector = cpu->fault.vector;
		if (cpu->cur)
			cpu->rip = x86_ip(cpu, cpu->cur);
	}
	x86_cpu_store(cpu, &cs);
	memcpy(st->gpr, cs.gpr, sizeof(cs.gpr));
	st->rip = cs.rip;
	st->rflags = cs.rflags;
	memcpy(st->fx, cs.xsave, sizeof(st->fx));
}

/* --- Random instructions --- */

struct random {
	uint64_t s;
};

static uint64_t next(struct random *r)
{
	r->s ^= r->s << 13;
	r->s ^= r->s >> 7;
	r->s ^= r->s << 17;
	return r->s * 0x2545f4914f6cdd1dull;
}

static unsigned int below(struct random *r, unsigned int n)
{
	return (unsigned int)((next(r) >> 32) % n);
}

static bool chance(struct random *r, unsigned int percent)
{
	return below(r, 100) < percent;
}

static uint64_t operand(struct random *r)
{
	static const uint64_t edge[] = {
		0,
		1,
		2,
		0x7f,
		0x80,
		0xff,
		0x7fff,
		0x8000,
		0xffff,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x7fffffffffffffff,
		0x8000000000000000,
		0xffffffffffffffff,
		0x5555555555555555,
		31,
		32,
		63,
		64,
		/* floating point: 1.0, inf, nan, tiny, -0.0 */
		0x3ff0000000000000,
		0x7ff0000000000000,
		0x7ff8000000000001,
		0x0000000000000001,
		0x3f8000003f800000,
		0x7f800000ff800000,
		0x7fc000007f800001,
		0x0000000100800000,
		0x4f000000cf000000,
	};

	if (chance(r, 60))
		return edge[below(r, ARRAY_SIZE(edge))];
	return next(r) >> below(r, 64);
}

/* What must not run in this process, or says what the host is. */
static bool may_run(const struct x86_insn *in)
{
	if (in->seg == CPU_FS || in->seg == CPU_GS)
		return false;
	switch (in->op) {
	case X86_OP_int:
	case X86_OP_int3:
	case X86_OP_int1:
	case X86_OP_into:
	case X86_OP_syscall:
	case X86_OP_sysenter:
	case X86_OP_sysexit:
	case X86_OP_sysret:
	case X86_OP_vmcall:
	case X86_OP_cpuid:
	case X86_OP_rdtsc:
	case X86_OP_rdtscp:
	case X86_OP_rdpmc:
	case X86_OP_rdrand:
	case X86_OP_rdseed:
	case X86_OP_rdfsbase:
	case X86_OP_wrfsbase:
	case X86_OP_swapgs:
	case X86_OP_mov_to_sreg:
	case X86_OP_mov_from_sreg:
	case X86_OP_push_sreg:
	case X86_OP_pop_sreg:
	case X86_OP_lds:
	case X86_OP_lar:
	case X86_OP_lsl:
	case X86_OP_verr:
	case X86_OP_verw:
	case X86_OP_sgdt:
	case X86_OP_sidt:
	case X86_OP_sldt:
	case X86_OP_str:
	case X86_OP_smsw:
	case X86_OP_xsave:
	case X86_OP_xrstor:
	case X86_OP_xgetbv:
	case X86_OP_xsetbv:
	case X86_OP_invpcid:
	case X86_OP_clac:
	case X86_OP_stac:
	case X86_OP_iret:
	case X86_OP_ret:
	case X86_OP_ret_far:
	case X86_OP_jmp_far_ind:
	case X86_OP_call_far_ind:
	case X86_OP_jmp_ind:
	case X86_OP_call_ind:
	case X86_OP_popf:
	case X86_OP_enter: /* the stack may be anywhere after it */
	case X86_OP_avx:
	case X86_OP_ud:
	case X86_OP_fxsave:  /* MXCSR_MASK */
	case X86_OP_fxrstor: /* of random bytes: #GP by MXCSR mostly */
		return false;
	case X86_OP_x87:
		/* FLDENV, FRSTOR, FSTENV, FSAVE: pointers differ */
		return !(x86_is_mem(in) &&
			 ((in->modrm >> 3 & 7) == 4 ||
			  (in->modrm >> 3 & 7) == 6) &&
			 (in->opcode == 0xd9 || in->opcode == 0xdd));
	}
	return true;
}

static bool is_branch(const struct x86_insn *in)
{
	return in->op == X86_OP_jmp || in->op == X86_OP_jcc ||
	       in->op == X86_OP_call || in->op == X86_OP_loop ||
	       in->op == X86_OP_loope || in->op == X86_OP_loopne ||
	       in->op == X86_OP_jrcxz;
}

/* ModRM of a register, or of memory near one of the data pointers. */
static unsigned int put_modrm(struct random *r, uint8_t *p)
{
	static const uint8_t base[] = { CPU_RBX, CPU_RBP, CPU_RSI, CPU_RDI };
	unsigned int mod = chance(r, 45) ? 3 : 1 + below(r, 2), n = 1;
	uint8_t reg = (uint8_t)below(r, 8), rm = base[below(r, 4)];
	int32_t disp = (int32_t)below(r, 96) - 48;

	if (mod == 3) {
		p[0] = (uint8_t)(0xc0 | reg << 3 | below(r, 8));
		return 1;
	}
	if (chance(r, 20)) {
		p[0] = (uint8_t)(mod << 6 | reg << 3 | 4);
		/* base RSP or one above, index none or R12 with REX.X */
		p[1] = (uint8_t)(below(r, 4) << 6 | 4 << 3 |
				 (chance(r, 50) ? 4 : rm));
		n = 2;
	} else {
		p[0] = (uint8_t)(mod << 6 | reg << 3 | rm);
	}
	if (chance(r, 60))
		disp &= ~15;
	memcpy(p + n, &disp, 4);
	return n + (mod == 1 ? 1 : 4);
}

static unsigned int put_prefixes(struct random *r, uint8_t *p)
{
	unsigned int n = 0;

	if (chance(r, 4))
		p[n++] = 0x67;
	if (chance(r, 25))
		p[n++] = 0x66;
	if (chance(r, 25))
		p[n++] = chance(r, 50) ? 0xf2 : 0xf3;
	if (chance(r, 6))
		p[n++] = 0xf0;
	/* REX.B would make the base R11 and the like: seldom. */
	if (chance(r, 50))
		p[n++] = (uint8_t)(0x40 | (below(r, 16) &
					   (chance(r, 80) ? 0xc : 0xf)));
	return n;
}

static unsigned int put_opcode(struct random *r, uint8_t *p)
{
	unsigned int n = 0, which = below(r, 100);

	if (which < 10) { /* VEX: BMI */
		p[n++] = 0xc4;
		p[n++] = (uint8_t)(0xe2 + below(r, 2));
		p[n++] = (uint8_t)(below(r, 2) << 7 | below(r, 16) << 3 |
				   below(r, 4));
		p[n++] = (uint8_t)(0xf0 + below(r, 8));
		return n;
	}
	if (which >= 50)
		p[n++] = 0x0f;
	if (which >= 80)
		p[n++] = which < 92 ? 0x38 : 0x3a;
	p[n++] = (uint8_t)below(r, 256);
	return n;
}

/* One valid instruction at @p; its length. */
static unsigned int put_insn(struct random *r, uint8_t *p, uint16_t only,
			     struct x86_insn *in)
{
	unsigned int n, i;

	for (;;) {
		n = put_prefixes(r, p);
		n += put_opcode(r, p + n);
		n += put_modrm(r, p + n);
		for (i = 0; i < 8; i++)
			p[n + i] = (uint8_t)operand(r);
		if (x86_decode(in, p, X86_INSN_MAX, X86_MODE_64))
			continue;
		if (in->base == X86_REG_IP || !may_run(in))
			continue;
		/*
		 * With 66 AMD cuts the target to 16 bits; with F2 and F3 it
		 * changes what LOOPE and LOOPNE want. Intel ignores them.
		 */
		if (is_branch(in) && in->pfx & (X86_PFX_66 | REPS))
			continue;
		if (only != X86_OP_ud && in->op != only)
			continue;
		return in->len;
	}
}

struct sequence {
	uint8_t code[MAX_INSNS * 16 + 32];
	unsigned int len, nr;
	unsigned int at[MAX_INSNS + 1];
	struct x86_insn in[MAX_INSNS];
};

/* Branches go to the instruction after the next, or to the end. */
static void fix_branches(struct sequence *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		unsigned int to = i + 2 < s->nr ? i + 2 : s->nr;
		int32_t rel = (int32_t)(s->at[to] - s->at[i + 1]);
		bool is8 = s->in[i].op != X86_OP_call &&
			   s->in[i].opcode != 0xe9 && !s->in[i].map;

		if (is_branch(&s->in[i]))
			memcpy(&s->code[s->at[i + 1] - (is8 ? 1 : 4)], &rel,
			       is8 ? 1 : 4);
	}
}

static void make_sequence(struct random *r, struct sequence *s, uint16_t only)
{
	unsigned int i;

	s->nr = 1 + below(r, MAX_INSNS);
	s->len = 0;
	for (i = 0; i < s->nr; i++) {
		s->at[i] = s->len;
		s->len += put_insn(r, s->code + s->len, only, &s->in[i]);
	}
	s->at[s->nr] = s->len;
}

static void make_state(struct random *r, struct x86_native *st)
{
	static const uint8_t pointer[] = { CPU_RBX, CPU_RBP, CPU_RSI, CPU_RDI,
					   CPU_RSP };
	uint32_t mxcsr = 0x1f80;
	unsigned int i;

	memset(st, 0, sizeof(*st));
	for (i = 0; i < 16; i++)
		st->gpr[i] = operand(r);
	for (i = 0; i < sizeof(pointer); i++)
		st->gpr[pointer[i]] =
			X86_NATIVE_DATA + 4096 + below(r, 2 * 4096) / 16 * 16;
	/* Page ends, and misalignment */
	if (chance(r, 20))
		st->gpr[CPU_RBX] = X86_NATIVE_DATA + 8192 + below(r, 16) - 8;
	if (chance(r, 10))
		st->gpr[CPU_RDI] = X86_NATIVE_DATA + X86_NATIVE_BYTES - 64;
	st->rflags = 0x202 | (next(r) & X86_FL_STATUS) |
		     (chance(r, 20) ? X86_FL_DF : 0);
	st->fx[X86_FX_FCW] = 0x7f;
	st->fx[X86_FX_FCW + 1] = (uint8_t)(3 | below(r, 4) << 2);
	st->fx[X86_FX_FTW] = (uint8_t)next(r);
	st->fx[X86_FX_FSW + 1] = (uint8_t)(below(r, 8) << 3);
	if (chance(r, 20))
		/* Some unmasked; not underflow, see vector.c. */
		mxcsr = ((uint32_t)next(r) & 0xffc0) | 0x800;
	memcpy(st->fx + X86_FX_MXCSR, &mxcsr, 4);
	memcpy(st->fx + X86_FX_MXCSR + 4, "\xff\xff\0", 4);
	for (i = 0; i < 8; i++) {
		uint64_t mant = operand(r);
		uint16_t exp = (uint16_t)(chance(r, 50) ? 0x3fff + below(r, 70)
							: next(r));

		if (chance(r, 80))
			mant |= 1ull << 63;
		memcpy(st->fx + X86_FX_ST + 16 * i, &mant, 8);
		memcpy(st->fx + X86_FX_ST + 16 * i + 8, &exp, 2);
	}
	for (i = 0; i < 32; i++) {
		uint64_t v = operand(r);

		memcpy(st->fx + X86_FX_XMM + 8 * i, &v, 8);
	}
}

static void make_data(struct random *r, uint8_t *data)
{
	unsigned int i;

	for (i = 0; i < X86_NATIVE_BYTES; i += 8) {
		uint64_t v = operand(r);

		memcpy(data + i, &v, 8);
	}
}

/* --- Comparison --- */

/* Status flags that @in leaves undefined: SDM 2, "Flags Affected". */
static uint64_t undefined_flags(const struct x86_insn *in)
{
	switch (in->op) {
	case X86_OP_and: /* AF */
	case X86_OP_or:
	case X86_OP_xor:
	case X86_OP_test:
		return X86_FL_AF;
	case X86_OP_mul: /* SF ZF AF PF */
	case X86_OP_imul:
	case X86_OP_imul2:
	case X86_OP_imul3:
		return X86_FL_SF | X86_FL_ZF | X86_FL_AF | X86_FL_PF;
	case X86_OP_div: /* all */
	case X86_OP_idiv:
		return X86_FL_STATUS;
	case X86_OP_shl: /* OF unless 1, CF past the operand, AF */
	case X86_OP_shr:
	case X86_OP_sar:
	case X86_OP_shld:
	case X86_OP_shrd:
		return X86_FL_OF | X86_FL_AF | (in->size <= 2 ? X86_FL_CF : 0);
	case X86_OP_rol: /* OF unless 1 */
	case X86_OP_ror:
	case X86_OP_rcl:
	case X86_OP_rcr:
		return X86_FL_OF;
	case X86_OP_bt: /* all but CF and ZF */
	case X86_OP_bts:
	case X86_OP_btr:
	case X86_OP_btc:
		return X86_FL_OF | X86_FL_SF | X86_FL_AF | X86_FL_PF;
	case X86_OP_bsf: /* all but ZF */
	case X86_OP_bsr:
		return X86_FL_STATUS & ~X86_FL_ZF;
	case X86_OP_tzcnt: /* all but CF and ZF */
	case X86_OP_lzcnt:
		return X86_FL_OF | X86_FL_SF | X86_FL_AF | X86_FL_PF;
	case X86_OP_andn: /* AF PF */
	case X86_OP_blsr:
	case X86_OP_blsmsk:
	case X86_OP_blsi:
	case X86_OP_bzhi:
		return X86_FL_AF | X86_FL_PF;
	case X86_OP_bextr: /* AF SF PF */
		return X86_FL_AF | X86_FL_SF | X86_FL_PF;
	}
	return 0;
}

/* 16-bit double shifts by more than 16 and BSWAP of 16 bits: anything. */
static bool undefined_result(const struct x86_insn *in)
{
	return ((in->op == X86_OP_shld || in->op == X86_OP_shrd) &&
		in->size == 2) ||
	       (in->op == X86_OP_bswap && in->size == 2);
}

struct outcome {
	struct x86_native st;
	uint8_t data[X86_NATIVE_BYTES];
};

static void read_ours(struct bench *b, uint8_t *data)
{
	unsigned int i;

	for (i = 0; i < X86_NATIVE_PAGES; i++)
		ram_read(b->ram, data_page(i), data + i * 4096, 4096);
}

static void write_ours(struct bench *b, const uint8_t *data)
{
	unsigned int i;

	for (i = 0; i < X86_NATIVE_PAGES; i++)
		ram_write(b->ram, data_page(i), data + i * 4096, 4096);
}

/*
 * FOP, FIP and FDP are the hosts' affair; so is what follows the XMMs. With
 * #XM, vector.c says why MXCSR may have more flags.
 */
static void mask_fx(struct x86_native *st)
{
	uint8_t *fx = st->fx;
	unsigned int i;

	if (st->vector == X86_XM)
		fx[X86_FX_MXCSR] |= X86_MXCSR_FLAGS;
	memset(fx + X86_FX_FOP, 0, X86_FX_MXCSR - X86_FX_FOP);
	memset(fx + X86_FX_MXCSR + 4, 0, 4);
	memset(fx + X86_FX_END, 0, 512 - X86_FX_END);
	for (i = 0; i < 8; i++)
		memset(fx + X86_FX_ST + 16 * i + 10, 0, 6);
}

static const char *difference(const struct outcome *a, const struct outcome *b,
			      uint64_t flag_mask)
{
	if (a->st.vector != b->st.vector)
		return "vector";
	if (a->st.rip != b->st.rip)
		return "rip";
	if (memcmp(a->st.gpr, b->st.gpr, sizeof(a->st.gpr)))
		return "registers";
	if ((a->st.rflags ^ b->st.rflags) & flag_mask)
		return "flags";
	if (memcmp(a->st.fx, b->st.fx, 512))
		return "fx";
	if (memcmp(a->data, b->data, sizeof(a->data)))
		return "memory";
	return NULL;
}

static void show_state(const char *who, const struct x86_native *st)
{
	unsigned int i;

	print_message("# %s: vector %d rip +%d flags %llx\n", who, st->vector,
		      (int)(st->rip - X86_NATIVE_CODE),
		      (unsigned long long)st->rflags);
	for (i = 0; i < 16; i++)
		print_message("%s%016llx%s", i % 4 ? " " : "#   ",
			      (unsigned long long)st->gpr[i],
			      i % 4 == 3 ? "\n" : "");
}

static void show_fx(const uint8_t *a, const uint8_t *b)
{
	unsigned int i;

	for (i = 0; i < 512; i++)
		if (a[i] != b[i])
			print_message("# fx[%u]: native %02x, ours %02x\n", i,
				      a[i], b[i]);
}

static void show(const struct sequence *s, const struct x86_native *before,
		 const struct outcome *native, const struct outcome *ours,
		 const char *what)
{
	unsigned int i, k;

	print_message("# differ in %s:\n", what);
	for (i = 0; i < s->nr; i++) {
		print_message("#   +%u %s:", s->at[i],
			      x86_op_name(s->in[i].op));
		for (k = s->at[i]; k < s->at[i + 1]; k++)
			print_message(" %02x", s->code[k]);
		print_message("\n");
	}
	show_state("before", before);
	show_state("native", &native->st);
	show_state("ours", &ours->st);
	show_fx(native->st.fx, ours->st.fx);
	for (i = 0; i < X86_NATIVE_BYTES; i++)
		if (native->data[i] != ours->data[i])
			print_message("# data[%x]: %02x, ours %02x\n", i,
				      native->data[i], ours->data[i]);
}

static bool is_cmps_at(const struct sequence *s, uint64_t rip)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (X86_NATIVE_CODE + s->at[i] == rip)
			return s->in[i].op == X86_OP_cmps;
	return false;
}

/* Run the first @nr instructions both ways; what differs, or NULL. */
static const char *compare(struct bench *b, const struct sequence *s,
			   unsigned int nr, const struct x86_native *before,
			   const uint8_t *data, struct outcome *native,
			   struct outcome *ours, uint64_t flag_mask)
{
	native->st = ours->st = *before;
	memcpy(x86_native_data(), data, X86_NATIVE_BYTES);
	x86_native_run(&native->st, s->code, s->at[nr]);
	memcpy(native->data, x86_native_data(), X86_NATIVE_BYTES);

	write_ours(b, data);
	copy_code(b);
	run_ours(b, &ours->st, s->code, s->at[nr]);
	read_ours(b, ours->data);
	mask_fx(&native->st);
	mask_fx(&ours->st);
	/* Which of CMPS's two operands faults first is nowhere written. */
	if (ours->st.rip == native->st.rip && ours->st.vector >= 0 &&
	    native->st.vector >= 0 && is_cmps_at(s, ours->st.rip))
		return NULL;
	/* Something of this process's that the guest does not have? */
	if (ours->st.vector == X86_PF && native->st.vector != X86_PF &&
	    x86_native_mapped(b->cpu->fault.cr2))
		return NULL;
	return difference(native, ours, flag_mask);
}

/*
 * Undefined results spread: a sequence is compared up to the first
 * instruction that leaves something undefined and a later one may read it.
 */
static unsigned int defined_prefix(const struct sequence *s, uint64_t *mask)
{
	unsigned int i;

	*mask = X86_FL_STATUS | X86_FL_DF;
	for (i = 0; i < s->nr; i++) {
		if (undefined_result(&s->in[i]))
			return i;
		if (undefined_flags(&s->in[i])) {
			*mask &= ~undefined_flags(&s->in[i]);
			return i + 1;
		}
	}
	return s->nr;
}

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *v = getenv(name);

	return v ? strtoull(v, NULL, 0) : otherwise;
}

static uint16_t env_op(void)
{
	const char *v = getenv("X86_ONLY");
	uint16_t op;

	for (op = 0; v && op < X86_NR_OPS; op++)
		if (!strcmp(v, x86_op_name(op)))
			return op;
	return X86_OP_ud;
}

static void instructions_do_what_the_host_does(void **state)
{
	struct bench *b = *state;
	uint64_t seed = env_number("X86_SEED", 20261122), mask, i;
	uint64_t rounds = env_number("X86_SEQUENCES", SEQUENCES);
	static unsigned long seen[X86_NR_OPS];
	static uint8_t data[X86_NATIVE_BYTES];
	static struct outcome native, ours;
	static struct sequence s;
	unsigned int nr, k, bad = 0, ops = 0;
	struct x86_native before;
	uint16_t only = env_op();
	const char *what;

	/* Here, because cmocka sets signal handlers before each test. */
	assert_int_equal(x86_native_init(), 0);
	print_message("# seed %llu\n", (unsigned long long)seed);
	for (i = 0; i < rounds && bad < 10; i++) {
		struct random r = { (seed + i) * 0x9e3779b97f4a7c15ull | 1 };

		if (i % 64 == 0)
			make_data(&r, data);
		make_sequence(&r, &s, only);
		make_state(&r, &before);
		b->fast = i & 1;
		s.nr = nr = defined_prefix(&s, &mask);
		fix_branches(&s);
		what = compare(b, &s, nr, &before, data, &native, &ours, mask);
		for (k = 0; k < nr; k++)
			seen[s.in[k].op]++;
		if (!what)
			continue;
		bad++;
		print_message("# sequence %llu (of %u)\n",
			      (unsigned long long)i, nr);
		show(&s, &before, &native, &ours, what);
	}
	for (k = 0; k < X86_NR_OPS; k++)
		ops += seen[k] != 0;
	print_message("# %llu sequences, %u of %d instructions\n",
		      (unsigned long long)i, ops, X86_NR_OPS);
	assert_int_equal(bad, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(instructions_do_what_the_host_does),
};

int main(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown) ? 1 : 0;
}
