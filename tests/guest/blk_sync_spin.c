// SPDX-License-Identifier: MIT
/*
 * blk_sync_spin.c - writes sectors 0..63, each with its number, flushes, says
 * "synced" and runs on until it is killed.
 */
#include "tests/guest/lib/guest.h"
#include "tests/guest/lib/virtio.h"

static struct queue q;
static uint8_t buf[512];

int guest_main(void)
{
	uintptr_t blk = virtio_find(BLK_ID);
	uint32_t s;

	expect(blk && virtio_start(blk, &q, 0), "a block device");
	for (s = 0; s < 64; s++) {
		buf[0] = (uint8_t)s;
		buf[511] = (uint8_t)~s;
		expect(!blk_request(blk, &q, BLK_OUT, s, buf, 512), "write");
	}
	expect(!blk_request(blk, &q, BLK_FLUSH, 0, 0, 0), "flush");
	put_text("synced\n");
	for (;;)
		asm volatile("pause");
}
