/* SPDX-License-Identifier: MIT */
/*
 * switch_ring.h - frames from one process to another through shared memory:
 * one producer, one consumer, who do not trust each other.
 *
 * How it works. A ring is a power of two of bytes and two indices that only
 * grow (modulo 2^32): head, where the producer writes next, and tail, where
 * the consumer reads next. A record is a 32-bit length and the frame, and
 * begins at a multiple of 8. The bytes are mapped twice, one after the other,
 * so that no record is in two pieces. Each side keeps its own index for
 * itself and writes it to shared memory for the other to read; the other's is
 * read once, into a copy, and checked; so is the length of a record. What the
 * other side can spoil is what it sends, nothing else: then the call says
 * -EPROTO, and the owner hangs up.
 *
 * Sleeping. A consumer that found nothing sets want_frames and looks again;
 * a producer that has published looks at want_frames: one of the two sees
 * what the other did, because all four accesses are sequentially consistent.
 * Then it wakes the consumer by whatever means they have. Likewise want_room
 * for a producer that found no room; it is woken when half of the ring is
 * free. A side that lies about these is woken too often or sleeps too long.
 *
 * One thread for each side.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_SWITCH_RING_H
#define MINIVMM_VIRTIO_BACKEND_SWITCH_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/backend/net.h"

#define SWITCH_FRAME_MIN 14 /* the header of Ethernet */
#define SWITCH_FRAME_MAX NET_FRAME_MAX

/* In shared memory; a line of the cache for what each side writes. */
struct switch_ring_shared {
	_Alignas(64) _Atomic uint32_t head; /* the producer's */
	_Atomic uint32_t want_room;
	_Alignas(64) _Atomic uint32_t tail; /* the consumer's */
	_Atomic uint32_t want_frames;
};

/* One side's view; both use the same struct. */
struct switch_ring {
	struct switch_ring_shared *shared;
	uint8_t *data; /* mapped twice */
	uint32_t size; /* a power of two */
	uint32_t own;  /* this side's index */
	uint32_t peer; /* the other's, when it was last read and checked */
};

/* An empty ring of @size bytes, a power of two; memory stays the caller's. */
void switch_ring_init(struct switch_ring *r, struct switch_ring_shared *shared,
		      uint8_t *data, uint32_t size);

/* The producer */

/*
 * Room for a frame of @len bytes, into *@at. -EAGAIN: not now. -EMSGSIZE: it
 * is longer than SWITCH_FRAME_MAX or than this ring takes (a little less than
 * half of it), or shorter than SWITCH_FRAME_MIN.
 */
int switch_ring_reserve(struct switch_ring *r, uint32_t len, uint8_t **at);

/* The frame of @len bytes is in the room that was reserved. */
void switch_ring_push(struct switch_ring *r, uint32_t len);

/* Show the consumer what was pushed. True: it has to be woken. */
bool switch_ring_publish(struct switch_ring *r);

/*
 * After -EAGAIN: ask to be woken when there is room. False when there is
 * some by now, or the peer broke the rules: try again instead of sleeping.
 */
bool switch_ring_want_room(struct switch_ring *r, uint32_t len);

/* The consumer */

/*
 * The next frame, where it is: the producer may still change its bytes, so
 * what is decided on is copied first. 1 with *@at and *@len, 0 when there is
 * none.
 */
int switch_ring_peek(struct switch_ring *r, const uint8_t **at, uint32_t *len);

/* Done with the frame of @len bytes that was peeked. */
void switch_ring_pop(struct switch_ring *r, uint32_t len);

/* Show the producer what was popped. True: it has to be woken. */
bool switch_ring_release(struct switch_ring *r);

/*
 * After 0 from peek: ask to be woken. False when there is something to do by
 * now: peek again instead of sleeping.
 */
bool switch_ring_want_frames(struct switch_ring *r);

/* Bytes that wait to be consumed, as the producer sees it. */
uint32_t switch_ring_used(const struct switch_ring *r);

#endif
