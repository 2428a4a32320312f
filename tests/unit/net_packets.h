/* SPDX-License-Identifier: MIT */
/*
 * net_packets.h - frames by hand: ARP, and UDP and TCP over IPv4, with
 * checksums.
 */
#ifndef MINIVMM_TESTS_UNIT_NET_PACKETS_H
#define MINIVMM_TESTS_UNIT_NET_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PACKET_ETH  14
#define PACKET_IP   20
#define PACKET_TCP  20
#define PACKET_UDP  8
#define PACKET_ICMP 8
#define PACKET_MAX  2048

enum {
	PACKET_FIN = 1,
	PACKET_SYN = 2,
	PACKET_RST = 4,
	PACKET_PSH = 8,
	PACKET_ACK = 16,
	PACKET_URG = 32,
};

/* One end of a conversation, in host order. */
struct packet_end {
	uint32_t addr;
	uint16_t port;
};

struct packet {
	uint8_t data[PACKET_MAX];
	size_t len;
};

static const uint8_t packet_guest_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

static inline void packet_put16(uint8_t *at, unsigned int v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void packet_put32(uint8_t *at, uint32_t v)
{
	packet_put16(at, v >> 16);
	packet_put16(at + 2, v & 0xffff);
}

static inline uint16_t packet_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t packet_get32(const uint8_t *at)
{
	return (uint32_t)packet_get16(at) << 16 | packet_get16(at + 2);
}

/* RFC 1071, of @len bytes, on top of @sum. */
static inline uint32_t packet_sum(const uint8_t *at, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += packet_get16(at + i);
	if (len % 2)
		sum += (uint32_t)at[len - 1] << 8;
	return sum;
}

static inline uint16_t packet_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static inline void packet_eth(struct packet *p, unsigned int type)
{
	memset(p->data, 0, sizeof(p->data));
	memset(p->data, 0xff, 6);
	memcpy(p->data + 6, packet_guest_mac, 6);
	packet_put16(p->data + 12, type);
}

/* Who has @target? Or, with @reply, that it is us. */
static inline void packet_arp(struct packet *p, bool reply, uint32_t from,
			      uint32_t target)
{
	uint8_t *a = p->data + PACKET_ETH;

	packet_eth(p, 0x0806);
	packet_put16(a, 1);
	packet_put16(a + 2, 0x0800);
	a[4] = 6;
	a[5] = 4;
	packet_put16(a + 6, reply ? 2 : 1);
	memcpy(a + 8, packet_guest_mac, 6);
	packet_put32(a + 14, from);
	packet_put32(a + 24, target);
	p->len = PACKET_ETH + 28;
}

static inline uint8_t *packet_ip(struct packet *p, uint8_t protocol,
				 uint32_t from, uint32_t to, size_t len)
{
	uint8_t *ip = p->data + PACKET_ETH;

	packet_eth(p, 0x0800);
	ip[0] = 0x45;
	packet_put16(ip + 2, (unsigned int)(PACKET_IP + len));
	ip[8] = 64;
	ip[9] = protocol;
	packet_put32(ip + 12, from);
	packet_put32(ip + 16, to);
	packet_put16(ip + 10, packet_fold(packet_sum(ip, PACKET_IP, 0)));
	p->len = PACKET_ETH + PACKET_IP + len;
	return ip + PACKET_IP;
}

/* The checksum at @at of what is behind the IP header. */
static inline void packet_checksum(struct packet *p, size_t at)
{
	const uint8_t *ip = p->data + PACKET_ETH;
	uint8_t *body = p->data + PACKET_ETH + PACKET_IP;
	size_t len = p->len - PACKET_ETH - PACKET_IP;
	uint32_t sum = packet_sum(ip + 12, 8, ip[9] + (uint32_t)len);

	if (ip[9] == 1)
		sum = 0; /* ICMP has no pseudo-header */
	packet_put16(body + at, packet_fold(packet_sum(body, len, sum)));
}

static inline void packet_udp(struct packet *p, struct packet_end from,
			      struct packet_end to, const void *data,
			      size_t len)
{
	uint8_t *udp = packet_ip(p, 17, from.addr, to.addr, PACKET_UDP + len);

	packet_put16(udp, from.port);
	packet_put16(udp + 2, to.port);
	packet_put16(udp + 4, (unsigned int)(PACKET_UDP + len));
	memcpy(udp + PACKET_UDP, data, len);
	packet_checksum(p, 6);
}

static inline void packet_tcp(struct packet *p, struct packet_end from,
			      struct packet_end to, unsigned int flags,
			      uint32_t seq, uint32_t ack, const void *data,
			      size_t len)
{
	uint8_t *tcp = packet_ip(p, 6, from.addr, to.addr, PACKET_TCP + len);

	packet_put16(tcp, from.port);
	packet_put16(tcp + 2, to.port);
	packet_put32(tcp + 4, seq);
	packet_put32(tcp + 8, ack);
	tcp[12] = 5 << 4;
	tcp[13] = (uint8_t)flags;
	packet_put16(tcp + 14, 65535);
	if (len)
		memcpy(tcp + PACKET_TCP, data, len);
	packet_checksum(p, 16);
}

/* An echo request. */
static inline void packet_ping(struct packet *p, uint32_t from, uint32_t to)
{
	uint8_t *icmp = packet_ip(p, 1, from, to, PACKET_ICMP + 8);

	icmp[0] = 8;
	packet_put16(icmp + 4, 0x1234);
	packet_put16(icmp + 6, 1);
	packet_checksum(p, 2);
}

/* A DHCPDISCOVER (RFC 2131 §4.4.1). */
static inline void packet_dhcp_discover(struct packet *p)
{
	static const uint8_t options[] = {
		0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255
	};
	uint8_t m[300] = { 1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef };

	memcpy(m + 28, packet_guest_mac, 6);
	memcpy(m + 236, options, sizeof(options));
	packet_udp(p, (struct packet_end){ 0, 68 },
		   (struct packet_end){ 0xffffffff, 67 }, m, sizeof(m));
}

/* What a received frame is. */

static inline bool packet_is_ip(const uint8_t *f, size_t len, uint8_t protocol)
{
	return len >= PACKET_ETH + PACKET_IP &&
	       packet_get16(f + 12) == 0x0800 && f[PACKET_ETH + 9] == protocol;
}

static inline const uint8_t *packet_body(const uint8_t *f)
{
	return f + PACKET_ETH + (size_t)(f[PACKET_ETH] & 15) * 4;
}

#endif
