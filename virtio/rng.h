/* SPDX-License-Identifier: MIT */
/*
 * rng.h - the virtio entropy device (virtio 1.2 §5.4), fed by getrandom(2)
 * or from a seed.
 */
#ifndef MINIVMM_VIRTIO_RNG_H
#define MINIVMM_VIRTIO_RNG_H

#include <stdint.h>

struct loop;
struct ram;
struct virtio_dev;

/* @seed: where all it gives comes from, copied; NULL: the host's entropy. */
int virtio_rng_create(struct virtio_dev **out, struct ram *ram,
		      struct loop *loop, const char *name,
		      const uint64_t *seed);

#endif
