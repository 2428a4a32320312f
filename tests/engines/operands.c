// SPDX-License-Identifier: MIT
/*
 * operands.c - operand values: the ends of ranges, powers of two, addresses
 * at page ends, every class of floating-point number, and plain noise.
 */
#include <string.h>

#include "tests/engines/diff.h"
#include "tests/engines/random.h"

static uint64_t boundary(struct rng *r)
{
	static const uint64_t v[] = {
		0,	   1,	       2,	   3,	       7,
		8,	   15,	       16,	   31,	       32,
		33,	   63,	       64,	   0x7f,       0x80,
		0xff,	   0x100,      0x7fff,	   0x8000,     0xffff,
		0x10000,   0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32,
		INT64_MAX, 1ull << 63, UINT64_MAX,
	};
	uint64_t x = v[rng_below(r, sizeof(v) / sizeof(v[0]))];

	return rng_chance(r, 20) ? 0 - x : x;
}

uint64_t rng_address(struct rng *r)
{
	uint64_t page = DIFF_DATA + DIFF_PAGE * rng_below(r, 4);

	switch (rng_below(r, 8)) {
	case 0: /* around a page's end */
		return page + rng_below(r, 32) - 16;
	case 1:
		return page + 4 * rng_below(r, 16) - 32;
	case 2: /* anywhere, also before and behind */
		return DIFF_DATA - 64 + rng_below(r, 3 * 4096 + 128);
	case 3: /* room for code to jump to */
		return DIFF_CODE + 0x800 + 32 * rng_below(r, 56);
	case 4:
		return DIFF_DATA + rng_below(r, DIFF_DATA_SIZE);
	default: /* aligned */
		return DIFF_DATA + 16 * rng_below(r, DIFF_DATA_SIZE / 16);
	}
}

uint64_t rng_integer(struct rng *r)
{
	uint64_t v = rng_next(r);

	switch (rng_below(r, 8)) {
	case 0:
	case 1:
		return boundary(r);
	case 2:
		return (1ull << (v & 63)) + rng_below(r, 3) - 1;
	case 3:
		return v & 0xff;
	case 4:
		return (uint32_t)v;
	case 5:
		return (uint64_t)(int32_t)v;
	case 6:
		return v >> (v & 63);
	}
	return v;
}

static uint32_t float32(struct rng *r)
{
	static const uint32_t v[] = {
		0,	    0x80000000, 0x3f800000, 0xbf800000, 0x7f800000,
		0xff800000, 0x7fc00000, 0x7f800001, 0xffc12345, 0x00000001,
		0x007fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000,
		0x5f000000, 0x3f000000, 0x40490fdb, 0x4b7fffff, 0x80000001,
	};

	return v[rng_below(r, sizeof(v) / sizeof(v[0]))];
}

static uint64_t float64(struct rng *r)
{
	static const uint64_t v[] = {
		0,
		1ull << 63,
		0x3ff0000000000000,
		0xbff0000000000000,
		0x7ff0000000000000,
		0xfff0000000000000,
		0x7ff8000000000000,
		0x7ff0000000000001,
		0xfff8000000001234,
		1,
		0x000fffffffffffff,
		0x0010000000000000,
		0x7fefffffffffffff,
		0x41e0000000000000,
		0xc1e0000000000000,
		0x43e0000000000000,
		0x3fe0000000000000,
		0x400921fb54442d18,
		0x36a0000000000000,
		0x47efffffe0000000,
	};

	return v[rng_below(r, sizeof(v) / sizeof(v[0]))];
}

static void fill(struct rng *r, uint8_t *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (uint8_t)rng_next(r);
}

void rng_vector(struct rng *r, uint8_t v[16])
{
	unsigned int kind = rng_below(r, 6), i;
	uint64_t q;
	uint32_t d;

	fill(r, v, 16);
	for (i = 0; i < 4 && kind == 0; i++) {
		d = float32(r);
		memcpy(v + 4 * i, &d, 4);
	}
	for (i = 0; i < 2 && kind >= 1 && kind <= 3; i++) {
		q = kind == 1	? float64(r)
		    : kind == 2 ? rng_integer(r)
				: rng_address(r);
		memcpy(v + 8 * i, &q, 8);
	}
	if (kind == 4)
		memset(v, (int)boundary(r), 16);
}

/* Zero, denormal, pseudo-denormal, unnormal, infinity, NaN, and numbers. */
void rng_x87(struct rng *r, uint8_t v[10])
{
	static const uint16_t exp[] = {
		0,	0x7fff, 0x3fff, 0x3ffe, 0x4000,
		0x403e, 0x4016, 0x401e, 1,	0x7ffe
	};
	static const uint64_t mant[] = {
		0,	    1ull << 63, 3ull << 62,	    1,
		UINT64_MAX, INT64_MAX,	0x8000000000000001,
	};
	uint64_t m = mant[rng_below(r, 7)];
	uint16_t e = exp[rng_below(r, 10)];

	if (rng_chance(r, 50))
		m = rng_next(r) | 1ull << 63;
	if (rng_chance(r, 40))
		e = (uint16_t)(0x3fff + rng_below(r, 80) - 10);
	if (rng_chance(r, 5))
		m = rng_next(r);
	if (rng_chance(r, 40))
		e |= 0x8000;
	memcpy(v, &m, 8);
	memcpy(v + 8, &e, 2);
}

void rng_memory(struct rng *r, uint8_t *p, size_t len)
{
	uint64_t q;

	for (; len; len -= 16, p += 16) {
		memset(p, 0, 16);
		switch (rng_below(r, 8)) {
		case 0:
			rng_x87(r, p);
			break;
		case 1: /* packed decimal for FBLD */
			for (q = 0; q < 9; q++)
				p[q] = (uint8_t)(rng_below(r, 10) << 4 |
						 rng_below(r, 10));
			p[9] = (uint8_t)(rng_next(r) & 0x80);
			break;
		case 2:
			q = rng_address(r);
			memcpy(p, &q, 8);
			q = rng_integer(r);
			memcpy(p + 8, &q, 8);
			break;
		default:
			rng_vector(r, p);
		}
	}
}
