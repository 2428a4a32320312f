// SPDX-License-Identifier: MIT
/*
 * test_switch_ring.c - frames through shared memory: what goes in comes out,
 * and what a hostile other side writes there is noticed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/thread.h"
#include "tests/unit/unit.h"
#include "virtio/backend/switch_link.h"
#include "virtio/backend/switch_ring.h"

#define SIZE 8192u

struct pair {
	struct switch_link k;
	struct switch_ring in;	/* the producer's view */
	struct switch_ring out; /* the consumer's */
};

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	int memfd;

	if (!p || switch_link_create(&p->k, SIZE, &memfd))
		return -1;
	close(memfd);
	p->in = p->k.to_switch;
	p->out = p->k.to_switch;
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	switch_link_unmap(&p->k);
	free(p);
	return 0;
}

static int put(struct pair *p, uint32_t len, uint8_t fill)
{
	uint8_t *at;
	int err = switch_ring_reserve(&p->in, len, &at);

	if (err)
		return err;
	memset(at, fill, len);
	switch_ring_push(&p->in, len);
	switch_ring_publish(&p->in);
	return 0;
}

/* The length of the next frame, all of which is @fill; 0: none. */
static int get(struct pair *p, uint8_t fill)
{
	const uint8_t *at;
	uint32_t len;
	int got = switch_ring_peek(&p->out, &at, &len);

	if (got <= 0)
		return got;
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(at[i], fill);
	switch_ring_pop(&p->out, len);
	switch_ring_release(&p->out);
	return (int)len;
}

static void frames_come_out_as_they_went_in(void **state)
{
	struct pair *p = *state;

	assert_int_equal(get(p, 0), 0);
	for (unsigned int i = 0; i < 10000; i++) {
		uint32_t len = SWITCH_FRAME_MIN + i * 7 % 1501;

		assert_int_equal(put(p, len, (uint8_t)i), 0);
		assert_int_equal(get(p, (uint8_t)i), len);
		assert_int_equal(get(p, 0), 0);
	}
}

static void several_frames_wait_in_order(void **state)
{
	struct pair *p = *state;

	for (unsigned int i = 0; i < 50; i++)
		assert_int_equal(put(p, 60 + i, (uint8_t)i), 0);
	for (unsigned int i = 0; i < 50; i++)
		assert_int_equal(get(p, (uint8_t)i), 60 + i);
	assert_int_equal(get(p, 0), 0);
}

static void a_full_ring_takes_no_more_until_there_is_room(void **state)
{
	struct pair *p = *state;

	for (unsigned int i = 0; i < SIZE / 128; i++)
		assert_int_equal(put(p, 124, 1), 0);
	assert_int_equal(put(p, SWITCH_FRAME_MIN, 2), -EAGAIN);
	assert_int_equal(get(p, 1), 124);
	assert_int_equal(put(p, 125, 2), -EAGAIN);
	assert_int_equal(put(p, 124, 2), 0);
	assert_int_equal(put(p, SWITCH_FRAME_MIN, 2), -EAGAIN);
}

static void lengths_that_no_frame_has_are_refused(void **state)
{
	struct pair *p = *state;
	uint8_t *at;

	assert_int_equal(switch_ring_reserve(&p->in, 13, &at), -EMSGSIZE);
	assert_int_equal(switch_ring_reserve(&p->in, 0, &at), -EMSGSIZE);
	assert_int_equal(switch_ring_reserve(&p->in, SIZE / 2, &at), -EMSGSIZE);
	assert_int_equal(switch_ring_reserve(&p->in, UINT32_MAX, &at),
			 -EMSGSIZE);
	assert_int_equal(switch_ring_reserve(&p->in, SIZE / 2 - 4, &at), 0);
}

static void a_consumer_that_waits_is_woken_once(void **state)
{
	struct pair *p = *state;
	uint8_t *at;

	assert_true(switch_ring_want_frames(&p->out));
	assert_int_equal(switch_ring_reserve(&p->in, 60, &at), 0);
	switch_ring_push(&p->in, 60);
	assert_true(switch_ring_publish(&p->in));
	assert_int_equal(switch_ring_reserve(&p->in, 60, &at), 0);
	switch_ring_push(&p->in, 60);
	assert_false(switch_ring_publish(&p->in));
}

static void a_consumer_does_not_sleep_on_what_came_meanwhile(void **state)
{
	struct pair *p = *state;

	assert_int_equal(get(p, 0), 0);
	put(p, 60, 1);
	assert_false(switch_ring_want_frames(&p->out));
	assert_int_equal(get(p, 1), 60);
}

static void a_producer_that_waits_is_woken_when_half_is_free(void **state)
{
	struct pair *p = *state;
	const uint8_t *at;
	uint32_t len;
	unsigned int n = 0;

	while (!put(p, 124, 1))
		;
	assert_true(switch_ring_want_room(&p->in, 124));
	do {
		assert_int_equal(switch_ring_peek(&p->out, &at, &len), 1);
		switch_ring_pop(&p->out, len);
		n++;
	} while (!switch_ring_release(&p->out));
	assert_int_equal(n, SIZE / 128 / 2);
	assert_int_equal(put(p, 124, 1), 0);
}

static void a_producer_does_not_sleep_on_room_that_came_meanwhile(void **state)
{
	struct pair *p = *state;

	while (!put(p, 124, 1))
		;
	get(p, 1);
	assert_false(switch_ring_want_room(&p->in, 124));
}

/* A hostile producer */

static void a_head_that_is_too_far_ahead_is_refused(void **state)
{
	static const uint32_t heads[] = { SIZE + 8, UINT32_MAX & ~7u, 4, 1,
					  1u << 31 };
	struct pair *p = *state;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		p->out.shared->head = heads[i];
		assert_int_equal(get(p, 0), -EPROTO);
		/* Awake to find out, not asleep for ever. */
		assert_false(switch_ring_want_frames(&p->out));
	}
}

static void a_length_beyond_what_was_published_is_refused(void **state)
{
	static const uint32_t lengths[] = {
		0, 13, 21, 4096, SIZE, UINT32_MAX, UINT32_MAX - 8, 1u << 31
	};
	struct pair *p = *state;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memcpy(p->k.data[0], &lengths[i], 4);
		p->out.shared->head = 24;
		assert_int_equal(get(p, 0), -EPROTO);
	}
}

static void a_length_that_changes_is_read_once(void **state)
{
	struct pair *p = *state;
	uint32_t evil = UINT32_MAX, len;
	const uint8_t *at;

	put(p, 60, 1);
	assert_int_equal(switch_ring_peek(&p->out, &at, &len), 1);
	memcpy(p->k.data[0], &evil, 4);
	switch_ring_pop(&p->out, len);
	switch_ring_release(&p->out);
	assert_int_equal(p->out.shared->tail, 64);
}

/* A hostile consumer */

static void a_tail_that_was_never_the_head_is_refused(void **state)
{
	static const uint32_t tails[] = { 8, SIZE + 8, 1u << 31, 3 };
	struct pair *p = *state;

	while (!put(p, 124, 1))
		;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		p->in.shared->tail = SIZE + tails[i];
		assert_int_equal(put(p, 124, 1), -EPROTO);
		assert_false(switch_ring_want_room(&p->in, 124));
	}
}

/* Both at once */

enum {
	FRAMES = 300000
};

static void *produce(void *arg)
{
	struct pair *p = arg;

	for (uint32_t i = 0; i < FRAMES;) {
		uint32_t len = 60 + i % 200;
		uint8_t *at;

		if (switch_ring_reserve(&p->in, len, &at))
			continue;
		memset(at, (int)(i & 0xff), len);
		switch_ring_push(&p->in, len);
		if (!(++i % 3) || i == FRAMES)
			switch_ring_publish(&p->in);
	}
	return NULL;
}

static void two_threads_move_frames_in_order(void **state)
{
	struct pair *p = *state;
	pthread_t t;

	assert_int_equal(thread_start(&t, "producer", produce, p), 0);
	for (uint32_t i = 0; i < FRAMES;) {
		const uint8_t *at;
		uint32_t len;
		int got = switch_ring_peek(&p->out, &at, &len);

		assert_true(got >= 0);
		if (!got)
			continue;
		assert_int_equal(len, 60 + i % 200);
		assert_int_equal(at[0], i & 0xff);
		assert_int_equal(at[len - 1], i & 0xff);
		switch_ring_pop(&p->out, len);
		switch_ring_release(&p->out);
		i++;
	}
	thread_join(t);
}

/* The memory that comes from a hostile switch */

static void fill_welcome(struct switch_welcome *w, uint32_t ring_size)
{
	switch_link_fill_welcome(w, 1, ring_size, 0);
}

static void memory_that_is_not_as_agreed_is_not_mapped(void **state)
{
	const uint64_t right = 4096 + 2 * SIZE;
	struct switch_welcome w;
	struct switch_link k = { 0 };
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)state;
	fill_welcome(&w, SIZE);
	assert_int_equal(switch_link_map(&k, &w, -1), -EPROTO);
	assert_int_equal(ftruncate(fd, (off_t)right), 0);
	/* It could shrink. */
	assert_int_equal(switch_link_map(&k, &w, fd), -EPROTO);
	assert_int_equal(ftruncate(fd, (off_t)right - 1), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(switch_link_map(&k, &w, fd), -EPROTO);
	assert_int_equal(ftruncate(fd, (off_t)right), 0);
	assert_int_equal(switch_link_map(&k, &w, fd), 0);
	switch_link_unmap(&k);
	fill_welcome(&w, SIZE * 2);
	assert_int_equal(switch_link_map(&k, &w, fd), -EPROTO);
	fill_welcome(&w, SIZE + 1);
	assert_int_equal(switch_link_map(&k, &w, fd), -EPROTO);
	fill_welcome(&w, 0);
	assert_int_equal(switch_link_map(&k, &w, fd), -EPROTO);
	fill_welcome(&w, 1u << 31);
	assert_int_equal(switch_link_map(&k, &w, fd), -EPROTO);
	close(fd);
}

static void a_file_that_is_no_memory_is_not_mapped(void **state)
{
	struct switch_welcome w;
	struct switch_link k = { 0 };
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);

	(void)state;
	fill_welcome(&w, SIZE);
	assert_int_equal(switch_link_map(&k, &w, fd), -EPROTO);
	close(fd);
}

/* Messages */

static void a_welcome_carries_one_file_and_no_more(void **state)
{
	int s[2], memfd, null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	union {
		char buf[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct switch_welcome w, got;
	struct iovec iov = { &w, sizeof(w) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fds[4] = { null, null, null, null }, probe;

	(void)state;
	fill_welcome(&w, SIZE);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	probe = dup(null);
	close(probe);
	assert_true(sendmsg(s[0], &m, 0) > 0);
	assert_int_equal(switch_link_recv_welcome(s[1], &got, &memfd), 0);
	assert_int_equal(memfd, probe); /* the lowest that was free */
	assert_int_equal(dup(null), probe + 1);
	close(probe + 1);
	close(memfd);
	close(null);
	close(s[0]);
	close(s[1]);
}

static void a_welcome_that_is_none_is_refused(void **state)
{
	struct switch_welcome w, got;
	int s[2], memfd;

	(void)state;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	fill_welcome(&w, SIZE);
	assert_int_equal(switch_link_recv_welcome(s[1], &got, &memfd), -EAGAIN);
	switch_link_send(s[0], &w, sizeof(w) - 1, -1);
	assert_int_equal(switch_link_recv_welcome(s[1], &got, &memfd), -EPROTO);
	w.magic[0] ^= 1;
	switch_link_send(s[0], &w, sizeof(w), -1);
	assert_int_equal(switch_link_recv_welcome(s[1], &got, &memfd), -EPROTO);
	close(s[0]);
	assert_int_equal(switch_link_recv_welcome(s[1], &got, &memfd),
			 -ECONNRESET);
	close(s[1]);
}

static void a_hello_that_is_none_is_refused(void **state)
{
	struct switch_hello h;

	(void)state;
	switch_link_fill_hello(&h, SWITCH_WISH_PORT, "a name");
	assert_int_equal(switch_link_check_hello(&h, sizeof(h)), 0);
	assert_int_equal(switch_link_check_hello(&h, sizeof(h) - 1), -EPROTO);
	h.version = le32_put(99);
	assert_int_equal(switch_link_check_hello(&h, sizeof(h)),
			 -EPROTONOSUPPORT);
	h.magic[7] = 0;
	assert_int_equal(switch_link_check_hello(&h, sizeof(h)), -EPROTO);
}

static void statistics_of_the_wrong_length_are_refused(void **state)
{
	struct switch_stats st;
	const size_t one = sizeof(struct switch_stats_port);

	(void)state;
	switch_link_fill_stats(&st, 2);
	assert_int_equal(switch_link_check_stats(&st, sizeof(st) + 2 * one), 0);
	assert_int_equal(switch_link_check_stats(&st, sizeof(st) + one),
			 -EPROTO);
	assert_int_equal(switch_link_check_stats(&st, 3), -EPROTO);
	switch_link_fill_stats(&st, UINT32_MAX);
	assert_int_equal(switch_link_check_stats(&st, sizeof(st)), -EPROTO);
}

static void a_bell_nobody_hears_does_not_block(void **state)
{
	int s[2];

	(void)state;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	for (int i = 0; i < 100000; i++)
		switch_link_ring_bell(s[0]);
	close(s[1]);
	switch_link_ring_bell(s[0]); /* nor does it kill */
	close(s[0]);
}

#define RING_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RING_TEST(frames_come_out_as_they_went_in),
		RING_TEST(several_frames_wait_in_order),
		RING_TEST(a_full_ring_takes_no_more_until_there_is_room),
		RING_TEST(lengths_that_no_frame_has_are_refused),
		RING_TEST(a_consumer_that_waits_is_woken_once),
		RING_TEST(a_consumer_does_not_sleep_on_what_came_meanwhile),
		RING_TEST(a_producer_that_waits_is_woken_when_half_is_free),
		RING_TEST(
			a_producer_does_not_sleep_on_room_that_came_meanwhile),
		RING_TEST(a_head_that_is_too_far_ahead_is_refused),
		RING_TEST(a_length_beyond_what_was_published_is_refused),
		RING_TEST(a_length_that_changes_is_read_once),
		RING_TEST(a_tail_that_was_never_the_head_is_refused),
		RING_TEST(two_threads_move_frames_in_order),
		cmocka_unit_test(memory_that_is_not_as_agreed_is_not_mapped),
		cmocka_unit_test(a_file_that_is_no_memory_is_not_mapped),
		cmocka_unit_test(a_welcome_carries_one_file_and_no_more),
		cmocka_unit_test(a_welcome_that_is_none_is_refused),
		cmocka_unit_test(a_hello_that_is_none_is_refused),
		cmocka_unit_test(statistics_of_the_wrong_length_are_refused),
		cmocka_unit_test(a_bell_nobody_hears_does_not_block),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
