// SPDX-License-Identifier: MIT
/*
 * disk.c - requests to a disk: checking them, transfers, flushing.
 */
#include "virtio/backend/disk.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/checked.h"
#include "base/log.h"
#include "virtio/backend/disk_int.h"

uint64_t disk_sectors(const struct disk *d)
{
	return d->size / DISK_SECTOR;
}

bool disk_readonly(const struct disk *d)
{
	return d->readonly;
}

unsigned int disk_alignment(const struct disk *d)
{
	return (unsigned int)max_u64(d->mem_align, d->unit);
}

bool disk_can_discard(const struct disk *d)
{
	return d->can_discard;
}

/* The end of a request */

static const char *kind_name(int kind)
{
	static const char *const names[] = {
		[DISK_READ] = "read",	   [DISK_WRITE] = "write",
		[DISK_FLUSH] = "flush",	   [DISK_DISCARD] = "discard",
		[DISK_ZEROES] = "zeroing",
	};

	return names[kind];
}

static void end(struct disk_req *r, int err)
{
	disk_bounce_end(r);
	disk_gate_leave(r);
	r->done(r, err);
}

void disk_end(struct disk_req *r, int err)
{
	struct disk *d = r->disk;

	if (err)
		log_once(&d->said_error, "%s: %s at %llu: %s", d->path,
			 kind_name(r->kind), (unsigned long long)r->off,
			 strerror(-err));
	end(r, err);
}

static void handle_later(struct loop_op *op, int res)
{
	struct disk_req *r = container_of(op, struct disk_req, op);

	(void)res;
	end(r, r->err);
}

void disk_end_later(struct disk_req *r, int err)
{
	r->err = err;
	r->op.done = handle_later;
	loop_timeout(r->disk->loop, &r->op, 0);
}

/* Transfers */

/*
 * What one operation moves at most. io_uring copies what the page cache has
 * inside the loop's one system call, so that a guest whose requests are as
 * long as they may be (4 GiB) could keep the loop thread for minutes.
 */
#define TRANSFER_MAX (2u << 20)

void disk_advance(struct disk_req *r, uint64_t n)
{
	r->off += n;
	r->len -= n;
	while (r->nr_iov && n >= r->iov->iov_len) {
		n -= r->iov->iov_len;
		r->iov++;
		r->nr_iov--;
	}
	if (n && r->nr_iov) {
		r->iov->iov_base = (char *)r->iov->iov_base + n;
		r->iov->iov_len -= n;
	}
}

void disk_moved(struct disk_req *r, int res, void (*more)(struct disk_req *r))
{
	/* 0: the file has become shorter than the disk. */
	if (res <= 0) {
		disk_end(r, res ? res : -EIO);
		return;
	}
	if (r->kind != DISK_READ && disk_has_layer(r->disk))
		disk_layer_wrote(r->disk, r->off, (uint64_t)res);
	disk_advance(r, (uint64_t)res);
	if (r->len)
		more(r);
	else
		disk_end(r, 0);
}

static void handle_transfer(struct loop_op *op, int res)
{
	disk_moved(container_of(op, struct disk_req, op), res, disk_transfer);
}

/*
 * How many of @r's pieces to move at once, of @max bytes at most; *first: how
 * much of the first.
 */
static unsigned int next_pieces(const struct disk_req *r, uint64_t max,
				size_t *first)
{
	uint64_t sum = r->iov->iov_len;
	unsigned int nr = 1;

	*first = min_u64(sum, max);
	while (sum <= max && nr < r->nr_iov && nr < IOV_MAX &&
	       r->iov[nr].iov_len <= max - sum)
		sum += r->iov[nr++].iov_len;
	return nr;
}

void disk_transfer(struct disk_req *r)
{
	struct disk *d = r->disk;
	bool write = r->kind == DISK_WRITE;
	struct disk_place p =
		disk_place(d, write, r->off, min_u64(r->len, TRANSFER_MAX));
	int64_t off = (int64_t)p.off;
	size_t first;
	unsigned int nr = next_pieces(r, p.len, &first);

	r->op.done = handle_transfer;
	if (nr == 1 && !write)
		loop_read(d->loop, &r->op, p.fd, r->iov->iov_base, first, off);
	else if (nr == 1)
		loop_write(d->loop, &r->op, p.fd, r->iov->iov_base, first, off);
	else if (!write)
		loop_readv(d->loop, &r->op, p.fd, r->iov, nr, off);
	else
		loop_writev(d->loop, &r->op, p.fd, r->iov, nr, off);
}

/* Flushing */

static void handle_flush(struct loop_op *op, int res)
{
	struct disk_req *r = container_of(op, struct disk_req, op);

	disk_end(r, res);
}

static void flush(struct disk_req *r)
{
	if (disk_has_layer(r->disk)) {
		disk_end_later(r, 0);
		return;
	}
	r->op.done = handle_flush;
	loop_fdatasync(r->disk->loop, &r->op, r->disk->fd);
}

void disk_run(struct disk_req *r)
{
	switch ((enum disk_req_kind)r->kind) {
	case DISK_READ:
	case DISK_WRITE:
		if (r->bounces)
			disk_bounce(r);
		else
			disk_transfer(r);
		break;
	case DISK_FLUSH:
		flush(r);
		break;
	case DISK_DISCARD:
	case DISK_ZEROES:
		disk_zero_run(r);
		break;
	}
}

/* Starters */

static int check(const struct disk *d, const struct disk_req *r)
{
	if (!range_fits(r->off, r->len, d->size))
		return -EINVAL;
	if (d->readonly && r->kind != DISK_READ && r->kind != DISK_FLUSH)
		return -EROFS;
	return 0;
}

static void start(struct disk *d, struct disk_req *r, enum disk_req_kind kind,
		  uint64_t off, uint64_t len)
{
	int err;

	r->disk = d;
	r->op.name = kind_name(kind);
	r->kind = kind;
	r->off = off;
	r->len = len;
	r->bounce = NULL;
	r->gated = false;

	err = check(d, r);
	if (err || (!len && kind != DISK_FLUSH))
		disk_end_later(r, err);
	else
		disk_gate_enter(r);
}

static uint64_t sum_of(const struct iovec *iov, unsigned int nr)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < nr; i++) {
		/* Too long for any disk: so is the greatest number. */
		if (!checked_add_u64(sum, iov[i].iov_len, &sum))
			return UINT64_MAX;
	}
	return sum;
}

void disk_readv(struct disk *d, struct disk_req *r, struct iovec *iov,
		unsigned int nr, uint64_t off)
{
	r->iov = iov;
	r->nr_iov = nr;
	start(d, r, DISK_READ, off, sum_of(iov, nr));
}

void disk_writev(struct disk *d, struct disk_req *r, struct iovec *iov,
		 unsigned int nr, uint64_t off)
{
	r->iov = iov;
	r->nr_iov = nr;
	start(d, r, DISK_WRITE, off, sum_of(iov, nr));
}

static void start_without_data(struct disk *d, struct disk_req *r,
			       enum disk_req_kind kind, uint64_t off,
			       uint64_t len)
{
	r->iov = NULL;
	r->nr_iov = 0;
	start(d, r, kind, off, len);
}

void disk_flush(struct disk *d, struct disk_req *r)
{
	start_without_data(d, r, DISK_FLUSH, 0, 0);
}

void disk_discard(struct disk *d, struct disk_req *r, uint64_t off,
		  uint64_t len)
{
	start_without_data(d, r, DISK_DISCARD, off, len);
}

void disk_write_zeroes(struct disk *d, struct disk_req *r, uint64_t off,
		       uint64_t len, bool unmap)
{
	r->unmap = unmap;
	start_without_data(d, r, DISK_ZEROES, off, len);
}
