// SPDX-License-Identifier: MIT
/*
 * fuzz_vsock.c - a guest that says anything to a socket device, and clients
 * and servers of the host that come and go.
 *
 * The input is a list of steps. Whatever was done: no connection gets more
 * bytes than the guest has said it has room for, packets have the length they
 * say, and a reset leaves neither connection nor operation behind.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/vsock_rig.h"
#include "virtio/vsock_int.h"

#define CLIENTS	   4
#define PAIRS	   64
#define ROOM	   5000 /* the guest never says that it has read any */
#define HOST_PORTS 2	/* 80 and 81: there is a server for the first */

/* What a connection got since it began. */
struct pair {
	uint32_t guest_port, host_port, got;
};

struct fuzz {
	struct fuzz_input in;
	struct rig r;
	struct fd_unix server;
	int client[CLIENTS];
	int peer;	    /* the last that the server has accepted */
	uint32_t last_port; /* of the host, that was heard of */
	struct pair pair[PAIRS];
	unsigned int nr_pairs;
};

static struct pair *find_pair(struct fuzz *f, const struct vsock_header *h)
{
	struct pair *p;

	for (unsigned int i = 0; i < f->nr_pairs; i++)
		if (f->pair[i].guest_port == h->dst_port &&
		    f->pair[i].host_port == h->src_port)
			return &f->pair[i];
	if (f->nr_pairs == PAIRS)
		return NULL;
	p = &f->pair[f->nr_pairs++];
	*p = (struct pair){ h->dst_port, h->src_port, 0 };
	return p;
}

static void hear_all(struct fuzz *f)
{
	struct vsock_header h;
	struct pair *p;

	while (rig_hear(&f->r, &h, NULL)) {
		f->last_port = h.src_port;
		p = find_pair(f, &h);
		if (!p)
			continue;
		if (h.op == VSOCK_OP_REQUEST || h.op == VSOCK_OP_RESPONSE)
			p->got = 0;
		p->got += h.len;
		require(!h.len || h.op == VSOCK_OP_RW);
		require(p->got <= ROOM);
	}
}

static uint32_t host_port(struct fuzz *f)
{
	uint8_t how = take8(&f->in);

	return how & 0x80 ? f->last_port : 80u + how % HOST_PORTS;
}

static void packet(struct fuzz *f)
{
	static const uint8_t zeroes[4096];
	struct vsock_header h = { .src_cid = RIG_CID, .dst_cid = 2, .type = 1 };
	uint8_t how = take8(&f->in);
	uint32_t len;

	h.op = how & 15;
	h.src_port = 1000u + (how >> 4 & 3);
	h.dst_port = host_port(f);
	h.flags = take8(&f->in);
	h.buf_alloc = ROOM;
	len = take8(&f->in) * 16u;
	h.len = how & 0x80 ? take32(&f->in) : len;
	if (how & 0x40 && take8(&f->in) == 7) {
		h.src_cid = take16(&f->in);
		h.dst_cid = take8(&f->in);
		h.type = take8(&f->in);
	}
	if ((uint16_t)(f->r.tx.avail_idx - ring_used_idx(&f->r.tx)) < RIG_TX)
		rig_put(&f->r, &h, zeroes, len);
}

static void client(struct fuzz *f)
{
	static char buf[20000];
	uint8_t how = take8(&f->in);
	int *fd = &f->client[how & 3];
	char line[32];
	ssize_t n = 0;

	if (*fd < 0) {
		*fd = rig_client(&f->r);
		snprintf(line, sizeof(line), "CONNECT %u\n",
			 1000u + (how >> 2 & 3));
		if (*fd >= 0 && how & 0x80)
			n = write(*fd, line, strlen(line));
	} else if (how & 0x80) {
		n = send(*fd, buf, how * 64u, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (how & 0x40) {
		n = recv(*fd, buf, sizeof(buf), MSG_DONTWAIT);
	} else if (how & 0x20) {
		shutdown(*fd, how & 0x10 ? SHUT_WR : SHUT_RD);
	} else {
		fd_close(fd);
	}
	(void)n;
}

static void server(struct fuzz *f)
{
	static char buf[20000];
	uint8_t how = take8(&f->in);
	ssize_t n = 0;

	if (how & 0x80) {
		fd_close(&f->peer);
		f->peer = accept4(f->server.fd, NULL, NULL, SOCK_NONBLOCK);
	} else if (f->peer >= 0 && how & 0x40) {
		n = send(f->peer, buf, how * 64u, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (f->peer >= 0 && how & 0x20) {
		n = recv(f->peer, buf, sizeof(buf), MSG_DONTWAIT);
	} else if (f->peer >= 0) {
		shutdown(f->peer, how & 1 ? SHUT_WR : SHUT_RD);
	}
	(void)n;
}

static void reset(struct fuzz *f)
{
	virtio_dev_set_status(f->r.dev, 0);
	require(virtio_dev_get_status(f->r.dev) == 0);
	rig_run(&f->r);
	require(container_of(f->r.dev, struct vsock, dev)->nr_links == 0);
	f->nr_pairs = 0;
}

static void start(struct fuzz *f)
{
	rig_start(&f->r);
	rig_give_many(&f->r, take8(&f->in) % 8);
}

static void pass_time(struct fuzz *f)
{
	f->r.loop->no_time = false;
	for (unsigned int i = take8(&f->in); i; i--)
		fake_loop_turn(f->r.loop);
	f->r.loop->no_time = true;
}

static void step(struct fuzz *f)
{
	switch (take8(&f->in) % 9) {
	case 0:
	case 1:
	case 2:
		packet(f);
		break;
	case 3:
		client(f);
		break;
	case 4:
		server(f);
		break;
	case 5:
		fake_loop_turn(f->r.loop);
		break;
	case 6:
		hear_all(f);
		break;
	case 7:
		pass_time(f);
		break;
	case 8:
		if (take8(&f->in) == 1) {
			reset(f);
			start(f);
		}
		break;
	}
}

/* One machine for all runs; its folder goes with the process. */
static void remove_all(void);
static struct fuzz f;

static void create(void)
{
	log_set_level(LOG_LEVEL_ERR);
	require(rig_create(&f.r) == 0);
	rig_listen(&f.r, &f.server, 80, 16);
	memset(f.client, 0xff, sizeof(f.client));
	f.peer = -1;
	atexit(remove_all);
}

static void remove_all(void)
{
	fd_unix_close(&f.server);
	rig_destroy(&f.r);
}

static void end(void)
{
	reset(&f);
	for (unsigned int i = 0; i < CLIENTS; i++)
		fd_close(&f.client[i]);
	do
		fd_close(&f.peer);
	while ((f.peer = accept4(f.server.fd, NULL, NULL, 0)) >= 0);
	/* The clock, if it was started, and nothing else. */
	require(f.r.loop->nr_ops <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!f.r.ram)
		create();
	f.in = (struct fuzz_input){ data, size };
	start(&f);
	while (f.in.left)
		step(&f);
	hear_all(&f);
	end();
	return 0;
}
