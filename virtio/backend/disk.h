/* SPDX-License-Identifier: MIT */
/*
 * disk.h - a file or block device as a row of sectors. Knows nothing of
 * virtio.
 *
 * How it works. A request is embedded in its owner and in flight from a
 * starter until its done(). Without O_DIRECT each goes straight to the loop
 * (disk.c). With O_DIRECT the host wants buffers and ranges in larger units
 * than a guest may use: what is aligned still goes straight, the rest through
 * a bounce buffer (disk_bounce.c), and writes of parts of a unit run while no
 * other write does (disk_gate.c). disk_zero.c does discard and write-zeroes,
 * with or without the file system's help. disk_layer.c keeps what is written
 * to a disk that is to be forgotten.
 *
 * Open and close: before and after loop_run(), or loop thread only. The rest:
 * loop thread only.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_DISK_H
#define MINIVMM_VIRTIO_BACKEND_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtio/loop.h"

#define DISK_SECTOR 512ull

struct disk;

struct disk_params {
	const char *path;
	bool readonly;
	bool direct; /* O_DIRECT */
	/* A part of the file as the disk: a partition of its GPT ... */
	const char *partition; /* NULL: none */
	/* ... or bytes; both 0: all of it; @size 0: to the end */
	uint64_t offset, size;
	/*
	 * Not NULL: the file is only read, and what is written goes to a
	 * temporary file in this folder, which ends with the disk. Not with
	 * @direct or @readonly.
	 */
	const char *layer;
};

/*
 * Open @path (a regular file or a block device; the disk's size is a non-zero
 * multiple of DISK_SECTOR) and lock it, or the part that is the disk:
 * exclusively for writing, shared for reading, so that two VMs cannot damage
 * one image (disk_lock.h). A block device that the host has mounted is refused
 * for writing too. Whatever is asked of a disk that is a part, no byte outside
 * of it is read or changed. 0, or -errno and in @why one line for the user:
 * what is wrong and what was expected.
 */
int disk_open(struct disk **out, const struct disk_params *p, struct loop *loop,
	      char *why, size_t why_len);

/*
 * No request may be in flight, unless loop_drain() ended it. NULL is allowed.
 */
void disk_close(struct disk *d);

uint64_t disk_sectors(const struct disk *d);
bool disk_readonly(const struct disk *d);
/*
 * What O_DIRECT, or a layer, wants buffers, offsets and lengths to be
 * multiples of; 1 without them. Requests that are not work, but slower.
 */
unsigned int disk_alignment(const struct disk *d);
/* Whether discard and write-zeroes can work on this file at all. */
bool disk_can_discard(const struct disk *d);

/*
 * One request; embedded by its owner, filled by the starters below. done runs
 * on the loop thread, never inside a starter, with @err 0 or -errno; short
 * transfers were finished inside, or are -EIO at the end of a file that
 * shrank. -EINVAL: the range leaves the disk. -EROFS: a write to a disk that
 * is read-only.
 */
struct disk_req {
	void (*done)(struct disk_req *r, int err);

	/* disk.c's from here on. */
	struct disk *disk;
	struct disk_req *next; /* in the gate's queue */
	struct loop_op op;
	int kind;
	int err;
	struct iovec *iov; /* what is left of it; NULL: zeroes */
	unsigned int nr_iov;
	uint64_t off; /* what is left to do */
	uint64_t len;
	bool unmap;
	bool gated;   /* counted in the gate as ... */
	bool writes;  /* ... a write */
	bool bounces; /* ... one with a bounce buffer */
	bool partial; /* ... a write of parts of units */
	char *bounce;
	uint64_t chunk_off; /* the units that are in bounce */
	size_t chunk_len;
	size_t chunk_done; /* by the transfer that runs */
};

/* @off and the total length in bytes; @iov is used up (changed) meanwhile. */
void disk_readv(struct disk *d, struct disk_req *r, struct iovec *iov,
		unsigned int nr, uint64_t off);
void disk_writev(struct disk *d, struct disk_req *r, struct iovec *iov,
		 unsigned int nr, uint64_t off);
/* Everything that was done before is on stable storage: fdatasync(2). */
void disk_flush(struct disk *d, struct disk_req *r);
/*
 * The range reads as anything afterwards; space is given back, where the host
 * can. Success also where it cannot (virtio 1.2 §5.2.6.2 allows that).
 */
void disk_discard(struct disk *d, struct disk_req *r, uint64_t off,
		  uint64_t len);
/*
 * The range reads as zeroes; @unmap: and may give space back. Zeroes are
 * written where the host knows no better way.
 */
void disk_write_zeroes(struct disk *d, struct disk_req *r, uint64_t off,
		       uint64_t len, bool unmap);

#endif
