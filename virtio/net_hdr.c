// SPDX-License-Identifier: MIT
/*
 * net_hdr.c - the header in front of a frame: what a guest may ask for, and
 * what it can be given (virtio 1.2 §5.1.6.2 and §5.1.6.4).
 */
#include <linux/if_tun.h>

#include "base/checked.h"
#include "virtio/net_int.h"

#define TCP_HEADER 20
#define UDP_HEADER 8

static const struct {
	uint8_t gso_type;
	uint8_t header; /* the least behind csum_start */
	uint64_t feature;
	unsigned int offload;
} gso_kinds[] = {
	{ NET_GSO_TCPV4, TCP_HEADER, NET_F_HOST_TSO4, TUN_F_TSO4 },
	{ NET_GSO_TCPV6, TCP_HEADER, NET_F_HOST_TSO6, TUN_F_TSO6 },
	{ NET_GSO_UDP, UDP_HEADER, NET_F_HOST_UFO, TUN_F_UFO },
};

/* The sum lies behind the Ethernet header and inside the frame. */
static bool sum_fits(const struct net_hdr *h, uint64_t len)
{
	uint64_t start = le16_get(h->csum_start);

	return start >= NET_ETH_LEN && start <= len &&
	       range_fits(le16_get(h->csum_offset), 2, len - start);
}

/* Segments need a size, and what they are made of a checksum (§5.1.6.2.1). */
static bool gso_fits(const struct net_hdr *h, uint64_t len, uint64_t features)
{
	uint8_t type = h->gso_type & (uint8_t)~NET_GSO_ECN;

	if (!le16_get(h->gso_size) || !(h->flags & NET_HDR_NEEDS_CSUM))
		return false;
	if ((h->gso_type & NET_GSO_ECN) && !(features & NET_F_HOST_ECN))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(gso_kinds); i++)
		if (gso_kinds[i].gso_type == type)
			return (features & gso_kinds[i].feature) &&
			       range_fits(le16_get(h->csum_start),
					  gso_kinds[i].header, len);
	return false;
}

bool virtio_net_hdr_clean(struct net_hdr *h, uint64_t len, uint64_t features)
{
	/* Unknown flags are to be ignored: virtio 1.2 §5.1.6.2.2. */
	h->flags &= NET_HDR_NEEDS_CSUM;
	if (!(features & NET_F_CSUM) && h->flags)
		return false;
	h->num_buffers = le16_put(0);
	if (!h->flags) {
		h->csum_start = le16_put(0);
		h->csum_offset = le16_put(0);
	} else if (!sum_fits(h, len)) {
		return false;
	}
	if (h->gso_type == NET_GSO_NONE) {
		h->hdr_len = le16_put(0);
		h->gso_size = le16_put(0);
		return true;
	}
	/* A hint, and no more: §5.1.6.2.2. */
	if (le16_get(h->hdr_len) > len)
		h->hdr_len = le16_put((uint16_t)len);
	return gso_fits(h, len, features);
}

bool virtio_net_hdr_suits(const struct net_hdr *h, unsigned int offloads)
{
	uint8_t type = h->gso_type & (uint8_t)~NET_GSO_ECN;

	if ((h->flags & NET_HDR_NEEDS_CSUM) && !(offloads & TUN_F_CSUM))
		return false;
	if (h->gso_type == NET_GSO_NONE)
		return true;
	if ((h->gso_type & NET_GSO_ECN) && !(offloads & TUN_F_TSO_ECN))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(gso_kinds); i++)
		if (gso_kinds[i].gso_type == type)
			return offloads & gso_kinds[i].offload;
	return false;
}
