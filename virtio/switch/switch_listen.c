// SPDX-License-Identifier: MIT
/*
 * switch_listen.c - the socket that ports connect to.
 *
 * How it works. A socket stays in its folder when whoever listened is killed,
 * and a new one cannot take its name. So one that refuses connections is
 * removed first. Two switches that start at the same time must not remove
 * each other's: the folder is locked from the look to the listening.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "virtio/backend/switch_link.h"
#include "virtio/switch/switch.h"

#define BACKLOG 64

/* The folder of @path, locked; -1 where that cannot be: then without. */
static int lock_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder =
		slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = -1;

	if (folder)
		fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (fd >= 0 && flock(fd, LOCK_EX) < 0)
		fd_close(&fd);
	return fd;
}

/* Make way for a socket at @path. 0 or -errno. */
static int remove_stale(const char *path)
{
	struct stat st;
	int sock;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	sock = switch_link_connect(path);
	if (sock != -ECONNREFUSED) {
		if (sock >= 0)
			close(sock);
		/* A full backlog or another kind of socket: alive. */
		return -EADDRINUSE;
	}
	return unlink(path) < 0 ? -errno : 0;
}

static int bind_privately(int fd, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	mode_t mask;
	int err;

	memcpy(sun.sun_path, path, strlen(path));
	mask = umask(0177);
	err = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
	umask(mask);
	if (err)
		return err;
	if (!listen(fd, BACKLOG))
		return 0;
	err = -errno;
	unlink(path);
	return err;
}

int switch_listen(const char *path, int *fd)
{
	int sock, folder, err;

	*fd = -1;
	if (!*path ||
	    strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return -ENAMETOOLONG;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		      0);
	if (sock < 0)
		return -errno;
	folder = lock_folder(path);
	err = remove_stale(path);
	if (!err)
		err = bind_privately(sock, path);
	fd_close(&folder);
	if (err)
		fd_close(&sock);
	*fd = sock;
	return err;
}

void switch_unlisten(const char *path, int *fd)
{
	int folder;

	if (*fd < 0)
		return;
	folder = lock_folder(path);
	fd_close(fd);
	/* Closed, it is stale, unless another took its place. */
	(void)remove_stale(path);
	fd_close(&folder);
}
