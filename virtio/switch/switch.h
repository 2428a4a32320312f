/* SPDX-License-Identifier: MIT */
/*
 * switch.h - a switch for the network adapters of guests: ports that come and
 * go over a UNIX socket, and one uplink.
 *
 * How it works. core.h decides, switch_link.h is how a port is spoken to, and
 * this moves the frames. All is done in turns, a task on the loop: each port
 * that has frames may send a batch of them, then the uplink, then all who
 * received something are told, once. A port's frames are copied from its ring
 * straight into the rings they go to. A ring that is full loses the frame, and
 * so does an uplink: nobody is ever waited for, so a port that is slow, frozen
 * or hostile costs the others nothing but its share of the turns.
 *
 * A port that is quiet for a turn asks to be woken by a doorbell; while
 * everybody is busy, no system call is made for a frame.
 *
 *   connected -- hello: port --> up -- hangs up, breaks a rule --> gone
 *      |  \--- hello: stats --> answered, gone
 *      \------ anything else, or nothing for HELLO_SECONDS --> gone
 *
 * Loop thread only.
 */
#ifndef MINIVMM_VIRTIO_SWITCH_SWITCH_H
#define MINIVMM_VIRTIO_SWITCH_SWITCH_H

#include <stddef.h>
#include <stdint.h>

#include "virtio/switch/core.h"

struct fd_unix;

struct loop;
struct net_backend;
struct switch_server;

struct switch_server_params {
	struct loop *loop;
	int listen_fd;		    /* of switch_listen(); the caller's */
	struct net_backend *uplink; /* NULL: none; the caller's */
	uint32_t ring_size;	    /* 0: SWITCH_RING_BYTES */
	struct switch_core_params core;
};

/* Serves from loop_run() on. 0 or -errno. */
int switch_server_create(struct switch_server **out,
			 const struct switch_server_params *p);

/* After loop_drain(), before the uplink goes. NULL is allowed. */
void switch_server_destroy(struct switch_server *s);

/*
 * fd_unix_listen() with access for the owner only, by the umask: before there
 * are other threads.
 *
 * @syscalls: umask
 */
int switch_listen(struct fd_unix *u, const char *path);

#endif
