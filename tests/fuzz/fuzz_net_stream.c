// SPDX-License-Identifier: MIT
/*
 * fuzz_net_stream - what the other end of a stream socket sends as frames.
 *
 * The first byte says into pieces of which lengths the rest is cut on its way
 * and how large the buffer for a frame is. Cut or not, the same frames have to
 * come out, as a plain reading of the bytes finds them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/fuzz/fuzz_input.h"
#include "virtio/backend/net.h"
#include "virtio/backend/net_stream.h"

#define HEADER NET_HDR_LEN

/* The bytes as they should be read. */
struct plain {
	const uint8_t *data;
	size_t left;
};

/* The next frame: its length, -EAGAIN when it is not complete, or -EPROTO. */
static ssize_t plain_next(struct plain *p, const uint8_t **frame)
{
	uint32_t len;

	do {
		if (p->left < sizeof(len))
			return -EAGAIN;
		memcpy(&len, p->data, sizeof(len));
		len = ntohl(len);
		if (len > NET_FRAME_MAX)
			return -EPROTO;
		if (p->left - sizeof(len) < len)
			return -EAGAIN;
		*frame = p->data + sizeof(len);
		p->data += sizeof(len) + len;
		p->left -= sizeof(len) + len;
	} while (len < 14);
	return (ssize_t)len;
}

/* Take all frames there are; what recv() said last. */
static ssize_t take_all(struct netb_stream *s, struct plain *p, size_t room)
{
	static uint8_t buf[HEADER + NET_FRAME_MAX];
	const struct iovec iov[2] = { { buf, 7 }, { buf + 7, room - 7 } };
	const uint8_t *frame = NULL;
	struct plain before;
	ssize_t n, expected;

	for (;;) {
		n = netb_stream_recv(s, iov, 2, HEADER);
		before = *p;
		expected = plain_next(p, &frame);
		if (n == -EMSGSIZE) {
			require(expected > (ssize_t)(room - HEADER));
			continue;
		}
		if (n < 0) {
			/* More may be on its way. */
			*p = before;
			require(n == -EAGAIN || n == -EPIPE ||
				(n == -EPROTO && expected == -EPROTO));
			return n;
		}
		require(n == expected && n >= 14 && n <= NET_FRAME_MAX);
		require(!memcmp(buf + HEADER, frame, (size_t)n));
	}
}

static bool start(struct netb_stream *s, int *peer)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return false;
	if (netb_stream_init(s, fd[0])) {
		close(fd[0]);
		close(fd[1]);
		return false;
	}
	*peer = fd[1];
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plain p = { data + 1, size - 1 };
	const uint8_t *at = data + 1;
	struct netb_stream s;
	size_t left = size - 1, piece, room;
	ssize_t said = -EAGAIN;
	int peer;

	if (!size || size > 200000 || !start(&s, &peer))
		return 0;
	room = data[0] & 1 ? HEADER + NET_FRAME_MAX : HEADER + 64;
	piece = data[0] >> 1 ? data[0] >> 1 : 4096;
	while (left && said == -EAGAIN) {
		size_t n = left < piece ? left : piece;

		require(!fd_write_all(peer, at, n));
		at += n;
		left -= n;
		said = take_all(&s, &p, room);
	}
	close(peer);
	if (said == -EAGAIN)
		require(take_all(&s, &p, room) == -EPIPE || s.error == -EPROTO);
	netb_stream_fini(&s);
	return 0;
}
