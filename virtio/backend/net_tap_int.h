/* SPDX-License-Identifier: MIT */
/*
 * net_tap_int.h - what net_tap.c (frames) and net_tap_open.c (how to get the
 * interface) share.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_TAP_INT_H
#define MINIVMM_VIRTIO_BACKEND_NET_TAP_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/backend/net.h"
#include "virtio/loop.h"

struct tap_queue;

/* A queue polled for one thing. */
struct tap_wait {
	struct tap_queue *queue;
	struct loop_op op;
	uint32_t events;
	bool wanted; /* the owner was told -EAGAIN, and nothing since */
};

struct tap_queue {
	struct tap *tap;
	int fd;
	bool attached;
	struct tap_wait in, out;
};

struct tap {
	struct net_backend backend;
	struct loop *loop;
	unsigned int offloads;
	bool destroyed; /* but the loop has not let go */
	struct tap_queue queue[NET_QUEUES_MAX];
};

extern const struct net_backend_ops netb_tap_ops;

/* All but the descriptors, which are -1. @t is zeroed. */
void netb_tap_init(struct tap *t, struct loop *loop, unsigned int queues);

#endif
