// SPDX-License-Identifier: MIT
/*
 * net_cut.c - a long TCP frame into frames that carry a segment each,
 * with headers of their own and checksums; the payload stays where it is.
 *
 * RFC 9293 §3.7.1 (segments), RFC 3168 §6.1.2 (CWR once), RFC 6864 §4 (IDs).
 */
#include "virtio/backend/net_cut.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/checked.h"
#include "base/iov.h"

/* Linux sends no smaller ones; a byte each would make 64 Ki of a frame. */
#define SEGMENT_MIN 48
#define FLAG_CWR    0x80 /* RFC 3168 §6.1 */

/* Whole segments in a frame that @to takes; at least one. */
static size_t step_of(const struct netb_headers *h, size_t gso_size,
		      const struct net_long_frames *to)
{
	size_t most = min_u64(h->version == 4 ? to->tcp4 : to->tcp6,
			      (size_t)h->ip + NETB_PACKET_MAX);

	if (most < h->payload + gso_size)
		return gso_size;
	return (most - h->payload) / gso_size * gso_size;
}

int netb_cut_start(struct netb_cut *c, const struct iovec *iov, unsigned int nr,
		   size_t gso_size, const struct net_long_frames *to)
{
	size_t len = iov_size(iov, nr);
	size_t n = iov_read(iov, nr, NET_HDR_LEN, c->head, sizeof(c->head));

	if (gso_size < SEGMENT_MIN || !netb_headers_find(&c->at, c->head, n) ||
	    c->at.protocol != IPPROTO_TCP)
		return -EINVAL;
	c->len = len - NET_HDR_LEN;
	c->step = step_of(&c->at, gso_size, to);
	c->next = c->at.payload;
	c->nr = 0;
	return c->next < c->len ? 0 : -EINVAL;
}

static void set_id(uint8_t *head, const struct netb_cut *c)
{
	struct iphdr ip;

	memcpy(&ip, head + c->at.ip, sizeof(ip));
	ip.id = htons((uint16_t)(ntohs(ip.id) + c->nr));
	memcpy(head + c->at.ip, &ip, sizeof(ip));
}

static void set_tcp(uint8_t *head, const struct netb_cut *c, bool last)
{
	struct tcphdr tcp;

	memcpy(&tcp, head + c->at.l4, sizeof(tcp));
	tcp.seq = htonl(ntohl(tcp.seq) + (uint32_t)(c->next - c->at.payload));
	tcp.check = 0;
	memcpy(head + c->at.l4, &tcp, sizeof(tcp));
	if (!last)
		head[c->at.l4 + NETB_TCP_FLAGS] &=
			(uint8_t) ~(TH_FIN | TH_PUSH);
	if (c->nr)
		head[c->at.l4 + NETB_TCP_FLAGS] &= (uint8_t)~FLAG_CWR;
}

size_t netb_cut_head(const struct netb_cut *c, const struct iovec *iov,
		     unsigned int nr, uint8_t head[NETB_HEAD_MAX])
{
	size_t n = min_u64(c->step, c->len - c->next);
	size_t tcp_len = c->at.payload - c->at.l4;
	uint64_t sum;
	uint16_t check;

	memcpy(head, c->head, c->at.payload);
	if (c->at.version == 4)
		set_id(head, c);
	netb_headers_set_end(&c->at, head, c->at.payload + n);
	set_tcp(head, c, c->next + n == c->len);
	sum = netb_sum_pseudo(&c->at, head, tcp_len + n);
	sum = netb_sum_frame(sum, iov, nr, c->next, n);
	sum = netb_sum(sum, head + c->at.l4, tcp_len);
	check = (uint16_t)~netb_sum_fold(sum);
	memcpy(head + c->at.l4 + offsetof(struct tcphdr, check), &check,
	       sizeof(check));
	return n;
}
