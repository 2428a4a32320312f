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

const char *config_cmdline(const struct vm_config *c)
{
	if (c->cmdline)
		return c->cmdline;
	if (!c->nr_disks)
		return "console=ttyS0 reboot=k panic=-1";
	if (c->disks[0].readonly)
		return "console=ttyS0 root=/dev/vda ro reboot=k panic=-1";
	return "console=ttyS0 root=/dev/vda rw reboot=k panic=-1";
}
