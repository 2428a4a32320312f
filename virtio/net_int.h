/* SPDX-License-Identifier: MIT */
/*
 * net_int.h - what the files of the network adapter share.
 *
 *   net.c         features, configuration space, life, who serves which queue
 *   net_rx.c      frames for the guest: backend -> receive queues
 *   net_tx.c      frames of the guest: transmit queues -> backend
 *   net_hdr.c     the header in front of a frame: what may be in it
 *   net_ctrl.c    commands of the control queue
 *   net_filter.c  which frames the guest wants to see
 *
 * All of it: loop thread only.
 */
#ifndef MINIVMM_VIRTIO_NET_INT_H
#define MINIVMM_VIRTIO_NET_INT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/le.h"
#include "virtio/backend/net.h"
#include "virtio/device.h"
#include "virtio/limit.h"

/* virtio 1.2 §5.1.3 */
#define NET_F_CSUM		  (1ull << 0)
#define NET_F_GUEST_CSUM	  (1ull << 1)
#define NET_F_CTRL_GUEST_OFFLOADS (1ull << 2)
#define NET_F_MTU		  (1ull << 3)
#define NET_F_MAC		  (1ull << 5)
#define NET_F_GUEST_TSO4	  (1ull << 7)
#define NET_F_GUEST_TSO6	  (1ull << 8)
#define NET_F_GUEST_ECN		  (1ull << 9)
#define NET_F_GUEST_UFO		  (1ull << 10)
#define NET_F_HOST_TSO4		  (1ull << 11)
#define NET_F_HOST_TSO6		  (1ull << 12)
#define NET_F_HOST_ECN		  (1ull << 13)
#define NET_F_HOST_UFO		  (1ull << 14)
#define NET_F_MRG_RXBUF		  (1ull << 15)
#define NET_F_STATUS		  (1ull << 16)
#define NET_F_CTRL_VQ		  (1ull << 17)
#define NET_F_CTRL_RX		  (1ull << 18)
#define NET_F_CTRL_VLAN		  (1ull << 19)
#define NET_F_CTRL_RX_EXTRA	  (1ull << 20)
#define NET_F_GUEST_ANNOUNCE	  (1ull << 21)
#define NET_F_MQ		  (1ull << 22)
#define NET_F_CTRL_MAC_ADDR	  (1ull << 23)

#define NET_F_GUEST_ALL                                           \
	(NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | \
	 NET_F_GUEST_ECN | NET_F_GUEST_UFO)

/* virtio 1.2 §5.1.4 */
#define NET_S_LINK_UP  1u
#define NET_S_ANNOUNCE 2u

#define NET_QUEUE_MAX 256

/* virtio 1.2 §5.1.6, struct virtio_net_hdr */
struct net_hdr {
	uint8_t flags;
	uint8_t gso_type;
	le16 hdr_len;
	le16 gso_size;
	le16 csum_start;
	le16 csum_offset;
	le16 num_buffers;
};

_Static_assert(sizeof(struct net_hdr) == NET_HDR_LEN, "virtio 1.2 §5.1.6");

#define NET_HDR_NEEDS_CSUM 1
#define NET_HDR_DATA_VALID 2

#define NET_GSO_NONE  0
#define NET_GSO_TCPV4 1
#define NET_GSO_UDP   3
#define NET_GSO_TCPV6 4
#define NET_GSO_ECN   0x80

#define NET_ETH_LEN  14
#define NET_VLAN_LEN 4
/* Enough of a frame to decide whether the guest wants it. */
#define NET_HEAD_LEN (NET_ETH_LEN + NET_VLAN_LEN)

#define NET_TABLE_MAX 64 /* addresses of a kind; with more, all pass */

/* virtio 1.2 §5.1.6.5.1 to §5.1.6.5.3 */
struct net_filter {
	bool promisc, allmulti, alluni, nomulti, nouni, nobcast;
	bool by_vlan; /* VIRTIO_NET_F_CTRL_VLAN was negotiated */
	uint8_t own[NET_MAC_LEN];
	unsigned int nr_uni, nr_multi; /* NET_TABLE_MAX + 1: too many */
	uint8_t uni[NET_TABLE_MAX][NET_MAC_LEN];
	uint8_t multi[NET_TABLE_MAX][NET_MAC_LEN];
	uint64_t vlans[4096 / 64]; /* a bit each */
};

#define NET_WINDOW_IOV	  1000 /* of NET_PIECES_MAX */
#define NET_WINDOW_CHAINS 128

/*
 * Buffers popped for the next frames: with mergeable buffers nobody knows how
 * many a frame takes before it is there. What is left at the end of a turn
 * goes back to the queue.
 */
struct net_window {
	struct iovec iov[NET_WINDOW_IOV];
	struct {
		uint16_t head;
		uint16_t nr_iov;
		uint32_t len;
	} chain[NET_WINDOW_CHAINS];
	unsigned int nr_iov;
	uint16_t nr_chains;
	uint64_t room; /* bytes */
};

struct net_pair {
	bool rx_waits;	  /* for the backend's readable() */
	bool tx_waits;	  /* for the backend's writable() */
	bool rx_ample;	  /* the queue has had buffers for any frame */
	bool rx_short;	  /* waits for more buffers, for a while */
	uint16_t tx_sent; /* frames that the driver was not shown yet */
	uint64_t rx_vain; /* bytes of buffers that are all there will be */
};

struct net {
	struct virtio_dev dev;
	struct net_backend *backend;
	unsigned int offloads; /* TUN_F_*, the backend's */
	unsigned int nr_pairs;
	uint8_t first_mac[NET_MAC_LEN]; /* after a reset */
	uint16_t mtu;
	/* Any thread reads these: what the configuration space says. */
	_Atomic uint64_t mac; /* the first byte is the lowest */
	atomic_uint status;   /* NET_S_* */
	atomic_bool said_header, said_backend;

	unsigned int active_pairs;
	unsigned int guest_offloads; /* TUN_F_*, in force */
	bool merge;		     /* VIRTIO_NET_F_MRG_RXBUF */
	uint64_t enough;	     /* bytes that take any frame */
	struct net_pair pairs[NET_QUEUES_MAX];
	struct net_filter filter;
	struct net_window window;
	struct vq_chain chain;
	struct virtio_limit rx_limit, tx_limit;
	struct loop_task task;
	struct loop_op show; /* timers: see net_tx.c */
	struct loop_op more; /* and net_rx.c */
	uint32_t again;	     /* pairs that the task shall serve */
};

/* net.c */

/* The TUN_F_* bits of the VIRTIO_NET_F_GUEST_* bits of @features. */
unsigned int virtio_net_guest_offloads(uint64_t features);
/* What frames for the guest may carry from here on. 0 or -errno. */
int virtio_net_set_offloads(struct net *n, unsigned int offloads);
/* Use @nr pairs, 1 .. n->nr_pairs. 0 or -errno. */
int virtio_net_set_pairs(struct net *n, unsigned int nr);
void virtio_net_set_mac(struct net *n, const uint8_t *mac);
/* The guest has announced itself. */
void virtio_net_announced(struct net *n);
/* The backend's link went up or down. */
void virtio_net_set_link(struct net *n, bool up);
/* Serve the receive queue of @pair once more, in the loop's next turn. */
void virtio_net_again(struct net *n, unsigned int pair);

/* net_rx.c and net_tx.c: serve one queue. */
void virtio_net_receive(struct net *n, unsigned int pair);
void virtio_net_transmit(struct net *n, unsigned int pair);

/* net_tx.c: n->show rings. net_rx.c: n->more does. */
void virtio_net_show_sent(struct loop_op *op, int res);
void virtio_net_more_in_vain(struct loop_op *op, int res);

/* net_ctrl.c */
void virtio_net_control(struct net *n, uint16_t q);

/* net_hdr.c */

/*
 * Make of the header that a guest wrote, in @h, one that a backend takes:
 * unknown flags and what was not negotiated are gone. False when the frame
 * of @len bytes behind it cannot be sent: @h asks for something that
 * @features do not have, or for something outside of the frame.
 */
bool virtio_net_hdr_clean(struct net_hdr *h, uint64_t len, uint64_t features);

/* May a frame with the header @h go to a guest that took @offloads? */
bool virtio_net_hdr_suits(const struct net_hdr *h, unsigned int offloads);

/* net_filter.c */

void virtio_net_filter_init(struct net_filter *f, const uint8_t *mac,
			    bool by_vlan);
/* Does the guest want the frame that begins with @head? */
bool virtio_net_filter_wants(const struct net_filter *f,
			     const uint8_t head[NET_HEAD_LEN]);

#endif
