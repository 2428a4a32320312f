// SPDX-License-Identifier: MIT
/*
 * test_ram.c - regions, access checks, listeners and the dirty log.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/checked.h"
#include "memory/ram.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static struct ram *make(uint64_t size)
{
	struct ram *r;

	assert_int_equal(ram_create(&r, size), 0);
	return r;
}

static void ram_create_refuses_odd_and_extreme_sizes(void **state)
{
	const uint64_t bad[] = { 0, MIB - 4096, MIB + 1, 64 * GIB + 4096 };
	struct ram *r;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ram_create(&r, bad[i]), -EINVAL);
		assert_null(r);
	}
}

static void ram_of_one_mib_is_one_region(void **state)
{
	struct ram *r = make(MIB);

	(void)state;
	assert_int_equal(ram_nr_regions(r), 1);
	assert_int_equal(ram_region(r, 0)->size, MIB);
	assert_int_equal(ram_size(r), MIB);
	ram_destroy(r);
}

static void ram_above_three_gib_goes_on_at_four_gib(void **state)
{
	struct ram *r = make(64 * GIB);

	(void)state;
	assert_int_equal(ram_nr_regions(r), 2);
	assert_int_equal(ram_region(r, 0)->size, 3 * GIB);
	assert_int_equal(ram_region(r, 1)->base, 4 * GIB);
	assert_int_equal(ram_region(r, 1)->size, 61 * GIB);
	assert_null(ram_ptr(r, 3 * GIB, 1));
	assert_non_null(ram_ptr(r, 65 * GIB - 1, 1));
	assert_null(ram_ptr(r, 65 * GIB, 1));
	ram_destroy(r);
}

static void ram_ptr_refuses_range_past_end(void **state)
{
	struct ram *r = make(2 * MIB);

	(void)state;
	assert_non_null(ram_ptr(r, 0, 2 * MIB));
	assert_null(ram_ptr(r, 0, 2 * MIB + 1));
	assert_null(ram_ptr(r, 2 * MIB - 1, 2));
	assert_null(ram_ptr(r, 1, UINT64_MAX));
	assert_null(ram_ptr(r, UINT64_MAX, 2));
	ram_destroy(r);
}

static void ram_write_then_read_returns_the_same_bytes(void **state)
{
	struct ram *r = make(2 * MIB);
	char back[6];

	(void)state;
	assert_int_equal(ram_write(r, MIB - 3, "hello", 6), 0);
	assert_int_equal(ram_read(r, MIB - 3, back, 6), 0);
	assert_string_equal(back, "hello");
	assert_int_equal(ram_zero(r, MIB - 3, 2), 0);
	assert_int_equal(ram_read(r, MIB - 3, back, 6), 0);
	assert_memory_equal(back, "\0\0llo", 6);
	ram_destroy(r);
}

static void ram_write_across_the_end_copies_nothing(void **state)
{
	struct ram *r = make(MIB);
	char c = 1;

	(void)state;
	assert_int_equal(ram_write(r, MIB - 1, "ab", 2), -EFAULT);
	assert_int_equal(ram_read(r, MIB - 1, &c, 1), 0);
	assert_int_equal(c, 0);
	assert_int_equal(ram_read(r, MIB, &c, 1), -EFAULT);
	assert_int_equal(ram_zero(r, MIB, 1), -EFAULT);
	ram_destroy(r);
}

struct spy {
	struct ram_listener l;
	int added, removed, refuse_at;
	gpa_t gpa;
	uint64_t len;
	bool log;
};

static int spy_added(struct ram_listener *l, const struct ram_region *g)
{
	struct spy *s = container_of(l, struct spy, l);

	if ((int)g->index == s->refuse_at)
		return -ENOSPC;
	s->added++;
	return 0;
}

static void spy_removed(struct ram_listener *l, const struct ram_region *g)
{
	(void)g;
	container_of(l, struct spy, l)->removed++;
}

static void spy_written(struct ram_listener *l, gpa_t gpa, uint64_t len)
{
	struct spy *s = container_of(l, struct spy, l);

	s->gpa = gpa;
	s->len = len;
}

static int spy_log(struct ram_listener *l, const struct ram_region *g, bool on)
{
	struct spy *s = container_of(l, struct spy, l);

	if (on && (int)g->index == s->refuse_at)
		return -ENOSPC;
	s->log = on;
	return 0;
}

static int spy_fetch(struct ram_listener *l, const struct ram_region *g,
		     uint64_t *bitmap)
{
	(void)l;
	if (g->index == 0)
		bitmap[0] |= 1ull << 5;
	return 0;
}

static struct spy spy(void)
{
	return (struct spy){
		.l = {
			.region_added = spy_added,
			.region_removed = spy_removed,
			.written = spy_written,
			.dirty_log = spy_log,
			.dirty_fetch = spy_fetch,
		},
		.refuse_at = -1,
	};
}

static void listener_hears_of_regions_and_writes(void **state)
{
	struct ram *r = make(5 * GIB);
	struct spy s = spy();

	(void)state;
	assert_int_equal(ram_add_listener(r, &s.l), 0);
	assert_int_equal(s.added, 2);
	ram_write(r, 0x1234, "x", 1);
	assert_int_equal(s.gpa, 0x1234);
	assert_int_equal(s.len, 1);
	ram_written(r, 4 * GIB, 8192);
	assert_int_equal(s.gpa, 4 * GIB);
	ram_del_listener(r, &s.l);
	assert_int_equal(s.removed, 2);
	ram_destroy(r);
}

static void listener_that_refuses_is_not_added(void **state)
{
	struct ram *r = make(5 * GIB);
	struct spy s = spy();

	(void)state;
	s.refuse_at = 1;
	assert_int_equal(ram_add_listener(r, &s.l), -ENOSPC);
	assert_int_equal(s.removed, 1);
	ram_write(r, 0, "x", 1);
	assert_int_equal(s.len, 0);
	ram_destroy(r);
}

static bool bit(const uint64_t *map, uint64_t page)
{
	return map[page / 64] >> (page % 64) & 1;
}

static void dirty_log_joins_device_and_vcpu_writes(void **state)
{
	struct ram *r = make(2 * MIB);
	uint64_t map[8];
	struct spy s = spy();

	(void)state;
	assert_int_equal(ram_dirty_words(r, 0), ARRAY_SIZE(map));
	assert_int_equal(ram_add_listener(r, &s.l), 0);
	ram_write(r, 0, "before", 6);
	assert_int_equal(ram_dirty_fetch(r, 0, map), -EINVAL);
	assert_int_equal(ram_dirty_start(r), 0);
	assert_true(s.log);
	assert_int_equal(ram_dirty_start(r), -EBUSY);

	ram_write(r, 3 * 4096 - 1, "ab", 2);
	ram_written(r, 2 * MIB - 1, 1);
	ram_written(r, 2 * MIB - 1, UINT64_MAX);
	assert_int_equal(ram_dirty_fetch(r, 0, map), 0);
	assert_false(bit(map, 0));
	assert_true(bit(map, 2));
	assert_true(bit(map, 3));
	assert_true(bit(map, 5)); /* the listener's */
	assert_true(bit(map, 511));

	assert_int_equal(ram_dirty_fetch(r, 0, map), 0);
	assert_false(bit(map, 2));

	ram_dirty_stop(r);
	assert_false(s.log);
	ram_del_listener(r, &s.l);
	ram_destroy(r);
}

static void dirty_log_that_fails_to_start_is_off(void **state)
{
	struct ram *r = make(5 * GIB);
	struct spy s = spy();
	uint64_t word;

	(void)state;
	assert_int_equal(ram_add_listener(r, &s.l), 0);
	s.refuse_at = 1;
	assert_int_equal(ram_dirty_start(r), -ENOSPC);
	assert_false(s.log);
	assert_int_equal(ram_dirty_fetch(r, 0, &word), -EINVAL);
	ram_write(r, 0, "x", 1);
	ram_del_listener(r, &s.l);
	ram_destroy(r);
}

/* What the host gave, in pages. */
static uint64_t pages_in_use(const struct ram *r)
{
	struct stat st;

	assert_int_equal(fstat(ram_region(r, 0)->fd, &st), 0);
	return (uint64_t)st.st_blocks * 512 / RAM_PAGE;
}

static void discarded_pages_are_the_hosts_again_and_read_as_zeroes(void **state)
{
	struct ram *r = make(2 * MIB);
	struct spy s = spy();
	char *p = ram_ptr(r, 0, 2 * MIB);

	(void)state;
	memset(p, 0x5a, MIB);
	assert_int_equal(pages_in_use(r), 256);
	assert_int_equal(ram_add_listener(r, &s.l), 0);
	assert_int_equal(ram_discard(r, 4096, 3 * 4096), 0);
	assert_int_equal(pages_in_use(r), 253);
	assert_int_equal(s.gpa, 4096);
	assert_int_equal(s.len, 3 * 4096);
	assert_int_equal(p[4095], 0x5a);
	assert_int_equal(p[4096], 0);
	assert_int_equal(p[4 * 4096 - 1], 0);
	assert_int_equal(p[4 * 4096], 0x5a);
	p[4096] = 7; /* the old pointer is as good as before */
	assert_int_equal(*(char *)ram_ptr(r, 4096, 1), 7);
	ram_del_listener(r, &s.l);
	ram_destroy(r);
}

static void a_discard_above_the_hole_hits_the_right_pages(void **state)
{
	struct ram *r = make(3 * GIB + MIB);

	(void)state;
	ram_write(r, 4 * GIB, "a", 1);
	ram_write(r, 4 * GIB + 4096, "b", 1);
	assert_int_equal(ram_discard(r, 4 * GIB + 4096, 4096), 0);
	assert_int_equal(*(char *)ram_ptr(r, 4 * GIB, 1), 'a');
	assert_int_equal(*(char *)ram_ptr(r, 4 * GIB + 4096, 1), 0);
	ram_destroy(r);
}

static void a_discard_of_other_than_whole_pages_of_ram_is_refused(void **state)
{
	struct ram *r = make(3 * GIB + MIB);

	(void)state;
	ram_write(r, 0, "x", 1);
	assert_int_equal(ram_discard(r, 1, 4096), -EINVAL);
	assert_int_equal(ram_discard(r, 0, 4095), -EINVAL);
	assert_int_equal(ram_discard(r, 0, 0), -EINVAL);
	assert_int_equal(ram_discard(r, 3 * GIB, 4096), -EFAULT);
	assert_int_equal(ram_discard(r, 3 * GIB - 4096, 8192), -EFAULT);
	assert_int_equal(ram_discard(r, 0, UINT64_MAX - 4095), -EFAULT);
	assert_int_equal(ram_discard(r, UINT64_MAX - 4095, 8192), -EFAULT);
	assert_int_equal(*(char *)ram_ptr(r, 0, 1), 'x');
	ram_destroy(r);
}

static void a_host_pointer_has_its_guest_address(void **state)
{
	struct ram *r = make(3 * GIB + MIB);
	char outside;
	gpa_t gpa;

	(void)state;
	assert_true(ram_gpa(r, ram_ptr(r, 0x1234, 1), &gpa));
	assert_int_equal(gpa, 0x1234);
	assert_true(ram_gpa(r, ram_ptr(r, 4 * GIB + MIB - 1, 1), &gpa));
	assert_int_equal(gpa, 4 * GIB + MIB - 1);
	assert_false(ram_gpa(r, &outside, &gpa));
	ram_destroy(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(ram_create_refuses_odd_and_extreme_sizes),
	cmocka_unit_test(ram_of_one_mib_is_one_region),
	cmocka_unit_test(ram_above_three_gib_goes_on_at_four_gib),
	cmocka_unit_test(ram_ptr_refuses_range_past_end),
	cmocka_unit_test(ram_write_then_read_returns_the_same_bytes),
	cmocka_unit_test(ram_write_across_the_end_copies_nothing),
	cmocka_unit_test(listener_hears_of_regions_and_writes),
	cmocka_unit_test(listener_that_refuses_is_not_added),
	cmocka_unit_test(dirty_log_joins_device_and_vcpu_writes),
	cmocka_unit_test(dirty_log_that_fails_to_start_is_off),
	cmocka_unit_test(
		discarded_pages_are_the_hosts_again_and_read_as_zeroes),
	cmocka_unit_test(a_discard_above_the_hole_hits_the_right_pages),
	cmocka_unit_test(a_discard_of_other_than_whole_pages_of_ram_is_refused),
	cmocka_unit_test(a_host_pointer_has_its_guest_address),
};

UNIT_MAIN(tests)
