// SPDX-License-Identifier: MIT
/*
 * switch_uplink.c - the uplink: a network backend that is a port of the switch.
 *
 * How it works. A frame for the uplink is copied, because its sender may still
 * write to it, and waits for the next one of the same turn: frames of a TCP
 * connection that follow one another leave as a long one, where the backend
 * has offloads. A tap and libslirp then have some forty times less to do, and
 * libslirp acknowledges once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/log.h"
#include "virtio/switch/switch_int.h"

/* Out */

static struct iovec whole(uint8_t *frame)
{
	return (struct iovec){ frame, NET_HDR_LEN + NET_FRAME_MAX };
}

static int transmit(struct uplink *u)
{
	struct iovec iov = whole(u->out);
	int err;

	iov.iov_len = NET_HDR_LEN + u->join.len;
	if (u->join.nr > 1)
		netb_join_finish(&u->join, &iov, 1);
	else
		memset(u->out, 0, NET_HDR_LEN);
	if (u->full || u->over)
		return -ENETDOWN;
	err = u->backend->ops->send(u->backend, 0, &iov, 1);
	if (err == -EAGAIN)
		u->full = true;
	return err;
}

void switch_uplink_flush(struct switch_server *s)
{
	struct uplink *u = &s->uplink;

	if (!u->out_bytes)
		return;
	if (transmit(u))
		switch_core_count_drop(s->core, SWITCH_UPLINK, u->join.nr);
	else
		switch_core_count_tx(s->core, SWITCH_UPLINK, u->join.nr,
				     u->out_bytes);
	u->out_bytes = 0;
}

/* The frame in u->next goes on from what is there. */
static bool join(struct uplink *u, uint32_t len)
{
	const struct iovec out = whole(u->out);

	return u->backend->ops->offloads && u->out_bytes &&
	       netb_join_add(&u->join, &out, 1, u->next + NET_HDR_LEN, len);
}

void switch_uplink_send(struct switch_server *s, const struct switch_frame *f)
{
	struct uplink *u = &s->uplink;
	uint8_t *at = u->next + NET_HDR_LEN;
	struct iovec out;

	memcpy(at, f->header, SWITCH_HEADER_LEN);
	memcpy(at + SWITCH_HEADER_LEN, f->rest, f->len - SWITCH_HEADER_LEN);
	if (!join(u, f->len)) {
		switch_uplink_flush(s);
		at = u->out;
		u->out = u->next;
		u->next = at;
		out = whole(u->out);
		netb_join_start(&u->join, &out, 1, f->len);
	}
	u->out_bytes += f->len;
}

/* In */

void switch_uplink_serve(struct switch_server *s, unsigned int frames)
{
	struct uplink *u = &s->uplink;
	const struct iovec iov = { u->frame, NET_HDR_LEN + NET_FRAME_MAX };

	for (unsigned int n = 0; n < frames; n++) {
		ssize_t len = u->backend->ops->recv(u->backend, 0, &iov, 1);

		if (len >= NET_HDR_LEN + SWITCH_FRAME_MIN)
			switch_forward(s, SWITCH_UPLINK, u->frame + NET_HDR_LEN,
				       (uint32_t)len - NET_HDR_LEN);
		else if (len < 0 && len != -EMSGSIZE) {
			u->runnable = false;
			if (len == -EAGAIN)
				return;
			u->over = true;
			log_err("switch: the uplink failed: %s",
				strerror((int)-len));
			return;
		}
	}
}

/* Its events */

static void on_readable(void *ctx, unsigned int q)
{
	struct switch_server *s = ctx;

	(void)q;
	s->uplink.runnable = !s->uplink.over;
	switch_turn_soon(s);
}

static void on_writable(void *ctx, unsigned int q)
{
	struct switch_server *s = ctx;

	(void)q;
	s->uplink.full = false;
}

static void on_link(void *ctx, bool up)
{
	struct switch_server *s = ctx;

	s->uplink.down = !up;
}

int switch_uplink_attach(struct switch_server *s, struct net_backend *b)
{
	const struct net_events events = {
		.readable = on_readable,
		.writable = on_writable,
		.link = on_link,
		.ctx = s,
	};

	if (!b)
		return 0;
	s->uplink.frame = malloc(NET_HDR_LEN + NET_FRAME_MAX);
	s->uplink.out = malloc(NET_HDR_LEN + NET_FRAME_MAX);
	s->uplink.next = malloc(NET_HDR_LEN + NET_FRAME_MAX);
	if (!s->uplink.frame || !s->uplink.out || !s->uplink.next)
		return -ENOMEM;
	s->uplink.backend = b;
	switch_core_add_port(s->core, true);
	net_attach(b, &events);
	/* Its events come after a call that found nothing. */
	s->uplink.runnable = true;
	switch_turn_soon(s);
	return 0;
}

void switch_uplink_detach(struct switch_server *s)
{
	free(s->uplink.frame);
	free(s->uplink.out);
	free(s->uplink.next);
}
