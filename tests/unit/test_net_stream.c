// SPDX-License-Identifier: MIT
/*
 * test_net_stream.c - frames behind their lengths, over a socket whose other
 * end is ours: in pieces, too many, and of lengths that no frame has.
 */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "virtio/backend/net.h"
#include "virtio/backend/net_stream.h"

struct pair {
	struct netb_stream s;
	int peer;
	uint8_t buf[NET_HDR_LEN + NET_FRAME_MAX];
	struct iovec iov;
};

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	int fd[2];

	assert_non_null(p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(netb_stream_init(&p->s, fd[0]), 0);
	p->peer = fd[1];
	p->iov = (struct iovec){ p->buf, sizeof(p->buf) };
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	netb_stream_fini(&p->s);
	fd_close(&p->peer);
	free(p);
	return 0;
}

static void peer_sends(struct pair *p, const void *buf, size_t len)
{
	assert_int_equal(fd_write_all(p->peer, buf, len), 0);
}

static void peer_sends_frame(struct pair *p, uint8_t byte, uint32_t len)
{
	uint32_t prefix = htonl(len);
	uint8_t *frame = malloc(len + 1);

	assert_non_null(frame);
	memset(frame, byte, len);
	peer_sends(p, &prefix, sizeof(prefix));
	peer_sends(p, frame, len);
	free(frame);
}

static ssize_t receive(struct pair *p)
{
	return netb_stream_recv(&p->s, &p->iov, 1, NET_HDR_LEN);
}

static void receives(struct pair *p, uint8_t byte, size_t len)
{
	assert_int_equal(receive(p), len);
	for (size_t i = 0; i < len; i++)
		if (p->buf[NET_HDR_LEN + i] != byte)
			fail_msg("byte %zu of %zu is %d, not %d", i, len,
				 p->buf[NET_HDR_LEN + i], byte);
}

static void stream_gives_frames_one_by_one(void **state)
{
	struct pair *p = *state;

	assert_int_equal(receive(p), -EAGAIN);
	peer_sends_frame(p, 1, 60);
	peer_sends_frame(p, 2, 14);
	peer_sends_frame(p, 3, 1514);
	memset(p->buf, 0xee, NET_HDR_LEN);
	receives(p, 1, 60);
	assert_int_equal(p->buf[NET_HDR_LEN - 1], 0xee);
	receives(p, 2, 14);
	receives(p, 3, 1514);
	assert_int_equal(receive(p), -EAGAIN);
}

static void stream_puts_pieces_together(void **state)
{
	static const uint8_t prefix[] = { 0, 0, 0, 20 };
	struct pair *p = *state;

	for (size_t i = 0; i < sizeof(prefix); i++) {
		peer_sends(p, &prefix[i], 1);
		assert_int_equal(receive(p), -EAGAIN);
	}
	for (size_t i = 0; i < 19; i++) {
		peer_sends(p, "x", 1);
		assert_int_equal(receive(p), -EAGAIN);
	}
	peer_sends(p, "x", 1);
	receives(p, 'x', 20);
}

static void stream_takes_the_longest_frame(void **state)
{
	struct pair *p = *state;
	int size = 1 << 20;

	setsockopt(p->peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (uint8_t i = 0; i < 3; i++)
		peer_sends_frame(p, i, NET_FRAME_MAX);
	for (uint8_t i = 0; i < 3; i++)
		receives(p, i, NET_FRAME_MAX);
}

static void stream_skips_what_is_too_short_for_a_frame(void **state)
{
	struct pair *p = *state;

	peer_sends_frame(p, 1, 0);
	peer_sends_frame(p, 1, 13);
	peer_sends_frame(p, 2, 14);
	receives(p, 2, 14);
}

static void stream_ends_at_a_length_that_no_frame_has(void **state)
{
	static const uint8_t prefix[] = { 0, 1, 0, 18 }; /* NET_FRAME_MAX + 1 */
	struct pair *p = *state;

	peer_sends_frame(p, 1, 14);
	peer_sends(p, prefix, sizeof(prefix));
	receives(p, 1, 14);
	assert_int_equal(receive(p), -EPROTO);
	assert_int_equal(receive(p), -EPROTO);
	assert_int_equal(netb_stream_send(&p->s, &p->iov, 1, NET_HDR_LEN),
			 -EPROTO);
}

static void stream_loses_only_the_frame_that_does_not_fit(void **state)
{
	struct pair *p = *state;

	peer_sends_frame(p, 1, 100);
	peer_sends_frame(p, 2, 50);
	p->iov.iov_len = NET_HDR_LEN + 99;
	assert_int_equal(receive(p), -EMSGSIZE);
	receives(p, 2, 50);
}

static void stream_says_that_the_other_end_has_closed(void **state)
{
	struct pair *p = *state;

	peer_sends_frame(p, 1, 20);
	peer_sends(p, "\0\0\0\x14half", 8);
	fd_close(&p->peer);
	receives(p, 1, 20);
	assert_int_equal(receive(p), -EPIPE);
	assert_int_equal(netb_stream_send(&p->s, &p->iov, 1, NET_HDR_LEN),
			 -EPIPE);
}

static void stream_sends_lengths_before_frames(void **state)
{
	struct pair *p = *state;
	char header[NET_HDR_LEN] = "", out[64];
	const struct iovec iov[] = { { header, 5 },
				     { header + 5, 7 },
				     { (void *)(uintptr_t) "abcdefghijklmn",
				       14 } };

	assert_int_equal(netb_stream_send(&p->s, iov, 3, NET_HDR_LEN), 0);
	assert_int_equal(read(p->peer, out, sizeof(out)), 18);
	assert_memory_equal(out,
			    "\0\0\0\x0e"
			    "abcdefghijklmn",
			    18);
}

static void stream_sends_frames_only(void **state)
{
	struct pair *p = *state;

	for (size_t len = 0; len < NET_HDR_LEN + 14; len++) {
		p->iov.iov_len = len;
		assert_int_equal(netb_stream_send(&p->s, &p->iov, 1,
						  NET_HDR_LEN),
				 -EINVAL);
	}
	p->iov.iov_len = sizeof(p->buf) + 1;
	assert_int_equal(netb_stream_send(&p->s, &p->iov, 1, NET_HDR_LEN),
			 -EINVAL);
}

/* How many frames the other end got, each with its number and whole. */
static unsigned int drain(struct pair *p, uint8_t *kept, size_t *nr_kept,
			  size_t frame, unsigned int first)
{
	ssize_t n = recv(p->peer, kept + *nr_kept, 65536, MSG_DONTWAIT);
	size_t at = 0, whole = 4 + frame;
	unsigned int count = 0;

	*nr_kept += n > 0 ? (size_t)n : 0;
	for (; *nr_kept - at >= whole; at += whole, count++) {
		assert_int_equal(ntohl(*(uint32_t *)(void *)(kept + at)),
				 frame);
		for (size_t i = 0; i < frame; i++)
			assert_int_equal(kept[at + 4 + i],
					 (uint8_t)(first + count));
	}
	memmove(kept, kept + at, *nr_kept - at);
	*nr_kept -= at;
	return count;
}

static void stream_sends_the_rest_later(void **state)
{
	struct pair *p = *state;
	static uint8_t kept[1 << 18];
	unsigned int sent = 0, got = 0;
	const size_t frame = 9000;
	size_t nr_kept = 0, refused = 0, split = 0;
	int err, size = 4096;

	setsockopt(p->s.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	p->iov.iov_len = NET_HDR_LEN + frame;
	while (got < 500) {
		memset(p->buf + NET_HDR_LEN, (int)sent, frame);
		err = netb_stream_send(&p->s, &p->iov, 1, NET_HDR_LEN);
		sent += !err;
		refused += err == -EAGAIN;
		split += netb_stream_has_unsent(&p->s);
		if (err)
			assert_int_equal(err, -EAGAIN);
		if (err || sent % 3 == 0)
			got += drain(p, kept, &nr_kept, frame, got);
	}
	assert_true(refused > 0);
	assert_true(split > 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(stream_gives_frames_one_by_one),
		T(stream_puts_pieces_together),
		T(stream_takes_the_longest_frame),
		T(stream_skips_what_is_too_short_for_a_frame),
		T(stream_ends_at_a_length_that_no_frame_has),
		T(stream_loses_only_the_frame_that_does_not_fit),
		T(stream_says_that_the_other_end_has_closed),
		T(stream_sends_lengths_before_frames),
		T(stream_sends_frames_only),
		T(stream_sends_the_rest_later),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
