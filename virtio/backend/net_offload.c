// SPDX-License-Identifier: MIT
/*
 * net_offload.c - the backend in front of another one that does its offloads.
 *
 * How it works. Of a frame that has to be cut, the backend behind may take the
 * first pieces and then be full. Then the frame counts as sent: what is left of
 * it is copied, goes out when there is room, and only then the owner hears of
 * that room. A frame that was received and does not go on from those before it
 * is held for the next call.
 *
 * Each of the two directions of a queue has one promise to its owner (it got
 * -EAGAIN) and one from the backend behind, and passes events on accordingly.
 */
#include "virtio/backend/net_offload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "base/checked.h"
#include "base/iov.h"
#include "virtio/backend/net.h"
#include "virtio/backend/net_cut.h"
#include "virtio/backend/net_join.h"

#define FRAME_MAX (NET_HDR_LEN + NET_FRAME_MAX)

struct queue {
	/* To the backend */
	struct netb_cut cut;
	uint8_t *rest;	 /* the frame that is cut, with its header */
	size_t rest_len; /* 0: none */
	bool full;	 /* its writable() is due */
	bool owner_full; /* and the owner's */

	/* From the backend */
	uint8_t *held;	  /* a frame with its header */
	size_t held_len;  /* 0: none */
	bool empty;	  /* its readable() is due */
	bool owner_empty; /* and the owner's */
};

struct netb_offload {
	struct net_backend base;
	struct net_backend *behind;
	unsigned int offloads; /* TUN_F_*, towards the owner */
	struct queue queue[NET_QUEUES_MAX];
};

static const uint8_t plain[NET_HDR_LEN];

static struct netb_offload *to_offload(struct net_backend *b)
{
	return container_of(b, struct netb_offload, base);
}

/* To the backend */

static int send_behind(struct netb_offload *o, unsigned int q,
		       const struct iovec *iov, unsigned int nr)
{
	int err = o->behind->ops->send(o->behind, q, iov, nr);

	if (err == -EAGAIN)
		o->queue[q].full = true;
	return err;
}

/* Send @iov but for its header, with @check as the two bytes at @at. */
static int send_with_sum(struct netb_offload *o, unsigned int q,
			 const struct iovec *iov, unsigned int nr, size_t at,
			 uint16_t check)
{
	const size_t behind = NET_HDR_LEN + at + sizeof(check);
	struct iovec out[NET_PIECES_MAX];
	int n, m;

	n = iov_slice(iov, nr, NET_HDR_LEN, at, out + 1, ARRAY_SIZE(out) - 2);
	if (n < 0)
		return n;
	out[0] = (struct iovec){ (void *)(uintptr_t)plain, sizeof(plain) };
	out[n + 1] = (struct iovec){ &check, sizeof(check) };
	m = iov_slice(iov, nr, behind, iov_size(iov, nr) - behind, out + n + 2,
		      ARRAY_SIZE(out) - (unsigned int)n - 2);
	if (m < 0)
		return m;
	return send_behind(o, q, out, (unsigned int)(n + m) + 2);
}

/* Nothing but a checksum is missing: virtio 1.2 §5.1.6.2. */
static int send_summed(struct netb_offload *o, unsigned int q,
		       const struct iovec *iov, unsigned int nr,
		       const struct virtio_net_hdr_v1 *v)
{
	size_t len = iov_size(iov, nr) - NET_HDR_LEN;
	size_t start = le16toh(v->csum_start);
	size_t at = start + le16toh(v->csum_offset);
	uint16_t check;

	if (!range_fits(at, sizeof(check), len))
		return -EINVAL;
	/* The field itself has the sum of the pseudo-header. */
	check = (uint16_t)~netb_sum_fold(
		netb_sum_frame(0, iov, nr, start, len - start));
	/* To UDP, 0 means that there is none; both are a zero. */
	return send_with_sum(o, q, iov, nr, at, check ? check : 0xffff);
}

/* The pieces of q's cut that the backend takes; it is over when they all are.*/
static int send_pieces(struct netb_offload *o, unsigned int q,
		       const struct iovec *iov, unsigned int nr)
{
	struct netb_cut *c = &o->queue[q].cut;
	uint8_t head[NETB_HEAD_MAX];
	struct iovec out[NET_PIECES_MAX];
	size_t len;
	int n, err;

	out[0] = (struct iovec){ (void *)(uintptr_t)plain, sizeof(plain) };
	out[1] = (struct iovec){ head, c->at.payload };
	while (!netb_cut_over(c)) {
		len = netb_cut_head(c, iov, nr, head);
		n = iov_slice(iov, nr, NET_HDR_LEN + c->next, len, out + 2,
			      ARRAY_SIZE(out) - 2);
		if (n < 0)
			return n;
		err = send_behind(o, q, out, (unsigned int)n + 2);
		if (err)
			return err;
		netb_cut_advance(c, len);
	}
	return 0;
}

static int send_cut(struct netb_offload *o, unsigned int q,
		    const struct iovec *iov, unsigned int nr,
		    const struct virtio_net_hdr_v1 *v)
{
	struct queue *u = &o->queue[q];
	int err;

	err = netb_cut_start(&u->cut, iov, nr, le16toh(v->gso_size),
			     &o->behind->takes);
	if (err)
		return err;
	err = send_pieces(o, q, iov, nr);
	if (err != -EAGAIN || !u->cut.nr)
		return err;
	u->rest_len = iov_read(iov, nr, 0, u->rest, FRAME_MAX);
	return 0;
}

static int offload_send(struct net_backend *b, unsigned int q,
			const struct iovec *iov, unsigned int nr)
{
	struct netb_offload *o = to_offload(b);
	struct queue *u = &o->queue[q];
	struct virtio_net_hdr_v1 v;
	int err;

	if (iov_read(iov, nr, 0, &v, sizeof(v)) < sizeof(v) ||
	    iov_size(iov, nr) > FRAME_MAX)
		return -EINVAL;
	if (u->full)
		err = -EAGAIN;
	else if (v.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		err = send_cut(o, q, iov, nr, &v);
	else if (v.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		err = send_summed(o, q, iov, nr, &v);
	else
		err = send_behind(o, q, iov, nr);
	if (err == -EAGAIN)
		u->owner_full = true;
	return err;
}

static void handle_writable(void *ctx, unsigned int q)
{
	struct netb_offload *o = ctx;
	struct queue *u = &o->queue[q];
	const struct iovec rest = { u->rest, u->rest_len };

	u->full = false;
	/* What cannot be sent for another reason is lost, as in a network. */
	if (u->rest_len && send_pieces(o, q, &rest, 1) == -EAGAIN)
		return;
	u->rest_len = 0;
	if (!u->owner_full)
		return;
	u->owner_full = false;
	if (o->base.events.writable)
		o->base.events.writable(o->base.events.ctx, q);
}

/* From the backend */

static ssize_t recv_behind(struct netb_offload *o, unsigned int q,
			   const struct iovec *iov, unsigned int nr)
{
	ssize_t len;

	if (o->queue[q].empty)
		return -EAGAIN;
	len = o->behind->ops->recv(o->behind, q, iov, nr);
	if (len == -EAGAIN)
		o->queue[q].empty = true;
	return len;
}

/* The first frame, into the owner's buffers. */
static ssize_t recv_first(struct netb_offload *o, unsigned int q,
			  const struct iovec *iov, unsigned int nr)
{
	struct queue *u = &o->queue[q];
	size_t len = u->held_len;

	if (!len)
		return recv_behind(o, q, iov, nr);
	u->held_len = 0;
	if (iov_write(iov, nr, 0, u->held, len) < len)
		return -EMSGSIZE;
	return (ssize_t)len;
}

/* Join what goes on from it; what does not is held. */
static void recv_more(struct netb_offload *o, unsigned int q,
		      struct netb_join *j, const struct iovec *iov,
		      unsigned int nr)
{
	struct queue *u = &o->queue[q];
	const struct iovec held = { u->held, FRAME_MAX };
	ssize_t len;

	while (j->open) {
		len = recv_behind(o, q, &held, 1);
		/* An error comes again with the owner's next call. */
		if (len < NET_HDR_LEN)
			return;
		if (!netb_join_add(j, iov, nr, u->held + NET_HDR_LEN,
				   (size_t)len - NET_HDR_LEN)) {
			u->held_len = (size_t)len;
			return;
		}
	}
}

static ssize_t offload_recv(struct net_backend *b, unsigned int q,
			    const struct iovec *iov, unsigned int nr)
{
	struct netb_offload *o = to_offload(b);
	ssize_t len = recv_first(o, q, iov, nr);
	struct netb_join j;

	if (len == -EAGAIN)
		o->queue[q].owner_empty = true;
	if (len < NET_HDR_LEN || !(o->offloads & TUN_F_CSUM))
		return len;
	netb_join_start(&j, iov, nr, (size_t)len - NET_HDR_LEN);
	if (o->offloads & (j.at.version == 4 ? TUN_F_TSO4 : TUN_F_TSO6))
		recv_more(o, q, &j, iov, nr);
	netb_join_finish(&j, iov, nr);
	return (ssize_t)(NET_HDR_LEN + j.len);
}

static void handle_readable(void *ctx, unsigned int q)
{
	struct netb_offload *o = ctx;
	struct queue *u = &o->queue[q];

	u->empty = false;
	if (!u->owner_empty)
		return;
	u->owner_empty = false;
	if (o->base.events.readable)
		o->base.events.readable(o->base.events.ctx, q);
}

/* Settings and life */

static void handle_link(void *ctx, bool up)
{
	struct netb_offload *o = ctx;

	if (o->base.events.link)
		o->base.events.link(o->base.events.ctx, up);
}

static unsigned int offload_offloads(const struct net_backend *b)
{
	(void)b;
	return TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
}

static int offload_set_offloads(struct net_backend *b, unsigned int offloads)
{
	to_offload(b)->offloads = offloads;
	return 0;
}

static int offload_set_queues(struct net_backend *b, unsigned int nr)
{
	struct net_backend *behind = to_offload(b)->behind;

	if (behind->ops->set_queues)
		return behind->ops->set_queues(behind, nr);
	return nr == 1 ? 0 : -EINVAL;
}

static void free_offload(struct netb_offload *o)
{
	for (unsigned int q = 0; q < NET_QUEUES_MAX; q++) {
		free(o->queue[q].rest);
		free(o->queue[q].held);
	}
	free(o);
}

static void offload_destroy(struct net_backend *b)
{
	struct netb_offload *o = to_offload(b);

	net_destroy(o->behind);
	free_offload(o);
}

static const struct net_backend_ops offload_ops = {
	.kind = "the network",
	.offloads = offload_offloads,
	.set_offloads = offload_set_offloads,
	.set_queues = offload_set_queues,
	.send = offload_send,
	.recv = offload_recv,
	.destroy = offload_destroy,
};

int netb_offload_add(struct net_backend **b)
{
	struct netb_offload *o;

	if ((*b)->ops->offloads)
		return 0;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	for (unsigned int q = 0; q < (*b)->nr_queues; q++) {
		o->queue[q].rest = malloc(FRAME_MAX);
		o->queue[q].held = malloc(FRAME_MAX);
		if (!o->queue[q].rest || !o->queue[q].held) {
			free_offload(o);
			return -ENOMEM;
		}
	}
	o->base.ops = &offload_ops;
	o->base.nr_queues = (*b)->nr_queues;
	o->behind = *b;
	net_attach(o->behind, &(struct net_events){
				      .readable = handle_readable,
				      .writable = handle_writable,
				      .link = handle_link,
				      .ctx = o,
			      });
	*b = &o->base;
	return 0;
}
