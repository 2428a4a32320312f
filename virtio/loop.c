// SPDX-License-Identifier: MIT
/*
 * loop.c - the event loop: operations, tasks, stopping; the waiting itself is
 * a backend's.
 */
#include "virtio/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "virtio/loop_int.h"

/* Life of a loop */

int loop_create(struct loop **out, enum loop_kind kind, unsigned int depth)
{
	int err;

	*out = NULL;
	if (kind == LOOP_POLL)
		return loop_poll_create(out);

	err = loop_uring_create(out, depth);
	if (!err || kind == LOOP_URING)
		return err;

	log_warn("io_uring is not available (%s): using the poll loop",
		 strerror(-err));
	return loop_poll_create(out);
}

int loop_init(struct loop *l, const struct loop_backend *backend)
{
	/* Blocking: io_uring reads it in one round (see loop.h). */
	l->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (l->wake_fd < 0)
		return -errno;

	l->backend = backend;
	l->busy.busy_next = &l->busy;
	l->busy.busy_prev = &l->busy;
	l->wake.name = "loop wake";
	l->task_last = &l->task_first;
	loop_fifo_init(&l->over);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->settled, NULL);
	return 0;
}

void loop_fini(struct loop *l)
{
	fd_close(&l->wake_fd);
	pthread_cond_destroy(&l->settled);
	pthread_mutex_destroy(&l->lock);
}

/* Say that this thread is about to sleep; false when it must not. */
static bool fall_asleep(struct loop *l)
{
	bool may;

	pthread_mutex_lock(&l->lock);
	may = !l->task_first && !l->over.first && !l->settling &&
	      (!atomic_load(&l->stop) || l->draining);
	l->asleep = may;
	l->settle_now = l->settling;
	pthread_mutex_unlock(&l->lock);
	return may;
}

static void awake(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	l->asleep = false;
	pthread_mutex_unlock(&l->lock);
}

/* Operations in order: those that are over now. */
static void finish_over(struct loop *l)
{
	struct loop_fifo batch = l->over;
	struct loop_op *op;

	if (!batch.first)
		return;
	loop_fifo_init(&l->over);
	while ((op = batch.first)) {
		batch.first = op->next;
		loop_finish(l, op, op->res);
	}
}

static void end_settling_locked(struct loop *l)
{
	l->settling = false;
	pthread_cond_signal(&l->settled);
}

/*
 * Nothing happened in a turn that began at @finished, and with somebody
 * waiting, who had made ready before what had to be served: tell them.
 */
static void settle(struct loop *l, uint64_t finished)
{
	pthread_mutex_lock(&l->lock);
	if (l->settle_now && l->finished == finished && !l->task_first &&
	    !l->over.first)
		end_settling_locked(l);
	pthread_mutex_unlock(&l->lock);
}

static int turn(struct loop *l)
{
	uint64_t finished = l->finished;
	int err;

	finish_over(l);
	/* Who drains the loop looks again when something has ended. */
	err = l->backend->wait(l, fall_asleep(l) && l->finished == finished);
	awake(l);
	settle(l, finished);
	return err;
}

const char *loop_backend_name(const struct loop *l)
{
	return l->backend->name;
}

/* Waking and stopping */

void loop_wake(struct loop *l)
{
	bool signal;

	pthread_mutex_lock(&l->lock);
	signal = l->asleep;
	l->asleep = false;
	pthread_mutex_unlock(&l->lock);
	if (signal)
		fd_event_signal(l->wake_fd);
}

void loop_stop(struct loop *l)
{
	/* No lock: this may be a signal handler. */
	atomic_store(&l->stop, true);
	fd_event_signal(l->wake_fd);
}

bool loop_stopped(const struct loop *l)
{
	return atomic_load(&l->stop);
}

static void arm_wake(struct loop *l);

static void handle_wake(struct loop_op *op, int res)
{
	struct loop *l = container_of(op, struct loop, wake);

	(void)res;
	arm_wake(l);
}

static void arm_wake(struct loop *l)
{
	l->wake.done = handle_wake;
	loop_read(l, &l->wake, l->wake_fd, &l->wake_count,
		  sizeof(l->wake_count), -1);
}

void loop_settle(struct loop *l)
{
	struct timespec until;
	bool signal;

	pthread_mutex_lock(&l->lock);
	l->settling = true;
	signal = l->asleep;
	l->asleep = false;
	if (signal)
		fd_event_signal(l->wake_fd);
	while (l->settling && !atomic_load(&l->stop)) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++; /* a loop that never ran does not signal */
		pthread_cond_timedwait(&l->settled, &l->lock, &until);
	}
	l->settling = false;
	pthread_mutex_unlock(&l->lock);
}

/* End of a loop */

static bool is_only_wake_busy(const struct loop *l)
{
	const struct loop_op *first = l->busy.busy_next;

	return first == &l->busy ||
	       (first == &l->wake && first->busy_next == &l->busy);
}

/*
 * Bring all that is in flight to an end, wake last: workers need it to tell
 * that they are done. An error means that nothing is left with the kernel.
 */
void loop_drain(struct loop *l)
{
	int err = 0;

	if (!l)
		return;
	/* Nobody runs these any more; turn() must be able to wait. */
	atomic_store(&l->stop, true);
	l->task_first = NULL;
	l->task_last = &l->task_first;
	l->draining = true;
	for (struct loop_op *op = l->busy.busy_next; op != &l->busy;
	     op = op->busy_next) {
		if (op != &l->wake)
			loop_cancel(l, op);
	}
	while (!err && !is_only_wake_busy(l)) {
		if (!l->wake.busy)
			arm_wake(l);
		err = turn(l);
	}
	loop_cancel(l, &l->wake);
	while (!err && l->wake.busy)
		err = turn(l);
	while (l->busy.busy_next != &l->busy)
		loop_finish(l, l->busy.busy_next, -ECANCELED);
}

void loop_destroy(struct loop *l)
{
	if (!l)
		return;
	loop_drain(l);
	l->backend->destroy(l);
}

/* Tasks */

bool loop_post(struct loop *l, struct loop_task *t)
{
	bool ok = true, signal = false;

	/*
	 * A task that gets in while stop is not set gets in before the loop
	 * takes the lock for the last time, so it runs.
	 */
	pthread_mutex_lock(&l->lock);
	if (atomic_load(&l->stop)) {
		ok = t->queued;
	} else if (!t->queued) {
		t->queued = true;
		t->next = NULL;
		*l->task_last = t;
		l->task_last = &t->next;
		signal = l->asleep;
		l->asleep = false;
	}
	pthread_mutex_unlock(&l->lock);

	if (signal)
		fd_event_signal(l->wake_fd);
	return ok;
}

static struct loop_task *pop_task(struct loop *l)
{
	struct loop_task *t;

	pthread_mutex_lock(&l->lock);
	t = l->task_first;
	if (t) {
		l->task_first = t->next;
		if (!t->next)
			l->task_last = &l->task_first;
		t->queued = false;
	}
	pthread_mutex_unlock(&l->lock);
	return t;
}

/* The last one there is now. */
static struct loop_task *last_task(struct loop *l)
{
	struct loop_task *t = NULL;

	pthread_mutex_lock(&l->lock);
	if (l->task_first)
		t = container_of(l->task_last, struct loop_task, next);
	pthread_mutex_unlock(&l->lock);
	return t;
}

/*
 * Those that are queued now: a task that posts itself must not keep
 * operations from being served.
 */
static void run_tasks(struct loop *l)
{
	struct loop_task *t, *last = last_task(l);

	if (!last)
		return;
	do {
		t = pop_task(l);
		if (t)
			t->fn(t);
	} while (t && t != last);
}

static void run_last_tasks(struct loop *l)
{
	struct loop_task *t;

	/* Posting is over, so this ends. */
	while ((t = pop_task(l)))
		t->fn(t);
	pthread_mutex_lock(&l->lock);
	end_settling_locked(l);
	pthread_mutex_unlock(&l->lock);
}

int loop_run(struct loop *l)
{
	int err = l->backend->enter(l);

	if (!err && !l->wake.busy)
		arm_wake(l);
	while (!err && !atomic_load(&l->stop)) {
		run_tasks(l);
		err = turn(l);
	}

	atomic_store(&l->stop, true);
	run_last_tasks(l);
	if (l->backend->leave)
		l->backend->leave(l);
	return err;
}

/* Operations */

bool loop_is_call(const struct loop_op *op)
{
	switch ((enum loop_op_kind)op->kind) {
	case LOOP_OP_READ:
	case LOOP_OP_WRITE:
	case LOOP_OP_READV:
	case LOOP_OP_WRITEV:
		return op->off >= 0;
	case LOOP_OP_FDATASYNC:
	case LOOP_OP_FALLOCATE:
		return true;
	case LOOP_OP_POLL:
	case LOOP_OP_TIMEOUT:
	case LOOP_OP_ACCEPT:
		break;
	}
	return false;
}

bool loop_is_again(struct loop_op *op, int err)
{
	return (err == -EINTR || err == -EAGAIN || err == -ECANCELED) &&
	       loop_is_call(op) && !op->cancelled &&
	       op->tries++ < LOOP_TRIES_MAX;
}

void loop_set_in_order(struct loop *l)
{
	l->in_order = true;
}

static void loop_start(struct loop *l, struct loop_op *op, int kind, int fd)
{
	assert(!op->busy);

	op->kind = kind;
	op->fd = fd;
	op->busy = true;
	op->cancelled = false;
	op->tries = 0;
	op->state = 0;
	op->next = NULL;
	op->busy_next = &l->busy;
	op->busy_prev = l->busy.busy_prev;
	op->busy_prev->busy_next = op;
	l->busy.busy_prev = op;
	if (l->in_order && loop_is_call(op)) {
		op->res = loop_call(op);
		loop_fifo_push(&l->over, op);
		return;
	}
	l->backend->start(l, op);
}

void loop_finish(struct loop *l, struct loop_op *op, int res)
{
	op->busy_prev->busy_next = op->busy_next;
	op->busy_next->busy_prev = op->busy_prev;
	op->busy = false;
	l->finished++;
	if (!l->draining)
		op->done(op, res);
}

void loop_poll(struct loop *l, struct loop_op *op, int fd, uint32_t events)
{
	op->flags = events;
	loop_start(l, op, LOOP_OP_POLL, fd);
}

static void start_one(struct loop *l, struct loop_op *op, int kind, int fd,
		      void *buf, size_t len, int64_t off)
{
	op->one.iov_base = buf;
	op->one.iov_len = len;
	op->iov = &op->one;
	op->len = 1;
	op->off = off < 0 ? -1 : off;
	loop_start(l, op, kind, fd);
}

void loop_read(struct loop *l, struct loop_op *op, int fd, void *buf,
	       size_t len, int64_t off)
{
	start_one(l, op, LOOP_OP_READ, fd, buf, len, off);
}

void loop_write(struct loop *l, struct loop_op *op, int fd, const void *buf,
		size_t len, int64_t off)
{
	start_one(l, op, LOOP_OP_WRITE, fd, (void *)(uintptr_t)buf, len, off);
}

static void start_vec(struct loop *l, struct loop_op *op, int kind, int fd,
		      const struct iovec *iov, unsigned int nr, int64_t off)
{
	op->iov = iov;
	op->len = nr;
	op->off = off < 0 ? -1 : off;
	loop_start(l, op, kind, fd);
}

void loop_readv(struct loop *l, struct loop_op *op, int fd,
		const struct iovec *iov, unsigned int nr, int64_t off)
{
	if (nr == 1)
		loop_read(l, op, fd, iov->iov_base, iov->iov_len, off);
	else
		start_vec(l, op, LOOP_OP_READV, fd, iov, nr, off);
}

void loop_writev(struct loop *l, struct loop_op *op, int fd,
		 const struct iovec *iov, unsigned int nr, int64_t off)
{
	if (nr == 1)
		loop_write(l, op, fd, iov->iov_base, iov->iov_len, off);
	else
		start_vec(l, op, LOOP_OP_WRITEV, fd, iov, nr, off);
}

void loop_fdatasync(struct loop *l, struct loop_op *op, int fd)
{
	loop_start(l, op, LOOP_OP_FDATASYNC, fd);
}

void loop_fallocate(struct loop *l, struct loop_op *op, int fd, int mode,
		    uint64_t off, uint64_t len)
{
	op->flags = (uint32_t)mode;
	op->off = (int64_t)off;
	op->len = len;
	loop_start(l, op, LOOP_OP_FALLOCATE, fd);
}

void loop_timeout(struct loop *l, struct loop_op *op, uint64_t ns)
{
	op->when[0] = (int64_t)(ns / 1000000000);
	op->when[1] = (int64_t)(ns % 1000000000);
	loop_start(l, op, LOOP_OP_TIMEOUT, -1);
}

void loop_accept(struct loop *l, struct loop_op *op, int fd)
{
	loop_start(l, op, LOOP_OP_ACCEPT, fd);
}

void loop_cancel(struct loop *l, struct loop_op *op)
{
	if (!op->busy || op->cancelled)
		return;
	op->cancelled = true;
	if (!l->in_order || !loop_is_call(op))
		l->backend->cancel(l, op);
}

/* Speed-up */

int loop_register_buffer(struct loop *l, void *base, size_t len)
{
	if (!l->backend->register_buffer)
		return -EOPNOTSUPP;
	return l->backend->register_buffer(l, base, len);
}

/* Queues of operations, for the backends */

void loop_fifo_init(struct loop_fifo *f)
{
	f->first = NULL;
	f->last = &f->first;
}

void loop_fifo_push(struct loop_fifo *f, struct loop_op *op)
{
	op->next = NULL;
	*f->last = op;
	f->last = &op->next;
}

struct loop_op *loop_fifo_pop(struct loop_fifo *f)
{
	struct loop_op *op = f->first;

	if (op)
		loop_fifo_del(f, op);
	return op;
}

bool loop_fifo_del(struct loop_fifo *f, struct loop_op *op)
{
	struct loop_op **at = &f->first;

	while (*at && *at != op)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = op->next;
	if (f->last == &op->next)
		f->last = at;
	op->next = NULL;
	return true;
}
