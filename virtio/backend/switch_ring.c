// SPDX-License-Identifier: MIT
/*
 * switch_ring.c - frames from one process to another through shared memory.
 */
#include "virtio/backend/switch_ring.h"

#include <errno.h>
#include <string.h>

#define LENGTH_BYTES 4u

static uint32_t record_bytes(uint32_t len)
{
	return (LENGTH_BYTES + len + 7) & ~7u;
}

static uint8_t *record_at(const struct switch_ring *r, uint32_t index)
{
	return r->data + (index & (r->size - 1));
}

void switch_ring_init(struct switch_ring *r, struct switch_ring_shared *shared,
		      uint8_t *data, uint32_t size)
{
	*r = (struct switch_ring){
		.shared = shared,
		.data = data,
		.size = size,
	};
}

/* The producer */

static bool is_length(const struct switch_ring *r, uint32_t len)
{
	return len >= SWITCH_FRAME_MIN && len <= SWITCH_FRAME_MAX &&
	       record_bytes(len) <= r->size / 2;
}

uint32_t switch_ring_used(const struct switch_ring *r)
{
	return r->own - r->peer;
}

static bool has_room(const struct switch_ring *r, uint32_t len)
{
	return record_bytes(len) <= r->size - switch_ring_used(r);
}

/* The consumer's index, once. */
static int read_tail(struct switch_ring *r)
{
	uint32_t tail = atomic_load(&r->shared->tail);

	if (r->own - tail > r->size || tail % 8)
		return -EPROTO;
	r->peer = tail;
	return 0;
}

int switch_ring_reserve(struct switch_ring *r, uint32_t len, uint8_t **at)
{
	if (!is_length(r, len))
		return -EMSGSIZE;
	if (!has_room(r, len)) {
		int err = read_tail(r);

		if (err)
			return err;
		if (!has_room(r, len))
			return -EAGAIN;
	}
	*at = record_at(r, r->own) + LENGTH_BYTES;
	return 0;
}

void switch_ring_push(struct switch_ring *r, uint32_t len)
{
	memcpy(record_at(r, r->own), &len, LENGTH_BYTES);
	r->own += record_bytes(len);
}

/* Whether the other side asked to be woken; then it is asked no more. */
static bool take_wish(_Atomic uint32_t *wish)
{
	if (!atomic_load(wish))
		return false;
	atomic_store_explicit(wish, 0, memory_order_relaxed);
	return true;
}

bool switch_ring_publish(struct switch_ring *r)
{
	atomic_store(&r->shared->head, r->own);
	return take_wish(&r->shared->want_frames);
}

bool switch_ring_want_room(struct switch_ring *r, uint32_t len)
{
	atomic_store(&r->shared->want_room, 1);
	if (!read_tail(r) && !has_room(r, len))
		return true;
	atomic_store_explicit(&r->shared->want_room, 0, memory_order_relaxed);
	return false;
}

/* The consumer */

/* The producer's index, once. */
static int read_head(struct switch_ring *r)
{
	uint32_t head = atomic_load(&r->shared->head);

	if (head - r->own > r->size || head % 8)
		return -EPROTO;
	r->peer = head;
	return 0;
}

int switch_ring_peek(struct switch_ring *r, const uint8_t **at, uint32_t *len)
{
	const uint8_t *record = record_at(r, r->own);
	uint32_t n;

	if (r->peer == r->own) {
		int err = read_head(r);

		if (err)
			return err;
		if (r->peer == r->own)
			return 0;
	}
	/* Indices are multiples of 8, so the length is there. */
	n = __atomic_load_n((const uint32_t *)(const void *)record,
			    __ATOMIC_RELAXED);
	if (!is_length(r, n) || record_bytes(n) > r->peer - r->own)
		return -EPROTO;
	*at = record + LENGTH_BYTES;
	*len = n;
	return 1;
}

void switch_ring_pop(struct switch_ring *r, uint32_t len)
{
	r->own += record_bytes(len);
}

bool switch_ring_release(struct switch_ring *r)
{
	atomic_store(&r->shared->tail, r->own);
	/* The rest is more than half: there will be another release. */
	if (r->peer - r->own > r->size / 2)
		return false;
	return take_wish(&r->shared->want_room);
}

bool switch_ring_want_frames(struct switch_ring *r)
{
	atomic_store(&r->shared->want_frames, 1);
	if (!read_head(r) && r->peer == r->own)
		return true;
	atomic_store_explicit(&r->shared->want_frames, 0, memory_order_relaxed);
	return false;
}
