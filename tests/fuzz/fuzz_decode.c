// SPDX-License-Identifier: MIT
/*
 * fuzz_decode - bytes of a guest into the instruction decoder.
 *
 * The first byte chooses the mode; the rest is code that ends exactly where
 * the input does, so that a sanitizer sees every read too far.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vcpu/x86/insn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct x86_insn in;
	uint8_t *code;
	int err;

	if (size < 2)
		return 0;
	code = malloc(size - 1);
	if (!code)
		return 0;
	memcpy(code, data + 1, size - 1);
	err = x86_decode(&in, code, size - 1, data[0] % 3);
	if (!err &&
	    (in.len > X86_INSN_MAX || in.len > size - 1 || in.op >= X86_NR_OPS))
		abort();
	if (err && err != -EILSEQ && err != -ENODATA && err != -E2BIG)
		abort();
	free(code);
	return 0;
}
