// SPDX-License-Identifier: MIT
/*
 * switch_port.c - one connection to a switch, from accept to its end.
 *
 * @syscalls: close
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/log.h"
#include "virtio/switch/switch_int.h"

static void start_read(struct switch_port *p)
{
	/* Passed files are not taken by a plain read: they vanish. */
	loop_read(p->server->loop, &p->read, p->sock, &p->in, sizeof(p->in),
		  -1);
}

/* Going up */

static void go_up(struct switch_port *p, unsigned int number)
{
	struct switch_server *s = p->server;

	p->state = PORT_UP;
	p->number = number;
	memcpy(p->name, p->in.hello.name, SWITCH_NAME_LEN);
	s->by_number[number] = p;
	s->up[s->nr_up++] = p;
	log_info("switch: port %u up: %s", number, p->name);
}

/* The number of the port, or -errno; the port has been sent its memory. */
static int welcome(struct switch_port *p)
{
	struct switch_server *s = p->server;
	struct switch_welcome w;
	int number, memfd, err;

	number = switch_core_add_port(s->core, false);
	if (number < 0)
		return number;
	err = switch_link_create(&p->link, s->ring_size, &memfd);
	if (err)
		goto del_port;
	switch_link_fill_welcome(&w, (unsigned int)number, s->ring_size, 0);
	err = switch_link_send(p->sock, &w, sizeof(w), memfd);
	close(memfd);
	if (err)
		goto unmap;
	return number;

unmap:
	switch_link_unmap(&p->link);
del_port:
	switch_core_del_port(s->core, (unsigned int)number);
	return err;
}

static int refuse(struct switch_port *p, int err)
{
	struct switch_welcome w;

	switch_link_fill_welcome(&w, 0, 0, -err);
	(void)switch_link_send(p->sock, &w, sizeof(w), -1);
	return err;
}

/* 0: a port from here on. */
static int handle_hello(struct switch_port *p, size_t len)
{
	int number, err = switch_link_check_hello(&p->in.hello, len);

	if (err)
		return refuse(p, err);
	switch (le32_get(p->in.hello.wish)) {
	case SWITCH_WISH_STATS:
		switch_stats_send(p->server, p->sock);
		return -ECONNRESET;
	case SWITCH_WISH_PORT:
		number = welcome(p);
		if (number < 0)
			return refuse(p, number);
		go_up(p, (unsigned int)number);
		return 0;
	default:
		return refuse(p, -EPROTO);
	}
}

/* Life */

static void on_read(struct loop_op *op, int res)
{
	struct switch_port *p = container_of(op, struct switch_port, read);

	if (p->state == PORT_GONE) {
		switch_port_free(p);
		return;
	}
	if (res <= 0 ||
	    (p->state == PORT_CONNECTED && handle_hello(p, (size_t)res))) {
		switch_port_close(p);
		return;
	}
	/* A doorbell, or what it may have sent right after its hello. */
	p->runnable = true;
	switch_turn_soon(p->server);
	start_read(p);
}

void switch_port_open(struct switch_server *s, int sock)
{
	struct switch_port *p = calloc(1, sizeof(*p));

	if (!p) {
		close(sock);
		return;
	}
	p->server = s;
	p->sock = sock;
	p->since_ms = s->now_ms;
	p->read = (struct loop_op){ .name = "switch port", .done = on_read };
	p->next = s->connections;
	p->link_to_me = &s->connections;
	if (p->next)
		p->next->link_to_me = &p->next;
	s->connections = p;
	s->nr_connections++;
	start_read(p);
}

static void go_down(struct switch_port *p)
{
	struct switch_server *s = p->server;
	unsigned int i = 0;

	while (s->up[i] != p)
		i++;
	s->up[i] = s->up[--s->nr_up];
	s->by_number[p->number] = NULL;
	switch_core_del_port(s->core, p->number);
	switch_link_unmap(&p->link);
	log_info("switch: port %u gone: %s", p->number, p->name);
}

void switch_port_close(struct switch_port *p)
{
	if (p->state == PORT_UP)
		go_down(p);
	p->state = PORT_GONE;
	if (loop_op_busy(&p->read))
		loop_cancel(p->server->loop, &p->read);
	else
		switch_port_free(p);
}

void switch_port_free(struct switch_port *p)
{
	if (p->state == PORT_UP)
		go_down(p);
	*p->link_to_me = p->next;
	if (p->next)
		p->next->link_to_me = p->link_to_me;
	p->server->nr_connections--;
	close(p->sock);
	free(p);
}
