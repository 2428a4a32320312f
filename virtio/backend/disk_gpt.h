/* SPDX-License-Identifier: MIT */
/*
 * disk_gpt.h - the partitions of an image, as its GPT has them (UEFI 2.10
 * §5.3). Reads only; the table may be anything: its guest may have had the
 * whole image as a disk before.
 *
 * How it works. The table at the start of the image counts when its checksums
 * hold, otherwise the copy at the end. What counts must then be sound: a
 * partition that leaves the area for partitions, or overlaps another one, is
 * an error and no reason to look at the copy, which the same hand may have
 * written.
 *
 * Any thread.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_DISK_GPT_H
#define MINIVMM_VIRTIO_BACKEND_DISK_GPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_GPT_UNITS 36			/* of UTF-16 in a name */
#define DISK_GPT_NAME  (3 * DISK_GPT_UNITS + 1) /* bytes of UTF-8 */

struct disk_gpt_part {
	unsigned int index; /* of its entry, from 0 */
	uint64_t off, len;  /* bytes of the image; len is not 0 */
	char name[DISK_GPT_NAME];
};

struct disk_gpt {
	unsigned int sector;  /* bytes in one of the table's blocks */
	uint64_t first, end;  /* the bytes that partitions may have */
	uint64_t table;	      /* where the entries lie */
	bool from_copy;	      /* the first table is damaged */
	unsigned int entries; /* how many partitions it has room for */
	unsigned int nr_parts;
	struct disk_gpt_part parts[]; /* in the order of the table */
};

/*
 * Read the table of the image @fd of @size bytes. @sector: the logical blocks
 * of a block device; 0 for a file: 512 and 4096 are tried. @fd must not be
 * O_DIRECT. 0, with *out to be freed; -ENODATA: there is no table; or another
 * -errno; then @why says what is wrong, without the name of the image.
 */
int disk_gpt_read(struct disk_gpt **out, int fd, uint64_t size,
		  unsigned int sector, char *why, size_t why_len);

/*
 * The partition called @name. 0; -ENOENT: there is none; -ENOTUNIQ: there is
 * more than one.
 */
int disk_gpt_find(const struct disk_gpt *g, const char *name,
		  const struct disk_gpt_part **out);

#endif
