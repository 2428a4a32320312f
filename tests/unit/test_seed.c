// SPDX-License-Identifier: MIT
/*
 * test_seed.c - numbers that follow from a seed.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "base/seed.h"

static void the_generator_is_xoshiro256_starstar(void **state)
{
	/* The reference program's first numbers from this state. */
	struct seed s = { { 1, 2, 3, 4 } };

	(void)state;
	assert_int_equal(seed_next(&s), 11520);
	assert_int_equal(seed_next(&s), 0);
	assert_int_equal(seed_next(&s), 1509978240);
	assert_int_equal(seed_next(&s), 1215971899390074240);
}

static void the_same_seed_gives_the_same_numbers(void **state)
{
	struct seed a, b;

	(void)state;
	seed_init(&a, 7, SEED_CPU);
	seed_init(&b, 7, SEED_CPU);
	for (int i = 0; i < 100; i++)
		assert_int_equal(seed_next(&a), seed_next(&b));
}

static void another_seed_gives_other_numbers(void **state)
{
	struct seed a, b;

	(void)state;
	seed_init(&a, 0, SEED_CPU);
	seed_init(&b, 1, SEED_CPU);
	assert_int_not_equal(seed_next(&a), seed_next(&b));
}

static void streams_of_one_seed_differ(void **state)
{
	struct seed a, b;

	(void)state;
	seed_init(&a, 0, SEED_CPU);
	seed_init(&b, 0, SEED_DEVICE);
	assert_int_not_equal(seed_next(&a), seed_next(&b));
}

/* A stream is not another's with another seed: 0 and 1 are what users take. */
static void small_seeds_do_not_swap_streams(void **state)
{
	struct seed a, b;

	(void)state;
	seed_init(&a, 1, SEED_BOOT);
	seed_init(&b, 0, SEED_CPU);
	assert_int_not_equal(seed_next(&a), seed_next(&b));
}

static void filling_gives_all_bytes_and_none_more(void **state)
{
	uint8_t buf[12], want[16];
	struct seed s;

	(void)state;
	seed_init(&s, 0, SEED_BOOT);
	seed_fill(&s, want, 16);
	memset(buf, 0x55, sizeof(buf));
	seed_init(&s, 0, SEED_BOOT);
	seed_fill(&s, buf, 11);
	assert_memory_equal(buf, want, 11);
	assert_int_equal(buf[11], 0x55);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_generator_is_xoshiro256_starstar),
	cmocka_unit_test(the_same_seed_gives_the_same_numbers),
	cmocka_unit_test(another_seed_gives_other_numbers),
	cmocka_unit_test(streams_of_one_seed_differ),
	cmocka_unit_test(small_seeds_do_not_swap_streams),
	cmocka_unit_test(filling_gives_all_bytes_and_none_more),
};

UNIT_MAIN(tests)
