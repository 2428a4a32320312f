// SPDX-License-Identifier: MIT
/*
 * check_files.c - do the files of a configuration fit this host?
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/fs.h>

#include "base/checked.h"
#include "base/fd.h"
#include "cmd/check.h"
#include "config/config.h"

#define SECTOR 512

static int __attribute__((format(printf, 2, 3)))
fail(struct config_error *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static const char *kind_of(const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return "a file";
	case S_IFDIR:
		return "a directory";
	case S_IFBLK:
		return "a block device";
	case S_IFCHR:
		return "a character device";
	case S_IFIFO:
		return "a pipe";
	default:
		return "a socket";
	}
}

/* Open @path with @flags once stat() has said that this cannot block. */
static int open_input(const char *what, const char *path, int flags,
		      bool block_too, struct stat *st, struct config_error *e)
{
	int fd;

	if (stat(path, st))
		return fail(e, "%s: %.300s: %s", what, path, strerror(errno));
	if (!S_ISREG(st->st_mode) && !(block_too && S_ISBLK(st->st_mode)))
		return fail(e, "%s: %.300s is %s; expected a file%s", what,
			    path, kind_of(st),
			    block_too ? " or a block device" : "");
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return fail(e, "%s: %.300s: %s%s", what, path, strerror(errno),
			    flags == O_RDWR ? "; expected a writable disk, or "
					      "readonly=on"
					    : "");
	return fd;
}

static int check_boot_file(const char *what, const char *path,
			   struct config_error *e)
{
	struct stat st;
	int fd;

	if (!path)
		return 0;
	fd = open_input(what, path, O_RDONLY, false, &st, e);
	if (fd < 0)
		return fd;
	fd_close(&fd);
	if (!st.st_size)
		return fail(e, "%s: %.300s is empty", what, path);
	return 0;
}

static int disk_size(int fd, const struct stat *st, uint64_t *size)
{
	if (S_ISREG(st->st_mode)) {
		*size = (uint64_t)st->st_size;
		return 0;
	}
	return ioctl(fd, BLKGETSIZE64, size) ? -errno : 0;
}

static int check_disk(const struct config_disk *d, struct stat *st,
		      struct config_error *e)
{
	uint64_t size = 0;
	char what[48];
	int fd, err;

	snprintf(what, sizeof(what), "disk %s", d->name);
	fd = open_input(what, d->path,
			d->readonly || d->ephemeral ? O_RDONLY : O_RDWR, true,
			st, e);
	if (fd < 0)
		return fd;
	err = disk_size(fd, st, &size);
	fd_close(&fd);
	if (err)
		return fail(e, "%s: %.300s: %s", what, d->path, strerror(-err));
	/* What is there of a part is seen when it is opened. */
	if (d->partition || d->offset || d->size)
		return 0;
	if (!size || size % SECTOR)
		return fail(e,
			    "%s: %.300s has %llu bytes; expected a multiple of "
			    "%d, and not 0",
			    what, d->path, (unsigned long long)size, SECTOR);
	return 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
		return a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Two names for one file: links, "./", a device node beside another. */
static int check_disks(const struct vm_config *c, struct stat *seen,
		       struct config_error *e)
{
	int err;

	for (size_t i = 0; i < c->nr_disks; i++) {
		const struct config_disk *d = &c->disks[i];

		err = check_disk(d, &seen[i], e);
		if (err)
			return err;
		for (size_t j = 0; j < i; j++) {
			if (!same_file(&seen[i], &seen[j]) ||
			    !config_disks_clash(d, &c->disks[j]))
				continue;
			return fail(e,
				    "disk %s and disk %s: both are %.300s; "
				    "expected readonly=on for both, or two "
				    "files",
				    c->disks[j].name, d->name, d->path);
		}
	}
	return 0;
}

/* The folder of @path, for access(). */
static void folder_of(const char *path, char *buf, size_t len)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(buf, len, ".");
	else
		snprintf(buf, len, "%.*s", (int)(slash - path + 1), path);
}

/* A file that will be written, and made when it is not there. */
static int check_output(const struct vm_config *c, const struct stat *disks,
			const char *what, const char *path,
			struct config_error *e)
{
	char folder[PATH_MAX];
	struct stat st;

	if (!path)
		return 0;
	if (stat(path, &st)) {
		folder_of(path, folder, sizeof(folder));
		if (errno == ENOENT && !access(folder, W_OK | X_OK))
			return 0;
		return fail(e, "%s: %.300s: cannot make it: %s", what, path,
			    strerror(errno));
	}
	if (S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode) || S_ISSOCK(st.st_mode))
		return fail(e, "%s: %.300s is %s; expected a file", what, path,
			    kind_of(&st));
	for (size_t i = 0; i < c->nr_disks; i++)
		if (same_file(&st, &disks[i]))
			return fail(e, "%s: %.300s is disk %s", what, path,
				    c->disks[i].name);
	if (access(path, W_OK))
		return fail(e, "%s: %.300s: %s", what, path, strerror(errno));
	return 0;
}

/* The place of a socket that will be made, or replaced. */
static int check_socket(const char *what, const char *path,
			struct config_error *e)
{
	char folder[PATH_MAX];
	struct stat st;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return fail(e,
			    "%s: %.300s: expected a path of at most %zu bytes",
			    what, path,
			    sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	if (!lstat(path, &st) && !S_ISSOCK(st.st_mode))
		return fail(e,
			    "%s: %.300s is %s; expected a socket, or nothing",
			    what, path, kind_of(&st));
	folder_of(path, folder, sizeof(folder));
	if (access(folder, W_OK | X_OK))
		return fail(e, "%s: %.300s: cannot make it: %s", what, path,
			    strerror(errno));
	return 0;
}

static int check_stream(const struct vm_config *c, const struct stat *disks,
			const char *what, const struct config_stream *s,
			struct config_error *e)
{
	if (s->kind == CONFIG_STREAM_UNIX)
		return check_socket(what, s->path, e);
	return check_output(c, disks, what, s->path, e);
}

static int check_console(const struct vm_config *c, const struct stat *disks,
			 const struct config_console *console,
			 struct config_error *e)
{
	char what[48];

	snprintf(what, sizeof(what), "console %s", console->name);
	return check_stream(c, disks, what, &console->stream, e);
}

int check_files(const struct vm_config *c, struct config_error *e)
{
	struct stat disks[CONFIG_DISKS_MAX];
	int err;

	err = check_boot_file("kernel", c->kernel, e);
	if (!err)
		err = check_boot_file("initrd", c->initrd, e);
	if (!err)
		err = check_disks(c, disks, e);
	if (!err)
		err = check_stream(c, disks, "serial", config_serial(c), e);
	for (size_t i = 0; !err && i < c->nr_consoles; i++)
		err = check_console(c, disks, &c->consoles[i], e);
	if (!err)
		err = check_output(c, disks, "log-file", c->log_file, e);
	if (!err && c->nr_vsocks)
		err = check_socket("vsock", c->vsock->socket, e);
	return err;
}
