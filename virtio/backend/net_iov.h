/* SPDX-License-Identifier: MIT */
/*
 * net_iov.h - bytes in and out of the buffers that a frame lies in, for
 * backends that copy.
 *
 * Any thread.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_IOV_H
#define MINIVMM_VIRTIO_BACKEND_NET_IOV_H

#include <stddef.h>
#include <sys/uio.h>

/* All bytes of @iov; SIZE_MAX when they are more than that. */
size_t netb_iov_size(const struct iovec *iov, unsigned int nr);

/*
 * Copy @len bytes of @iov from @off on into @buf, or the other way round.
 * Returns how many there were: less than @len where @iov ends.
 */
size_t netb_iov_get(const struct iovec *iov, unsigned int nr, size_t off,
		    void *buf, size_t len);
size_t netb_iov_put(const struct iovec *iov, unsigned int nr, size_t off,
		    const void *buf, size_t len);

#endif
