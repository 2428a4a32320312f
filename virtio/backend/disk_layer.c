// SPDX-License-Identifier: MIT
/*
 * disk_layer.c - a disk whose writes go to a private file: the layer.
 *
 * How it works. The layer is a sparse file without a name, as long as the
 * disk, and a bit for each block of DISK_LAYER_BLOCK bytes says where the block
 * is read from: 1 the layer, 0 the image. Transfers stop where that changes
 * (disk_layer_place() gives the length), and a bit is set when its whole block
 * is in the layer:
 *
 *   write of whole blocks      WRITE to the layer, set the bits
 *   write of parts of blocks   as for O_DIRECT (disk_bounce.c, disk_gate.c):
 *                              READ the blocks from where they are, copy in,
 *                              WRITE them to the layer, set the bits; no other
 *                              write runs meanwhile
 *   discard, write-zeroes      a hole in the layer, set the bits: it reads
 *                              as zeroes
 *   flush                      nothing: the layer ends with the process
 *
 * The image is opened for reading and has a shared lock.
 *
 * @syscalls: openat ftruncate unlink mmap munmap
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "virtio/backend/disk_int.h"

static uint64_t blocks_of(const struct disk *d)
{
	return (d->size + DISK_LAYER_BLOCK - 1) / DISK_LAYER_BLOCK;
}

static bool in_layer(const struct disk_layer *l, uint64_t block)
{
	return l->bits[block / 64] >> block % 64 & 1;
}

/* How many blocks from @block on, at most @max, are where it is. */
static uint64_t run_of(const struct disk_layer *l, uint64_t block, uint64_t max)
{
	bool where = in_layer(l, block);
	uint64_t n = 1;

	while (n < max && in_layer(l, block + n) == where)
		n++;
	return n;
}

struct disk_place disk_layer_place(const struct disk *d, bool write,
				   uint64_t off, uint64_t len)
{
	uint64_t first = off / DISK_LAYER_BLOCK;
	uint64_t last = (off + len - 1) / DISK_LAYER_BLOCK;
	struct disk_place p = { d->layer.fd, off, len };
	uint64_t end;

	if (write)
		return p;
	end = (first + run_of(&d->layer, first, last - first + 1)) *
	      DISK_LAYER_BLOCK;
	p.len = min_u64(len, end - off);
	if (!in_layer(&d->layer, first)) {
		p.fd = d->fd;
		p.off = d->base + off;
	}
	return p;
}

/*
 * Requests that change the layer begin at a block: what came before @off in
 * @off's block was written by the same one. The disk's last block can be short.
 */
void disk_layer_wrote(struct disk *d, uint64_t off, uint64_t len)
{
	uint64_t end = off + len;
	uint64_t last = end == d->size ? blocks_of(d) : end / DISK_LAYER_BLOCK;

	for (uint64_t i = off / DISK_LAYER_BLOCK; i < last; i++)
		d->layer.bits[i / 64] |= 1ull << i % 64;
}

/* A file in @folder that nobody else can open. A descriptor or -errno. */
static int open_unnamed(const char *folder)
{
	char path[4096];
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	/* EISDIR: from kernels and file systems that do not know it. */
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	if (snprintf(path, sizeof(path), "%s/minivmm-XXXXXX", folder) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

int disk_layer_open(struct disk *d, const char *folder)
{
	size_t len = (size_t)((blocks_of(d) + 63) / 64 * 8);
	int err;

	d->layer.fd = open_unnamed(folder);
	if (d->layer.fd < 0)
		return d->layer.fd;
	if (ftruncate(d->layer.fd,
		      (off_t)checked_round_up(d->size, DISK_LAYER_BLOCK))) {
		err = -errno;
		goto close_layer;
	}
	/* Pages of it come when blocks are written. */
	d->layer.bits =
		mmap(NULL, len, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (d->layer.bits == MAP_FAILED) {
		err = -errno;
		d->layer.bits = NULL;
		goto close_layer;
	}
	d->layer.bits_len = len;
	return 0;

close_layer:
	fd_close(&d->layer.fd);
	return err;
}

void disk_layer_close(struct disk *d)
{
	if (d->layer.bits)
		munmap(d->layer.bits, d->layer.bits_len);
	d->layer.bits = NULL;
	fd_close(&d->layer.fd);
}
