// SPDX-License-Identifier: MIT
/*
 * net_forward.c - a port of the host that leads to one of the guest.
 */
#include "virtio/backend/net_forward.h"

#include <arpa/inet.h>
#include <stdio.h>

static void address_text(struct in_addr a, char *buf)
{
	buf[0] = '\0';
	if (a.s_addr)
		inet_ntop(AF_INET, &a, buf, INET_ADDRSTRLEN);
}

void netb_forward_text(const struct netb_forward *f, char *buf)
{
	char host[INET_ADDRSTRLEN], guest[INET_ADDRSTRLEN];

	address_text(f->host, host);
	address_text(f->guest, guest);
	snprintf(buf, NETB_FORWARD_TEXT, "%s:%s:%u-%s:%u",
		 f->udp ? "udp" : "tcp", host, f->host_port, guest,
		 f->guest_port);
}
