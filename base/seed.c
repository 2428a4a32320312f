// SPDX-License-Identifier: MIT
/*
 * seed.c - numbers that follow from a seed.
 *
 * How it works. xoshiro256** (Blackman and Vigna, "Scrambled linear
 * pseudorandom number generators", 2018), its state filled by SplitMix64, as
 * its authors say. The stream is the first thing that goes into the latter.
 */
#include "base/seed.h"

#include <string.h>

#include "base/le.h"

#define GOLDEN 0x9e3779b97f4a7c15ull /* 2^64 / phi, odd */

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = *x += GOLDEN;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

void seed_init(struct seed *s, uint64_t seed, enum seed_stream stream)
{
	uint64_t x = (uint64_t)stream;
	unsigned int i;

	x = splitmix(&x) ^ seed;
	for (i = 0; i < 4; i++)
		s->s[i] = splitmix(&x);
}

static uint64_t rotl(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

uint64_t seed_next(struct seed *g)
{
	uint64_t *s = g->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

void seed_fill(struct seed *s, void *buf, size_t len)
{
	char *at = buf;

	while (len) {
		le64 v = le64_put(seed_next(s));
		size_t n = len < sizeof(v) ? len : sizeof(v);

		memcpy(at, &v, n);
		at += n;
		len -= n;
	}
}
