// SPDX-License-Identifier: MIT
/*
 * test_switch.c - the switch, with ports that behave, that sleep, that leave
 * and that lie.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "base/checked.h"
#include "base/fd.h"
#include "tests/unit/net_packets.h"
#include "tests/unit/switch_rig.h"

#define BROADCAST 0xffffffffffffull
#define A	  0x525400000001ull
#define B	  0x525400000002ull
#define C	  0x525400000003ull

struct fixture {
	struct switch_rig rig;
	struct switch_server_params params;
	struct rig_port a, b, c;
};

/* Three ports that know each other. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	rig_start(&f->rig, &f->params);
	rig_plug(&f->rig, &f->a, "alpha");
	rig_plug(&f->rig, &f->b, "beta");
	rig_plug(&f->rig, &f->c, "gamma");
	assert_true(rig_send(&f->b, B, BROADCAST, 60, 0));
	assert_int_equal(rig_recv(&f->a, 10000, NULL), 60);
	assert_int_equal(rig_recv(&f->c, 10000, NULL), 60);
	assert_true(rig_send(&f->a, A, B, 60, 0));
	assert_int_equal(rig_recv(&f->b, 10000, NULL), 60);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_unplug(&f->a);
	rig_unplug(&f->b);
	rig_unplug(&f->c);
	rig_end(&f->rig);
	rig_remove(&f->rig);
	free(f);
	return 0;
}

/* The next frame of @len bytes, after those that were flooded before. */
static uint32_t recv_long(struct rig_port *p, uint32_t len, uint8_t *fill)
{
	uint32_t n;

	do {
		n = rig_recv(p, 10000, fill);
	} while (n && n != len);
	return n;
}

/* a and b still reach each other. */
static void assert_works(struct fixture *f)
{
	uint8_t fill = 0;

	assert_true(rig_send(&f->a, A, B, 1514, 7));
	assert_int_equal(recv_long(&f->b, 1514, &fill), 1514);
	assert_int_equal(fill, 7);
	assert_true(rig_send(&f->b, B, A, 1513, 8));
	assert_int_equal(recv_long(&f->a, 1513, &fill), 1513);
	assert_int_equal(fill, 8);
}

static void a_frame_for_a_known_address_reaches_its_port_only(void **state)
{
	struct fixture *f = *state;

	assert_works(f);
	assert_int_equal(rig_recv(&f->c, 0, NULL), 0);
}

static void many_frames_arrive_in_order_and_are_counted(void **state)
{
	struct fixture *f = *state;
	struct switch_stats_port st;
	uint32_t sent = 0, got = 0;
	uint8_t fill;

	while (got < 20000) {
		/* Never more than fit, so that none is dropped. */
		while (sent < 20000 && sent - got < 200 &&
		       rig_send(&f->a, A, B, 60 + sent % 64, sent & 0xff))
			sent++;
		assert_int_equal(rig_recv(&f->b, 10000, &fill), 60 + got % 64);
		assert_int_equal(fill, got & 0xff);
		got++;
	}
	assert_true(rig_stats(&f->rig, 1, &st));
	assert_string_equal(st.name, "alpha");
	assert_int_equal(le64_get(st.rx_frames), 20001);
	assert_int_equal(le32_get(st.macs), 1);
	assert_int_equal(le32_get(st.state), SWITCH_STATE_UP);
	assert_true(rig_stats(&f->rig, 2, &st));
	assert_int_equal(le64_get(st.tx_frames), 20001);
	assert_int_equal(le64_get(st.drops), 0);
	assert_false(rig_stats(&f->rig, 4, &st));
}

static void the_longest_frame_arrives(void **state)
{
	struct switch_rig rig = { 0 };
	struct switch_server_params p = { .ring_size = 256u << 10 };
	struct rig_port a, b;

	(void)state;
	rig_start(&rig, &p);
	rig_plug(&rig, &a, "a");
	rig_plug(&rig, &b, "b");
	assert_true(rig_send(&a, A, BROADCAST, SWITCH_FRAME_MAX, 1));
	assert_int_equal(rig_recv(&b, 10000, NULL), SWITCH_FRAME_MAX);
	assert_false(rig_send(&a, A, BROADCAST, SWITCH_FRAME_MAX + 1, 1));
	rig_unplug(&a);
	rig_unplug(&b);
	rig_end(&rig);
	rig_remove(&rig);
}

/* Wait until the switch has taken what @p has sent. */
static void let_it_be_taken(struct rig_port *p)
{
	struct switch_ring *r = &p->k.to_switch;

	for (int i = 0; i < 10000 && atomic_load(&r->shared->tail) != r->own;
	     i++)
		usleep(1000);
	assert_int_equal(atomic_load(&r->shared->tail), r->own);
}

static void a_port_that_sleeps_loses_frames_and_nobody_else_does(void **state)
{
	struct fixture *f = *state;
	struct switch_stats_port st;
	uint32_t sent = 0;

	assert_true(rig_send(&f->c, C, BROADCAST, 60, 0));
	rig_recv(&f->a, 10000, NULL);
	rig_recv(&f->b, 10000, NULL);
	/* c takes nothing from here on. */
	while (sent < 1000) {
		if (rig_send(&f->a, A, C, 1000, 1))
			sent++;
		else
			let_it_be_taken(&f->a);
	}
	assert_works(f);
	assert_true(rig_stats(&f->rig, 3, &st));
	assert_int_equal(le32_get(st.state), SWITCH_STATE_FULL);
	assert_true(le64_get(st.drops) > 900);
	assert_int_equal(le64_get(st.drops) + le64_get(st.tx_frames),
			 1000 + 1); /* 1: what b said first */
	assert_true(rig_stats(&f->rig, 2, &st));
	assert_int_equal(le64_get(st.drops), 0);
	/* Awake again: what waited, and then new ones. */
	while (rig_recv(&f->c, 0, NULL))
		;
	assert_true(rig_send(&f->a, A, C, 77, 1));
	assert_int_equal(rig_recv(&f->c, 10000, NULL), 77);
}

static void a_port_that_leaves_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct switch_stats_port st;

	close(f->c.sock);
	for (int i = 0; i < 10000 && rig_stats(&f->rig, 3, &st); i++)
		usleep(1000);
	assert_false(rig_stats(&f->rig, 3, &st));
	assert_works(f);
	/* Another gets its number, and starts from nothing. */
	switch_link_unmap(&f->c.k);
	rig_plug(&f->rig, &f->c, "delta");
	assert_true(rig_stats(&f->rig, 3, &st));
	assert_string_equal(st.name, "delta");
	assert_int_equal(le64_get(st.tx_frames), 0);
}

static void lies_about_its_head(struct fixture *f)
{
	f->c.k.to_switch.shared->head = 1u << 30;
}

static void lies_about_its_tail(struct fixture *f)
{
	assert_true(rig_send(&f->c, C, A, 60, 1));
	assert_int_equal(rig_recv(&f->a, 10000, NULL), 60);
	f->c.k.to_port.shared->tail = 1u << 30;
	/* Found out when the ring seems full. */
	for (int i = 0; i < 100; i++)
		if (!rig_send(&f->a, A, C, 1000, 1))
			let_it_be_taken(&f->a);
}

static void lies_about_a_length(struct fixture *f)
{
	uint32_t evil = 1u << 20;

	rig_send(&f->c, C, A, 60, 1);
	memcpy(f->c.k.data[0] + (f->c.k.to_switch.own & (RIG_RING - 1)), &evil,
	       4);
	f->c.k.to_switch.shared->head = f->c.k.to_switch.own + 64;
}

static void assert_liar_is_closed(struct fixture *f,
				  void (*lie)(struct fixture *f))
{
	lie(f);
	switch_link_ring_bell(f->c.sock);
	assert_true(rig_hung_up(f->c.sock));
	assert_works(f);
}

static void a_port_that_lies_about_its_head_is_closed(void **state)
{
	assert_liar_is_closed(*state, lies_about_its_head);
}

static void a_port_that_lies_about_its_tail_is_closed(void **state)
{
	assert_liar_is_closed(*state, lies_about_its_tail);
}

static void a_port_that_lies_about_a_length_is_closed(void **state)
{
	assert_liar_is_closed(*state, lies_about_a_length);
}

static void a_port_that_rings_for_ever_delays_nobody(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20000; i++) {
		switch_link_ring_bell(f->c.sock);
		if (!(i % 1000))
			assert_works(f);
	}
	assert_works(f);
}

static void memory_cannot_be_taken_away(void **state)
{
	struct switch_rig *rig = &((struct fixture *)*state)->rig;
	int sock = switch_link_connect(rig->path), memfd;
	struct switch_welcome w;
	struct switch_hello h;

	switch_link_fill_hello(&h, SWITCH_WISH_PORT, "x");
	switch_link_send(sock, &h, sizeof(h), -1);
	assert_int_equal(rig_wait(sock, 10000), 1);
	assert_int_equal(switch_link_recv_welcome(sock, &w, &memfd), 0);
	assert_true(ftruncate(memfd, 0) < 0);
	assert_true(ftruncate(memfd, 1 << 30) < 0);
	assert_true(fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	close(memfd);
	close(sock);
	assert_works(*state);
}

static void assert_refused(struct fixture *f, const void *msg, size_t len,
			   int error)
{
	int sock = switch_link_connect(f->rig.path), memfd;
	struct switch_welcome w;

	assert_int_equal(switch_link_send(sock, msg, len, sock), 0);
	assert_int_equal(rig_wait(sock, 10000), 1);
	assert_int_equal(switch_link_recv_welcome(sock, &w, &memfd), 0);
	assert_int_equal(memfd, -1);
	assert_int_equal(le32_get(w.error), error);
	assert_true(rig_hung_up(sock));
	close(sock);
}

static void a_greeting_that_is_none_is_refused(void **state)
{
	struct fixture *f = *state;
	struct switch_hello h;
	char much[5000] = { 0 };

	assert_refused(f, "x", 1, EPROTO);
	assert_refused(f, much, sizeof(much), EPROTO);
	switch_link_fill_hello(&h, SWITCH_WISH_PORT, "x");
	assert_refused(f, &h, sizeof(h) - 1, EPROTO);
	h.version = le32_put(2);
	assert_refused(f, &h, sizeof(h), EPROTONOSUPPORT);
	switch_link_fill_hello(&h, (enum switch_wish)9, "x");
	assert_refused(f, &h, sizeof(h), EPROTO);
	assert_works(f);
}

static void passed_files_do_not_pile_up(void **state)
{
	struct fixture *f = *state;
	int before = dup(0), after;

	close(before);
	for (int i = 0; i < 200; i++)
		(void)switch_link_send(f->c.sock, "x", 1, f->c.sock);
	usleep(20000);
	assert_works(f);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

static void connections_beyond_what_there_is_room_for_are_closed(void **state)
{
	struct fixture *f = *state;
	int socks[400];
	const unsigned int beyond = ARRAY_SIZE(socks) - SWITCH_PORTS_MAX - 32;
	unsigned int i, closed = 0;

	for (i = 0; i < ARRAY_SIZE(socks); i++) {
		socks[i] = switch_link_connect(f->rig.path);
		if (socks[i] == -EAGAIN) {
			usleep(1000);
			i--;
			continue;
		}
		assert_true(socks[i] >= 0);
	}
	assert_works(f);
	for (i = 0; i < 10000 && closed < beyond; i++) {
		usleep(1000);
		closed = 0;
		for (unsigned int k = 0; k < ARRAY_SIZE(socks); k++)
			closed += rig_wait(socks[k], 0) == 1;
	}
	assert_true(closed >= beyond);
	for (i = 0; i < ARRAY_SIZE(socks); i++)
		close(socks[i]);
	assert_works(f);
}

static void more_ports_than_there_are_numbers_are_refused(void **state)
{
	struct fixture *f = *state;
	struct rig_port *ports = calloc(SWITCH_PORTS_MAX, sizeof(*ports));
	unsigned int n = SWITCH_PORTS_MAX - 1 - 3;
	struct switch_hello h;

	for (unsigned int i = 0; i < n; i++)
		rig_plug(&f->rig, &ports[i], "one of many");
	switch_link_fill_hello(&h, SWITCH_WISH_PORT, "one more");
	assert_refused(f, &h, sizeof(h), ENOSPC);
	assert_works(f);
	for (unsigned int i = 0; i < n; i++)
		rig_unplug(&ports[i]);
	free(ports);
}

/* The uplink */

struct fake_uplink {
	struct net_backend base;
	/* The switch's thread writes, the test's reads, or the other way. */
	atomic_int sent;
	atomic_int lost;
	atomic_int answer; /* of send() */
	atomic_uint last_len;
	atomic_bool plain;		/* the last header was */
	atomic_uint gso_type, gso_size; /* in it */
	int to_give;
};

static int fake_send(struct net_backend *b, unsigned int q,
		     const struct iovec *iov, unsigned int nr)
{
	static const uint8_t plain[NET_HDR_LEN];
	struct fake_uplink *u = container_of(b, struct fake_uplink, base);
	struct virtio_net_hdr_v1 v;
	uint32_t len = 0;

	(void)q;
	if (u->answer) {
		u->lost++;
		return u->answer;
	}
	u->plain = !memcmp(iov[0].iov_base, plain, NET_HDR_LEN);
	memcpy(&v, iov[0].iov_base, sizeof(v));
	u->gso_type = v.gso_type;
	u->gso_size = v.gso_size;
	for (unsigned int i = 0; i < nr; i++)
		len += (uint32_t)iov[i].iov_len;
	u->last_len = len;
	u->sent++;
	return 0;
}

static ssize_t fake_recv(struct net_backend *b, unsigned int q,
			 const struct iovec *iov, unsigned int nr)
{
	struct fake_uplink *u = container_of(b, struct fake_uplink, base);
	uint8_t *at = iov->iov_base;

	(void)q;
	assert_int_equal(nr, 1);
	assert_true(iov->iov_len >= NET_HDR_LEN + NET_FRAME_MAX);
	if (!u->to_give)
		return -EAGAIN;
	if (u->to_give-- % 2)
		return -EMSGSIZE; /* lost, but more may come */
	memset(at, 0, NET_HDR_LEN + 60);
	rig_address(at + NET_HDR_LEN, BROADCAST);
	rig_address(at + NET_HDR_LEN + 6, 0x525400000099ull);
	return NET_HDR_LEN + 60;
}

static void an_uplink_gets_and_gives_frames_like_a_port(void **state)
{
	static const struct net_backend_ops ops = {
		.kind = "fake",
		.send = fake_send,
		.recv = fake_recv,
	};
	struct fake_uplink u = { .base = { .ops = &ops }, .to_give = 8 };
	struct switch_rig rig = { 0 };
	struct switch_server_params p = { .uplink = &u.base };
	struct switch_stats_port st;
	struct rig_port a, b;

	(void)state;
	p.core.isolate = true;
	rig_start(&rig, &p);
	rig_plug(&rig, &a, "a");
	rig_plug(&rig, &b, "b");
	assert_true(rig_send(&a, A, BROADCAST, 100, 1));
	let_it_be_taken(&a);
	assert_true(rig_stats(&rig, 0, &st));
	assert_string_equal(st.name, "uplink");
	assert_int_equal(u.sent, 1);
	assert_int_equal(u.last_len, NET_HDR_LEN + 100);
	assert_true(u.plain);
	/* Four came in, before anybody was there to get them. */
	assert_int_equal(le64_get(st.rx_frames), 4);
	assert_int_equal(le64_get(st.tx_frames), 1);
	assert_int_equal(rig_recv(&b, 0, NULL), 0);
	/* Full: nothing more is tried until it is writable. */
	u.answer = -EAGAIN;
	for (int i = 0; i < 10; i++)
		assert_true(rig_send(&a, A, BROADCAST, 100, 1));
	let_it_be_taken(&a);
	assert_true(rig_stats(&rig, 0, &st));
	assert_int_equal(u.lost, 1);
	assert_int_equal(le64_get(st.drops), 10);
	assert_int_equal(le32_get(st.state), SWITCH_STATE_FULL);
	rig_unplug(&a);
	rig_unplug(&b);
	rig_end(&rig);
	rig_remove(&rig);
}

static unsigned int fake_offloads(const struct net_backend *b)
{
	(void)b;
	return TUN_F_CSUM | TUN_F_TSO4;
}

/* A segment of @len bytes at @seq, of a frame for everybody. */
static void send_segment(struct rig_port *port, uint32_t seq, size_t len)
{
	static const uint8_t data[1000];
	struct packet p;
	uint8_t *at;

	packet_tcp(&p, (struct packet_end){ 1, 2 }, (struct packet_end){ 3, 4 },
		   PACKET_ACK, seq, 5, data, len);
	assert_int_equal(switch_ring_reserve(&port->k.to_switch,
					     (uint32_t)p.len, &at),
			 0);
	memcpy(at, p.data, p.len);
	switch_ring_push(&port->k.to_switch, (uint32_t)p.len);
}

/* What was pushed so far appears at once, and is taken. */
static void publish(struct rig_port *p)
{
	if (switch_ring_publish(&p->k.to_switch))
		switch_link_ring_bell(p->sock);
	let_it_be_taken(p);
}

static void a_stream_leaves_by_the_uplink_in_long_frames(void **state)
{
	static const struct net_backend_ops ops = {
		.kind = "fake",
		.offloads = fake_offloads,
		.send = fake_send,
		.recv = fake_recv,
	};
	struct fake_uplink u = { .base = { .ops = &ops } };
	struct switch_rig rig = { 0 };
	struct switch_server_params p = { .uplink = &u.base };
	struct switch_stats_port st;
	struct rig_port a;

	(void)state;
	rig_start(&rig, &p);
	rig_plug(&rig, &a, "a");
	for (uint32_t i = 0; i < 5; i++)
		send_segment(&a, 77 + i * 1000, 1000);
	send_segment(&a, 99, 10);
	publish(&a);
	assert_true(rig_stats(&rig, 0, &st));
	assert_int_equal(u.sent, 2);
	assert_int_equal(u.last_len, NET_HDR_LEN + 54 + 10);
	assert_true(u.plain);
	assert_int_equal(le64_get(st.tx_frames), 6);
	assert_int_equal(le64_get(st.tx_bytes), 5 * 1054 + 64);

	for (uint32_t i = 0; i < 3; i++)
		send_segment(&a, i * 1000, 1000);
	publish(&a);
	assert_true(rig_stats(&rig, 0, &st));
	assert_int_equal(u.sent, 3);
	assert_int_equal(u.last_len, NET_HDR_LEN + 54 + 3000);
	assert_int_equal(u.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(u.gso_size, 1000);

	u.answer = -ENETDOWN;
	for (uint32_t i = 0; i < 3; i++)
		send_segment(&a, i * 1000, 1000);
	publish(&a);
	assert_true(rig_stats(&rig, 0, &st));
	assert_int_equal(le64_get(st.drops), 3);
	assert_int_equal(le64_get(st.tx_frames), 9);
	rig_unplug(&a);
	rig_end(&rig);
	rig_remove(&rig);
}

/* The socket */

static int listen_at(const char *path)
{
	struct fd_unix u;
	int err = switch_listen(&u, path);

	fd_close(&u.fd);
	return err;
}

static void a_socket_in_use_is_left_alone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(listen_at(f->rig.path), -EADDRINUSE);
	assert_works(f);
}

static void a_socket_that_nobody_listens_on_is_replaced(void **state)
{
	struct switch_rig *rig = &((struct fixture *)*state)->rig;
	struct fd_unix u;
	char path[64];

	snprintf(path, sizeof(path), "%s/stale", rig->folder);
	assert_int_equal(listen_at(path), 0); /* and stays, as after a kill */
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(switch_listen(&u, path), 0);
	assert_int_equal(listen_at(path), -EADDRINUSE);
	fd_unix_close(&u);
	assert_true(access(path, F_OK) < 0);
}

static void a_socket_is_its_owners_alone(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->rig.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void paths_that_are_no_socket_names_are_refused(void **state)
{
	char path[200];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[199] = 0;
	assert_int_equal(listen_at(path), -ENAMETOOLONG);
	assert_int_equal(listen_at(""), -ENOENT);
	assert_int_equal(listen_at("/nowhere/at/all"), -ENOENT);
}

#define SWITCH_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SWITCH_TEST(a_frame_for_a_known_address_reaches_its_port_only),
		SWITCH_TEST(many_frames_arrive_in_order_and_are_counted),
		cmocka_unit_test(the_longest_frame_arrives),
		SWITCH_TEST(
			a_port_that_sleeps_loses_frames_and_nobody_else_does),
		SWITCH_TEST(a_port_that_leaves_is_forgotten),
		SWITCH_TEST(a_port_that_lies_about_its_head_is_closed),
		SWITCH_TEST(a_port_that_lies_about_its_tail_is_closed),
		SWITCH_TEST(a_port_that_lies_about_a_length_is_closed),
		SWITCH_TEST(a_port_that_rings_for_ever_delays_nobody),
		SWITCH_TEST(memory_cannot_be_taken_away),
		SWITCH_TEST(a_greeting_that_is_none_is_refused),
		SWITCH_TEST(passed_files_do_not_pile_up),
		SWITCH_TEST(
			connections_beyond_what_there_is_room_for_are_closed),
		SWITCH_TEST(more_ports_than_there_are_numbers_are_refused),
		cmocka_unit_test(an_uplink_gets_and_gives_frames_like_a_port),
		cmocka_unit_test(a_stream_leaves_by_the_uplink_in_long_frames),
		SWITCH_TEST(a_socket_in_use_is_left_alone),
		SWITCH_TEST(a_socket_that_nobody_listens_on_is_replaced),
		SWITCH_TEST(a_socket_is_its_owners_alone),
		SWITCH_TEST(paths_that_are_no_socket_names_are_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
