// SPDX-License-Identifier: MIT
/*
 * check.c - `minivmm check`: parse, cross-check, print the configuration that
 * counts; start nothing.
 */
#include "cmd/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cmd/options.h"
#include "cmd/status.h"
#include "memory/boot/boot.h"

#define SLOTS_MAX (CONFIG_DISKS_MAX + CONFIG_NETS_MAX + 3)

_Static_assert(SLOTS_MAX <= LAYOUT_VIRTIO_SLOTS, "a window per device");

/* A window for each disk, network adapter, rng, balloon; for all consoles. */
static size_t fill_slots(const struct vm_config *c,
			 struct boot_virtio_slot *slots)
{
	size_t n = c->nr_disks + c->nr_nets + (c->rng ? 1 : 0) +
		   c->nr_balloons + (c->nr_consoles ? 1 : 0);

	for (size_t i = 0; i < n; i++)
		slots[i] = (struct boot_virtio_slot){
			.base = LAYOUT_VIRTIO_BASE + i * LAYOUT_VIRTIO_SIZE,
			.gsi = LAYOUT_GSI_VIRTIO + (unsigned int)i,
		};
	return n;
}

static int write_file(const char *path, const void *data, size_t size)
{
	bool to_stdout = strcmp(path, "-") == 0;
	int fd = STDOUT_FILENO, err;

	if (!to_stdout)
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	err = fd_write_all(fd, data, size);
	if (!to_stdout && close(fd) && !err)
		err = -errno;
	return err;
}

static int dump_dtb(const struct vm_config *c, const char *path)
{
	struct boot_virtio_slot slots[SLOTS_MAX];
	struct boot_params p = {
		.cmdline = config_cmdline(c),
		.nr_cpus = c->cpus,
		.slots = slots,
		.nr_slots = fill_slots(c, slots),
	};
	size_t size;
	void *dtb;
	int err;

	err = fdt_build(&p, c->memory, &dtb, &size);
	if (err)
		return status_fail("--dump-dtb: cannot build the tree: %s",
				   strerror(-err));
	err = write_file(path, dtb, size);
	free(dtb);
	if (err)
		return status_fail("--dump-dtb: %s: %s", path, strerror(-err));
	return 0;
}

static int check(const struct options *o)
{
	struct config_error e;
	int status;

	if (check_files(&o->config, &e))
		return status_fail("%s", e.text);
	if (o->dump_dtb) {
		status = dump_dtb(&o->config, o->dump_dtb);
		if (status || strcmp(o->dump_dtb, "-") == 0)
			return status;
	}
	config_dump(&o->config, stdout);
	if (fflush(stdout))
		return status_fail("stdout: %s", strerror(errno));
	return 0;
}

int cmd_check(int argc, char **argv)
{
	struct options o;
	int status;

	status = options_start(&o, OPTIONS_CHECK, argc, argv);
	if (status >= 0)
		return status;
	status = check(&o);
	options_fini(&o);
	return status;
}
