// SPDX-License-Identifier: MIT
/*
 * limit.c - how much a device may move in a second. The picture is in limit.h;
 * virtio knows nothing of it: a queue that is served later is within what
 * virtio 1.2 §2.7.13 leaves to devices.
 */
#include "virtio/limit.h"

#include <errno.h>
#include <time.h>

#include "base/checked.h"

#define SECOND 1000000000ull
/* What a burst may last, so that no sum overflows: an hour. */
#define SLACK_MAX (3600 * SECOND)

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void bucket_init(struct virtio_limit_bucket *b, uint64_t rate,
			uint64_t burst)
{
	uint64_t ns = 0;

	*b = (struct virtio_limit_bucket){ .rate = rate };
	if (!rate)
		return;
	if (!burst)
		b->slack = SECOND / 10;
	else if (__builtin_mul_overflow(burst, SECOND, &ns))
		b->slack = min_u64(burst / rate, SLACK_MAX / SECOND) * SECOND;
	else
		b->slack = min_u64(ns / rate, SLACK_MAX);
}

/* How many ns until something may go; 0: now. */
static uint64_t bucket_wait(const struct virtio_limit_bucket *b, uint64_t now)
{
	if (!b->rate || b->paid <= now || b->paid - now <= b->slack)
		return 0;
	return b->paid - now - b->slack;
}

static void bucket_pay(struct virtio_limit_bucket *b, uint64_t now,
		       uint64_t units)
{
	uint64_t cost;

	if (!b->rate)
		return;
	if (b->paid < now) {
		b->paid = now;
		b->rest = 0;
	}
	/* At most 2^32 of them: no overflow. */
	cost = units * SECOND + b->rest;
	b->paid += cost / b->rate;
	b->rest = cost % b->rate;
}

static void handle_timer(struct loop_op *op, int res)
{
	struct virtio_limit *l = container_of(op, struct virtio_limit, timer);

	if (res != -ECANCELED)
		l->ready(l);
}

void virtio_limit_init(struct virtio_limit *l,
		       const struct virtio_limit_params *p, struct loop *loop,
		       void (*ready)(struct virtio_limit *l))
{
	*l = (struct virtio_limit){ .loop = loop, .ready = ready };
	if (!p)
		return;
	l->timer.name = "limit";
	l->timer.done = handle_timer;
	bucket_init(&l->bytes, p->bandwidth, p->bandwidth_burst);
	bucket_init(&l->ops, p->ops, p->ops_burst);
	l->on = p->bandwidth || p->ops;
}

bool virtio_limit_ask(struct virtio_limit *l)
{
	uint64_t now, wait;

	if (loop_op_busy(&l->timer))
		return false;
	now = now_ns();
	wait = max_u64(bucket_wait(&l->bytes, now), bucket_wait(&l->ops, now));
	if (wait)
		loop_timeout(l->loop, &l->timer, wait);
	return !wait;
}

void virtio_limit_pay(struct virtio_limit *l, uint64_t bytes)
{
	uint64_t now = now_ns();

	bucket_pay(&l->bytes, now, min_u64(bytes, 1ull << 32));
	bucket_pay(&l->ops, now, 1);
}
