/* SPDX-License-Identifier: MIT */
/*
 * switch_rig.h - a switch on a thread of its own, and ports that a test plays
 * by hand: with the protocol's own words, or with others.
 */
#ifndef MINIVMM_TESTS_UNIT_SWITCH_RIG_H
#define MINIVMM_TESTS_UNIT_SWITCH_RIG_H

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd_unix.h"
#include "base/log.h"
#include "base/thread.h"
#include "tests/unit/unit.h"
#include "virtio/backend/net.h"
#include "virtio/backend/switch_link.h"
#include "virtio/loop.h"
#include "virtio/switch/switch.h"

#define RIG_RING 65536u

struct switch_rig {
	char folder[32];
	char path[48];
	struct loop *loop;
	struct fd_unix listener;
	struct switch_server *server;
	pthread_t thread;
};

/* A port that a test plays. */
struct rig_port {
	int sock;
	struct switch_link k;
};

static inline void *rig_thread(void *arg)
{
	struct switch_rig *r = arg;

	loop_run(r->loop);
	return NULL;
}

/* @p: its loop and listen_fd are filled here. */
static inline void rig_start(struct switch_rig *r,
			     struct switch_server_params *p)
{
	log_set_level(LOG_LEVEL_ERR);
	if (!r->folder[0]) {
		strcpy(r->folder, "/tmp/switch-XXXXXX");
		assert_non_null(mkdtemp(r->folder));
		snprintf(r->path, sizeof(r->path), "%s/sw", r->folder);
	}
	if (!r->loop)
		assert_int_equal(loop_create(&r->loop, LOOP_AUTO, 64), 0);
	assert_int_equal(switch_listen(&r->listener, r->path), 0);
	p->loop = r->loop;
	p->listen_fd = r->listener.fd;
	if (!p->ring_size)
		p->ring_size = RIG_RING;
	if (!p->core.age_s)
		p->core.age_s = 300;
	assert_int_equal(switch_server_create(&r->server, p), 0);
	assert_int_equal(thread_start(&r->thread, "switch", rig_thread, r), 0);
}

/* The switch goes; its loop too, unless it is the test's. */
static inline void rig_end(struct switch_rig *r)
{
	loop_stop(r->loop);
	thread_join(r->thread);
	loop_drain(r->loop);
	switch_server_destroy(r->server);
	fd_unix_close(&r->listener);
	loop_destroy(r->loop);
	r->loop = NULL;
}

static inline void rig_remove(struct switch_rig *r)
{
	rmdir(r->folder);
}

static inline int rig_wait(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms);
}

/* True when the other side hung up within some seconds. */
static inline bool rig_hung_up(int sock)
{
	char b[64];

	while (rig_wait(sock, 10000) > 0) {
		ssize_t n = recv(sock, b, sizeof(b), MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return true;
	}
	return false;
}

static inline void rig_plug(struct switch_rig *r, struct rig_port *p,
			    const char *name)
{
	struct switch_hello h;
	struct switch_welcome w;
	int memfd;

	p->sock = switch_link_connect(r->path);
	assert_true(p->sock >= 0);
	switch_link_fill_hello(&h, SWITCH_WISH_PORT, name);
	assert_int_equal(switch_link_send(p->sock, &h, sizeof(h), -1), 0);
	assert_int_equal(rig_wait(p->sock, 10000), 1);
	assert_int_equal(switch_link_recv_welcome(p->sock, &w, &memfd), 0);
	assert_int_equal(le32_get(w.error), 0);
	assert_int_equal(switch_link_map(&p->k, &w, memfd), 0);
	close(memfd);
}

static inline void rig_unplug(struct rig_port *p)
{
	close(p->sock);
	switch_link_unmap(&p->k);
}

static inline void rig_address(uint8_t *at, uint64_t mac)
{
	for (int i = 0; i < 6; i++)
		at[i] = (uint8_t)(mac >> (40 - 8 * i));
}

/* A frame of @len bytes of @fill; false: the ring is full. */
static inline bool rig_send(struct rig_port *p, uint64_t from, uint64_t to,
			    uint32_t len, uint8_t fill)
{
	uint8_t *at;

	if (switch_ring_reserve(&p->k.to_switch, len, &at))
		return false;
	memset(at, fill, len);
	rig_address(at, to);
	rig_address(at + 6, from);
	switch_ring_push(&p->k.to_switch, len);
	if (switch_ring_publish(&p->k.to_switch))
		switch_link_ring_bell(p->sock);
	return true;
}

/*
 * The length of the next frame, 0 when none comes within @ms; its addresses
 * and its last byte in *fill.
 */
static inline uint32_t rig_recv(struct rig_port *p, int ms, uint8_t *fill)
{
	struct switch_ring *r = &p->k.to_port;
	const uint8_t *at;
	uint32_t len;
	char bells[64];

	for (;;) {
		int got = switch_ring_peek(r, &at, &len);

		assert_true(got >= 0);
		if (got) {
			if (fill)
				*fill = at[len - 1];
			switch_ring_pop(r, len);
			switch_ring_release(r);
			return len;
		}
		if (!switch_ring_want_frames(r))
			continue;
		if (rig_wait(p->sock, ms) <= 0)
			return 0;
		if (recv(p->sock, bells, sizeof(bells), MSG_DONTWAIT) == 0)
			return 0;
	}
}

/* What the switch says of port @number, into @st; false: it has none. */
static inline bool rig_stats(struct switch_rig *r, unsigned int number,
			     struct switch_stats_port *st)
{
	static char answer[SWITCH_STATS_BYTES];
	const struct switch_stats *all = (void *)answer;
	const struct switch_stats_port *ports = (void *)(all + 1);
	struct switch_hello h;
	int sock = switch_link_connect(r->path);
	ssize_t n;

	assert_true(sock >= 0);
	switch_link_fill_hello(&h, SWITCH_WISH_STATS, "");
	assert_int_equal(switch_link_send(sock, &h, sizeof(h), -1), 0);
	assert_int_equal(rig_wait(sock, 10000), 1);
	n = recv(sock, answer, sizeof(answer), 0);
	assert_true(n > 0);
	assert_int_equal(switch_link_check_stats(all, (size_t)n), 0);
	close(sock);
	for (uint32_t i = 0; i < le32_get(all->nr_ports); i++) {
		if (le32_get(ports[i].number) != number)
			continue;
		*st = ports[i];
		return true;
	}
	return false;
}

#endif
