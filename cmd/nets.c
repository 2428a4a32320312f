// SPDX-License-Identifier: MIT
/*
 * nets.c - opens the host's side of a network adapter, whatever its kind.
 *
 * To add a kind: its file in virtio/backend/, a function here that makes
 * parameters of the configuration, a line in openers[].
 */
#include "cmd/nets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/checked.h"
#include "config/config.h"
#include "virtio/backend/net.h"
#include "virtio/backend/net_offload.h"
#include "virtio/backend/net_passt.h"
#include "virtio/backend/net_switch.h"
#include "virtio/backend/net_tap.h"
#include "virtio/backend/net_user.h"

typedef int opener_fn(struct net_backend **out, const struct config_net *cfg,
		      const char *owner, struct loop *loop, char *why,
		      size_t why_len);

static int open_tap(struct net_backend **out, const struct config_net *cfg,
		    const char *owner, struct loop *loop, char *why,
		    size_t why_len)
{
	const struct netb_tap_params p = {
		.name = cfg->arg,
		.fds = cfg->fds,
		.queues = cfg->queues,
		.mtu = cfg->mtu,
	};

	(void)owner;
	return netb_tap_open(out, &p, loop, why, why_len);
}

/* Room for CONFIG_LIST_MAX at @out; config_validate() was content with them. */
static size_t forwards_of(const struct config_net *cfg,
			  struct netb_forward *out)
{
	struct config_forward f;
	size_t n = 0;

	for (size_t i = 0; i < cfg->hostfwd.nr; i++) {
		if (config_parse_forward(cfg->hostfwd.text[i], &f))
			continue;
		out[n++] = (struct netb_forward){
			.udp = f.udp,
			.host.s_addr = htonl(f.host),
			.guest.s_addr = htonl(f.guest),
			.host_port = f.host_port,
			.guest_port = f.guest_port,
		};
	}
	return n;
}

static int open_user(struct net_backend **out, const struct config_net *cfg,
		     const char *owner, struct loop *loop, char *why,
		     size_t why_len)
{
	struct netb_forward forwards[CONFIG_LIST_MAX];
	const struct netb_user_params p = {
		.net.s_addr = htonl(cfg->subnet),
		.prefix = cfg->prefix,
		.dns.s_addr = htonl(cfg->dns),
		.hostname = cfg->hostname,
		.mtu = cfg->mtu,
		.restricted = cfg->restricted,
		.no_ipv6 = !cfg->ipv6,
		.forwards = forwards,
		.nr_forwards = forwards_of(cfg, forwards),
	};

	(void)owner;
	return netb_user_open(out, &p, loop, why, why_len);
}

static int open_passt(struct net_backend **out, const struct config_net *cfg,
		      const char *owner, struct loop *loop, char *why,
		      size_t why_len)
{
	struct netb_forward forwards[CONFIG_LIST_MAX];
	const struct netb_passt_params p = {
		.mtu = cfg->mtu,
		.no_ipv6 = !cfg->ipv6,
		.forwards = forwards,
		.nr_forwards = forwards_of(cfg, forwards),
	};

	(void)owner;
	return netb_passt_open(out, &p, loop, why, why_len);
}

static int open_switch(struct net_backend **out, const struct config_net *cfg,
		       const char *owner, struct loop *loop, char *why,
		       size_t why_len)
{
	int err = netb_switch_open(out, loop, cfg->arg, owner);

	if (err)
		snprintf(why, why_len, "%.200s: %s", cfg->arg, strerror(-err));
	return err;
}

/* NULL: this build has none. */
static opener_fn *const openers[] = {
	[CONFIG_NET_TAP] = open_tap,
	[CONFIG_NET_USER] = open_user,
	[CONFIG_NET_PASST] = open_passt,
	[CONFIG_NET_SWITCH] = open_switch,
};

int nets_open(struct net_backend **out, const struct config_net *cfg,
	      const char *owner, struct loop *loop, char *why, size_t why_len)
{
	opener_fn *open = openers[cfg->kind];
	int err;

	*out = NULL;
	if (!open) {
		snprintf(why, why_len,
			 "this minivmm has no network of the kind '%s'",
			 config_net_kind_name(cfg->kind));
		return -EOPNOTSUPP;
	}
	err = open(out, cfg, owner, loop, why, why_len);
	if (err)
		return err;
	err = netb_offload_add(out);
	if (!err)
		return 0;
	snprintf(why, why_len, "%s", strerror(-err));
	net_destroy(*out);
	*out = NULL;
	return err;
}

int nets_mac(const struct config_net *cfg, uint8_t *mac)
{
	if (cfg->has_mac) {
		memcpy(mac, cfg->mac, CONFIG_MAC_LEN);
		return 0;
	}
	if (getrandom(mac, CONFIG_MAC_LEN, GRND_NONBLOCK) != CONFIG_MAC_LEN)
		return -EAGAIN;
	/* Of a single station, and given by nobody in particular */
	mac[0] = (uint8_t)((mac[0] & ~1u) | 2);
	return 0;
}
