/* SPDX-License-Identifier: MIT */
/*
 * switch_int.h - what the files of the switch share.
 */
#ifndef MINIVMM_VIRTIO_SWITCH_SWITCH_INT_H
#define MINIVMM_VIRTIO_SWITCH_SWITCH_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/backend/net.h"
#include "virtio/backend/net_join.h"
#include "virtio/backend/switch_link.h"
#include "virtio/loop.h"
#include "virtio/switch/core.h"
#include "virtio/switch/switch.h"

#define CONNECTIONS_MAX (SWITCH_PORTS_MAX + 32)

enum port_state {
	PORT_CONNECTED,
	PORT_UP,
	PORT_GONE, /* waits for its read to end */
};

struct switch_port {
	struct switch_server *server;
	struct switch_port *next, **link_to_me; /* all connections */
	enum port_state state;
	uint64_t since_ms; /* connected */
	int sock;
	struct loop_op read;
	union {
		struct switch_hello hello;
		char bells[64];
	} in;

	/* Up: */
	unsigned int number;
	char name[SWITCH_NAME_LEN + 1];
	struct switch_link link;
	bool runnable; /* its ring may have frames */
	bool dirty;    /* frames were pushed that it was not told of */
	bool broken;   /* to be closed after the turn */
};

struct uplink {
	struct net_backend *backend; /* NULL: none */
	uint8_t *frame;		     /* what recv() fills, header first */
	bool runnable;
	bool full; /* until writable() */
	bool down;
	bool over; /* it gives no more frames */

	/* What goes out; both buffers have a header first. */
	uint8_t *out;	       /* a frame, with those that went on from it */
	uint8_t *next;	       /* where a frame is copied to */
	struct netb_join join; /* of out */
	uint64_t out_bytes;    /* of the frames in it; 0: nothing is */
};

struct switch_server {
	struct loop *loop;
	int listen_fd;
	uint32_t ring_size;
	struct switch_core *core;
	struct uplink uplink;
	struct loop_op accept;
	struct loop_op tick;
	struct loop_task turn;
	uint64_t now_ms;
	unsigned int ticks;

	struct switch_port *connections;
	unsigned int nr_connections;

	/* Those that are up, in no order. */
	struct switch_port *up[SWITCH_PORTS_MAX];
	unsigned int nr_up;
	unsigned int first; /* to be served in the next turn */
	struct switch_port *by_number[SWITCH_PORTS_MAX];
};

/* One frame: its header as it was judged, and the rest, which may change. */
struct switch_frame {
	uint8_t header[SWITCH_HEADER_LEN];
	const uint8_t *rest;
	uint32_t len; /* of both */
};

uint64_t switch_now_ms(void);

/* switch_port.c: the life of a connection; @sock is its own from here on. */
void switch_port_open(struct switch_server *s, int sock);
void switch_port_close(struct switch_port *p);
/* At once: nothing of it may be in flight. */
void switch_port_free(struct switch_port *p);

/* switch_turn.c */
void switch_turn_run(struct loop_task *t);
/* There may be something to do. */
void switch_turn_soon(struct switch_server *s);
/*
 * A frame that came from port @in goes where it belongs. @frame is at least
 * SWITCH_FRAME_MIN bytes, which its sender may change.
 */
void switch_forward(struct switch_server *s, unsigned int in,
		    const uint8_t *frame, uint32_t len);

/* switch_uplink.c */
int switch_uplink_attach(struct switch_server *s, struct net_backend *b);
/* The backend stays its owner's. Also after an attempt that failed. */
void switch_uplink_detach(struct switch_server *s);
void switch_uplink_send(struct switch_server *s, const struct switch_frame *f);
/* What it was sent leaves, at the latest now. */
void switch_uplink_flush(struct switch_server *s);
/* Forward what it has, at most so many frames. */
void switch_uplink_serve(struct switch_server *s, unsigned int frames);

/* switch_stats.c: answer on @sock. */
void switch_stats_send(struct switch_server *s, int sock);

#endif
