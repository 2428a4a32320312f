/* SPDX-License-Identifier: MIT */
/*
 * net_packet.h - where the headers of a frame are, and checksums.
 *
 * An iovec of a frame begins with its virtio_net_hdr_v1; offsets count from
 * behind that, from the destination address. Its buffers belong to the guest,
 * which may write to them meanwhile: what decides is read once, into a copy.
 * Sums are ones' complement sums of 16-bit words in the order of this host, as
 * RFC 1071 §2 (B) allows.
 *
 * Any thread; one at a time for each object.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_PACKET_H
#define MINIVMM_VIRTIO_BACKEND_NET_PACKET_H

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

#endif
