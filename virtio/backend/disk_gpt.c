// SPDX-License-Identifier: MIT
/*
 * disk_gpt.c - the partitions of an image, as its GPT has them.
 */
#include "virtio/backend/disk_gpt.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/le.h"

/* UEFI 2.10 §5.3.2: 128 entries of 128 bytes are the least; ours the most. */
#define ENTRY_MIN   128u
#define ENTRY_MAX   4096u
#define ENTRIES_MAX 1024u
#define TABLE_MAX   (512u << 10)
#define HEADER_MIN  92u
#define SECTOR_MAX  4096u

/* UEFI 2.10 §5.2.3: the record that keeps old programs away */
#define MBR_LEN	       512
#define MBR_TYPES      0x1c2
#define MBR_ENTRY      16
#define MBR_ENTRIES    4
#define MBR_PROTECTIVE 0xee

struct header {
	char signature[8];
	le32 revision;
	le32 size;
	le32 crc; /* of the header, with this as 0 */
	le32 reserved;
	le64 own_lba;
	le64 other_lba;
	le64 first_lba; /* usable */
	le64 last_lba;
	uint8_t guid[16];
	le64 table_lba;
	le32 nr_entries;
	le32 entry_size;
	le32 table_crc;
} __attribute__((packed));

_Static_assert(sizeof(struct header) == HEADER_MIN, "UEFI 2.10 §5.3.2");

struct entry {
	uint8_t type[16]; /* all 0: not in use */
	uint8_t guid[16];
	le64 first_lba;
	le64 last_lba;
	le64 attributes;
	le16 name[DISK_GPT_UNITS];
};

_Static_assert(sizeof(struct entry) == ENTRY_MIN, "UEFI 2.10 §5.3.3");

/* One attempt to read a table. */
struct reader {
	int fd;
	uint64_t sectors; /* of the image */
	unsigned int sector;
	char *why;
	size_t why_len;
	uint32_t crc[256];
	/* What a header said, checked. */
	uint64_t first, last, table;
	unsigned int nr_entries, entry_size;
	uint8_t *entries;
};

__attribute__((format(printf, 3, 4))) static int
fail(const struct reader *r, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, r->why_len, fmt, ap);
	va_end(ap);
	return err;
}

/* CRC-32 as in ISO 3309 */

static void make_crc_table(uint32_t table[256])
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
		table[i] = c;
	}
}

static uint32_t crc_of(const struct reader *r, const uint8_t *p, size_t len)
{
	uint32_t c = UINT32_MAX;

	while (len--)
		c = r->crc[(c ^ *p++) & 0xff] ^ c >> 8;
	return ~c;
}

/* One of the two tables */

/* -EIO, too, where the image ends before @len bytes. */
static int read_at(const struct reader *r, void *buf, size_t len, uint64_t lba)
{
	ssize_t n = fd_pread_all(r->fd, buf, len, lba * r->sector);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EIO;
}

/* Does it look like a header at all, and as it was written? */
static bool is_header(const struct reader *r, uint8_t *block, uint64_t lba)
{
	struct header h, *in_block = (void *)block;
	uint32_t size, crc;

	memcpy(&h, block, sizeof(h));
	size = le32_get(h.size);
	if (memcmp(h.signature, "EFI PART", 8) != 0 || size < HEADER_MIN ||
	    size > r->sector || le64_get(h.own_lba) != lba)
		return false;
	crc = le32_get(h.crc);
	in_block->crc = le32_put(0);
	return crc_of(r, block, size) == crc;
}

static uint64_t table_sectors(const struct reader *r)
{
	uint64_t bytes = (uint64_t)r->nr_entries * r->entry_size;

	return (bytes + r->sector - 1) / r->sector;
}

static int check_entry_sizes(const struct reader *r)
{
	if (!r->nr_entries || r->nr_entries > ENTRIES_MAX)
		return fail(r, -EINVAL,
			    "its partition table has %u entries, expected 1 "
			    "to %u",
			    r->nr_entries, ENTRIES_MAX);
	if (r->entry_size < ENTRY_MIN || r->entry_size > ENTRY_MAX ||
	    r->entry_size % 8 ||
	    (uint64_t)r->nr_entries * r->entry_size > TABLE_MAX)
		return fail(r, -EINVAL,
			    "its partition table has entries of %u bytes",
			    r->entry_size);
	return 0;
}

/*
 * Both tables must lie outside of the area for partitions: else a guest could
 * write the table that says what is its own. The other table ends at @end.
 */
static int check_layout(const struct reader *r, uint64_t end)
{
	uint64_t n = table_sectors(r);

	if (end >= r->sectors || r->first > r->last || r->first < 2 + n ||
	    r->last >= end || n > end - 1 - r->last)
		return fail(r, -EINVAL,
			    "its partition table does not fit into its %llu "
			    "bytes",
			    (unsigned long long)(r->sectors * r->sector));
	if (!range_fits(r->table, n, r->sectors) || r->table < 2 ||
	    ranges_overlap(r->table, n, r->first, r->last - r->first + 1))
		return fail(r, -EINVAL,
			    "its partition table lies where partitions may be");
	return 0;
}

static int take_header(struct reader *r, const uint8_t *block, bool copy)
{
	struct header h;
	int err;

	memcpy(&h, block, sizeof(h));
	r->first = le64_get(h.first_lba);
	r->last = le64_get(h.last_lba);
	r->table = le64_get(h.table_lba);
	r->nr_entries = le32_get(h.nr_entries);
	r->entry_size = le32_get(h.entry_size);
	err = check_entry_sizes(r);
	if (err)
		return err;
	return check_layout(r, le64_get(copy ? h.own_lba : h.other_lba));
}

static int read_entries(struct reader *r, const uint8_t *block)
{
	size_t len = (size_t)r->nr_entries * r->entry_size;
	struct header h;
	int err;

	memcpy(&h, block, sizeof(h));
	free(r->entries);
	r->entries = malloc(len);
	if (!r->entries)
		return fail(r, -ENOMEM, "%s", strerror(ENOMEM));
	err = read_at(r, r->entries, len, r->table);
	if (err)
		return fail(r, err, "%s", strerror(-err));
	/* -EBADMSG: ask the other one. */
	return crc_of(r, r->entries, len) == le32_get(h.table_crc) ? 0
								   : -EBADMSG;
}

/* 0; -EBADMSG: this table is damaged, with no word in @why; or an error. */
static int read_table(struct reader *r, uint64_t lba, bool copy)
{
	uint8_t block[SECTOR_MAX];
	int err;

	err = read_at(r, block, r->sector, lba);
	if (err)
		return fail(r, err, "%s", strerror(-err));
	if (!is_header(r, block, lba))
		return -EBADMSG;
	err = take_header(r, block, copy);
	return err ? err : read_entries(r, block);
}

/* The partitions in it */

/* One character of UTF-16 at *at; half of a pair is U+FFFD. */
static uint32_t next_char(const le16 *name, unsigned int *at)
{
	uint32_t c = le16_get(name[(*at)++]), low;

	if (c < 0xd800 || c > 0xdfff)
		return c;
	if (c > 0xdbff || *at == DISK_GPT_UNITS)
		return 0xfffd;
	low = le16_get(name[*at]);
	if (low < 0xdc00 || low > 0xdfff)
		return 0xfffd;
	(*at)++;
	return 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
}

static char *put_utf8(char *s, uint32_t c)
{
	unsigned int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const uint8_t lead[] = { 0, 0xc0, 0xe0, 0xf0 };

	*s++ = (char)(lead[more] | c >> 6 * more);
	while (more--)
		*s++ = (char)(0x80 | (c >> 6 * more & 0x3f));
	return s;
}

/* Three bytes a unit are enough: four are for pairs. */
static void decode_name(char *s, const le16 *name)
{
	unsigned int at = 0;

	while (at < DISK_GPT_UNITS && le16_get(name[at]))
		s = put_utf8(s, next_char(name, &at));
	*s = '\0';
}

static bool is_used(const struct entry *e)
{
	static const uint8_t none[16];

	return memcmp(e->type, none, sizeof(none)) != 0;
}

static int take_entry(const struct reader *r, struct disk_gpt *g,
		      const struct entry *e, unsigned int index)
{
	struct disk_gpt_part *p = &g->parts[g->nr_parts];
	uint64_t first = le64_get(e->first_lba), last = le64_get(e->last_lba);

	if (first > last || first < r->first || last > r->last)
		return fail(r, -EINVAL,
			    "its partition %u leaves the area for partitions",
			    index + 1);
	p->index = index;
	p->off = first * r->sector;
	p->len = (last - first + 1) * r->sector;
	decode_name(p->name, e->name);
	for (unsigned int i = 0; i < g->nr_parts; i++)
		if (ranges_overlap(p->off, p->len, g->parts[i].off,
				   g->parts[i].len))
			return fail(r, -EINVAL,
				    "its partitions %u and %u overlap",
				    g->parts[i].index + 1, index + 1);
	g->nr_parts++;
	return 0;
}

static int take_entries(const struct reader *r, struct disk_gpt *g)
{
	struct entry e;
	int err = 0;

	for (unsigned int i = 0; !err && i < r->nr_entries; i++) {
		memcpy(&e, r->entries + (size_t)i * r->entry_size, sizeof(e));
		if (is_used(&e))
			err = take_entry(r, g, &e, i);
	}
	return err;
}

static int make(struct disk_gpt **out, const struct reader *r, bool copy)
{
	struct disk_gpt *g =
		calloc(1, sizeof(*g) + r->nr_entries * sizeof(g->parts[0]));
	int err;

	if (!g)
		return fail(r, -ENOMEM, "%s", strerror(ENOMEM));
	g->sector = r->sector;
	g->first = r->first * r->sector;
	g->end = (r->last + 1) * r->sector;
	g->table = r->table * r->sector;
	g->from_copy = copy;
	g->entries = r->nr_entries;
	err = take_entries(r, g);
	if (err)
		free(g);
	else
		*out = g;
	return err;
}

/* Both of them */

static int read_either(struct disk_gpt **out, struct reader *r)
{
	bool copy = false;
	int err;

	if (r->sectors < 4)
		return -EBADMSG;
	err = read_table(r, 1, false);
	if (err == -EBADMSG) {
		copy = true;
		err = read_table(r, r->sectors - 1, true);
	}
	return err ? err : make(out, r, copy);
}

static int check_mbr(const struct reader *r)
{
	uint8_t mbr[MBR_LEN];
	ssize_t n = fd_pread_all(r->fd, mbr, sizeof(mbr), 0);

	if (n < 0)
		return fail(r, (int)n, "%s", strerror((int)-n));
	if (n < MBR_LEN || mbr[MBR_LEN - 2] != 0x55 || mbr[MBR_LEN - 1] != 0xaa)
		return -ENODATA;
	for (int i = 0; i < MBR_ENTRIES; i++)
		if (mbr[MBR_TYPES + i * MBR_ENTRY] == MBR_PROTECTIVE)
			return 0;
	return -ENODATA;
}

int disk_gpt_read(struct disk_gpt **out, int fd, uint64_t size,
		  unsigned int sector, char *why, size_t why_len)
{
	static const unsigned int usual[] = { 512, 4096 };
	struct reader r = { .fd = fd, .why = why, .why_len = why_len };
	int err;

	*out = NULL;
	make_crc_table(r.crc);
	err = check_mbr(&r);
	if (err == -ENODATA)
		return fail(&r, err, "has no partition table (GPT)");
	for (size_t i = 0; !err && i < ARRAY_SIZE(usual); i++) {
		if (sector && sector != usual[i])
			continue;
		r.sector = usual[i];
		r.sectors = size / r.sector;
		err = read_either(out, &r);
		if (err != -EBADMSG)
			break;
		err = 0;
	}
	free(r.entries);
	if (!err && !*out)
		return fail(&r, -EINVAL,
			    "its partition table and the copy are damaged");
	return err;
}

int disk_gpt_find(const struct disk_gpt *g, const char *name,
		  const struct disk_gpt_part **out)
{
	*out = NULL;
	for (unsigned int i = 0; i < g->nr_parts; i++) {
		if (strcmp(g->parts[i].name, name) != 0)
			continue;
		if (*out)
			return -ENOTUNIQ;
		*out = &g->parts[i];
	}
	return *out ? 0 : -ENOENT;
}
