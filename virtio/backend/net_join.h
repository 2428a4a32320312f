/* SPDX-License-Identifier: MIT */
/*
 * net_join.h - frames of a TCP connection into a long one.
 *
 * Frames, offsets and who writes to buffers: as in net_packet.h.
 *
 * Any thread; one at a time for each object.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_JOIN_H
#define MINIVMM_VIRTIO_BACKEND_NET_JOIN_H

#include "virtio/backend/net_packet.h"

struct netb_join {
	struct netb_headers at;
	uint8_t head[NETB_HEAD_MAX];
	size_t len;	 /* of the frame, with what was joined */
	uint16_t step;	 /* payload of each frame, but the last */
	unsigned int nr; /* frames so far */
	bool valid;	 /* the checksum is right */
	bool open;	 /* another frame may follow */
};

/* The frame of @len bytes in @iov is the first. */
void netb_join_start(struct netb_join *j, const struct iovec *iov,
		     unsigned int nr, size_t len);

/*
 * Put the payload of the next frame, @len bytes at @frame, which nobody writes
 * to, behind what is there already. False: it does not go on from there, or
 * @iov has no room for it, and is as it was.
 */
bool netb_join_add(struct netb_join *j, const struct iovec *iov,
		   unsigned int nr, const uint8_t *frame, size_t len);

/* Write the headers of what was joined, and the virtio_net_hdr_v1. */
void netb_join_finish(struct netb_join *j, const struct iovec *iov,
		      unsigned int nr);

#endif
