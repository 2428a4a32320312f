// SPDX-License-Identifier: MIT
/*
 * net_passt.c - frames to a passt process.
 *
 * How it works. Three operations wait for the socket: for frames when recv()
 * found none, for room when send() found none, and from the first moment for
 * its end, which is that of passt: then the link goes down. What had arrived
 * before can still be received.
 */
#include "virtio/backend/net_passt.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/iov.h"
#include "base/log.h"
#include "virtio/backend/net_passt_int.h"
#include "virtio/backend/net_stream.h"
#include "virtio/loop.h"

/* It hangs up on longer ones. */
#define PASST_FRAME_MAX 65535

struct netb_passt {
	struct net_backend base;
	struct loop *loop;
	struct netb_stream stream;
	struct loop_op in, out, end;
	struct loop_task broken; /* the stream ended before the socket did */
	bool full;		 /* send() found no room */
	bool down;
	bool destroyed;
};

static struct netb_passt *to_passt(struct net_backend *b)
{
	return container_of(b, struct netb_passt, base);
}

static void free_if_idle(struct netb_passt *t)
{
	if (loop_op_busy(&t->in) || loop_op_busy(&t->out) ||
	    loop_op_busy(&t->end) ||
	    (t->broken.queued && !loop_stopped(t->loop)))
		return;
	netb_stream_fini(&t->stream);
	free(t);
}

static void go_down(struct netb_passt *t)
{
	if (t->down)
		return;
	t->down = true;
	if (t->stream.error == -EPROTO)
		log_err("passt: it sent what is no frame; the link is down");
	else
		log_err("passt: it has ended; the link is down");
	if (t->base.events.link)
		t->base.events.link(t->base.events.ctx, false);
}

static void on_broken(struct loop_task *task)
{
	struct netb_passt *t = container_of(task, struct netb_passt, broken);

	if (t->destroyed)
		free_if_idle(t);
	else
		go_down(t);
}

static void on_end(struct loop_op *op, int res)
{
	struct netb_passt *t = container_of(op, struct netb_passt, end);

	(void)res;
	if (t->destroyed)
		free_if_idle(t);
	else
		go_down(t);
}

static void on_in(struct loop_op *op, int res)
{
	struct netb_passt *t = container_of(op, struct netb_passt, in);

	(void)res;
	if (t->destroyed) {
		free_if_idle(t);
		return;
	}
	if (t->base.events.readable)
		t->base.events.readable(t->base.events.ctx, 0);
}

static void arm_out(struct netb_passt *t)
{
	if (!loop_op_busy(&t->out))
		loop_poll(t->loop, &t->out, t->stream.fd, POLLOUT);
}

static void on_out(struct loop_op *op, int res)
{
	struct netb_passt *t = container_of(op, struct netb_passt, out);

	(void)res;
	if (t->destroyed) {
		free_if_idle(t);
		return;
	}
	if (netb_stream_flush(&t->stream) == -EAGAIN) {
		arm_out(t);
		return;
	}
	if (!t->full)
		return;
	t->full = false;
	if (t->base.events.writable)
		t->base.events.writable(t->base.events.ctx, 0);
}

static int passt_send(struct net_backend *b, unsigned int q,
		      const struct iovec *iov, unsigned int nr)
{
	struct netb_passt *t = to_passt(b);
	int err = netb_stream_send(&t->stream, iov, nr, NET_HDR_LEN);

	(void)q;
	if (err == -EAGAIN)
		t->full = true;
	if (err == -EAGAIN || netb_stream_has_unsent(&t->stream))
		arm_out(t);
	return err;
}

static ssize_t passt_recv(struct net_backend *b, unsigned int q,
			  const struct iovec *iov, unsigned int nr)
{
	static const uint8_t header[NET_HDR_LEN];
	struct netb_passt *t = to_passt(b);
	ssize_t len = netb_stream_recv(&t->stream, iov, nr, NET_HDR_LEN);

	(void)q;
	if (len >= 0) {
		iov_write(iov, nr, 0, header, sizeof(header));
		return len + NET_HDR_LEN;
	}
	if (len == -EAGAIN && !loop_op_busy(&t->in))
		loop_poll(t->loop, &t->in, t->stream.fd, POLLIN);
	else if (len != -EAGAIN && len != -EMSGSIZE)
		loop_post(t->loop, &t->broken);
	return len;
}

static void passt_destroy(struct net_backend *b)
{
	struct netb_passt *t = to_passt(b);

	t->destroyed = true;
	loop_cancel(t->loop, &t->in);
	loop_cancel(t->loop, &t->out);
	loop_cancel(t->loop, &t->end);
	free_if_idle(t);
}

static const struct net_backend_ops passt_ops = {
	.kind = "passt",
	.send = passt_send,
	.recv = passt_recv,
	.destroy = passt_destroy,
};

static int check_params(const struct netb_passt_params *p, char *why,
			size_t why_len)
{
	char text[NETB_FORWARD_TEXT];

	if (p->mtu > NETB_PASST_MTU_MAX) {
		snprintf(why, why_len, "mtu: at most %u", NETB_PASST_MTU_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < p->nr_forwards; i++) {
		if (!p->forwards[i].guest.s_addr)
			continue;
		netb_forward_text(&p->forwards[i], text);
		snprintf(why, why_len,
			 "hostfwd=%s: passt takes no address of the guest",
			 text);
		return -EINVAL;
	}
	return 0;
}

int netb_passt_open(struct net_backend **out, const struct netb_passt_params *p,
		    struct loop *loop, char *why, size_t why_len)
{
	struct netb_passt *t = calloc(1, sizeof(*t));
	int err, fd;

	*out = NULL;
	snprintf(why, why_len, "%s", strerror(ENOMEM));
	if (!t)
		return -ENOMEM;
	err = check_params(p, why, why_len);
	if (err)
		goto free_passt;
	err = netb_passt_start(&fd, p, why, why_len);
	if (err)
		goto free_passt;
	err = netb_stream_init(&t->stream, fd);
	if (err) {
		fd_close(&fd);
		goto free_passt;
	}
	t->base.ops = &passt_ops;
	t->base.nr_queues = 1;
	t->base.takes.tcp4 = PASST_FRAME_MAX;
	t->loop = loop;
	t->in.name = "passt in";
	t->in.done = on_in;
	t->out.name = "passt out";
	t->out.done = on_out;
	t->end.name = "passt end";
	t->end.done = on_end;
	t->broken.fn = on_broken;
	loop_poll(loop, &t->end, fd, POLLRDHUP);
	*out = &t->base;
	return 0;

free_passt:
	free(t);
	return err;
}
