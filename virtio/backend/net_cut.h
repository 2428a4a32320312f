/* SPDX-License-Identifier: MIT */
/*
 * net_cut.h - a long TCP frame into frames with a segment each.
 *
 * Frames, offsets and who writes to buffers: as in net_packet.h.
 *
 * Any thread; one at a time for each object.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_CUT_H
#define MINIVMM_VIRTIO_BACKEND_NET_CUT_H

#include "virtio/backend/net_packet.h"

struct netb_cut {
	struct netb_headers at;
	uint8_t head[NETB_HEAD_MAX]; /* the first at.payload bytes */
	size_t len;		     /* of the frame */
	size_t step;		     /* payload of a piece, but the last */
	size_t next;		     /* offset of the payload of the next one */
	uint16_t nr;		     /* pieces so far */
};

/*
 * Begin to cut the frame in @iov into pieces with a multiple of @gso_size bytes
 * of payload: one, or as many as a frame that @to takes holds. 0, or -EINVAL:
 * it is not TCP.
 */
int netb_cut_start(struct netb_cut *c, const struct iovec *iov, unsigned int nr,
		   size_t gso_size, const struct net_long_frames *to);

static inline bool netb_cut_over(const struct netb_cut *c)
{
	return c->next >= c->len;
}

/*
 * Write the headers of the next piece, c->at.payload bytes, to @head; it goes
 * on with the returned number of bytes from offset c->next of @iov, as above.
 */
size_t netb_cut_head(const struct netb_cut *c, const struct iovec *iov,
		     unsigned int nr, uint8_t head[NETB_HEAD_MAX]);

/* That piece of @len bytes of payload is done. */
static inline void netb_cut_advance(struct netb_cut *c, size_t len)
{
	c->next += len;
	c->nr++;
}

#endif
