// SPDX-License-Identifier: MIT
/*
 * rng.c - the entropy device fills a buffer with bytes that differ.
 */
#include "tests/guest/lib/guest.h"
#include "tests/guest/lib/virtio.h"

static struct queue q;
static uint8_t buf[64];

int guest_main(void)
{
	uintptr_t rng = virtio_find(RNG_ID);
	uint32_t i, same = 0;

	expect(rng && virtio_start(rng, &q, 0), "an entropy device");
	q.desc[0] = (struct desc){ (uintptr_t)buf, sizeof(buf), DESC_WRITE, 0 };
	virtio_submit(rng, &q, 0);
	expect(virtio_wait(&q) == sizeof(buf), "a full buffer");
	for (i = 1; i < sizeof(buf); i++)
		same += buf[i] == buf[0];
	expect(same < 16, "bytes that differ");
	return 0;
}
