/* SPDX-License-Identifier: MIT */
/*
 * fuzz_input.h - a fuzzer's bytes as numbers, one after the other; zeroes
 * after the end.
 */
#ifndef MINIVMM_TESTS_FUZZ_FUZZ_INPUT_H
#define MINIVMM_TESTS_FUZZ_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_input {
	const uint8_t *data;
	size_t left;
};

static inline uint8_t take8(struct fuzz_input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->data++;
}

static inline uint16_t take16(struct fuzz_input *in)
{
	uint16_t low = take8(in);

	return (uint16_t)(low | take8(in) << 8);
}

static inline uint32_t take32(struct fuzz_input *in)
{
	uint32_t low = take16(in);

	return low | (uint32_t)take16(in) << 16;
}

/* What must hold whatever the input is. */
static inline void require(bool claim)
{
	if (!claim)
		abort();
}

#endif
