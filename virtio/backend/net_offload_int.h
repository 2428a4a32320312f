/* SPDX-License-Identifier: MIT */
/*
 * net_offload_int.h - what the files of the offloads share.
 *
 *   net_offload.c       the backend in front of another one
 *   net_offload_cut.c   a long TCP frame into frames
 *   net_offload_join.c  frames of a TCP connection into a long one
 *   net_offload_ip.c    where the headers of a frame are, and checksums
 *
 * An iovec of a frame begins with its virtio_net_hdr_v1; offsets count from
 * behind that, from the destination address. Its buffers belong to the guest,
 * which may write to them meanwhile: what decides is read once, into a copy.
 * Sums are ones' complement sums of 16-bit words in the order of this host, as
 * RFC 1071 §2 (B) allows.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_OFFLOAD_INT_H
#define MINIVMM_VIRTIO_BACKEND_NET_OFFLOAD_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtio/backend/net.h"

/* Headers end within so many bytes, or the frame is none to work on. */
#define NETB_HEAD_MAX 256
/* The longest packet that IPv4 and IPv6 have a length for. */
#define NETB_PACKET_MAX 65535
#define NETB_TCP_FLAGS	13 /* offset in a TCP header */

/* net_offload_ip.c */

/* Where the headers are of a frame with TCP or UDP over IP, not a fragment. */
struct netb_headers {
	uint8_t version;  /* of IP, 4 or 6 */
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	bool options;	  /* IP has some, or extension headers */
	uint16_t ip;	  /* offsets: of the IP header, */
	uint16_t l4;	  /* of the TCP or UDP header, */
	uint16_t payload; /* of what is behind that */
};

/* False when @head, the first @len bytes of a frame, are something else. */
bool netb_headers_find(struct netb_headers *h, const uint8_t *head, size_t len);

/* Where the IP packet ends by its own account; padding may follow. */
size_t netb_headers_end(const struct netb_headers *h, const uint8_t *head);

/* Write that it ends at @end; the checksum of the IP header, too. */
void netb_headers_set_end(const struct netb_headers *h, uint8_t *head,
			  size_t end);

/* On top of @sum, the sum of @len bytes at @buf, */
uint64_t netb_sum(uint64_t sum, const void *buf, size_t len);
/* of [off, off + len) of the frame in @iov, */
uint64_t netb_sum_frame(uint64_t sum, const struct iovec *iov, unsigned int nr,
			size_t off, size_t len);
/* of the pseudo-header for @len bytes from h->l4 on (RFC 9293 §3.1). */
uint64_t netb_sum_pseudo(const struct netb_headers *h, const uint8_t *head,
			 size_t len);
/* In 16 bits; the checksum is the complement of it. */
uint16_t netb_sum_fold(uint64_t sum);

/* net_offload_cut.c */

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
 * of payload: one, or as many as a frame of @frame_max bytes holds. 0, or
 * -EINVAL: it is not TCP.
 */
int netb_cut_start(struct netb_cut *c, const struct iovec *iov, unsigned int nr,
		   size_t gso_size, size_t frame_max);

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

/* net_offload_join.c */

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
 * Put the payload of the next frame, @len bytes at @frame, behind what is
 * there already. False: it does not go on from there, or @iov has no room for
 * it, and is as it was.
 */
bool netb_join_add(struct netb_join *j, const struct iovec *iov,
		   unsigned int nr, const uint8_t *frame, size_t len);

/* Write the headers of what was joined, and the virtio_net_hdr_v1. */
void netb_join_finish(struct netb_join *j, const struct iovec *iov,
		      unsigned int nr);

#endif
