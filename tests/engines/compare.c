// SPDX-License-Identifier: MIT
/*
 * compare.c - is the result of vcpu/x86 that of the host's CPU? If not: the
 * shortest sequence that still shows it, printed.
 *
 * A sequence is shortened by putting NOPs in an instruction's place, so that
 * nothing moves. What is left out must not make an undefined flag visible:
 * flags are followed again for each attempt.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/engines/diff.h"
#include "vcpu/x86/cpu.h"
#include "vcpu/x86/fpu.h"

#if __has_include(<Zydis/Zydis.h>)
#include <Zydis/Zydis.h>
#define HAVE_ZYDIS 1
#endif

#define MAX_STEPS 20000

/* RF is the host kernel's business (SDM 3A §17.3.1.1). */
#define FLAGS_COMPARED                                                   \
	(X86_FL_STATUS | X86_FL_TF | X86_FL_DF | X86_FL_NT | X86_FL_AC | \
	 X86_FL_ID)

static const char *const gpr_name[16] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
};

/* Where differences go: counted, and printed when asked for. */
struct differ {
	const struct diff_case *c;
	unsigned int found;
	bool print;
};

static void differ(struct differ *d, const char *what, unsigned int n,
		   uint64_t native, uint64_t soft)
{
	if (native == soft)
		return;
	d->found++;
	if (d->print)
		printf("#   %s%.0u: cpu %#" PRIx64 ", soft %#" PRIx64 "\n",
		       what, n, native, soft);
}

static void differ_bytes(struct differ *d, const char *what, unsigned int n,
			 const uint8_t *native, const uint8_t *soft,
			 unsigned int len)
{
	unsigned int i;

	if (!memcmp(native, soft, len))
		return;
	d->found++;
	if (!d->print)
		return;
	printf("#   %s%u: cpu ", what, n);
	for (i = len; i-- > 0;)
		printf("%02x", native[i]);
	printf(", soft ");
	for (i = len; i-- > 0;)
		printf("%02x", soft[i]);
	printf("\n");
}

static uint64_t fx_field(const uint8_t *fx, unsigned int at, unsigned int len)
{
	uint64_t v = 0;

	memcpy(&v, fx + at, len);
	return v;
}

/* PE beside an unmasked overflow is that of a scaled result. */
static void differ_mxcsr(struct differ *d, unsigned int vector, uint64_t n,
			 uint64_t s)
{
	uint64_t ignore = vector == X86_XM && !(n & 0x400) ? 0x20 : 0;

	differ(d, "mxcsr", 0, n & ~ignore, s & ~ignore);
}

/*
 * AMD's CPUs keep FOP, FIP and FDP of instructions that left an unmasked
 * exception only (APM 5, "FXSAVE"); Intel's of all. FDP is undefined
 * after an instruction without a memory operand (SDM 1 §8.1.8). Of FIP not
 * all of 64 bits are kept.
 */
static void differ_fx(struct differ *d, unsigned int vector, const uint8_t *n,
		      const uint8_t *s)
{
	static const struct {
		const char *name;
		uint8_t at, len;
	} field[] = {
		{ "fcw", X86_FX_FCW, 2 }, { "fsw", X86_FX_FSW, 2 },
		{ "ftw", X86_FX_FTW, 1 }, { "fop", X86_FX_FOP, 2 },
		{ "fip", X86_FX_FIP, 7 }, { "fdp", X86_FX_FDP, 8 },
	};
	bool pointers = fx_field(n, X86_FX_FSW, 2) & 0x80;
	unsigned int i;

	for (i = 0; i < sizeof(field) / sizeof(field[0]); i++)
		if (field[i].at < X86_FX_FOP || field[i].at > X86_FX_FDP ||
		    (pointers && field[i].at != X86_FX_FDP))
			differ(d, field[i].name, 0,
			       fx_field(n, field[i].at, field[i].len),
			       fx_field(s, field[i].at, field[i].len));
	differ_mxcsr(d, vector, fx_field(n, X86_FX_MXCSR, 4),
		     fx_field(s, X86_FX_MXCSR, 4));
	for (i = 0; i < 8; i++)
		differ_bytes(d, "st", i, n + X86_FX_ST + 16 * i,
			     s + X86_FX_ST + 16 * i, 10);
	for (i = 0; i < 16; i++)
		differ_bytes(d, "xmm", i, n + X86_FX_XMM + 16 * i,
			     s + X86_FX_XMM + 16 * i, 16);
}

static bool in_hole(const struct diff_case *c, uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < c->nr_holes; i++)
		if (addr - c->hole[i].addr < c->hole[i].len)
			return true;
	return false;
}

static void differ_data(struct differ *d, const uint8_t *n, const uint8_t *s)
{
	unsigned int i, shown = 0;

	if (!memcmp(n, s, DIFF_DATA_SIZE))
		return;
	for (i = 0; i < DIFF_DATA_SIZE; i++) {
		if (n[i] == s[i] || in_hole(d->c, DIFF_DATA + i))
			continue;
		d->found++;
		if (d->print && shown++ < 32)
			printf("#   [%#llx]: cpu %02x, soft %02x, was %02x\n",
			       DIFF_DATA + i, n[i], s[i], d->c->data[i]);
	}
}

/*
 * The host kernel hides which of its own pages exist: an address there is
 * always a protection violation.
 */
static uint64_t error_code(const struct diff_result *r)
{
	bool kernel = r->vector == X86_PF && r->cr2 >= 0x7ffffffff000;

	return r->error | (kernel ? 1 : 0);
}

/* One that a memory operand raised. */
static bool is_access_fault(const struct diff_result *r)
{
	return r->vector == X86_PF || r->vector == X86_GP ||
	       r->vector == X86_SS || r->vector == X86_AC;
}

/*
 * Which of two faults comes first is now and then the CPU's choice: of two
 * operands, of the parts of a long one, and of alignment before address.
 */
static bool same_fault(const struct diff_case *c, const struct diff_result *n,
		       const struct diff_result *s)
{
	bool choice =
		c->either_first || c->in_parts ||
		(n->vector != X86_PF && s->vector != X86_PF && c->aligned);

	return choice && is_access_fault(n) && is_access_fault(s);
}

static unsigned int compare(const struct diff_case *c,
			    const struct diff_result *n,
			    const struct diff_result *s, bool print)
{
	uint64_t flags = FLAGS_COMPARED & ~(uint64_t)c->undef;
	struct differ d = { .c = c, .print = print };
	unsigned int i;

	if (!same_fault(c, n, s)) {
		differ(&d, "vector", 0, n->vector, s->vector);
		differ(&d, "error", 0, error_code(n), error_code(s));
		if (n->vector == X86_PF)
			differ(&d, "cr2", 0, n->cr2, s->cr2);
	}
	differ(&d, "rip", 0, n->regs.rip, s->regs.rip);
	if (print)
		printf("#   ends with vector %u at %#" PRIx64 "\n", n->vector,
		       n->regs.rip);
	differ(&d, "rflags", 0, n->regs.rflags & flags, s->regs.rflags & flags);
	for (i = 0; i < (c->mode == X86_MODE_64 ? 16u : 8u); i++)
		differ(&d, gpr_name[i], 0, n->regs.gpr[i], s->regs.gpr[i]);
	if (native_has_fsgsbase()) {
		differ(&d, "fs_base", 0, n->regs.fs_base, s->regs.fs_base);
		differ(&d, "gs_base", 0, n->regs.gs_base, s->regs.gs_base);
	}
	differ_fx(&d, n->vector, n->regs.fx, s->regs.fx);
	differ_data(&d, n->data, s->data);
	return d.found;
}

unsigned int diff_compare(const struct diff_case *c,
			  const struct diff_result *n,
			  const struct diff_result *s)
{
	return compare(c, n, s, false);
}

/* Both sides; -1 when one does not end. */
static int run_both(struct soft *s, const struct diff_case *c, bool print)
{
	static struct diff_result native, soft;

	soft_load(s, c);
	if (!soft_run(s, MAX_STEPS) || !native_run(c, &native))
		return -1;
	soft_result(s, &soft);
	return (int)compare(c, &native, &soft, print);
}

/* A jump into the middle of an instruction is none of ours. */
static bool is_start(const struct diff_case *c, uint64_t off)
{
	unsigned int i;

	if (off >= DIFF_PAGE || c->code[off] == 0xcc)
		return true;
	for (i = 0; i < c->nr; i++)
		if (c->insn[i].len ? off == c->insn[i].off
				   : off - c->insn[i].off < X86_INSN_MAX)
			return true;
	return false;
}

/*
 * Follow the flags through @c; false when something reads an undefined one,
 * or when another instruction came into being. Sets c->undef.
 */
static bool follow_flags(struct soft *s, struct diff_case *c)
{
	const struct x86_cpu *cpu = soft_cpu(s);
	unsigned int steps;
	struct x86_insn in;
	struct flag_use f;
	uint32_t before = 0;

	soft_load(s, c);
	c->undef = 0;
	for (steps = 0; steps < MAX_STEPS; steps++) {
		uint64_t off = cpu->rip - DIFF_CODE;

		before = c->undef;
		if (!is_start(c, off))
			return false;
		if (off < DIFF_PAGE - X86_INSN_MAX &&
		    !x86_decode(&in, c->code + off, X86_INSN_MAX, c->mode)) {
			f = flags_of(&in, s);
			if (f.reads & c->undef)
				return false;
			c->undef = (c->undef & ~f.define) | f.undef;
		}
		if (!soft_step(s))
			break;
	}
	c->undef |= before;
	return true;
}

/* Put NOPs for all instructions that the difference does not need. */
static void shrink(struct soft *s, struct diff_case *c)
{
	static struct diff_case t;
	unsigned int i;

	for (i = 0; i < c->nr; i++) {
		t = *c;
		memset(t.code + t.insn[i].off, 0x90, t.insn[i].len);
		t.insn[i].len = 0;
		if (follow_flags(s, &t) && run_both(s, &t, false) > 0)
			*c = t;
	}
}

static void disassemble(const struct diff_case *c, const struct diff_insn *in)
{
#ifdef HAVE_ZYDIS
	ZydisDisassembledInstruction z;

	if (ZYAN_SUCCESS(ZydisDisassembleIntel(
		    c->mode == X86_MODE_64 ? ZYDIS_MACHINE_MODE_LONG_64
					   : ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
		    DIFF_CODE + in->off, c->code + in->off, in->len, &z)))
		printf(" %s", z.text);
	else
		printf(" (undefined)");
#endif
	printf(" [%s]\n", x86_op_name(in->op));
	(void)c;
}

static void print_case(const struct diff_case *c)
{
	unsigned int i, k;

	printf("# seed %" PRIu64 "%s\n", c->seed,
	       c->mode == X86_MODE_64 ? "" : ", 32-bit code");
	for (i = 0; i < 16; i++)
		printf("%s%s=%#" PRIx64 "%s", i % 4 ? " " : "#   ", gpr_name[i],
		       c->regs.gpr[i], i % 4 == 3 ? "\n" : "");
	printf("#   rip=%#" PRIx64 " rflags=%#" PRIx64 " fs=%#" PRIx64
	       " gs=%#" PRIx64 " fcw=%#" PRIx64 " fsw=%#" PRIx64
	       " ftw=%#" PRIx64 " mxcsr=%#" PRIx64 "\n",
	       c->regs.rip, c->regs.rflags, c->regs.fs_base, c->regs.gs_base,
	       fx_field(c->regs.fx, 0, 2), fx_field(c->regs.fx, 2, 2),
	       fx_field(c->regs.fx, 4, 1), fx_field(c->regs.fx, 24, 4));
	for (i = 0; i < c->nr; i++) {
		if (!c->insn[i].len)
			continue;
		printf("#   %#llx:", DIFF_CODE + c->insn[i].off);
		for (k = 0; k < c->insn[i].len; k++)
			printf(" %02x", c->code[c->insn[i].off + k]);
		disassemble(c, &c->insn[i]);
	}
}

static void count_case(struct diff_stats *st, const struct diff_case *c,
		       const struct diff_result *r)
{
	unsigned int i;

	st->insns += c->nr;
	if (r->vector < 32)
		st->vector[r->vector]++;
	for (i = 0; i < c->nr; i++) {
		bool last = i == c->nr - 1;
		bool fault = last && r->vector != X86_BP;

		(fault ? st->fault : st->op)[c->insn[i].op]++;
	}
}

bool diff_check(struct generator *g, struct soft *s, uint64_t seed,
		struct diff_stats *st)
{
	static struct diff_case c;
	struct diff_result soft;
	int found;

	generate(g, s, seed, &c);
	soft_result(s, &soft);
	st->cases++;
	found = run_both(s, &c, false);
	if (found < 0) {
		st->skipped++;
		return true;
	}
	soft_result(s, &soft);
	count_case(st, &c, &soft);
	if (!found)
		return true;
	st->failed++;
	shrink(s, &c);
	print_case(&c);
	run_both(s, &c, true);
	return false;
}

void diff_report(const struct diff_stats *st)
{
	unsigned int i, n = 0;

	printf("# %" PRIu64 " cases, %" PRIu64 " instructions, %" PRIu64
	       " differ, %" PRIu64 " skipped\n",
	       st->cases, st->insns, st->failed, st->skipped);
	printf("# ends by vector:");
	for (i = 0; i < 32; i++)
		if (st->vector[i])
			printf(" %u: %" PRIu64, i, st->vector[i]);
	printf("\n# executed (faulted):");
	for (i = 0; i < X86_NR_OPS; i++)
		if (st->op[i] + st->fault[i])
			printf("%s%s %" PRIu64 " (%" PRIu64 ")",
			       n++ % 6 ? ", " : "\n#   ", x86_op_name(i),
			       st->op[i], st->fault[i]);
	printf("\n");
}
