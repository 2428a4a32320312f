/* SPDX-License-Identifier: MIT */
/*
 * vsock_int.h - what the files of the virtio socket device share.
 *
 *   vsock.c       the device: queues, packets, whose turn it is, time
 *   vsock_link.c  one connection: its two ends, the bytes in between
 *   vsock_host.c  how connections begin at the host's side
 *   vsock_conn.c  the protocol of one connection, without any of that
 *
 * How it works. A link is a socket of the host and, once it is known which
 * port of the guest is meant, a connection of the protocol:
 *
 *   client connects --> HELLO "CONNECT n" --> LIVE (asking the guest)
 *   guest connects ---> LIVE (asked; the socket is tried until it is there)
 *   LIVE --over, bytes for the host left--> FLUSHING --> DYING
 *   DYING: waits for the loop to let go of its operations, then it is freed
 *
 * To the guest: a link that owes a packet, or whose socket may have bytes and
 * the guest room for them, is in the queue of the ready. Each is served one
 * packet, and goes to the end. Payload is read from the socket straight into
 * the guest's buffers.
 *
 * To the host: payload is written from the guest's buffers straight to the
 * socket; what it does not take is copied to the link's buffer, which is never
 * more than the room that the guest was told of.
 *
 * A RST to whom no link belongs (any more) waits in a ring of replies. When
 * that is long, packets of the guest are left in their queue until the guest
 * has given buffers for the replies.
 *
 * Loop thread only.
 */
#ifndef MINIVMM_VIRTIO_VSOCK_INT_H
#define MINIVMM_VIRTIO_VSOCK_INT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fd_unix.h"
#include "virtio/device.h"
#include "virtio/vsock_conn.h"

#define VSOCK_CID_HOST	  2	     /* virtio 1.2 §5.10.4 */
#define VSOCK_TYPE_STREAM 1	     /* virtio 1.2 §5.10.6.2 */
#define VSOCK_FIRST_PORT  (1u << 30) /* of those that clients get */

#define VSOCK_LINKS_MAX	  512 /* of 1024 files, as a rule */
#define VSOCK_HELLOS_MAX  64  /* clients that have not said what they want */
#define VSOCK_HELLO_LEN	  32  /* "CONNECT 4294967295\r\n", and spaces */
#define VSOCK_BUCKETS	  256
#define VSOCK_REPLIES_MAX 256
/* ... and one more for each link, which may end at any time. */
#define VSOCK_REPLIES (VSOCK_REPLIES_MAX + VSOCK_LINKS_MAX)

/* Time is counted while somebody waits for some to pass. */
#define VSOCK_TICK_NS	   100000000u
#define VSOCK_HELLO_TICKS  600 /* for the client's line */
#define VSOCK_ASKING_TICKS 100 /* for the guest to accept */
#define VSOCK_ASKED_TICKS  20  /* for room in the host's backlog */
#define VSOCK_END_TICKS	   80  /* for the guest's last word */

enum vsock_stage {
	VSOCK_HELLO,
	VSOCK_LIVE,
	VSOCK_FLUSHING,
	VSOCK_DYING,
};

/* Bytes on their way to the host, in a ring of VSOCK_BUF_ALLOC. */
struct vsock_buf {
	uint8_t *bytes; /* NULL while there are none */
	uint32_t start, used;
};

struct vsock_link {
	struct vsock *v;
	struct vsock_link *next, *prev; /* of all */
	struct vsock_link *next_hash;	/* LIVE */
	struct vsock_link *next_ready;
	bool ready; /* is in that queue */
	enum vsock_stage stage;
	struct vsock_conn conn; /* LIVE */
	int fd;			/* -1: ASKED, and not connected yet */
	struct loop_op in;	/* polls for input, or for the client's end */
	struct loop_op out;	/* polls for room */
	short in_events;	/* what the former waits for */
	bool readable;		/* there may be something */
	bool read_all;		/* there is nothing more to read */
	bool watched;		/* for the client's end, by the clock */
	bool unwanted;		/* the host takes nothing more */
	struct vsock_buf buf;
	unsigned int deadline; /* in ticks; 0: none */
	char hello[VSOCK_HELLO_LEN + 1];
	unsigned int hello_len;
};

struct vsock {
	struct virtio_dev dev;
	uint32_t cid;
	struct fd_unix listener;
	struct loop_op accept, tick;
	struct loop_task task;
	bool active;
	unsigned int now;	   /* in ticks */
	unsigned int accept_again; /* after an error; in ticks, 0: no error */
	uint32_t next_port;
	struct vsock_link links; /* head of the ring of all */
	unsigned int nr_links, nr_hellos;
	struct vsock_link *bucket[VSOCK_BUCKETS];
	struct vsock_link *ready_first, **ready_last;
	struct vsock_header replies[VSOCK_REPLIES];
	unsigned int first_reply, nr_replies;
	bool tx_waits; /* for room for replies, or for its next turn */
	bool rx_held;  /* rx was popped and is not used yet */
	struct vq_chain rx, tx;
	atomic_bool said_odd, said_full, said_accept;
};

/* vsock.c */

/* Let the guest have a RST for the packet @h of its own. */
void virtio_vsock_refuse(struct vsock *v, const struct vsock_header *h);
/* Queue @h, a RST from us, until the guest has a buffer for it. */
void virtio_vsock_reply(struct vsock *v, const struct vsock_header *h);
/* Serve whoever is ready, as far as the guest has given buffers. */
void virtio_vsock_serve(struct vsock *v);
/* Time counts now. */
void virtio_vsock_start_clock(struct vsock *v);

/* vsock_link.c */

/* A link in stage HELLO with @fd, which is its own. NULL: no memory or room. */
struct vsock_link *virtio_vsock_link_create(struct vsock *v, int fd);
/* Its connection has begun: HELLO becomes LIVE. */
void virtio_vsock_link_begin(struct vsock_link *k);
struct vsock_link *virtio_vsock_link_find(struct vsock *v, uint32_t guest_port,
					  uint32_t host_port);
/* Forget it at once, whatever is left; the guest hears nothing. */
void virtio_vsock_link_kill(struct vsock_link *k);
/* End it; the guest hears of it. */
void virtio_vsock_link_abort(struct vsock_link *k);
/* After anything that changed it: get ready, poll, end. */
void virtio_vsock_link_update(struct vsock_link *k);
/* A packet of the guest for it: @h, in v->tx. */
void virtio_vsock_link_receive(struct vsock_link *k,
			       const struct vsock_header *h);
/*
 * Put the next packet for the guest into v->rx, behind the header that is
 * filled into *@h. False: there is none after all.
 */
bool virtio_vsock_link_packet(struct vsock_link *k, struct vsock_header *h);
/* Time passed for @k, which is watched: has its client gone? */
void virtio_vsock_link_watch(struct vsock_link *k);
/* Take the first that is ready out of the queue; NULL: nobody. */
struct vsock_link *virtio_vsock_link_next_ready(struct vsock *v);
/* The device goes: free @k, whose operations are over. */
void virtio_vsock_link_free(struct vsock_link *k);

/* vsock_host.c */

/* Let clients connect, if there is room for them. */
void virtio_vsock_host_accept(struct vsock *v);
void virtio_vsock_host_accepted(struct loop_op *op, int res);
/* The client of @k, in stage HELLO, said something, or is gone. */
void virtio_vsock_host_hello(struct vsock_link *k);
/* The guest asks for a connection. */
void virtio_vsock_host_connect(struct vsock *v, const struct vsock_header *h);
/* Once more for @k, whose listener had no room. */
void virtio_vsock_host_retry(struct vsock_link *k);

#endif
