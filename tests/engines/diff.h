/* SPDX-License-Identifier: MIT */
/*
 * diff.h - user-level instructions on the host's CPU and on vcpu/x86, from
 * the same state, compared.
 *
 * How it works. A case is a register file, a window of memory and a code page
 * with up to twenty instructions; all of it lies at the same linear addresses
 * for the host (native.c) and for the software CPU (soft.c), so that no
 * operand is rewritten. Both run until an exception; the code page is full of
 * INT3, so that there always is one. generate.c makes cases, flags.c knows
 * what the SDM leaves undefined, compare.c finds and prints differences.
 *
 *   DIFF_CODE     instructions             user, read and execute
 *   + 1 page      not present
 *   DIFF_DATA     two pages of operands    user, write, no execute
 *   DIFF_RO       one page more            user, read only
 *   + 1 page      not present
 *
 * Threads: the main one only; signal handlers are installed.
 */
#ifndef MINIVMM_TESTS_ENGINES_DIFF_H
#define MINIVMM_TESTS_ENGINES_DIFF_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vcpu/x86/insn.h"

#define DIFF_PAGE      4096ull
#define DIFF_CODE      0x10000000ull
#define DIFF_DATA      0x10002000ull
#define DIFF_DATA_SIZE (2 * DIFF_PAGE)
#define DIFF_RO	       0x10004000ull
#define DIFF_END       0x10005000ull
#define DIFF_INSNS     20
#define DIFF_FX_SIZE   512

/* Offsets in native.S follow this. */
struct diff_regs {
	uint64_t gpr[16]; /* enum cpu_gpr */
	uint64_t rip, rflags;
	uint64_t fs_base, gs_base;
	uint64_t cs, ds; /* selectors; native only */
	uint64_t unused[2];
	_Alignas(16) uint8_t fx[DIFF_FX_SIZE];
};

#define DIFF_CRASHED  997u /* a signal inside vcpu/x86 */
#define DIFF_RUNNING  998u
#define DIFF_SHUTDOWN 999u

struct diff_result {
	struct diff_regs regs;
	unsigned int vector; /* of the exception, or DIFF_ */
	uint64_t error, cr2;
	uint8_t data[DIFF_DATA_SIZE];
};

/* One instruction of a case: where it is in the code page. */
struct diff_insn {
	uint16_t off;
	uint8_t len;
	uint16_t op; /* enum x86_op, for statistics */
};

/* Bytes of memory that need not be equal. */
struct diff_hole {
	uint64_t addr;
	unsigned int len;
};

#define DIFF_HOLES 8

struct diff_case {
	uint64_t seed;
	enum x86_mode mode; /* 64 bits, or 32 beside them */
	struct diff_regs regs;
	uint8_t code[DIFF_PAGE];
	uint8_t data[DIFF_DATA_SIZE];
	uint8_t ro[DIFF_PAGE];
	unsigned int nr;
	struct diff_insn insn[DIFF_INSNS];
	struct diff_hole hole[DIFF_HOLES];
	unsigned int nr_holes;
	bool in_parts;	   /* the last one may fault at any byte */
	bool either_first; /* it has two operands that may fault */
	bool aligned;	   /* it may fault for alignment, too */
	uint32_t undef;	   /* status flags that are undefined at the end */
};

/* native.c: the host's CPU. 0 or -errno. */
int native_start(void);
void native_stop(void);
bool native_has_fsgsbase(void);
/* Any number of times between; false: the case did not end in a second. */
bool native_run(const struct diff_case *c, struct diff_result *r);
/*
 * Signals outside a case go to @where (sigsetjmp() without the mask), which
 * calls native_rescued(); NULL: to their default action.
 */
void native_guard(sigjmp_buf *where);
void native_rescued(void);

/* soft.c: the semantics of vcpu/x86. */
struct soft;
int soft_create(struct soft **out);
void soft_destroy(struct soft *s);
/* Take over registers, code and data of @c. */
void soft_load(struct soft *s, const struct diff_case *c);
/* Take over the code of @c again: an instruction was added. */
void soft_load_code(struct soft *s, const struct diff_case *c);
/* One instruction; false: it raised an exception, which was delivered. */
bool soft_step(struct soft *s);
/* Until an exception; false: more than @steps instructions. */
bool soft_run(struct soft *s, unsigned int steps);
void soft_result(struct soft *s, struct diff_result *r);
/* Between soft_load() and an exception: what the next instruction sees. */
const struct x86_cpu *soft_cpu(const struct soft *s);
uint64_t soft_peek(const struct soft *s, uint64_t addr, unsigned int size);

/* flags.c: what the SDM says of the six status flags. */
struct flag_use {
	uint32_t reads, undef, define;
};

/* For @in as it runs next on @s. */
struct flag_use flags_of(const struct x86_insn *in, const struct soft *s);

/* generate.c */
struct generator;
int generator_create(struct generator **out);
void generator_destroy(struct generator *g);
/* Make the case of @seed, running it on @s meanwhile. */
void generate(struct generator *g, struct soft *s, uint64_t seed,
	      struct diff_case *c);
/* How many encodings are known, and one line for each that is left out. */
void generator_describe(const struct generator *g);

/* compare.c */
struct diff_stats {
	uint64_t cases, insns, failed, skipped;
	uint64_t op[X86_NR_OPS];    /* executed without a fault */
	uint64_t fault[X86_NR_OPS]; /* ended in an exception */
	uint64_t vector[32];
};

/* How many registers, or bytes of memory, differ after @c. */
unsigned int diff_compare(const struct diff_case *c,
			  const struct diff_result *n,
			  const struct diff_result *s);
/* Run case @seed on both sides; true when equal. Prints what is not. */
bool diff_check(struct generator *g, struct soft *s, uint64_t seed,
		struct diff_stats *st);
void diff_report(const struct diff_stats *st);

#endif
