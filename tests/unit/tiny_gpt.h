/* SPDX-License-Identifier: MIT */
/*
 * tiny_gpt.h - partition tables made by hand, right or wrong: what UEFI 2.10
 * §5.3 says, written a second time.
 */
#ifndef MINIVMM_TESTS_UNIT_TINY_GPT_H
#define MINIVMM_TESTS_UNIT_TINY_GPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/fd.h"
#include "base/le.h"

#define TINY_GPT_ENTRIES 128
#define TINY_GPT_SECTORS 34 /* record, header and entries */

struct tiny_gpt_header {
	char signature[8];
	le32 revision, size, crc, reserved;
	le64 own, other, first, last;
	uint8_t guid[16];
	le64 table;
	le32 entries, entry_size, table_crc;
	uint8_t rest[420];
} __attribute__((packed));

struct tiny_gpt_entry {
	uint8_t type[16], guid[16];
	le64 first, last, attributes;
	le16 name[36];
};

/* The first blocks of an image; the copy is made of them. */
struct tiny_gpt {
	uint8_t mbr[512];
	struct tiny_gpt_header header;
	struct tiny_gpt_entry entry[TINY_GPT_ENTRIES];
};

_Static_assert(sizeof(struct tiny_gpt) == TINY_GPT_SECTORS * 512, "no gaps");

/* One bit at a time. */
static inline uint32_t tiny_gpt_crc(const void *buf, size_t len)
{
	const uint8_t *p = buf;
	uint32_t c = UINT32_MAX;

	while (len--) {
		c ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
	}
	return ~c;
}

/* For an image of @sectors; without partitions. */
static inline void tiny_gpt_init(struct tiny_gpt *g, uint64_t sectors)
{
	memset(g, 0, sizeof(*g));
	g->mbr[0x1c2] = 0xee;
	g->mbr[510] = 0x55;
	g->mbr[511] = 0xaa;
	memcpy(g->header.signature, "EFI PART", 8);
	g->header.revision = le32_put(0x10000);
	g->header.size = le32_put(92);
	g->header.own = le64_put(1);
	g->header.other = le64_put(sectors - 1);
	g->header.first = le64_put(TINY_GPT_SECTORS);
	g->header.last = le64_put(sectors - TINY_GPT_SECTORS);
	g->header.table = le64_put(2);
	g->header.entries = le32_put(TINY_GPT_ENTRIES);
	g->header.entry_size = le32_put(128);
}

static inline void tiny_gpt_add(struct tiny_gpt *g, unsigned int i,
				const char *name, uint64_t first, uint64_t last)
{
	struct tiny_gpt_entry *e = &g->entry[i];

	memset(e->type, 0x11, sizeof(e->type));
	memset(e->guid, (int)(i + 1), sizeof(e->guid));
	e->first = le64_put(first);
	e->last = le64_put(last);
	for (unsigned int n = 0; n < 36 && name[n]; n++)
		e->name[n] = le16_put((uint8_t)name[n]);
}

static inline void tiny_gpt_seal_header(struct tiny_gpt_header *h)
{
	h->crc = le32_put(0);
	h->crc = le32_put(tiny_gpt_crc(h, 92));
}

/* Make the checksums right. */
static inline void tiny_gpt_seal(struct tiny_gpt *g)
{
	g->header.table_crc =
		le32_put(tiny_gpt_crc(g->entry, sizeof(g->entry)));
	tiny_gpt_seal_header(&g->header);
}

/* Both tables of an image of @sectors. 0 or -errno. */
static inline int tiny_gpt_write(const struct tiny_gpt *g, int fd,
				 uint64_t sectors)
{
	struct tiny_gpt_header copy = g->header;
	int err;

	copy.own = g->header.other;
	copy.other = g->header.own;
	copy.table = le64_put(sectors - 33);
	tiny_gpt_seal_header(&copy);
	err = fd_pwrite_all(fd, g, sizeof(*g), 0);
	if (!err)
		err = fd_pwrite_all(fd, g->entry, sizeof(g->entry),
				    (sectors - 33) * 512);
	if (!err)
		err = fd_pwrite_all(fd, &copy, sizeof(copy),
				    (sectors - 1) * 512);
	return err;
}

#endif
