// SPDX-License-Identifier: MIT
/*
 * virtio.c - a driver for virtio-mmio that is as small as it can be.
 */
#include "tests/guest/lib/virtio.h"

#include "tests/guest/lib/guest.h"

#define SLOTS 40

struct blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};

uintptr_t virtio_find(uint32_t id)
{
	uintptr_t base = VIRTIO_WINDOW;
	int i;

	for (i = 0; i < SLOTS; i++, base += 0x1000)
		if (mmio_read(base + REG_MAGIC) == 0x74726976 &&
		    mmio_read(base + REG_DEVICE_ID) == id)
			return base;
	return 0;
}

static void write_address(uintptr_t reg, const volatile void *p)
{
	mmio_write(reg, (uint32_t)(uintptr_t)p);
	mmio_write(reg + 4, (uint32_t)((uintptr_t)p >> 32));
}

static void set_up(uintptr_t base, const struct queue *q, uint32_t n)
{
	mmio_write(base + REG_QUEUE_SEL, n);
	mmio_write(base + REG_QUEUE_NUM, QUEUE_SIZE);
	write_address(base + REG_QUEUE_DESC, q->desc);
	write_address(base + REG_QUEUE_AVAIL, &q->avail);
	write_address(base + REG_QUEUE_USED, &q->used);
	mmio_write(base + REG_QUEUE_READY, 1);
}

bool virtio_start(uintptr_t base, struct queue *q, uint32_t features)
{
	return virtio_start_queues(base, q, 1, features);
}

bool virtio_start_queues(uintptr_t base, struct queue *q, uint32_t nr,
			 uint32_t features)
{
	mmio_write(base + REG_STATUS, 0);
	mmio_write(base + REG_STATUS, 1);
	mmio_write(base + REG_STATUS, 3);
	mmio_write(base + REG_DRIVER_FEATURES_SEL, 0);
	mmio_write(base + REG_DRIVER_FEATURES, features);
	mmio_write(base + REG_DRIVER_FEATURES_SEL, 1);
	mmio_write(base + REG_DRIVER_FEATURES, 1); /* VERSION_1 */
	mmio_write(base + REG_STATUS, 11);
	if (!(mmio_read(base + REG_STATUS) & 8))
		return false;

	for (uint32_t n = 0; n < nr; n++)
		set_up(base, &q[n], n);
	mmio_write(base + REG_STATUS, 15);
	return mmio_read(base + REG_STATUS) == 15;
}

void virtio_submit(uintptr_t base, struct queue *q, uint16_t head)
{
	volatile uint16_t *idx = &q->avail.idx;

	q->avail.ring[*idx % QUEUE_SIZE] = head;
	barrier();
	*idx = (uint16_t)(*idx + 1);
	mmio_write(base + REG_QUEUE_NOTIFY, 0);
}

uint32_t virtio_wait(struct queue *q)
{
	const volatile uint16_t *idx = &q->used.idx;
	uint32_t len;

	while (*idx == q->seen_used)
		asm volatile("pause");
	barrier();
	len = q->used.ring[q->seen_used % QUEUE_SIZE].len;
	q->seen_used++;
	return len;
}

uint8_t blk_request(uintptr_t base, struct queue *q, uint32_t type,
		    uint64_t sector, void *data, uint32_t len)
{
	static struct blk_header header;
	static volatile uint8_t status;
	bool from_device = type == BLK_IN || type == BLK_GETID;
	uint16_t last = len ? 2 : 1;

	header = (struct blk_header){ type, 0, sector };
	status = 255;
	q->desc[0] = (struct desc){ (uintptr_t)&header, sizeof(header),
				    DESC_NEXT, 1 };
	if (len)
		q->desc[1] = (struct desc){
			(uintptr_t)data, len,
			(uint16_t)(DESC_NEXT | (from_device ? DESC_WRITE : 0)),
			2
		};
	q->desc[last] = (struct desc){ (uintptr_t)&status, 1, DESC_WRITE, 0 };
	virtio_submit(base, q, 0);
	virtio_wait(q);
	return status;
}
