// SPDX-License-Identifier: MIT
/*
 * net_tx.c - frames of the guest: transmit queues to the backend, straight
 * from the guest's buffers (virtio 1.2 §5.1.6.2). Only the header is copied,
 * because it is checked.
 *
 * A frame that the backend has no room for stays in the queue, as if it had
 * never been popped, so nothing waits for it when the queue stops.
 */
#include <errno.h>
#include <string.h>

#include "base/iov.h"
#include "base/log.h"
#include "virtio/net_int.h"

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

void virtio_net_transmit(struct net *n, unsigned int pair)
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
		virtio_dev_push(&n->dev, q, &n->chain, 0);
	}
}
