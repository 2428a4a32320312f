// SPDX-License-Identifier: MIT
/*
 * net_stream.c - frames over a stream socket, each behind its length.
 *
 * How it works. What arrives is received into one buffer, as much as there is,
 * and frames are taken out of it; the beginning of one that is not complete
 * moves to the front. What goes out is copied: when the socket takes only a
 * part, the other end waits for exactly the rest.
 */
#include "virtio/backend/net_stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/iov.h"
#include "virtio/backend/net.h"

#define PREFIX	  sizeof(uint32_t)
#define FRAME_MIN 14u /* an Ethernet header */
#define IN_SIZE	  (256u << 10)

_Static_assert(IN_SIZE >= 2 * (PREFIX + NET_FRAME_MAX), "room for a frame");

int netb_stream_init(struct netb_stream *s, int fd)
{
	*s = (struct netb_stream){ .fd = -1 };
	s->in = malloc(IN_SIZE);
	s->out = malloc(PREFIX + NET_FRAME_MAX);
	if (!s->in || !s->out) {
		netb_stream_fini(s);
		return -ENOMEM;
	}
	s->fd = fd;
	return 0;
}

void netb_stream_fini(struct netb_stream *s)
{
	fd_close(&s->fd);
	free(s->in);
	free(s->out);
	s->in = NULL;
	s->out = NULL;
}

static int end_with(struct netb_stream *s, int err)
{
	s->error = err;
	return err;
}

/* Out */

/* Bytes that went, or -errno. */
static ssize_t transmit(struct netb_stream *s, struct iovec *iov, size_t nr)
{
	const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = nr };
	ssize_t n;

	do {
		n = sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN ? -EAGAIN : end_with(s, -errno);
}

int netb_stream_flush(struct netb_stream *s)
{
	struct iovec iov = { s->out + s->out_at, s->unsent };
	ssize_t n;

	if (s->error)
		return s->error;
	if (!s->unsent)
		return 0;
	n = transmit(s, &iov, 1);
	if (n < 0)
		return (int)n;
	s->out_at += (size_t)n;
	s->unsent -= (size_t)n;
	return s->unsent ? -EAGAIN : 0;
}

int netb_stream_send(struct netb_stream *s, const struct iovec *iov,
		     unsigned int nr, size_t skip)
{
	size_t len = iov_size(iov, nr);
	uint32_t prefix;
	int err;

	if (len < skip || len - skip < FRAME_MIN || len - skip > NET_FRAME_MAX)
		return -EINVAL;
	len -= skip;
	err = netb_stream_flush(s);
	if (err)
		return err;
	prefix = htonl((uint32_t)len);
	memcpy(s->out, &prefix, PREFIX);
	iov_read(iov, nr, skip, s->out + PREFIX, len);
	s->out_at = 0;
	s->unsent = PREFIX + len;
	err = netb_stream_flush(s);
	/* A part of it may have gone: then the rest has to. */
	if (err == -EAGAIN && s->out_at)
		return 0;
	s->unsent = 0;
	return err;
}

/* In */

/* More bytes behind those that are there: 0 or -errno. */
static int receive(struct netb_stream *s)
{
	ssize_t n;

	if (s->error)
		return s->error;
	memmove(s->in, s->in + s->first, s->end - s->first);
	s->end -= s->first;
	s->first = 0;
	do {
		n = recv(s->fd, s->in + s->end, IN_SIZE - s->end, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		s->end += (size_t)n;
		return 0;
	}
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	return end_with(s, n < 0 ? -errno : -EPIPE);
}

/*
 * The length of the frame that begins at s->first, when all of it is there;
 * -EAGAIN when not.
 */
static ssize_t complete(struct netb_stream *s)
{
	size_t there = s->end - s->first;
	uint32_t len;

	if (there < PREFIX)
		return -EAGAIN;
	memcpy(&len, s->in + s->first, PREFIX);
	len = ntohl(len);
	if (len > NET_FRAME_MAX)
		return end_with(s, -EPROTO);
	return there - PREFIX < len ? -EAGAIN : (ssize_t)len;
}

ssize_t netb_stream_recv(struct netb_stream *s, const struct iovec *iov,
			 unsigned int nr, size_t skip)
{
	ssize_t len;
	size_t n;
	int err;

	do {
		len = complete(s);
		if (len == -EAGAIN) {
			err = receive(s);
			if (err)
				return err;
		} else if (len < 0) {
			return len;
		} else if (len < (ssize_t)FRAME_MIN) {
			/* None, but the next may be one. */
			s->first += PREFIX + (size_t)len;
		}
	} while (len < (ssize_t)FRAME_MIN);

	n = iov_write(iov, nr, skip, s->in + s->first + PREFIX, (size_t)len);
	s->first += PREFIX + (size_t)len;
	return n == (size_t)len ? len : -EMSGSIZE;
}
