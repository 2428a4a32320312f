// SPDX-License-Identifier: MIT
/*
 * test_state_hash.c - what the hash of a machine's state sees.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "cmd/state_hash.h"
#include "memory/ram.h"
#include "vcpu/state.h"

#define RAM_SIZE (4ull << 30)

struct fixture {
	struct ram *ram;
	struct cpu_state st;
	char text[STATE_HASH_TEXT];
};

static int set_up(void **state)
{
	static _Alignas(64) struct fixture f;

	memset(&f, 0, sizeof(f));
	*state = &f;
	return ram_create(&f.ram, RAM_SIZE);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	ram_destroy(f->ram);
	return 0;
}

static const char *hash(struct fixture *f)
{
	struct state_hash *h;

	assert_int_equal(state_hash_create(&h), 0);
	state_hash_cpu(h, &f->st);
	assert_int_equal(state_hash_ram(h, f->ram), 0);
	state_hash_finish(h, f->text);
	return f->text;
}

static void the_hash_is_32_digits(void **state)
{
	const char *text = hash(*state);

	assert_int_equal(strlen(text), 32);
	assert_int_equal(strspn(text, "0123456789abcdef"), 32);
}

static void equal_states_have_equal_hashes(void **state)
{
	struct fixture *f = *state;
	char first[STATE_HASH_TEXT];

	ram_write(f->ram, 0x12345, "text", 4);
	strcpy(first, hash(f));
	assert_string_equal(hash(f), first);
}

/* Where RAM is touched, but zero, is the host's affair. */
static void a_page_of_zeroes_is_like_one_never_touched(void **state)
{
	struct fixture *f = *state;
	char first[STATE_HASH_TEXT];

	strcpy(first, hash(f));
	ram_zero(f->ram, 0x5000, 0x3000);
	assert_string_equal(hash(f), first);
}

static void a_byte_in_each_region_counts(void **state)
{
	static const gpa_t at[] = { 0,		0xfff,
				    0x5000,	(3ull << 30) - 1,
				    1ull << 32, (5ull << 30) - 1 };
	struct fixture *f = *state;
	char last[STATE_HASH_TEXT];

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		strcpy(last, hash(f));
		assert_int_equal(ram_write(f->ram, at[i], "x", 1), 0);
		assert_string_not_equal(hash(f), last);
	}
}

static void the_same_bytes_elsewhere_count(void **state)
{
	struct fixture *f = *state;
	char last[STATE_HASH_TEXT];

	ram_write(f->ram, 0x5000, "x", 1);
	strcpy(last, hash(f));
	ram_zero(f->ram, 0x5000, 1);
	ram_write(f->ram, 0x6000, "x", 1);
	assert_string_not_equal(hash(f), last);
}

static void registers_count(void **state)
{
	struct fixture *f = *state;
	char last[STATE_HASH_TEXT];

	strcpy(last, hash(f));
	f->st.gpr[CPU_R15] = 1;
	assert_string_not_equal(hash(f), last);
	strcpy(last, hash(f));
	f->st.events.shadow_mov_ss = true;
	assert_string_not_equal(hash(f), last);
	strcpy(last, hash(f));
	f->st.lapic[CPU_LAPIC_SIZE - 1] = 1;
	assert_string_not_equal(hash(f), last);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	TEST(the_hash_is_32_digits),
	TEST(equal_states_have_equal_hashes),
	TEST(a_page_of_zeroes_is_like_one_never_touched),
	TEST(a_byte_in_each_region_counts),
	TEST(the_same_bytes_elsewhere_count),
	TEST(registers_count),
};

UNIT_MAIN(tests)
