// SPDX-License-Identifier: MIT
/*
 * set_net.c - values that only a network adapter has: where its frames go,
 * addresses, file descriptors handed in.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "config/row.h"
#include "config/set.h"

enum arg_rule {
	ARG_NONE,
	ARG_INTERFACE, /* may be missing: then a descriptor is given */
	ARG_PATH,
};

static const struct {
	const char *name;
	enum arg_rule arg;
} kinds[] = {
	[CONFIG_NET_TAP] = { "tap", ARG_INTERFACE },
	[CONFIG_NET_USER] = { "user", ARG_NONE },
	[CONFIG_NET_PASST] = { "passt", ARG_NONE },
	[CONFIG_NET_SWITCH] = { "switch", ARG_PATH },
};

const char *config_net_kind_name(enum config_net_kind kind)
{
	return kinds[kind].name;
}

/* CONFIG_NET_NONE when there is no kind called the first @len of @s. */
static enum config_net_kind find_kind(const char *s, size_t len)
{
	for (size_t i = CONFIG_NET_NONE + 1; i < ARRAY_SIZE(kinds); i++)
		if (strlen(kinds[i].name) == len &&
		    memcmp(kinds[i].name, s, len) == 0)
			return (enum config_net_kind)i;
	return CONFIG_NET_NONE;
}

/* dev_valid_name() of Linux; '%' would make it a pattern. */
static bool is_interface(const char *s)
{
	size_t len = strlen(s);

	if (!len || len > CONFIG_IFNAME_MAX || strcmp(s, ".") == 0 ||
	    strcmp(s, "..") == 0)
		return false;
	for (; *s; s++)
		if (!isgraph((unsigned char)*s) || strchr("/:%", *s))
			return false;
	return true;
}

/* @arg: what is behind the colon, NULL without one. */
static int set_arg(struct config_net *n, enum arg_rule rule, const char *arg,
		   const char *dir)
{
	if (rule == ARG_PATH)
		return arg ? config_replace_path(&n->arg, arg, dir) : -EINVAL;
	if (arg && (rule == ARG_NONE || !is_interface(arg)))
		return -EINVAL;
	if (arg)
		return config_replace(&n->arg, arg);
	free(n->arg);
	n->arg = NULL;
	return 0;
}

static int kind_set(const struct config_row *row, void *obj, const char *value,
		    const char *dir, struct config_error *e)
{
	const char *colon = strchr(value, ':');
	size_t len = colon ? (size_t)(colon - value) : strlen(value);
	enum config_net_kind kind = find_kind(value, len);
	struct config_net *n = obj;
	int err;

	(void)row;
	(void)e;
	if (kind == CONFIG_NET_NONE)
		return -EINVAL;
	err = set_arg(n, kinds[kind].arg, colon ? colon + 1 : NULL, dir);
	if (!err)
		n->kind = kind;
	return err;
}

static const char *kind_get(const struct config_row *row, const void *obj,
			    char *buf)
{
	const struct config_net *n = obj;

	(void)row;
	if (n->kind == CONFIG_NET_NONE)
		return NULL;
	snprintf(buf, CONFIG_VALUE_MAX, "%s%s%s", kinds[n->kind].name,
		 n->arg ? ":" : "", n->arg ? n->arg : "");
	return buf;
}

static void kind_fini(const struct config_row *row, void *obj)
{
	struct config_net *n = obj;

	(void)row;
	free(n->arg);
	n->arg = NULL;
}

const struct config_type config_type_net_kind = {
	.set = kind_set,
	.get = kind_get,
	.fini = kind_fini,
};

/* Two hexadecimal digits each, colons between them, nothing else. */
static bool parse_mac(const char *s, uint8_t *mac)
{
	for (size_t i = 0; i < CONFIG_MAC_LEN; i++, s += 3) {
		char digits[3] = { s[0], s[0] ? s[1] : '\0', '\0' };

		if (!isxdigit((unsigned char)digits[0]) ||
		    !isxdigit((unsigned char)digits[1]))
			return false;
		if (s[2] != (i + 1 < CONFIG_MAC_LEN ? ':' : '\0'))
			return false;
		mac[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

static int mac_set(const struct config_row *row, void *obj, const char *value,
		   const char *dir, struct config_error *e)
{
	static const uint8_t none[CONFIG_MAC_LEN];
	struct config_net *n = obj;
	uint8_t mac[CONFIG_MAC_LEN];

	(void)row;
	(void)dir;
	(void)e;
	/* An odd first byte is a group's address. */
	if (!parse_mac(value, mac) || mac[0] & 1 ||
	    memcmp(mac, none, sizeof(mac)) == 0)
		return -EINVAL;
	memcpy(n->mac, mac, sizeof(mac));
	n->has_mac = true;
	return 0;
}

static const char *mac_get(const struct config_row *row, const void *obj,
			   char *buf)
{
	const struct config_net *n = obj;
	const uint8_t *m = n->mac;

	(void)row;
	if (!n->has_mac)
		return NULL;
	snprintf(buf, CONFIG_VALUE_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", m[0],
		 m[1], m[2], m[3], m[4], m[5]);
	return buf;
}

const struct config_type config_type_mac = { .set = mac_set, .get = mac_get };

static int fd_set_value(const struct config_row *row, void *obj,
			const char *value, const char *dir,
			struct config_error *e)
{
	struct config_net *n = obj;
	uint64_t fd;

	(void)dir;
	if (config_parse_number(row, value, &fd))
		return -EINVAL;
	if (n->nr_fds == ARRAY_SIZE(n->fds))
		return config_error_set(e, "more than %zu descriptors",
					ARRAY_SIZE(n->fds));
	n->fds[n->nr_fds++] = (int)fd;
	return 0;
}

static const char *fd_get(const struct config_row *row, const void *obj,
			  size_t i, char *buf)
{
	const struct config_net *n = obj;

	(void)row;
	if (i >= n->nr_fds)
		return NULL;
	snprintf(buf, CONFIG_VALUE_MAX, "%d", n->fds[i]);
	return buf;
}

static void fd_fini(const struct config_row *row, void *obj)
{
	struct config_net *n = obj;

	(void)row;
	n->nr_fds = 0;
}

const struct config_type config_type_net_fd = {
	.set = fd_set_value,
	.get_nth = fd_get,
	.fini = fd_fini,
};

static int subnet_set(const struct config_row *row, void *obj,
		      const char *value, const char *dir,
		      struct config_error *e)
{
	const char *slash = strchr(value, '/');
	char text[INET_ADDRSTRLEN];
	struct config_net *n = obj;
	struct in_addr first;
	uint64_t prefix;
	size_t len;

	(void)dir;
	(void)e;
	if (!slash || config_parse_number(row, slash + 1, &prefix))
		return -EINVAL;
	len = (size_t)(slash - value);
	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, value, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, &first) != 1 || !first.s_addr ||
	    ntohl(first.s_addr) & ~0u >> prefix)
		return -EINVAL;
	n->subnet = ntohl(first.s_addr);
	n->prefix = (unsigned int)prefix;
	return 0;
}

static const char *subnet_get(const struct config_row *row, const void *obj,
			      char *buf)
{
	const struct config_net *n = obj;
	struct in_addr first = { htonl(n->subnet) };
	char text[INET_ADDRSTRLEN];

	(void)row;
	if (!n->prefix)
		return NULL;
	inet_ntop(AF_INET, &first, text, sizeof(text));
	snprintf(buf, CONFIG_VALUE_MAX, "%s/%u", text, n->prefix);
	return buf;
}

const struct config_type config_type_subnet = {
	.set = subnet_set,
	.get = subnet_get,
};

static int address_set(const struct config_row *row, void *obj,
		       const char *value, const char *dir,
		       struct config_error *e)
{
	uint32_t *field = (void *)((char *)obj + row->field);
	struct in_addr a;

	(void)dir;
	(void)e;
	if (inet_pton(AF_INET, value, &a) != 1 || !a.s_addr)
		return -EINVAL;
	*field = ntohl(a.s_addr);
	return 0;
}

static const char *address_get(const struct config_row *row, const void *obj,
			       char *buf)
{
	const uint32_t *field = (const void *)((const char *)obj + row->field);
	struct in_addr a = { htonl(*field) };

	return a.s_addr ? inet_ntop(AF_INET, &a, buf, CONFIG_VALUE_MAX) : NULL;
}

const struct config_type config_type_address = {
	.set = address_set,
	.get = address_get,
};
