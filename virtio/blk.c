// SPDX-License-Identifier: MIT
/*
 * blk.c - the virtio block device (virtio 1.2 §5.2): features, configuration
 * space, life. Knows no files: a disk (backend/disk.h) reads and writes
 * straight from and to guest RAM. The requests are in blk_request.c.
 *
 * VIRTIO_BLK_F_CONFIG_WCE is not offered: a driver that wants write-through
 * does not negotiate FLUSH, or flushes.
 */
#include "virtio/blk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "virtio/blk_int.h"

/* virtio 1.2 §5.2.3 */
#define BLK_F_SEG_MAX	   (1ull << 2)
#define BLK_F_RO	   (1ull << 5)
#define BLK_F_BLK_SIZE	   (1ull << 6)
#define BLK_F_TOPOLOGY	   (1ull << 10)
#define BLK_F_MQ	   (1ull << 12)
#define BLK_F_DISCARD	   (1ull << 13)
#define BLK_F_WRITE_ZEROES (1ull << 14)

static struct blk *to_blk(struct virtio_dev *d)
{
	return container_of(d, struct blk, dev);
}

static void blk_kick(struct virtio_dev *d, uint16_t q)
{
	virtio_blk_serve(to_blk(d), q);
}

static void handle_limit(struct virtio_limit *l)
{
	struct blk *b = container_of(l, struct blk, limit);
	uint16_t q;

	for (q = 0; q < b->dev.nr_queues; q++)
		virtio_dev_kick(&b->dev, q);
}

static uint64_t blk_features(struct virtio_dev *d)
{
	const struct disk *disk = to_blk(d)->disk;
	uint64_t f = BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH;

	if (disk_alignment(disk) > DISK_SECTOR)
		f |= BLK_F_TOPOLOGY;
	if (d->nr_queues > 1)
		f |= BLK_F_MQ;
	if (disk_readonly(disk))
		f |= BLK_F_RO;
	else if (disk_can_discard(disk))
		f |= BLK_F_DISCARD | BLK_F_WRITE_ZEROES;
	return f;
}

static void blk_config_read(struct virtio_dev *d, size_t off, void *buf,
			    size_t len)
{
	memcpy(buf, (const char *)&to_blk(d)->config + off, len);
}

static void blk_destroy(struct virtio_dev *d)
{
	struct blk *b = to_blk(d);
	uint16_t q;

	for (q = 0; q < d->nr_queues; q++)
		free(b->pools[q].reqs);
	disk_close(b->disk);
	virtio_dev_fini(d);
	free(b);
}

static const struct virtio_dev_ops blk_ops = {
	.name = "blk",
	.type = 2, /* virtio 1.2 §5.2.1 */
	.queue_max = BLK_QUEUE_MAX,
	.config_len = sizeof(struct blk_config),
	.features = blk_features,
	.config_read = blk_config_read,
	.queue_kick = blk_kick,
	.destroy = blk_destroy,
};

/*
 * Blocks stay 512 bytes also with O_DIRECT, or partition tables would be read
 * differently with it; what the host prefers is in the topology.
 */
static void fill_config(struct blk *b, uint16_t nr_queues)
{
	struct blk_config *c = &b->config;
	unsigned int align = disk_alignment(b->disk);

	c->capacity = le64_put(disk_sectors(b->disk));
	c->seg_max = le32_put(BLK_SEG_MAX);
	c->blk_size = le32_put(DISK_SECTOR);
	if (align > DISK_SECTOR)
		c->physical_block_exp =
			(uint8_t)__builtin_ctzll(align / DISK_SECTOR);
	c->num_queues = le16_put(nr_queues);
	c->max_discard_sectors = le32_put(BLK_RANGE_SECTORS);
	c->max_discard_seg = le32_put(BLK_RANGES_MAX);
	c->discard_sector_alignment = le32_put(4096 / DISK_SECTOR);
	c->max_write_zeroes_sectors = le32_put(BLK_RANGE_SECTORS);
	c->max_write_zeroes_seg = le32_put(BLK_RANGES_MAX);
	c->write_zeroes_may_unmap = 1;
}

static int alloc_pools(struct blk *b, uint16_t nr_queues)
{
	uint16_t q;

	for (q = 0; q < nr_queues; q++) {
		b->pools[q].reqs =
			calloc(BLK_POOL_SIZE, sizeof(struct blk_req));
		if (!b->pools[q].reqs)
			return -ENOMEM;
	}
	return 0;
}

int virtio_blk_create(struct virtio_dev **out, struct ram *ram,
		      struct loop *loop, const struct virtio_blk_params *p)
{
	struct blk *b;
	int err;

	*out = NULL;
	b = calloc(1, sizeof(*b));
	if (!b) {
		disk_close(p->disk);
		return -ENOMEM;
	}
	err = virtio_dev_init(&b->dev, &blk_ops, p->name, ram, loop,
			      p->nr_queues);
	if (err) {
		disk_close(p->disk);
		free(b);
		return err;
	}
	b->disk = p->disk;
	virtio_limit_init(&b->limit, p->limit, loop, handle_limit);
	err = alloc_pools(b, p->nr_queues);
	if (err) {
		blk_destroy(&b->dev);
		return err;
	}
	if (p->serial)
		memcpy(b->id, p->serial, strnlen(p->serial, BLK_ID_LEN));
	fill_config(b, p->nr_queues);
	*out = &b->dev;
	return 0;
}
