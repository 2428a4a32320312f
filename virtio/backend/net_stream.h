/* SPDX-License-Identifier: MIT */
/*
 * net_stream.h - frames over a stream socket, each behind its length in four
 * big-endian bytes: what QEMU's "stream" and "socket" networks speak, and
 * passt.
 *
 * The other end is another process, which may be anything. A length that no
 * frame has ends the stream: there is no way to find the next one.
 *
 * Calls never block. One thread at a time.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_STREAM_H
#define MINIVMM_VIRTIO_BACKEND_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct netb_stream {
	int fd;
	char *in;      /* what was received and not taken */
	size_t first;  /* of it */
	size_t end;    /* of it */
	char *out;     /* the rest of a frame that was sent in part */
	size_t unsent; /* of it, from out_at on */
	size_t out_at;
	int error; /* -errno that ended it; 0: none */
};

/*
 * @fd is a connected stream socket; it stays the caller's until this
 * succeeds. 0 or -ENOMEM.
 */
int netb_stream_init(struct netb_stream *s, int fd);

/* Closes the socket. */
void netb_stream_fini(struct netb_stream *s);

/*
 * Send what @iov has behind @skip bytes, a frame of 14 to NET_FRAME_MAX bytes.
 * 0: taken, all of it. -EAGAIN: nothing of it; wait for POLLOUT. -EINVAL: no
 * frame. Another -errno: the stream has ended.
 */
int netb_stream_send(struct netb_stream *s, const struct iovec *iov,
		     unsigned int nr, size_t skip);

/* Send what is left of the last frame. As above. */
int netb_stream_flush(struct netb_stream *s);

static inline bool netb_stream_has_unsent(const struct netb_stream *s)
{
	return s->unsent;
}

/*
 * Move the next frame to @iov, behind @skip bytes that stay as they are. Its
 * length without @skip. -EAGAIN: none is complete; wait for POLLIN. -EMSGSIZE:
 * it did not fit and is gone. -EPIPE: the other end has closed. Another
 * -errno: the stream has ended; -EPROTO: with a length that no frame has.
 */
ssize_t netb_stream_recv(struct netb_stream *s, const struct iovec *iov,
			 unsigned int nr, size_t skip);

#endif
