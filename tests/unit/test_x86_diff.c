// SPDX-License-Identifier: MIT
/*
 * test_x86_diff.c - 20,000 instruction sequences on vcpu/x86 and on the
 * host's CPU. `make engines-long` runs a million.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "tests/engines/diff.h"

#define SEED  1
#define COUNT 20000

static uint64_t seed(void)
{
	const char *text = getenv("DIFF_SEED");

	return text ? strtoull(text, NULL, 0) : SEED;
}

static void every_instruction_does_what_the_host_cpu_does(void **state)
{
	static struct diff_stats st;
	uint64_t first = seed(), i;
	struct generator *g;
	struct soft *s;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	/* Its shadow lies where 32-bit code finds no memory otherwise. */
	print_message("# the sanitizer maps what must not be mapped\n");
	skip();
#endif
	assert_int_equal(generator_create(&g), 0);
	assert_int_equal(soft_create(&s), 0);
	assert_int_equal(native_start(), 0);
	for (i = 0; i < COUNT && st.failed < 20; i++)
		diff_check(g, s, first + i, &st);
	native_stop();
	diff_report(&st);
	soft_destroy(s);
	generator_destroy(g);
	assert_int_equal(st.failed, 0);
	assert_true(st.skipped < COUNT / 1000);
}

/* @insn on XMM1 and XMM2, of four floats or two doubles each. */
static void set_case(struct diff_case *c, const uint8_t *insn, uint32_t mxcsr,
		     bool doubles)
{
	static const double d[4] = { 0x1.8p-1022, 0x1.8p-1022, 0x1p-1022,
				     0x1p-1022 };
	static const float f[8] = { 0x1.8p-126f, 0x1.8p-126f, 0x1.8p-126f,
				    0x1.8p-126f, 0x1p-126f,   0x1p-126f,
				    0x1p-126f,	 0x1p-126f };
	const uint16_t fcw = 0x37f;

	memset(c, 0, sizeof(*c));
	c->mode = X86_MODE_64;
	c->regs.rip = DIFF_CODE;
	c->regs.rflags = 0x202;
	c->regs.gpr[4] = DIFF_DATA + 0x800;
	memcpy(c->regs.fx, &fcw, 2);
	memcpy(c->regs.fx + 24, &mxcsr, 4);
	if (doubles)
		memcpy(c->regs.fx + 160 + 16, d, sizeof(d));
	else
		memcpy(c->regs.fx + 160 + 16, f, sizeof(f));
	memset(c->code, 0xcc, sizeof(c->code));
	memcpy(c->code, insn, 4);
}

/* 1.5 - 1 times the smallest normal number: tiny, and exact. */
static void unmasked_underflow_is_raised_for_exact_results(void **state)
{
	static const struct {
		uint8_t insn[4];
		bool doubles;
	} list[] = {
		{ { 0xf2, 0x0f, 0x5c, 0xca }, true },  /* subsd */
		{ { 0x66, 0x0f, 0x5c, 0xca }, true },  /* subpd */
		{ { 0xf3, 0x0f, 0x5c, 0xca }, false }, /* subss */
		{ { 0x0f, 0x5c, 0xca, 0x90 }, false }, /* subps */
		{ { 0x66, 0x0f, 0xd0, 0xca }, true },  /* addsubpd */
		{ { 0xf2, 0x0f, 0x7d, 0xc9 }, false }, /* hsubps: zeroes */
		{ { 0x66, 0x0f, 0x58, 0xca }, true },  /* addpd: normal */
	};
	/* UM off; and FTZ, which does not count then; all masked */
	static const uint32_t mxcsr[] = { 0x1780, 0x9780, 0x1f80, 0x9f80 };
	static struct diff_result native, soft;
	static struct diff_case c;
	struct soft *s;
	size_t i, k;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip();
#endif
	assert_int_equal(soft_create(&s), 0);
	assert_int_equal(native_start(), 0);
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		for (k = 0; k < sizeof(mxcsr) / sizeof(mxcsr[0]); k++) {
			set_case(&c, list[i].insn, mxcsr[k], list[i].doubles);
			soft_load(s, &c);
			assert_true(soft_run(s, 10));
			assert_true(native_run(&c, &native));
			soft_result(s, &soft);
			assert_int_equal(native.vector,
					 i < 5 && k < 2 ? 19 : 3);
			assert_int_equal(diff_compare(&c, &native, &soft), 0);
		}
	native_stop();
	soft_destroy(s);
}

/* A comparison that sees nothing proves nothing. */
static void a_wrong_register_is_seen(void **state)
{
	static struct diff_result a, b;
	static struct diff_case c = { .mode = X86_MODE_64 };

	(void)state;
	assert_int_equal(diff_compare(&c, &a, &b), 0);
	b.regs.gpr[15] = 1;
	assert_int_equal(diff_compare(&c, &a, &b), 1);
	b.regs.gpr[15] = 0;
	b.data[DIFF_DATA_SIZE - 1] = 1;
	assert_int_equal(diff_compare(&c, &a, &b), 1);
}

static void a_wrong_flag_is_seen_unless_it_is_undefined(void **state)
{
	static struct diff_result a, b;
	static struct diff_case c = { .mode = X86_MODE_64 };

	(void)state;
	a.regs.rflags = 0x1;
	assert_int_equal(diff_compare(&c, &a, &b), 1);
	c.undef = 0x1;
	assert_int_equal(diff_compare(&c, &a, &b), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_wrong_register_is_seen),
	cmocka_unit_test(a_wrong_flag_is_seen_unless_it_is_undefined),
	cmocka_unit_test(unmasked_underflow_is_raised_for_exact_results),
	cmocka_unit_test(every_instruction_does_what_the_host_cpu_does),
};

UNIT_MAIN(tests)
