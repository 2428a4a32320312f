// SPDX-License-Identifier: MIT
/*
 * validate.c - do the settings fit together? Knows nothing of the host: that
 * a file exists is not asked here.
 */
#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "config/config.h"
#include "config/set.h"
#include "config/validate.h"

static int check_kernel(const struct vm_config *c, struct config_error *e)
{
	if (!c->kernel)
		return config_error_set(e, "no kernel: expected --kernel FILE, "
					   "or 'kernel = FILE' in [kernel]");
	if (c->boot != CONFIG_BOOT_FLAT)
		return 0;
	if (c->initrd)
		return config_error_set(e, "initrd: a flat image (boot = flat) "
					   "takes none");
	if (c->cmdline)
		return config_error_set(e, "cmdline: a flat image (boot = "
					   "flat) takes none");
	if (c->device_tree)
		return config_error_set(e, "device-tree: a flat image (boot = "
					   "flat) takes none");
	return 0;
}

static bool is_disk(const struct vm_config *c, const char *path)
{
	for (size_t i = 0; i < c->nr_disks; i++)
		if (strcmp(c->disks[i].path, path) == 0)
			return true;
	return false;
}

/* A file that minivmm writes must not be one that it reads. */
static int check_inputs(const struct vm_config *c, const char *what,
			const char *path, struct config_error *e)
{
	const char *inputs[] = { c->kernel, c->initrd };

	if (!path)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++)
		if (inputs[i] && strcmp(inputs[i], path) == 0)
			return config_error_set(e,
						"%s: %.300s is the kernel or "
						"the initrd",
						what, path);
	if (is_disk(c, path))
		return config_error_set(e, "%s: %.300s is a disk", what, path);
	return 0;
}

int config_validate_output(const struct vm_config *c, const char *what,
			   const char *path, struct config_error *e)
{
	if (path && c->log_file && strcmp(path, c->log_file) == 0)
		return config_error_set(e,
					"%s and log-file: both are %.300s; "
					"expected two files",
					what, c->log_file);
	return check_inputs(c, what, path, e);
}

static int check_deterministic(const struct vm_config *c,
			       struct config_error *e)
{
	if (!c->deterministic)
		return 0;
	if (c->cpus > 1)
		return config_error_set(e,
					"deterministic: on needs one CPU, "
					"cpus is %u",
					c->cpus);
	if (c->io == CONFIG_IO_URING)
		return config_error_set(e, "deterministic: on takes no "
					   "io_uring; expected io = auto or "
					   "poll");
	if (c->fixed_buffers)
		return config_error_set(e, "deterministic: on takes no "
					   "fixed-buffers");
	/* When a frame arrives is up to the rest of the world. */
	if (c->nr_nets)
		return config_error_set(e, "deterministic: on takes no net");
	if (c->nr_vsocks)
		return config_error_set(e, "deterministic: on takes no vsock");
	return 0;
}

static int check_vsock(const struct vm_config *c, struct config_error *e)
{
	if (!c->nr_vsocks)
		return 0;
	if (!c->vsock->socket)
		return config_error_set(e, "vsock: no socket: expected 'socket "
					   "= FILE' in [vsock]");
	if (strlen(c->vsock->socket) > CONFIG_VSOCK_MAX)
		return config_error_set(
			e, "vsock: %.300s: expected a path of at most %d bytes",
			c->vsock->socket, CONFIG_VSOCK_MAX);
	return 0;
}

static int check_balloon(const struct vm_config *c, struct config_error *e)
{
	if (!c->nr_balloons)
		return 0;
	if (c->balloon->size > c->memory)
		return config_error_set(e, "balloon: size is more than the "
					   "memory of the machine");
	/* Those pages would be two: one pinned, one in use. */
	if (c->fixed_buffers)
		return config_error_set(e, "balloon: takes no fixed-buffers");
	return 0;
}

int config_validate(const struct vm_config *c, struct config_error *e)
{
	int err;

	err = check_kernel(c, e);
	if (!err)
		err = config_validate_disks(c, e);
	if (!err)
		err = config_validate_nets(c, e);
	if (!err)
		err = config_validate_limits(c, e);
	if (!err)
		err = check_vsock(c, e);
	if (!err)
		err = check_balloon(c, e);
	if (!err)
		err = config_validate_consoles(c, e);
	if (!err)
		err = check_inputs(c, "log-file", c->log_file, e);
	if (!err)
		err = check_deterministic(c, e);
	if (!err && c->fixed_buffers && c->io == CONFIG_IO_POLL)
		err = config_error_set(e, "fixed-buffers: on needs io_uring; "
					  "expected io = auto or uring");
	return err;
}
