// SPDX-License-Identifier: MIT
/*
 * queue.c - one split virtqueue, from the device's side.
 *
 * How it works. The rings are shared with a driver that may write anything at
 * any time, so each field is read once, into a copy, and the copy is checked.
 * RAM never goes away, so the host addresses of the three parts are looked up
 * once, in vq_setup().
 */
#include "virtio/queue.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/checked.h"
#include "base/iov.h"
#include "base/le.h"
#include "memory/ram.h"

/* virtio 1.2 §2.7.5 */
enum desc_flags {
	DESC_F_NEXT = 1,
	DESC_F_WRITE = 2,
	DESC_F_INDIRECT = 4,
};

/* virtio 1.2 §2.7.6 and §2.7.8 */
enum ring_flags {
	AVAIL_F_NO_INTERRUPT = 1,
	USED_F_NO_NOTIFY = 1,
};

struct virtq_desc {
	le64 addr;
	le32 len;
	le16 flags;
	le16 next;
};

struct virtq_avail {
	le16 flags;
	le16 idx;
	le16 ring[]; /* size entries, then used_event */
};

struct virtq_used_elem {
	le32 id;
	le32 len;
};

struct virtq_used {
	le16 flags;
	le16 idx;
	struct virtq_used_elem ring[]; /* size entries, then avail_event */
};

_Static_assert(sizeof(struct virtq_desc) == 16, "virtio 1.2 §2.7.5");
_Static_assert(sizeof(struct virtq_avail) == 4, "virtio 1.2 §2.7.6");
_Static_assert(sizeof(struct virtq_used_elem) == 8, "virtio 1.2 §2.7.8");
_Static_assert(sizeof(struct virtq_used) == 4, "virtio 1.2 §2.7.8");

/* virtio 1.2 §2.7.5.2: a chain has no more than 2^32 bytes. */
#define CHAIN_BYTES_MAX (1ull << 32)

/* What the driver writes while we look: one load, never repeated. */
static uint16_t load16(const le16 *p)
{
	return le16toh(__atomic_load_n(&p->raw, __ATOMIC_RELAXED));
}

static void store16(le16 *p, uint16_t v)
{
	__atomic_store_n(&p->raw, htole16(v), __ATOMIC_RELAXED);
}

void vq_init(struct vq *q, struct ram *ram)
{
	*q = (struct vq){ .ram = ram };
}

void vq_reset(struct vq *q)
{
	vq_init(q, q->ram);
}

/* A part of the queue, or NULL: bad alignment or not in RAM. */
static void *map_part(const struct vq *q, gpa_t gpa, uint64_t align,
		      uint64_t len)
{
	return gpa % align ? NULL : ram_ptr(q->ram, gpa, len);
}

int vq_setup(struct vq *q, uint16_t size, gpa_t desc, gpa_t avail, gpa_t used,
	     uint64_t features)
{
	vq_reset(q);
	if (!size || size > VQ_SIZE_MAX || (size & (size - 1)))
		return -EINVAL;

	/* Alignments and sizes: the table of virtio 1.2 §2.7. */
	q->desc = map_part(q, desc, 16, 16ull * size);
	q->avail = map_part(q, avail, 2, 6 + 2ull * size);
	q->used = map_part(q, used, 4, 6 + 8ull * size);
	if (!q->desc || !q->avail || !q->used) {
		vq_reset(q);
		return -EINVAL;
	}

	q->size = size;
	q->used_gpa = used;
	q->event_idx = features & VIRTIO_F_EVENT_IDX;
	q->indirect = features & VIRTIO_F_INDIRECT_DESC;
	/* The driver zeroed flags and avail_event: it notifies. */
	q->notify = true;
	q->ready = true;
	return 0;
}

/* 1 when a chain is there, 0 when not, -EPROTO when the index makes no sense. */
static int poll_avail(struct vq *q)
{
	uint16_t idx;

	if (q->next_avail != q->avail_idx)
		return 1;

	/*
	 * Acquire: the ring entry and the descriptors, which the driver wrote
	 * before the index, are not read before it (virtio 1.2 §2.7.13.3).
	 */
	idx = le16toh(__atomic_load_n(&q->avail->idx.raw, __ATOMIC_ACQUIRE));
	if (idx == q->next_avail)
		return 0;

	/* The ring has room for size heads only (virtio 1.2 §2.7.13). */
	if ((uint16_t)(idx - q->next_avail) > q->size)
		return -EPROTO;
	q->avail_idx = idx;
	return 1;
}

/* Entry @i of a table that may be unaligned, as indirect ones may. */
static struct virtq_desc read_desc(const void *table, uint32_t i)
{
	struct virtq_desc d;

	memcpy(&d, (const char *)table + i * sizeof(d), sizeof(d));
	/* The compiler must not read it again instead of keeping the copy. */
	atomic_signal_fence(memory_order_seq_cst);
	return d;
}

static int add_piece(const struct vq *q, struct vq_chain *c,
		     const struct virtq_desc *d)
{
	uint32_t len = le32_get(d->len);
	unsigned int nr = c->nr_readable + c->nr_writable;
	void *host;

	/* Allowed, if odd; models see only pieces with bytes. */
	if (!len)
		return 0;
	if (nr == VQ_CHAIN_MAX)
		return -EPROTO;
	host = ram_ptr(q->ram, le64_get(d->addr), len);
	if (!host)
		return -EPROTO;

	c->iov[nr] = (struct iovec){ host, len };
	if (le16_get(d->flags) & DESC_F_WRITE) {
		c->nr_writable++;
		c->writable_len += len;
		return 0;
	}
	/* Writable ones come last (virtio 1.2 §2.7.4.2). */
	if (c->nr_writable)
		return -EPROTO;
	c->nr_readable++;
	c->readable_len += len;
	return 0;
}

/*
 * Add the chain that starts at @at. @indirect: what a descriptor with
 * DESC_F_INDIRECT refers to is stored there, NULL: it is against the rules.
 *
 * A chain that visits more descriptors than its table has is a loop. That
 * bounds chains outside of indirect tables by the queue size, as virtio 1.2
 * §2.7.5.3.1 says; Linux exceeds the size in indirect tables, so there
 * VQ_CHAIN_MAX counts, and VQ_SIZE_MAX with empty descriptors: a table can
 * be as large as RAM.
 */
static int walk_table(const struct vq *q, struct vq_chain *c, const void *table,
		      uint32_t entries, uint32_t at,
		      struct virtq_desc *indirect)
{
	uint32_t left;

	for (left = (uint32_t)min_u64(entries, VQ_SIZE_MAX); left; left--) {
		struct virtq_desc d;
		int err;

		if (at >= entries)
			return -EPROTO;
		d = read_desc(table, at);
		if (le16_get(d.flags) & DESC_F_INDIRECT) {
			/* No nesting, no successor: virtio 1.2 §2.7.5.3.1. */
			if (!indirect || le16_get(d.flags) & DESC_F_NEXT)
				return -EPROTO;
			*indirect = d;
			return 0;
		}
		err = add_piece(q, c, &d);
		if (err)
			return err;
		if (!(le16_get(d.flags) & DESC_F_NEXT))
			return 0;
		at = le16_get(d.next);
	}
	return -EPROTO;
}

/* virtio 1.2 §2.7.5.3; DESC_F_WRITE means nothing here (§2.7.5.3.2). */
static int walk_indirect(const struct vq *q, struct vq_chain *c,
			 const struct virtq_desc *d)
{
	uint32_t len = le32_get(d->len);
	const void *table;

	if (!len || len % sizeof(struct virtq_desc))
		return -EPROTO;
	table = ram_ptr(q->ram, le64_get(d->addr), len);
	if (!table)
		return -EPROTO;
	return walk_table(q, c, table, len / sizeof(struct virtq_desc), 0,
			  NULL);
}

static int walk_chain(const struct vq *q, struct vq_chain *c)
{
	struct virtq_desc indirect = { .flags = le16_put(0) };
	int err;

	err = walk_table(q, c, q->desc, q->size, c->head,
			 q->indirect ? &indirect : NULL);
	if (err)
		return err;
	if (le16_get(indirect.flags) & DESC_F_INDIRECT) {
		err = walk_indirect(q, c, &indirect);
		if (err)
			return err;
	}
	if (c->readable_len + c->writable_len > CHAIN_BYTES_MAX)
		return -EPROTO;
	return 0;
}

int vq_pop(struct vq *q, struct vq_chain *c)
{
	int ret;

	if (!q->ready)
		return 0;
	ret = poll_avail(q);
	if (ret <= 0)
		return ret;

	/* More chains than descriptors: some head was made available twice. */
	if (q->inuse == q->size)
		return -EPROTO;

	c->head = load16(&q->avail->ring[q->next_avail & (q->size - 1)]);
	c->nr_readable = 0;
	c->nr_writable = 0;
	c->readable_len = 0;
	c->writable_len = 0;
	ret = walk_chain(q, c);
	if (ret)
		return ret;

	c->readable = c->iov;
	c->writable = c->iov + c->nr_readable;
	q->next_avail++;
	q->inuse++;
	return 1;
}

void vq_drop(struct vq *q)
{
	q->inuse--;
}

void vq_unpop(struct vq *q, uint16_t nr)
{
	q->next_avail -= nr;
	q->inuse -= nr;
}

void vq_fill(struct vq *q, const struct vq_chain *c, uint32_t written)
{
	uint16_t slot = q->next_used & (uint16_t)(q->size - 1);

	vq_chain_report(q->ram, c, 0, written);
	q->used->ring[slot] = (struct virtq_used_elem){
		.id = le32_put(c->head),
		.len = le32_put(written),
	};
	q->next_used++;
	q->inuse--;
	ram_written(q->ram,
		    q->used_gpa + sizeof(struct virtq_used) +
			    slot * sizeof(struct virtq_used_elem),
		    sizeof(struct virtq_used_elem));
}

void vq_show(struct vq *q)
{
	/* Release: data and entries come before the index (§2.7.8.2). */
	__atomic_store_n(&q->used->idx.raw, htole16(q->next_used),
			 __ATOMIC_RELEASE);
	q->shown_used = q->next_used;
	ram_written(q->ram, q->used_gpa, sizeof(struct virtq_used));
}

void vq_push(struct vq *q, const struct vq_chain *c, uint32_t written)
{
	vq_fill(q, c, written);
	vq_show(q);
}

/* Pieces hold host addresses; listeners want the guest's. */
static void report_piece(struct ram *r, const char *host, uint64_t len)
{
	gpa_t gpa;

	if (ram_gpa(r, host, &gpa))
		ram_written(r, gpa, len);
}

void vq_chain_report(struct ram *ram, const struct vq_chain *c, uint64_t off,
		     uint64_t len)
{
	unsigned int i;

	for (i = 0; len && i < c->nr_writable; i++) {
		const struct iovec *v = &c->writable[i];
		uint64_t n;

		if (off >= v->iov_len) {
			off -= v->iov_len;
			continue;
		}
		n = min_u64(len, v->iov_len - off);
		report_piece(ram, (const char *)v->iov_base + off, n);
		len -= n;
		off = 0;
	}
}

size_t vq_chain_write(struct ram *ram, const struct vq_chain *c, size_t off,
		      const void *buf, size_t len)
{
	len = iov_write(c->writable, c->nr_writable, off, buf, len);
	vq_chain_report(ram, c, off, len);
	return len;
}

/*
 * Our store to the used ring must be visible before we read what the driver
 * wrote last, and the driver does the same the other way round: so at least
 * one of the two sees the other's store, and no notification is lost
 * (virtio 1.2 §2.7.7, §2.7.10, §2.7.13.4). Only a full barrier orders a store
 * with a later load.
 */
static void full_barrier(void)
{
	__sync_synchronize();
}

/* Did the index pass @event on its way from @from to @to? (§2.7.7.2) */
static bool passed(uint16_t event, uint16_t to, uint16_t from)
{
	return (uint16_t)(to - event - 1) < (uint16_t)(to - from);
}

bool vq_needs_interrupt(struct vq *q)
{
	uint16_t from = q->signalled_used;

	if (!q->ready || q->shown_used == from)
		return false;

	full_barrier();
	q->signalled_used = q->shown_used;
	if (q->event_idx)
		return passed(load16(&q->avail->ring[q->size]), q->shown_used,
			      from);
	return !(load16(&q->avail->flags) & AVAIL_F_NO_INTERRUPT);
}

static void set_used_flags(struct vq *q, uint16_t flags)
{
	store16(&q->used->flags, flags);
	ram_written(q->ram, q->used_gpa, sizeof(q->used->flags));
}

/* With the event index an event that was passed already keeps them quiet. */
void vq_disable_notify(struct vq *q)
{
	if (!q->ready || !q->notify)
		return;
	q->notify = false;
	if (!q->event_idx)
		set_used_flags(q, USED_F_NO_NOTIFY);
}

bool vq_enable_notify(struct vq *q)
{
	if (!q->ready)
		return false;

	if (q->event_idx) {
		uint64_t off = sizeof(struct virtq_used) +
			       q->size * sizeof(struct virtq_used_elem);

		store16((le16 *)&q->used->ring[q->size], q->next_avail);
		ram_written(q->ram, q->used_gpa + off, sizeof(le16));
	} else if (!q->notify) {
		set_used_flags(q, 0);
	}
	q->notify = true;

	full_barrier();
	return load16(&q->avail->idx) != q->next_avail;
}
