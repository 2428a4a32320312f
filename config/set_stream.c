// SPDX-License-Identifier: MIT
/*
 * set_stream.c - the host's end of a serial port or console: stdio, off, pty, file:PATH,
 * unix:PATH, tcp:[ADDRESS:]PORT.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "config/row.h"
#include "config/set.h"

static const char loopback[] = "127.0.0.1";

/* What stands before the colon, or all there is. */
static const struct kind {
	const char *name;
	bool has_rest;
} kinds[] = {
	[CONFIG_STREAM_UNSET] = { NULL, false },
	[CONFIG_STREAM_STDIO] = { "stdio", false },
	[CONFIG_STREAM_OFF] = { "off", false },
	[CONFIG_STREAM_PTY] = { "pty", false },
	[CONFIG_STREAM_FILE] = { "file", true },
	[CONFIG_STREAM_UNIX] = { "unix", true },
	[CONFIG_STREAM_TCP] = { "tcp", true },
};

static bool is_kind(const struct kind *k, const char *value)
{
	size_t n = strlen(k->name);

	return strncmp(value, k->name, n) == 0 &&
	       value[n] == (k->has_rest ? ':' : '\0');
}

static int parse_port(const char *s, uint16_t *port)
{
	unsigned long v;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	v = strtoul(s, &end, 10);
	if (*end || v > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)v;
	return 0;
}

/* An address in numbers, "localhost", or nothing, which means the same. */
static int parse_host(const char *text, size_t len, char **host)
{
	uint8_t addr[sizeof(struct in6_addr)];
	bool brackets = len > 1 && text[0] == '[' && text[len - 1] == ']';
	char *copy;

	if (!len || (len == 9 && strncmp(text, "localhost", len) == 0))
		copy = strdup(loopback);
	else if (brackets)
		copy = strndup(text + 1, len - 2);
	else
		copy = strndup(text, len);
	if (!copy)
		return -ENOMEM;
	if (inet_pton(brackets ? AF_INET6 : AF_INET, copy, addr) != 1) {
		free(copy);
		return -EINVAL;
	}
	*host = copy;
	return 0;
}

static int parse_tcp(struct config_stream *s, const char *value)
{
	const char *colon = strrchr(value, ':');
	size_t len = colon ? (size_t)(colon - value) : 0;
	int err = parse_port(colon ? colon + 1 : value, &s->port);

	return err ? err : parse_host(value, len, &s->host);
}

static int parse(struct config_stream *s, const char *value, const char *dir)
{
	for (size_t i = CONFIG_STREAM_STDIO; i < ARRAY_SIZE(kinds); i++) {
		if (!is_kind(&kinds[i], value))
			continue;
		s->kind = (enum config_stream_kind)i;
		if (!kinds[i].has_rest)
			return 0;
		value += strlen(kinds[i].name) + 1;
		if (s->kind == CONFIG_STREAM_TCP)
			return parse_tcp(s, value);
		return config_replace_path(&s->path, value, dir);
	}
	return -EINVAL;
}

static void stream_fini(const struct config_row *row, void *obj)
{
	struct config_stream *s = (void *)((char *)obj + row->field);

	free(s->path);
	free(s->host);
	*s = (struct config_stream){ 0 };
}

static int stream_set(const struct config_row *row, void *obj,
		      const char *value, const char *dir,
		      struct config_error *e)
{
	struct config_stream *s = (void *)((char *)obj + row->field);
	struct config_stream new = { 0 };
	int err = parse(&new, value, dir);

	(void)e;
	if (err)
		return err;
	stream_fini(row, obj);
	*s = new;
	return 0;
}

static const char *describe(const struct config_stream *s, char *buf)
{
	const char *name = kinds[s->kind].name;

	if (!kinds[s->kind].has_rest)
		return name;
	if (s->path)
		snprintf(buf, CONFIG_VALUE_MAX, "%s:%s", name, s->path);
	else
		snprintf(buf, CONFIG_VALUE_MAX,
			 strchr(s->host, ':') ? "%s:[%s]:%u" : "%s:%s:%u", name,
			 s->host, s->port);
	return buf;
}

static const char *stream_get(const struct config_row *row, const void *obj,
			      char *buf)
{
	return describe((const void *)((const char *)obj + row->field), buf);
}

const struct config_type config_type_stream = {
	.set = stream_set,
	.get = stream_get,
	.fini = stream_fini,
};

static const char *serial_get(const struct config_row *row, const void *obj,
			      char *buf)
{
	(void)row;
	return describe(config_serial(obj), buf);
}

const struct config_type config_type_serial = {
	.set = stream_set,
	.get = serial_get,
	.fini = stream_fini,
};
