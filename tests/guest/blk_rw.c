// SPDX-License-Identifier: MIT
/*
 * blk_rw.c - writes a pattern to a disk, flushes, reads it back; refusals
 * are in band; the interrupt arrives.
 */
#include "tests/guest/lib/guest.h"
#include "tests/guest/lib/virtio.h"

#define VECTOR 0x60

static struct queue q;
static uint8_t out[4096], in[4096];

int guest_main(void)
{
	uintptr_t blk = virtio_find(BLK_ID);
	uint32_t gsi, i;
	uint64_t sectors;

	expect(blk != 0, "a block device");
	irq_setup();
	gsi = VIRTIO_GSI + (uint32_t)(blk - VIRTIO_WINDOW) / 0x1000;
	ioapic_route(gsi, VECTOR, (uint8_t)lapic_enable());
	expect(virtio_start(blk, &q, 0), "the device starts");
	sectors = mmio_read(blk + REG_CONFIG);

	for (i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + (i >> 8));
	expect(!blk_request(blk, &q, BLK_OUT, 8, out, sizeof(out)), "write");
	expect(!blk_request(blk, &q, BLK_FLUSH, 0, 0, 0), "flush");
	expect(!blk_request(blk, &q, BLK_IN, 8, in, sizeof(in)), "read");
	for (i = 0; i < sizeof(in); i++)
		expect(in[i] == out[i], "the same bytes");

	expect(blk_request(blk, &q, BLK_IN, sectors, in, 512) == 1,
	       "IOERR past the end");
	expect(blk_request(blk, &q, BLK_IN, ~0ull, in, 512) == 1,
	       "IOERR far past the end");
	expect(blk_request(blk, &q, 99, 0, in, 512) == 2, "UNSUPP");
	expect(irq_wait(VECTOR, 1), "an interrupt");
	expect(mmio_read(blk + REG_IRQ_STATUS) & 1, "interrupt status");
	put_text("done\n");
	return 0;
}
