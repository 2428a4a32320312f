// SPDX-License-Identifier: MIT
/*
 * net_switch.c - the backend that is a port on a switch.
 *
 * How it works (switch_link.h says what is spoken):
 *
 *   IDLE -- timeout --> connect, hello --> ASKED -- welcome --> UP
 *     ^                     |                | nothing for a   |
 *     +------ refused ------+                | while, nonsense | hung up,
 *     +--------------------------------------+-----------------+ broken ring
 *
 * The owner hears of the link when it first fails to come up, and whenever
 * that changes. While there is no link, frames to send are lost, as they are
 * with a cable that is not plugged in; only until the first attempt has ended
 * they wait, as it takes no time when there is a switch.
 *
 * A frame is one copy, between the owner's buffers and the ring. The switch
 * may be hostile: what it changes in memory can spoil frames, and nothing else.
 *
 * @syscalls: socket connect close
 */
#include "virtio/backend/net_switch.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/iov.h"
#include "base/log.h"
#include "virtio/backend/net.h"
#include "virtio/backend/switch_link.h"
#include "virtio/loop.h"

#define RETRY_NS  250000000ull
#define ANSWER_NS 5000000000ull

enum state {
	STATE_IDLE,  /* until the timer ends */
	STATE_ASKED, /* the switch owes an answer, until the timer ends */
	STATE_UP,
	STATE_GONE, /* destroyed, but for what is in flight */
};

struct net_switch {
	struct net_backend base;
	struct loop *loop;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char name[SWITCH_NAME_LEN + 1];
	enum state state;
	bool tried;   /* the first attempt is over */
	bool link_up; /* as the owner knows it */
	int sock;
	struct switch_link link;
	struct loop_op timer;
	struct loop_op read;
	struct loop_op broken; /* the end, outside of the owner's calls */
	char bells[64];
	/* The owner waits for: */
	bool wants_frames;
	uint32_t wants_room; /* for a frame of so many bytes; 0: does not */
};

static struct net_switch *to_switch(struct net_backend *b)
{
	return container_of(b, struct net_switch, base);
}

/* What the owner hears */

static void set_link(struct net_switch *n, bool up)
{
	const struct net_events *ev = &n->base.events;

	if (n->link_up == up)
		return;
	n->link_up = up;
	if (ev->link)
		ev->link(ev->ctx, up);
}

static void tell_readable(struct net_switch *n)
{
	const struct net_events *ev = &n->base.events;

	if (!n->wants_frames)
		return;
	n->wants_frames = false;
	if (ev->readable)
		ev->readable(ev->ctx, 0);
}

static void tell_writable(struct net_switch *n)
{
	const struct net_events *ev = &n->base.events;

	if (!n->wants_room)
		return;
	n->wants_room = 0;
	if (ev->writable)
		ev->writable(ev->ctx, 0);
}

/* A broken ring counts as something to hear of: the next call finds out. */
static void look_at_rings(struct net_switch *n)
{
	if (n->wants_frames && !switch_ring_want_frames(&n->link.to_port))
		tell_readable(n);
	if (n->state == STATE_UP && n->wants_room &&
	    !switch_ring_want_room(&n->link.to_switch, n->wants_room))
		tell_writable(n);
}

/* The connection */

static void start_timer(struct net_switch *n, uint64_t ns)
{
	if (!loop_op_busy(&n->timer))
		loop_timeout(n->loop, &n->timer, ns);
}

/* Back to the start, from any state but GONE. */
static void hang_up(struct net_switch *n)
{
	if (n->state == STATE_UP)
		log_info("net: the switch at %s is gone", n->path);
	n->state = STATE_IDLE;
	n->tried = true;
	switch_link_unmap(&n->link);
	/* Where one is in flight, its end goes on from here. */
	loop_cancel(n->loop, &n->timer);
	loop_cancel(n->loop, &n->read);
	if (!loop_op_busy(&n->read)) {
		fd_close(&n->sock);
		start_timer(n, RETRY_NS);
	}
	set_link(n, false);
	/* What waits for room is lost, which the owner finds out. */
	tell_writable(n);
}

static int say_hello(struct net_switch *n)
{
	struct switch_hello h;

	switch_link_fill_hello(&h, SWITCH_WISH_PORT, n->name);
	return switch_link_send(n->sock, &h, sizeof(h), -1);
}

static void try_to_connect(struct net_switch *n)
{
	n->sock = switch_link_connect(n->path);
	if (n->sock < 0 || say_hello(n)) {
		hang_up(n);
		return;
	}
	n->state = STATE_ASKED;
	loop_poll(n->loop, &n->read, n->sock, POLLIN);
	start_timer(n, ANSWER_NS);
}

static int take_welcome(struct net_switch *n)
{
	struct switch_welcome w;
	int memfd, err;

	err = switch_link_recv_welcome(n->sock, &w, &memfd);
	if (err)
		return err;
	if (le32_get(w.error))
		log_info("net: the switch at %s refuses: %s", n->path,
			 strerror((int)le32_get(w.error)));
	err = switch_link_map(&n->link, &w, memfd);
	fd_close(&memfd);
	return err;
}

static void start_read(struct net_switch *n)
{
	loop_read(n->loop, &n->read, n->sock, n->bells, sizeof(n->bells), -1);
}

static void go_up(struct net_switch *n)
{
	n->state = STATE_UP;
	n->tried = true;
	log_info("net: connected to the switch at %s", n->path);
	start_read(n);
	set_link(n, true);
	look_at_rings(n);
}

static void free_when_idle(struct net_switch *n)
{
	if (loop_op_busy(&n->read) || loop_op_busy(&n->timer) ||
	    loop_op_busy(&n->broken))
		return;
	fd_close(&n->sock);
	free(n);
}

static void on_read(struct loop_op *op, int res)
{
	struct net_switch *n = container_of(op, struct net_switch, read);

	switch (n->state) {
	case STATE_GONE:
		free_when_idle(n);
		return;
	case STATE_IDLE:
		fd_close(&n->sock);
		start_timer(n, RETRY_NS);
		return;
	case STATE_ASKED:
		if (res > 0 && !take_welcome(n))
			go_up(n);
		else
			hang_up(n);
		return;
	case STATE_UP:
		break;
	}
	if (res <= 0) {
		hang_up(n);
		return;
	}
	start_read(n);
	look_at_rings(n);
}

static void on_timer(struct loop_op *op, int res)
{
	struct net_switch *n = container_of(op, struct net_switch, timer);

	switch (n->state) {
	case STATE_GONE:
		free_when_idle(n);
		break;
	case STATE_ASKED:
		if (!res)
			hang_up(n);
		break;
	case STATE_IDLE:
		if (res)
			start_timer(n, RETRY_NS);
		else if (!loop_op_busy(&n->read))
			try_to_connect(n);
		break;
	case STATE_UP:
		break;
	}
}

static void on_broken(struct loop_op *op, int res)
{
	struct net_switch *n = container_of(op, struct net_switch, broken);

	(void)res;
	if (n->state == STATE_GONE)
		free_when_idle(n);
	else if (n->state == STATE_UP)
		hang_up(n);
}

/* Frames */

/* A call of the owner found out; it is not the place to say more. */
static int give_up(struct net_switch *n)
{
	if (!loop_op_busy(&n->broken)) {
		log_warn("net: the switch at %s broke the rules", n->path);
		loop_timeout(n->loop, &n->broken, 0);
	}
	return -ENETDOWN;
}

/* Anything but num_buffers asks for an offload. */
static bool is_plain(const struct iovec *iov, unsigned int nr)
{
	static const struct virtio_net_hdr plain;
	struct virtio_net_hdr h;

	return iov_read(iov, nr, 0, &h, sizeof(h)) == sizeof(h) &&
	       !memcmp(&h, &plain, sizeof(h));
}

static int wait_for_room(struct net_switch *n, uint32_t len)
{
	n->wants_room = len;
	return -EAGAIN;
}

/* Room for @len bytes at *@at; -EAGAIN promises the owner an event. */
static int reserve(struct net_switch *n, uint32_t len, uint8_t **at)
{
	struct switch_ring *r = &n->link.to_switch;
	int err = switch_ring_reserve(r, len, at);

	if (err == -EAGAIN) {
		if (switch_ring_want_room(r, len))
			return wait_for_room(n, len);
		err = switch_ring_reserve(r, len, at);
	}
	if (err == -EMSGSIZE)
		return -EINVAL;
	return err ? give_up(n) : 0;
}

static int net_switch_send(struct net_backend *b, unsigned int q,
			   const struct iovec *iov, unsigned int nr)
{
	struct net_switch *n = to_switch(b);
	size_t len = iov_size(iov, nr);
	uint8_t *at;
	int err;

	(void)q;
	if (len < NET_HDR_LEN + SWITCH_FRAME_MIN ||
	    len > NET_HDR_LEN + SWITCH_FRAME_MAX || !is_plain(iov, nr))
		return -EINVAL;
	len -= NET_HDR_LEN;
	if (n->state != STATE_UP)
		return n->tried ? -ENETDOWN : wait_for_room(n, (uint32_t)len);
	err = reserve(n, (uint32_t)len, &at);
	if (err)
		return err;
	iov_read(iov, nr, NET_HDR_LEN, at, len);
	switch_ring_push(&n->link.to_switch, (uint32_t)len);
	if (switch_ring_publish(&n->link.to_switch))
		switch_link_ring_bell(n->sock);
	return 0;
}

/* The frame of @len bytes at @at, behind a header. */
static ssize_t hand_out(const struct iovec *iov, unsigned int nr,
			const uint8_t *at, uint32_t len)
{
	static const struct virtio_net_hdr plain;

	if (iov_size(iov, nr) < NET_HDR_LEN + (size_t)len)
		return -EMSGSIZE;
	iov_write(iov, nr, 0, &plain, sizeof(plain));
	iov_write(iov, nr, NET_HDR_LEN, at, len);
	return NET_HDR_LEN + (ssize_t)len;
}

/* 1 with the next frame, or -EAGAIN, and then there is an event to come. */
static int next_frame(struct net_switch *n, const uint8_t **at, uint32_t *len)
{
	struct switch_ring *r = &n->link.to_port;
	int got;

	if (n->state != STATE_UP)
		goto wait;
	got = switch_ring_peek(r, at, len);
	if (!got && !switch_ring_want_frames(r))
		got = switch_ring_peek(r, at, len);
	if (got > 0)
		return got;
	if (got < 0)
		give_up(n);
wait:
	n->wants_frames = true;
	return -EAGAIN;
}

static ssize_t net_switch_recv(struct net_backend *b, unsigned int q,
			       const struct iovec *iov, unsigned int nr)
{
	struct net_switch *n = to_switch(b);
	const uint8_t *at;
	uint32_t len;
	ssize_t res;
	int got;

	(void)q;
	got = next_frame(n, &at, &len);
	if (got < 0)
		return got;
	res = hand_out(iov, nr, at, len);
	switch_ring_pop(&n->link.to_port, len);
	/* The switch waits for nobody. */
	(void)switch_ring_release(&n->link.to_port);
	return res;
}

/* Life */

static void net_switch_destroy(struct net_backend *b)
{
	struct net_switch *n = to_switch(b);

	n->base.events = (struct net_events){ 0 };
	n->state = STATE_GONE;
	switch_link_unmap(&n->link);
	loop_cancel(n->loop, &n->read);
	loop_cancel(n->loop, &n->timer);
	loop_cancel(n->loop, &n->broken);
	free_when_idle(n);
}

static const struct net_backend_ops net_switch_ops = {
	.kind = "switch",
	.send = net_switch_send,
	.recv = net_switch_recv,
	.destroy = net_switch_destroy,
};

int netb_switch_open(struct net_backend **out, struct loop *loop,
		     const char *path, const char *name)
{
	struct net_switch *n;

	*out = NULL;
	if (!*path || strlen(path) >= sizeof(n->path))
		return -ENAMETOOLONG;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->base.ops = &net_switch_ops;
	n->base.nr_queues = 1;
	n->loop = loop;
	n->sock = -1;
	n->link_up = true;
	memcpy(n->path, path, strlen(path));
	memcpy(n->name, name, strnlen(name, SWITCH_NAME_LEN));
	n->timer = (struct loop_op){ .name = "switch retry", .done = on_timer };
	n->read = (struct loop_op){ .name = "switch bell", .done = on_read };
	n->broken =
		(struct loop_op){ .name = "switch broken", .done = on_broken };
	/* From the loop: the owner has attached itself by then. */
	loop_timeout(loop, &n->timer, 0);
	*out = &n->base;
	return 0;
}
