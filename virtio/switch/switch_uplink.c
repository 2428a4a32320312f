// SPDX-License-Identifier: MIT
/*
 * switch_uplink.c - the uplink: a network backend that is a port of the switch.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/log.h"
#include "virtio/switch/switch_int.h"

void switch_uplink_send(struct switch_server *s, const struct switch_frame *f)
{
	static const uint8_t no_offloads[NET_HDR_LEN];
	struct uplink *u = &s->uplink;
	const struct iovec iov[] = {
		{ (void *)(uintptr_t)no_offloads, NET_HDR_LEN },
		{ (void *)(uintptr_t)f->header, SWITCH_HEADER_LEN },
		{ (void *)(uintptr_t)f->rest, f->len - SWITCH_HEADER_LEN },
	};
	int err = -ENETDOWN;

	if (!u->full && !u->over)
		err = u->backend->ops->send(u->backend, 0, iov, 3);
	if (err == -EAGAIN)
		u->full = true;
	if (err)
		switch_core_count_drop(s->core, SWITCH_UPLINK);
	else
		switch_core_count_tx(s->core, SWITCH_UPLINK, f->len);
}

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
	if (!s->uplink.frame)
		return -ENOMEM;
	s->uplink.backend = b;
	switch_core_add_port(s->core, true);
	net_attach(b, &events);
	/* Its events come after a call that found nothing. */
	s->uplink.runnable = true;
	switch_turn_soon(s);
	return 0;
}
