// SPDX-License-Identifier: MIT
/*
 * validate_console.c - do the consoles fit together, with the serial port and
 * with the other files?
 */
#include <string.h>

#include "config/set.h"
#include "config/validate.h"

/* A stream and whose it is: of the serial port, or of console @i - 1. */
struct user {
	char what[48];
	const struct config_stream *stream;
};

static struct user user_at(const struct vm_config *c, size_t i)
{
	struct user u = { "serial", config_serial(c) };

	if (i) {
		u.stream = &c->consoles[i - 1].stream;
		snprintf(u.what, sizeof(u.what), "console %s",
			 c->consoles[i - 1].name);
	}
	return u;
}

static int check_pair(const struct user *a, const struct user *b,
		      struct config_error *e)
{
	bool files = a->stream->path && b->stream->path;

	if (a->stream->kind == CONFIG_STREAM_STDIO &&
	    b->stream->kind == CONFIG_STREAM_STDIO)
		return config_error_set(e,
					"%s and %s: both are stdio; expected "
					"another kind, or off",
					a->what, b->what);
	if (files && strcmp(a->stream->path, b->stream->path) == 0)
		return config_error_set(e,
					"%s and %s: both are %.300s; expected "
					"two files",
					a->what, b->what, a->stream->path);
	return 0;
}

static int check_stream(const struct vm_config *c, size_t i,
			struct config_error *e)
{
	struct user u = user_at(c, i), other;
	int err;

	if (u.stream->kind == CONFIG_STREAM_UNSET)
		return config_error_set(e,
					"%s: no kind: expected 'kind = KIND' "
					"in [%s]",
					u.what, u.what);
	err = config_validate_output(c, u.what, u.stream->path, e);
	for (size_t j = 0; !err && j < i; j++) {
		other = user_at(c, j);
		err = check_pair(&other, &u, e);
	}
	return err;
}

static int check_name(const struct vm_config *c, size_t i,
		      struct config_error *e)
{
	const struct config_console *a, *b = &c->consoles[i];

	for (size_t j = 0; b->port && j < i; j++) {
		a = &c->consoles[j];
		if (a->port && strcmp(a->port, b->port) == 0)
			return config_error_set(e,
						"console %s and console %s: "
						"both have the name %s",
						a->name, b->name, a->port);
	}
	return 0;
}

/* Number 0 is for consoles: see virtio/console.h. */
static int check_count(const struct vm_config *c, struct config_error *e)
{
	size_t named = 0;

	for (size_t i = 0; i < c->nr_consoles; i++)
		named += c->consoles[i].port != NULL;
	if (named < CONFIG_CONSOLES_MAX)
		return 0;
	return config_error_set(e, "more than %d consoles with a name",
				CONFIG_CONSOLES_MAX - 1);
}

int config_validate_consoles(const struct vm_config *c, struct config_error *e)
{
	int err = check_count(c, e);

	for (size_t i = 0; !err && i <= c->nr_consoles; i++)
		err = check_stream(c, i, e);
	for (size_t i = 0; !err && i < c->nr_consoles; i++)
		err = check_name(c, i, e);
	return err;
}
