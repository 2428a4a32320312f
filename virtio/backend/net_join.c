// SPDX-License-Identifier: MIT
/*
 * net_join.c - frames of one TCP connection that follow one another
 * into a long one, as a network adapter with receive offload makes them
 * (virtio 1.2 §5.1.6.4, VIRTIO_NET_F_GUEST_TSO4).
 *
 * How it works. The first frame stays where it was received; payloads of the
 * next ones go behind it. A frame goes on from what is there when its headers
 * are the same but for lengths, the ID and checksums, its sequence number is
 * the next one, and its checksum is right: what is joined has none of its own.
 * All have the same length but the last: one that is shorter, or that says PSH,
 * is it.
 */
#include "virtio/backend/net_join.h"

#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/checked.h"
#include "base/iov.h"

static uint32_t seq_of(const struct netb_headers *h, const uint8_t *head)
{
	struct tcphdr tcp;

	memcpy(&tcp, head + h->l4, sizeof(tcp));
	return ntohl(tcp.seq);
}

static uint8_t flags_of(const struct netb_headers *h, const uint8_t *head)
{
	return head[h->l4 + NETB_TCP_FLAGS];
}

/* UDP over IPv4 may have no checksum: RFC 768. */
static bool has_sum(const struct netb_headers *h, const uint8_t *head)
{
	uint16_t check;

	if (h->protocol == IPPROTO_TCP)
		return true;
	memcpy(&check, head + h->l4 + offsetof(struct udphdr, check),
	       sizeof(check));
	return check;
}

/* Is the checksum right, when @sum is that of @len bytes of payload? */
static bool sum_is_right(const struct netb_headers *h, const uint8_t *head,
			 uint64_t sum, size_t len)
{
	size_t header = (size_t)(h->payload - h->l4);

	if (!has_sum(h, head))
		return false;
	sum += netb_sum_pseudo(h, head, header + len);
	return netb_sum_fold(netb_sum(sum, head + h->l4, header)) == 0xffff;
}

/* The header of IPv4 has a checksum of its own. */
static bool ip_is_right(const struct netb_headers *h, const uint8_t *head)
{
	return h->version == 6 ||
	       netb_sum_fold(netb_sum(0, head + h->ip,
				      (size_t)(h->l4 - h->ip))) == 0xffff;
}

/* Headers of a frame that may be one of several. */
static bool may_join(const struct netb_headers *h, const uint8_t *head,
		     size_t len)
{
	return h->protocol == IPPROTO_TCP && !h->options && len > h->payload &&
	       len == netb_headers_end(h, head) && ip_is_right(h, head) &&
	       !(flags_of(h, head) & ~(TH_ACK | TH_PUSH));
}

void netb_join_start(struct netb_join *j, const struct iovec *iov,
		     unsigned int nr, size_t len)
{
	struct netb_headers *h = &j->at;
	size_t n = iov_read(iov, nr, NET_HDR_LEN, j->head,
			    min_u64(sizeof(j->head), len));
	size_t end;

	j->len = len;
	j->nr = 1;
	j->valid = false;
	j->open = false;
	if (!netb_headers_find(h, j->head, n))
		return;
	end = netb_headers_end(h, j->head);
	if (end < h->payload || end > len)
		return;
	n = end - h->payload;
	j->valid = sum_is_right(h, j->head,
				netb_sum_frame(0, iov, nr, h->payload, n), n);
	if (!j->valid || !may_join(h, j->head, len))
		return;
	j->step = (uint16_t)n;
	j->open = !(flags_of(h, j->head) & TH_PUSH);
}

/* Make the same of all headers of frames that may be joined. */
static void blank(const struct netb_headers *h, uint8_t *head)
{
	struct tcphdr tcp;
	struct ip6_hdr ip6;
	struct iphdr ip;

	if (h->version == 4) {
		memcpy(&ip, head + h->ip, sizeof(ip));
		ip.tot_len = 0;
		ip.id = 0;
		ip.check = 0;
		memcpy(head + h->ip, &ip, sizeof(ip));
	} else {
		memcpy(&ip6, head + h->ip, sizeof(ip6));
		ip6.ip6_plen = 0;
		memcpy(head + h->ip, &ip6, sizeof(ip6));
	}
	memcpy(&tcp, head + h->l4, sizeof(tcp));
	tcp.seq = 0;
	tcp.check = 0;
	memcpy(head + h->l4, &tcp, sizeof(tcp));
	head[h->l4 + NETB_TCP_FLAGS] &= (uint8_t)~TH_PUSH;
}

/* Options of TCP and what it acknowledges included */
static bool same_headers(const struct netb_headers *h, const uint8_t *a,
			 const uint8_t *b)
{
	uint8_t blank_a[NETB_HEAD_MAX], blank_b[NETB_HEAD_MAX];

	memcpy(blank_a, a, h->payload);
	memcpy(blank_b, b, h->payload);
	blank(h, blank_a);
	blank(h, blank_b);
	return !memcmp(blank_a, blank_b, h->payload);
}

static bool goes_on(const struct netb_join *j, const struct netb_headers *h,
		    const uint8_t *frame, size_t len)
{
	const size_t behind = j->len - j->at.payload;

	return h->version == j->at.version && h->ip == j->at.ip &&
	       h->payload == j->at.payload && may_join(h, frame, len) &&
	       len - h->payload <= j->step &&
	       seq_of(h, frame) == seq_of(h, j->head) + (uint32_t)behind &&
	       same_headers(h, j->head, frame);
}

/* Room for @n more bytes, in @iov and in the length field of IP */
static bool has_room(const struct netb_join *j, const struct iovec *iov,
		     unsigned int nr, size_t n)
{
	return range_fits(j->len, n, (size_t)j->at.ip + NETB_PACKET_MAX) &&
	       range_fits(NET_HDR_LEN + j->len, n, iov_size(iov, nr));
}

bool netb_join_add(struct netb_join *j, const struct iovec *iov,
		   unsigned int nr, const uint8_t *frame, size_t len)
{
	struct netb_headers h;
	size_t n;

	if (!j->open || !netb_headers_find(&h, frame, len) ||
	    !goes_on(j, &h, frame, len))
		return false;
	n = len - h.payload;
	if (!has_room(j, iov, nr, n) ||
	    !sum_is_right(&h, frame, netb_sum(0, frame + h.payload, n), n))
		return false;
	iov_write(iov, nr, NET_HDR_LEN + j->len, frame + h.payload, n);
	j->len += n;
	j->nr++;
	j->head[j->at.l4 + NETB_TCP_FLAGS] |= flags_of(&h, frame);
	j->open = n == j->step && !(flags_of(&h, frame) & TH_PUSH);
	return true;
}

/* The sum of the pseudo-header, for whoever would compute the checksum. */
static void set_partial_sum(struct netb_join *j)
{
	uint16_t check = netb_sum_fold(
		netb_sum_pseudo(&j->at, j->head, j->len - j->at.l4));

	memcpy(j->head + j->at.l4 + offsetof(struct tcphdr, check), &check,
	       sizeof(check));
}

void netb_join_finish(struct netb_join *j, const struct iovec *iov,
		      unsigned int nr)
{
	struct virtio_net_hdr_v1 v = { 0 };

	if (j->nr > 1) {
		netb_headers_set_end(&j->at, j->head, j->len);
		set_partial_sum(j);
		iov_write(iov, nr, NET_HDR_LEN, j->head, j->at.payload);
		v.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		v.gso_type = j->at.version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
						: VIRTIO_NET_HDR_GSO_TCPV6;
		v.hdr_len = htole16(j->at.payload);
		v.gso_size = htole16(j->step);
		v.csum_start = htole16(j->at.l4);
		v.csum_offset = htole16(offsetof(struct tcphdr, check));
	} else if (j->valid) {
		v.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
	iov_write(iov, nr, 0, &v, sizeof(v));
}
