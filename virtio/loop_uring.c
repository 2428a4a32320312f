// SPDX-License-Identifier: MIT
/*
 * loop_uring.c - the event loop's io_uring backend.
 *
 * How it works. A starter only fills a submission entry, or queues the op
 * where the ring is full; wait() submits all of them and waits with one
 * io_uring_enter(2), then finishes what completed. So the ring is entered by
 * the loop thread alone, which lets the kernel skip its locks
 * (SINGLE_ISSUER) and do the completion work only when it is waited for
 * (DEFER_TASKRUN). The ring is created disabled, because the thread that
 * creates the loop may be another one: enter() enables it.
 *
 * A transfer without an offset is tried at once. When the file is O_NONBLOCK
 * and not ready, io_uring gives -EAGAIN instead of waiting; then the op goes
 * round again, through a poll:
 *
 *   DIRECT -- -EAGAIN --> POLLING -- ready --> DIRECT
 *
 * @syscalls: io_uring_setup io_uring_enter io_uring_register mmap munmap close
 */
#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/checked.h"
#include "base/log.h"
#include "virtio/loop_int.h"

#define ENTRIES_MIN 64u
#define ENTRIES_MAX 256u /* more in flight is fine; more a submit is not */

#define TRANSFER_MAX 0x7ffff000u /* what one call moves at most */

/*
 * Files are not registered: that saves the kernel a lookup that costs nothing
 * measurable, and a ring whose process was killed lets go of registered files
 * (so, of a disk and its lock) 10 ms to a second later.
 */

/* Registered buffers: the kernel takes 1 GiB in one. */
#define BUFFER_MAX  (1ull << 30)
#define BUFFERS_MAX 72

enum {
	STATE_DIRECT,  /* in the ring as itself */
	STATE_POLLING, /* in the ring as a poll */
	STATE_WAITING, /* not in the ring yet */
};

/* For features that mean all operations below: Linux 5.12 or later. */
static const unsigned int features_needed =
	IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP |
	IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_RW_CUR_POS |
	IORING_FEAT_FAST_POLL | IORING_FEAT_NATIVE_WORKERS;

struct uring_buffer {
	uintptr_t base;
	size_t len;
};

struct loop_uring {
	struct loop base;
	struct io_uring ring;
	bool entered;
	struct loop_fifo waiting; /* for room in the ring */
	bool cancels_waiting;	  /* so do cancellations */

	unsigned int nr_buffers;
	struct uring_buffer *buffers; /* NULL: none */
};

static struct loop_uring *to_uring(struct loop *l)
{
	return container_of(l, struct loop_uring, base);
}

/* Submission */

/* Index of the registered buffer that holds all of @iov, or -1. */
static int find_buffer(const struct loop_uring *u, const struct iovec *iov)
{
	uintptr_t at = (uintptr_t)iov->iov_base;

	for (unsigned int i = 0; i < u->nr_buffers; i++) {
		const struct uring_buffer *b = &u->buffers[i];

		if (at >= b->base &&
		    range_fits(at - b->base, iov->iov_len, b->len))
			return (int)i;
	}
	return -1;
}

static void prep_one(struct loop_uring *u, struct io_uring_sqe *sqe,
		     const struct loop_op *op, int opcode, int opcode_fixed)
{
	unsigned int len = (unsigned int)min_u64(op->one.iov_len, TRANSFER_MAX);
	int i = find_buffer(u, &op->one);

	io_uring_prep_rw(i < 0 ? opcode : opcode_fixed, sqe, op->fd,
			 op->one.iov_base, len, (uint64_t)op->off);
	if (i >= 0)
		sqe->buf_index = (uint16_t)i;
}

static uint32_t ready_events(const struct loop_op *op)
{
	bool out = op->kind == LOOP_OP_WRITE || op->kind == LOOP_OP_WRITEV;

	return out ? POLLOUT : POLLIN;
}

static void prep_direct(struct loop_uring *u, struct io_uring_sqe *sqe,
			struct loop_op *op)
{
	_Static_assert(sizeof(op->when) == sizeof(struct __kernel_timespec),
		       "a timeout's time is the kernel's timespec");

	switch ((enum loop_op_kind)op->kind) {
	case LOOP_OP_POLL:
		io_uring_prep_poll_add(sqe, op->fd, op->flags);
		break;
	case LOOP_OP_READ:
		prep_one(u, sqe, op, IORING_OP_READ, IORING_OP_READ_FIXED);
		break;
	case LOOP_OP_WRITE:
		prep_one(u, sqe, op, IORING_OP_WRITE, IORING_OP_WRITE_FIXED);
		break;
	case LOOP_OP_READV:
		io_uring_prep_readv(sqe, op->fd, op->iov, (unsigned int)op->len,
				    (uint64_t)op->off);
		break;
	case LOOP_OP_WRITEV:
		io_uring_prep_writev(sqe, op->fd, op->iov,
				     (unsigned int)op->len, (uint64_t)op->off);
		break;
	case LOOP_OP_FDATASYNC:
		io_uring_prep_fsync(sqe, op->fd, IORING_FSYNC_DATASYNC);
		break;
	case LOOP_OP_FALLOCATE:
		/* The _prep_ helper takes signed numbers, the entry does not. */
		io_uring_prep_rw(IORING_OP_FALLOCATE, sqe, op->fd, NULL,
				 op->flags, (uint64_t)op->off);
		sqe->addr = op->len;
		break;
	case LOOP_OP_TIMEOUT:
		io_uring_prep_timeout(sqe, (void *)op->when, 0, 0);
		break;
	case LOOP_OP_ACCEPT:
		io_uring_prep_accept(sqe, op->fd, NULL, NULL, SOCK_CLOEXEC);
		break;
	}
}

/* Put @op into the ring in state @state; false when the ring is full. */
static bool put_op(struct loop_uring *u, struct loop_op *op, uint8_t state)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (!sqe)
		return false;
	if (state == STATE_POLLING)
		io_uring_prep_poll_add(sqe, op->fd, ready_events(op));
	else
		prep_direct(u, sqe, op);
	io_uring_sqe_set_data(sqe, op);
	op->state = state;
	return true;
}

static void uring_start(struct loop *l, struct loop_op *op)
{
	struct loop_uring *u = to_uring(l);

	/* Behind those that came before. */
	if (!u->waiting.first && put_op(u, op, STATE_DIRECT))
		return;
	op->state = STATE_WAITING;
	loop_fifo_push(&u->waiting, op);
}

static bool put_cancel(struct loop_uring *u, struct loop_op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (!sqe)
		return false;
	io_uring_prep_cancel(sqe, op, 0);
	/* Its own result says nothing that the op's does not. */
	io_uring_sqe_set_data(sqe, NULL);
	return true;
}

static void uring_cancel(struct loop *l, struct loop_op *op)
{
	struct loop_uring *u = to_uring(l);

	/* A waiting op is met by fill_ring(). */
	if (op->state != STATE_WAITING && !put_cancel(u, op))
		u->cancels_waiting = true;
}

/* Which ops had no room to be cancelled is not noted: ask for all again. */
static bool put_waiting_cancels(struct loop_uring *u)
{
	struct loop_op *op;

	if (!u->cancels_waiting)
		return true;
	for (op = u->base.busy.busy_next; op != &u->base.busy;
	     op = op->busy_next) {
		if (op->cancelled && op->state != STATE_WAITING &&
		    !put_cancel(u, op))
			return false;
	}
	u->cancels_waiting = false;
	return true;
}

/*
 * Move what waits into the ring. False when the ring is full before the end;
 * *finished when a cancelled op was finished on the way.
 */
static bool fill_ring(struct loop_uring *u, bool *finished)
{
	struct loop_op *op;

	if (!put_waiting_cancels(u))
		return false;
	while ((op = u->waiting.first)) {
		if (op->cancelled) {
			loop_fifo_pop(&u->waiting);
			loop_finish(&u->base, op, -ECANCELED);
			*finished = true;
			continue;
		}
		if (!put_op(u, op, STATE_DIRECT))
			return false;
		loop_fifo_pop(&u->waiting);
	}
	return true;
}

/* Completion */

static void poll_first(struct loop_uring *u, struct loop_op *op)
{
	if (put_op(u, op, STATE_POLLING))
		return;
	/* Tried once more later, then it may come back here. */
	op->state = STATE_WAITING;
	loop_fifo_push(&u->waiting, op);
}

static bool is_stream_op(const struct loop_op *op)
{
	switch ((enum loop_op_kind)op->kind) {
	case LOOP_OP_READ:
	case LOOP_OP_WRITE:
	case LOOP_OP_READV:
	case LOOP_OP_WRITEV:
		return op->off < 0;
	case LOOP_OP_ACCEPT:
		return true;
	default:
		return false;
	}
}

/* io_uring's result in the words of loop.h. */
static int translate(const struct loop_op *op, int res)
{
	if (op->kind == LOOP_OP_TIMEOUT && res == -ETIME)
		return 0;
	if (op->cancelled && (res == -EINTR || res == -EAGAIN))
		return -ECANCELED;
	return res;
}

static void complete(struct loop_uring *u, struct loop_op *op, int res)
{
	if (!op->cancelled && op->state == STATE_POLLING && res >= 0) {
		uring_start(&u->base, op);
		return;
	}
	if (!op->cancelled && op->state == STATE_DIRECT && res == -EAGAIN &&
	    is_stream_op(op)) {
		poll_first(u, op);
		return;
	}
	if (loop_is_again(op, res)) {
		uring_start(&u->base, op);
		return;
	}
	/* Ready, but cancelled before the transfer was tried again. */
	if (op->state == STATE_POLLING && res >= 0)
		res = -ECANCELED;
	loop_finish(&u->base, op, translate(op, res));
}

static void reap(struct loop_uring *u)
{
	struct io_uring_cqe *cqe;
	unsigned int left = io_uring_cq_ready(&u->ring);

	/* Not more than there are now: tasks want their turn. */
	while (left-- && !io_uring_peek_cqe(&u->ring, &cqe)) {
		struct loop_op *op = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&u->ring, cqe);
		if (op)
			complete(u, op, res);
	}
}

static int submit(struct loop_uring *u, bool block)
{
	int n;

	if (block)
		n = io_uring_submit_and_wait(&u->ring, 1);
	else
		n = io_uring_submit_and_get_events(&u->ring);

	/*
	 * A signal; no memory for an op at the moment; completions to be
	 * taken first: all go by themselves.
	 */
	if (n == -EINTR || n == -EAGAIN || n == -EBUSY)
		return 0;
	return n < 0 ? n : 0;
}

static int uring_wait(struct loop *l, bool block)
{
	struct loop_uring *u = to_uring(l);
	bool finished = false, all;
	int err;

	if (!u->entered)
		return -EBADFD;

	all = fill_ring(u, &finished);
	if (!all || finished || io_uring_cq_ready(&u->ring))
		block = false;
	err = submit(u, block);
	if (!err)
		reap(u);
	return err;
}

/* Registered buffers */

static int buffers_prepare(struct loop_uring *u)
{
	int err;

	if (u->buffers)
		return 0;
	/* liburing 2.3 declares io_uring_enable_rings() and lacks it. */
	err = io_uring_register_buffers_sparse(&u->ring, BUFFERS_MAX);
	if (err)
		return err;
	u->buffers = calloc(BUFFERS_MAX, sizeof(*u->buffers));
	return u->buffers ? 0 : -ENOMEM;
}

static int add_buffer(struct loop_uring *u, void *base, size_t len)
{
	struct iovec iov = { base, len };
	uint64_t tag = 0;
	int n;

	if (u->nr_buffers == BUFFERS_MAX)
		return -ENOSPC;
	n = io_uring_register_buffers_update_tag(&u->ring, u->nr_buffers, &iov,
						 (void *)&tag, 1);
	if (n < 0)
		return n;
	u->buffers[u->nr_buffers].base = (uintptr_t)base;
	u->buffers[u->nr_buffers].len = len;
	u->nr_buffers++;
	return 0;
}

static int uring_register_buffer(struct loop *l, void *base, size_t len)
{
	struct loop_uring *u = to_uring(l);
	int err = buffers_prepare(u);

	for (size_t at = 0; !err && at < len; at += BUFFER_MAX)
		err = add_buffer(u, (char *)base + at,
				 min_u64(len - at, BUFFER_MAX));
	if (err)
		log_warn("fixed buffers: %s; going on without%s",
			 strerror(-err),
			 err == -ENOMEM ? " (the limit is ulimit -l)" : "");
	return err;
}

/* Life */

static int uring_enter(struct loop *l)
{
	struct loop_uring *u = to_uring(l);
	int err;

	if (u->entered)
		return 0;
	/* liburing 2.3 declares io_uring_enable_rings() and lacks it. */
	err = io_uring_register((unsigned int)u->ring.ring_fd,
				IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (err < 0)
		return err;
	u->entered = true;
	/* Saves the lookup of the ring's own file; fine when refused. */
	(void)io_uring_register_ring_fd(&u->ring);
	return 0;
}

/*
 * The registered ring is a number in a table of this thread: on the thread
 * that destroys the loop, the same number can mean another loop's ring.
 */
static void uring_leave(struct loop *l)
{
	struct loop_uring *u = to_uring(l);

	if (u->ring.enter_ring_fd != u->ring.ring_fd)
		(void)io_uring_unregister_ring_fd(&u->ring);
}

static void uring_destroy(struct loop *l)
{
	struct loop_uring *u = to_uring(l);

	io_uring_queue_exit(&u->ring);
	loop_fini(l);
	free(u->buffers);
	free(u);
}

static const struct loop_backend uring_backend = {
	.name = "io_uring",
	.destroy = uring_destroy,
	.enter = uring_enter,
	.leave = uring_leave,
	.start = uring_start,
	.cancel = uring_cancel,
	.wait = uring_wait,
	.register_buffer = uring_register_buffer,
};

static int setup_ring(struct io_uring *ring, unsigned int depth)
{
	/* From Linux 6.1, and for any. */
	static const unsigned int flags[] = {
		IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL |
			IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
			IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED,
	};
	unsigned int entries =
		(unsigned int)min_u64(max_u64(depth, ENTRIES_MIN), ENTRIES_MAX);
	int err = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(flags) && err == -EINVAL; i++) {
		struct io_uring_params p = { .flags = flags[i] };

		err = io_uring_queue_init_params(entries, ring, &p);
		if (!err && (p.features & features_needed) != features_needed) {
			io_uring_queue_exit(ring);
			err = -ENOSYS;
		}
	}
	return err;
}

/*
 * A filter can let one of the three calls through and not the others. Entering
 * a disabled ring is refused by io_uring itself, with its own error.
 */
static int check_calls(struct io_uring *ring)
{
	int err = io_uring_enter((unsigned int)ring->ring_fd, 0, 0, 0, NULL);

	if (err != -EBADFD)
		return err < 0 ? err : -EIO;
	/* A lookup of nothing: -EINVAL or -ENXIO when it is allowed. */
	err = io_uring_unregister_files(ring);
	return err == -EPERM || err == -ENOSYS || err == -EACCES ? err : 0;
}

int loop_uring_create(struct loop **out, unsigned int depth)
{
	struct loop_uring *u = calloc(1, sizeof(*u));
	int err;

	*out = NULL;
	if (!u)
		return -ENOMEM;

	err = setup_ring(&u->ring, depth);
	if (err)
		goto free_loop;
	err = check_calls(&u->ring);
	if (err)
		goto exit_ring;
	err = loop_init(&u->base, &uring_backend);
	if (err)
		goto exit_ring;
	loop_fifo_init(&u->waiting);
	*out = &u->base;
	return 0;

exit_ring:
	io_uring_queue_exit(&u->ring);
free_loop:
	free(u);
	return err;
}
