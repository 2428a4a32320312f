/* SPDX-License-Identifier: MIT */
/*
 * net_tap.h - frames go to and come from a tap interface of the host.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_TAP_H
#define MINIVMM_VIRTIO_BACKEND_NET_TAP_H

#include <stddef.h>

struct loop;
struct net_backend;

struct netb_tap_params {
	const char *name; /* of the interface; NULL: @fds */
	/* One per queue, open taps; the backend's when it opens them. */
	const int *fds;
	unsigned int queues; /* 1 .. NET_QUEUES_MAX */
	unsigned int mtu;    /* of an interface that is made; 0: the host's */
};

/*
 * Open the interface @name, or make it where the host allows that (it then
 * goes with the backend), or take over @fds. 0, or -errno and in @why one
 * line for the user: what is wrong and what to do. Before loop_run().
 */
int netb_tap_open(struct net_backend **out, const struct netb_tap_params *p,
		  struct loop *loop, char *why, size_t why_len);

#endif
