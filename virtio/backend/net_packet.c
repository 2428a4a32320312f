// SPDX-License-Identifier: MIT
/*
 * net_packet.c - where the headers of a frame are, and checksums.
 */
#include "virtio/backend/net_packet.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/checked.h"

#define TYPE_AT	 12 /* in an Ethernet header */
#define TYPE_LEN 2
#define TAG_LEN	 4
#define TYPE_IP4 0x0800
#define TYPE_IP6 0x86dd
#define TYPE_TAG 0x8100

static unsigned int get16(const uint8_t *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

/* Headers */

static bool find_tcp(struct netb_headers *h, const uint8_t *head, size_t len)
{
	struct tcphdr tcp;
	size_t n;

	if (!range_fits(h->l4, sizeof(tcp), len))
		return false;
	memcpy(&tcp, head + h->l4, sizeof(tcp));
	n = tcp.doff * 4u;
	if (n < sizeof(tcp) || !range_fits(h->l4, n, len))
		return false;
	h->payload = (uint16_t)(h->l4 + n);
	return true;
}

static bool find_l4(struct netb_headers *h, const uint8_t *head, size_t len)
{
	if (h->protocol == IPPROTO_TCP)
		return find_tcp(h, head, len);
	if (h->protocol != IPPROTO_UDP ||
	    !range_fits(h->l4, sizeof(struct udphdr), len))
		return false;
	h->payload = (uint16_t)(h->l4 + sizeof(struct udphdr));
	return true;
}

static bool find_ip4(struct netb_headers *h, const uint8_t *head, size_t len)
{
	struct iphdr ip;
	size_t n;

	if (!range_fits(h->ip, sizeof(ip), len))
		return false;
	memcpy(&ip, head + h->ip, sizeof(ip));
	n = ip.ihl * 4u;
	if (ip.version != 4 || n < sizeof(ip) || !range_fits(h->ip, n, len) ||
	    (ip.frag_off & htons(IP_MF | IP_OFFMASK)))
		return false;
	h->version = 4;
	h->protocol = ip.protocol;
	h->options = n > sizeof(ip);
	h->l4 = (uint16_t)(h->ip + n);
	return find_l4(h, head, len);
}

/* Extension headers that say nothing about where the packet goes. */
static bool is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_DSTOPTS;
}

/* RFC 8200 §4; a fragment has a header that is not walked over. */
static bool find_ip6(struct netb_headers *h, const uint8_t *head, size_t len)
{
	struct ip6_ext ext;
	struct ip6_hdr ip;
	size_t at;

	if (!range_fits(h->ip, sizeof(ip), len))
		return false;
	memcpy(&ip, head + h->ip, sizeof(ip));
	if (ip.ip6_vfc >> 4 != 6)
		return false;
	h->version = 6;
	h->protocol = ip.ip6_nxt;
	at = h->ip + sizeof(ip);
	while (is_extension(h->protocol) && range_fits(at, sizeof(ext), len)) {
		memcpy(&ext, head + at, sizeof(ext));
		h->protocol = ext.ip6e_nxt;
		h->options = true;
		at += 8 + ext.ip6e_len * 8u;
	}
	if (at > len)
		return false;
	h->l4 = (uint16_t)at;
	return find_l4(h, head, len);
}

bool netb_headers_find(struct netb_headers *h, const uint8_t *head, size_t len)
{
	size_t at = TYPE_AT;

	*h = (struct netb_headers){ 0 };
	len = min_u64(len, NETB_HEAD_MAX);
	if (!range_fits(at, TAG_LEN + TYPE_LEN, len))
		return false;
	if (get16(head + at) == TYPE_TAG)
		at += TAG_LEN;
	h->ip = (uint16_t)(at + TYPE_LEN);
	switch (get16(head + at)) {
	case TYPE_IP4:
		return find_ip4(h, head, len);
	case TYPE_IP6:
		return find_ip6(h, head, len);
	default:
		return false;
	}
}

size_t netb_headers_end(const struct netb_headers *h, const uint8_t *head)
{
	const uint8_t *ip = head + h->ip;

	if (h->version == 4)
		return h->ip + get16(ip + offsetof(struct iphdr, tot_len));
	return h->ip + sizeof(struct ip6_hdr) +
	       get16(ip + offsetof(struct ip6_hdr, ip6_plen));
}

void netb_headers_set_end(const struct netb_headers *h, uint8_t *head,
			  size_t end)
{
	struct ip6_hdr ip6;
	struct iphdr ip4;

	if (h->version == 6) {
		memcpy(&ip6, head + h->ip, sizeof(ip6));
		ip6.ip6_plen = htons((uint16_t)(end - h->ip - sizeof(ip6)));
		memcpy(head + h->ip, &ip6, sizeof(ip6));
		return;
	}
	memcpy(&ip4, head + h->ip, sizeof(ip4));
	ip4.tot_len = htons((uint16_t)(end - h->ip));
	ip4.check = 0;
	memcpy(head + h->ip, &ip4, sizeof(ip4));
	ip4.check = (uint16_t)~netb_sum_fold(
		netb_sum(0, head + h->ip, (size_t)(h->l4 - h->ip)));
	memcpy(head + h->ip, &ip4, sizeof(ip4));
}

/* Checksums */

uint64_t netb_sum(uint64_t sum, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	uint16_t last = 0;
	uint32_t word;

	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (len & 2) {
		memcpy(&last, p, sizeof(last));
		sum += last;
		p += 2;
		last = 0;
	}
	if (len & 1) {
		/* As if a zero byte followed: RFC 1071 §4.1. */
		memcpy(&last, p, 1);
		sum += last;
	}
	return sum;
}

uint16_t netb_sum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint64_t netb_sum_frame(uint64_t sum, const struct iovec *iov, unsigned int nr,
			size_t off, size_t len)
{
	bool odd = false;

	off += NET_HDR_LEN;
	for (unsigned int i = 0; i < nr && len; i++) {
		size_t n = iov[i].iov_len;
		uint64_t part;

		if (off >= n) {
			off -= n;
			continue;
		}
		n = min_u64(n - off, len);
		part = netb_sum(0, (const char *)iov[i].iov_base + off, n);
		/* Behind an odd number of bytes: RFC 1071 §2 (B). */
		sum += odd ? __builtin_bswap16(netb_sum_fold(part)) : part;
		odd ^= n & 1;
		len -= n;
		off = 0;
	}
	return sum;
}

uint64_t netb_sum_pseudo(const struct netb_headers *h, const uint8_t *head,
			 size_t len)
{
	const uint8_t *ip = head + h->ip;
	uint64_t sum = htonl((uint32_t)len);

	sum += htons(h->protocol);
	if (h->version == 4)
		return netb_sum(sum, ip + offsetof(struct iphdr, saddr),
				2 * sizeof(struct in_addr));
	return netb_sum(sum, ip + offsetof(struct ip6_hdr, ip6_src),
			2 * sizeof(struct in6_addr));
}
