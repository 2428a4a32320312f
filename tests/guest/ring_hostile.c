// SPDX-License-Identifier: MIT
/*
 * ring_hostile.c - a chain that loops marks the device as needing a reset,
 * and a reset makes it work again.
 */
#include "tests/guest/lib/guest.h"
#include "tests/guest/lib/virtio.h"

static struct queue q;
static uint8_t buf[512];

static void clear(void)
{
	volatile uint8_t *p = (volatile uint8_t *)&q;
	size_t i;

	for (i = 0; i < sizeof(q); i++)
		p[i] = 0;
}

int guest_main(void)
{
	uintptr_t blk = virtio_find(BLK_ID);
	uint64_t until = rdtsc() + 8000000000ull;

	expect(blk && virtio_start(blk, &q, 0), "a block device");
	q.desc[0] = (struct desc){ (uintptr_t)buf, 16, DESC_NEXT, 1 };
	q.desc[1] = (struct desc){ (uintptr_t)buf, 16, DESC_NEXT, 0 };
	virtio_submit(blk, &q, 0);
	while (!(mmio_read(blk + REG_STATUS) & 64) && rdtsc() < until)
		;
	expect(mmio_read(blk + REG_STATUS) & 64, "DEVICE_NEEDS_RESET");

	clear();
	expect(virtio_start(blk, &q, 0), "a start after the reset");
	expect(!blk_request(blk, &q, BLK_IN, 0, buf, 512), "a read");
	return 0;
}
