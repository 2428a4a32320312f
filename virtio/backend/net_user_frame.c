// SPDX-License-Identifier: MIT
/*
 * net_user_frame.c - which frames of a guest libslirp may see.
 *
 * It is a second parser of what the guest says, in our process: it gets what
 * it is there for (ARP, IPv4, IPv6; not its emulation of a management
 * controller), and headers that are there completely.
 */
#include <string.h>

#include "base/checked.h"
#include "virtio/backend/net_user_int.h"

#define ETH_LEN	 14u
#define ARP_LEN	 28u
#define IP4_LEN	 20u
#define IP6_LEN	 40u
#define FLAGS_AT 13u /* in a TCP header, RFC 9293 §3.1 */
#define FLAG_SYN 0x02
#define FLAG_ACK 0x10
#define PROTOCOL 6 /* TCP */

enum {
	TYPE_IP4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_IP6 = 0x86dd,
};

/*
 * Every protocol has some that open a socket; of TCP, known to be the rest,
 * those that are no first SYN.
 */
static enum netb_user_frame kind_of(const uint8_t *frame, size_t len,
				    uint8_t protocol, size_t at)
{
	uint8_t flags;

	if (protocol != PROTOCOL || !range_fits(at, FLAGS_AT + 1, len))
		return NETB_USER_FRAME_OPENS;
	flags = frame[at + FLAGS_AT];
	if ((flags & FLAG_SYN) && !(flags & FLAG_ACK))
		return NETB_USER_FRAME_OPENS;
	return NETB_USER_FRAME_PLAIN;
}

static enum netb_user_frame ip4_kind(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + ETH_LEN;
	size_t header = (ip[0] & 0xfu) * 4u;

	if (ip[0] >> 4 != 4 || header < IP4_LEN ||
	    !range_fits(ETH_LEN, header, len))
		return NETB_USER_FRAME_BAD;
	return kind_of(frame, len, ip[9], ETH_LEN + header);
}

static enum netb_user_frame ip6_kind(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + ETH_LEN;

	if (ip[0] >> 4 != 6)
		return NETB_USER_FRAME_BAD;
	return kind_of(frame, len, ip[6], ETH_LEN + IP6_LEN);
}

enum netb_user_frame netb_user_frame_kind(const uint8_t *frame, size_t len)
{
	unsigned int type;

	if (len < ETH_LEN)
		return NETB_USER_FRAME_BAD;
	type = (unsigned int)frame[12] << 8 | frame[13];
	if (type == TYPE_ARP && len >= ETH_LEN + ARP_LEN)
		return NETB_USER_FRAME_PLAIN;
	if (type == TYPE_IP4 && len >= ETH_LEN + IP4_LEN)
		return ip4_kind(frame, len);
	if (type == TYPE_IP6 && len >= ETH_LEN + IP6_LEN)
		return ip6_kind(frame, len);
	return NETB_USER_FRAME_BAD;
}
