// SPDX-License-Identifier: MIT
/*
 * switch_listen.c - the socket that ports connect to.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd_unix.h"
#include "virtio/switch/switch.h"

#define BACKLOG 64

int switch_listen(struct fd_unix *u, const char *path)
{
	mode_t mask = umask(0177);
	int err = fd_unix_listen(u, path, SOCK_SEQPACKET, BACKLOG);

	umask(mask);
	return err;
}
