// SPDX-License-Identifier: MIT
/*
 * blk_readonly.c - a read-only disk says so and refuses writes in band.
 */
#include "tests/guest/lib/guest.h"
#include "tests/guest/lib/virtio.h"

static struct queue q;
static uint8_t buf[512];

int guest_main(void)
{
	uintptr_t blk = virtio_find(BLK_ID);

	expect(blk != 0, "a block device");
	mmio_write(blk + REG_FEATURES_SEL, 0);
	expect(mmio_read(blk + REG_FEATURES) & 1 << 5, "VIRTIO_BLK_F_RO");
	expect(virtio_start(blk, &q, 1 << 5), "the device starts");
	expect(!blk_request(blk, &q, BLK_IN, 0, buf, 512), "read");
	expect(blk_request(blk, &q, BLK_OUT, 0, buf, 512) == 1,
	       "IOERR for a write");
	return 0;
}
