// SPDX-License-Identifier: MIT
/*
 * fd_unix.c - UNIX sockets by the name of their file.
 *
 * How it works. The file of a socket stays when who listened was killed, and
 * keeps a new one from taking the name: so one that refuses connections is
 * removed first. Two programs that start at the same time must not remove
 * each other's: the folder is locked from the look to the listening.
 *
 * @syscalls: socket bind listen connect newfstatat unlink flock openat close
 * @syscalls: clock_nanosleep getsockopt kill
 */
#include "base/fd_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) ==
		       FD_UNIX_PATH_MAX + 1,
	       "unix(7)");

static int make_address(struct sockaddr_un *a, const char *path)
{
	size_t len = strlen(path);

	if (!len)
		return -ENOENT;
	if (len > FD_UNIX_PATH_MAX)
		return -ENAMETOOLONG;
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(a->sun_path, path, len);
	return 0;
}

static int make_socket(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

int fd_unix_connect(const char *path, int type)
{
	struct sockaddr_un a;
	int fd, err;

	err = make_address(&a, path);
	if (err)
		return err;
	fd = make_socket(type);
	if (fd < 0)
		return fd;
	if (!connect(fd, (const struct sockaddr *)&a, sizeof(a)))
		return fd;
	err = -errno;
	fd_close(&fd);
	return err;
}

/* Whoever holds the lock of a folder for long is none of us. */
static int lock_soon(int fd)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int tries = 0; tries < 200; tries++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return 0;
		nanosleep(&ms, NULL);
	}
	return -EAGAIN;
}

/* The folder of @path, locked; -1 where that cannot be: then without. */
static int lock_folder(const char *path)
{
	char folder[FD_UNIX_PATH_MAX + 1] = ".";
	const char *slash = strrchr(path, '/');
	int fd;

	if (slash) {
		memcpy(folder, path, (size_t)(slash - path) + 1);
		folder[slash - path + 1] = '\0';
	}
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && lock_soon(fd))
		fd_close(&fd);
	return fd;
}

/*
 * Is the process gone that listens at the other end of @fd? The kernel can
 * hold the socket of one that was killed a little longer, for its io_uring.
 */
static bool is_orphan(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	       peer.pid > 0 && kill(peer.pid, 0) && errno == ESRCH;
}

/* Make way for a socket at @path. */
static int remove_stale(const char *path, int type)
{
	struct stat st;
	bool stale;
	int fd;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = fd_unix_connect(path, type);
	stale = fd >= 0 ? is_orphan(fd) : fd == -ECONNREFUSED;
	fd_close(&fd);
	if (stale)
		return unlink(path) ? -errno : 0;
	/* Also when its queue is full, or it is of another type. */
	return -EADDRINUSE;
}

static int listen_at(struct fd_unix *u, const struct sockaddr_un *a, int type,
		     int backlog)
{
	struct stat st;
	int err;

	u->fd = make_socket(type);
	if (u->fd < 0)
		return u->fd;
	if (bind(u->fd, (const struct sockaddr *)a, sizeof(*a)))
		return -errno;
	err = listen(u->fd, backlog) || lstat(a->sun_path, &st) ? -errno : 0;
	if (err) {
		unlink(a->sun_path);
		return err;
	}
	memcpy(u->path, a->sun_path, sizeof(u->path));
	u->dev = st.st_dev;
	u->ino = st.st_ino;
	return 0;
}

int fd_unix_listen(struct fd_unix *u, const char *path, int type, int backlog)
{
	struct sockaddr_un a;
	int folder, err;

	*u = (struct fd_unix){ .fd = -1 };
	err = make_address(&a, path);
	if (err)
		return err;
	folder = lock_folder(path);
	err = remove_stale(path, type);
	if (!err)
		err = listen_at(u, &a, type, backlog);
	fd_close(&folder);
	if (err)
		fd_close(&u->fd);
	return err;
}

void fd_unix_close(struct fd_unix *u)
{
	struct stat st;

	if (u->fd >= 0 && !lstat(u->path, &st) && st.st_dev == u->dev &&
	    st.st_ino == u->ino)
		unlink(u->path);
	fd_close(&u->fd);
}
