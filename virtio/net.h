/* SPDX-License-Identifier: MIT */
/*
 * net.h - the virtio network adapter (virtio 1.2 §5.1) over a network backend.
 */
#ifndef MINIVMM_VIRTIO_NET_H
#define MINIVMM_VIRTIO_NET_H

#include <stdint.h>

struct loop;
struct net_backend;
struct ram;
struct virtio_dev;
struct virtio_limit_params;

struct virtio_net_params {
	const char *name; /* "net0", for logs */
	/* The adapter's from here on, also on failure; has a pair per queue. */
	struct net_backend *backend;
	const uint8_t *mac; /* NET_MAC_LEN bytes */
	uint16_t mtu;	    /* told to the driver; 0: none */
	/* For each direction; NULL: no limits. An operation is a frame. */
	const struct virtio_limit_params *limit;
};

/* 0 or -errno. Before loop_run(). */
int virtio_net_create(struct virtio_dev **out, struct ram *ram,
		      struct loop *loop, const struct virtio_net_params *p);

#endif
