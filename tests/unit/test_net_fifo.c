// SPDX-License-Identifier: MIT
/*
 * test_net_fifo.c - frames that wait.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "virtio/backend/net_fifo.h"

static void fifo_gives_frames_in_order_behind_a_header(void **state)
{
	struct netb_fifo f;
	char buf[8];
	const struct iovec iov = { buf, sizeof(buf) };

	(void)state;
	assert_int_equal(netb_fifo_init(&f, 64), 0);
	assert_true(netb_fifo_push(&f, "one", 3));
	assert_true(netb_fifo_push(&f, "", 0));
	assert_true(netb_fifo_push(&f, "three", 5));
	memset(buf, '-', sizeof(buf));
	assert_int_equal(netb_fifo_pop(&f, &iov, 1, 2), 3);
	assert_memory_equal(buf, "--one---", 8);
	assert_int_equal(netb_fifo_pop(&f, &iov, 1, 2), 0);
	assert_int_equal(netb_fifo_pop(&f, &iov, 1, 2), 5);
	assert_memory_equal(buf, "--three-", 8);
	assert_true(netb_fifo_empty(&f));
	assert_int_equal(netb_fifo_pop(&f, &iov, 1, 2), -EAGAIN);
	netb_fifo_fini(&f);
}

static void fifo_drops_and_counts_what_has_no_room(void **state)
{
	struct netb_fifo f;
	char buf[32] = { 0 };

	(void)state;
	assert_int_equal(netb_fifo_init(&f, 32), 0);
	assert_false(netb_fifo_push(&f, buf, 29));
	assert_true(netb_fifo_push(&f, buf, 28));
	assert_false(netb_fifo_push(&f, buf, 0));
	assert_int_equal(f.dropped, 2);
	netb_fifo_fini(&f);
}

static void fifo_loses_only_the_frame_that_does_not_fit(void **state)
{
	struct netb_fifo f;
	char buf[4];
	const struct iovec iov = { buf, sizeof(buf) };

	(void)state;
	assert_int_equal(netb_fifo_init(&f, 64), 0);
	assert_true(netb_fifo_push(&f, "long", 4));
	assert_true(netb_fifo_push(&f, "ok", 2));
	assert_int_equal(netb_fifo_pop(&f, &iov, 1, 1), -EMSGSIZE);
	assert_int_equal(netb_fifo_pop(&f, &iov, 1, 1), 2);
	assert_memory_equal(buf + 1, "ok", 2);
	netb_fifo_fini(&f);
}

/* All lengths, around the end of the ring, with one frame left in it. */
static void fifo_goes_round(void **state)
{
	struct netb_fifo f;
	char in[64], out[64];
	const struct iovec iov[] = { { out, 5 }, { out + 5, sizeof(out) - 5 } };

	(void)state;
	assert_int_equal(netb_fifo_init(&f, 101), 0);
	assert_true(netb_fifo_push(&f, in, 0));
	for (unsigned int i = 1; i < 1000; i++) {
		memset(in, (int)i, sizeof(in));
		assert_true(netb_fifo_push(&f, in, i % 40));
		assert_int_equal(netb_fifo_pop(&f, iov, 2, 0), (i - 1) % 40);
		memset(in, (int)(i - 1), sizeof(in));
		assert_memory_equal(out, in, (i - 1) % 40);
	}
	netb_fifo_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fifo_gives_frames_in_order_behind_a_header),
		cmocka_unit_test(fifo_drops_and_counts_what_has_no_room),
		cmocka_unit_test(fifo_loses_only_the_frame_that_does_not_fit),
		cmocka_unit_test(fifo_goes_round),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
