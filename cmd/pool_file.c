// SPDX-License-Identifier: MIT
/*
 * pool_file.c - files that come into being complete, or not at all.
 */
#include "cmd/pool_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cmd/status.h"
#include "virtio/backend/disk_lock.h"

static int fail(const char *path, int err)
{
	return status_fail("%s: %s", path, strerror(err));
}

/* A file without a name beside @path; a descriptor, or -errno. */
static int open_unnamed(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	int fd;

	folder =
		slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
	if (!folder)
		return -ENOMEM;
	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
	free(folder);
	return fd < 0 ? -errno : fd;
}

int pool_file_new(const char *path, uint64_t size, int *out)
{
	struct stat st;
	int fd;

	if (!lstat(path, &st))
		return status_fail("%s: exists already", path);
	fd = open_unnamed(path);
	if (fd == -EOPNOTSUPP || fd == -EISDIR || fd == -EINVAL) {
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd < 0)
			fd = -errno;
	}
	if (fd < 0)
		return fail(path, -fd);
	if (ftruncate(fd, (off_t)size)) {
		fail(path, errno);
		fd_close(&fd);
		return STATUS_FAILED;
	}
	*out = fd;
	return 0;
}

int pool_file_name(const char *path, int fd)
{
	char self[40];
	struct stat st;

	if (fsync(fd) || fstat(fd, &st))
		return fail(path, errno);
	if (st.st_nlink)
		return 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW))
		return fail(path, errno);
	return 0;
}

int pool_file_open(const char *path, int *out, uint64_t *size)
{
	struct stat st;
	off_t end;
	int fd, pid, err;

	if (stat(path, &st))
		return fail(path, errno);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return status_fail("%s: expected a file or a block device",
				   path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(path, errno);
	err = disk_lock_file(fd, false, &pid);
	if (!err)
		err = disk_lock_range(fd, 0, 0, false, &pid);
	end = lseek(fd, 0, SEEK_END);
	if (err == -EBUSY)
		err = status_fail("%s: in use by a machine that writes it",
				  path);
	else if (end <= 0)
		err = status_fail("%s: is empty", path);
	else
		err = 0;
	if (err) {
		fd_close(&fd);
		return err;
	}
	*out = fd;
	*size = (uint64_t)end;
	return 0;
}
