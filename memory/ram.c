// SPDX-License-Identifier: MIT
/*
 * ram.c - guest RAM on a memfd, its listeners and its dirty log.
 *
 *   memfd   | 0 ........ low size | ........ size |
 *   guest   | 0 ........ low size |  hole  | 4 GiB ....... |
 *              region 0                       region 1
 *
 * The dirty log has two sources: vCPUs, known to the engine (a listener), and
 * everybody else, noted here in one atomic bitmap per region.
 */
#include "memory/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"

#define BITS_PER_WORD 64

struct ram {
	uint64_t size;
	int fd;
	size_t nr_regions;
	struct ram_region region[RAM_REGIONS_MAX];
	struct ram_listener *listeners;
	atomic_bool dirty_on;
	_Atomic uint64_t *dirty[RAM_REGIONS_MAX];
};

static int map_region(struct ram *r, gpa_t base, uint64_t size, uint64_t off)
{
	struct ram_region *g = &r->region[r->nr_regions];

	g->host = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_NORESERVE, r->fd, (off_t)off);
	if (g->host == MAP_FAILED)
		return -errno;

	g->base = base;
	g->size = size;
	g->fd = r->fd;
	g->fd_offset = off;
	g->index = (unsigned int)r->nr_regions++;
	return 0;
}

static int map_all(struct ram *r)
{
	uint64_t low = min_u64(r->size, LAYOUT_HOLE_BASE);
	int err;

	err = map_region(r, 0, low, 0);
	if (err || r->size == low)
		return err;
	return map_region(r, LAYOUT_HIGH_BASE, r->size - low, low);
}

int ram_create(struct ram **out, uint64_t size)
{
	struct ram *r;
	int err;

	*out = NULL;
	if (size < LAYOUT_RAM_MIN || size > LAYOUT_RAM_MAX || size % RAM_PAGE)
		return -EINVAL;

	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->size = size;

	r->fd = memfd_create("guest-ram", MFD_CLOEXEC);
	if (r->fd < 0) {
		err = -errno;
		goto destroy_ram;
	}
	if (ftruncate(r->fd, (off_t)size) < 0) {
		err = -errno;
		goto destroy_ram;
	}
	err = map_all(r);
	if (err)
		goto destroy_ram;

	*out = r;
	return 0;

destroy_ram:
	ram_destroy(r);
	return err;
}

void ram_destroy(struct ram *r)
{
	size_t i;

	if (!r)
		return;
	ram_dirty_stop(r);
	for (i = 0; i < r->nr_regions; i++)
		munmap(r->region[i].host, r->region[i].size);
	fd_close(&r->fd);
	free(r);
}

uint64_t ram_size(const struct ram *r)
{
	return r->size;
}

size_t ram_nr_regions(const struct ram *r)
{
	return r->nr_regions;
}

const struct ram_region *ram_region(const struct ram *r, size_t i)
{
	return &r->region[i];
}

/* The region that holds all of [gpa, gpa + len), or NULL. */
static const struct ram_region *find_region(const struct ram *r, gpa_t gpa,
					    uint64_t len)
{
	size_t i;

	for (i = 0; i < r->nr_regions; i++) {
		const struct ram_region *g = &r->region[i];

		if (gpa >= g->base && range_fits(gpa - g->base, len, g->size))
			return g;
	}
	return NULL;
}

void *ram_ptr(const struct ram *r, gpa_t gpa, uint64_t len)
{
	const struct ram_region *g = find_region(r, gpa, len);

	return g ? (char *)g->host + (gpa - g->base) : NULL;
}

bool ram_gpa(const struct ram *r, const void *host, gpa_t *gpa)
{
	size_t i;

	for (i = 0; i < r->nr_regions; i++) {
		const struct ram_region *g = &r->region[i];
		uint64_t off = (uint64_t)((uintptr_t)host - (uintptr_t)g->host);

		if (off < g->size) {
			*gpa = g->base + off;
			return true;
		}
	}
	return false;
}

int ram_read(const struct ram *r, gpa_t gpa, void *buf, uint64_t len)
{
	const void *p = ram_ptr(r, gpa, len);

	if (!p)
		return -EFAULT;
	memcpy(buf, p, len);
	return 0;
}

int ram_write(struct ram *r, gpa_t gpa, const void *buf, uint64_t len)
{
	void *p = ram_ptr(r, gpa, len);

	if (!p)
		return -EFAULT;
	memcpy(p, buf, len);
	ram_written(r, gpa, len);
	return 0;
}

int ram_zero(struct ram *r, gpa_t gpa, uint64_t len)
{
	void *p = ram_ptr(r, gpa, len);

	if (!p)
		return -EFAULT;
	memset(p, 0, len);
	ram_written(r, gpa, len);
	return 0;
}

/* Set the bits of the pages of region @g that [gpa, gpa + len) touches. */
static void mark_dirty(struct ram *r, const struct ram_region *g, gpa_t gpa,
		       uint64_t len)
{
	uint64_t page = (gpa - g->base) / RAM_PAGE;
	uint64_t last = (gpa - g->base + len - 1) / RAM_PAGE;

	for (; page <= last; page++)
		atomic_fetch_or_explicit(
			&r->dirty[g->index][page / BITS_PER_WORD],
			1ull << (page % BITS_PER_WORD), memory_order_release);
}

static void mark_dirty_everywhere(struct ram *r, gpa_t gpa, uint64_t len)
{
	size_t i;

	for (i = 0; i < r->nr_regions; i++) {
		const struct ram_region *g = &r->region[i];
		gpa_t start = max_u64(gpa, g->base);
		gpa_t end = min_u64(gpa + len, g->base + g->size);

		if (start < end)
			mark_dirty(r, g, start, end - start);
	}
}

void ram_written(struct ram *r, gpa_t gpa, uint64_t len)
{
	struct ram_listener *l;

	if (!len || len > UINT64_MAX - gpa)
		return;
	for (l = r->listeners; l; l = l->next)
		if (l->written)
			l->written(l, gpa, len);
	if (atomic_load_explicit(&r->dirty_on, memory_order_acquire))
		mark_dirty_everywhere(r, gpa, len);
}

/* @syscalls: fallocate */
int ram_discard(struct ram *r, gpa_t gpa, uint64_t len)
{
	const struct ram_region *g = find_region(r, gpa, len);
	uint64_t off;

	if (gpa % RAM_PAGE || len % RAM_PAGE || !len)
		return -EINVAL;
	if (!g)
		return -EFAULT;
	off = g->fd_offset + (gpa - g->base);
	if (fallocate(g->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)off, (off_t)len))
		return -errno;
	ram_written(r, gpa, len);
	return 0;
}

static void tell_removed(struct ram *r, struct ram_listener *l, size_t nr)
{
	while (nr-- > 0)
		if (l->region_removed)
			l->region_removed(l, &r->region[nr]);
}

int ram_add_listener(struct ram *r, struct ram_listener *l)
{
	size_t i;

	for (i = 0; l->region_added && i < r->nr_regions; i++) {
		int err = l->region_added(l, &r->region[i]);

		if (err) {
			tell_removed(r, l, i);
			return err;
		}
	}
	l->next = r->listeners;
	r->listeners = l;
	return 0;
}

void ram_del_listener(struct ram *r, struct ram_listener *l)
{
	struct ram_listener **at;

	for (at = &r->listeners; *at; at = &(*at)->next) {
		if (*at != l)
			continue;
		*at = l->next;
		tell_removed(r, l, r->nr_regions);
		return;
	}
}

/* Switch the vCPUs' side of the log; on failure nothing stays on. */
static int switch_listeners(struct ram *r, bool on)
{
	struct ram_listener *l;
	size_t i;
	int err;

	for (l = r->listeners; l; l = l->next) {
		if (!l->dirty_log)
			continue;
		for (i = 0; i < r->nr_regions; i++) {
			err = l->dirty_log(l, &r->region[i], on);
			if (err && on) {
				switch_listeners(r, false);
				return err;
			}
		}
	}
	return 0;
}

static void free_bitmaps(struct ram *r)
{
	size_t i;

	for (i = 0; i < r->nr_regions; i++) {
		free(r->dirty[i]);
		r->dirty[i] = NULL;
	}
}

int ram_dirty_start(struct ram *r)
{
	size_t i;
	int err;

	if (r->dirty_on)
		return -EBUSY;

	for (i = 0; i < r->nr_regions; i++) {
		r->dirty[i] =
			calloc(ram_dirty_words(r, i), sizeof(*r->dirty[i]));
		if (!r->dirty[i]) {
			err = -ENOMEM;
			goto free_dirty;
		}
	}
	err = switch_listeners(r, true);
	if (err)
		goto free_dirty;
	atomic_store_explicit(&r->dirty_on, true, memory_order_release);
	return 0;

free_dirty:
	free_bitmaps(r);
	return err;
}

void ram_dirty_stop(struct ram *r)
{
	if (!r->dirty_on)
		return;
	r->dirty_on = false;
	switch_listeners(r, false);
	free_bitmaps(r);
}

size_t ram_dirty_words(const struct ram *r, size_t i)
{
	uint64_t pages = r->region[i].size / RAM_PAGE;

	return (pages + BITS_PER_WORD - 1) / BITS_PER_WORD;
}

int ram_dirty_fetch(struct ram *r, size_t i, uint64_t *bitmap)
{
	size_t words = ram_dirty_words(r, i);
	struct ram_listener *l;
	size_t w;
	int err;

	if (!r->dirty_on)
		return -EINVAL;

	for (w = 0; w < words; w++)
		bitmap[w] = atomic_exchange_explicit(&r->dirty[i][w], 0,
						     memory_order_acquire);
	for (l = r->listeners; l; l = l->next) {
		if (!l->dirty_fetch)
			continue;
		err = l->dirty_fetch(l, &r->region[i], bitmap);
		if (err)
			return err;
	}
	return 0;
}
