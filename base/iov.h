/* SPDX-License-Identifier: MIT */
/*
 * iov.h - bytes in and out of scattered memory.
 */
#ifndef MINIVMM_BASE_IOV_H
#define MINIVMM_BASE_IOV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Sum of the lengths; SIZE_MAX when it is more than that. */
size_t iov_size(const struct iovec *iov, unsigned int nr);

/* Copy up to @len bytes from or to @off in; returns the bytes copied. */
size_t iov_read(const struct iovec *iov, unsigned int nr, size_t off, void *buf,
		size_t len);
size_t iov_write(const struct iovec *iov, unsigned int nr, size_t off,
		 const void *buf, size_t len);

/*
 * The part [off, off + len) of @iov as its own array in @out, which holds
 * @out_max entries. Returns the entries used, or -EINVAL when the range
 * leaves @iov or @out is too small.
 */
int iov_slice(const struct iovec *iov, unsigned int nr, size_t off, size_t len,
	      struct iovec *out, unsigned int out_max);

#endif
