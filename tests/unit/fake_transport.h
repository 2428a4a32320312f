/* SPDX-License-Identifier: MIT */
/*
 * fake_transport.h - the driver's side of a virtio device, for tests.
 *
 *   struct ring            one split queue as a driver lays it out in RAM
 *   struct fake_transport  counts what the device tells its driver
 *
 * Nothing here checks: a test can make any ring it likes.
 */
#ifndef MINIVMM_TESTS_UNIT_FAKE_TRANSPORT_H
#define MINIVMM_TESTS_UNIT_FAKE_TRANSPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memory/ram.h"
#include "virtio/device.h"
#include "virtio/loop.h"

#define RING_NEXT     1
#define RING_WRITE    2
#define RING_INDIRECT 4

/* virtio 1.2 §2.7: the parts at base, in order, on one piece of RAM. */
struct ring {
	struct ram *ram;
	uint16_t size;
	gpa_t desc, avail, used;
	uint16_t avail_idx; /* what the driver will write next */
	uint16_t last_used;
};

static inline void ring_poke16(struct ring *r, gpa_t gpa, uint16_t v)
{
	uint16_t *p = ram_ptr(r->ram, gpa, sizeof(v));

	if (!p)
		abort();
	__atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

static inline uint16_t ring_peek16(struct ring *r, gpa_t gpa)
{
	const uint16_t *p = ram_ptr(r->ram, gpa, sizeof(*p));

	if (!p)
		abort();
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

/* @base: a multiple of 16. Takes less than 32 * size + 32 bytes. */
static inline void ring_init(struct ring *r, struct ram *ram, gpa_t base,
			     uint16_t size)
{
	*r = (struct ring){ .ram = ram, .size = size, .desc = base };
	r->avail = base + 16u * size;
	r->used = (r->avail + 6 + 2u * size + 3) & ~3ull;
	ram_zero(ram, base, r->used + 6 + 8u * size - base);
}

/* Write descriptor @i of the table at @table. */
static inline void ring_desc_at(struct ring *r, gpa_t table, uint16_t i,
				gpa_t addr, uint32_t len, uint16_t flags,
				uint16_t next)
{
	uint8_t d[16];

	memcpy(d, &addr, 8);
	memcpy(d + 8, &len, 4);
	memcpy(d + 12, &flags, 2);
	memcpy(d + 14, &next, 2);
	ram_write(r->ram, table + 16u * i, d, sizeof(d));
}

static inline void ring_desc(struct ring *r, uint16_t i, gpa_t addr,
			     uint32_t len, uint16_t flags, uint16_t next)
{
	ring_desc_at(r, r->desc, i, addr, len, flags, next);
}

/* Put @head into the ring without showing it. */
static inline void ring_place(struct ring *r, uint16_t head)
{
	ring_poke16(r, r->avail + 4 + 2u * (r->avail_idx % r->size), head);
	r->avail_idx++;
}

static inline void ring_expose(struct ring *r)
{
	ring_poke16(r, r->avail + 2, r->avail_idx);
}

static inline void ring_offer(struct ring *r, uint16_t head)
{
	ring_place(r, head);
	ring_expose(r);
}

static inline void ring_set_avail_flags(struct ring *r, uint16_t flags)
{
	ring_poke16(r, r->avail, flags);
}

static inline void ring_set_used_event(struct ring *r, uint16_t idx)
{
	ring_poke16(r, r->avail + 4 + 2u * r->size, idx);
}

static inline uint16_t ring_used_flags(struct ring *r)
{
	return ring_peek16(r, r->used);
}

static inline uint16_t ring_used_idx(struct ring *r)
{
	return ring_peek16(r, r->used + 2);
}

static inline uint16_t ring_avail_event(struct ring *r)
{
	return ring_peek16(r, r->used + 4 + 8u * r->size);
}

/* Would the driver notify after showing what it has? (§2.7.10.1) */
static inline bool ring_wants_kick(struct ring *r, bool event_idx,
				   uint16_t old_idx)
{
	if (!event_idx)
		return !(ring_used_flags(r) & 1);
	return (uint16_t)(r->avail_idx - ring_avail_event(r) - 1) <
	       (uint16_t)(r->avail_idx - old_idx);
}

struct ring_used {
	uint32_t id, len;
};

/* Take the next used entry; false when there is none. */
static inline bool ring_take(struct ring *r, struct ring_used *u)
{
	if (ring_used_idx(r) == r->last_used)
		return false;
	ram_read(r->ram, r->used + 4 + 8u * (r->last_used % r->size), u,
		 sizeof(*u));
	r->last_used++;
	return true;
}

struct fake_transport {
	struct virtio_dev *dev;
	atomic_uint interrupts[VIRTIO_QUEUES_MAX];
	atomic_uint config_interrupts;
	atomic_uint resets;
};

static inline void fake_queue_interrupt(struct virtio_dev *d, uint16_t q)
{
	struct fake_transport *t = d->transport_ctx;

	t->interrupts[q]++;
}

static inline void fake_config_interrupt(struct virtio_dev *d)
{
	struct fake_transport *t = d->transport_ctx;

	t->config_interrupts++;
}

static inline void fake_reset(struct virtio_dev *d)
{
	struct fake_transport *t = d->transport_ctx;

	t->resets++;
}

static const struct virtio_transport_ops fake_transport_ops = {
	.queue_interrupt = fake_queue_interrupt,
	.config_interrupt = fake_config_interrupt,
	.reset = fake_reset,
};

static inline void fake_attach(struct fake_transport *t, struct virtio_dev *d)
{
	memset(t, 0, sizeof(*t));
	t->dev = d;
	virtio_dev_attach(d, &fake_transport_ops, t);
}

/* The end of a test: the device, and what it was made from. */
static inline void fake_teardown(struct virtio_dev *d, struct loop *loop,
				 struct ram *ram)
{
	virtio_dev_destroy(d);
	loop_destroy(loop);
	ram_destroy(ram);
}

/* virtio 1.2 §3.1.1, steps 1 to 6; returns the status that is read back. */
static inline uint8_t fake_negotiate(struct virtio_dev *d, uint64_t features)
{
	virtio_dev_set_status(d, 0);
	virtio_dev_set_status(d, 1);
	virtio_dev_set_status(d, 1 | 2);
	virtio_dev_accept_features(d, 0, (uint32_t)features);
	virtio_dev_accept_features(d, 1, (uint32_t)(features >> 32));
	virtio_dev_set_status(d, 1 | 2 | 8);
	return virtio_dev_get_status(d);
}

static inline void fake_set_queue(struct virtio_dev *d, uint16_t q,
				  const struct ring *r)
{
	const gpa_t addr[] = { r->desc, r->avail, r->used };
	unsigned int i;

	virtio_dev_queue_set_size(d, q, r->size);
	for (i = 0; i < 3; i++) {
		virtio_dev_queue_set_addr(d, q, (enum virtio_queue_part)i,
					  false, (uint32_t)addr[i]);
		virtio_dev_queue_set_addr(d, q, (enum virtio_queue_part)i, true,
					  (uint32_t)(addr[i] >> 32));
	}
	virtio_dev_queue_enable(d, q, true);
}

/* The whole of §3.1.1 with one queue. */
static inline void fake_start_device(struct virtio_dev *d, uint64_t features,
				     const struct ring *r)
{
	fake_negotiate(d, features | VIRTIO_F_VERSION_1);
	fake_set_queue(d, 0, r);
	virtio_dev_set_status(d, 1 | 2 | 8 | 4);
}

#endif
