/* SPDX-License-Identifier: MIT */
/*
 * random.h - a stream of numbers from a seed: the same on every machine.
 */
#ifndef MINIVMM_TESTS_ENGINES_RANDOM_H
#define MINIVMM_TESTS_ENGINES_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t s;
};

/* SplitMix64 */
static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->s += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* 0 .. n - 1 */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

/* True in @percent of cases. */
static inline bool rng_chance(struct rng *r, uint32_t percent)
{
	return rng_below(r, 100) < percent;
}

/* operands.c: values that find mistakes. */
uint64_t rng_integer(struct rng *r);
uint64_t rng_address(struct rng *r); /* near or in the window */
void rng_vector(struct rng *r, uint8_t v[16]);
void rng_x87(struct rng *r, uint8_t v[10]);
/* Fill @len bytes, a multiple of 16, with a mixture of all of them. */
void rng_memory(struct rng *r, uint8_t *p, size_t len);

#endif
