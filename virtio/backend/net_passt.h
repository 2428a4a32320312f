/* SPDX-License-Identifier: MIT */
/*
 * net_passt.h - frames to a passt process, which makes the guest's connections
 * with sockets of the host, as the guest itself would have them: the guest has
 * the host's own address.
 *
 * The process is started here, in the background and in a sandbox of its own
 * making, and ends when its socket is closed: with the backend, or with this
 * process, however that ends.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_PASST_H
#define MINIVMM_VIRTIO_BACKEND_NET_PASST_H

#include <stdbool.h>
#include <stddef.h>

#include "virtio/backend/net.h"
#include "virtio/backend/net_forward.h"

struct loop;

#define NETB_PASST_MTU_MAX 65520

struct netb_passt_params {
	unsigned int mtu; /* 0: 1500 */
	bool no_ipv6;
	const struct netb_forward
		*forwards; /* without an address of the guest */
	size_t nr_forwards;
};

/*
 * Start passt, as PATH finds it, and wait until it is ready: some 10 ms. 0, or
 * -errno and in @why one line for the user, passt's own where it has said
 * something. Before loop_run().
 *
 * When passt ends, one line is logged and the link goes down.
 * net_destroy() may be called while the loop still runs, and after
 * loop_drain(); not in between.
 */
int netb_passt_open(struct net_backend **out, const struct netb_passt_params *p,
		    struct loop *loop, char *why, size_t why_len);

#endif
