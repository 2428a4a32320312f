// SPDX-License-Identifier: MIT
/*
 * switch.c - a switch for the network adapters of guests: who connects, and
 * what has to be done now and then.
 *
 * @syscalls: close clock_gettime
 */
#include "virtio/switch/switch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/log.h"
#include "virtio/switch/switch_int.h"

#define TICK_NS	      1000000000ull
#define HELLO_SECONDS 5
#define EXPIRE_TICKS  32 /* it looks at all of the table */

uint64_t switch_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void start_accept(struct switch_server *s)
{
	loop_accept(s->loop, &s->accept, s->listen_fd);
}

static void on_accept(struct loop_op *op, int res)
{
	struct switch_server *s =
		container_of(op, struct switch_server, accept);

	/* Out of files, most likely: the tick tries again. */
	if (res < 0) {
		log_warn("switch: accept: %s", strerror(-res));
		return;
	}
	if (s->nr_connections < CONNECTIONS_MAX)
		switch_port_open(s, res);
	else
		close(res);
	start_accept(s);
}

/* Who says nothing does not keep its place. */
static void close_silent(struct switch_server *s)
{
	struct switch_port *p, *next;

	for (p = s->connections; p; p = next) {
		next = p->next;
		if (p->state == PORT_CONNECTED &&
		    s->now_ms - p->since_ms > HELLO_SECONDS * 1000)
			switch_port_close(p);
	}
}

static void on_tick(struct loop_op *op, int res)
{
	struct switch_server *s = container_of(op, struct switch_server, tick);

	if (res)
		return;
	s->now_ms = switch_now_ms();
	close_silent(s);
	if (++s->ticks % EXPIRE_TICKS == 0)
		switch_core_expire(s->core, s->now_ms);
	if (!loop_op_busy(&s->accept))
		start_accept(s);
	loop_timeout(s->loop, &s->tick, TICK_NS);
}

int switch_server_create(struct switch_server **out,
			 const struct switch_server_params *p)
{
	struct switch_server *s = calloc(1, sizeof(*s));
	int err;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	s->loop = p->loop;
	s->listen_fd = p->listen_fd;
	s->ring_size = p->ring_size ? p->ring_size : SWITCH_RING_BYTES;
	s->turn.fn = switch_turn_run;
	s->accept =
		(struct loop_op){ .name = "switch accept", .done = on_accept };
	s->tick = (struct loop_op){ .name = "switch tick", .done = on_tick };
	s->now_ms = switch_now_ms();
	err = switch_core_create(&s->core, &p->core);
	if (err)
		goto free_server;
	err = switch_uplink_attach(s, p->uplink);
	if (err)
		goto detach_uplink;
	start_accept(s);
	loop_timeout(s->loop, &s->tick, TICK_NS);
	*out = s;
	return 0;

detach_uplink:
	switch_uplink_detach(s);
	switch_core_destroy(s->core);
free_server:
	free(s);
	return err;
}

void switch_server_destroy(struct switch_server *s)
{
	if (!s)
		return;
	while (s->connections)
		switch_port_free(s->connections);
	switch_core_destroy(s->core);
	switch_uplink_detach(s);
	free(s);
}
