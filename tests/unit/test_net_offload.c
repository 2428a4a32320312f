// SPDX-License-Identifier: MIT
/*
 * test_net_offload.c - offloads in front of a backend that has none: what they
 * cut and join, compared with frames by hand.
 */
#include "tests/unit/unit.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "base/checked.h"
#include "base/iov.h"
#include "tests/unit/fake_net.h"
#include "tests/unit/net_packets.h"
#include "virtio/backend/net_offload.h"

#define ALL  (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
#define SEQ  0xffffff00u /* wraps around */
#define MSS  1000
#define CWR  0x80
#define MORE 0x1000 /* of an IPv4 packet: a fragment that is not the last */

/* A connection and one frame of it. */
struct how {
	bool v6, vlan;
	unsigned int options; /* bytes of TCP options, 4 * n */
	unsigned int flags;
	uint32_t seq, ack;
	uint16_t window, id, port;
	uint8_t ttl;
};

static const struct how usual = {
	.flags = PACKET_ACK,
	.seq = SEQ,
	.ack = 77,
	.window = 500,
	.id = 0xffff,
	.port = 80,
	.ttl = 64,
};

struct frame {
	uint8_t hdr[NET_HDR_LEN];
	uint8_t data[NET_FRAME_MAX];
	size_t len; /* of data */
	size_t ip, tcp, payload;
};

static size_t put_ip(uint8_t *ip, const struct how *w, size_t len)
{
	memset(ip, 0, 40);
	if (w->v6) {
		ip[0] = 0x60;
		packet_put16(ip + 4, (unsigned int)len);
		ip[6] = 6;
		ip[7] = w->ttl;
		memset(ip + 8, 0x26, 16);
		memset(ip + 24, 0x27, 16);
		return 40;
	}
	ip[0] = 0x45;
	packet_put16(ip + 2, (unsigned int)(20 + len));
	packet_put16(ip + 4, w->id);
	ip[8] = w->ttl;
	ip[9] = 6;
	packet_put32(ip + 12, 0x0a000001);
	packet_put32(ip + 16, 0x0a000002);
	packet_put16(ip + 10, packet_fold(packet_sum(ip, 20, 0)));
	return 20;
}

static uint32_t pseudo(const struct frame *f, bool v6, size_t len)
{
	size_t at = f->ip + (v6 ? 8 : 12);

	return packet_sum(f->data + at, v6 ? 32 : 8,
			  6 + (uint32_t)(len >> 16) + (len & 0xffff));
}

/* What the checksum of the TCP packet in @f should be. */
static uint16_t right_sum(const struct frame *f, bool v6)
{
	size_t len = f->len - f->tcp;
	uint8_t *copy = malloc(len);
	uint64_t sum = pseudo(f, v6, len);

	memcpy(copy, f->data + f->tcp, len);
	packet_put16(copy + 16, 0);
	sum += packet_sum(copy, len, 0);
	free(copy);
	return packet_fold((uint32_t)sum);
}

/* Payload bytes follow from their place in the stream. */
static uint8_t byte_at(uint32_t seq)
{
	return (uint8_t)((seq * 2654435761u) >> 24);
}

/* A complete frame with @len bytes of payload. */
static struct frame *make(const struct how *w, size_t len)
{
	struct frame *f = calloc(1, sizeof(*f));
	size_t header = 20 + w->options;

	memset(f->data, 0x52, 12);
	f->ip = 14;
	if (w->vlan) {
		packet_put16(f->data + 12, 0x8100);
		packet_put16(f->data + 14, 5);
		f->ip = 18;
	}
	packet_put16(f->data + f->ip - 2, w->v6 ? 0x86dd : 0x0800);
	f->tcp = f->ip + put_ip(f->data + f->ip, w, header + len);
	f->payload = f->tcp + header;
	f->len = f->payload + len;
	packet_put16(f->data + f->tcp, w->port);
	packet_put16(f->data + f->tcp + 2, 4000);
	packet_put32(f->data + f->tcp + 4, w->seq);
	packet_put32(f->data + f->tcp + 8, w->ack);
	f->data[f->tcp + 12] = (uint8_t)(header / 4 << 4);
	f->data[f->tcp + 13] = (uint8_t)w->flags;
	packet_put16(f->data + f->tcp + 14, w->window);
	memset(f->data + f->tcp + 20, 1, w->options);
	for (size_t i = 0; i < len; i++)
		f->data[f->payload + i] = byte_at(w->seq + (uint32_t)i);
	packet_put16(f->data + f->tcp + 16, right_sum(f, w->v6));
	return f;
}

/* The rig: the owner on one side, a fake backend on the other. */

static const struct net_backend_ops bare_ops = {
	.kind = "bare",
	.set_queues = fake_net_set_queues,
	.send = fake_net_send,
	.recv = fake_net_recv,
	.destroy = fake_net_destroy,
};

struct rig {
	struct fake_net *fake;
	struct net_backend *net;
	unsigned int nr_readable, nr_writable, nr_link;
	uint8_t got[NET_HDR_LEN + NET_FRAME_MAX];
	ssize_t got_len; /* with the header */
	struct virtio_net_hdr_v1 v;
};

static void on_readable(void *ctx, unsigned int q)
{
	assert_int_equal(q, 0);
	((struct rig *)ctx)->nr_readable++;
}

static void on_writable(void *ctx, unsigned int q)
{
	assert_int_equal(q, 0);
	((struct rig *)ctx)->nr_writable++;
}

static void on_link(void *ctx, bool up)
{
	assert_false(up);
	((struct rig *)ctx)->nr_link++;
}

static struct rig *start_with(size_t tcp4)
{
	struct rig *r = calloc(1, sizeof(*r));
	const struct net_events ev = { on_readable, on_writable, on_link, r };

	r->fake = fake_net_create(1, 0);
	r->fake->backend.ops = &bare_ops;
	r->fake->backend.takes.tcp4 = tcp4;
	r->net = &r->fake->backend;
	assert_int_equal(netb_offload_add(&r->net), 0);
	net_attach(r->net, &ev);
	assert_int_equal(r->net->ops->set_offloads(r->net, ALL), 0);
	return r;
}

static struct rig *start(void)
{
	return start_with(0);
}

static void end(struct rig *r)
{
	net_destroy(r->net);
	free(r);
}

/* Send @f in pieces of @piece bytes, which are odd where they can be. */
static int send_in(struct rig *r, struct frame *f, size_t piece)
{
	struct iovec iov[900] = { { f->hdr, NET_HDR_LEN } };
	unsigned int nr = 1;

	for (size_t at = 0; at < f->len; at += piece) {
		size_t n = f->len - at < piece ? f->len - at : piece;

		assert_true(nr < 900);
		iov[nr++] = (struct iovec){ f->data + at, n };
	}
	return r->net->ops->send(r->net, 0, iov, nr);
}

/* Leave the checksum, or also the cutting, to the backend. */
static void ask(struct frame *f, bool v6, unsigned int mss)
{
	struct virtio_net_hdr_v1 v = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = htole16((uint16_t)f->tcp),
		.csum_offset = htole16(16),
		.gso_size = htole16((uint16_t)mss),
	};
	uint32_t sum = pseudo(f, v6, f->len - f->tcp);

	if (mss)
		v.gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6
				: VIRTIO_NET_HDR_GSO_TCPV4;
	memcpy(f->hdr, &v, sizeof(v));
	packet_put16(f->data + f->tcp + 16, (uint16_t)~packet_fold(sum));
}

/* @len bytes of @f arrive, and the backend keeps its promise to say so. */
static void arrive_bytes(struct rig *r, const struct frame *f, size_t len)
{
	const struct net_events *ev = &r->fake->backend.events;
	bool had_none = !r->fake->nr_in;

	fake_net_arrive(r->fake, 0, f, NET_HDR_LEN + len);
	if (had_none)
		ev->readable(ev->ctx, 0);
}

static void arrive(struct rig *r, struct frame *f)
{
	arrive_bytes(r, f, f->len);
	free(f);
}

/* The next frame for the owner, in buffers of @room bytes. */
static ssize_t next_in(struct rig *r, size_t room)
{
	/* Pieces of odd lengths */
	const struct iovec iov[] = {
		{ r->got, 33 },
		{ r->got + 33, 1001 },
		{ r->got + 1034, room - 1034 },
	};

	memset(r->got, 0, sizeof(r->got));
	r->got_len = r->net->ops->recv(r->net, 0, iov, 3);
	memcpy(&r->v, r->got, sizeof(r->v));
	return r->got_len;
}

static ssize_t next(struct rig *r)
{
	return next_in(r, sizeof(r->got));
}

/* The frame @i that the backend was sent. */
static const struct fake_frame *sent(const struct rig *r, unsigned int i)
{
	static const uint8_t plain[NET_HDR_LEN];

	assert_true(i < r->fake->nr_out);
	assert_memory_equal(r->fake->out[i].bytes, plain, NET_HDR_LEN);
	return &r->fake->out[i];
}

/* It is the one that make(@w, @len) makes. */
static void is_frame(const struct fake_frame *got, const struct how *w,
		     size_t len)
{
	struct frame *f = make(w, len);

	assert_int_equal(got->len, NET_HDR_LEN + f->len);
	assert_memory_equal(got->bytes + NET_HDR_LEN, f->data, f->len);
	free(f);
}

/* Sending */

static void passes_a_complete_frame(void **state)
{
	struct rig *r = start();
	struct frame *f = make(&usual, 100);

	(void)state;
	assert_int_equal(send_in(r, f, 7), 0);
	is_frame(sent(r, 0), &usual, 100);
	free(f);
	end(r);
}

static void fills_in_a_checksum(void **state)
{
	static const size_t pieces[] = { 1, 2, 7, 51, 52, 53, 64, 2000 };
	struct how w = usual;
	struct rig *r = start();
	unsigned int n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pieces) * 4; i++) {
		size_t len = i % 4 + 500;
		struct frame *f;

		w.v6 = i & 1;
		w.vlan = i & 2;
		f = make(&w, len);
		ask(f, w.v6, 0);
		assert_int_equal(send_in(r, f, pieces[i / 4]), 0);
		is_frame(sent(r, n++), &w, len);
		free(f);
	}
	end(r);
}

static void never_writes_the_checksum_that_means_none(void **state)
{
	struct rig *r = start();
	struct packet p;
	struct frame f = { 0 };
	uint8_t data[2] = { 0 };
	const struct packet_end a = { 0x0a000001, 5 }, b = { 0x0a000002, 6 };
	struct virtio_net_hdr_v1 v = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = htole16(34),
		.csum_offset = htole16(6),
	};
	uint32_t sum;

	(void)state;
	/* Data that make the sum 0xffff */
	packet_udp(&p, a, b, data, sizeof(data));
	memcpy(data, p.data + 34 + 6, 2);
	packet_udp(&p, a, b, data, sizeof(data));
	assert_int_equal(packet_get16(p.data + 34 + 6), 0);
	sum = packet_sum(p.data + 14 + 12, 8, 17 + 10);
	packet_put16(p.data + 34 + 6, (uint16_t)~packet_fold(sum));
	memcpy(f.hdr, &v, sizeof(v));
	memcpy(f.data, p.data, p.len);
	f.len = p.len;
	assert_int_equal(send_in(r, &f, 5), 0);
	assert_int_equal(packet_get16((const uint8_t *)sent(r, 0)->bytes +
				      NET_HDR_LEN + 34 + 6),
			 0xffff);
	end(r);
}

/* Cut @len bytes of @w, and compare with frames by hand. */
static void check_cut(struct rig *r, struct how w, size_t len, size_t piece,
		      size_t step)
{
	struct frame *f = make(&w, len);
	unsigned int flags = w.flags;
	size_t n;

	r->fake->nr_out = 0;
	ask(f, w.v6, MSS);
	assert_int_equal(send_in(r, f, piece), 0);
	free(f);
	for (unsigned int i = 0; len; i++) {
		n = len < step ? len : step;
		len -= n;
		w.flags = flags & ~(len ? PACKET_PSH | PACKET_FIN : 0u) &
			  ~(i ? CWR : 0u);
		is_frame(sent(r, i), &w, n);
		w.seq += (uint32_t)n;
		w.id++;
		assert_int_equal(r->fake->nr_out > i + 1, len > 0);
	}
}

static void cuts_into_segments(void **state)
{
	static const size_t lens[] = { 1,    999,  1000,  1001,
				       2000, 2001, 30000, 64000 };
	struct rig *r = start();
	struct how w = usual;

	(void)state;
	w.flags = PACKET_ACK | PACKET_PSH | PACKET_FIN | CWR;
	for (unsigned int i = 0; i < 8 * ARRAY_SIZE(lens); i++) {
		w.v6 = i & 1;
		w.vlan = i & 2;
		w.options = i & 4 ? 12 : 0;
		check_cut(r, w, lens[i / 8], 73 + 100 * i, MSS);
	}
	end(r);
}

static void cuts_less_for_a_backend_that_takes_more(void **state)
{
	struct rig *r = start_with(14 + 40 + 5 * MSS + 999);
	struct how w = usual;

	(void)state;
	check_cut(r, usual, 12345, 1777, 5 * MSS);
	w.v6 = true;
	check_cut(r, w, 12345, 1777, MSS);
	r->fake->backend.takes.tcp6 = 14 + 60 + 7 * MSS;
	check_cut(r, w, 12345, 1777, 7 * MSS);
	end(r);
	r = start_with(NET_FRAME_MAX);
	check_cut(r, usual, 65000, 1777, 65000);
	end(r);
	/* Not even one: then that. */
	r = start_with(100);
	check_cut(r, usual, 12345, 1777, MSS);
	end(r);
}

static void refuses_what_is_no_tcp_and_tiny_segments(void **state)
{
	struct rig *r = start();
	struct frame *f = make(&usual, 5000);

	(void)state;
	ask(f, false, 47);
	assert_int_equal(send_in(r, f, 999), -EINVAL);
	ask(f, false, MSS);
	f->data[f->ip + 9] = 17;
	assert_int_equal(send_in(r, f, 999), -EINVAL);
	f->data[f->ip + 9] = 6;
	f->data[f->tcp + 12] = 0x40; /* a header of 16 bytes */
	assert_int_equal(send_in(r, f, 999), -EINVAL);
	f->data[f->tcp + 12] = 0x50;
	packet_put16(f->data + f->ip + 6, MORE << 1);
	assert_int_equal(send_in(r, f, 999), -EINVAL);
	packet_put16(f->data + f->ip + 6, 0);
	f->data[f->ip] = 0x44; /* an IP header of 16 bytes */
	assert_int_equal(send_in(r, f, 999), -EINVAL);
	f->data[f->ip] = 0x45;
	f->len = f->payload;
	assert_int_equal(send_in(r, f, 999), -EINVAL);
	f->len = f->tcp + 10;
	assert_int_equal(send_in(r, f, 999), -EINVAL);
	assert_int_equal(r->fake->nr_out, 0);
	free(f);
	end(r);
}

static void refuses_a_checksum_outside_of_the_frame(void **state)
{
	struct rig *r = start();
	struct frame *f = make(&usual, 100);
	struct virtio_net_hdr_v1 v = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = htole16(34),
	};

	(void)state;
	v.csum_offset = htole16((uint16_t)(f->len - 34 - 1));
	memcpy(f->hdr, &v, sizeof(v));
	assert_int_equal(send_in(r, f, 999), -EINVAL);
	v.csum_start = htole16(0xffff);
	v.csum_offset = htole16(0xffff);
	memcpy(f->hdr, &v, sizeof(v));
	assert_int_equal(send_in(r, f, 999), -EINVAL);
	assert_int_equal(r->fake->nr_out, 0);
	free(f);
	end(r);
}

static void leaves_a_frame_when_the_backend_is_full(void **state)
{
	struct rig *r = start();
	struct frame *f = make(&usual, 5000);

	(void)state;
	ask(f, false, MSS);
	r->fake->fail_send = -EAGAIN;
	assert_int_equal(send_in(r, f, 999), -EAGAIN);
	/* It is not asked again before it has said so. */
	r->fake->fail_send = 0;
	assert_int_equal(send_in(r, f, 999), -EAGAIN);
	assert_int_equal(r->fake->nr_out, 0);
	r->fake->backend.events.writable(r->fake->backend.events.ctx, 0);
	assert_int_equal(r->nr_writable, 1);
	assert_int_equal(send_in(r, f, 999), 0);
	assert_int_equal(r->fake->nr_out, 5);
	free(f);
	end(r);
}

static void keeps_the_rest_of_a_frame_until_there_is_room(void **state)
{
	struct rig *r = start();
	struct frame *f = make(&usual, 5000), *g = make(&usual, 1);
	struct how w = usual;

	(void)state;
	ask(f, false, MSS);
	r->fake->fail_send = -EAGAIN;
	r->fake->fail_after = 2;
	assert_int_equal(send_in(r, f, 999), 0);
	memset(f->data, 0, sizeof(f->data)); /* the guest's again */
	assert_int_equal(r->fake->nr_out, 2);
	assert_int_equal(send_in(r, g, 999), -EAGAIN);
	r->fake->fail_after = 3;
	r->fake->backend.events.writable(r->fake->backend.events.ctx, 0);
	assert_int_equal(r->fake->nr_out, 3);
	assert_int_equal(r->nr_writable, 0);
	r->fake->fail_send = 0;
	r->fake->backend.events.writable(r->fake->backend.events.ctx, 0);
	assert_int_equal(r->nr_writable, 1);
	assert_int_equal(r->fake->nr_out, 5);
	for (unsigned int i = 0; i < 5; i++) {
		is_frame(sent(r, i), &w, MSS);
		w.seq += MSS;
		w.id++;
	}
	assert_int_equal(send_in(r, g, 999), 0);
	free(f);
	free(g);
	end(r);
}

static void loses_the_rest_of_a_frame_when_the_backend_fails(void **state)
{
	struct rig *r = start();
	struct frame *f = make(&usual, 5000);

	(void)state;
	ask(f, false, MSS);
	r->fake->fail_send = -ENETDOWN;
	r->fake->fail_after = 2;
	assert_int_equal(send_in(r, f, 999), -ENETDOWN);
	r->fake->fail_send = -EAGAIN;
	r->fake->fail_after = 4;
	assert_int_equal(send_in(r, f, 999), 0);
	r->fake->fail_send = -ENETDOWN;
	r->fake->backend.events.writable(r->fake->backend.events.ctx, 0);
	/* Nobody was told to wait. */
	assert_int_equal(r->nr_writable, 0);
	r->fake->fail_send = 0;
	assert_int_equal(send_in(r, f, 999), 0);
	assert_int_equal(r->fake->nr_out, 4 + 5);
	free(f);
	end(r);
}

/* Receiving */

/* What was received is what make(@w, @len) makes, and its checksum is right. */
static void is_valid(const struct rig *r, const struct how *w, size_t len)
{
	struct frame *f = make(w, len);

	assert_int_equal(r->got_len, NET_HDR_LEN + f->len);
	assert_int_equal(r->v.flags, VIRTIO_NET_HDR_F_DATA_VALID);
	assert_int_equal(r->v.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	assert_memory_equal(r->got + NET_HDR_LEN, f->data, f->len);
	free(f);
}

/* The same, of several frames with @step bytes each. */
static void is_joined(const struct rig *r, const struct how *w, size_t len,
		      size_t step)
{
	struct frame *f = make(w, len);
	struct virtio_net_hdr_v1 v;

	ask(f, w->v6, 0);
	memcpy(&v, f->hdr, sizeof(v));
	v.gso_type =
		w->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	v.gso_size = htole16((uint16_t)step);
	v.hdr_len = htole16((uint16_t)f->payload);
	assert_memory_equal(&r->v, &v, sizeof(v));
	assert_int_equal(r->got_len, NET_HDR_LEN + f->len);
	assert_memory_equal(r->got + NET_HDR_LEN, f->data, f->len);
	free(f);
}

static void arrive_all(struct rig *r, struct how w, size_t len, size_t step)
{
	unsigned int flags = w.flags;
	size_t n;

	for (; len; len -= n) {
		n = len < step ? len : step;
		w.flags = n == len ? flags : flags & ~(unsigned int)PACKET_PSH;
		arrive(r, make(&w, n));
		w.seq += (uint32_t)n;
		w.id++;
	}
}

static void joins_what_goes_on(void **state)
{
	struct rig *r = start();
	struct how w = usual;

	(void)state;
	for (unsigned int i = 0; i < 16; i++) {
		w.v6 = i & 1;
		w.vlan = i & 2;
		w.options = i & 4 ? 12 : 0;
		w.flags = PACKET_ACK | (i & 8 ? PACKET_PSH : 0u);
		arrive_all(r, w, 12345, MSS);
		next(r);
		is_joined(r, &w, 12345, MSS);
		assert_int_equal(r->fake->nr_in, 0);
	}
	end(r);
}

static void says_that_a_checksum_is_right(void **state)
{
	struct rig *r = start();
	struct packet p;
	struct frame f = { 0 };
	const struct packet_end a = { 0x0a000001, 5 }, b = { 0x0a000002, 6 };

	(void)state;
	arrive(r, make(&usual, 333));
	next(r);
	is_valid(r, &usual, 333);

	packet_udp(&p, a, b, "abc", 3);
	memcpy(f.data, p.data, p.len);
	arrive_bytes(r, &f, p.len);
	next(r);
	assert_int_equal(r->v.flags, VIRTIO_NET_HDR_F_DATA_VALID);

	/* None, of UDP, or a wrong one */
	packet_put16(f.data + 34 + 6, 0);
	arrive_bytes(r, &f, p.len);
	next(r);
	assert_int_equal(r->v.flags, 0);
	packet_put16(f.data + 34 + 6, 0x1234);
	arrive_bytes(r, &f, p.len);
	next(r);
	assert_int_equal(r->v.flags, 0);
	end(r);
}

/* After a frame of @w, one of @b is no part of it, and comes by itself. */
static void stays_apart(struct how w, size_t len, struct how b, size_t b_len)
{
	struct rig *r = start();

	arrive(r, make(&w, len));
	arrive(r, make(&b, b_len));
	next(r);
	is_valid(r, &w, len);
	next(r);
	is_valid(r, &b, b_len);
	assert_int_equal(next(r), -EAGAIN);
	end(r);
}

static void leaves_apart_what_does_not_go_on(void **state)
{
	struct how w = usual, b = usual;

	(void)state;
	b.seq += MSS;
	b.port++;
	stays_apart(w, MSS, b, MSS);
	b.port--;
	b.seq++;
	stays_apart(w, MSS, b, MSS);
	b.seq -= 2;
	stays_apart(w, MSS, b, MSS);
	b.seq++;
	b.ack++;
	stays_apart(w, MSS, b, MSS);
	b.ack--;
	b.window++;
	stays_apart(w, MSS, b, MSS);
	b.window--;
	b.ttl++;
	stays_apart(w, MSS, b, MSS);
	b.ttl--;
	b.options = 12;
	stays_apart(w, MSS, b, MSS);
	b.options = 0;
	b.vlan = true;
	stays_apart(w, MSS, b, MSS);
	b.vlan = false;
	b.v6 = true;
	stays_apart(w, MSS, b, MSS);
	b.v6 = false;
	stays_apart(w, MSS, b, MSS + 1); /* longer */
	stays_apart(w, MSS, b, 0);
	b.flags |= PACKET_FIN;
	stays_apart(w, MSS, b, MSS);
	b.flags = PACKET_ACK;
	w.flags |= PACKET_PSH;
	stays_apart(w, MSS, b, MSS);
	w.flags = PACKET_ACK | CWR;
	stays_apart(w, MSS, b, MSS);
}

static void a_shorter_frame_is_the_last(void **state)
{
	struct rig *r = start();
	struct how w = usual;

	(void)state;
	arrive_all(r, w, 2 * MSS + 500, MSS);
	w.seq += 2 * MSS + 500;
	arrive(r, make(&w, 500));
	next(r);
	is_joined(r, &usual, 2 * MSS + 500, MSS);
	next(r);
	is_valid(r, &w, 500);
	end(r);
}

static void does_not_join_a_frame_with_a_wrong_checksum(void **state)
{
	struct rig *r = start();
	struct how w = usual;
	struct frame *f;

	(void)state;
	for (unsigned int where = 0; where < 2; where++) {
		w.seq = SEQ;
		arrive(r, make(&w, MSS));
		w.seq += MSS;
		f = make(&w, MSS);
		f->data[where ? f->ip + 10 : f->len - 1] ^= 1;
		arrive(r, f);
		next(r);
		is_valid(r, &usual, MSS);
		next(r);
		assert_int_equal(r->v.flags,
				 where ? VIRTIO_NET_HDR_F_DATA_VALID : 0);
		assert_int_equal(r->got_len, NET_HDR_LEN + 54 + MSS);
	}
	end(r);
}

static void joins_no_more_than_fits(void **state)
{
	struct rig *r = start();
	struct how w = usual;

	(void)state;
	/* A packet has a length of 16 bits. */
	arrive_all(r, w, 70 * MSS, MSS);
	next(r);
	is_joined(r, &w, 65 * MSS, MSS);
	w.seq += 65 * MSS;
	w.id = (uint16_t)(w.id + 65);
	next(r);
	is_joined(r, &w, 5 * MSS, MSS);

	arrive_all(r, usual, 10 * MSS, MSS);
	w = usual;
	next_in(r, NET_HDR_LEN + 54 + 7 * MSS + 999);
	is_joined(r, &w, 7 * MSS, MSS);
	w.seq += 7 * MSS;
	w.id = (uint16_t)(w.id + 7);
	next(r);
	is_joined(r, &w, 3 * MSS, MSS);
	end(r);
}

static void a_held_frame_that_does_not_fit_is_lost(void **state)
{
	struct rig *r = start();
	struct how w = usual;

	(void)state;
	arrive(r, make(&usual, MSS));
	w.seq++;
	arrive(r, make(&w, 3 * MSS));
	next(r);
	is_valid(r, &usual, MSS);
	assert_int_equal(next_in(r, 2 * MSS), -EMSGSIZE);
	assert_int_equal(next(r), -EAGAIN);
	end(r);
}

static void joins_what_the_owner_takes(void **state)
{
	struct rig *r = start();
	struct how w = usual;

	(void)state;
	r->net->ops->set_offloads(r->net, TUN_F_CSUM | TUN_F_TSO6);
	arrive_all(r, w, 2 * MSS, MSS);
	next(r);
	is_valid(r, &w, MSS);
	w.seq += MSS;
	w.id++;
	r->net->ops->set_offloads(r->net, 0);
	next(r);
	assert_int_equal(r->v.flags, 0);
	assert_int_equal(r->got_len, NET_HDR_LEN + 54 + MSS);
	r->net->ops->set_offloads(r->net, TUN_F_CSUM | TUN_F_TSO6);
	w.v6 = true;
	arrive_all(r, w, 2 * MSS, MSS);
	next(r);
	is_joined(r, &w, 2 * MSS, MSS);
	end(r);
}

static void passes_short_frames_and_errors(void **state)
{
	struct rig *r = start();
	struct frame f = { 0 };

	(void)state;
	for (size_t len = 14; len < 80; len++) {
		memset(f.data, 0x45, len);
		packet_put16(f.data + 12, len & 1 ? 0x0800 : 0x86dd);
		if (!(len & 1))
			f.data[14] = 0x60;
		arrive_bytes(r, &f, len);
		assert_int_equal(next(r), NET_HDR_LEN + len);
		assert_int_equal(r->v.flags, 0);
		assert_memory_equal(r->got + NET_HDR_LEN, f.data, len);
	}
	r->fake->fail_recv = -EIO;
	assert_int_equal(next(r), -EIO);
	end(r);
}

static void tells_of_frames_once(void **state)
{
	struct rig *r = start();
	const struct net_events *ev = &r->fake->backend.events;
	struct frame *f = make(&usual, MSS);

	(void)state;
	arrive_bytes(r, f, f->len);
	next(r);
	/* The backend has nothing more, but the owner has not asked. */
	ev->readable(ev->ctx, 0);
	assert_int_equal(r->nr_readable, 0);
	assert_int_equal(next(r), -EAGAIN);
	fake_net_arrive(r->fake, 0, f, NET_HDR_LEN + f->len);
	/* Its event is due: it is not asked before. */
	assert_int_equal(next(r), -EAGAIN);
	ev->readable(ev->ctx, 0);
	assert_int_equal(r->nr_readable, 1);
	next(r);
	is_valid(r, &usual, MSS);
	ev->readable(ev->ctx, 0);
	assert_int_equal(r->nr_readable, 1);
	ev->link(ev->ctx, false);
	assert_int_equal(r->nr_link, 1);
	free(f);
	end(r);
}

static void leaves_a_backend_with_offloads_alone(void **state)
{
	struct fake_net *f = fake_net_create(1, ALL);
	struct net_backend *b = &f->backend;

	(void)state;
	assert_int_equal(netb_offload_add(&b), 0);
	assert_ptr_equal(b, &f->backend);
	net_destroy(b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(passes_a_complete_frame),
	cmocka_unit_test(fills_in_a_checksum),
	cmocka_unit_test(never_writes_the_checksum_that_means_none),
	cmocka_unit_test(cuts_into_segments),
	cmocka_unit_test(cuts_less_for_a_backend_that_takes_more),
	cmocka_unit_test(refuses_what_is_no_tcp_and_tiny_segments),
	cmocka_unit_test(refuses_a_checksum_outside_of_the_frame),
	cmocka_unit_test(leaves_a_frame_when_the_backend_is_full),
	cmocka_unit_test(keeps_the_rest_of_a_frame_until_there_is_room),
	cmocka_unit_test(loses_the_rest_of_a_frame_when_the_backend_fails),
	cmocka_unit_test(joins_what_goes_on),
	cmocka_unit_test(says_that_a_checksum_is_right),
	cmocka_unit_test(leaves_apart_what_does_not_go_on),
	cmocka_unit_test(a_shorter_frame_is_the_last),
	cmocka_unit_test(does_not_join_a_frame_with_a_wrong_checksum),
	cmocka_unit_test(joins_no_more_than_fits),
	cmocka_unit_test(a_held_frame_that_does_not_fit_is_lost),
	cmocka_unit_test(joins_what_the_owner_takes),
	cmocka_unit_test(passes_short_frames_and_errors),
	cmocka_unit_test(tells_of_frames_once),
	cmocka_unit_test(leaves_a_backend_with_offloads_alone),
};

UNIT_MAIN(tests)
