/* SPDX-License-Identifier: MIT */
/*
 * net_fifo.h - frames that wait for somebody to take them, up to a bound.
 *
 * One thread at a time.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_FIFO_H
#define MINIVMM_VIRTIO_BACKEND_NET_FIFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Where the frames are: each behind its length, around a ring of bytes. */
struct netb_fifo {
	char *ring;
	size_t size;
	size_t first; /* offset of the oldest frame */
	size_t used;  /* bytes, lengths included */
	uint64_t dropped;
};

/* @size bytes; memory is taken when it is used first. 0 or -ENOMEM. */
int netb_fifo_init(struct netb_fifo *f, size_t size);
void netb_fifo_fini(struct netb_fifo *f);

/* False, and one more in f->dropped, when there is no room. */
bool netb_fifo_push(struct netb_fifo *f, const void *frame, size_t len);

/*
 * Move the oldest frame to @iov, behind @skip bytes that stay as they are.
 * Its length without @skip. -EAGAIN: there is none. -EMSGSIZE: it did not fit
 * and is gone.
 */
ssize_t netb_fifo_pop(struct netb_fifo *f, const struct iovec *iov,
		      unsigned int nr, size_t skip);

static inline bool netb_fifo_empty(const struct netb_fifo *f)
{
	return !f->used;
}

#endif
