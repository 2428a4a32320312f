/* SPDX-License-Identifier: MIT */
/*
 * switch_link.h - what a switch and a port on it agree on: a connection, its
 * first two messages, and the memory with the frames.
 *
 * How it works. The switch listens on a UNIX socket of packets. Who connects
 * says what it wants (switch_hello):
 *
 *   port:   the switch answers with switch_welcome and a memfd that holds two
 *           rings (switch_ring.h). From there on a message, in either
 *           direction, is a doorbell: look at the rings. What it says does not
 *           matter, and the end of the connection is the end of the port.
 *   stats:  the switch answers with switch_stats, and hangs up.
 *
 * Why the connection rings: it can never block whoever rings (a doorbell that
 * finds it full is not needed), which an eventfd could, as the peer may change
 * the flags of a file that both share. The memfd is made by the switch and
 * sealed against shrinking, so that neither can make the other's access fail.
 *
 * Layout of the memfd: a page with both switch_ring_shared, the ring to the
 * switch, the ring to the port.
 *
 * Numbers are little-endian. Loop thread only.
 *
 * @syscalls: memfd_create ftruncate fcntl fstat mmap munmap sendmsg recvmsg
 */
#ifndef MINIVMM_VIRTIO_BACKEND_SWITCH_LINK_H
#define MINIVMM_VIRTIO_BACKEND_SWITCH_LINK_H

#include <stdint.h>

#include "base/le.h"
#include "virtio/backend/switch_ring.h"

#define SWITCH_NAME_LEN	  64
#define SWITCH_RING_MIN	  4096u /* bytes; a page, for the mapping */
#define SWITCH_RING_MAX	  (16u << 20)
#define SWITCH_RING_BYTES (512u << 10) /* unless somebody knows better */
#define SWITCH_VERSION	  1

enum switch_wish {
	SWITCH_WISH_PORT = 1,
	SWITCH_WISH_STATS = 2,
};

struct switch_hello {
	char magic[8]; /* "minivmsw" */
	le32 version;
	le32 wish; /* enum switch_wish */
	/* The port's, ends with a 0 or fills the field. */
	char name[SWITCH_NAME_LEN];
};
_Static_assert(sizeof(struct switch_hello) == 80, "part of the protocol");

struct switch_welcome {
	char magic[8];
	le32 version;
	le32 error; /* an errno; 0: the memfd comes with this message */
	le32 ring_size;
	le32 port; /* its number, for logs */
};
_Static_assert(sizeof(struct switch_welcome) == 24, "part of the protocol");

#define SWITCH_STATS_PORTS 256 /* at most */

enum switch_state {
	SWITCH_STATE_DOWN, /* the uplink's link is */
	SWITCH_STATE_UP,
	SWITCH_STATE_FULL, /* it has not taken what waits for it */
};

/* A message of this and nr_ports times the next. */
struct switch_stats {
	char magic[8];
	le32 version;
	le32 nr_ports;
};
_Static_assert(sizeof(struct switch_stats) == 16, "part of the protocol");

/* rx: from the port into the switch. */
struct switch_stats_port {
	char name[SWITCH_NAME_LEN];
	le32 number;
	le32 state; /* enum switch_state */
	le32 macs;
	le32 zero;
	le64 rx_frames, rx_bytes;
	le64 tx_frames, tx_bytes;
	le64 drops, flood_drops, refused, unlearnt;
};
_Static_assert(sizeof(struct switch_stats_port) == 144, "part of the protocol");

#define SWITCH_STATS_BYTES             \
	(sizeof(struct switch_stats) + \
	 SWITCH_STATS_PORTS * sizeof(struct switch_stats_port))

/* A connection's memory, as either side has it. */
struct switch_link {
	void *page; /* NULL: none */
	uint8_t *data[2];
	uint32_t ring_size;
	struct switch_ring to_switch;
	struct switch_ring to_port;
};

/*
 * The switch's side: new memory with rings of @ring_size bytes, a power of
 * two, and its memfd, which the caller sends and closes. 0 or -errno.
 */
int switch_link_create(struct switch_link *k, uint32_t ring_size, int *memfd);

/*
 * The port's side: map what came with @w. @memfd stays the caller's. -EPROTO
 * when it is not what was agreed on.
 */
int switch_link_map(struct switch_link *k, const struct switch_welcome *w,
		    int memfd);

/* Unmap; nothing happens to a link without memory. */
void switch_link_unmap(struct switch_link *k);

void switch_link_fill_hello(struct switch_hello *h, enum switch_wish wish,
			    const char *name);
/* 0; -EPROTO when @len bytes at @h are none; -EPROTONOSUPPORT: its version. */
int switch_link_check_hello(const struct switch_hello *h, size_t len);

/*
 * Send @len bytes as one message, with @pass when that is >= 0. Never blocks.
 * 0 or -errno.
 */
int switch_link_send(int sock, const void *msg, size_t len, int pass);

/*
 * The switch's answer. Never blocks. 0 with @w checked but for its error, and
 * *@memfd the caller's or -1; -errno otherwise.
 */
int switch_link_recv_welcome(int sock, struct switch_welcome *w, int *memfd);
void switch_link_fill_welcome(struct switch_welcome *w, unsigned int port,
			      uint32_t ring_size, int error);

void switch_link_fill_stats(struct switch_stats *st, uint32_t nr_ports);
/* 0, or -EPROTO when @len bytes at @st are no answer. */
int switch_link_check_stats(const struct switch_stats *st, size_t len);

/* Wake the other side. Never blocks; a lost peer is heard of by reading. */
void switch_link_ring_bell(int sock);

/*
 * A new socket, connected to the switch at @path, close-on-exec and
 * non-blocking; or -errno.
 */
int switch_link_connect(const char *path);

#endif
