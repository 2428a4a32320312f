// SPDX-License-Identifier: MIT
/*
 * net_iov.c - bytes in and out of the buffers that a frame lies in.
 */
#include "virtio/backend/net_iov.h"

#include <stdint.h>
#include <string.h>

#include "base/checked.h"

size_t netb_iov_size(const struct iovec *iov, unsigned int nr)
{
	size_t size = 0;

	for (unsigned int i = 0; i < nr; i++)
		if (__builtin_add_overflow(size, iov[i].iov_len, &size))
			return SIZE_MAX;
	return size;
}

/* One of the two is NULL. */
static size_t copy(const struct iovec *iov, unsigned int nr, size_t off,
		   char *to, const char *from, size_t len)
{
	size_t done = 0;

	for (unsigned int i = 0; i < nr && done < len; i++) {
		size_t n = iov[i].iov_len;
		char *at = iov[i].iov_base;

		if (off >= n) {
			off -= n;
			continue;
		}
		n = min_u64(n - off, len - done);
		if (to)
			memcpy(to + done, at + off, n);
		else
			memcpy(at + off, from + done, n);
		done += n;
		off = 0;
	}
	return done;
}

size_t netb_iov_get(const struct iovec *iov, unsigned int nr, size_t off,
		    void *buf, size_t len)
{
	return copy(iov, nr, off, buf, NULL, len);
}

size_t netb_iov_put(const struct iovec *iov, unsigned int nr, size_t off,
		    const void *buf, size_t len)
{
	return copy(iov, nr, off, NULL, buf, len);
}
