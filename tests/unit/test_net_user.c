// SPDX-License-Identifier: MIT
/*
 * test_net_user.c - the network through libslirp, with frames by hand on one
 * side and sockets of this host on the other.
 */
#include "tests/unit/net_rig.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/unit/net_packets.h"
#include "virtio/backend/net_user.h"

#define NET   0x0a000200u
#define HOST  (NET + 2)
#define GUEST (NET + 15)
#define SOON  200 /* ms, for what must not come */
#define LATE  (RIG_PATIENCE * 1000)

static const struct packet_end guest_end = { GUEST, 40000 };

static struct rig *start_with(const struct netb_user_params *p,
			      enum loop_kind kind)
{
	struct rig *r = rig_create(kind);
	char why[256] = "";

	if (netb_user_open(&r->net, p, r->loop, why, sizeof(why)))
		fail_msg("%s", why);
	rig_start(r);
	return r;
}

static struct rig *start(void)
{
	const struct netb_user_params p = { .no_ipv6 = true };

	return start_with(&p, LOOP_AUTO);
}

/* What opening with @p says, which must fail. */
static int refused(const struct netb_user_params *p, char *why, size_t len)
{
	struct rig *r = rig_create(LOOP_POLL);
	int err = netb_user_open(&r->net, p, r->loop, why, len);

	assert_int_not_equal(err, 0);
	assert_null(r->net);
	rig_destroy(r);
	return err;
}

static void send_ok(struct rig *r, const struct packet *p)
{
	assert_int_equal(rig_send(r, p->data, p->len), 0);
}

/* A socket of @type on the loopback, and its port. */
static int listen_on(int type, uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

/* A port that nobody has at the moment. */
static uint16_t free_port(int type)
{
	uint16_t port;
	int fd = listen_on(type, &port);

	close(fd);
	return port;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* The next frame with this IP protocol; answers ARP requests for us. */
static uint8_t *next_ip(struct rig *r, uint8_t protocol, size_t *len,
			unsigned int ms)
{
	struct packet reply;
	uint8_t *f;

	while ((f = rig_next(r, len, ms))) {
		if (packet_is_ip(f, *len, protocol))
			return f;
		if (packet_get16(f + 12) == 0x0806 &&
		    packet_get32(f + PACKET_ETH + 24) == GUEST) {
			packet_arp(&reply, true, GUEST, HOST);
			send_ok(r, &reply);
		}
		free(f);
	}
	return NULL;
}

/* A connection of the guest's side. */
struct stream {
	struct rig *r;
	struct packet_end from, to;
	uint32_t seq, ack;
	bool urgent; /* had something so */
};

static void stream_send(struct stream *s, unsigned int flags, const void *data,
			size_t len)
{
	struct packet p;

	packet_tcp(&p, s->from, s->to, flags, s->seq, s->ack, data, len);
	send_ok(s->r, &p);
	s->seq += (uint32_t)len;
}

/* The next segment with all of @flags for us, its data in @buf. */
static ssize_t stream_next(struct stream *s, unsigned int flags, void *buf,
			   size_t size, unsigned int ms)
{
	size_t len, header;
	const uint8_t *tcp;
	ssize_t n = -1;
	uint8_t *f;

	while (n < 0 && (f = next_ip(s->r, 6, &len, ms))) {
		tcp = packet_body(f);
		header = (size_t)(tcp[12] >> 4) * 4;
		if ((tcp[13] & flags) == flags &&
		    packet_get16(tcp + 2) == s->from.port) {
			n = packet_get16(f + PACKET_ETH + 2) - PACKET_IP -
			    (ssize_t)header;
			assert_true((size_t)n <= size);
			s->urgent |= !!(tcp[13] & PACKET_URG);
			memcpy(buf, tcp + header, (size_t)n);
			if (packet_get32(tcp + 4) != s->ack && s->ack)
				n = -1; /* sent again */
			else
				s->ack = packet_get32(tcp + 4) + (uint32_t)n +
					 !!(tcp[13] & PACKET_SYN) +
					 !!(tcp[13] & PACKET_FIN);
			s->to.port = packet_get16(tcp);
			s->to.addr = packet_get32(f + PACKET_ETH + 12);
		}
		free(f);
	}
	return n;
}

/* Connect to @port of the host; -1 when nobody answers with SYN+ACK. */
static int stream_connect(struct stream *s, struct rig *r, uint16_t port,
			  unsigned int ms)
{
	char none[64];

	*s = (struct stream){ .r = r, .from = guest_end, .to = { HOST, port } };
	s->seq = 1000;
	stream_send(s, PACKET_SYN, NULL, 0);
	s->seq++;
	if (stream_next(s, PACKET_SYN | PACKET_ACK, none, sizeof(none), ms) < 0)
		return -1;
	stream_send(s, PACKET_ACK, NULL, 0);
	return 0;
}

static void user_net_answers_arp_for_the_host(void **state)
{
	struct rig *r = start();
	struct packet p;
	uint8_t *f;
	size_t len;

	(void)state;
	packet_arp(&p, false, GUEST, HOST);
	send_ok(r, &p);
	f = rig_next(r, &len, LATE);
	assert_non_null(f);
	assert_true(len >= 42);
	assert_int_equal(packet_get16(f + 12), 0x0806);
	assert_int_equal(packet_get16(f + 20), 2);
	assert_int_equal(packet_get32(f + 28), HOST);
	assert_true(r->header_ok);
	free(f);
	rig_destroy(r);
}

static void offers(const struct netb_user_params *params, uint32_t yours,
		   uint32_t dns)
{
	struct rig *r = start_with(params, LOOP_POLL);
	const uint8_t *option;
	struct packet p;
	uint8_t *f;
	size_t len;

	packet_dhcp_discover(&p);
	send_ok(r, &p);
	f = next_ip(r, 17, &len, LATE);
	assert_non_null(f);
	assert_int_equal(packet_get32(packet_body(f) + PACKET_UDP + 16), yours);
	for (option = packet_body(f) + PACKET_UDP + 240; *option != 255;
	     option += option[1] + 2u)
		if (*option == 6)
			assert_int_equal(packet_get32(option + 2), dns);
	free(f);
	rig_destroy(r);
}

static void user_net_gives_an_address_by_dhcp(void **state)
{
	const struct netb_user_params plain = { .hostname = "guest" };
	const struct netb_user_params other = {
		.net.s_addr = htonl(0xc0a80700),
		.prefix = 26,
		.dns.s_addr = htonl(0xc0a80705),
	};

	(void)state;
	offers(&plain, GUEST, NET + 3);
	offers(&other, 0xc0a8070f, 0xc0a80705);
}

static void transfer(enum loop_kind kind)
{
	const struct netb_user_params p = { .no_ipv6 = true };
	struct rig *r = start_with(&p, kind);
	char buf[2048] = "";
	struct stream s;
	uint16_t port;
	int fd = listen_on(SOCK_STREAM, &port), conn;

	assert_int_equal(stream_connect(&s, r, port, LATE), 0);
	conn = accept(fd, NULL, NULL);
	stream_send(&s, PACKET_ACK | PACKET_PSH, "to the host", 11);
	assert_int_equal(read(conn, buf, sizeof(buf)), 11);
	assert_memory_equal(buf, "to the host", 11);
	assert_int_equal(write(conn, "to the guest", 12), 12);
	do {
		memset(buf, 0, sizeof(buf));
	} while (!stream_next(&s, PACKET_ACK, buf, sizeof(buf), LATE));
	assert_string_equal(buf, "to the guest");
	close(conn);
	assert_true(stream_next(&s, PACKET_FIN, buf, sizeof(buf), LATE) >= 0);
	close(fd);
	rig_destroy(r);
}

static void user_net_connects_to_the_host_over_io_uring(void **state)
{
	(void)state;
	transfer(LOOP_AUTO);
}

static void user_net_connects_to_the_host_over_poll(void **state)
{
	(void)state;
	transfer(LOOP_POLL);
}

#define MANY (600u << 10)

/* @arg: where to write MANY bytes that count. */
static void *write_many(void *arg)
{
	static uint8_t data[MANY];

	for (size_t i = 0; i < MANY; i++)
		data[i] = (uint8_t)(i * 7 >> 3);
	fd_write_all(*(int *)arg, data, MANY);
	close(*(int *)arg);
	return NULL;
}

static void receive_many(enum loop_kind kind)
{
	const struct netb_user_params p = { .no_ipv6 = true };
	struct rig *r = start_with(&p, kind);
	uint8_t buf[2048];
	pthread_t writer;
	size_t got = 0;
	struct stream s;
	uint16_t port;
	int fd = listen_on(SOCK_STREAM, &port), conn;
	ssize_t n;

	assert_int_equal(stream_connect(&s, r, port, LATE), 0);
	conn = accept(fd, NULL, NULL);
	assert_int_equal(thread_start(&writer, "writer", write_many, &conn), 0);
	while (got < MANY) {
		n = stream_next(&s, PACKET_ACK, buf, sizeof(buf), LATE);
		assert_true(n >= 0);
		for (ssize_t i = 0; i < n; i++, got++)
			assert_int_equal(buf[i], (uint8_t)(got * 7 >> 3));
		stream_send(&s, PACKET_ACK, NULL, 0);
	}
	thread_join(writer);
	assert_int_equal(got, MANY);
	assert_false(s.urgent);
	close(fd);
	rig_destroy(r);
}

static void user_net_delivers_every_byte_in_order(void **state)
{
	(void)state;
	receive_many(LOOP_AUTO);
	receive_many(LOOP_POLL);
}

/* Both have sent what the other does not take; then the host resets. */
static void reset_in_the_middle(enum loop_kind kind)
{
	const struct linger now = { .l_onoff = 1 };
	const struct netb_user_params params = { .no_ipv6 = true };
	struct rig *r = start_with(&params, kind);
	static char data[1400];
	unsigned int n = 0;
	struct packet p;
	struct stream s;
	uint16_t port;
	int fd = listen_on(SOCK_STREAM, &port), conn, size = 4096;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	assert_int_equal(stream_connect(&s, r, port, LATE), 0);
	conn = accept(fd, NULL, NULL);
	fd_set_nonblock(conn);
	while (n < 80) {
		stream_send(&s, PACKET_ACK | PACKET_PSH, data, sizeof(data));
		/* Nothing is acknowledged, so libslirp's buffer gets full. */
		while (write(conn, data, sizeof(data)) > 0)
			;
		n++;
	}
	setsockopt(conn, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(conn);
	for (n = 0; n < 10; n++) {
		usleep(10000);
		packet_arp(&p, false, GUEST, HOST);
		send_ok(r, &p);
	}
	close(fd);
	rig_destroy(r);
}

static void user_net_survives_a_reset_with_full_buffers(void **state)
{
	(void)state;
	reset_in_the_middle(LOOP_AUTO);
	reset_in_the_middle(LOOP_POLL);
}

static void user_net_refuses_a_port_where_nobody_listens(void **state)
{
	struct rig *r = start();
	struct stream s;
	char none[64];

	(void)state;
	s = (struct stream){ .r = r,
			     .from = guest_end,
			     .to = { HOST, free_port(SOCK_STREAM) },
			     .seq = 1 };
	stream_send(&s, PACKET_SYN, NULL, 0);
	assert_int_equal(stream_next(&s, PACKET_RST, none, sizeof(none), LATE),
			 0);
	rig_destroy(r);
}

static void user_net_passes_datagrams_both_ways(void **state)
{
	struct rig *r = start();
	struct sockaddr_in peer;
	socklen_t peer_len = sizeof(peer);
	struct packet p;
	char buf[64] = "";
	uint16_t port;
	int fd = listen_on(SOCK_DGRAM, &port);
	uint8_t *f;
	size_t len;

	(void)state;
	packet_udp(&p, guest_end, (struct packet_end){ HOST, port }, "ping", 4);
	send_ok(r, &p);
	assert_int_equal(recvfrom(fd, buf, sizeof(buf), 0,
				  (struct sockaddr *)&peer, &peer_len),
			 4);
	sendto(fd, "pong", 4, 0, (struct sockaddr *)&peer, peer_len);
	f = next_ip(r, 17, &len, LATE);
	assert_non_null(f);
	assert_int_equal(packet_get16(packet_body(f) + 2), guest_end.port);
	assert_memory_equal(packet_body(f) + PACKET_UDP, "pong", 4);
	free(f);
	close(fd);
	rig_destroy(r);
}

/* By the library itself, whatever the host allows. */
static void user_net_answers_pings_of_its_gateway(void **state)
{
	struct rig *r = start();
	struct packet p;
	uint8_t *f;
	size_t len;

	(void)state;
	packet_ping(&p, GUEST, HOST);
	send_ok(r, &p);
	f = next_ip(r, 1, &len, LATE);
	assert_non_null(f);
	assert_int_equal(packet_body(f)[0], 0);
	free(f);
	rig_destroy(r);
}

static void user_net_restricted_lets_nothing_out(void **state)
{
	const struct netb_user_params params = { .restricted = true };
	struct rig *r = start_with(&params, LOOP_AUTO);
	uint16_t tcp, udp;
	int fd = listen_on(SOCK_STREAM, &tcp);
	int dgram = listen_on(SOCK_DGRAM, &udp);
	struct packet p;
	struct stream s;
	char buf[16];

	(void)state;
	packet_udp(&p, guest_end, (struct packet_end){ HOST, udp }, "x", 1);
	send_ok(r, &p);
	assert_int_equal(stream_connect(&s, r, tcp, SOON), -1);
	fd_set_nonblock(fd);
	assert_int_equal(accept(fd, NULL, NULL), -1);
	assert_int_equal(recv(dgram, buf, sizeof(buf), MSG_DONTWAIT), -1);
	close(fd);
	close(dgram);
	rig_destroy(r);
}

/* The host connects to @port, the guest answers. */
static void serve_forward(struct rig *r, uint16_t port, uint16_t guest_port)
{
	struct stream s = { .r = r, .from = { GUEST, guest_port } };
	char buf[2048];
	int fd = connect_to(port);

	assert_int_equal(stream_next(&s, PACKET_SYN, buf, sizeof(buf), LATE),
			 0);
	stream_send(&s, PACKET_SYN | PACKET_ACK, NULL, 0);
	s.seq++;
	assert_int_equal(write(fd, "hello", 5), 5);
	memset(buf, 0, sizeof(buf));
	while (!stream_next(&s, PACKET_ACK, buf, sizeof(buf), LATE))
		;
	assert_string_equal(buf, "hello");
	stream_send(&s, PACKET_ACK | PACKET_PSH, "world", 5);
	assert_int_equal(read(fd, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "world", 5);
	close(fd);
}

static void user_net_forwards_a_port_to_the_guest(void **state)
{
	const struct netb_forward fwd = {
		.host.s_addr = htonl(INADDR_LOOPBACK),
		.host_port = free_port(SOCK_STREAM),
		.guest_port = 22,
	};
	const struct netb_user_params p = { .forwards = &fwd,
					    .nr_forwards = 1,
					    .restricted = true };
	struct rig *r = start_with(&p, LOOP_AUTO);

	(void)state;
	serve_forward(r, fwd.host_port, 22);
	rig_destroy(r);
}

static void user_net_forwards_datagrams_to_the_guest(void **state)
{
	const struct netb_forward fwd = {
		.udp = true,
		.host.s_addr = htonl(INADDR_LOOPBACK),
		.host_port = free_port(SOCK_DGRAM),
		.guest.s_addr = htonl(GUEST),
		.guest_port = 53,
	};
	const struct netb_user_params p = { .forwards = &fwd,
					    .nr_forwards = 1 };
	struct rig *r = start_with(&p, LOOP_AUTO);
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(fwd.host_port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint8_t *f;
	size_t len;

	(void)state;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sendto(fd, "query", 5, 0, (struct sockaddr *)&a, sizeof(a));
	f = next_ip(r, 17, &len, LATE);
	assert_non_null(f);
	assert_int_equal(packet_get16(packet_body(f) + 2), 53);
	assert_memory_equal(packet_body(f) + PACKET_UDP, "query", 5);
	free(f);
	close(fd);
	rig_destroy(r);
}

static void user_net_says_which_forward_is_taken(void **state)
{
	struct netb_forward fwd[2] = {
		{ .host.s_addr = htonl(INADDR_LOOPBACK),
		  .guest_port = 80,
		  .host_port = free_port(SOCK_STREAM) },
		{ .host.s_addr = htonl(INADDR_LOOPBACK), .guest_port = 22 },
	};
	const struct netb_user_params p = { .forwards = fwd, .nr_forwards = 2 };
	char why[256], expected[256];
	int fd;

	(void)state;
	fd = listen_on(SOCK_STREAM, &fwd[1].host_port);
	assert_int_equal(refused(&p, why, sizeof(why)), -EADDRINUSE);
	snprintf(expected, sizeof(expected),
		 "hostfwd=tcp:127.0.0.1:%u-:22: Address already in use",
		 fwd[1].host_port);
	assert_string_equal(why, expected);
	close(fd);

	fwd[1].udp = true;
	fd = listen_on(SOCK_DGRAM, &fwd[1].host_port);
	assert_int_equal(refused(&p, why, sizeof(why)), -EADDRINUSE);
	close(fd);
}

static void user_net_refuses_addresses_of_no_sense(void **state)
{
	const struct netb_forward fwd = {
		.guest.s_addr = htonl(0x01020304),
		.guest_port = 1,
		.host_port = 1,
	};
	const struct netb_user_params params[] = {
		{ .net.s_addr = htonl(NET + 1), .prefix = 24 },
		{ .net.s_addr = htonl(NET), .prefix = 28 },
		{ .net.s_addr = htonl(NET), .prefix = 7 },
		{ .dns.s_addr = htonl(NET + 0x100) },
		{ .dns.s_addr = htonl(HOST) },
		{ .dns.s_addr = htonl(GUEST) },
		{ .mtu = 65522 },
		{ .forwards = &fwd, .nr_forwards = 1 },
	};
	char why[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(params); i++)
		assert_int_equal(refused(&params[i], why, sizeof(why)),
				 -EINVAL);
}

static void user_net_refuses_frames_that_are_none(void **state)
{
	struct rig *r = start();
	uint8_t big[1500 + 18 + 1] = { 0 };
	struct packet p;

	(void)state;
	packet_arp(&p, false, GUEST, HOST);
	for (size_t len = 0; len < p.len; len++)
		assert_int_equal(rig_send(r, p.data, len), -EINVAL);
	packet_udp(&p, guest_end, guest_end, "", 0);
	for (size_t len = 0; len < PACKET_ETH + PACKET_IP; len++)
		assert_int_equal(rig_send(r, p.data, len), -EINVAL);
	p.data[PACKET_ETH] = 0x44; /* a header of 16 bytes */
	assert_int_equal(rig_send(r, p.data, p.len), -EINVAL);
	p.data[PACKET_ETH] = 0x4f; /* of 60, which are not there */
	assert_int_equal(rig_send(r, p.data, p.len), -EINVAL);
	packet_put16(p.data + 12, 0x88f8); /* libslirp would answer as a BMC */
	assert_int_equal(rig_send(r, p.data, 60), -EINVAL);
	packet_put16(big + 12, 0x0800);
	big[14] = 0x45;
	assert_int_equal(rig_send(r, big, sizeof(big)), -EINVAL);
	assert_int_equal(rig_send(r, big, sizeof(big) - 1), 0);
	rig_destroy(r);
}

/* A guest may write anything; those that look right go on to libslirp. */
static void user_net_survives_random_frames(void **state)
{
	struct rig *r = start();
	unsigned int seed = 1;
	struct packet p;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		size_t at, len;

		switch (rand_r(&seed) % 4) {
		case 0:
			packet_arp(&p, i & 1, GUEST, HOST);
			break;
		case 1:
			packet_dhcp_discover(&p);
			break;
		case 2:
			packet_ping(&p, GUEST, HOST);
			break;
		default:
			/* To itself: nothing leaves. */
			packet_tcp(&p, guest_end,
				   (struct packet_end){ NET + 9, 1 },
				   (unsigned int)rand_r(&seed) & 31, i, i,
				   "data", 4);
		}
		for (unsigned int n = 0; n < 4; n++) {
			at = (unsigned int)rand_r(&seed) % p.len;
			if (at < PACKET_ETH + 12 || at >= PACKET_ETH + 20)
				p.data[at] = (uint8_t)rand_r(&seed);
		}
		len = (unsigned int)rand_r(&seed) % (p.len + 1);
		(void)rig_send(r, p.data, i & 2 ? len : p.len);
	}
	rig_destroy(r);
}

static void rig_call_recv_small(struct rig *r)
{
	char byte[NET_HDR_LEN + 1];
	const struct iovec iov = { byte, sizeof(byte) };

	r->result = (int)r->net->ops->recv(r->net, 0, &iov, 1);
}

static void user_net_loses_a_frame_that_does_not_fit(void **state)
{
	struct rig *r = start();
	struct packet p;
	size_t len;

	(void)state;
	rig_hold(r, true);
	packet_arp(&p, false, GUEST, HOST);
	send_ok(r, &p);
	assert_true(rig_reaches(r, &r->readables, 1));
	rig_call(r, rig_call_recv_small);
	assert_int_equal(r->result, -EMSGSIZE);
	rig_call(r, rig_call_recv_small);
	assert_int_equal(r->result, -EAGAIN);
	assert_null(rig_next(r, &len, SOON));
	rig_destroy(r);
}

/* The host writes without end; what arrives must not all be kept. */
static void user_net_bounds_what_a_deaf_guest_makes_it_keep(void **state)
{
	struct rig *r = start();
	struct sockaddr_in peer;
	socklen_t peer_len = sizeof(peer);
	char data[1400] = { 0 };
	unsigned int n = 0;
	struct packet p;
	uint16_t port;
	int fd = listen_on(SOCK_DGRAM, &port);
	uint8_t *f;
	size_t len;

	(void)state;
	packet_arp(&p, true, GUEST, HOST);
	send_ok(r, &p);
	packet_udp(&p, guest_end, (struct packet_end){ HOST, port }, "x", 1);
	send_ok(r, &p);
	assert_int_equal(recvfrom(fd, data, sizeof(data), 0,
				  (struct sockaddr *)&peer, &peer_len),
			 1);
	rig_hold(r, true);
	for (unsigned int i = 0; i < 4000; i++) {
		sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&peer,
		       peer_len);
		if (i % 64 == 0)
			rig_call(r, rig_call_recv_small); /* its turn */
	}
	rig_hold(r, false);
	while ((f = rig_next(r, &len, SOON))) {
		free(f);
		n++;
	}
	/* Half a MiB, and what the host's socket had kept. */
	assert_in_range(n, 10, 1500);
	close(fd);
	rig_destroy(r);
}

static void user_net_lets_a_guest_open_so_many_sockets_only(void **state)
{
	struct rlimit was, few = { 128, 128 };
	unsigned int opened = 0, refusals = 0;
	struct packet p;
	struct rig *r;
	uint16_t port;
	int fd = listen_on(SOCK_DGRAM, &port);

	(void)state;
	getrlimit(RLIMIT_NOFILE, &was);
	few.rlim_max = was.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	r = start();
	for (unsigned int i = 0; i < 200; i++) {
		packet_udp(&p, (struct packet_end){ GUEST, (uint16_t)(1 + i) },
			   (struct packet_end){ HOST, port }, "x", 1);
		if (rig_send(r, p.data, p.len) == -EMFILE)
			refusals++;
		else
			opened++;
	}
	assert_int_equal(opened, 64);
	assert_int_equal(refusals, 136);
	close(fd);
	rig_destroy(r);
	setrlimit(RLIMIT_NOFILE, &was);
}

static void rig_call_destroy(struct rig *r)
{
	net_destroy(r->net);
}

static void user_net_may_go_while_the_loop_runs(void **state)
{
	const struct netb_forward fwd = {
		.host.s_addr = htonl(INADDR_LOOPBACK),
		.host_port = free_port(SOCK_STREAM),
		.guest_port = 1,
	};
	const struct netb_user_params params = { .forwards = &fwd,
						 .nr_forwards = 1 };
	struct rig *r = start_with(&params, LOOP_AUTO);
	struct stream s;
	uint16_t port;
	int fd = listen_on(SOCK_STREAM, &port);

	(void)state;
	assert_int_equal(stream_connect(&s, r, port, LATE), 0);
	rig_call(r, rig_call_destroy);
	/* The port is free again. */
	r->net = NULL;
	usleep(20000); /* and the loop has ended what was in flight */
	loop_stop(r->loop);
	thread_join(r->thread);
	rig_destroy(r);
	r = start_with(&params, LOOP_AUTO);
	rig_destroy(r);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(user_net_answers_arp_for_the_host),
		cmocka_unit_test(user_net_gives_an_address_by_dhcp),
		cmocka_unit_test(user_net_connects_to_the_host_over_io_uring),
		cmocka_unit_test(user_net_connects_to_the_host_over_poll),
		cmocka_unit_test(user_net_delivers_every_byte_in_order),
		cmocka_unit_test(user_net_survives_a_reset_with_full_buffers),
		cmocka_unit_test(user_net_refuses_a_port_where_nobody_listens),
		cmocka_unit_test(user_net_passes_datagrams_both_ways),
		cmocka_unit_test(user_net_answers_pings_of_its_gateway),
		cmocka_unit_test(user_net_restricted_lets_nothing_out),
		cmocka_unit_test(user_net_forwards_a_port_to_the_guest),
		cmocka_unit_test(user_net_forwards_datagrams_to_the_guest),
		cmocka_unit_test(user_net_says_which_forward_is_taken),
		cmocka_unit_test(user_net_refuses_addresses_of_no_sense),
		cmocka_unit_test(user_net_refuses_frames_that_are_none),
		cmocka_unit_test(user_net_survives_random_frames),
		cmocka_unit_test(user_net_loses_a_frame_that_does_not_fit),
		cmocka_unit_test(
			user_net_bounds_what_a_deaf_guest_makes_it_keep),
		cmocka_unit_test(
			user_net_lets_a_guest_open_so_many_sockets_only),
		cmocka_unit_test(user_net_may_go_while_the_loop_runs),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
