// SPDX-License-Identifier: MIT
/*
 * net_tx.c - frames of the guest: transmit queues to the backend, straight
 * from the guest's buffers (virtio 1.2 §5.1.6.2). Only the header is copied,
 * because it is checked.
 *
 * A frame that the backend has no room for stays in the queue, as if it had
 * never been popped, so nothing waits for it when the queue stops.
 *
 * How it works. A driver asks for an interrupt when all that it has sent comes
 * back. A guest that is slower than the loop would be interrupted for each
 * frame, though nobody is in need of an empty buffer. So while frames follow
 * each other, they are shown to the driver some at a time:
 *
 *   quiet   frames of a turn go: shown at its end, the timer starts
 *   timer   frames go: counted, shown when there are SHOW_FRAMES of them
 *   rings   some were counted: shown, it starts again; none: quiet
 *
 * Large ones are shown at once: they are few, and TCP sends no more before
 * their buffers come back.
 */
#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "base/iov.h"
#include "base/log.h"
#include "virtio/net_int.h"

#define SHOW_FRAMES 16
#define SHOW_LEN    4096 /* a large frame */
/* Less than what any sender has on its way takes. */
#define SHOW_NS 250000

/* A small queue is never all waiting to be shown. */
static unsigned int show_at(const struct net *n, uint16_t q)
{
	return (unsigned int)min_u64(virtio_dev_queue_size(&n->dev, q) / 4u,
				     SHOW_FRAMES);
}

static void show_sent(struct net *n, unsigned int pair)
{
	n->pairs[pair].tx_sent = 0;
	virtio_dev_show(&n->dev, (uint16_t)(2 * pair + 1));
}

static void start_timer(struct net *n)
{
	loop_timeout(n->dev.loop, &n->show, SHOW_NS);
}

void virtio_net_show_sent(struct loop_op *op, int res)
{
	struct net *n = container_of(op, struct net, show);
	bool any = false;

	(void)res;
	for (unsigned int i = 0; i < n->nr_pairs; i++) {
		if (!n->pairs[i].tx_sent)
			continue;
		any = true;
		show_sent(n, i);
		virtio_dev_notify(&n->dev, (uint16_t)(2 * i + 1));
	}
	if (any)
		start_timer(n);
}

/* The frame of n->chain is gone, or lost. */
static void give_back(struct net *n, unsigned int pair)
{
	uint16_t q = (uint16_t)(2 * pair + 1);

	virtio_dev_fill(&n->dev, q, &n->chain, 0);
	n->pairs[pair].tx_sent++;
	if (n->pairs[pair].tx_sent >= show_at(n, q) ||
	    n->chain.readable_len >= SHOW_LEN)
		show_sent(n, pair);
}

/* Send the frame of @c. -EAGAIN: not now. Whatever else happens, it is gone. */
static int send_frame(struct net *n, unsigned int pair,
		      const struct vq_chain *c)
{
	struct iovec iov[VQ_CHAIN_MAX + 1];
	uint64_t len = c->readable_len - sizeof(struct net_hdr);
	struct net_hdr h;
	int nr;

	if (c->readable_len < sizeof(h) + NET_ETH_LEN || len > NET_FRAME_MAX)
		return -EINVAL;
	iov_read(c->readable, c->nr_readable, 0, &h, sizeof(h));
	if (!virtio_net_hdr_clean(&h, len, n->dev.driver_features))
		return -EINVAL;
	iov[0] = (struct iovec){ &h, sizeof(h) };
	nr = iov_slice(c->readable, c->nr_readable, sizeof(h), (size_t)len,
		       iov + 1, VQ_CHAIN_MAX);
	if (nr < 0)
		return nr;
	/* Of queues that the backend does not use (any more), too. */
	return n->backend->ops->send(n->backend, pair % n->active_pairs, iov,
				     (unsigned int)nr + 1);
}

static void send_frames(struct net *n, unsigned int pair)
{
	struct net_pair *p = &n->pairs[pair % n->active_pairs];
	uint16_t q = (uint16_t)(2 * pair + 1);
	int err;

	while (!p->tx_waits && virtio_limit_allows(&n->tx_limit) &&
	       virtio_dev_pop(&n->dev, q, &n->chain)) {
		err = send_frame(n, pair, &n->chain);
		if (err == -EAGAIN) {
			p->tx_waits = true;
			virtio_dev_unpop(&n->dev, q, 1);
			return;
		}
		virtio_limit_charge(&n->tx_limit, n->chain.readable_len);
		if (err)
			log_once(&n->said_header,
				 "%s: a frame of the guest is lost: %s",
				 n->dev.name, strerror(-err));
		give_back(n, pair);
	}
}

void virtio_net_transmit(struct net *n, unsigned int pair)
{
	send_frames(n, pair);
	if (!n->pairs[pair].tx_sent || loop_op_busy(&n->show))
		return;
	show_sent(n, pair);
	start_timer(n);
}
