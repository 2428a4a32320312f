/* SPDX-License-Identifier: MIT */
/*
 * net_rig.h - a network backend on a running loop, and its owner: the test
 * sends frames and waits for those that come back.
 *
 * How it works. The backend lives on the loop thread; the test's calls go
 * there as a task and wait for it. The owner takes frames as they come, unless
 * it is told not to (rig_hold()), and keeps them for the test.
 */
#ifndef MINIVMM_TESTS_UNIT_NET_RIG_H
#define MINIVMM_TESTS_UNIT_NET_RIG_H

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/checked.h"
#include "base/log.h"
#include "base/thread.h"
#include "virtio/backend/net.h"
#include "virtio/loop.h"

#define RIG_FRAMES   4096
#define RIG_PATIENCE 20 /* seconds; machines with other work are slow */

struct rig_frame {
	size_t len;
	uint8_t *data; /* without the header */
};

struct rig {
	struct loop *loop;
	struct net_backend *net;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;

	/* Of the owner, under the lock */
	bool hold;
	bool up;
	unsigned int links; /* events */
	unsigned int readables, writables;
	int recv_error; /* what recv() ended with last */
	struct rig_frame frames[RIG_FRAMES];
	unsigned int first, nr;
	bool header_ok;

	/* The call in progress */
	struct loop_task task;
	void (*call)(struct rig *r);
	bool done;
	const struct iovec *iov;
	unsigned int nr_iov;
	int result;
};

static inline void rig_keep(struct rig *r, const uint8_t *frame, size_t len)
{
	static const uint8_t zero[NET_HDR_LEN];
	struct rig_frame *f;

	pthread_mutex_lock(&r->lock);
	if (memcmp(frame, zero, NET_HDR_LEN))
		r->header_ok = false;
	if (r->nr < RIG_FRAMES) {
		f = &r->frames[(r->first + r->nr++) % RIG_FRAMES];
		f->len = len - NET_HDR_LEN;
		f->data = malloc(f->len + 1);
		memcpy(f->data, frame + NET_HDR_LEN, f->len);
	}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* Take what there is, in two pieces. Loop thread. */
static inline void rig_take(struct rig *r)
{
	static uint8_t buf[NET_HDR_LEN + NET_FRAME_MAX];
	const struct iovec iov[2] = { { buf, 20 },
				      { buf + 20, sizeof(buf) - 20 } };
	ssize_t n;

	do {
		n = r->net->ops->recv(r->net, 0, iov, 2);
		if (n > 0)
			rig_keep(r, buf, (size_t)n);
	} while (n > 0);
	pthread_mutex_lock(&r->lock);
	r->recv_error = (int)n;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static inline void rig_readable(void *ctx, unsigned int q)
{
	struct rig *r = ctx;
	bool hold;

	assert_int_equal(q, 0);
	pthread_mutex_lock(&r->lock);
	r->readables++;
	hold = r->hold;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	if (!hold)
		rig_take(r);
}

static inline void rig_writable(void *ctx, unsigned int q)
{
	struct rig *r = ctx;

	assert_int_equal(q, 0);
	pthread_mutex_lock(&r->lock);
	r->writables++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static inline void rig_link(void *ctx, bool up)
{
	struct rig *r = ctx;

	pthread_mutex_lock(&r->lock);
	r->up = up;
	r->links++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static inline void rig_task(struct loop_task *t)
{
	struct rig *r = container_of(t, struct rig, task);

	r->call(r);
	pthread_mutex_lock(&r->lock);
	r->done = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* Run @call on the loop thread and wait for it. */
static inline void rig_call(struct rig *r, void (*call)(struct rig *r))
{
	r->call = call;
	r->done = false;
	assert_true(loop_post(r->loop, &r->task));
	pthread_mutex_lock(&r->lock);
	while (!r->done)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

static inline void *rig_thread(void *rig)
{
	struct rig *r = rig;

	loop_run(r->loop);
	return NULL;
}

/* The loop; the test then opens r->net, and calls rig_start(). */
static inline struct rig *rig_create(enum loop_kind kind)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	log_set_level(LOG_LEVEL_ERR);
	assert_int_equal(loop_create(&r->loop, kind, 64), 0);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	r->task.fn = rig_task;
	r->up = true;
	r->header_ok = true;
	return r;
}

static inline void rig_start(struct rig *r)
{
	const struct net_events ev = {
		.readable = rig_readable,
		.writable = rig_writable,
		.link = rig_link,
		.ctx = r,
	};

	net_attach(r->net, &ev);
	assert_int_equal(thread_start(&r->thread, "loop", rig_thread, r), 0);
	rig_call(r, rig_take); /* from here on, readable() comes */
}

/* Stop the loop, then let go of the backend, as a machine does. */
static inline void rig_destroy(struct rig *r)
{
	if (r->net) {
		loop_stop(r->loop);
		thread_join(r->thread);
	}
	loop_drain(r->loop);
	net_destroy(r->net);
	loop_destroy(r->loop);
	while (r->nr--)
		free(r->frames[r->first++ % RIG_FRAMES].data);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static inline void rig_call_send(struct rig *r)
{
	r->result = r->net->ops->send(r->net, 0, r->iov, r->nr_iov);
}

/* Send a frame; what send() said. */
static inline int rig_send(struct rig *r, const void *frame, size_t len)
{
	uint8_t header[NET_HDR_LEN] = { 0 };
	const struct iovec iov[2] = {
		{ header, sizeof(header) },
		{ (void *)(uintptr_t)frame, len },
	};

	r->iov = iov;
	r->nr_iov = 2;
	rig_call(r, rig_call_send);
	return r->result;
}

/* Wait until something changed; false when it took too long. Locked. */
static inline bool rig_wait_locked(struct rig *r, const struct timespec *until)
{
	return pthread_cond_timedwait(&r->changed, &r->lock, until) !=
	       ETIMEDOUT;
}

static inline struct timespec rig_deadline(unsigned int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/* From now on, frames stay where they are, or are taken again. */
static inline void rig_hold(struct rig *r, bool hold)
{
	pthread_mutex_lock(&r->lock);
	r->hold = hold;
	pthread_mutex_unlock(&r->lock);
	if (!hold)
		rig_call(r, rig_take);
}

/* The next frame, to be freed by the caller; NULL: none within @ms. */
static inline uint8_t *rig_next(struct rig *r, size_t *len, unsigned int ms)
{
	const struct timespec until = rig_deadline(ms);
	uint8_t *data = NULL;
	bool waiting = true;

	pthread_mutex_lock(&r->lock);
	while (!r->nr && waiting)
		waiting = rig_wait_locked(r, &until);
	if (r->nr) {
		data = r->frames[r->first].data;
		*len = r->frames[r->first].len;
		r->first = (r->first + 1) % RIG_FRAMES;
		r->nr--;
	}
	pthread_mutex_unlock(&r->lock);
	return data;
}

/* Wait until *@value, one of the rig's counters, is at least @least. */
static inline bool rig_reaches(struct rig *r, const unsigned int *value,
			       unsigned int least)
{
	const struct timespec until = rig_deadline(RIG_PATIENCE * 1000);
	bool waiting = true, reached;

	pthread_mutex_lock(&r->lock);
	while (*value < least && waiting)
		waiting = rig_wait_locked(r, &until);
	reached = *value >= least;
	pthread_mutex_unlock(&r->lock);
	return reached;
}

#endif
