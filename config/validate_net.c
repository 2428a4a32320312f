// SPDX-License-Identifier: MIT
/*
 * validate_net.c - do the settings of the network adapters fit together?
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/set.h"
#include "config/validate.h"

static int check_tap(const struct config_net *n, struct config_error *e)
{
	if (n->nr_fds && n->arg)
		return config_error_set(e,
					"net %s: tap:%s and fd; expected one "
					"of them",
					n->name, n->arg);
	if (!n->nr_fds && !n->arg)
		return config_error_set(e,
					"net %s: tap: expected tap:NAME, or "
					"fd=N with an open tap",
					n->name);
	if (n->nr_fds && n->nr_fds != n->queues)
		return config_error_set(e,
					"net %s: %zu fd with queues = %u; "
					"expected one fd for each queue pair",
					n->name, n->nr_fds, n->queues);
	return 0;
}

static int check_user_keys(const struct config_net *n, struct config_error *e)
{
	const char *key = n->restricted ? "restrict"
			  : n->prefix	? "net"
			  : n->dns	? "dns"
			  : n->hostname ? "hostname"
					: NULL;

	if (n->kind == CONFIG_NET_USER || !key)
		return 0;
	return config_error_set(e,
				"net %s: %s: not for %s; expected kind = user",
				n->name, key, config_net_kind_name(n->kind));
}

static int check_forwards(const struct config_net *n, struct config_error *e)
{
	struct config_forward f;
	char shown[64];

	for (size_t i = 0; i < n->hostfwd.nr; i++)
		if (config_parse_forward(n->hostfwd.text[i], &f))
			return config_error_set(
				e,
				"net %s: hostfwd: expected "
				"tcp:127.0.0.1:2222-:22 or the like; got '%s'",
				n->name,
				config_error_show(n->hostfwd.text[i], shown,
						  sizeof(shown)));
	return 0;
}

/* Keys that mean something to one kind only. */
static int check_keys(const struct config_net *n, struct config_error *e)
{
	const char *kind = config_net_kind_name(n->kind);

	if (n->kind != CONFIG_NET_TAP && n->nr_fds)
		return config_error_set(e,
					"net %s: fd: %s takes none; expected "
					"kind = tap",
					n->name, kind);
	if (n->kind != CONFIG_NET_TAP && n->queues > 1)
		return config_error_set(e,
					"net %s: queues: %s has one; expected "
					"queues = 1",
					n->name, kind);
	if (n->kind != CONFIG_NET_USER && n->kind != CONFIG_NET_PASST &&
	    n->hostfwd.nr)
		return config_error_set(e,
					"net %s: hostfwd: %s takes none; "
					"expected kind = user or passt",
					n->name, kind);
	return check_user_keys(n, e);
}

static int check_net(const struct config_net *n, struct config_error *e)
{
	int err;

	if (n->kind == CONFIG_NET_NONE)
		return config_error_set(e,
					"net %s: no kind: expected 'kind = "
					"KIND' in [net %s]",
					n->name, n->name);
	err = check_keys(n, e);
	if (!err && n->kind == CONFIG_NET_TAP)
		err = check_tap(n, e);
	if (!err)
		err = check_forwards(n, e);
	return err;
}

static int __attribute__((format(printf, 4, 5)))
twice(const struct config_net *a, const struct config_net *b,
      struct config_error *e, const char *fmt, ...)
{
	char what[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return config_error_set(e, "net %s and net %s: both have %s", a->name,
				b->name, what);
}

static int check_fds(const struct config_net *a, const struct config_net *b,
		     struct config_error *e)
{
	for (size_t i = 0; i < a->nr_fds; i++)
		for (size_t j = 0; j < (a == b ? i : b->nr_fds); j++)
			if (a->fds[i] == b->fds[j])
				return twice(b, a, e, "fd %d", a->fds[i]);
	return 0;
}

static int check_pair(const struct config_net *a, const struct config_net *b,
		      struct config_error *e)
{
	if (a->has_mac && b->has_mac && !memcmp(a->mac, b->mac, sizeof(a->mac)))
		return twice(a, b, e, "mac %02x:%02x:%02x:%02x:%02x:%02x",
			     a->mac[0], a->mac[1], a->mac[2], a->mac[3],
			     a->mac[4], a->mac[5]);
	if (a->kind == CONFIG_NET_TAP && b->kind == CONFIG_NET_TAP && a->arg &&
	    b->arg && strcmp(a->arg, b->arg) == 0)
		return twice(a, b, e, "tap:%s", a->arg);
	return check_fds(b, a, e);
}

int config_validate_nets(const struct vm_config *c, struct config_error *e)
{
	int err;

	for (size_t i = 0; i < c->nr_nets; i++) {
		const struct config_net *n = &c->nets[i];

		err = check_net(n, e);
		if (!err)
			err = check_fds(n, n, e);
		for (size_t j = 0; !err && j < i; j++)
			err = check_pair(&c->nets[j], n, e);
		if (err)
			return err;
	}
	return 0;
}
