/* SPDX-License-Identifier: MIT */
/*
 * net.h - where the frames of a network adapter go and come from: one
 * interface, a file for each kind (net_tap.c, net_user.c, ...). Knows nothing
 * of virtio queues.
 *
 * How it works. Both directions are pulled by the adapter's owner, straight
 * from or into the buffers it has, so nothing is copied on the way where the
 * host interface allows:
 *
 *   owner                                    backend
 *   send(q, iov)   a frame for the host ---> writev(2), a ring, a copy
 *     -EAGAIN: full; stop             <----- writable(q), once
 *   recv(q, iov)   a frame for the guest <-- readv(2), a ring, a copy
 *     -EAGAIN: none; stop             <----- readable(q), once
 *
 * A call never blocks. After -EAGAIN, and only then, its event comes exactly
 * once, from the loop and never from inside a call. An owner without buffers
 * just does not call recv(): what then arrives waits in the backend, up to a
 * bound, and is dropped and counted behind it.
 *
 * Each frame has a struct virtio_net_hdr_v1 (linux/virtio_net.h, 12 bytes,
 * little-endian) in front, in both directions, as a tap with a vnet header of
 * that size has it. num_buffers is the owner's: backends neither read nor set
 * it. The frame begins with the destination address and has no FCS.
 *
 * Offloads are TUN_F_* bits (linux/if_tun.h). A backend with offloads() == 0
 * is sent complete frames of at most 14 + 4 + MTU bytes whose header is zero,
 * and refuses others with -EINVAL; it hands out the same. Owners check the
 * header that a guest wrote before they send it.
 *
 * Loop thread only; before loop_run() the thread that created the loop.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_H
#define MINIVMM_VIRTIO_BACKEND_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define NET_QUEUES_MAX 8
#define NET_HDR_LEN    12 /* struct virtio_net_hdr_v1 */
#define NET_MAC_LEN    6
#define NET_MTU_MIN    68    /* RFC 791 */
#define NET_MTU_MAX    65535 /* virtio 1.2 §5.1.4.1 */
/* The longest frame without its header: IP packet, Ethernet, one VLAN tag. */
#define NET_FRAME_MAX (65535 + 14 + 4)
/* Pieces of one send or recv: readv(2) takes 1024, and a backend may add one. */
#define NET_PIECES_MAX 1023

struct net_backend;

/* What the owner is told. Unset members are not called. */
struct net_events {
	void (*readable)(void *ctx, unsigned int q);
	void (*writable)(void *ctx, unsigned int q);
	/* The link went up or down; it is up at first. */
	void (*link)(void *ctx, bool up);
	void *ctx;
};

struct net_backend_ops {
	const char *kind; /* "tap", for logs */
	/* Offloads it can do, both ways. NULL: none. */
	unsigned int (*offloads)(const struct net_backend *b);
	/*
	 * From here on frames may carry what @offloads says, towards the
	 * owner; 0 at first and after each reset. 0 or -errno. NULL: only 0.
	 */
	int (*set_offloads)(struct net_backend *b, unsigned int offloads);
	/*
	 * Use queues 0 .. @nr - 1 only; 1 at first. 0 or -errno. NULL: one
	 * queue is all there is.
	 */
	int (*set_queues)(struct net_backend *b, unsigned int nr);
	/*
	 * One frame, header first. 0: taken; the buffers are the caller's
	 * again. -EAGAIN: see above. Another -errno: this frame is lost.
	 */
	int (*send)(struct net_backend *b, unsigned int q,
		    const struct iovec *iov, unsigned int nr);
	/*
	 * The next frame, header first: its length with the header.
	 * -EAGAIN: see above. -EMSGSIZE: it did not fit and is lost. Another
	 * -errno: this queue gives no more frames.
	 */
	ssize_t (*recv)(struct net_backend *b, unsigned int q,
			const struct iovec *iov, unsigned int nr);
	/* No event comes from here on; the loop may still run. */
	void (*destroy)(struct net_backend *b);
};

/*
 * Of complete frames with TCP a backend may take longer ones than the MTU
 * allows: of so many bytes. 0: it does not.
 */
struct net_long_frames {
	size_t tcp4; /* over IPv4 */
	size_t tcp6; /* over IPv6 */
};

/* Embedded first in every backend. */
struct net_backend {
	const struct net_backend_ops *ops;
	struct net_events events; /* the owner's, set by net_attach() */
	unsigned int nr_queues;	  /* it has, 1 .. NET_QUEUES_MAX */
	struct net_long_frames takes;
};

/* Before the first send or recv. */
static inline void net_attach(struct net_backend *b,
			      const struct net_events *ev)
{
	b->events = *ev;
}

/* NULL is allowed. */
static inline void net_destroy(struct net_backend *b)
{
	if (b)
		b->ops->destroy(b);
}

#endif
