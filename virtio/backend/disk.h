/* SPDX-License-Identifier: MIT */
/*
 * disk.h - a file or block device as a row of sectors. Knows nothing of
 * virtio.
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
};

/*
 * Open @path (a regular file or a block device whose size is a non-zero
 * multiple of DISK_SECTOR) and lock it: exclusively for writing, shared for
 * reading, so that two VMs cannot damage one image. 0, or -errno and in @why
 * one line for the user: what is wrong and what was expected.
 */
int disk_open(struct disk **out, const struct disk_params *p, struct loop *loop,
	      char *why, size_t why_len);
void disk_close(struct disk *d);

uint64_t disk_sectors(const struct disk *d);
bool disk_readonly(const struct disk *d);
/* Alignment that O_DIRECT wants of buffers and lengths; 1 without it. */
unsigned int disk_alignment(const struct disk *d);
/* Whether discard and write-zeroes can work on this file at all. */
bool disk_can_discard(const struct disk *d);

/*
 * One request; embedded by its owner, filled by the starters below. done runs
 * on the loop thread with @err 0 or -errno; short transfers were finished
 * inside, or are -EIO at the end of a file that shrank.
 */
struct disk_req {
	void (*done)(struct disk_req *r, int err);

	struct disk *disk; /* disk.c's from here on */
	struct loop_op op;
	int kind;
	struct iovec *iov;
	unsigned int nr_iov;
	uint64_t off;
	uint64_t len;
	void *bounce;
};

/* @off and the total length in bytes; @iov is used up (changed) meanwhile. */
void disk_readv(struct disk *d, struct disk_req *r, struct iovec *iov,
		unsigned int nr, uint64_t off);
void disk_writev(struct disk *d, struct disk_req *r, struct iovec *iov,
		 unsigned int nr, uint64_t off);
/* Everything that was done before is on stable storage: fdatasync(2). */
void disk_flush(struct disk *d, struct disk_req *r);
/* The range reads as anything afterwards; space is given back. */
void disk_discard(struct disk *d, struct disk_req *r, uint64_t off,
		  uint64_t len);
/* The range reads as zeroes; @unmap: and may give space back. */
void disk_write_zeroes(struct disk *d, struct disk_req *r, uint64_t off,
		       uint64_t len, bool unmap);

#endif
