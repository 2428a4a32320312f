/* SPDX-License-Identifier: MIT */
/*
 * pool.h - an image file or block device as a pool of named partitions.
 *
 * How it works. What is there is read by the same small reader as a machine's
 * (virtio/backend/disk_gpt.h). A new table is made by libfdisk in a file in
 * memory, read back, compared, and then written to the pool in an order that
 * leaves one whole table, old or new, at any moment:
 *
 *   the table that is not needed to find the old state: entries, then header;
 *   to stable storage; the other one; to stable storage
 *
 * Data comes first: a partition is filled while its bytes still are free ones,
 * and bytes are given back when no table has them any more. So who is killed
 * leaves the old state or the new one, and at worst free bytes that are not a
 * hole; they are zeroed before somebody gets them.
 *
 * Locks are those of disk_lock.h: DISK_LOCK_CHANGE from pool_open() on, the
 * table while it is written, and the ranges of the partitions concerned.
 *
 * Functions that return an int return 0, or STATUS_FAILED after they have told
 * the user why. One thread.
 */
#ifndef MINIVMM_CMD_POOL_H
#define MINIVMM_CMD_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_ALIGN (1ull << 20) /* of where partitions begin */

struct disk_gpt;
struct disk_gpt_part;

struct pool {
	const char *path;
	int fd;
	bool is_block;
	unsigned int sector; /* of its table; 0: not known yet */
	uint64_t size;
	struct disk_gpt *gpt; /* NULL: none yet */
};

/* @change: for writing, and nobody else changes it; otherwise to look at. */
int pool_open(struct pool *p, const char *path, bool change);
/*
 * Who looks at a pool keeps its table as it is until this, or the end. Call it
 * once the partitions concerned are locked.
 */
void pool_let_table_change(const struct pool *p);
/* Also after a failure of pool_open(). */
void pool_close(struct pool *p);

/* "PATH: ..." */
int pool_fail(const struct pool *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The partition @name, which has to be there. */
int pool_find(const struct pool *p, const char *name,
	      const struct disk_gpt_part **out);

/* A name that is not taken and can be one. */
int pool_check_name(const struct pool *p, const char *name);

/* Lock the bytes of @part; @name is for the message. */
int pool_lock(const struct pool *p, uint64_t off, uint64_t len, bool exclusive,
	      const char *name);

/*
 * The first gap of @len bytes, aligned, as *off; gaps with bytes that a machine
 * uses all the same are passed over. Locks it, fills it with zeroes.
 */
int pool_take_gap(const struct pool *p, uint64_t len, uint64_t *off);

/* Free bytes: all of them, and the largest gap. */
void pool_free_bytes(const struct pool *p, uint64_t *all, uint64_t *largest);

/* How many free bytes follow @part. */
uint64_t pool_room_behind(const struct pool *p,
			  const struct disk_gpt_part *part);

/* pool_table.c: one change, written so that it happens or does not. */

enum pool_change {
	POOL_MAKE,   /* an empty table; the image has none */
	POOL_ADD,    /* a partition: name, off, len */
	POOL_SET,    /* where partition index lies: off, len */
	POOL_DELETE, /* partition index */
	POOL_GROW,   /* the image has become longer */
};

struct pool_edit {
	enum pool_change change;
	unsigned int index;
	const char *name;
	uint64_t off, len;
};

/* On success p->gpt is the new table. */
int pool_write_table(struct pool *p, const struct pool_edit *e);

/* pool_copy.c */

/* What is being moved, for who waits at a terminal. */
struct pool_copy {
	const char *what; /* "cloning a" */
	int from;
	uint64_t from_off;
	int to;
	uint64_t to_off;
	uint64_t len;
};

/*
 * Copy bytes whose target reads as zeroes: shared where the file system can,
 * otherwise without the holes; they are on stable storage afterwards. 0 or
 * -errno.
 */
int pool_copy(const struct pool_copy *c);

/* Make the range read as zeroes, as a hole where that is possible. */
int pool_zero(int fd, uint64_t off, uint64_t len);

/* Bytes of the range that are not a hole. */
uint64_t pool_used(int fd, uint64_t off, uint64_t len);

#endif
