/* SPDX-License-Identifier: MIT */
/*
 * virtio.h - a driver for virtio-mmio that is as small as it can be: one
 * queue at a time, polled.
 */
#ifndef MINIVMM_TESTS_GUEST_LIB_VIRTIO_H
#define MINIVMM_TESTS_GUEST_LIB_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#define QUEUE_SIZE 64 /* the smallest maximum of our devices */

enum virtio_reg {
	REG_MAGIC = 0x000,
	REG_VERSION = 0x004,
	REG_DEVICE_ID = 0x008,
	REG_FEATURES = 0x010,
	REG_FEATURES_SEL = 0x014,
	REG_DRIVER_FEATURES = 0x020,
	REG_DRIVER_FEATURES_SEL = 0x024,
	REG_QUEUE_SEL = 0x030,
	REG_QUEUE_NUM_MAX = 0x034,
	REG_QUEUE_NUM = 0x038,
	REG_QUEUE_READY = 0x044,
	REG_QUEUE_NOTIFY = 0x050,
	REG_IRQ_STATUS = 0x060,
	REG_IRQ_ACK = 0x064,
	REG_STATUS = 0x070,
	REG_QUEUE_DESC = 0x080,
	REG_QUEUE_AVAIL = 0x090,
	REG_QUEUE_USED = 0x0a0,
	REG_CONFIG = 0x100,
};

#define DESC_NEXT  1
#define DESC_WRITE 2

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct queue {
	struct desc desc[QUEUE_SIZE];
	struct {
		uint16_t flags, idx, ring[QUEUE_SIZE], event;
	} avail;
	struct {
		uint16_t flags, idx;
		struct {
			uint32_t id, len;
		} ring[QUEUE_SIZE];
		uint16_t event;
	} used __attribute__((aligned(4)));
	uint16_t seen_used;
} __attribute__((aligned(4096)));

/* Base of the first window whose device has @id, or 0. */
uintptr_t virtio_find(uint32_t id);

/*
 * Reset, negotiate VERSION_1 and the low feature bits @features, set queue 0
 * up, DRIVER_OK. False when the device refuses.
 */
bool virtio_start(uintptr_t base, struct queue *q, uint32_t features);

/* The same with queues 0 to @nr - 1. */
bool virtio_start_queues(uintptr_t base, struct queue *q, uint32_t nr,
			 uint32_t features);

/* Make the chain that starts at @head available and ring the doorbell. */
void virtio_submit(uintptr_t base, struct queue *q, uint16_t head);

/* Wait for the next used entry; its length. */
uint32_t virtio_wait(struct queue *q);

/* virtio-blk */
#define BLK_ID		 2
#define RNG_ID		 4
#define BLK_IN		 0
#define BLK_OUT		 1
#define BLK_FLUSH	 4
#define BLK_GETID	 8
#define BLK_DISCARD	 11
#define BLK_WRITE_ZEROES 13

/* One request, start to end; the status byte, 255 when it was not written. */
uint8_t blk_request(uintptr_t base, struct queue *q, uint32_t type,
		    uint64_t sector, void *data, uint32_t len);

#endif
