// SPDX-License-Identifier: MIT
/*
 * net_rx.c - frames for the guest: from the backend straight into buffers of
 * the receive queues (virtio 1.2 §5.1.6.3 and §5.1.6.4).
 *
 * How it works. Buffers are popped into a window before a frame is taken, as
 * many as the largest frame may need when buffers are mergeable, otherwise
 * one. The frame takes the first of them, the others serve the next frame,
 * and what is left at the end of the turn goes back. So no buffer is out
 * between two turns.
 *
 * When mergeable buffers run low, taking a large frame would lose it. So the
 * adapter waits for more, if the queue has had enough before, but only for
 * some time: a driver may give more when it got frames, and not before. What
 * it waited for in vain it takes as given, until there is more again.
 */
#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "base/iov.h"
#include "base/log.h"
#include "virtio/net_int.h"

/* Frames in one turn, of which some may not be for the guest */
#define FRAMES_MAX NET_QUEUE_MAX
/* Longer than a slow guest takes for a batch of frames. */
#define MORE_NS 5000000

/* Put the next buffer of queue @q into the window; false: none fits. */
static bool add_chain(struct net *n, uint16_t q)
{
	struct net_window *w = &n->window;
	struct vq_chain *c = &n->chain;

	if (w->nr_chains == NET_WINDOW_CHAINS || !virtio_dev_pop(&n->dev, q, c))
		return false;
	if (w->nr_iov + c->nr_writable > NET_WINDOW_IOV) {
		virtio_dev_unpop(&n->dev, q, 1);
		return false;
	}
	if (c->writable_len < sizeof(struct net_hdr)) {
		virtio_dev_broken(&n->dev, "a receive buffer without room for "
					   "the header");
		virtio_dev_unpop(&n->dev, q, 1);
		return false;
	}
	memcpy(w->iov + w->nr_iov, c->writable,
	       c->nr_writable * sizeof(struct iovec));
	w->chain[w->nr_chains].head = c->head;
	w->chain[w->nr_chains].nr_iov = c->nr_writable;
	w->chain[w->nr_chains].len =
		(uint32_t)min_u64(c->writable_len, UINT32_MAX);
	w->nr_iov += c->nr_writable;
	w->nr_chains++;
	w->room += c->writable_len;
	return true;
}

void virtio_net_more_in_vain(struct loop_op *op, int res)
{
	struct net *n = container_of(op, struct net, more);

	(void)res;
	for (unsigned int i = 0; i < n->active_pairs; i++)
		if (n->pairs[i].rx_short)
			virtio_dev_kick(&n->dev, (uint16_t)(2 * i));
}

/* The window has some buffers: shall there be more before a frame is taken? */
static bool waits_for_more(struct net *n, struct net_pair *p)
{
	uint64_t room = n->window.room;

	if (room >= n->enough) {
		p->rx_ample = true;
		p->rx_short = false;
		p->rx_vain = 0;
		return false;
	}
	if (!p->rx_ample || p->rx_short || room <= p->rx_vain) {
		p->rx_short = false;
		p->rx_vain = room;
		return false;
	}
	p->rx_short = true;
	if (!loop_op_busy(&n->more))
		loop_timeout(n->dev.loop, &n->more, MORE_NS);
	return true;
}

/* True when it makes sense to take a frame. */
static bool fill_window(struct net *n, struct net_pair *p, uint16_t q)
{
	struct net_window *w = &n->window;

	if (!n->merge)
		return w->nr_chains || add_chain(n, q);
	while (w->room < n->enough && add_chain(n, q))
		;
	if (!w->nr_chains)
		return false;
	return !waits_for_more(n, p);
}

/* The first chain of the window as queue.h wants it. */
static void first_chain(const struct net_window *w, unsigned int i,
			const struct iovec *iov, struct vq_chain *c)
{
	c->head = w->chain[i].head;
	c->nr_readable = 0;
	c->readable_len = 0;
	c->nr_writable = w->chain[i].nr_iov;
	c->writable_len = w->chain[i].len;
	c->writable = iov;
}

/* Take the first @nr chains, with @nr_iov pieces, out of the window. */
static void drop_chains(struct net_window *w, unsigned int nr,
			unsigned int nr_iov)
{
	for (unsigned int i = 0; i < nr; i++)
		w->room -= w->chain[i].len;
	w->nr_chains = (uint16_t)(w->nr_chains - nr);
	w->nr_iov -= nr_iov;
	memmove(w->chain, w->chain + nr, w->nr_chains * sizeof(*w->chain));
	memmove(w->iov, w->iov + nr_iov, w->nr_iov * sizeof(*w->iov));
}

/* How many chains of the window @len bytes take. */
static uint16_t count_chains(const struct net_window *w, uint64_t len)
{
	uint16_t nr = 0;

	while (len) {
		len -= min_u64(len, w->chain[nr].len);
		nr++;
	}
	return nr;
}

/* Give the frame of @len bytes, header included, to the driver. */
static void deliver(struct net *n, uint16_t q, uint64_t len)
{
	struct net_window *w = &n->window;
	uint16_t nr = count_chains(w, len);
	le16 num_buffers = le16_put(nr);
	unsigned int at = 0;

	/* 1 without mergeable buffers, too: virtio 1.2 §5.1.6.4.1. */
	iov_write(w->iov, w->nr_iov, offsetof(struct net_hdr, num_buffers),
		  &num_buffers, sizeof(num_buffers));
	for (uint16_t i = 0; i < nr; i++) {
		uint32_t part = (uint32_t)min_u64(len, w->chain[i].len);

		first_chain(w, i, w->iov + at, &n->chain);
		virtio_dev_fill(&n->dev, q, &n->chain, part);
		at += w->chain[i].nr_iov;
		len -= part;
	}
	/* A driver must not see the first buffer of a frame without the rest. */
	virtio_dev_show(&n->dev, q);
	drop_chains(w, nr, at);
}

/* The buffers were written and stay the adapter's. */
static void report_window(struct net *n, uint64_t len)
{
	const struct net_window *w = &n->window;
	unsigned int at = 0;

	for (unsigned int i = 0; i < w->nr_chains && len; i++) {
		first_chain(w, i, w->iov + at, &n->chain);
		vq_chain_report(n->dev.ram, &n->chain, 0, len);
		at += w->chain[i].nr_iov;
		len -= min_u64(len, w->chain[i].len);
	}
}

static bool is_wanted(const struct net *n, uint64_t len)
{
	const struct net_window *w = &n->window;
	uint8_t head[NET_HEAD_LEN] = { 0 };
	struct net_hdr h;

	if (len < sizeof(h) + NET_ETH_LEN)
		return false;
	/* Whatever another vCPU writes into them meanwhile, it is its frame. */
	iov_read(w->iov, w->nr_iov, 0, &h, sizeof(h));
	iov_read(w->iov, w->nr_iov, sizeof(h), head,
		 min_u64(sizeof(head), len - sizeof(h)));
	return virtio_net_hdr_suits(&h, n->guest_offloads) &&
	       virtio_net_filter_wants(&n->filter, head);
}

/* No frame came; false when the turn ends. */
static bool handle_error(struct net *n, struct net_pair *p, int err)
{
	if (err == -EMSGSIZE) {
		/* Longer ones than expected may come: be ready for them. */
		n->enough = sizeof(struct net_hdr) + NET_FRAME_MAX;
		report_window(n, n->window.room);
		return true;
	}
	p->rx_waits = true;
	if (err == -EAGAIN)
		return false;
	log_once(&n->said_backend, "%s: %s gives no more frames: %s",
		 n->dev.name, n->backend->ops->kind, strerror(-err));
	virtio_net_set_link(n, false);
	return false;
}

/* Take one frame into the window; false when the turn ends. */
static bool take_frame(struct net *n, unsigned int pair)
{
	struct net_window *w = &n->window;
	ssize_t len =
		n->backend->ops->recv(n->backend, pair, w->iov, w->nr_iov);

	if (len < 0)
		return handle_error(n, &n->pairs[pair], (int)len);
	virtio_limit_charge(&n->rx_limit, (uint64_t)len);
	if (is_wanted(n, (uint64_t)len))
		deliver(n, (uint16_t)(2 * pair), (uint64_t)len);
	else
		report_window(n, (uint64_t)len);
	return true;
}

void virtio_net_receive(struct net *n, unsigned int pair)
{
	struct net_pair *p = &n->pairs[pair];
	struct net_window *w = &n->window;
	uint16_t q = (uint16_t)(2 * pair);
	unsigned int left = FRAMES_MAX;

	if (pair >= n->active_pairs)
		return;
	w->nr_chains = 0;
	w->nr_iov = 0;
	w->room = 0;
	while (!p->rx_waits && left && virtio_limit_allows(&n->rx_limit) &&
	       fill_window(n, p, q))
		if (take_frame(n, pair))
			left--;
	virtio_dev_unpop(&n->dev, q, w->nr_chains);
	if (!left)
		virtio_net_again(n, pair);
}
