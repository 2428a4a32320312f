// SPDX-License-Identifier: MIT
/*
 * fuzz_switch.c - a port of a switch that writes what it likes: into its
 * rings, in its greeting, and in its frames.
 *
 * The input is a list of steps of the hostile port, with turns of the switch
 * in between. Two ports that behave look on: whatever reaches them is a frame
 * in order, never from one of them when they are isolated, and they can always
 * reach each other or the uplink.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "base/log.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/fake_loop.h"
#include "virtio/backend/switch_link.h"
#include "virtio/switch/switch.h"
#include "virtio/switch/switch_int.h"

#define RING   8192u
#define GOOD   2 /* ports that behave */
#define BUDGET 200

struct peer {
	int sock; /* -1: none */
	struct switch_link k;
};

struct fuzz {
	struct fuzz_input in;
	struct loop *loop;
	struct switch_server *server;
	bool isolate;
	struct net_backend uplink;
	unsigned int to_uplink;
	struct peer good[GOOD];
	struct peer evil;
};

/* The uplink takes what it gets, and looks at it. */

static int uplink_send(struct net_backend *b, unsigned int q,
		       const struct iovec *iov, unsigned int nr)
{
	struct fuzz *f =
		(struct fuzz *)((char *)b - offsetof(struct fuzz, uplink));
	struct virtio_net_hdr_v1 v;

	(void)q;
	require(nr == 1 && iov->iov_len >= NET_HDR_LEN + SWITCH_FRAME_MIN);
	memcpy(&v, iov->iov_base, sizeof(v));
	/* As long as a ring's frame, or several that were joined */
	require(iov->iov_len <=
		NET_HDR_LEN + (v.gso_size ? (size_t)NET_FRAME_MAX : RING / 2));
	require(!v.gso_size || iov->iov_len > v.hdr_len + v.gso_size);
	f->to_uplink++;
	return 0;
}

static unsigned int uplink_offloads(const struct net_backend *b)
{
	(void)b;
	return TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
}

static ssize_t uplink_recv(struct net_backend *b, unsigned int q,
			   const struct iovec *iov, unsigned int nr)
{
	(void)b;
	(void)q;
	(void)iov;
	(void)nr;
	return -EAGAIN;
}

static const struct net_backend_ops uplink_ops = {
	.kind = "fuzz",
	.offloads = uplink_offloads,
	.send = uplink_send,
	.recv = uplink_recv,
};

static void turn(struct fuzz *f)
{
	fake_loop_turn(f->loop);
}

/*
 * Until all that was said and sent is dealt with: a doorbell is heard in one
 * turn, answered in the next, and what was sent meanwhile in the third.
 */
static void settle(struct fuzz *f)
{
	for (int i = 0; i < 4; i++)
		turn(f);
}

/* Connections */

static void hang_up(struct fuzz *f, struct peer *p)
{
	switch_link_unmap(&p->k);
	if (p->sock >= 0)
		close(p->sock);
	p->sock = -1;
	turn(f);
}

/* Connect, say @h, and map what comes for it. */
static void greet(struct fuzz *f, struct peer *p, const void *h, size_t len)
{
	struct switch_welcome w;
	int s[2], memfd;

	hang_up(f, p);
	require(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s));
	p->sock = s[0];
	switch_port_open(f->server, s[1]);
	require(!switch_link_send(p->sock, h, len, -1));
	turn(f);
	if (switch_link_recv_welcome(p->sock, &w, &memfd))
		return;
	if (memfd >= 0) {
		require(!switch_link_map(&p->k, &w, memfd));
		close(memfd);
	}
}

static void plug(struct fuzz *f, struct peer *p)
{
	struct switch_hello h;

	switch_link_fill_hello(&h, SWITCH_WISH_PORT, "fuzz");
	greet(f, p, &h, sizeof(h));
	require(p->k.page);
}

/* The ports that behave */

static unsigned int take_all(struct peer *p)
{
	struct switch_ring *r = &p->k.to_port;
	unsigned int n = 0;
	const uint8_t *at;
	uint32_t len;
	int got;

	while ((got = switch_ring_peek(r, &at, &len)) == 1) {
		require(len >= SWITCH_FRAME_MIN && len <= RING / 2);
		require(at >= p->k.data[1] &&
			at + len <= p->k.data[1] + 2 * RING);
		switch_ring_pop(r, len);
		switch_ring_release(r);
		n++;
	}
	require(!got);
	return n;
}

static void send_frame(struct peer *p, const uint8_t *header, uint32_t len)
{
	uint8_t *at;

	require(!switch_ring_reserve(&p->k.to_switch, len, &at));
	memset(at, 0, len);
	memcpy(at, header, SWITCH_HEADER_LEN);
	switch_ring_push(&p->k.to_switch, len);
	switch_ring_publish(&p->k.to_switch);
	switch_link_ring_bell(p->sock);
}

/* To the other, or when isolated to the uplink, which is a flood. */
static void check_good(struct fuzz *f)
{
	static const uint8_t header[SWITCH_HEADER_LEN] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1,
	};
	unsigned int before;

	settle(f);
	take_all(&f->good[0]);
	take_all(&f->good[1]);
	before = f->to_uplink;
	send_frame(&f->good[0], header, 100);
	settle(f);
	require(f->to_uplink == before + 1);
	require(take_all(&f->good[1]) == !f->isolate);
	require(take_all(&f->good[0]) == 0);
}

/* The port that does not */

static void write_memory(struct fuzz *f)
{
	struct peer *p = &f->evil;
	uint32_t at = take16(&f->in) % (RING / 8) * 8;
	unsigned int n = take8(&f->in) & 63;

	while (n--)
		p->k.data[0][at++ & (RING - 1)] = take8(&f->in);
}

/* A record at the head as the port knows it, with a length of any kind. */
static void write_record(struct fuzz *f)
{
	struct switch_ring *r = &f->evil.k.to_switch;
	uint8_t *at = r->data + (r->own & (RING - 1));
	uint8_t how = take8(&f->in);
	uint32_t len = how & 0x80 ? take32(&f->in) : 14u + (how & 0x7f) * 8;

	memcpy(at, &len, 4);
	for (unsigned int i = 0; i < SWITCH_HEADER_LEN; i++)
		at[4 + i] = take8(&f->in);
	r->own += len < RING ? (4 + len + 7) & ~7u : 8;
}

static void write_index(struct fuzz *f)
{
	struct switch_link *k = &f->evil.k;
	uint8_t which = take8(&f->in);
	uint32_t v = which & 0x80 ? take32(&f->in)
				  : k->to_switch.own + (which & 0x70) / 2;

	switch (which & 3) {
	case 0:
		k->to_switch.shared->head = v;
		k->to_switch.own = v;
		break;
	case 1:
		k->to_port.shared->tail = v;
		break;
	case 2:
		k->to_port.shared->want_frames = v;
		break;
	case 3:
		k->to_switch.shared->want_room = v;
		break;
	}
}

static void greet_somehow(struct fuzz *f)
{
	uint8_t msg[112] = { 0 };
	size_t len = take8(&f->in) % sizeof(msg);

	switch_link_fill_hello((struct switch_hello *)msg, take8(&f->in) & 3,
			       "evil");
	for (unsigned int n = take8(&f->in) & 15; n; n--)
		msg[take8(&f->in) % sizeof(msg)] = take8(&f->in);
	greet(f, &f->evil, msg, len ? len : 1);
}

static void step(struct fuzz *f)
{
	uint8_t what = take8(&f->in);

	if ((what & 15) == 0)
		greet_somehow(f);
	if (!f->evil.k.page)
		plug(f, &f->evil);
	switch (what & 7) {
	case 1:
		write_memory(f);
		break;
	case 2:
	case 3:
	case 4:
		write_record(f);
		break;
	case 5:
		write_index(f);
		break;
	case 6:
		f->evil.k.to_switch.shared->head = f->evil.k.to_switch.own;
		switch_link_ring_bell(f->evil.sock);
		turn(f);
		break;
	case 7:
		check_good(f);
		break;
	}
}

/* Switches for all runs; making them costs more than a run does. */
static struct fuzz *get_switch(bool isolate)
{
	static struct fuzz all[2];
	struct fuzz *f = &all[isolate];
	struct switch_server_params p = {
		.listen_fd = -1,
		.ring_size = RING,
		.core = { .age_s = 300, .isolate = isolate },
	};

	if (f->server)
		return f;
	log_set_level(LOG_LEVEL_ERR);
	require(!loop_create(&f->loop, LOOP_AUTO, 1));
	f->isolate = isolate;
	f->uplink.ops = &uplink_ops;
	p.loop = f->loop;
	p.uplink = &f->uplink;
	f->loop->hold = true;
	require(!switch_server_create(&f->server, &p));
	f->evil.sock = -1;
	for (int i = 0; i < GOOD; i++) {
		f->good[i].sock = -1;
		plug(f, &f->good[i]);
	}
	return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct fuzz *f = get_switch(take8(&in) & 1);

	f->in = in;
	for (unsigned int i = 0; f->in.left && i < BUDGET; i++)
		step(f);
	hang_up(f, &f->evil);
	check_good(f);
	return 0;
}
