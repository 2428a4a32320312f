/* SPDX-License-Identifier: MIT */
/*
 * fake_loop.h - an event loop without threads, for tests of what runs on it.
 *
 * It stands in for virtio/loop.c: a program that includes this never links
 * the real one. Nothing happens behind the test's back: tasks run inside
 * loop_post(), unless the loop is in a handler already, and operations end
 * when the test calls fake_loop_run(). While fake_loop_hold is set, posted
 * tasks and operations stay where they are.
 *
 * One thread.
 */
#ifndef MINIVMM_TESTS_UNIT_FAKE_LOOP_H
#define MINIVMM_TESTS_UNIT_FAKE_LOOP_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "virtio/loop.h"

enum {
	FAKE_OPS_MAX = 1200
};

enum fake_kind {
	FAKE_READ,
	FAKE_WRITE,
	FAKE_SYNC,
	FAKE_ALLOCATE,
	FAKE_TIMEOUT, /* time is always up, unless it stands still */
	FAKE_POLL,
	FAKE_ACCEPT,
};

struct loop {
	struct loop_op *ops[FAKE_OPS_MAX]; /* in flight */
	unsigned int nr_ops;
	struct loop_task *tasks[16];
	unsigned int nr_tasks;
	bool inside; /* a handler */
	bool hold;
	bool eager; /* loop_post() ends operations, too */
	bool stopped;
	bool no_time;	       /* timeouts do not end */
	int (*accept)(int fd); /* what loop_accept() calls */
	int fail;      /* when not 0, what operations on files end with */
	int fail_sync; /* the same for fdatasync */
	unsigned int nr_started;
	struct loop_op *later; /* its done() runs in the second loop_post() */
	unsigned int nr_posts;
};

int loop_create(struct loop **out, enum loop_kind kind, unsigned int depth)
{
	(void)kind;
	(void)depth;
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void loop_destroy(struct loop *l)
{
	free(l);
}

static inline int fake_poll(const struct loop_op *op, short events)
{
	struct pollfd p = { .fd = op->fd, .events = events };

	return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

static inline int fake_op_result(struct loop *l, const struct loop_op *op)
{
	ssize_t n = -1;

	if (op->cancelled)
		return -ECANCELED;
	if (l->fail_sync && op->kind == FAKE_SYNC)
		return l->fail_sync;
	if (l->fail && op->fd >= 0 && op->off >= 0)
		return l->fail;
	switch ((enum fake_kind)op->kind) {
	case FAKE_READ:
		n = op->off < 0 ? readv(op->fd, op->iov, (int)op->len)
				: preadv(op->fd, op->iov, (int)op->len,
					 (off_t)op->off);
		break;
	case FAKE_WRITE:
		n = pwritev(op->fd, op->iov, (int)op->len, (off_t)op->off);
		break;
	case FAKE_SYNC:
		n = fdatasync(op->fd);
		break;
	case FAKE_ALLOCATE:
		n = fallocate(op->fd, (int)op->flags, (off_t)op->off,
			      (off_t)op->len);
		break;
	case FAKE_TIMEOUT:
		n = 0;
		break;
	case FAKE_POLL:
		n = fake_poll(op, (short)op->flags);
		break;
	case FAKE_ACCEPT:
		n = l->accept(op->fd);
		break;
	}
	return n < 0 ? -errno : (int)n;
}

/* What would wait for ever, such as a read of an eventfd. */
static inline bool fake_op_waits(const struct loop *l, const struct loop_op *op)
{
	if (op->cancelled)
		return false;
	if (op->kind == FAKE_TIMEOUT)
		return l->no_time;
	if (op->kind == FAKE_POLL)
		return !fake_poll(op, (short)op->flags);
	if (op->kind == FAKE_ACCEPT || (op->kind == FAKE_READ && op->off < 0))
		return !fake_poll(op, POLLIN);
	return false;
}

static inline void fake_loop_end(struct loop *l, unsigned int i)
{
	struct loop_op *op = l->ops[i];
	int res = fake_op_result(l, op);

	l->ops[i] = l->ops[--l->nr_ops];
	op->busy = false;
	op->done(op, res);
}

static inline void fake_loop_tasks(struct loop *l)
{
	unsigned int left = l->nr_tasks;

	while (left-- && l->nr_tasks) {
		struct loop_task *t = l->tasks[0];
		unsigned int i;

		for (i = 1; i < l->nr_tasks; i++)
			l->tasks[i - 1] = l->tasks[i];
		l->nr_tasks--;
		t->queued = false;
		t->fn(t);
	}
}

static inline void fake_loop_run_tasks(struct loop *l)
{
	l->inside = true;
	fake_loop_tasks(l);
	l->inside = false;
}

/* One turn: the tasks and operations there are now. */
static inline void fake_loop_turn(struct loop *l)
{
	unsigned int i, left = l->nr_ops;

	fake_loop_run_tasks(l);
	l->inside = true;
	for (i = 0; left-- && i < l->nr_ops;) {
		if (fake_op_waits(l, l->ops[i]))
			i++;
		else
			fake_loop_end(l, i);
	}
	l->inside = false;
}

static inline bool fake_loop_idle(const struct loop *l)
{
	unsigned int i;

	for (i = 0; i < l->nr_ops; i++)
		if (!fake_op_waits(l, l->ops[i]))
			return false;
	return !l->nr_tasks;
}

/* Turn until only operations that wait for somebody are left. */
static inline void fake_loop_run(struct loop *l)
{
	l->hold = false;
	while (!fake_loop_idle(l))
		fake_loop_turn(l);
}

bool loop_post(struct loop *l, struct loop_task *t)
{
	if (l->stopped)
		return false;
	if (l->later && l->nr_posts++) {
		struct loop_op *op = l->later;

		l->later = NULL;
		op->done(op, 0);
	}
	if (!t->queued) {
		t->queued = true;
		l->tasks[l->nr_tasks++] = t;
	}
	if (l->inside)
		return true;
	if (l->eager)
		fake_loop_run(l);
	else if (!l->hold)
		fake_loop_run_tasks(l);
	return true;
}

static inline void fake_start(struct loop *l, struct loop_op *op,
			      enum fake_kind kind, int fd)
{
	if (op->busy || l->nr_ops == FAKE_OPS_MAX)
		abort();
	op->kind = (int)kind;
	op->fd = fd;
	op->busy = true;
	op->cancelled = false;
	l->ops[l->nr_ops++] = op;
	l->nr_started++;
}

void loop_readv(struct loop *l, struct loop_op *op, int fd,
		const struct iovec *iov, unsigned int nr, int64_t off)
{
	op->iov = iov;
	op->len = nr;
	op->off = off;
	fake_start(l, op, FAKE_READ, fd);
}

void loop_writev(struct loop *l, struct loop_op *op, int fd,
		 const struct iovec *iov, unsigned int nr, int64_t off)
{
	op->iov = iov;
	op->len = nr;
	op->off = off;
	fake_start(l, op, FAKE_WRITE, fd);
}

void loop_read(struct loop *l, struct loop_op *op, int fd, void *buf,
	       size_t len, int64_t off)
{
	op->one = (struct iovec){ buf, len };
	loop_readv(l, op, fd, &op->one, 1, off);
}

void loop_write(struct loop *l, struct loop_op *op, int fd, const void *buf,
		size_t len, int64_t off)
{
	op->one = (struct iovec){ (void *)(uintptr_t)buf, len };
	loop_writev(l, op, fd, &op->one, 1, off);
}

void loop_fdatasync(struct loop *l, struct loop_op *op, int fd)
{
	fake_start(l, op, FAKE_SYNC, fd);
}

void loop_fallocate(struct loop *l, struct loop_op *op, int fd, int mode,
		    uint64_t off, uint64_t len)
{
	op->flags = (uint32_t)mode;
	op->off = (int64_t)off;
	op->len = len;
	fake_start(l, op, FAKE_ALLOCATE, fd);
}

void loop_timeout(struct loop *l, struct loop_op *op, uint64_t ns)
{
	(void)ns;
	fake_start(l, op, FAKE_TIMEOUT, -1);
}

void loop_poll(struct loop *l, struct loop_op *op, int fd, uint32_t events)
{
	op->flags = events;
	op->off = -1;
	fake_start(l, op, FAKE_POLL, fd);
}

void loop_accept(struct loop *l, struct loop_op *op, int fd)
{
	op->off = -1;
	fake_start(l, op, FAKE_ACCEPT, fd);
}

void loop_cancel(struct loop *l, struct loop_op *op)
{
	(void)l;
	op->cancelled = op->busy;
}

#endif
