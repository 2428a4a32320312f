// SPDX-License-Identifier: MIT
/*
 * net.c - the virtio network adapter (virtio 1.2 §5.1): features, configuration
 * space, life, and who serves which queue. Knows nothing of taps or sockets:
 * a backend (backend/net.h) takes and gives frames.
 *
 * How it works. Queues 2n and 2n + 1 receive and transmit for pair n; the
 * control queue is behind the last pair that the driver knows of. A queue is
 * served when the guest kicks it, when the backend says that it can go on, or
 * when a turn had to end early. No chain is out between two turns, so resets
 * and stops wait for nothing; that a frame was sent the driver may hear later.
 */
#include "virtio/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_tun.h>

#include "base/checked.h"
#include "virtio/net_int.h"

/* virtio 1.2 §5.1.4 */
struct net_config {
	uint8_t mac[NET_MAC_LEN];
	le16 status;
	le16 max_virtqueue_pairs;
	le16 mtu;
};

_Static_assert(sizeof(struct net_config) == 12, "virtio 1.2 §5.1.4");

/* virtio's offloads and the host's */
static const struct {
	uint64_t guest, host;
	unsigned int tun;
} offload_bits[] = {
	{ NET_F_GUEST_CSUM, NET_F_CSUM, TUN_F_CSUM },
	{ NET_F_GUEST_TSO4, NET_F_HOST_TSO4, TUN_F_TSO4 },
	{ NET_F_GUEST_TSO6, NET_F_HOST_TSO6, TUN_F_TSO6 },
	{ NET_F_GUEST_ECN, NET_F_HOST_ECN, TUN_F_TSO_ECN },
	{ NET_F_GUEST_UFO, NET_F_HOST_UFO, TUN_F_UFO },
};

static struct net *to_net(struct virtio_dev *d)
{
	return container_of(d, struct net, dev);
}

/* Without checksums a host does no segments either. */
unsigned int virtio_net_guest_offloads(uint64_t features)
{
	unsigned int tun = 0;

	if (!(features & NET_F_GUEST_CSUM))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(offload_bits); i++)
		if (features & offload_bits[i].guest)
			tun |= offload_bits[i].tun;
	return tun;
}

static uint64_t offload_features(const struct net *n)
{
	uint64_t f = 0;

	for (size_t i = 0; i < ARRAY_SIZE(offload_bits); i++)
		if (n->offloads & offload_bits[i].tun)
			f |= offload_bits[i].guest | offload_bits[i].host;
	return f ? f | NET_F_CTRL_GUEST_OFFLOADS : 0;
}

static uint64_t net_features(struct virtio_dev *d)
{
	const struct net *n = to_net(d);
	uint64_t f = NET_F_MAC | NET_F_MRG_RXBUF | NET_F_STATUS |
		     NET_F_CTRL_VQ | NET_F_CTRL_RX | NET_F_CTRL_VLAN |
		     NET_F_CTRL_RX_EXTRA | NET_F_GUEST_ANNOUNCE |
		     NET_F_CTRL_MAC_ADDR | offload_features(n);

	if (n->mtu)
		f |= NET_F_MTU;
	if (n->nr_pairs > 1)
		f |= NET_F_MQ;
	return f;
}

static void net_config_read(struct virtio_dev *d, size_t off, void *buf,
			    size_t len)
{
	struct net *n = to_net(d);
	uint64_t mac = n->mac;
	struct net_config c = {
		.status = le16_put((uint16_t)n->status),
		.max_virtqueue_pairs = le16_put((uint16_t)n->nr_pairs),
		.mtu = le16_put(n->mtu),
	};

	for (int i = 0; i < NET_MAC_LEN; i++)
		c.mac[i] = (uint8_t)(mac >> (8 * i));
	memcpy(buf, (const char *)&c + off, len);
}

void virtio_net_set_mac(struct net *n, const uint8_t *mac)
{
	uint64_t v = 0;

	for (int i = NET_MAC_LEN; i-- > 0;)
		v = v << 8 | mac[i];
	n->mac = v;
	memcpy(n->filter.own, mac, NET_MAC_LEN);
}

/* Segments are long; without them a frame is what the MTU says, if known. */
static uint64_t largest_frame(const struct net *n)
{
	const unsigned int segments = TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_UFO;

	if (n->guest_offloads & segments)
		return sizeof(struct net_hdr) + NET_FRAME_MAX;
	return sizeof(struct net_hdr) + NET_HEAD_LEN + max_u64(n->mtu, 1500);
}

int virtio_net_set_offloads(struct net *n, unsigned int offloads)
{
	const struct net_backend_ops *ops = n->backend->ops;
	int err = 0;

	if (offloads != n->guest_offloads && ops->set_offloads)
		err = ops->set_offloads(n->backend, offloads);
	if (err)
		return err;
	n->guest_offloads = offloads;
	n->enough = largest_frame(n);
	return 0;
}

int virtio_net_set_pairs(struct net *n, unsigned int nr)
{
	const struct net_backend_ops *ops = n->backend->ops;
	unsigned int had = n->active_pairs;
	int err = 0;

	if (nr != had && ops->set_queues)
		err = ops->set_queues(n->backend, nr);
	if (err)
		return err;
	n->active_pairs = nr;
	for (unsigned int i = had; i < nr; i++)
		virtio_net_again(n, i);
	return 0;
}

/* Who serves which queue */

/* The control queue's number: virtio 1.2 §5.1.2. */
static uint16_t control_queue(const struct net *n)
{
	bool mq = virtio_dev_has(&n->dev, NET_F_MQ);

	return (uint16_t)(2 * (mq ? n->nr_pairs : 1));
}

static void net_kick(struct virtio_dev *d, uint16_t q)
{
	struct net *n = to_net(d);
	uint16_t control = control_queue(n);

	if (q > control)
		return;
	if (q == control)
		virtio_net_control(n, q);
	else if (q % 2)
		virtio_net_transmit(n, q / 2);
	else
		virtio_net_receive(n, q / 2);
}

void virtio_net_again(struct net *n, unsigned int pair)
{
	n->again |= 1u << pair;
	loop_post(n->dev.loop, &n->task);
}

static void handle_task(struct loop_task *t)
{
	struct net *n = container_of(t, struct net, task);
	uint32_t again = n->again;

	n->again = 0;
	for (unsigned int i = 0; i < n->active_pairs; i++)
		if (again & (1u << i))
			virtio_dev_kick(&n->dev, (uint16_t)(2 * i));
}

static void handle_readable(void *ctx, unsigned int q)
{
	struct net *n = ctx;

	n->pairs[q].rx_waits = false;
	if (q < n->active_pairs)
		virtio_dev_kick(&n->dev, (uint16_t)(2 * q));
}

/* Queues of pairs that are not active may have sent through this one. */
static void handle_writable(void *ctx, unsigned int q)
{
	struct net *n = ctx;
	uint16_t control;

	n->pairs[q].tx_waits = false;
	if (!n->dev.active)
		return;
	control = control_queue(n);
	for (unsigned int i = q; 2 * i + 1 < control; i += n->active_pairs)
		virtio_dev_kick(&n->dev, (uint16_t)(2 * i + 1));
}

static void handle_rx_limit(struct virtio_limit *l)
{
	struct net *n = container_of(l, struct net, rx_limit);

	for (unsigned int i = 0; i < n->active_pairs; i++)
		virtio_dev_kick(&n->dev, (uint16_t)(2 * i));
}

static void handle_tx_limit(struct virtio_limit *l)
{
	struct net *n = container_of(l, struct net, tx_limit);

	for (unsigned int i = 0; i < n->nr_pairs; i++)
		virtio_dev_kick(&n->dev, (uint16_t)(2 * i + 1));
}

/* A link that comes back is another network, maybe: §5.1.6.5.4. */
void virtio_net_set_link(struct net *n, bool up)
{
	unsigned int was = n->status;
	unsigned int status = up ? was | NET_S_LINK_UP : was & ~NET_S_LINK_UP;

	if (status == was)
		return;
	if (up && n->dev.active &&
	    virtio_dev_has(&n->dev, NET_F_GUEST_ANNOUNCE))
		status |= NET_S_ANNOUNCE;
	n->status = status;
	virtio_dev_config_changed(&n->dev);
}

static void handle_link(void *ctx, bool up)
{
	virtio_net_set_link(ctx, up);
}

void virtio_net_announced(struct net *n)
{
	n->status &= ~NET_S_ANNOUNCE;
}

/* Life */

static int net_activate(struct virtio_dev *d)
{
	struct net *n = to_net(d);

	n->merge = virtio_dev_has(d, NET_F_MRG_RXBUF);
	n->filter.by_vlan = virtio_dev_has(d, NET_F_CTRL_VLAN);
	return virtio_net_set_offloads(
		n, virtio_net_guest_offloads(d->driver_features));
}

/* As at first; of the backend's events those that are due still come. */
static void net_reset(struct virtio_dev *d)
{
	struct net *n = to_net(d);

	virtio_net_set_offloads(n, 0);
	virtio_net_set_pairs(n, 1);
	virtio_net_filter_init(&n->filter, n->first_mac, false);
	virtio_net_set_mac(n, n->first_mac);
	virtio_net_announced(n);
	for (unsigned int i = 0; i < n->nr_pairs; i++) {
		n->pairs[i].rx_ample = false;
		n->pairs[i].rx_short = false;
		n->pairs[i].rx_vain = 0;
		n->pairs[i].tx_sent = 0;
	}
}

static void net_dev_destroy(struct virtio_dev *d)
{
	struct net *n = to_net(d);

	net_destroy(n->backend);
	virtio_dev_fini(d);
	free(n);
}

static const struct virtio_dev_ops net_ops = {
	.name = "net",
	.type = 1, /* virtio 1.2 §5.1.1 */
	.queue_max = NET_QUEUE_MAX,
	.config_len = sizeof(struct net_config),
	.features = net_features,
	.config_read = net_config_read,
	.activate = net_activate,
	.reset = net_reset,
	.queue_kick = net_kick,
	.destroy = net_dev_destroy,
};

static void init_net(struct net *n, const struct virtio_net_params *p)
{
	const struct net_backend_ops *ops = p->backend->ops;
	const struct net_events events = {
		.readable = handle_readable,
		.writable = handle_writable,
		.link = handle_link,
		.ctx = n,
	};

	n->backend = p->backend;
	n->offloads = ops->offloads ? ops->offloads(p->backend) : 0;
	n->nr_pairs = p->backend->nr_queues;
	n->active_pairs = 1;
	n->mtu = p->mtu;
	n->status = NET_S_LINK_UP;
	n->task.fn = handle_task;
	n->show.name = "net sent";
	n->show.done = virtio_net_show_sent;
	n->more.name = "net buffers";
	n->more.done = virtio_net_more_in_vain;
	virtio_limit_init(&n->rx_limit, p->limit, n->dev.loop, handle_rx_limit);
	virtio_limit_init(&n->tx_limit, p->limit, n->dev.loop, handle_tx_limit);
	n->enough = largest_frame(n);
	memcpy(n->first_mac, p->mac, NET_MAC_LEN);
	virtio_net_filter_init(&n->filter, p->mac, false);
	virtio_net_set_mac(n, p->mac);
	net_attach(p->backend, &events);
}

int virtio_net_create(struct virtio_dev **out, struct ram *ram,
		      struct loop *loop, const struct virtio_net_params *p)
{
	struct net *n;
	int err;

	*out = NULL;
	n = calloc(1, sizeof(*n));
	if (!n) {
		net_destroy(p->backend);
		return -ENOMEM;
	}
	/* A pair per queue of the backend, and the control queue */
	err = virtio_dev_init(&n->dev, &net_ops, p->name, ram, loop,
			      (uint16_t)(2 * p->backend->nr_queues + 1));
	if (err) {
		net_destroy(p->backend);
		free(n);
		return err;
	}
	init_net(n, p);
	*out = &n->dev;
	return 0;
}
