// SPDX-License-Identifier: MIT
/*
 * config.c - the life of a vm_config, and what its defaults depend on.
 */
#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/set.h"
#include "config/row.h"

int config_init(struct vm_config *c)
{
	int err;

	memset(c, 0, sizeof(*c));
	err = config_row_defaults("vm", c);
	if (!err)
		err = config_row_defaults("kernel", c);
	if (err)
		config_fini(c);
	return err;
}

void config_fini(struct vm_config *c)
{
	const struct config_group *g;

	for (size_t i = 0; (g = config_group(i)); i++)
		config_group_fini(c, g);
	free(c->name);
	free(c->accel);
	free(c->serial.path);
	free(c->serial.host);
	free(c->log_file);
	free(c->kernel);
	free(c->initrd);
	free(c->cmdline);
	memset(c, 0, sizeof(*c));
}

/* One without a name, as the guest's hvc0. */
static const struct config_console *find_console(const struct vm_config *c,
						 bool on_stdio)
{
	for (size_t i = 0; i < c->nr_consoles; i++) {
		const struct config_console *console = &c->consoles[i];

		if (on_stdio ? console->stream.kind == CONFIG_STREAM_STDIO
			     : !console->port)
			return console;
	}
	return NULL;
}

const struct config_stream *config_serial(const struct vm_config *c)
{
	static const struct config_stream on = { .kind = CONFIG_STREAM_STDIO };
	static const struct config_stream off = { .kind = CONFIG_STREAM_OFF };

	if (c->serial.kind != CONFIG_STREAM_UNSET)
		return &c->serial;
	return find_console(c, true) ? &off : &on;
}

const char *config_cmdline(const struct vm_config *c)
{
	static const char *const defaults[][3] = {
		{
			"console=ttyS0 reboot=k panic=-1",
			"console=ttyS0 root=/dev/vda rw reboot=k panic=-1",
			"console=ttyS0 root=/dev/vda ro reboot=k panic=-1",
		},
		{
			"console=hvc0 reboot=k panic=-1",
			"console=hvc0 root=/dev/vda rw reboot=k panic=-1",
			"console=hvc0 root=/dev/vda ro reboot=k panic=-1",
		},
	};
	bool hvc = config_serial(c)->kind == CONFIG_STREAM_OFF &&
		   find_console(c, false);

	if (c->cmdline)
		return c->cmdline;
	if (!c->nr_disks)
		return defaults[hvc][0];
	return defaults[hvc][c->disks[0].readonly ? 2 : 1];
}
