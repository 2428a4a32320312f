// SPDX-License-Identifier: MIT
/*
 * disk_zero.c - discard and write-zeroes.
 *
 * How it works. The first of these that the host can do:
 *
 *   discard                PUNCH_HOLE, nothing
 *   write-zeroes, unmap    PUNCH_HOLE, ZERO_RANGE, writing zeroes
 *   write-zeroes           ZERO_RANGE, writing zeroes
 *
 * That a file cannot do one is remembered, and never asked again. fallocate()
 * on a block device is the same (block/fops.c of Linux: both zero the range,
 * the hole may also give space back).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>

#include "base/checked.h"
#include "virtio/backend/disk_int.h"

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define ZERO  (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE)

static const char zero_page[DISK_ZERO_PAGE]
	__attribute__((aligned(DISK_ZERO_PAGE)));

void disk_zero_init(struct disk *d)
{
	for (unsigned int i = 0; i < DISK_ZERO_PAGES; i++) {
		/* Only ever written from. */
		d->zeroes[i].iov_base = (void *)(uintptr_t)zero_page;
		d->zeroes[i].iov_len = sizeof(zero_page);
	}
}

static void write_zeroes(struct disk_req *r);

static void handle_write(struct loop_op *op, int res)
{
	disk_moved(container_of(op, struct disk_req, op), res, write_zeroes);
}

static void write_zeroes(struct disk_req *r)
{
	struct disk *d = r->disk;
	struct disk_place p = disk_place(d, true, r->off, r->len);
	unsigned int pages =
		(unsigned int)min_u64(r->len / DISK_ZERO_PAGE, DISK_ZERO_PAGES);

	r->op.done = handle_write;
	if (pages)
		loop_writev(d->loop, &r->op, p.fd, d->zeroes, pages,
			    (int64_t)p.off);
	else
		loop_write(d->loop, &r->op, p.fd, zero_page, r->len,
			   (int64_t)p.off);
}

/* The last way. What O_DIRECT would refuse is an ordinary write of zeroes. */
static void start_writing(struct disk_req *r)
{
	if (disk_in_units(r->disk, r->off, r->len)) {
		write_zeroes(r);
		return;
	}
	disk_gate_leave(r);
	r->kind = DISK_WRITE;
	disk_gate_enter(r);
}

/* Which fallocate() mode to try for @r; 0: none is left. */
static int best_mode(const struct disk_req *r)
{
	const struct disk *d = r->disk;

	/* A hole in a layer reads as zeroes, and costs nothing. */
	if ((r->kind == DISK_DISCARD || r->unmap || disk_has_layer(d)) &&
	    !d->no_punch)
		return PUNCH;
	if (r->kind == DISK_ZEROES && !d->no_zero_range)
		return ZERO;
	return 0;
}

static void try_next(struct disk_req *r);

static bool cannot(int err)
{
	return err == -EOPNOTSUPP || err == -ENOSYS || err == -ENODEV;
}

static void handle_fallocate(struct loop_op *op, int res)
{
	struct disk_req *r = container_of(op, struct disk_req, op);
	struct disk *d = r->disk;

	if (!cannot(res)) {
		if (!res && disk_has_layer(d))
			disk_layer_wrote(d, r->off, r->len);
		disk_end(r, res);
		return;
	}
	if (best_mode(r) == PUNCH)
		d->no_punch = true;
	else
		d->no_zero_range = true;
	try_next(r);
}

static void try_next(struct disk_req *r)
{
	struct disk *d = r->disk;
	int mode = best_mode(r);
	struct disk_place p;

	if (mode) {
		p = disk_place(d, true, r->off, r->len);
		r->op.done = handle_fallocate;
		loop_fallocate(d->loop, &r->op, p.fd, mode, p.off, p.len);
	} else if (r->kind == DISK_DISCARD) {
		disk_end_later(r, 0);
	} else {
		start_writing(r);
	}
}

/* What discard and write-zeroes of the host's come in. */
static uint64_t granule(const struct disk *d)
{
	if (disk_has_layer(d))
		return DISK_LAYER_BLOCK;
	return d->is_block ? d->block_size : 1;
}

/* The last block of a layer may be a part of one. */
static bool ends_block(const struct disk *d, uint64_t end)
{
	return !(end & (granule(d) - 1)) ||
	       (disk_has_layer(d) && end == d->size);
}

/* Discard whole blocks, and no part of one. */
static void shrink_to_blocks(struct disk_req *r)
{
	uint64_t size = granule(r->disk);
	uint64_t from = checked_round_up(r->off, size);
	uint64_t to = r->off + r->len;

	if (!ends_block(r->disk, to))
		to &= ~(size - 1);
	r->off = from;
	r->len = to > from ? to - from : 0;
}

static bool is_in_blocks(const struct disk_req *r)
{
	return !(r->off & (granule(r->disk) - 1)) &&
	       ends_block(r->disk, r->off + r->len);
}

void disk_zero_run(struct disk_req *r)
{
	if (r->kind == DISK_DISCARD)
		shrink_to_blocks(r);
	if (!r->len)
		disk_end_later(r, 0);
	else if (!is_in_blocks(r))
		start_writing(r);
	else
		try_next(r);
}
