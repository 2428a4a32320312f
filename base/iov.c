// SPDX-License-Identifier: MIT
/*
 * iov.c - bytes in and out of scattered memory.
 */
#include "base/iov.h"

#include <errno.h>
#include <string.h>

#include "base/checked.h"

/* One contiguous piece of the range that a walk visits. */
struct piece {
	char *base;
	size_t len;
};

/*
 * The piece of @iov[*i] that starts *off bytes into it, at most @want bytes.
 * Steps over entries that end before *off; false at the end of @iov.
 */
static bool next_piece(const struct iovec *iov, unsigned int nr,
		       unsigned int *i, size_t *off, size_t want,
		       struct piece *p)
{
	while (*i < nr && *off >= iov[*i].iov_len)
		*off -= iov[(*i)++].iov_len;
	if (*i == nr)
		return false;

	p->base = (char *)iov[*i].iov_base + *off;
	p->len = min_u64(iov[*i].iov_len - *off, want);
	*off += p->len;
	return true;
}

size_t iov_size(const struct iovec *iov, unsigned int nr)
{
	size_t sum = 0;

	for (unsigned int i = 0; i < nr; i++)
		if (__builtin_add_overflow(sum, iov[i].iov_len, &sum))
			return SIZE_MAX;
	return sum;
}

size_t iov_read(const struct iovec *iov, unsigned int nr, size_t off, void *buf,
		size_t len)
{
	unsigned int i = 0;
	struct piece p;
	size_t done = 0;

	while (done < len && next_piece(iov, nr, &i, &off, len - done, &p)) {
		memcpy((char *)buf + done, p.base, p.len);
		done += p.len;
	}
	return done;
}

size_t iov_write(const struct iovec *iov, unsigned int nr, size_t off,
		 const void *buf, size_t len)
{
	unsigned int i = 0;
	struct piece p;
	size_t done = 0;

	while (done < len && next_piece(iov, nr, &i, &off, len - done, &p)) {
		memcpy(p.base, (const char *)buf + done, p.len);
		done += p.len;
	}
	return done;
}

int iov_slice(const struct iovec *iov, unsigned int nr, size_t off, size_t len,
	      struct iovec *out, unsigned int out_max)
{
	unsigned int i = 0, n = 0;
	struct piece p;

	if (!range_fits(off, len, iov_size(iov, nr)))
		return -EINVAL;

	while (len && next_piece(iov, nr, &i, &off, len, &p)) {
		if (n == out_max)
			return -EINVAL;
		out[n].iov_base = p.base;
		out[n].iov_len = p.len;
		n++;
		len -= p.len;
	}
	return (int)n;
}
