/* SPDX-License-Identifier: MIT */
/*
 * fd_unix.h - UNIX sockets by the name of their file.
 *
 * Everything returns 0 (or a descriptor) or -errno. Descriptors are
 * close-on-exec and non-blocking. Any thread.
 */
#ifndef MINIVMM_BASE_FD_UNIX_H
#define MINIVMM_BASE_FD_UNIX_H

#include <sys/types.h>

/* Most bytes of a path. */
#define FD_UNIX_PATH_MAX 107

/* A listening socket and its file. */
struct fd_unix {
	int fd; /* -1: none */
	char path[FD_UNIX_PATH_MAX + 1];
	dev_t dev;
	ino_t ino;
};

/*
 * Listen at @path. @type: SOCK_STREAM or SOCK_SEQPACKET. A socket file that
 * nobody listens on, of a program that was killed, is replaced. On failure
 * *@u is safe to close:
 *   -ENAMETOOLONG  longer than FD_UNIX_PATH_MAX
 *   -EEXIST        there is something else than a socket
 *   -EADDRINUSE    another program listens there
 */
int fd_unix_listen(struct fd_unix *u, const char *path, int type, int backlog);

/* Stop listening, and remove the file if it is still ours. */
void fd_unix_close(struct fd_unix *u);

/*
 * A socket connected to @path. -EAGAIN: the queue of who listens there is full
 * now; -ENOENT, -ECONNREFUSED: nobody does.
 */
int fd_unix_connect(const char *path, int type);

#endif
