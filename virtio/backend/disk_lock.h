/* SPDX-License-Identifier: MIT */
/*
 * disk_lock.h - who may use which bytes of an image.
 *
 * How it works. Two locks are taken on an open image, both advisory and both
 * let go when it is closed:
 *
 *                          flock(2)     its bytes (F_OFD_SETLK)
 *   all of it, to write    exclusive    exclusive, 0 to the end of all files
 *   all of it, to read     shared       shared, the same
 *   a range, to write      shared       exclusive, the range
 *   a range, to read       shared       shared, the range
 *
 * flock(2) is what udev and other tools expect on block devices; the ranges
 * tell users of parts of one image apart. The first block of a pool is never
 * in a partition, and two of its bytes stand for the table:
 *
 *   DISK_LOCK_CHANGE   exclusive for as long as a change of the pool takes
 *   DISK_LOCK_TABLE    exclusive while the table is written; shared from
 *                      reading it until the partition's range is locked
 *
 * The kernel ends the io_uring of a killed process, and the writes in it, some
 * time after the process: until then the image is rightly locked, and nobody
 * is there who could be asked to give it up. That time is waited for.
 *
 * Any thread.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_DISK_LOCK_H
#define MINIVMM_VIRTIO_BACKEND_DISK_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_LOCK_CHANGE 0
#define DISK_LOCK_TABLE	 1

/* How long one who has ended, or will soon, is waited for. */
#define DISK_LOCK_WAIT_MS 2000

/*
 * flock(2) on @fd. 0; -EBUSY: somebody has it, and *pid is who, or 0; another
 * -errno: files like this cannot be locked.
 */
int disk_lock_file(int fd, bool exclusive, int *pid);

/*
 * Lock @len bytes from @off on (0: to the end of all files), beside what @fd
 * has locked before. Exclusive takes an @fd for writing. Results as above.
 */
int disk_lock_range(int fd, uint64_t off, uint64_t len, bool exclusive,
		    int *pid);
void disk_unlock_range(int fd, uint64_t off, uint64_t len);

/* Whether somebody else has locked a part of the range; 0, 1 or -errno. */
int disk_lock_test(int fd, uint64_t off, uint64_t len);

/* "in use by ..." for a *pid from above. */
void disk_lock_explain(int pid, char *buf, size_t len);

#endif
