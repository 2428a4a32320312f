/* SPDX-License-Identifier: MIT */
/*
 * vsock.h - the virtio socket device (virtio 1.2 §5.10), stream sockets, with
 * UNIX sockets at the host's side.
 *
 * A program of the host connects to the socket file PATH and says
 * "CONNECT 1234\n"; when the guest has accepted on its port 1234, it reads
 * "OK 1073741824\n" (the host's port, which the guest sees) and has the
 * stream; otherwise the connection is closed. When the guest connects to port
 * 1234 of CID 2, the device connects to PATH_1234; when nobody listens there,
 * the guest's connection is refused.
 */
#ifndef MINIVMM_VIRTIO_VSOCK_H
#define MINIVMM_VIRTIO_VSOCK_H

#include <stddef.h>
#include <stdint.h>

struct loop;
struct ram;
struct virtio_dev;

/* The guest's context IDs (virtio 1.2 §5.10.4): the others are reserved. */
#define VIRTIO_VSOCK_CID_MIN 3u
#define VIRTIO_VSOCK_CID_MAX 0xfffffffeu

/* Most bytes of PATH: "_4294967295" follows. */
#define VIRTIO_VSOCK_PATH_MAX 96

struct virtio_vsock_params {
	const char *name; /* for logs; copied, as is the path */
	uint32_t cid;
	const char *path;
};

/*
 * Listen at p->path and create a socket device in *out; destroy it with
 * virtio_dev_destroy(), which removes the socket file. A file left by a
 * program that was killed is replaced. 0, or -errno with the reason in @why.
 */
int virtio_vsock_create(struct virtio_dev **out, struct ram *ram,
			struct loop *loop, const struct virtio_vsock_params *p,
			char *why, size_t why_len);

#endif
