/* SPDX-License-Identifier: MIT */
/*
 * blk_int.h - what blk.c (the device) and blk_request.c (one request) share.
 */
#ifndef MINIVMM_VIRTIO_BLK_INT_H
#define MINIVMM_VIRTIO_BLK_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/le.h"
#include "virtio/backend/disk.h"
#include "virtio/device.h"
#include "virtio/limit.h"

#define BLK_F_FLUSH (1ull << 9) /* virtio 1.2 §5.2.3 */

#define BLK_QUEUE_MAX	  256
#define BLK_SEG_MAX	  (VQ_CHAIN_MAX - 2) /* without header and status */
#define BLK_RANGES_MAX	  16		     /* segments of one discard */
#define BLK_RANGE_SECTORS (1u << 22)
#define BLK_ID_LEN	  20

struct blk_config {
	le64 capacity;
	le32 size_max;
	le32 seg_max;
	uint8_t geometry[4];
	le32 blk_size;
	uint8_t physical_block_exp;
	uint8_t alignment_offset;
	le16 min_io_size;
	le32 opt_io_size;
	uint8_t writeback;
	uint8_t unused0;
	le16 num_queues;
	le32 max_discard_sectors;
	le32 max_discard_seg;
	le32 discard_sector_alignment;
	le32 max_write_zeroes_sectors;
	le32 max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap;
	uint8_t unused1[3];
} __attribute__((packed));

struct blk_range {
	le64 sector;
	le32 num_sectors;
	le32 flags;
};

_Static_assert(sizeof(struct blk_config) == 60, "virtio 1.2 §5.2.4");
_Static_assert(sizeof(struct blk_range) == 16, "virtio 1.2 §5.2.6");

struct blk_req {
	struct disk_req io;
	struct blk *blk;
	struct blk_req *next; /* of the free ones */
	uint16_t q;
	uint32_t type;
	uint32_t filled; /* bytes of data that are new in guest RAM */
	unsigned int range, nr_ranges;
	bool flushed; /* or no need to */
	struct vq_chain chain;
	struct blk_range ranges[BLK_RANGES_MAX];
	struct iovec data[BLK_SEG_MAX];
};

/* One more than can be out at a time, to pop the next one into. */
#define BLK_POOL_SIZE (BLK_QUEUE_MAX + 1)

/*
 * The requests of a queue: there is always one, so that it is the pop that
 * ends serving. Those never used stay untouched memory.
 */
struct blk_pool {
	struct blk_req *reqs;
	struct blk_req *free;
	unsigned int fresh; /* index of the first never used */
};

struct blk {
	struct virtio_dev dev;
	struct disk *disk;
	char id[BLK_ID_LEN];
	struct blk_config config;
	struct blk_pool pools[VIRTIO_QUEUES_MAX];
	struct virtio_limit limit;
};

/* Start the requests that queue @q holds. Loop thread only. */
void virtio_blk_serve(struct blk *b, uint16_t q);

#endif
