// SPDX-License-Identifier: MIT
/*
 * test_vsock.c - the socket device between a driver and real sockets: how
 * connections begin, what passes, how they end, and what hurts nobody.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/fd.h"
#include "tests/unit/vsock_rig.h"
#include "virtio/vsock_int.h"

#define PORT 1234 /* of the guest */

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (!r || rig_create(r))
		return -1;
	rig_start(r);
	rig_give_many(r, 16);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_destroy(*state);
	free(*state);
	return 0;
}

static struct vsock_header hears(struct rig *r, enum vsock_op op)
{
	struct vsock_header h = { .op = 0 };

	assert_true(rig_hear(r, &h, NULL));
	assert_int_equal(h.op, op);
	assert_int_equal(h.dst_cid, RIG_CID);
	return h;
}

static void hears_nothing(struct rig *r)
{
	struct vsock_header h;

	assert_false(rig_hear(r, &h, NULL));
}

static void says(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void reads(struct rig *r, int fd, const char *text)
{
	char buf[64] = "";

	rig_run(r);
	assert_int_equal(recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT),
			 strlen(text));
	assert_string_equal(buf, text);
}

/* The other side has closed, or shut its direction. */
static void reads_end(struct rig *r, int fd)
{
	char c;

	rig_run(r);
	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), 0);
}

static void reads_nothing(struct rig *r, int fd)
{
	char c;

	rig_run(r);
	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static unsigned int nr_links(const struct rig *r)
{
	return container_of(r->dev, struct vsock, dev)->nr_links;
}

/* A client that has its connection; *port is the host's. */
static int connected(struct rig *r, uint32_t *port)
{
	struct vsock_header h;
	int fd = rig_client(r);

	says(fd, "CONNECT 1234\n");
	h = hears(r, VSOCK_OP_REQUEST);
	*port = h.src_port;
	rig_say(r, VSOCK_OP_RESPONSE, PORT, *port);
	assert_true(recv(fd, (char[32]){ 0 }, 32, MSG_DONTWAIT) > 3);
	return fd;
}

/* A server of the host that has the guest's connection to its port 80. */
static int accepted(struct rig *r, struct fd_unix *u)
{
	int fd;

	rig_listen(r, u, 80, 4);
	rig_say(r, VSOCK_OP_REQUEST, PORT, 80);
	hears(r, VSOCK_OP_RESPONSE);
	fd = accept(u->fd, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fd_set_nonblock(fd), 0);
	return fd;
}

static void device_has_a_cid_and_three_queues(void **state)
{
	struct rig *r = *state;
	uint64_t cid = 0;

	assert_int_equal(r->dev->ops->type, 19);
	assert_int_equal(r->dev->nr_queues, 3);
	virtio_dev_config_read(r->dev, 0, &cid, sizeof(cid));
	assert_int_equal(cid, RIG_CID);
	virtio_dev_kick(r->dev, RIG_Q_EVENT);
	hears_nothing(r);
}

static void a_client_connects_to_a_port_of_the_guest(void **state)
{
	struct rig *r = *state;
	char line[32], got[16];
	struct vsock_header h;
	int fd = rig_client(r);

	says(fd, "CONNECT 1234\n");
	h = hears(r, VSOCK_OP_REQUEST);
	assert_int_equal(h.src_cid, 2);
	assert_int_equal(h.dst_port, PORT);
	assert_int_equal(h.type, 1);
	reads_nothing(r, fd);
	rig_say(r, VSOCK_OP_RESPONSE, PORT, h.src_port);
	snprintf(line, sizeof(line), "OK %u\n", h.src_port);
	reads(r, fd, line);

	says(fd, "hello");
	assert_true(rig_hear(r, &h, got));
	assert_int_equal(h.op, VSOCK_OP_RW);
	assert_int_equal(h.len, 5);
	assert_memory_equal(got, "hello", 5);
	rig_send(r, PORT, h.src_port, "and you?", 8);
	reads(r, fd, "and you?");
	close(fd);
}

static void what_follows_the_line_is_the_guests(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	char got[16];
	int fd = rig_client(r);

	says(fd, "conn");
	hears_nothing(r);
	says(fd, "ect  1234 \r\nearly");
	h = hears(r, VSOCK_OP_REQUEST);
	hears_nothing(r);
	rig_say(r, VSOCK_OP_RESPONSE, PORT, h.src_port);
	assert_true(rig_hear(r, &h, got));
	assert_int_equal(h.len, 5);
	assert_memory_equal(got, "early", 5);
	close(fd);
}

static void lines_that_make_no_sense_end_the_connection(void **state)
{
	static const char *const bad[] = {
		"\n",
		"CONNECT\n",
		"CONNECT \n",
		"CONNECT x\n",
		"CONNECT -1\n",
		"CONNECT 4294967296\n",
		"CONNECT 1 2\n",
		"CONNECTED 1\n",
		"DISCONNECT 1\n",
		"CONNECT 0x10\n",
		"CONNECT 1                             1\n",
	};
	struct rig *r = *state;
	char c;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		int fd = rig_client(r);

		says(fd, bad[i]);
		hears_nothing(r);
		/* Or a reset, when a part of the line was not read. */
		assert_true(recv(fd, &c, 1, MSG_DONTWAIT) <= 0 &&
			    errno != EAGAIN);
		errno = 0;
		close(fd);
	}
	assert_int_equal(nr_links(r), 0);
}

static void a_guest_that_refuses_ends_the_clients_connection(void **state)
{
	struct rig *r = *state;
	int fd = rig_client(r);
	struct vsock_header h;

	says(fd, "CONNECT 1234\n");
	h = hears(r, VSOCK_OP_REQUEST);
	rig_say(r, VSOCK_OP_RST, PORT, h.src_port);
	reads_end(r, fd);
	hears_nothing(r);
	assert_int_equal(nr_links(r), 0);
	close(fd);
}

static void a_client_that_leaves_before_the_answer_is_forgotten(void **state)
{
	struct rig *r = *state;
	int fd = rig_client(r);

	says(fd, "CONNECT 1234\n");
	hears(r, VSOCK_OP_REQUEST);
	close(fd);
	hears(r, VSOCK_OP_RST);
	assert_int_equal(nr_links(r), 0);
}

static void the_guest_connects_to_a_socket_of_the_host(void **state)
{
	struct rig *r = *state;
	struct fd_unix u;
	struct vsock_header h;
	char got[8];
	int fd = accepted(r, &u);

	rig_send(r, PORT, 80, "get", 3);
	reads(r, fd, "get");
	says(fd, "got");
	assert_true(rig_hear(r, &h, got));
	assert_int_equal(h.src_port, 80);
	assert_int_equal(h.dst_port, PORT);
	assert_memory_equal(got, "got", 3);
	close(fd);
	fd_unix_close(&u);
}

static void without_a_socket_there_the_guest_is_refused(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	struct fd_unix u;

	rig_say(r, VSOCK_OP_REQUEST, PORT, 80);
	h = hears(r, VSOCK_OP_RST);
	assert_int_equal(h.src_port, 80);
	assert_int_equal(h.dst_port, PORT);
	rig_listen(r, &u, 80, 1);
	fd_close(&u.fd); /* the file stays */
	rig_say(r, VSOCK_OP_REQUEST, PORT, 80);
	hears(r, VSOCK_OP_RST);
	assert_int_equal(nr_links(r), 0);
	unlink(u.path);
}

static void a_full_backlog_is_waited_for(void **state)
{
	struct rig *r = *state;
	struct fd_unix u;
	int first, fd;

	rig_listen(r, &u, 80, 0);
	first = fd_unix_connect(u.path, SOCK_STREAM);
	rig_say(r, VSOCK_OP_REQUEST, PORT, 80);
	hears_nothing(r);
	fd = accept(u.fd, NULL, NULL);
	r->loop->no_time = false;
	hears(r, VSOCK_OP_RESPONSE);
	close(fd);
	close(first);
	fd_unix_close(&u);
}

static void but_not_for_ever(void **state)
{
	struct rig *r = *state;
	struct fd_unix u;
	int first;

	rig_listen(r, &u, 80, 0);
	first = fd_unix_connect(u.path, SOCK_STREAM);
	rig_say(r, VSOCK_OP_REQUEST, PORT, 80);
	r->loop->no_time = false;
	hears(r, VSOCK_OP_RST);
	assert_int_equal(nr_links(r), 0);
	close(first);
	fd_unix_close(&u);
}

static void time_ends_what_nobody_answers(void **state)
{
	struct rig *r = *state;
	int silent = rig_client(r), asking = rig_client(r);

	says(silent, "CONNECT 12");
	says(asking, "CONNECT 1234\n");
	hears(r, VSOCK_OP_REQUEST);
	r->loop->no_time = false;
	hears(r, VSOCK_OP_RST);
	reads_end(r, silent);
	reads_end(r, asking);
	assert_int_equal(nr_links(r), 0);
	close(silent);
	close(asking);
}

static void a_client_may_send_no_more_and_still_read(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	uint32_t port;
	int fd = connected(r, &port);

	says(fd, "last");
	shutdown(fd, SHUT_WR);
	hears(r, VSOCK_OP_RW);
	h = hears(r, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUT_SEND);
	rig_send(r, PORT, port, "answer", 6);
	reads(r, fd, "answer");
	rig_shut(r, PORT, port, VSOCK_SHUT_BOTH);
	reads_end(r, fd);
	hears(r, VSOCK_OP_RST);
	assert_int_equal(nr_links(r), 0);
	close(fd);
}

static void a_guest_may_send_no_more_and_still_read(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	struct fd_unix u;
	int fd = accepted(r, &u);

	rig_send(r, PORT, 80, "last", 4);
	rig_shut(r, PORT, 80, VSOCK_SHUT_SEND);
	reads(r, fd, "last");
	reads_end(r, fd);
	says(fd, "answer");
	h = hears(r, VSOCK_OP_RW);
	assert_int_equal(h.len, 6);
	close(fd);
	h = hears(r, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUT_BOTH);
	rig_say(r, VSOCK_OP_RST, PORT, 80);
	assert_int_equal(nr_links(r), 0);
	fd_unix_close(&u);
}

static void a_guest_that_reads_no_more_stops_the_client(void **state)
{
	struct rig *r = *state;
	uint32_t port;
	int fd = connected(r, &port);

	rig_shut(r, PORT, port, VSOCK_SHUT_RECEIVE);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	rig_send(r, PORT, port, "still", 5);
	reads(r, fd, "still");
	close(fd);
	hears(r, VSOCK_OP_SHUTDOWN);
}

static void a_client_that_closes_is_given_up_by_both(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	uint32_t port;
	int fd = connected(r, &port);

	close(fd);
	h = hears(r, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUT_BOTH);
	/* What the guest had on its way goes nowhere. */
	rig_send(r, PORT, port, "late", 4);
	rig_say(r, VSOCK_OP_RST, PORT, port);
	hears_nothing(r);
	assert_int_equal(nr_links(r), 0);
}

static void a_guest_that_says_nothing_to_that_is_reset(void **state)
{
	struct rig *r = *state;
	uint32_t port;
	int fd = connected(r, &port);

	close(fd);
	hears(r, VSOCK_OP_SHUTDOWN);
	r->loop->no_time = false;
	hears(r, VSOCK_OP_RST);
	assert_int_equal(nr_links(r), 0);
}

static void a_client_that_shut_one_direction_may_still_go(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	uint32_t port;
	int fd = connected(r, &port);

	shutdown(fd, SHUT_WR);
	hears(r, VSOCK_OP_SHUTDOWN);
	hears_nothing(r);
	close(fd);
	h = hears(r, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUT_BOTH);
}

static void a_reset_by_the_guest_ends_the_clients_connection(void **state)
{
	struct rig *r = *state;
	uint32_t port;
	int fd = connected(r, &port);

	rig_say(r, VSOCK_OP_RST, PORT, port);
	reads_end(r, fd);
	hears_nothing(r);
	assert_int_equal(nr_links(r), 0);
	close(fd);
}

static void the_guests_room_is_respected(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	uint32_t port;
	int fd;

	r->alloc = 100;
	fd = connected(r, &port);
	assert_int_equal(write(fd, (char[150]){ 0 }, 150), 150);
	h = hears(r, VSOCK_OP_RW);
	assert_int_equal(h.len, 100);
	hears(r, VSOCK_OP_CREDIT_REQUEST);
	hears_nothing(r);
	rig_say(r, VSOCK_OP_CREDIT_UPDATE, PORT, port); /* still none */
	hears(r, VSOCK_OP_CREDIT_REQUEST);
	r->passed_on = 20;
	rig_say(r, VSOCK_OP_CREDIT_UPDATE, PORT, port);
	h = hears(r, VSOCK_OP_RW);
	assert_int_equal(h.len, 20);
	r->passed_on = 120;
	rig_say(r, VSOCK_OP_CREDIT_UPDATE, PORT, port);
	hears(r, VSOCK_OP_CREDIT_REQUEST);
	h = hears(r, VSOCK_OP_RW);
	assert_int_equal(h.len, 30);
	close(fd);
}

static void pattern(uint8_t *buf, uint32_t len, uint32_t from)
{
	for (uint32_t i = 0; i < len; i++)
		buf[i] = (uint8_t)((from + i) * 2654435761u >> 24);
}

/* Send until the host's socket and our buffer are full; bytes that went. */
static uint32_t fill_up(struct rig *r, uint32_t port)
{
	static uint8_t buf[4096];
	struct vsock_header h;
	uint32_t sent = 0, passed_on = 0;

	while (sent - passed_on + sizeof(buf) <= VSOCK_BUF_ALLOC) {
		pattern(buf, sizeof(buf), sent);
		rig_send(r, PORT, port, buf, sizeof(buf));
		sent += (uint32_t)sizeof(buf);
		while (rig_hear(r, &h, NULL))
			passed_on = h.fwd_cnt;
		assert_true(sent < 4u << 20);
	}
	return sent;
}

/* All that was sent comes, in order; the device tells of room. */
static void drain(struct rig *r, int fd, uint32_t len)
{
	static uint8_t got[8192], want[8192];
	struct vsock_header h;
	uint32_t done = 0;

	while (done < len) {
		ssize_t n = recv(fd, got, sizeof(got), MSG_DONTWAIT);

		assert_true(n > 0);
		pattern(want, (uint32_t)n, done);
		assert_memory_equal(got, want, n);
		done += (uint32_t)n;
		while (rig_hear(r, &h, NULL))
			assert_int_equal(h.op, VSOCK_OP_CREDIT_UPDATE);
	}
}

static void a_client_that_does_not_read_stops_the_guest(void **state)
{
	struct rig *r = *state;
	uint32_t port, sent;
	int fd = connected(r, &port);

	sent = fill_up(r, port);
	drain(r, fd, sent);
	reads_nothing(r, fd);
	rig_send(r, PORT, port, "more", 4);
	reads(r, fd, "more");
	close(fd);
}

static void a_guest_that_sends_without_room_is_reset(void **state)
{
	struct rig *r = *state;
	uint32_t port;
	int fd = connected(r, &port);

	fill_up(r, port);
	rig_send(r, PORT, port, (char[65536]){ 0 }, 65536);
	hears(r, VSOCK_OP_RST);
	assert_int_equal(nr_links(r), 0);
	close(fd);
}

static void what_a_guest_sent_before_its_end_arrives(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	uint32_t port, sent;
	int fd = connected(r, &port);

	sent = fill_up(r, port);
	rig_shut(r, PORT, port, VSOCK_SHUT_BOTH);
	hears(r, VSOCK_OP_RST);
	/* The ports are free again. */
	h = rig_header(r, VSOCK_OP_CREDIT_UPDATE, PORT, port);
	rig_put(r, &h, NULL, 0);
	hears(r, VSOCK_OP_RST);
	drain(r, fd, sent);
	reads_end(r, fd);
	assert_int_equal(nr_links(r), 0);
	close(fd);
}

static void a_client_that_closes_unread_bytes_is_given_up(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	uint32_t port;
	int fd = connected(r, &port);

	fill_up(r, port);
	close(fd);
	do
		assert_true(rig_hear(r, &h, NULL));
	while (h.op != VSOCK_OP_SHUTDOWN || h.flags != VSOCK_SHUT_BOTH);
	rig_say(r, VSOCK_OP_RST, PORT, port);
	assert_int_equal(nr_links(r), 0);
}

static void without_buffers_nothing_is_lost(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	uint32_t port;
	int fd;

	rig_destroy(r);
	assert_int_equal(rig_create(r), 0);
	rig_start(r);
	rig_give_many(r, 1);
	fd = connected(r, &port);
	/* The only buffer is not given back. */
	says(fd, "one");
	rig_run(r);
	says(fd, "two");
	rig_say(r, VSOCK_OP_CREDIT_REQUEST, PORT, port);
	rig_say(r, VSOCK_OP_REQUEST, PORT, 80);
	h = hears(r, VSOCK_OP_RW);
	assert_int_equal(h.len, 3);
	hears(r, VSOCK_OP_RST);
	hears(r, VSOCK_OP_CREDIT_UPDATE);
	h = hears(r, VSOCK_OP_RW);
	assert_int_equal(h.len, 3);
	hears_nothing(r);
	close(fd);
}

static void payload_is_cut_to_the_guests_buffers(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	uint8_t sent[9000], got[4096];
	uint32_t port, done = 0;
	int fd = connected(r, &port);

	pattern(sent, sizeof(sent), 0);
	assert_int_equal(write(fd, sent, sizeof(sent)), sizeof(sent));
	while (rig_hear(r, &h, got)) {
		assert_int_equal(h.op, VSOCK_OP_RW);
		assert_true(h.len <= 4096);
		assert_memory_equal(got, sent + done, h.len);
		done += h.len;
	}
	assert_int_equal(done, sizeof(sent));
	close(fd);
}

static void a_buffer_without_room_breaks_the_device(void **state)
{
	struct rig *r = *state;

	rig_destroy(r);
	assert_int_equal(rig_create(r), 0);
	rig_start(r);
	rig_give(r, 0, 44);
	virtio_dev_kick(r->dev, RIG_Q_RX);
	rig_say(r, VSOCK_OP_REQUEST, PORT, 80);
	assert_int_equal(virtio_dev_get_status(r->dev) & 64, 64);
	virtio_dev_set_status(r->dev, 0);
	assert_int_equal(virtio_dev_get_status(r->dev), 0);
}

static void packets_for_and_from_others_go_nowhere(void **state)
{
	struct rig *r = *state;
	struct vsock_header h = rig_header(r, VSOCK_OP_REQUEST, PORT, 80);
	struct fd_unix u;

	rig_listen(r, &u, 80, 1);
	h.src_cid = RIG_CID + 1;
	rig_put(r, &h, NULL, 0);
	h.src_cid = RIG_CID | 1ull << 32;
	rig_put(r, &h, NULL, 0);
	hears_nothing(r);
	h.src_cid = RIG_CID;
	h.dst_cid = 9;
	rig_put(r, &h, NULL, 0);
	h = hears(r, VSOCK_OP_RST);
	assert_int_equal(h.src_cid, 9);
	h = rig_header(r, VSOCK_OP_RST, PORT, 80);
	h.dst_cid = 9;
	rig_put(r, &h, NULL, 0);
	hears_nothing(r);
	assert_int_equal(nr_links(r), 0);
	fd_unix_close(&u);
}

static void other_types_than_streams_are_refused_in_band(void **state)
{
	struct rig *r = *state;
	struct vsock_header h = rig_header(r, VSOCK_OP_REQUEST, PORT, 80);
	const uint16_t types[] = { 0, 2, 65535 };

	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		struct vsock_header got;

		h.type = types[i];
		rig_put(r, &h, NULL, 0);
		got = hears(r, VSOCK_OP_RST);
		assert_int_equal(got.type, types[i]);
	}
}

static void packets_that_belong_to_nothing_are_reset(void **state)
{
	struct rig *r = *state;

	for (unsigned int op = 0; op < 9; op++) {
		rig_say(r, (enum vsock_op)op, PORT, 99);
		if (op != VSOCK_OP_RST)
			hears(r, VSOCK_OP_RST);
		hears_nothing(r);
	}
}

static void packets_that_are_cut_or_lie_hurt_nobody(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	uint32_t port;
	int fd = connected(r, &port);

	/* Half a header; none at all. */
	ring_desc(&r->tx, 31, RIG_TX_AT, 43, 0, 0);
	ring_offer(&r->tx, 31);
	virtio_dev_kick(r->dev, RIG_Q_TX);
	ring_desc(&r->tx, 30, RIG_TX_AT, 43, RING_WRITE, 0);
	ring_offer(&r->tx, 30);
	virtio_dev_kick(r->dev, RIG_Q_TX);
	hears_nothing(r);

	h = rig_header(r, VSOCK_OP_RW, PORT, port);
	h.len = 11;
	rig_put(r, &h, "ten bytes!", 10);
	hears(r, VSOCK_OP_RST);
	assert_int_equal(nr_links(r), 0);
	close(fd);
}

static void a_second_request_of_a_pair_ends_it(void **state)
{
	struct rig *r = *state;
	struct fd_unix u;
	int fd = accepted(r, &u);

	rig_say(r, VSOCK_OP_REQUEST, PORT, 80);
	hears(r, VSOCK_OP_RST);
	reads_end(r, fd);
	rig_say(r, VSOCK_OP_REQUEST, PORT, 80);
	hears(r, VSOCK_OP_RESPONSE);
	close(fd);
	fd_unix_close(&u);
}

static void too_many_connections_are_refused(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	struct fd_unix u;
	unsigned int open = 0, refused = 0;

	rig_listen(r, &u, 80, 4096);
	for (uint32_t i = 0; i < VSOCK_LINKS_MAX + 5; i++) {
		rig_say(r, VSOCK_OP_REQUEST, 10000 + i, 80);
		assert_true(rig_hear(r, &h, NULL));
		open += h.op == VSOCK_OP_RESPONSE;
		refused += h.op == VSOCK_OP_RST;
	}
	assert_int_equal(nr_links(r), VSOCK_LINKS_MAX);
	assert_int_equal(open, VSOCK_LINKS_MAX);
	assert_int_equal(refused, 5);
	rig_shut(r, 10000, 80, VSOCK_SHUT_BOTH);
	hears(r, VSOCK_OP_RST);
	rig_say(r, VSOCK_OP_REQUEST, 9999, 80);
	hears(r, VSOCK_OP_RESPONSE);
	fd_unix_close(&u);
}

static void replies_nobody_takes_stop_the_guest(void **state)
{
	struct rig *r = *state;
	struct vsock_header h;
	unsigned int said = 0, heard = 0;

	rig_destroy(r);
	assert_int_equal(rig_create(r), 0);
	rig_start(r);
	while ((uint16_t)(r->tx.avail_idx - ring_used_idx(&r->tx)) < RIG_TX) {
		rig_say(r, VSOCK_OP_RW, PORT, 99);
		assert_true(++said < 2000);
	}
	assert_int_equal(said, VSOCK_REPLIES_MAX + RIG_TX);
	rig_give_many(r, 8);
	while (rig_hear(r, &h, NULL))
		heard += h.op == VSOCK_OP_RST;
	assert_int_equal(heard, said);
}

static void a_reset_ends_all_and_lets_clients_wait(void **state)
{
	struct rig *r = *state;
	struct fd_unix u;
	uint32_t port;
	int fd = connected(r, &port), other = accepted(r, &u), late;

	says(fd, "lost");
	virtio_dev_set_status(r->dev, 0);
	assert_int_equal(virtio_dev_get_status(r->dev), 0);
	reads_end(r, other);
	assert_int_equal(nr_links(r), 0);
	late = rig_client(r);
	assert_true(late >= 0);
	says(late, "CONNECT 1234\n");
	reads_nothing(r, late);

	rig_start(r);
	rig_give_many(r, 4);
	hears(r, VSOCK_OP_REQUEST);
	close(late);
	close(other);
	close(fd);
	fd_unix_close(&u);
}

static void ports_of_clients_differ(void **state)
{
	struct rig *r = *state;
	uint32_t port[3];
	int fd[3];

	for (int i = 0; i < 3; i++)
		fd[i] = connected(r, &port[i]);
	assert_int_not_equal(port[0], port[1]);
	assert_int_not_equal(port[1], port[2]);
	rig_send(r, PORT, port[1], "b", 1);
	reads_nothing(r, fd[0]);
	reads(r, fd[1], "b");
	reads_nothing(r, fd[2]);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

static void sockets_that_cannot_be_are_explained(void **state)
{
	struct rig *r = *state;
	struct virtio_vsock_params p = { "vsock1", 3, r->path };
	char longer[VIRTIO_VSOCK_PATH_MAX + 2], why[200];
	struct virtio_dev *d;

	assert_int_equal(virtio_vsock_create(&d, r->ram, r->loop, &p, why,
					     sizeof(why)),
			 -EADDRINUSE);
	assert_non_null(strstr(why, "is in use by another program"));
	p.path = r->dir;
	assert_int_equal(virtio_vsock_create(&d, r->ram, r->loop, &p, why,
					     sizeof(why)),
			 -EEXIST);
	assert_non_null(strstr(why, "is there, and no socket"));
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	p.path = longer;
	assert_int_equal(virtio_vsock_create(&d, r->ram, r->loop, &p, why,
					     sizeof(why)),
			 -ENAMETOOLONG);
	assert_non_null(strstr(why, "expected a path of at most 96 bytes"));
	assert_null(d);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(device_has_a_cid_and_three_queues),
	TEST(a_client_connects_to_a_port_of_the_guest),
	TEST(what_follows_the_line_is_the_guests),
	TEST(lines_that_make_no_sense_end_the_connection),
	TEST(a_guest_that_refuses_ends_the_clients_connection),
	TEST(a_client_that_leaves_before_the_answer_is_forgotten),
	TEST(the_guest_connects_to_a_socket_of_the_host),
	TEST(without_a_socket_there_the_guest_is_refused),
	TEST(a_full_backlog_is_waited_for),
	TEST(but_not_for_ever),
	TEST(time_ends_what_nobody_answers),
	TEST(a_client_may_send_no_more_and_still_read),
	TEST(a_guest_may_send_no_more_and_still_read),
	TEST(a_guest_that_reads_no_more_stops_the_client),
	TEST(a_client_that_closes_is_given_up_by_both),
	TEST(a_guest_that_says_nothing_to_that_is_reset),
	TEST(a_client_that_shut_one_direction_may_still_go),
	TEST(a_reset_by_the_guest_ends_the_clients_connection),
	TEST(the_guests_room_is_respected),
	TEST(a_client_that_does_not_read_stops_the_guest),
	TEST(a_guest_that_sends_without_room_is_reset),
	TEST(what_a_guest_sent_before_its_end_arrives),
	TEST(a_client_that_closes_unread_bytes_is_given_up),
	TEST(without_buffers_nothing_is_lost),
	TEST(payload_is_cut_to_the_guests_buffers),
	TEST(a_buffer_without_room_breaks_the_device),
	TEST(packets_for_and_from_others_go_nowhere),
	TEST(other_types_than_streams_are_refused_in_band),
	TEST(packets_that_belong_to_nothing_are_reset),
	TEST(packets_that_are_cut_or_lie_hurt_nobody),
	TEST(a_second_request_of_a_pair_ends_it),
	TEST(too_many_connections_are_refused),
	TEST(replies_nobody_takes_stop_the_guest),
	TEST(a_reset_ends_all_and_lets_clients_wait),
	TEST(ports_of_clients_differ),
	TEST(sockets_that_cannot_be_are_explained),
};

UNIT_MAIN(tests)
