// SPDX-License-Identifier: MIT
/*
 * net_filter.c - which frames the guest wants to see (virtio 1.2 §5.1.6.5.1:
 * modes, §5.1.6.5.2: addresses, §5.1.6.5.3: VLANs).
 */
#include <string.h>

#include "virtio/net_int.h"

#define ETH_VLAN 0x8100

/* A driver that never says what it wants gets everything. */
void virtio_net_filter_init(struct net_filter *f, const uint8_t *mac,
			    bool by_vlan)
{
	*f = (struct net_filter){ .promisc = true, .by_vlan = by_vlan };
	memcpy(f->own, mac, NET_MAC_LEN);
}

static bool in_table(const uint8_t table[][NET_MAC_LEN], unsigned int nr,
		     const uint8_t *mac)
{
	if (nr > NET_TABLE_MAX)
		return true;
	for (unsigned int i = 0; i < nr; i++)
		if (memcmp(table[i], mac, NET_MAC_LEN) == 0)
			return true;
	return false;
}

static bool wants_vlan(const struct net_filter *f, const uint8_t *head)
{
	unsigned int type = (unsigned int)head[12] << 8 | head[13];
	unsigned int id = ((unsigned int)head[14] << 8 | head[15]) & 0xfff;

	if (!f->by_vlan || type != ETH_VLAN)
		return true;
	return f->vlans[id / 64] >> (id % 64) & 1;
}

static bool wants_address(const struct net_filter *f, const uint8_t *mac)
{
	static const uint8_t everyone[NET_MAC_LEN] = { 0xff, 0xff, 0xff,
						       0xff, 0xff, 0xff };

	if (memcmp(mac, everyone, NET_MAC_LEN) == 0)
		return !f->nobcast;
	if (mac[0] & 1)
		return !f->nomulti &&
		       (f->allmulti || in_table(f->multi, f->nr_multi, mac));
	return !f->nouni &&
	       (f->alluni || memcmp(mac, f->own, NET_MAC_LEN) == 0 ||
		in_table(f->uni, f->nr_uni, mac));
}

bool virtio_net_filter_wants(const struct net_filter *f,
			     const uint8_t head[NET_HEAD_LEN])
{
	return f->promisc || (wants_vlan(f, head) && wants_address(f, head));
}
