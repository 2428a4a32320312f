/* SPDX-License-Identifier: MIT */
/*
 * byteio.h - wide accesses to a chip that has an 8-bit data bus.
 *
 * The ISA bus splits them into bytes at ascending addresses; so do we.
 */
#ifndef MINIVMM_VCPU_BOARD_BYTEIO_H
#define MINIVMM_VCPU_BOARD_BYTEIO_H

#include <stdint.h>

struct bus_dev;

typedef uint8_t byteio_read_fn(struct bus_dev *d, uint64_t off);
typedef void byteio_write_fn(struct bus_dev *d, uint64_t off, uint8_t val);

static inline uint64_t byteio_read(struct bus_dev *d, uint64_t off,
				   unsigned int len, byteio_read_fn *read)
{
	uint64_t val = 0;
	unsigned int i;

	for (i = 0; i < len; i++)
		val |= (uint64_t)read(d, off + i) << (8 * i);
	return val;
}

static inline void byteio_write(struct bus_dev *d, uint64_t off,
				unsigned int len, uint64_t val,
				byteio_write_fn *write)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		write(d, off + i, (uint8_t)(val >> (8 * i)));
}

#endif
