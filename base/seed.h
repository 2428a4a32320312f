/* SPDX-License-Identifier: MIT */
/*
 * seed.h - numbers that look random and follow from a seed: what stands for
 * the host's entropy when two runs have to be the same.
 *
 * Not for secrets: who has seen some of them knows the others.
 */
#ifndef MINIVMM_BASE_SEED_H
#define MINIVMM_BASE_SEED_H

#include <stddef.h>
#include <stdint.h>

/*
 * Who draws. Each has a stream of its own, so that what one draws, and when,
 * changes nothing for the others.
 */
enum seed_stream {
	SEED_BOOT,   /* handed to the kernel by the loader */
	SEED_CPU,    /* RDRAND, RDSEED */
	SEED_DEVICE, /* the entropy device */
};

struct seed {
	uint64_t s[4];
};

void seed_init(struct seed *s, uint64_t seed, enum seed_stream stream);

uint64_t seed_next(struct seed *s);

/* @len bytes, the same on every host. */
void seed_fill(struct seed *s, void *buf, size_t len);

#endif
