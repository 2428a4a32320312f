/* SPDX-License-Identifier: MIT */
/*
 * net_user.h - a network inside the process: libslirp answers the guest's
 * frames and makes its connections with sockets of the host. It needs no
 * privilege and no setup, and the host's network sees only this process.
 *
 * In the network @net / @prefix the host is .2, the name server .3 (or @dns),
 * and DHCP gives .15 to the guest.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_USER_H
#define MINIVMM_VIRTIO_BACKEND_NET_USER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "virtio/backend/net.h"
#include "virtio/backend/net_forward.h"

struct loop;

#define NETB_USER_NET	     0x0a000200u /* 10.0.2.0 */
#define NETB_USER_PREFIX     24
#define NETB_USER_PREFIX_MIN 8
#define NETB_USER_PREFIX_MAX 27 /* .15 is in it */
#define NETB_USER_MTU_MAX    65521

struct netb_user_params {
	struct in_addr net; /* 0.0.0.0: the one above */
	unsigned int prefix;
	struct in_addr dns;   /* in @net; 0.0.0.0: .3 */
	const char *hostname; /* that DHCP gives; NULL: none */
	unsigned int mtu;     /* 0: 1500 */
	bool restricted;      /* nothing leaves, but what @forwards let in */
	bool no_ipv6;
	const struct netb_forward *forwards;
	size_t nr_forwards;
};

/*
 * 0, or -errno and in @why one line for the user: which forward cannot be had,
 * what is missing. Before loop_run() or loop thread only.
 *
 * net_destroy() may be called while the loop still runs, and after
 * loop_drain(); not in between.
 */
int netb_user_open(struct net_backend **out, const struct netb_user_params *p,
		   struct loop *loop, char *why, size_t why_len);

#endif
