// SPDX-License-Identifier: MIT
/*
 * test_balloon.c - what the balloon device gives back to the host, and what
 * it leaves alone.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/checked.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/fake_transport.h"
#include "virtio/balloon.h"

#define RAM_SIZE  (16ull << 20)
#define PAGE	  4096ull
#define RING_AT	  0x1000
#define RING_STEP 0x1000
#define LIST_AT	  0x8000
#define DATA_AT	  0x100000ull /* and up: filled with FILL */
#define FILL	  0x5a
#define NO_PAGE	  0xfffffffful

#define F_STATS	    (1u << 1)
#define F_OOM	    (1u << 2)
#define F_REPORTING (1u << 5)

enum {
	INFLATE,
	DEFLATE,
	REPORT,
	UNUSED,
	REPORT_TOO,
	QUEUES
};

struct fixture {
	struct ram *ram;
	struct loop *loop;
	struct virtio_dev *dev;
	struct fake_transport t;
	struct ring r[QUEUES];
};

static void start(struct fixture *f, uint64_t features)
{
	uint16_t q;

	fake_negotiate(f->dev, features | VIRTIO_F_VERSION_1);
	for (q = 0; q < QUEUES; q++) {
		ring_init(&f->r[q], f->ram, RING_AT + q * RING_STEP, 16);
		fake_set_queue(f->dev, q, &f->r[q]);
	}
	virtio_dev_set_status(f->dev, 1 | 2 | 8 | 4);
}

static void create(struct fixture *f, const struct virtio_balloon_params *p)
{
	assert_int_equal(virtio_balloon_create(&f->dev, f->ram, f->loop, p), 0);
	fake_attach(&f->t, f->dev);
}

static const struct virtio_balloon_params params = {
	.name = "balloon0",
	.size = 4ull << 20,
	.report_free = true,
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || ram_create(&f->ram, RAM_SIZE) ||
	    loop_create(&f->loop, LOOP_AUTO, 1))
		return -1;
	create(f, &params);
	start(f, F_REPORTING);
	memset(ram_ptr(f->ram, DATA_AT, RAM_SIZE - DATA_AT), FILL,
	       RAM_SIZE - DATA_AT);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fake_teardown(f->dev, f->loop, f->ram);
	free(f);
	return 0;
}

static uint64_t pages_in_use(const struct fixture *f)
{
	struct stat st;

	assert_int_equal(fstat(ram_region(f->ram, 0)->fd, &st), 0);
	return (uint64_t)st.st_blocks * 512 / PAGE;
}

static uint8_t byte_at(const struct fixture *f, gpa_t gpa)
{
	return *(uint8_t *)ram_ptr(f->ram, gpa, 1);
}

static uint32_t data_page(unsigned int i)
{
	return (uint32_t)(DATA_AT / PAGE + i);
}

/* Offer a list of @nr page numbers at LIST_AT. */
static void offer_list(struct fixture *f, uint16_t q, uint32_t bytes)
{
	ring_desc(&f->r[q], 0, LIST_AT, bytes, 0, 0);
	ring_offer(&f->r[q], 0);
	virtio_dev_kick(f->dev, q);
}

static void offer_pages(struct fixture *f, uint16_t q, const uint32_t *page,
			uint32_t nr)
{
	assert_int_equal(ram_write(f->ram, LIST_AT, page, 4ull * nr), 0);
	offer_list(f, q, 4 * nr);
}

static void finish(struct fixture *f, uint16_t q)
{
	struct ring_used u;

	fake_loop_run(f->loop);
	assert_true(ring_take(&f->r[q], &u));
	assert_int_equal(u.len, 0);
	assert_false(ring_take(&f->r[q], &u));
}

static void device_is_a_balloon_that_says_its_size(void **state)
{
	struct fixture *f = *state;
	uint32_t num_pages, actual = 77;

	assert_int_equal(f->dev->ops->type, 5);
	virtio_dev_config_read(f->dev, 0, &num_pages, 4);
	assert_int_equal(num_pages, 1024);
	virtio_dev_config_read(f->dev, 4, &actual, 4);
	assert_int_equal(actual, 0);
}

static void a_size_of_other_than_whole_pages_is_refused(void **state)
{
	struct fixture *f = *state;
	struct virtio_balloon_params p = params;
	struct virtio_dev *d;

	p.size = 4097;
	assert_int_equal(virtio_balloon_create(&d, f->ram, f->loop, &p),
			 -EINVAL);
	p.size = PAGE << 32;
	assert_int_equal(virtio_balloon_create(&d, f->ram, f->loop, &p),
			 -EINVAL);
	assert_null(d);
}

static void features_are_those_asked_for(void **state)
{
	struct fixture *f = *state;
	struct virtio_balloon_params p = { .name = "b" };
	const uint32_t ours = F_STATS | F_OOM | F_REPORTING;

	assert_int_equal(virtio_dev_features(f->dev, 0) & ours, F_REPORTING);
	virtio_dev_destroy(f->dev);
	create(f, &p);
	assert_int_equal(virtio_dev_features(f->dev, 0) & ours, 0);
	p.deflate_on_oom = true;
	virtio_dev_destroy(f->dev);
	create(f, &p);
	assert_int_equal(virtio_dev_features(f->dev, 0) & ours, F_OOM);
}

static void the_driver_writes_actual_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	uint32_t v = 5, config[4];

	virtio_dev_config_write(f->dev, 0, &v, 4);
	virtio_dev_config_write(f->dev, 4, &v, 4);
	virtio_dev_config_write(f->dev, 6, &v, 2);
	virtio_dev_config_write(f->dev, 12, &v, 4);
	virtio_dev_config_read(f->dev, 0, config, 16);
	assert_int_equal(config[0], 1024);
	assert_int_equal(config[1], 5);
	assert_int_equal(config[3], 0);
}

static void pages_put_into_the_balloon_go_to_the_host(void **state)
{
	struct fixture *f = *state;
	const uint32_t page[] = { data_page(7), data_page(3), data_page(4) };
	uint64_t before;

	ram_zero(f->ram, LIST_AT, PAGE);
	before = pages_in_use(f);
	offer_pages(f, INFLATE, page, 3);
	finish(f, INFLATE);
	assert_int_equal(pages_in_use(f), before - 3);
	assert_int_equal(byte_at(f, DATA_AT + 2 * PAGE), FILL);
	assert_int_equal(byte_at(f, DATA_AT + 3 * PAGE), 0);
	assert_int_equal(byte_at(f, DATA_AT + 4 * PAGE), 0);
	assert_int_equal(byte_at(f, DATA_AT + 5 * PAGE), FILL);
	assert_int_equal(byte_at(f, DATA_AT + 7 * PAGE), 0);
	assert_int_equal(f->t.interrupts[INFLATE], 1);
}

static void a_page_named_twice_is_one(void **state)
{
	struct fixture *f = *state;
	const uint32_t page[] = { data_page(1), data_page(1), data_page(2),
				  data_page(1) };

	offer_pages(f, INFLATE, page, 4);
	finish(f, INFLATE);
	assert_int_equal(byte_at(f, DATA_AT), FILL);
	assert_int_equal(byte_at(f, DATA_AT + PAGE), 0);
	assert_int_equal(byte_at(f, DATA_AT + 2 * PAGE), 0);
	assert_int_equal(byte_at(f, DATA_AT + 3 * PAGE), FILL);
}

static void pages_outside_ram_are_ignored_and_others_are_not(void **state)
{
	struct fixture *f = *state;
	const uint32_t page[] = { NO_PAGE, RAM_SIZE / PAGE + 1, data_page(0),
				  LAYOUT_HOLE_BASE / PAGE, 0x80000000 };

	offer_pages(f, INFLATE, page, 5);
	finish(f, INFLATE);
	assert_int_equal(byte_at(f, DATA_AT), 0);
	assert_int_equal(virtio_dev_get_status(f->dev) & 64, 0);
}

static void odd_lists_end_well(void **state)
{
	struct fixture *f = *state;
	const uint32_t page[] = { data_page(0), data_page(1) };

	/* Half a number at the end; a list without a number. */
	ram_write(f->ram, LIST_AT, page, 8);
	offer_list(f, INFLATE, 7);
	finish(f, INFLATE);
	assert_int_equal(byte_at(f, DATA_AT), 0);
	assert_int_equal(byte_at(f, DATA_AT + PAGE), FILL);
	offer_list(f, INFLATE, 3);
	finish(f, INFLATE);
	/* Writable where it should be readable. */
	ring_desc(&f->r[INFLATE], 0, DATA_AT + PAGE, 8, RING_WRITE, 0);
	ring_offer(&f->r[INFLATE], 0);
	virtio_dev_kick(f->dev, INFLATE);
	finish(f, INFLATE);
	assert_int_equal(byte_at(f, DATA_AT + PAGE), FILL);
}

static void long_lists_are_done_in_slices(void **state)
{
	struct fixture *f = *state;
	uint32_t page[1000];
	struct ring_used u;

	/* Every second one: no neighbours. */
	for (unsigned int i = 0; i < ARRAY_SIZE(page); i++)
		page[i] = data_page(2 * (i % 900));
	f->loop->hold = true;
	offer_pages(f, INFLATE, page, ARRAY_SIZE(page));
	assert_false(ring_take(&f->r[INFLATE], &u));
	assert_int_equal(f->loop->nr_tasks, 1);
	assert_int_equal(byte_at(f, DATA_AT), 0);
	assert_int_equal(byte_at(f, DATA_AT + 2 * 255 * PAGE), FILL);
	finish(f, INFLATE);
	assert_int_equal(byte_at(f, DATA_AT + 2 * 899 * PAGE), 0);
	assert_int_equal(byte_at(f, DATA_AT + 1797 * PAGE), FILL);
}

static void a_kick_during_a_long_list_changes_nothing(void **state)
{
	struct fixture *f = *state;
	uint32_t page[200];
	struct ring_used u;

	for (unsigned int i = 0; i < ARRAY_SIZE(page); i++)
		page[i] = data_page(2 * i);
	f->loop->hold = true;
	offer_pages(f, INFLATE, page, ARRAY_SIZE(page));
	ring_offer(&f->r[INFLATE], 0);
	virtio_dev_kick(f->dev, INFLATE);
	virtio_dev_kick(f->dev, DEFLATE);
	fake_loop_run(f->loop);
	assert_true(ring_take(&f->r[INFLATE], &u));
	assert_true(ring_take(&f->r[INFLATE], &u));
	assert_int_equal(byte_at(f, DATA_AT + 2 * 199 * PAGE), 0);
}

static void a_reset_during_a_long_list_ends_it(void **state)
{
	struct fixture *f = *state;
	uint32_t page[200];

	for (unsigned int i = 0; i < ARRAY_SIZE(page); i++)
		page[i] = data_page(2 * i);
	f->loop->hold = true;
	offer_pages(f, INFLATE, page, ARRAY_SIZE(page));
	f->loop->hold = false;
	virtio_dev_set_status(f->dev, 0);
	assert_int_equal(virtio_dev_get_status(f->dev), 0);
	fake_loop_run(f->loop);
	assert_int_equal(byte_at(f, DATA_AT + 2 * 199 * PAGE), FILL);
	start(f, F_REPORTING);
	offer_pages(f, INFLATE, page, 1);
	finish(f, INFLATE);
}

static void pages_taken_back_are_only_acknowledged(void **state)
{
	struct fixture *f = *state;
	const uint32_t page[] = { data_page(0), NO_PAGE };

	offer_pages(f, DEFLATE, page, 2);
	finish(f, DEFLATE);
	assert_int_equal(byte_at(f, DATA_AT), FILL);
}

/* One chain of two pieces, as free page reporting makes them. */
static void report(struct fixture *f, uint16_t q, gpa_t a, uint32_t a_len,
		   gpa_t b, uint32_t b_len)
{
	ring_desc(&f->r[q], 0, a, a_len, RING_WRITE | RING_NEXT, 1);
	ring_desc(&f->r[q], 1, b, b_len, RING_WRITE, 0);
	ring_offer(&f->r[q], 0);
	virtio_dev_kick(f->dev, q);
}

static void reported_pages_go_to_the_host(void **state)
{
	struct fixture *f = *state;
	const uint16_t queue[] = { REPORT, REPORT_TOO };
	uint64_t before = pages_in_use(f);

	for (unsigned int i = 0; i < ARRAY_SIZE(queue); i++) {
		gpa_t at = DATA_AT + i * (6ull << 20);

		report(f, queue[i], at, 4u << 20, at + (5u << 20), PAGE);
		finish(f, queue[i]);
		assert_int_equal(pages_in_use(f), before - 1025);
		assert_int_equal(byte_at(f, at), 0);
		assert_int_equal(byte_at(f, at + (4u << 20) - 1), 0);
		assert_int_equal(byte_at(f, at + (4u << 20)), FILL);
		before = pages_in_use(f);
	}
}

static void reports_of_parts_of_pages_are_ignored(void **state)
{
	struct fixture *f = *state;

	report(f, REPORT, DATA_AT + 1, PAGE, DATA_AT + 2 * PAGE, PAGE - 1);
	finish(f, REPORT);
	assert_int_equal(byte_at(f, DATA_AT + 1), FILL);
	assert_int_equal(byte_at(f, DATA_AT + 2 * PAGE), FILL);
}

static void reports_of_readable_memory_are_ignored(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r[REPORT], 0, DATA_AT, PAGE, 0, 0);
	ring_offer(&f->r[REPORT], 0);
	virtio_dev_kick(f->dev, REPORT);
	finish(f, REPORT);
	assert_int_equal(byte_at(f, DATA_AT), FILL);
}

static void a_large_report_is_done_in_slices(void **state)
{
	struct fixture *f = *state;
	struct ring_used u;

	f->loop->hold = true;
	report(f, REPORT, DATA_AT, 8u << 20, DATA_AT + (9u << 20), PAGE);
	assert_false(ring_take(&f->r[REPORT], &u));
	assert_int_equal(byte_at(f, DATA_AT), 0);
	assert_int_equal(byte_at(f, DATA_AT + (4u << 20)), FILL);
	finish(f, REPORT);
	assert_int_equal(byte_at(f, DATA_AT + (9u << 20)), 0);
}

static void without_reporting_its_queues_do_nothing(void **state)
{
	struct fixture *f = *state;
	struct virtio_balloon_params p = { .name = "b" };
	struct ring_used u;

	virtio_dev_destroy(f->dev);
	create(f, &p);
	start(f, 0);
	report(f, REPORT, DATA_AT, PAGE, DATA_AT + PAGE, PAGE);
	fake_loop_run(f->loop);
	assert_false(ring_take(&f->r[REPORT], &u));
	assert_int_equal(byte_at(f, DATA_AT), FILL);
}

struct spy {
	struct ram_listener l;
	uint64_t written; /* bytes at DATA_AT and up */
};

static void spy_written(struct ram_listener *l, gpa_t gpa, uint64_t len)
{
	if (gpa >= DATA_AT)
		container_of(l, struct spy, l)->written += len;
}

static void engines_hear_of_what_was_given_back(void **state)
{
	struct fixture *f = *state;
	struct spy s = { .l.written = spy_written };
	const uint32_t page[] = { data_page(0), data_page(2) };

	assert_int_equal(ram_add_listener(f->ram, &s.l), 0);
	offer_pages(f, INFLATE, page, 2);
	finish(f, INFLATE);
	assert_int_equal(s.written, 2 * PAGE);
	report(f, REPORT, DATA_AT, 2u << 20, DATA_AT + (3u << 20), PAGE);
	finish(f, REPORT);
	assert_int_equal(s.written, 3 * PAGE + (2u << 20));
	ram_del_listener(f->ram, &s.l);
}

static void damaged_ring_breaks_the_device(void **state)
{
	struct fixture *f = *state;

	ring_offer(&f->r[INFLATE], 77);
	virtio_dev_kick(f->dev, INFLATE);
	assert_int_equal(virtio_dev_get_status(f->dev) & 64, 64);
}

static void a_ring_that_is_given_away_hurts_only_its_driver(void **state)
{
	struct fixture *f = *state;
	const uint32_t page[] = { (uint32_t)(f->r[INFLATE].desc / PAGE) };

	offer_pages(f, INFLATE, page, 1);
	fake_loop_run(f->loop);
	offer_list(f, INFLATE, 4);
	fake_loop_run(f->loop);
	virtio_dev_set_status(f->dev, 0);
	assert_int_equal(virtio_dev_get_status(f->dev), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(device_is_a_balloon_that_says_its_size),
	TEST(a_size_of_other_than_whole_pages_is_refused),
	TEST(features_are_those_asked_for),
	TEST(the_driver_writes_actual_and_nothing_else),
	TEST(pages_put_into_the_balloon_go_to_the_host),
	TEST(a_page_named_twice_is_one),
	TEST(pages_outside_ram_are_ignored_and_others_are_not),
	TEST(odd_lists_end_well),
	TEST(long_lists_are_done_in_slices),
	TEST(a_kick_during_a_long_list_changes_nothing),
	TEST(a_reset_during_a_long_list_ends_it),
	TEST(pages_taken_back_are_only_acknowledged),
	TEST(reported_pages_go_to_the_host),
	TEST(reports_of_parts_of_pages_are_ignored),
	TEST(reports_of_readable_memory_are_ignored),
	TEST(a_large_report_is_done_in_slices),
	TEST(without_reporting_its_queues_do_nothing),
	TEST(engines_hear_of_what_was_given_back),
	TEST(damaged_ring_breaks_the_device),
	TEST(a_ring_that_is_given_away_hurts_only_its_driver),
};

UNIT_MAIN(tests)
