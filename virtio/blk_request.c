// SPDX-License-Identifier: MIT
/*
 * blk_request.c - one request of the virtio block device (virtio 1.2 §5.2.6).
 *
 * How it works. A request is taken from the queue's pool, popped, checked and
 * handed to the disk; it ends in end_request(), at once or when the disk is
 * done. Requests of discard and write-zeroes carry segments that are done one
 * after the other. When the driver did not negotiate FLUSH, a write ends only
 * after a flush of its own (§5.2.6.2: then completed writes are stable).
 *
 *   start -> [segment, segment ...] or [read, write, flush] -> [flush] -> end
 */
#include <errno.h>

#include "base/checked.h"
#include "base/iov.h"
#include "virtio/blk_int.h"

/* virtio 1.2 §5.2.6 */
enum blk_type {
	BLK_T_IN = 0,
	BLK_T_OUT = 1,
	BLK_T_FLUSH = 4,
	BLK_T_GET_ID = 8,
	BLK_T_DISCARD = 11,
	BLK_T_WRITE_ZEROES = 13,
};

enum blk_status {
	BLK_S_OK = 0,
	BLK_S_IOERR = 1,
	BLK_S_UNSUPP = 2,
	BLK_PENDING, /* never the guest's: the disk is at work */
};

#define BLK_FLAG_UNMAP 1

struct blk_header {
	le32 type;
	le32 reserved;
	le64 sector;
};

_Static_assert(sizeof(struct blk_header) == 16, "virtio 1.2 §5.2.6");

/* Requests come and go */

static struct blk_req *get_request(struct blk *b, uint16_t q)
{
	struct blk_pool *p = &b->pools[q];
	struct blk_req *r = p->free;

	if (!r)
		return &p->reqs[p->fresh++];
	p->free = r->next;
	return r;
}

static void put_request(struct blk *b, uint16_t q, struct blk_req *r)
{
	r->next = b->pools[q].free;
	b->pools[q].free = r;
}

/* The status is the last writable byte, whatever the layout (§2.7.4.1). */
static void end_request(struct blk_req *r, enum blk_status status)
{
	struct blk *b = r->blk;
	uint64_t at = r->chain.writable_len - 1;
	uint8_t byte = (uint8_t)status;
	uint32_t written = r->filled;

	vq_chain_write(b->dev.ram, &r->chain, at, &byte, 1);
	/* Only bytes without a gap before them count (§2.7.8.2). */
	if (written == at)
		written++;
	virtio_dev_push(&b->dev, r->q, &r->chain, written);
	put_request(b, r->q, r);
}

/* The disk has said what went wrong. */
static enum blk_status to_status(int err)
{
	if (!err)
		return BLK_S_OK;
	return err == -EOPNOTSUPP ? BLK_S_UNSUPP : BLK_S_IOERR;
}

/* Work for the disk */

static void handle_disk_done(struct disk_req *io, int err);

static enum blk_status start_flush(struct blk_req *r)
{
	r->flushed = true;
	r->io.done = handle_disk_done;
	disk_flush(r->blk->disk, &r->io);
	return BLK_PENDING;
}

/* After the last write of a request. */
static enum blk_status make_stable(struct blk_req *r)
{
	if (r->flushed || virtio_dev_has(&r->blk->dev, BLK_F_FLUSH))
		return BLK_S_OK;
	return start_flush(r);
}

static enum blk_status start_range(struct blk_req *r)
{
	const struct blk_range *g = &r->ranges[r->range++];
	uint64_t off = le64_get(g->sector) * DISK_SECTOR;
	uint64_t len = le32_get(g->num_sectors) * DISK_SECTOR;

	r->io.done = handle_disk_done;
	if (r->type == BLK_T_DISCARD)
		disk_discard(r->blk->disk, &r->io, off, len);
	else
		disk_write_zeroes(r->blk->disk, &r->io, off, len,
				  le32_get(g->flags) & BLK_FLAG_UNMAP);
	return BLK_PENDING;
}

static enum blk_status next_step(struct blk_req *r)
{
	while (r->range < r->nr_ranges) {
		if (le32_get(r->ranges[r->range].num_sectors))
			return start_range(r);
		r->range++;
	}
	return make_stable(r);
}

static void handle_disk_done(struct disk_req *io, int err)
{
	struct blk_req *r = container_of(io, struct blk_req, io);
	struct virtio_dev *d = &r->blk->dev;
	uint16_t q = r->q;
	enum blk_status status = to_status(err);

	if (status == BLK_S_OK && r->type != BLK_T_IN)
		status = next_step(r);
	if (status == BLK_PENDING)
		return;

	if (r->type == BLK_T_IN && err) {
		/* Who knows how much of it was written before the error. */
		vq_chain_report(d->ram, &r->chain, 0, r->filled);
		r->filled = 0;
	}
	end_request(r, status);
	virtio_dev_notify(d, q);
}

/* The kinds of requests; each returns the status, or BLK_PENDING */

static enum blk_status start_io(struct blk_req *r, uint64_t sector)
{
	const struct vq_chain *c = &r->chain;
	bool in = r->type == BLK_T_IN;
	size_t off = in ? 0 : sizeof(struct blk_header);
	uint64_t len = in ? c->writable_len - 1 : c->readable_len - off;
	struct disk *disk = r->blk->disk;
	int nr;

	if (!in && disk_readonly(disk))
		return BLK_S_IOERR;
	if (len % DISK_SECTOR ||
	    !range_fits(sector, len / DISK_SECTOR, disk_sectors(disk)))
		return BLK_S_IOERR;
	if (!len)
		return BLK_S_OK;
	nr = iov_slice(in ? c->writable : c->readable,
		       in ? c->nr_writable : c->nr_readable, off, len, r->data,
		       BLK_SEG_MAX);
	if (nr < 0)
		return BLK_S_IOERR;

	r->io.done = handle_disk_done;
	if (in) {
		r->filled = (uint32_t)len;
		disk_readv(disk, &r->io, r->data, (unsigned int)nr,
			   sector * DISK_SECTOR);
	} else {
		disk_writev(disk, &r->io, r->data, (unsigned int)nr,
			    sector * DISK_SECTOR);
	}
	return BLK_PENDING;
}

static enum blk_status give_id(struct blk_req *r)
{
	uint64_t room = r->chain.writable_len - 1;

	r->filled =
		(uint32_t)vq_chain_write(r->blk->dev.ram, &r->chain, 0,
					 r->blk->id, min_u64(room, BLK_ID_LEN));
	return BLK_S_OK;
}

/* virtio 1.2 §5.2.6.2: unknown flags, and unmap on discard, are UNSUPP. */
static enum blk_status check_range(const struct blk_req *r,
				   const struct blk_range *g)
{
	uint32_t known = r->type == BLK_T_DISCARD ? 0 : BLK_FLAG_UNMAP;
	uint32_t sectors = le32_get(g->num_sectors);

	if (le32_get(g->flags) & ~known)
		return BLK_S_UNSUPP;
	if (sectors > BLK_RANGE_SECTORS ||
	    !range_fits(le64_get(g->sector), sectors,
			disk_sectors(r->blk->disk)))
		return BLK_S_IOERR;
	return BLK_S_OK;
}

static enum blk_status start_ranges(struct blk_req *r)
{
	uint64_t len = r->chain.readable_len - sizeof(struct blk_header);
	enum blk_status status;
	unsigned int i;

	if (disk_readonly(r->blk->disk))
		return BLK_S_IOERR;
	if (!disk_can_discard(r->blk->disk))
		return BLK_S_UNSUPP;
	if (!len || len % sizeof(struct blk_range) || len > sizeof(r->ranges))
		return BLK_S_IOERR;

	iov_read(r->chain.readable, r->chain.nr_readable,
		 sizeof(struct blk_header), r->ranges, len);
	r->nr_ranges = (unsigned int)(len / sizeof(struct blk_range));
	for (i = 0; i < r->nr_ranges; i++) {
		status = check_range(r, &r->ranges[i]);
		if (status != BLK_S_OK)
			return status;
	}
	return next_step(r);
}

static enum blk_status start_request(struct blk_req *r)
{
	struct blk_header h;

	r->filled = 0;
	r->range = 0;
	r->nr_ranges = 0;
	r->flushed = false;
	r->type = UINT32_MAX;
	if (iov_read(r->chain.readable, r->chain.nr_readable, 0, &h,
		     sizeof(h)) != sizeof(h))
		return BLK_S_IOERR;

	r->type = le32_get(h.type);
	switch (r->type) {
	case BLK_T_IN:
	case BLK_T_OUT:
		return start_io(r, le64_get(h.sector));
	case BLK_T_FLUSH:
		return start_flush(r);
	case BLK_T_GET_ID:
		return give_id(r);
	case BLK_T_DISCARD:
	case BLK_T_WRITE_ZEROES:
		return start_ranges(r);
	default:
		return BLK_S_UNSUPP;
	}
}

void virtio_blk_serve(struct blk *b, uint16_t q)
{
	struct virtio_dev *d = &b->dev;
	struct blk_req *r = get_request(b, q);
	enum blk_status status;

	while (virtio_limit_allows(&b->limit) &&
	       virtio_dev_pop(d, q, &r->chain)) {
		r->blk = b;
		r->q = q;
		if (!r->chain.writable_len) {
			virtio_dev_broken(d, "a request without status byte");
			virtio_dev_push(d, q, &r->chain, 0);
			break;
		}
		virtio_limit_charge(&b->limit, r->chain.readable_len +
						       r->chain.writable_len);
		status = start_request(r);
		if (status != BLK_PENDING)
			end_request(r, status);
		r = get_request(b, q);
	}
	put_request(b, q, r);
}
