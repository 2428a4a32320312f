// SPDX-License-Identifier: MIT
/*
 * net_tap.c - frames go to and come from a tap interface of the host: a queue
 * is a file descriptor, a frame one readv(2) or writev(2), straight from or to
 * the owner's buffers. How it is opened is in net_tap_open.c.
 *
 * How it works. A queue that had no frame, or no room, is polled once, and the
 * owner told. Queues that are not in use are detached, so that the host sends
 * them nothing; a poll of one that was detached is made up for when it is
 * attached again.
 *
 * @syscalls: readv writev ioctl(TUNSETOFFLOAD, TUNSETQUEUE)
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_tun.h>

#include "base/checked.h"
#include "base/fd.h"
#include "virtio/backend/net_tap_int.h"

static struct tap *to_tap(struct net_backend *b)
{
	return container_of(b, struct tap, backend);
}

/* Events */

static void start_poll(struct tap_wait *w)
{
	if (w->wanted && w->queue->attached && !loop_op_busy(&w->op))
		loop_poll(w->queue->tap->loop, &w->op, w->queue->fd, w->events);
}

static void want(struct tap_wait *w)
{
	w->wanted = true;
	start_poll(w);
}

static bool is_busy(const struct tap *t)
{
	for (unsigned int q = 0; q < t->backend.nr_queues; q++)
		if (loop_op_busy(&t->queue[q].in.op) ||
		    loop_op_busy(&t->queue[q].out.op))
			return true;
	return false;
}

static void free_when_idle(struct tap *t)
{
	if (!t->destroyed || is_busy(t))
		return;
	for (unsigned int q = 0; q < t->backend.nr_queues; q++)
		fd_close(&t->queue[q].fd);
	free(t);
}

static void handle_poll(struct loop_op *op, int res)
{
	struct tap_wait *w = container_of(op, struct tap_wait, op);
	struct tap *t = w->queue->tap;
	const struct net_events *ev = &t->backend.events;
	unsigned int q = (unsigned int)(w->queue - t->queue);
	void (*tell)(void *, unsigned int);

	if (t->destroyed) {
		free_when_idle(t);
		return;
	}
	/* Cancelled, but wanted again meanwhile */
	if (res == -ECANCELED || !w->queue->attached) {
		start_poll(w);
		return;
	}
	/* An error, too: the next transfer says which. */
	w->wanted = false;
	tell = w == &w->queue->in ? ev->readable : ev->writable;
	if (tell)
		tell(ev->ctx, q);
}

void netb_tap_init(struct tap *t, struct loop *loop, unsigned int queues)
{
	t->backend.ops = &netb_tap_ops;
	t->backend.nr_queues = queues;
	t->loop = loop;
	for (unsigned int q = 0; q < NET_QUEUES_MAX; q++) {
		struct tap_queue *tq = &t->queue[q];

		tq->tap = t;
		tq->fd = -1;
		tq->in.queue = tq;
		tq->in.events = POLLIN;
		tq->in.op.name = "tap readable";
		tq->in.op.done = handle_poll;
		tq->out.queue = tq;
		tq->out.events = POLLOUT;
		tq->out.op.name = "tap writable";
		tq->out.op.done = handle_poll;
	}
}

/* Frames */

static int tap_send(struct net_backend *b, unsigned int q,
		    const struct iovec *iov, unsigned int nr)
{
	struct tap_queue *tq = &to_tap(b)->queue[q];

	if (writev(tq->fd, iov, (int)nr) >= 0)
		return 0;
	if (errno == EAGAIN)
		want(&tq->out);
	return -errno;
}

/*
 * A tap cuts what does not fit and returns the length of the buffers: a byte
 * more tells that from a frame that fits exactly.
 */
static ssize_t tap_recv(struct net_backend *b, unsigned int q,
			const struct iovec *iov, unsigned int nr)
{
	struct tap_queue *tq = &to_tap(b)->queue[q];
	struct iovec all[NET_PIECES_MAX + 1];
	size_t room = 0;
	ssize_t len;
	char more;

	if (nr > NET_PIECES_MAX)
		return -EINVAL;
	for (unsigned int i = 0; i < nr; i++) {
		all[i] = iov[i];
		room += iov[i].iov_len;
	}
	all[nr] = (struct iovec){ &more, sizeof(more) };
	len = readv(tq->fd, all, (int)nr + 1);
	if (len < 0) {
		if (errno == EAGAIN)
			want(&tq->in);
		return -errno;
	}
	return (size_t)len > room ? -EMSGSIZE : len;
}

/* Settings */

static unsigned int tap_offloads(const struct net_backend *b)
{
	return container_of(b, const struct tap, backend)->offloads;
}

static int tap_set_offloads(struct net_backend *b, unsigned int offloads)
{
	struct tap *t = to_tap(b);

	/* Of the interface, not of a queue */
	return ioctl(t->queue[0].fd, TUNSETOFFLOAD, (unsigned long)offloads)
		       ? -errno
		       : 0;
}

static int attach(struct tap_queue *tq, bool on)
{
	struct ifreq ifr = {
		.ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE,
	};
	struct loop *loop = tq->tap->loop;

	if (tq->attached == on)
		return 0;
	if (ioctl(tq->fd, TUNSETQUEUE, &ifr))
		return -errno;
	tq->attached = on;
	if (on) {
		start_poll(&tq->in);
		start_poll(&tq->out);
	} else {
		loop_cancel(loop, &tq->in.op);
		loop_cancel(loop, &tq->out.op);
	}
	return 0;
}

static int tap_set_queues(struct net_backend *b, unsigned int nr)
{
	struct tap *t = to_tap(b);
	int err = 0;

	/* The first stays: the interface goes down with the last one. */
	for (unsigned int q = 1; !err && q < b->nr_queues; q++)
		err = attach(&t->queue[q], q < nr);
	return err;
}

static void tap_destroy(struct net_backend *b)
{
	struct tap *t = to_tap(b);

	t->destroyed = true;
	for (unsigned int q = 0; q < b->nr_queues; q++) {
		loop_cancel(t->loop, &t->queue[q].in.op);
		loop_cancel(t->loop, &t->queue[q].out.op);
	}
	free_when_idle(t);
}

const struct net_backend_ops netb_tap_ops = {
	.kind = "tap",
	.offloads = tap_offloads,
	.set_offloads = tap_set_offloads,
	.set_queues = tap_set_queues,
	.send = tap_send,
	.recv = tap_recv,
	.destroy = tap_destroy,
};
