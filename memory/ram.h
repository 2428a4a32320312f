/* SPDX-License-Identifier: MIT */
/*
 * ram.h - guest RAM: regions on a memfd, guest address to host pointer, and
 * who is told when RAM appears or is written.
 *
 * How it works. One memfd backs all of RAM; region 0 is [0, 3 GiB) at most,
 * region 1 goes on at 4 GiB (layout_x86.h). The regions of one file offset
 * are mapped MAP_SHARED once, for the life of the ram.
 *
 * Engines learn of regions, and of writes that do not come from a vCPU,
 * through listeners: so devices write RAM only with ram_write() or, when the
 * host kernel wrote for them (readv into ram_ptr()), report it with
 * ram_written(). A bare memcpy to a RAM pointer would leave a translator
 * with stale code.
 *
 * Threads: create, destroy, add and del listeners while no vCPU runs.
 * ram_ptr, ram_gpa, ram_read, ram_write, ram_written, ram_discard and
 * ram_dirty_fetch: any thread.
 */
#ifndef MINIVMM_MEMORY_RAM_H
#define MINIVMM_MEMORY_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/layout_x86.h"

#define RAM_REGIONS_MAX 2
#define RAM_PAGE	4096ull

struct ram;

struct ram_region {
	gpa_t base;
	uint64_t size;	    /* bytes, a multiple of RAM_PAGE */
	void *host;	    /* host address of base */
	int fd;		    /* the memfd */
	uint64_t fd_offset; /* where the region starts in it */
	unsigned int index; /* 0 .. RAM_REGIONS_MAX - 1 */
};

/*
 * Embedded by an engine. Members that are NULL are skipped. Callbacks run on
 * the thread that caused them.
 */
struct ram_listener {
	/* 0 or -errno, which ram_add_listener() passes on. */
	int (*region_added)(struct ram_listener *l, const struct ram_region *r);
	void (*region_removed)(struct ram_listener *l,
			       const struct ram_region *r);
	/* Somebody else than a vCPU of this engine wrote [gpa, gpa + len). */
	void (*written)(struct ram_listener *l, gpa_t gpa, uint64_t len);
	/* Start or stop noting the pages that vCPUs write. 0 or -errno. */
	int (*dirty_log)(struct ram_listener *l, const struct ram_region *r,
			 bool on);
	/*
	 * Or the pages that vCPUs wrote since the last call into @bitmap
	 * (bit n: page n of the region) and forget them. 0 or -errno.
	 */
	int (*dirty_fetch)(struct ram_listener *l, const struct ram_region *r,
			   uint64_t *bitmap);
	struct ram_listener *next; /* ram.c's */
};

/*
 * Allocate RAM of @size bytes, a multiple of RAM_PAGE between LAYOUT_RAM_MIN
 * and LAYOUT_RAM_MAX (-EINVAL otherwise). Pages are the host's only when
 * touched.
 */
int ram_create(struct ram **out, uint64_t size);
void ram_destroy(struct ram *r);

uint64_t ram_size(const struct ram *r);
size_t ram_nr_regions(const struct ram *r);
const struct ram_region *ram_region(const struct ram *r, size_t i);

/*
 * The host address of [gpa, gpa + len), or NULL when any byte of it is not
 * RAM or the range spans two regions. Valid until ram_destroy().
 */
void *ram_ptr(const struct ram *r, gpa_t gpa, uint64_t len);

/* The guest address of @host, which points into RAM. False: it does not. */
bool ram_gpa(const struct ram *r, const void *host, gpa_t *gpa);

/* Copy out of or into guest RAM. 0, or -EFAULT and nothing copied. */
int ram_read(const struct ram *r, gpa_t gpa, void *buf, uint64_t len);
int ram_write(struct ram *r, gpa_t gpa, const void *buf, uint64_t len);
/* Like ram_write() with @len zero bytes. */
int ram_zero(struct ram *r, gpa_t gpa, uint64_t len);

/*
 * [gpa, gpa + len) was written through ram_ptr(), by the host kernel or by
 * us: tell listeners and the dirty log. Parts outside RAM are ignored.
 */
void ram_written(struct ram *r, gpa_t gpa, uint64_t len);

/*
 * Give the host back the memory behind [gpa, gpa + len), which the guest does
 * not need: it reads as zeroes from here on, and comes back page by page when
 * touched. Host pointers stay valid, and listeners hear of it as of any write.
 * Takes some 0.2 ms per MiB that was in use. Not while the host kernel has
 * pages of it pinned (loop_register_buffer()): it would keep the old ones.
 * 0; -EINVAL when the range is not of whole pages, -EFAULT when a part of it
 * is no RAM or it spans two regions; or -errno of the host, and nothing was
 * given back.
 */
int ram_discard(struct ram *r, gpa_t gpa, uint64_t len);

/*
 * Add a listener and tell it of every region there is; on failure it is not
 * added and the regions already told are taken back. The listener stays the
 * caller's and must be deleted before it goes away.
 */
int ram_add_listener(struct ram *r, struct ram_listener *l);
void ram_del_listener(struct ram *r, struct ram_listener *l);

/*
 * Note written pages from now on, whoever writes them. -EBUSY when already
 * on; on another error nothing is left on.
 */
int ram_dirty_start(struct ram *r);
void ram_dirty_stop(struct ram *r);

/* Words of a bitmap with one bit per page of region @i. */
size_t ram_dirty_words(const struct ram *r, size_t i);

/*
 * Set *bitmap to the pages of region @i written since the start or the last
 * fetch. -EINVAL when the log is off.
 */
int ram_dirty_fetch(struct ram *r, size_t i, uint64_t *bitmap);

#endif
