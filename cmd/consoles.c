// SPDX-License-Identifier: MIT
/*
 * consoles.c - the consoles and named ports of a machine: their streams, and
 * the virtio device that they share.
 */
#include "cmd/consoles.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/console.h"
#include "config/config.h"
#include "virtio/console.h"

_Static_assert(CONFIG_CONSOLES_MAX <= VIRTIO_CONSOLE_PORTS_MAX,
	       "a port number for each console");
_Static_assert(CONFIG_PORT_MAX <= VIRTIO_CONSOLE_NAME_MAX,
	       "a port's name is told in full");

struct consoles {
	struct consoles_params p;
	size_t nr;
	struct console *console[CONFIG_CONSOLES_MAX];
	char what[CONFIG_CONSOLES_MAX][48];
};

/* A port is a pipe between two programs, a console is for whoever looks. */
static int open_console(struct consoles *c, const struct config_console *cfg,
			struct machine_error *e)
{
	char *what = c->what[c->nr];
	const struct console_params p = {
		.loop = c->p.loop,
		.what = what,
		.stream = &cfg->stream,
		.keep_all = cfg->port != NULL,
		.quit = c->p.quit,
		.ctx = c->p.ctx,
	};
	int err;

	snprintf(what, sizeof(c->what[0]), "console %s", cfg->name);
	err = console_create(&c->console[c->nr], &p, e);
	if (!err)
		c->nr++;
	return err;
}

static int create_device(struct consoles *c, struct virtio_dev **dev)
{
	struct virtio_console_port ports[CONFIG_CONSOLES_MAX];
	const struct virtio_console_params p = {
		.name = "console0",
		.ports = ports,
		.nr_ports = (unsigned int)c->nr,
	};

	for (size_t i = 0; i < c->nr; i++)
		ports[i] = (struct virtio_console_port){
			.stream = console_stream(c->console[i]),
			.name = c->p.cfg->consoles[i].port,
		};
	return virtio_console_create(dev, c->p.ram, c->p.loop, &p);
}

int consoles_create(struct consoles **out, struct virtio_dev **dev,
		    const struct consoles_params *p, struct machine_error *e)
{
	struct consoles *c = calloc(1, sizeof(*c));
	int err = 0;

	*out = c;
	*dev = NULL;
	if (!c)
		return -ENOMEM;
	c->p = *p;
	for (size_t i = 0; !err && i < p->cfg->nr_consoles; i++)
		err = open_console(c, &p->cfg->consoles[i], e);
	return err ? err : create_device(c, dev);
}

void consoles_start(struct consoles *c)
{
	for (size_t i = 0; i < c->nr; i++)
		console_start(c->console[i]);
}

void consoles_destroy(struct consoles *c)
{
	if (!c)
		return;
	for (size_t i = c->nr; i-- > 0;)
		console_destroy(c->console[i]);
	free(c);
}
