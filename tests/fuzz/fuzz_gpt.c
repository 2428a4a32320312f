// SPDX-License-Identifier: MIT
/*
 * fuzz_gpt.c - the partition table of a hostile image.
 *
 * The image is 256 blocks with two partitions; the input says how long it is
 * and patches it, and whether the checksums are made right again, so that most
 * tables come as far as the last check.
 *
 *   options: 1 seal the first table, 2 break it, 4 blocks of 4096
 *   length of the image in blocks (1 byte, plus 1)
 *   patch: offset in the first table or its copy (2 bytes), length 0..8, that
 *   many bytes
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/tiny_gpt.h"
#include "virtio/backend/disk_gpt.h"

#define SECTORS 256u

static void patch(struct fuzz_input *in, uint8_t *bytes, size_t len)
{
	while (in->left >= 3) {
		size_t at = take16(in), n = take8(in) % 9;

		for (; n; n--, at++) {
			uint8_t b = take8(in);

			if (at < len)
				bytes[at] = b;
		}
	}
}

static bool is_utf8(const char *name)
{
	const uint8_t *s = (const void *)name;

	for (; *s; s++) {
		int more = *s < 0x80 ? 0 : *s < 0xe0 ? 1 : *s < 0xf0 ? 2 : 3;

		if (*s >= 0x80 && *s < 0xc2)
			return false;
		for (; more; more--)
			if ((*++s & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* What a disk that is a partition relies on. */
static void check_table(const struct disk_gpt *g, uint64_t size)
{
	require(g->first >= 2 * 512 && g->end < size && g->first < g->end);
	require(g->nr_parts <= g->entries);
	for (unsigned int i = 0; i < g->nr_parts; i++) {
		const struct disk_gpt_part *p = &g->parts[i];

		require(p->len && p->off >= g->first);
		require(range_fits(p->off, p->len, g->end));
		require(strnlen(p->name, sizeof(p->name)) < sizeof(p->name));
		require(is_utf8(p->name));
		for (unsigned int j = 0; j < i; j++)
			require(!ranges_overlap(p->off, p->len, g->parts[j].off,
						g->parts[j].len));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	uint8_t options = take8(&in);
	uint64_t image = (take8(&in) + 1u) * 512;
	const struct disk_gpt_part *p;
	static int fd = -1;
	struct disk_gpt *out;
	struct tiny_gpt g;
	char why[160] = "";
	int err;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	require(fd >= 0 && !ftruncate(fd, SECTORS * 512));
	tiny_gpt_init(&g, SECTORS);
	tiny_gpt_add(&g, 0, "one", 40, 99);
	tiny_gpt_add(&g, 3, "two", 100, 200);
	patch(&in, (uint8_t *)&g, sizeof(g));
	if (options & 1)
		tiny_gpt_seal(&g);
	require(!tiny_gpt_write(&g, fd, SECTORS));
	if (options & 2)
		require(!fd_pwrite_all(fd, "?", 1, 512));

	err = disk_gpt_read(&out, fd, image, options & 4 ? 4096 : 0, why,
			    sizeof(why));
	require((err == 0) == (out != NULL));
	require(!err || (err < 0 && why[0] && !strchr(why, '\n')));
	if (!out)
		return 0;
	check_table(out, image);
	if (out->nr_parts)
		require(disk_gpt_find(out, out->parts[0].name, &p) != -ENOENT);
	free(out);
	return 0;
}
