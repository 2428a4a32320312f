// SPDX-License-Identifier: MIT
/*
 * fuzz_net_user - a frame of a guest on its way to libslirp.
 *
 * The input is a frame; it ends exactly where the input does, so that a
 * sanitizer sees every read too far. What passes is what libslirp can read
 * the headers of.
 */
#include <string.h>

#include "tests/fuzz/fuzz_input.h"
#include "virtio/backend/net_user_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *frame = malloc(size + !size);
	enum netb_user_frame kind;

	if (!frame)
		return 0;
	memcpy(frame, data, size);
	kind = netb_user_frame_kind(frame, size);
	if (kind != NETB_USER_FRAME_BAD) {
		unsigned int type = (unsigned int)frame[12] << 8 | frame[13];

		require(type == 0x0806 || type == 0x0800 || type == 0x86dd);
		require(size >= (type == 0x0806	  ? 42u
				 : type == 0x0800 ? 34u
						  : 54u));
		if (type == 0x0800)
			require(size >= 14 + (frame[14] & 15u) * 4u);
	}
	free(frame);
	return 0;
}
