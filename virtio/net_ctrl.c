// SPDX-License-Identifier: MIT
/*
 * net_ctrl.c - commands of the control queue (virtio 1.2 §5.1.6.5): a class,
 * a command, data; the answer is one byte.
 */
#include <string.h>

#include "base/checked.h"
#include "base/iov.h"
#include "virtio/net_int.h"

/* virtio 1.2 §5.1.6.5 */
enum ctrl_class {
	CTRL_RX = 0,
	CTRL_MAC = 1,
	CTRL_VLAN = 2,
	CTRL_ANNOUNCE = 3,
	CTRL_MQ = 4,
	CTRL_GUEST_OFFLOADS = 5,
};

enum ctrl_command {
	CTRL_RX_PROMISC = 0,
	CTRL_RX_ALLMULTI = 1,
	CTRL_RX_ALLUNI = 2,
	CTRL_RX_NOMULTI = 3,
	CTRL_RX_NOUNI = 4,
	CTRL_RX_NOBCAST = 5,
	CTRL_MAC_TABLE_SET = 0,
	CTRL_MAC_ADDR_SET = 1,
	CTRL_VLAN_ADD = 0,
	CTRL_VLAN_DEL = 1,
	CTRL_ANNOUNCE_ACK = 0,
	CTRL_MQ_VQ_PAIRS_SET = 0,
	CTRL_GUEST_OFFLOADS_SET = 0,
};

#define CTRL_OK	 0
#define CTRL_ERR 1

/* A command: what is left of its data. */
struct command {
	const struct vq_chain *chain;
	size_t at;
};

/* Take the next @len bytes; false when there are not so many. */
static bool take(struct command *c, void *buf, size_t len)
{
	if (iov_read(c->chain->readable, c->chain->nr_readable, c->at, buf,
		     len) != len)
		return false;
	c->at += len;
	return true;
}

/* virtio 1.2 §5.1.6.5.1 */
static bool set_rx_mode(struct net *n, uint8_t cmd, struct command *c)
{
	struct net_filter *f = &n->filter;
	bool *const modes[] = {
		[CTRL_RX_PROMISC] = &f->promisc,
		[CTRL_RX_ALLMULTI] = &f->allmulti,
		[CTRL_RX_ALLUNI] = &f->alluni,
		[CTRL_RX_NOMULTI] = &f->nomulti,
		[CTRL_RX_NOUNI] = &f->nouni,
		[CTRL_RX_NOBCAST] = &f->nobcast,
	};
	uint64_t feature =
		cmd <= CTRL_RX_ALLMULTI ? NET_F_CTRL_RX : NET_F_CTRL_RX_EXTRA;
	uint8_t on;

	if (cmd >= ARRAY_SIZE(modes) || !virtio_dev_has(&n->dev, feature) ||
	    !take(c, &on, sizeof(on)))
		return false;
	*modes[cmd] = on;
	return true;
}

/*
 * One of the two tables: a count and so many addresses. Those past the end of
 * ours are skipped, and everything of their kind passes.
 */
static bool take_table(struct command *c, uint8_t table[][NET_MAC_LEN],
		       unsigned int *nr)
{
	uint64_t skip;
	le32 count;

	if (!take(c, &count, sizeof(count)))
		return false;
	*nr = (unsigned int)min_u64(le32_get(count), NET_TABLE_MAX + 1);
	if (*nr <= NET_TABLE_MAX)
		return take(c, table, *nr * (size_t)NET_MAC_LEN);
	skip = (uint64_t)le32_get(count) * NET_MAC_LEN;
	if (!range_fits(c->at, skip, c->chain->readable_len))
		return false;
	c->at += skip;
	return true;
}

/* virtio 1.2 §5.1.6.5.2; a command that is no good changes nothing. */
static bool set_mac_table(struct net *n, struct command *c)
{
	struct net_filter f = n->filter;

	if (!virtio_dev_has(&n->dev, NET_F_CTRL_RX) ||
	    !take_table(c, f.uni, &f.nr_uni) ||
	    !take_table(c, f.multi, &f.nr_multi))
		return false;
	n->filter = f;
	return true;
}

static bool set_mac(struct net *n, struct command *c)
{
	uint8_t mac[NET_MAC_LEN];

	if (!virtio_dev_has(&n->dev, NET_F_CTRL_MAC_ADDR) ||
	    !take(c, mac, sizeof(mac)))
		return false;
	virtio_net_set_mac(n, mac);
	return true;
}

/* virtio 1.2 §5.1.6.5.3 */
static bool set_vlan(struct net *n, uint8_t cmd, struct command *c)
{
	le16 id;
	uint64_t bit;
	uint64_t *word;

	if (!virtio_dev_has(&n->dev, NET_F_CTRL_VLAN) || cmd > CTRL_VLAN_DEL ||
	    !take(c, &id, sizeof(id)) || le16_get(id) >= 4096)
		return false;
	word = &n->filter.vlans[le16_get(id) / 64];
	bit = 1ull << (le16_get(id) % 64);
	*word = cmd == CTRL_VLAN_ADD ? *word | bit : *word & ~bit;
	return true;
}

/* virtio 1.2 §5.1.6.5.4 */
static bool end_announcement(struct net *n, uint8_t cmd)
{
	if (!virtio_dev_has(&n->dev, NET_F_GUEST_ANNOUNCE) ||
	    cmd != CTRL_ANNOUNCE_ACK)
		return false;
	virtio_net_announced(n);
	return true;
}

/* virtio 1.2 §5.1.6.5.5 */
static bool set_pairs(struct net *n, uint8_t cmd, struct command *c)
{
	le16 nr;

	return virtio_dev_has(&n->dev, NET_F_MQ) &&
	       cmd == CTRL_MQ_VQ_PAIRS_SET && take(c, &nr, sizeof(nr)) &&
	       le16_get(nr) && le16_get(nr) <= n->nr_pairs &&
	       !virtio_net_set_pairs(n, le16_get(nr));
}

/* virtio 1.2 §5.1.6.5.8: a part of what was negotiated. */
static bool set_offloads(struct net *n, uint8_t cmd, struct command *c)
{
	uint64_t may = n->dev.driver_features & NET_F_GUEST_ALL;
	le64 want;

	if (!virtio_dev_has(&n->dev, NET_F_CTRL_GUEST_OFFLOADS) ||
	    cmd != CTRL_GUEST_OFFLOADS_SET || !take(c, &want, sizeof(want)) ||
	    (le64_get(want) & ~may))
		return false;
	return !virtio_net_set_offloads(
		n, virtio_net_guest_offloads(le64_get(want)));
}

static bool execute(struct net *n, struct command *c)
{
	uint8_t class_cmd[2];

	if (!take(c, class_cmd, sizeof(class_cmd)))
		return false;
	switch ((enum ctrl_class)class_cmd[0]) {
	case CTRL_RX:
		return set_rx_mode(n, class_cmd[1], c);
	case CTRL_MAC:
		if (class_cmd[1] == CTRL_MAC_TABLE_SET)
			return set_mac_table(n, c);
		return class_cmd[1] == CTRL_MAC_ADDR_SET && set_mac(n, c);
	case CTRL_VLAN:
		return set_vlan(n, class_cmd[1], c);
	case CTRL_ANNOUNCE:
		return end_announcement(n, class_cmd[1]);
	case CTRL_MQ:
		return set_pairs(n, class_cmd[1], c);
	case CTRL_GUEST_OFFLOADS:
		return set_offloads(n, class_cmd[1], c);
	}
	return false;
}

void virtio_net_control(struct net *n, uint16_t q)
{
	struct virtio_dev *d = &n->dev;
	struct vq_chain *chain = &n->chain;

	while (virtio_dev_pop(d, q, chain)) {
		struct command c = { .chain = chain };
		uint8_t ack;

		if (!chain->writable_len) {
			virtio_dev_broken(d, "a command without room for the "
					     "answer");
			virtio_dev_push(d, q, chain, 0);
			return;
		}
		ack = execute(n, &c) ? CTRL_OK : CTRL_ERR;
		vq_chain_write(d->ram, chain, 0, &ack, sizeof(ack));
		virtio_dev_push(d, q, chain, sizeof(ack));
	}
}
