/* SPDX-License-Identifier: MIT */
/*
 * vsock_conn.h - one connection of the virtio socket device (virtio 1.2
 * §5.10.6), as a state machine that knows neither sockets nor queues.
 *
 * How it works. A connection is between a port of the guest and a port of the
 * host. The owner tells it of each packet that the guest sent and of what
 * happened at the host's side, and asks it which packet is owed to the guest.
 *
 *   host asks:   ASKING --RESPONSE--> OPEN
 *   guest asks:  ASKED  --accept----> OPEN
 *   OPEN --both directions shut, or RST--> OVER
 *
 * Directions are shut one by one (half close): what the guest has shut is in
 * guest_shut, what the host's side has is in host_shut. When the guest has
 * shut both, it gets a RST, which ends the connection in order; when the host
 * has, the guest answers with one. OVER means: nothing is owed to the guest
 * but perhaps that RST, and the pair of ports may be used again.
 *
 * Flow control: free-running counters of bytes, in each direction those that
 * were sent and those that the receiver has passed on. The sender never has
 * more than the receiver's buffer in between; a guest that does is reset.
 *
 * Loop thread only.
 */
#ifndef MINIVMM_VIRTIO_VSOCK_CONN_H
#define MINIVMM_VIRTIO_VSOCK_CONN_H

#include <stdbool.h>
#include <stdint.h>

/* What is kept for the host's side at most, in bytes. */
#define VSOCK_BUF_ALLOC (128u << 10)

/* Bytes of a packet before its payload. */
#define VSOCK_HEADER_LEN 44

/* virtio 1.2 §5.10.6 */
enum vsock_op {
	VSOCK_OP_NONE = 0, /* "invalid" */
	VSOCK_OP_REQUEST = 1,
	VSOCK_OP_RESPONSE = 2,
	VSOCK_OP_RST = 3,
	VSOCK_OP_SHUTDOWN = 4,
	VSOCK_OP_RW = 5,
	VSOCK_OP_CREDIT_UPDATE = 6,
	VSOCK_OP_CREDIT_REQUEST = 7,
};

/* Flags of SHUTDOWN: what its sender will not do any more (§5.10.6.6). */
enum vsock_shut {
	VSOCK_SHUT_RECEIVE = 1,
	VSOCK_SHUT_SEND = 2,
	VSOCK_SHUT_BOTH = 3,
};

/* A packet's header, as numbers of this machine. */
struct vsock_header {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags;
	uint32_t buf_alloc, fwd_cnt;
};

enum vsock_state {
	VSOCK_ASKING,
	VSOCK_ASKED,
	VSOCK_OPEN,
	VSOCK_OVER,
};

/* What a packet of the guest means for the host's side; several at once. */
enum vsock_event {
	VSOCK_EVENT_OPEN = 1,	 /* the guest has accepted */
	VSOCK_EVENT_DATA = 2,	 /* take the payload: room for it is there */
	VSOCK_EVENT_SHUT = 4,	 /* guest_shut has changed */
	VSOCK_EVENT_OVER = 8,	 /* in order: pass on what was received */
	VSOCK_EVENT_BROKEN = 16, /* not in order: drop what was received */
};

/* Public because its owner embeds it; members belong to vsock_conn.c. */
struct vsock_conn {
	enum vsock_state state;
	uint32_t guest_port, host_port;
	uint32_t received, passed_on, told; /* from the guest, by us, of that */
	uint32_t sent, peer_alloc, peer_passed_on; /* to the guest */
	uint8_t guest_shut;
	uint8_t host_shut, told_shut;
	bool credit_asked; /* since the guest last said something */
	uint8_t owed;	   /* bit per enum vsock_op */
};

/* The host asks the guest for a connection: owes a REQUEST. */
void virtio_vsock_conn_ask(struct vsock_conn *c, uint32_t guest_port,
			   uint32_t host_port);

/* The guest asks: @h is its REQUEST. */
void virtio_vsock_conn_asked(struct vsock_conn *c,
			     const struct vsock_header *h);

/* The host's side of ASKED is there: OPEN, owes a RESPONSE. */
void virtio_vsock_conn_accept(struct vsock_conn *c);

/* End it now, in whatever state: OVER, owes a RST unless nobody waits. */
void virtio_vsock_conn_abort(struct vsock_conn *c);

/* A packet of this pair of ports came. Returns VSOCK_EVENT_* bits. */
unsigned int virtio_vsock_conn_receive(struct vsock_conn *c,
				       const struct vsock_header *h);

/* @n bytes of those that came in DATA need no room any more. */
void virtio_vsock_conn_pass_on(struct vsock_conn *c, uint32_t n);

/*
 * The host's side will not do @how (VSOCK_SHUT_*) any more. With SEND, all
 * that it had to send was sent.
 */
void virtio_vsock_conn_shut(struct vsock_conn *c, uint8_t how);

/* Bytes that may be sent to the guest now. */
uint32_t virtio_vsock_conn_credit(const struct vsock_conn *c);

/* There is something to send and no credit: ask for some, once. */
void virtio_vsock_conn_want_credit(struct vsock_conn *c);

/* The packet that is owed to the guest next, or VSOCK_OP_NONE. */
enum vsock_op virtio_vsock_conn_next(const struct vsock_conn *c);

/*
 * Fill all but the CIDs and the type of @h for a packet of kind @op with @len
 * bytes of payload (at most the credit): from here on it counts as sent.
 */
void virtio_vsock_conn_send(struct vsock_conn *c, enum vsock_op op,
			    uint32_t len, struct vsock_header *h);

#endif
