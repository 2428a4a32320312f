// SPDX-License-Identifier: MIT
/*
 * test_x86_diff.c - 20,000 instruction sequences on vcpu/x86 and on the
 * host's CPU. `make engines-long` runs a million.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>

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
	cmocka_unit_test(every_instruction_does_what_the_host_cpu_does),
};

UNIT_MAIN(tests)
