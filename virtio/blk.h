/* SPDX-License-Identifier: MIT */
/*
 * blk.h - the virtio block device (virtio 1.2 §5.2).
 */
#ifndef MINIVMM_VIRTIO_BLK_H
#define MINIVMM_VIRTIO_BLK_H

#include <stdint.h>

struct disk;
struct loop;
struct ram;
struct virtio_dev;
struct virtio_limit_params;

struct virtio_blk_params {
	const char *name;   /* "blk0", for logs */
	const char *serial; /* NULL: none; 20 bytes count */
	struct disk *disk;  /* becomes the device's, also on failure */
	uint16_t nr_queues;
	/* NULL: no limits. An operation is a request. */
	const struct virtio_limit_params *limit;
};

int virtio_blk_create(struct virtio_dev **out, struct ram *ram,
		      struct loop *loop, const struct virtio_blk_params *p);

#endif
