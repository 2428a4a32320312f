/* SPDX-License-Identifier: MIT */
/*
 * checked.h - arithmetic on numbers that somebody else chose.
 *
 * Any thread; nothing here allocates or blocks.
 */
#ifndef MINIVMM_BASE_CHECKED_H
#define MINIVMM_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* True when [off, off + len) lies inside [0, size). Never overflows. */
static inline bool range_fits(uint64_t off, uint64_t len, uint64_t size)
{
	return len <= size && off <= size - len;
}

/* True when [a, a + alen) and [b, b + blen) share a byte. Never overflows. */
static inline bool ranges_overlap(uint64_t a, uint64_t alen, uint64_t b,
				  uint64_t blen)
{
	if (!alen || !blen)
		return false;
	return a <= b ? b - a < alen : a - b < blen;
}

/* True and *sum = a + b when the sum fits 64 bits, false otherwise. */
static inline bool checked_add_u64(uint64_t a, uint64_t b, uint64_t *sum)
{
	return !__builtin_add_overflow(a, b, sum);
}

/* Round @v up to a multiple of @to, a power of two; saturates at the top. */
static inline uint64_t checked_round_up(uint64_t v, uint64_t to)
{
	uint64_t sum;

	if (!checked_add_u64(v, to - 1, &sum))
		sum = UINT64_MAX;
	return sum & ~(to - 1);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
