// SPDX-License-Identifier: MIT
/*
 * net_fifo.c - frames that wait for somebody to take them, up to a bound.
 */
#include "virtio/backend/net_fifo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/iov.h"

int netb_fifo_init(struct netb_fifo *f, size_t size)
{
	*f = (struct netb_fifo){ .size = size };
	f->ring = malloc(size);
	return f->ring ? 0 : -ENOMEM;
}

void netb_fifo_fini(struct netb_fifo *f)
{
	free(f->ring);
	f->ring = NULL;
}

/* The one or two pieces of the ring that @len bytes from @at on lie in. */
static void pieces(const struct netb_fifo *f, size_t at, size_t len,
		   struct iovec piece[2])
{
	size_t to_end;

	at %= f->size;
	to_end = min_u64(f->size - at, len);
	piece[0] = (struct iovec){ f->ring + at, to_end };
	piece[1] = (struct iovec){ f->ring, len - to_end };
}

static void put(struct netb_fifo *f, const void *buf, size_t len)
{
	struct iovec piece[2];

	pieces(f, f->first + f->used, len, piece);
	iov_write(piece, 2, 0, buf, len);
	f->used += len;
}

bool netb_fifo_push(struct netb_fifo *f, const void *frame, size_t len)
{
	uint32_t prefix = (uint32_t)len;

	if (len > UINT32_MAX || f->size - f->used < sizeof(prefix) ||
	    f->size - f->used - sizeof(prefix) < len) {
		f->dropped++;
		return false;
	}
	put(f, &prefix, sizeof(prefix));
	put(f, frame, len);
	return true;
}

static void take(struct netb_fifo *f, size_t len)
{
	f->used -= len;
	/* From the start again: what was used last is in the CPU's cache. */
	f->first = f->used ? (f->first + len) % f->size : 0;
}

ssize_t netb_fifo_pop(struct netb_fifo *f, const struct iovec *iov,
		      unsigned int nr, size_t skip)
{
	struct iovec piece[2];
	uint32_t len;
	size_t n = 0;

	if (netb_fifo_empty(f))
		return -EAGAIN;
	pieces(f, f->first, sizeof(len), piece);
	iov_read(piece, 2, 0, &len, sizeof(len));
	pieces(f, f->first + sizeof(len), len, piece);
	for (unsigned int i = 0; i < 2; i++)
		n += iov_write(iov, nr, skip + n, piece[i].iov_base,
			       piece[i].iov_len);
	take(f, sizeof(len) + len);
	return n == len ? (ssize_t)n : -EMSGSIZE;
}
