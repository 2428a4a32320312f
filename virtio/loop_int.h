/* SPDX-License-Identifier: MIT */
/*
 * loop_int.h - what the files of the event loop share.
 *
 * How it works. loop.c owns the life of an op: loop_start() puts it on the
 * list of all that is in flight and hands it to the backend, which calls
 * loop_finish() exactly once, from inside its wait(). loop.c also owns tasks,
 * stop and the eventfd that wakes the loop thread; that eventfd is read by an
 * ordinary op, so backends do not know it.
 *
 * Sleeping: the loop thread sets asleep (under the lock, when no task is
 * queued) before wait() may block; whoever has news for it clears asleep and
 * signals the eventfd. While the loop thread is awake, nobody signals.
 */
#ifndef MINIVMM_VIRTIO_LOOP_INT_H
#define MINIVMM_VIRTIO_LOOP_INT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtio/loop.h"

enum loop_op_kind {
	LOOP_OP_POLL,
	LOOP_OP_READ, /* one buffer: op->one */
	LOOP_OP_WRITE,
	LOOP_OP_READV,
	LOOP_OP_WRITEV,
	LOOP_OP_FDATASYNC,
	LOOP_OP_FALLOCATE,
	LOOP_OP_TIMEOUT,
	LOOP_OP_ACCEPT,
};

/* How often an operation that was interrupted is begun again. */
#define LOOP_TRIES_MAX 100

struct loop_backend {
	const char *name;
	void (*destroy)(struct loop *l);
	/* The calling thread is in loop_run() from now on. */
	int (*enter)(struct loop *l);
	/* No more: it may end. NULL: nothing to do. */
	void (*leave)(struct loop *l);
	void (*start)(struct loop *l, struct loop_op *op);
	/* op->cancelled is set, and was not before. */
	void (*cancel)(struct loop *l, struct loop_op *op);
	/*
	 * Finish ops; when there is none to finish and @block, wait for one.
	 * 0 or -errno.
	 */
	int (*wait)(struct loop *l, bool block);
	/* NULL: nothing to gain. */
	int (*register_buffer)(struct loop *l, void *base, size_t len);
};

/* A queue of ops through op->next. */
struct loop_fifo {
	struct loop_op *first;
	struct loop_op **last;
};

/* First member of each backend's own struct. */
struct loop {
	const struct loop_backend *backend;
	struct loop_op busy; /* head of the ring of all that is in flight */
	bool draining;	     /* finish without done() */
	bool in_order;
	struct loop_fifo over; /* in_order: made, done() still to run */
	uint64_t finished;     /* ops, ever */
	struct loop_op wake;
	uint64_t wake_count;
	int wake_fd;
	atomic_bool stop;

	pthread_mutex_t lock; /* the members below */
	struct loop_task *task_first;
	struct loop_task **task_last;
	bool asleep;
	bool settling;	 /* somebody waits in loop_settle() */
	bool settle_now; /* ... since before wait() */
	pthread_cond_t settled;
};

int loop_uring_create(struct loop **out, unsigned int depth);
int loop_poll_create(struct loop **out);

/* The shared part of create and destroy. */
int loop_init(struct loop *l, const struct loop_backend *backend);
void loop_fini(struct loop *l);

/* @op is over. Runs its done(). From wait() only. */
void loop_finish(struct loop *l, struct loop_op *op, int res);

/* Make wait() return if it blocks. Any thread. */
void loop_wake(struct loop *l);

/* The queue above. */
void loop_fifo_init(struct loop_fifo *f);
void loop_fifo_push(struct loop_fifo *f, struct loop_op *op);
struct loop_op *loop_fifo_pop(struct loop_fifo *f);
/* False when @op is not in @f. */
bool loop_fifo_del(struct loop_fifo *f, struct loop_op *op);

/*
 * loop_call.c: the system call that @op stands for, its result or -errno.
 * _ready: @op's file is ready, so that the call should not block; -EAGAIN
 * when it would have, after all.
 */
int loop_call(struct loop_op *op);
int loop_call_ready(const struct loop_op *op);
/*
 * A transfer with an offset, if it is a read of all that was asked for from
 * the page cache: true and its result, otherwise nothing has happened.
 */
bool loop_call_cached(const struct loop_op *op, int *res);

/* loop_pool.c: a few threads that make the calls that block. */
struct loop_pool;

int loop_pool_create(struct loop_pool **out, struct loop *l);
void loop_pool_destroy(struct loop_pool *p);
/* Queue @op. Never fails: without any thread the call is made here. */
void loop_pool_start(struct loop_pool *p, struct loop_op *op);
/* True when @op had not begun: it never will. */
bool loop_pool_cancel(struct loop_pool *p, struct loop_op *op);
/* The ops that are over, with op->res, into @done. */
void loop_pool_collect(struct loop_pool *p, struct loop_fifo *done);

/* Does it end by itself, whatever others do? */
bool loop_is_call(const struct loop_op *op);

/*
 * Whether to begin @op again, which was interrupted (@err): nothing is wrong
 * with it, and nobody asked for its end. Not for ever, in case the host never
 * gets on with it. The poll backend's workers call it too, one for each @op.
 */
bool loop_is_again(struct loop_op *op, int err);

#endif
