// SPDX-License-Identifier: MIT
/*
 * disk_bounce.c - transfers that O_DIRECT would refuse: their buffers, their
 * offset or their length are not in the host's units. And writes of parts of
 * a layer's blocks (disk_layer.c): then the units are these.
 *
 * How it works. The range goes through an aligned buffer in chunks of whole
 * units:
 *
 *   read                      READ units, copy out
 *   write of whole units      copy in, WRITE units
 *   write of parts of units   READ units, copy in, WRITE units
 *
 * The gate sees to it that no other write runs during the last kind, and that
 * the disk's size is a whole number of units was checked when it was opened.
 * A host that crashes in the middle can lose a write that was not
 * acknowledged, as always, and nothing of its neighbours but what a torn
 * write of one unit would.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "virtio/backend/disk_int.h"

#define CHUNK_MAX (128u << 10)

bool disk_must_bounce(const struct disk_req *r)
{
	const struct disk *d = r->disk;

	if (r->kind != DISK_READ && r->kind != DISK_WRITE)
		return false;
	if (disk_has_layer(d) && r->kind == DISK_READ)
		return false;
	if (!disk_in_units(d, r->off, r->len) || !r->iov)
		return true;
	if (disk_has_layer(d))
		return false;
	for (unsigned int i = 0; i < r->nr_iov; i++) {
		if ((uintptr_t)r->iov[i].iov_base & (d->mem_align - 1) ||
		    r->iov[i].iov_len & (d->unit - 1))
			return true;
	}
	return false;
}

/* The gate sees to it that there is one. NULL: no memory. */
static char *take_buffer(struct disk *d)
{
	unsigned int i = (unsigned int)__builtin_ctz(~d->bounces_used);

	if (!d->bounce[i] &&
	    posix_memalign(&d->bounce[i], disk_alignment(d), CHUNK_MAX)) {
		d->bounce[i] = NULL;
		return NULL;
	}
	d->bounces_used |= 1u << i;
	return d->bounce[i];
}

void disk_bounce_end(struct disk_req *r)
{
	struct disk *d = r->disk;

	for (unsigned int i = 0; r->bounce && i < DISK_BOUNCES_MAX; i++)
		if (d->bounce[i] == r->bounce)
			d->bounces_used &= ~(1u << i);
	r->bounce = NULL;
}

void disk_bounce_fini(struct disk *d)
{
	for (unsigned int i = 0; i < DISK_BOUNCES_MAX; i++)
		free(d->bounce[i]);
}

/* The bytes of the chunk that the request is about. */
static size_t wanted(const struct disk_req *r)
{
	return min_u64(r->len, r->chunk_off + r->chunk_len - r->off);
}

/* Copy between the chunk and the request's buffers, and step over it. */
static void copy(struct disk_req *r)
{
	char *at = r->bounce + (r->off - r->chunk_off);
	size_t left = wanted(r);

	if (!r->iov) {
		memset(at, 0, left);
		disk_advance(r, left);
		return;
	}
	while (left) {
		size_t n = min_u64(left, r->iov->iov_len);

		if (r->kind == DISK_READ)
			memcpy(r->iov->iov_base, at, n);
		else
			memcpy(at, r->iov->iov_base, n);
		disk_advance(r, n);
		at += n;
		left -= n;
	}
}

static void read_chunk(struct disk_req *r);
static void write_chunk(struct disk_req *r);
static void next_chunk(struct disk_req *r);

/* True when all of the chunk has moved; otherwise that goes on, or failed. */
static bool moved(struct disk_req *r, int res, void (*again)(struct disk_req *))
{
	if (res <= 0) {
		disk_end(r, res ? res : -EIO);
		return false;
	}
	r->chunk_done += (size_t)res;
	if (r->chunk_done < r->chunk_len) {
		again(r);
		return false;
	}
	r->chunk_done = 0;
	return true;
}

static void handle_write(struct loop_op *op, int res)
{
	struct disk_req *r = container_of(op, struct disk_req, op);

	if (!moved(r, res, write_chunk))
		return;
	if (disk_has_layer(r->disk))
		disk_layer_wrote(r->disk, r->chunk_off, r->chunk_len);
	next_chunk(r);
}

/* What is left of the chunk, or as much of it as is in one place. */
static struct disk_place chunk_place(const struct disk_req *r, bool write)
{
	return disk_place(r->disk, write, r->chunk_off + r->chunk_done,
			  r->chunk_len - r->chunk_done);
}

static void write_chunk(struct disk_req *r)
{
	struct disk_place p = chunk_place(r, true);

	r->op.done = handle_write;
	loop_write(r->disk->loop, &r->op, p.fd, r->bounce + r->chunk_done,
		   p.len, (int64_t)p.off);
}

static void handle_read(struct loop_op *op, int res)
{
	struct disk_req *r = container_of(op, struct disk_req, op);

	if (!moved(r, res, read_chunk))
		return;
	copy(r);
	if (r->kind == DISK_READ)
		next_chunk(r);
	else
		write_chunk(r);
}

static void read_chunk(struct disk_req *r)
{
	struct disk_place p = chunk_place(r, false);

	r->op.done = handle_read;
	loop_read(r->disk->loop, &r->op, p.fd, r->bounce + r->chunk_done, p.len,
		  (int64_t)p.off);
}

static void next_chunk(struct disk_req *r)
{
	uint64_t unit = r->disk->unit, end;

	if (!r->len) {
		disk_end(r, 0);
		return;
	}
	r->chunk_off = r->off & ~(unit - 1);
	end = min_u64(r->off + r->len, r->chunk_off + CHUNK_MAX);
	/* Only the last block of a layer is not a whole unit. */
	end = min_u64(checked_round_up(end, unit), r->disk->size);
	r->chunk_len = end - r->chunk_off;
	r->chunk_done = 0;

	if (r->kind == DISK_READ || wanted(r) < r->chunk_len) {
		read_chunk(r);
	} else {
		copy(r);
		write_chunk(r);
	}
}

void disk_bounce(struct disk_req *r)
{
	r->bounce = take_buffer(r->disk);
	if (r->bounce)
		next_chunk(r);
	else
		disk_end_later(r, -ENOMEM);
}
