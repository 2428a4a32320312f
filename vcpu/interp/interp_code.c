// SPDX-License-Identifier: MIT
/*
 * interp_code.c - which pages hold decoded code, and what happens when one
 * is written.
 *
 * How it works. A page is in one of three states:
 *
 *   plain --decode--> CODE --write--> WRITABLE --decode--> CODE ...
 *
 * While a page is CODE, no TLB has it writable: the first write comes to
 * interp_code_written(), which gives the page a new generation (blocks of an
 * older one are dead) and lets it be WRITABLE. When code is decoded from a
 * WRITABLE page, every vCPU must first drop its writable translations of it:
 * the own at once, the others when they look at INTERP_FLUSH, at the latest
 * at the end of their block. Until all have ("epoch", "seen"), blocks of that
 * page are used once and not kept. A vCPU that is not running holds nothing
 * that counts: it looks at INTERP_FLUSH before it goes on.
 *
 * A write that comes between decoding and keeping is found because the flags
 * are looked at last: interp_code_written() clears CODE before it makes the
 * new generation, so a block is either not kept or of a dead generation.
 */
#include "vcpu/interp/interp_int.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "vcpu/x86/mem.h"

#define BITS_PER_WORD 64

/* Zeroes that cost memory only where they are touched. */
static void *map_zeroes(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void unmap(void *p, size_t size)
{
	if (p)
		munmap(p, size);
}

int interp_code_init(struct interp_code *c, const struct ram *ram)
{
	c->nr_pages = ram_size(ram) / RAM_PAGE;
	c->low_pages = ram_region(ram, 0)->size / RAM_PAGE;
	c->flags = map_zeroes(c->nr_pages);
	c->gen = map_zeroes(c->nr_pages * sizeof(uint32_t));
	c->epoch = map_zeroes(c->nr_pages * sizeof(uint32_t));
	return c->flags && c->gen && c->epoch ? 0 : -ENOMEM;
}

static size_t log_words(const struct interp_code *c)
{
	return (c->nr_pages + BITS_PER_WORD - 1) / BITS_PER_WORD;
}

void interp_code_fini(struct interp_code *c)
{
	unmap(c->flags, c->nr_pages);
	unmap(c->gen, c->nr_pages * sizeof(uint32_t));
	unmap(c->epoch, c->nr_pages * sizeof(uint32_t));
	unmap(c->dirty, log_words(c) * sizeof(uint64_t));
}

uint64_t interp_page(const struct interp_code *c, gpa_t gpa)
{
	if (gpa < LAYOUT_HIGH_BASE)
		return gpa / RAM_PAGE;
	return c->low_pages + (gpa - LAYOUT_HIGH_BASE) / RAM_PAGE;
}

/* Ask all vCPUs but @but to flush; the epoch that says they have. */
static uint32_t ask_for_flush(struct interp_engine *e,
			      const struct interp_vcpu *but)
{
	uint32_t epoch = atomic_fetch_add(&e->code.last_epoch, 1) + 1;
	unsigned int i;

	for (i = 0; i < e->nr_cpus; i++) {
		struct interp_vcpu *v = atomic_load(&e->vcpu[i]);

		if (v && v != but)
			atomic_fetch_or(&v->owner.attention, INTERP_FLUSH);
	}
	return epoch;
}

static bool have_flushed(struct interp_engine *e, const struct interp_vcpu *but,
			 uint32_t epoch)
{
	unsigned int i;

	for (i = 0; i < e->nr_cpus; i++) {
		struct interp_vcpu *v = atomic_load(&e->vcpu[i]);

		if (!v || v == but || !atomic_load(&v->running))
			continue;
		if ((int32_t)(atomic_load(&v->seen) - epoch) < 0)
			return false;
	}
	return true;
}

void interp_code_begin(struct interp_vcpu *v, uint64_t page)
{
	struct interp_engine *e = interp_of_vcpu(v);
	struct interp_code *c = &e->code;
	uint8_t was =
		atomic_load_explicit(&c->flags[page], memory_order_relaxed);

	if (was == INTERP_PAGE_CODE)
		return;
	was = atomic_exchange(&c->flags[page], INTERP_PAGE_CODE);
	if (!(was & INTERP_PAGE_WRITABLE))
		return;
	x86_tlb_flush(&v->cpu);
	if (e->nr_cpus > 1)
		atomic_store(&c->epoch[page], ask_for_flush(e, v));
}

bool interp_code_may_keep(struct interp_vcpu *v, uint64_t page)
{
	struct interp_engine *e = interp_of_vcpu(v);
	struct interp_code *c = &e->code;

	if (e->nr_cpus > 1 && !have_flushed(e, v, atomic_load(&c->epoch[page])))
		return false;
	return atomic_load(&c->flags[page]) == INTERP_PAGE_CODE;
}

static void note_dirty(struct interp_code *c, uint64_t page)
{
	_Atomic uint64_t *dirty =
		atomic_load_explicit(&c->dirty, memory_order_acquire);

	if (dirty)
		atomic_fetch_or(&dirty[page / BITS_PER_WORD],
				1ull << page % BITS_PER_WORD);
}

void interp_code_written(struct interp_engine *e, uint64_t page)
{
	struct interp_code *c = &e->code;
	uint8_t was;

	note_dirty(c, page);
	if (atomic_load_explicit(&c->flags[page], memory_order_relaxed) ==
	    INTERP_PAGE_WRITABLE)
		return;
	was = atomic_exchange(&c->flags[page], INTERP_PAGE_WRITABLE);
	if (was & INTERP_PAGE_CODE)
		atomic_fetch_add(&c->gen[page], 1);
}

void interp_code_flush(struct interp_vcpu *v)
{
	uint32_t epoch;

	atomic_fetch_and(&v->owner.attention, ~INTERP_FLUSH);
	/* Requests from here on set the flag again. */
	epoch = atomic_load(&interp_of_vcpu(v)->code.last_epoch);
	x86_tlb_flush(&v->cpu);
	atomic_store(&v->seen, epoch);
}

/* So that the next write to any page is noticed. */
static void flush_all(struct interp_engine *e)
{
	uint32_t epoch = ask_for_flush(e, NULL);

	while (!have_flushed(e, NULL, epoch))
		sched_yield();
}

int interp_code_log(struct interp_engine *e, bool on)
{
	struct interp_code *c = &e->code;
	size_t size = log_words(c) * sizeof(uint64_t);
	void *map;

	if (!on) {
		map = atomic_exchange(&c->dirty, NULL);
		flush_all(e); /* nobody is in note_dirty() any more */
		unmap(map, size);
		return 0;
	}
	map = map_zeroes(size);
	if (!map)
		return -ENOMEM;
	atomic_store(&c->dirty, map);
	flush_all(e);
	return 0;
}

int interp_code_fetch_log(struct interp_engine *e, const struct ram_region *r,
			  uint64_t *bitmap)
{
	struct interp_code *c = &e->code;
	_Atomic uint64_t *dirty = atomic_load(&c->dirty);
	uint64_t first = r->index ? c->low_pages : 0;
	uint64_t i, page, bit;

	if (!dirty)
		return -EINVAL;
	flush_all(e);
	for (i = 0; i < r->size / RAM_PAGE; i++) {
		page = first + i;
		bit = 1ull << page % BITS_PER_WORD;
		if (!(atomic_load_explicit(&dirty[page / BITS_PER_WORD],
					   memory_order_relaxed) &
		      bit))
			continue;
		atomic_fetch_and(&dirty[page / BITS_PER_WORD], ~bit);
		bitmap[i / BITS_PER_WORD] |= 1ull << i % BITS_PER_WORD;
	}
	return 0;
}
