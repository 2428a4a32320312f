// SPDX-License-Identifier: MIT
/*
 * bus.c - port and MMIO dispatch, and doorbells.
 */
#include "memory/bus.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/fd.h"

/* Disjoint ranges, by ascending base. */
struct space {
	struct bus_dev **devs;
	size_t nr;
};

struct doorbell {
	struct bus_doorbell bell;
	bool taken; /* by the listener: the write never gets here */
};

struct bus {
	struct space space[2];
	struct doorbell *bells;
	size_t nr_bells;
	struct bus_listener *listener;
};

int bus_create(struct bus **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void bus_destroy(struct bus *b)
{
	if (!b)
		return;
	free(b->space[BUS_PIO].devs);
	free(b->space[BUS_MMIO].devs);
	free(b->bells);
	free(b);
}

/* Index of the first range that ends above @addr; nr when there is none. */
static size_t lower_bound(const struct space *s, uint64_t addr)
{
	size_t lo = 0, hi = s->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct bus_dev *d = s->devs[mid];

		if (d->base + (d->size - 1) < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int bus_add(struct bus *b, enum bus_space space, struct bus_dev *d)
{
	struct space *s = &b->space[space];
	struct bus_dev **grown;
	size_t at;

	if (!d->size || d->size - 1 > UINT64_MAX - d->base)
		return -EINVAL;

	at = lower_bound(s, d->base);
	if (at < s->nr && ranges_overlap(s->devs[at]->base, s->devs[at]->size,
					 d->base, d->size))
		return -EEXIST;

	grown = realloc(s->devs, (s->nr + 1) * sizeof(struct bus_dev *));
	if (!grown)
		return -ENOMEM;
	s->devs = grown;
	memmove(grown + at + 1, grown + at,
		(s->nr - at) * sizeof(struct bus_dev *));
	grown[at] = d;
	s->nr++;
	return 0;
}

void bus_del(struct bus *b, enum bus_space space, struct bus_dev *d)
{
	struct space *s = &b->space[space];
	size_t at = lower_bound(s, d->base);

	if (at >= s->nr || s->devs[at] != d)
		return;
	s->nr--;
	memmove(s->devs + at, s->devs + at + 1,
		(s->nr - at) * sizeof(struct bus_dev *));
}

static struct bus_dev *find_dev(const struct bus *b, enum bus_space space,
				uint64_t addr, unsigned int len)
{
	const struct space *s = &b->space[space];
	size_t at = lower_bound(s, addr);
	struct bus_dev *d;

	if (at >= s->nr)
		return NULL;
	d = s->devs[at];
	if (addr < d->base || !range_fits(addr - d->base, len, d->size))
		return NULL;
	return d;
}

static uint64_t len_mask(unsigned int len)
{
	return len >= 8 ? UINT64_MAX : (1ull << (8 * len)) - 1;
}

uint64_t bus_read(struct bus *b, enum bus_space space, uint64_t addr,
		  unsigned int len)
{
	struct bus_dev *d = find_dev(b, space, addr, len);

	if (!d || !d->ops->read)
		return len_mask(len);
	return d->ops->read(d, addr - d->base, len) & len_mask(len);
}

static bool same_bell(const struct bus_doorbell *a,
		      const struct bus_doorbell *b)
{
	return a->addr == b->addr && a->len == b->len && a->value == b->value;
}

static struct doorbell *find_bell(const struct bus *b,
				  const struct bus_doorbell *want)
{
	size_t i;

	for (i = 0; i < b->nr_bells; i++)
		if (same_bell(&b->bells[i].bell, want))
			return &b->bells[i];
	return NULL;
}

void bus_write(struct bus *b, enum bus_space space, uint64_t addr,
	       unsigned int len, uint64_t val)
{
	struct bus_dev *d = find_dev(b, space, addr, len);

	val &= len_mask(len);
	if (space == BUS_MMIO && b->nr_bells) {
		const struct bus_doorbell want = {
			.addr = addr,
			.len = len,
			.value = val,
		};
		const struct doorbell *bell = find_bell(b, &want);

		if (bell) {
			fd_event_signal(bell->bell.fd);
			return;
		}
	}
	if (d && d->ops->write)
		d->ops->write(d, addr - d->base, len, val);
}

/* A listener that refuses is no error: bus_write() rings instead. */
static void offer_bell(struct bus *b, struct doorbell *bell)
{
	bell->taken = b->listener &&
		      !b->listener->doorbell_added(b->listener, &bell->bell);
}

static void withdraw_bell(struct bus *b, struct doorbell *bell)
{
	if (bell->taken)
		b->listener->doorbell_removed(b->listener, &bell->bell);
	bell->taken = false;
}

int bus_add_doorbell(struct bus *b, const struct bus_doorbell *d)
{
	struct doorbell *grown;

	if (find_bell(b, d))
		return -EEXIST;
	grown = realloc(b->bells, (b->nr_bells + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	b->bells = grown;
	grown[b->nr_bells] = (struct doorbell){ .bell = *d };
	offer_bell(b, &grown[b->nr_bells++]);
	return 0;
}

void bus_del_doorbell(struct bus *b, const struct bus_doorbell *d)
{
	struct doorbell *bell = find_bell(b, d);

	if (!bell)
		return;
	withdraw_bell(b, bell);
	*bell = b->bells[--b->nr_bells];
}

void bus_set_listener(struct bus *b, struct bus_listener *l)
{
	size_t i;

	for (i = 0; i < b->nr_bells; i++)
		withdraw_bell(b, &b->bells[i]);
	b->listener = l;
	for (i = 0; i < b->nr_bells; i++)
		offer_bell(b, &b->bells[i]);
}
