/* SPDX-License-Identifier: MIT */
/*
 * net_switch.h - the backend that is a port on a switch (virtio/switch/).
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_SWITCH_H
#define MINIVMM_VIRTIO_BACKEND_NET_SWITCH_H

struct loop;
struct net_backend;

/*
 * A port on the switch that listens at @path, which knows it as @name. There
 * need not be one yet: it is asked again and again, also when it goes away,
 * and the link is down meanwhile. Both texts are copied. One queue, no
 * offloads. 0, -ENAMETOOLONG for @path, or -ENOMEM. Loop thread only.
 *
 * net_destroy() may be called while the loop runs, and after loop_drain(); not
 * in between.
 */
int netb_switch_open(struct net_backend **out, struct loop *loop,
		     const char *path, const char *name);

#endif
