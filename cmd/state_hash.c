// SPDX-License-Identifier: MIT
/*
 * state_hash.c - one number for the state of a machine.
 *
 * XXH3 with 128 bits, of libxxhash: tells runs apart, which is no work for a
 * cryptographic hash. Registers go in member by member, since what lies
 * between them is nobody's.
 *
 * @syscalls: lseek
 */
#include "cmd/state_hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/checked.h"
#include "base/le.h"
#include "memory/ram.h"
#include "vcpu/state.h"

struct state_hash {
	XXH3_state_t *xxh;
};

struct member {
	size_t off, len;
};

#define MEMBER(m)                                          \
	{                                                  \
		offsetof(struct cpu_state, m),             \
			sizeof(((struct cpu_state *)0)->m) \
	}

/* In the order of state.h */
static const struct member members[] = {
	MEMBER(gpr),
	MEMBER(rip),
	MEMBER(rflags),
	MEMBER(seg),
	MEMBER(gdtr.base),
	MEMBER(gdtr.limit),
	MEMBER(idtr.base),
	MEMBER(idtr.limit),
	MEMBER(cr0),
	MEMBER(cr2),
	MEMBER(cr3),
	MEMBER(cr4),
	MEMBER(cr8),
	MEMBER(efer),
	MEMBER(xcr0),
	MEMBER(dr),
	MEMBER(apic_base),
	MEMBER(msr),
	MEMBER(events.exception_pending),
	MEMBER(events.exception_has_error),
	MEMBER(events.exception_vector),
	MEMBER(events.exception_error),
	MEMBER(events.interrupt_injected),
	MEMBER(events.interrupt_soft),
	MEMBER(events.interrupt_vector),
	MEMBER(events.nmi_injected),
	MEMBER(events.nmi_pending),
	MEMBER(events.nmi_masked),
	MEMBER(events.shadow_sti),
	MEMBER(events.shadow_mov_ss),
	MEMBER(mp_state),
	MEMBER(xsave),
	MEMBER(lapic),
};

int state_hash_create(struct state_hash **out)
{
	struct state_hash *h = calloc(1, sizeof(*h));

	*out = NULL;
	if (!h)
		return -ENOMEM;
	h->xxh = XXH3_createState();
	if (!h->xxh) {
		free(h);
		return -ENOMEM;
	}
	XXH3_128bits_reset(h->xxh);
	*out = h;
	return 0;
}

void state_hash_cpu(struct state_hash *h, const struct cpu_state *st)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(members); i++)
		XXH3_128bits_update(h->xxh, (const char *)st + members[i].off,
				    members[i].len);
}

static void hash_page(struct state_hash *h, gpa_t gpa, const void *page)
{
	static const char zeroes[RAM_PAGE];
	le64 at = le64_put(gpa);

	if (!memcmp(page, zeroes, RAM_PAGE))
		return;
	XXH3_128bits_update(h->xxh, &at, sizeof(at));
	XXH3_128bits_update(h->xxh, page, RAM_PAGE);
}

/* [from, to) of @r's file */
static void hash_data(struct state_hash *h, const struct ram_region *r,
		      uint64_t from, uint64_t to)
{
	uint64_t off;

	for (off = from - r->fd_offset; off < to - r->fd_offset;
	     off += RAM_PAGE)
		hash_page(h, r->base + off, (const char *)r->host + off);
}

static int hash_region(struct state_hash *h, const struct ram_region *r)
{
	off_t end = (off_t)(r->fd_offset + r->size), hole;
	off_t data = lseek(r->fd, (off_t)r->fd_offset, SEEK_DATA);

	while (data >= 0 && data < end) {
		hole = lseek(r->fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		hash_data(h, r, (uint64_t)data,
			  min_u64((uint64_t)hole, (uint64_t)end));
		data = lseek(r->fd, hole, SEEK_DATA);
	}
	/* ENXIO: no more data. */
	return data < 0 && errno != ENXIO ? -errno : 0;
}

int state_hash_ram(struct state_hash *h, const struct ram *ram)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < ram_nr_regions(ram); i++)
		err = hash_region(h, ram_region(ram, i));
	return err;
}

void state_hash_finish(struct state_hash *h, char *text)
{
	XXH128_hash_t v;

	if (!h)
		return;
	v = XXH3_128bits_digest(h->xxh);
	if (text)
		snprintf(text, STATE_HASH_TEXT, "%016llx%016llx",
			 (unsigned long long)v.high64,
			 (unsigned long long)v.low64);
	XXH3_freeState(h->xxh);
	free(h);
}
