// SPDX-License-Identifier: MIT
/*
 * nets.c - opens the host's side of a network adapter, whatever its kind.
 *
 * To add a kind: its file in virtio/backend/, a function here that makes
 * parameters of the configuration, a line in openers[].
 */
#include "cmd/nets.h"

#include <errno.h>
#include <stdio.h>

#include "base/checked.h"
#include "config/config.h"
#include "virtio/backend/net.h"

typedef int opener_fn(struct net_backend **out, const struct config_net *cfg,
		      struct loop *loop, char *why, size_t why_len);

/* NULL: this build has none. */
static opener_fn *const openers[] = {
	[CONFIG_NET_TAP] = NULL,
	[CONFIG_NET_USER] = NULL,
	[CONFIG_NET_PASST] = NULL,
	[CONFIG_NET_SWITCH] = NULL,
};

int nets_open(struct net_backend **out, const struct config_net *cfg,
	      struct loop *loop, char *why, size_t why_len)
{
	opener_fn *open = openers[cfg->kind];

	*out = NULL;
	if (open)
		return open(out, cfg, loop, why, why_len);
	snprintf(why, why_len, "this minivmm has no network of the kind '%s'",
		 config_net_kind_name(cfg->kind));
	return -EOPNOTSUPP;
}
