/* SPDX-License-Identifier: MIT */
/*
 * net_forward.h - a port of the host that leads to one of the guest.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_FORWARD_H
#define MINIVMM_VIRTIO_BACKEND_NET_FORWARD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netb_forward {
	bool udp;
	struct in_addr host;  /* 0.0.0.0: every address of the host */
	struct in_addr guest; /* 0.0.0.0: what DHCP gives the guest first */
	uint16_t host_port;
	uint16_t guest_port;
};

#define NETB_FORWARD_TEXT 64

/* "tcp:127.0.0.1:2222-:22", into NETB_FORWARD_TEXT bytes. */
void netb_forward_text(const struct netb_forward *f, char *buf);

#endif
