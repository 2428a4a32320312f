// SPDX-License-Identifier: MIT
/*
 * loop_pool.c - a few threads that make the calls that block, for the poll
 * loop.
 *
 * How it works. The loop thread queues ops in todo; a worker takes one, makes
 * its system call, puts it with its result into done and wakes the loop,
 * which collects done. Workers start when there is more to do than there are
 * idle workers, and stay. One lock covers both queues; it is never held
 * during a worker's call and never together with the loop's.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/thread.h"
#include "virtio/loop_int.h"

#define WORKERS_MAX 4

struct loop_pool {
	struct loop *loop;
	pthread_t workers[WORKERS_MAX];
	unsigned int nr_workers; /* loop thread only */

	pthread_mutex_t lock; /* the members below */
	pthread_cond_t work;
	struct loop_fifo todo, done;
	unsigned int nr_todo, nr_idle;
	bool stop;
};

static struct loop_op *take_locked(struct loop_pool *p)
{
	struct loop_op *op;

	p->nr_idle++;
	while (!p->stop && !p->todo.first)
		pthread_cond_wait(&p->work, &p->lock);
	p->nr_idle--;
	op = loop_fifo_pop(&p->todo);
	if (op)
		p->nr_todo--;
	return op;
}

static void *worker(void *arg)
{
	struct loop_pool *p = arg;
	struct loop_op *op;

	pthread_mutex_lock(&p->lock);
	while ((op = take_locked(p))) {
		pthread_mutex_unlock(&p->lock);
		op->res = loop_call(op);
		pthread_mutex_lock(&p->lock);
		loop_fifo_push(&p->done, op);
		pthread_mutex_unlock(&p->lock);
		loop_wake(p->loop);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* One more worker, if it can be had. */
static void add_worker(struct loop_pool *p)
{
	int err;

	if (p->nr_workers == WORKERS_MAX)
		return;
	err = thread_start(&p->workers[p->nr_workers], "loop worker", worker,
			   p);
	if (!err)
		p->nr_workers++;
	else if (!p->nr_workers)
		log_warn("no thread for disk requests: going on without");
}

/* For a host that gives us no thread at all. */
static void work_here(struct loop_pool *p)
{
	struct loop_op *op;

	pthread_mutex_lock(&p->lock);
	while ((op = loop_fifo_pop(&p->todo))) {
		p->nr_todo--;
		op->res = loop_call(op);
		loop_fifo_push(&p->done, op);
	}
	pthread_mutex_unlock(&p->lock);
}

void loop_pool_start(struct loop_pool *p, struct loop_op *op)
{
	bool more;

	pthread_mutex_lock(&p->lock);
	loop_fifo_push(&p->todo, op);
	p->nr_todo++;
	more = p->nr_todo > p->nr_idle;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);

	if (more)
		add_worker(p);
	if (!p->nr_workers)
		work_here(p);
}

bool loop_pool_cancel(struct loop_pool *p, struct loop_op *op)
{
	bool found;

	pthread_mutex_lock(&p->lock);
	found = loop_fifo_del(&p->todo, op);
	if (found)
		p->nr_todo--;
	pthread_mutex_unlock(&p->lock);
	return found;
}

void loop_pool_collect(struct loop_pool *p, struct loop_fifo *done)
{
	struct loop_op *op;

	pthread_mutex_lock(&p->lock);
	while ((op = loop_fifo_pop(&p->done)))
		loop_fifo_push(done, op);
	pthread_mutex_unlock(&p->lock);
}

int loop_pool_create(struct loop_pool **out, struct loop *l)
{
	struct loop_pool *p = calloc(1, sizeof(*p));

	*out = p;
	if (!p)
		return -ENOMEM;
	p->loop = l;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	loop_fifo_init(&p->todo);
	loop_fifo_init(&p->done);
	return 0;
}

void loop_pool_destroy(struct loop_pool *p)
{
	if (!p)
		return;

	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned int i = 0; i < p->nr_workers; i++)
		thread_join(p->workers[i]);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
