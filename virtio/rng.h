/* SPDX-License-Identifier: MIT */
/*
 * rng.h - the virtio entropy device (virtio 1.2 §5.4), fed by getrandom(2).
 */
#ifndef MINIVMM_VIRTIO_RNG_H
#define MINIVMM_VIRTIO_RNG_H

struct loop;
struct ram;
struct virtio_dev;

int virtio_rng_create(struct virtio_dev **out, struct ram *ram,
		      struct loop *loop, const char *name);

#endif
