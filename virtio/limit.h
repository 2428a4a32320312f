/* SPDX-License-Identifier: MIT */
/*
 * limit.h - how much a device may move in a second: two token buckets, one for
 * bytes and one for operations (requests, frames).
 *
 * How it works. The owner asks before each operation, and says afterwards how
 * large it was, which may be more than there was left:
 *
 *   if (!virtio_limit_allows(l))   no: stop; l->ready() comes once, later
 *           return;
 *   ...                            the operation
 *   virtio_limit_charge(l, len);
 *
 * A bucket is a time: that until which what went is paid for. Something may
 * go while that is no further ahead than the burst lasts. So nothing has to
 * be refilled, and an idle device costs nothing.
 *
 * Loop thread only.
 */
#ifndef MINIVMM_VIRTIO_LIMIT_H
#define MINIVMM_VIRTIO_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/loop.h"

/* Per second; 0: no limit. */
struct virtio_limit_params {
	uint64_t bandwidth;	  /* bytes */
	uint64_t bandwidth_burst; /* at once; 0: a tenth of a second's */
	uint64_t ops;
	uint64_t ops_burst;
};

struct virtio_limit_bucket {
	uint64_t rate;	/* 0: no limit */
	uint64_t slack; /* ns that the burst lasts */
	uint64_t paid;	/* ns, CLOCK_MONOTONIC */
	uint64_t rest;	/* of the last division by rate */
};

/* Public because devices embed it; members belong to limit.c. */
struct virtio_limit {
	bool on;
	struct loop *loop;
	struct loop_op timer;
	struct virtio_limit_bucket bytes, ops;
	void (*ready)(struct virtio_limit *l);
};

/* NULL @p, or all zero: no limit. @loop outlives it, or is drained. */
void virtio_limit_init(struct virtio_limit *l,
		       const struct virtio_limit_params *p, struct loop *loop,
		       void (*ready)(struct virtio_limit *l));

/* What virtio_limit_allows() and _charge() do when there is a limit. */
bool virtio_limit_ask(struct virtio_limit *l);
void virtio_limit_pay(struct virtio_limit *l, uint64_t bytes);

/* May one more go? False: l->ready() will be called, from the loop. */
static inline bool virtio_limit_allows(struct virtio_limit *l)
{
	return !l->on || virtio_limit_ask(l);
}

/* One operation of @bytes, up to 2^32, went. */
static inline void virtio_limit_charge(struct virtio_limit *l, uint64_t bytes)
{
	if (l->on)
		virtio_limit_pay(l, bytes);
}

#endif
