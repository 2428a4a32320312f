/* SPDX-License-Identifier: MIT */
/*
 * net_user_int.h - what the files of the user network share.
 *
 *   net_user.c        the backend: frames, timers, the turn
 *   net_user_poll.c   libslirp's sockets as operations of the loop
 *   net_user_frame.c  which frames of a guest libslirp may see
 *
 * Loop thread only.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_USER_INT_H
#define MINIVMM_VIRTIO_BACKEND_NET_USER_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/loop.h"

struct netb_user_socket;

/* The sockets of one network. */
struct netb_user_polls {
	struct loop *loop;
	struct loop_task *changed;	/* posted when one is ready */
	struct netb_user_socket **of;	/* index: the descriptor */
	int nr_of;			/* entries of it */
	struct netb_user_socket *first; /* all, also those that end */
	unsigned int nr;		/* that libslirp has open */
	unsigned int max;		/* more are not welcome */
};

void netb_user_polls_init(struct netb_user_polls *p, struct loop *loop,
			  struct loop_task *changed);

/* True when no operation is in flight: only then netb_user_polls_fini(). */
bool netb_user_polls_idle(const struct netb_user_polls *p);
void netb_user_polls_fini(struct netb_user_polls *p);

/*
 * Wait for @events (SLIRP_POLL_*) of @fd, once. @full: but not for what would
 * become a frame for the guest.
 */
void netb_user_polls_add(struct netb_user_polls *p, int fd, int events,
			 bool full);

/* What came of it since then, and never again the same. */
int netb_user_polls_take(struct netb_user_polls *p, int fd);

/* @fd was opened; one of that number that is still known was closed. */
void netb_user_polls_new(struct netb_user_polls *p, int fd);

/* @fd is about to be closed. */
void netb_user_polls_del(struct netb_user_polls *p, int fd);
void netb_user_polls_del_all(struct netb_user_polls *p);

/* So many that the guest shall open no more. */
bool netb_user_polls_crowded(const struct netb_user_polls *p);

enum netb_user_frame {
	NETB_USER_FRAME_BAD, /* nothing for libslirp */
	NETB_USER_FRAME_PLAIN,
	NETB_USER_FRAME_OPENS, /* may make libslirp open a socket */
};

/* What @frame is, @len bytes from the destination address on. */
enum netb_user_frame netb_user_frame_kind(const uint8_t *frame, size_t len);

#endif
