// SPDX-License-Identifier: MIT
/*
 * test_limit.c - token buckets: what passes at once, what in a while, and that
 * whoever has to wait is called. Time is the test's.
 */
#include "tests/unit/unit.h"

#include <string.h>
#include <time.h>

#include "tests/unit/fake_loop.h"
#include "virtio/limit.h"

#define SECOND 1000000000ull

struct fixture {
	struct virtio_limit limit;
	struct loop *loop;
	unsigned int called;
};

static uint64_t now;

/* The C library's is not asked. */
int clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	t->tv_sec = (time_t)(now / SECOND);
	t->tv_nsec = (long)(now % SECOND);
	return 0;
}

static void handle_ready(struct virtio_limit *l)
{
	((struct fixture *)l)->called++;
}

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	now = 77 * SECOND;
	*state = &f;
	return loop_create(&f.loop, LOOP_AUTO, 1);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_destroy(f->loop);
	return 0;
}

static void start(struct fixture *f, uint64_t bandwidth, uint64_t burst,
		  uint64_t ops, uint64_t ops_burst)
{
	const struct virtio_limit_params p = { bandwidth, burst, ops,
					       ops_burst };

	virtio_limit_init(&f->limit, &p, f->loop, handle_ready);
}

/* Operations of @bytes that go now, up to 10000. */
static unsigned int count(struct fixture *f, uint64_t bytes)
{
	unsigned int n = 0;

	/* The timer of an earlier refusal ends first. */
	fake_loop_run(f->loop);
	while (n < 10000 && virtio_limit_allows(&f->limit)) {
		virtio_limit_charge(&f->limit, bytes);
		n++;
	}
	return n;
}

static void without_limits_everything_goes(void **state)
{
	struct fixture *f = *state;

	start(f, 0, 0, 0, 0);
	assert_int_equal(count(f, UINT32_MAX), 10000);
	virtio_limit_init(&f->limit, NULL, f->loop, handle_ready);
	assert_int_equal(count(f, UINT32_MAX), 10000);
	assert_int_equal(f->loop->nr_started, 0);
}

static void bytes_go_at_their_rate(void **state)
{
	struct fixture *f = *state;
	unsigned int n;

	start(f, 1000000, 1000, 0, 0);
	/* The burst, and what makes it full. */
	assert_int_equal(count(f, 100), 11);
	assert_int_equal(count(f, 100), 0);
	now += SECOND / 1000;
	assert_int_equal(count(f, 100), 10);
	n = 0;
	for (int i = 0; i < 1000; i++) {
		now += SECOND / 1000;
		n += count(f, 100);
	}
	assert_int_equal(n, 10000);
}

static void operations_go_at_their_rate(void **state)
{
	struct fixture *f = *state;
	unsigned int n = 0;

	start(f, 0, 0, 300, 10);
	count(f, 0);
	for (int i = 0; i < 1000; i++) {
		now += SECOND / 100;
		n += count(f, 1ull << 32);
	}
	assert_in_range(n, 2999, 3001);
}

/* What a division leaves over is not lost. */
static void odd_rates_are_exact_in_the_long_run(void **state)
{
	struct fixture *f = *state;
	uint64_t n = 0;

	start(f, 3000007, 1024, 0, 0);
	count(f, 1);
	for (int i = 0; i < 3000; i++) {
		now += 1000;
		n += count(f, 1);
	}
	assert_in_range(n, 8990, 9010);
}

static void the_smaller_of_two_limits_counts(void **state)
{
	struct fixture *f = *state;

	start(f, 1000000, 1000, 10, 3);
	assert_int_equal(count(f, 10), 4);
	start(f, 1000000, 1000, 1000000, 1000);
	assert_int_equal(count(f, 500), 3);
}

static void a_burst_is_a_tenth_of_a_second_when_nothing_is_said(void **state)
{
	struct fixture *f = *state;

	start(f, 0, 0, 1000, 0);
	assert_int_equal(count(f, 0), 101);
	now += 100 * SECOND;
	assert_int_equal(count(f, 0), 101);
}

static void one_may_be_larger_than_what_is_left(void **state)
{
	struct fixture *f = *state;

	start(f, 1000, 1024, 0, 0);
	assert_int_equal(count(f, 10000), 1);
	now += 8 * SECOND;
	assert_int_equal(count(f, 10000), 0);
	now += SECOND;
	assert_int_equal(count(f, 10000), 1);
}

static void who_waits_is_called_once(void **state)
{
	struct fixture *f = *state;

	start(f, 0, 0, 10, 1);
	while (virtio_limit_allows(&f->limit))
		virtio_limit_charge(&f->limit, 0);
	assert_false(virtio_limit_allows(&f->limit));
	assert_false(virtio_limit_allows(&f->limit));
	assert_int_equal(f->loop->nr_ops, 1);
	assert_int_equal(f->called, 0);
	fake_loop_run(f->loop);
	assert_int_equal(f->called, 1);
	assert_int_equal(f->loop->nr_ops, 0);
}

static void a_cancelled_wait_calls_nobody(void **state)
{
	struct fixture *f = *state;

	start(f, 0, 0, 1, 1);
	while (virtio_limit_allows(&f->limit))
		virtio_limit_charge(&f->limit, 0);
	loop_cancel(f->loop, &f->limit.timer);
	fake_loop_run(f->loop);
	assert_int_equal(f->called, 0);
}

static void extremes_do_not_overflow(void **state)
{
	struct fixture *f = *state;

	start(f, 1024, 1ull << 40, 1, 1000000000);
	assert_int_equal(count(f, 1ull << 32), 1);
	now += 3600 * SECOND;
	assert_int_equal(count(f, 1), 0);
	start(f, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX);
	assert_int_equal(count(f, UINT64_MAX), 10000);
	start(f, 1, 1, 1, 1);
	assert_int_equal(count(f, UINT64_MAX), 1);
	now += 4000000000ull * SECOND;
	assert_int_equal(count(f, 1), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	T(without_limits_everything_goes),
	T(bytes_go_at_their_rate),
	T(operations_go_at_their_rate),
	T(odd_rates_are_exact_in_the_long_run),
	T(the_smaller_of_two_limits_counts),
	T(a_burst_is_a_tenth_of_a_second_when_nothing_is_said),
	T(one_may_be_larger_than_what_is_left),
	T(who_waits_is_called_once),
	T(a_cancelled_wait_calls_nobody),
	T(extremes_do_not_overflow),
};

UNIT_MAIN(tests)
