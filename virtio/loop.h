/* SPDX-License-Identifier: MIT */
/*
 * loop.h - the event loop: one thread, many operations in flight.
 *
 * How it works. An operation (struct loop_op) is embedded in its owner, filled
 * by one of the loop_*() starters below and stays in flight until its done()
 * runs on the loop thread: exactly once per start, never from inside the
 * starter. Two backends do the same:
 *
 *   loop_uring.c  liburing; submissions of one wake-up go in one system call
 *   loop_poll.c   epoll for readiness and a small worker pool for the rest,
 *                 for hosts that refuse io_uring
 *
 * done() handlers never block. Only loop_post(), loop_stop() and
 * loop_stopped() and loop_settle() may be called from other threads than the
 * one in loop_run(); everything else is "loop thread only", where the thread that
 * created the loop counts as the loop thread until loop_run() starts.
 */
#ifndef MINIVMM_VIRTIO_LOOP_H
#define MINIVMM_VIRTIO_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum loop_kind {
	LOOP_AUTO, /* io_uring where the host allows it */
	LOOP_URING,
	LOOP_POLL,
};

struct loop;
struct loop_op;

/*
 * @res: what the system call would have returned, or -errno; -ECANCELED after
 * loop_cancel(). The op may be started again from here.
 */
typedef void loop_done_fn(struct loop_op *op, int res);

struct loop_op {
	const char *name; /* "blk0 read", for traces */
	loop_done_fn *done;

	/* The loop's, from start to done. */
	struct loop_op *busy_next, *busy_prev; /* all that are in flight */
	struct loop_op *next;		       /* a backend's queue */
	int kind;
	int fd;
	uint32_t flags; /* poll events, fallocate mode */
	int res;
	int64_t off;
	uint64_t len;		 /* of fallocate; entries of iov */
	const struct iovec *iov; /* &one for read and write */
	struct iovec one;
	bool busy;
	bool cancelled;
	uint8_t state;	 /* a backend's */
	uint8_t tries;	 /* that came to nothing, see loop_is_again() */
	int64_t when[2]; /* of a timeout: seconds and nanoseconds */
};

/* A call to run on the loop thread. Embedded; free again when fn runs. */
struct loop_task {
	void (*fn)(struct loop_task *t);
	struct loop_task *next; /* the loop's */
	bool queued;
};

/*
 * @depth: operations in flight that must never fail to start for want of
 * room (more are queued inside). LOOP_URING fails with the host's -errno
 * where LOOP_AUTO falls back with one log line.
 */
int loop_create(struct loop **out, enum loop_kind kind, unsigned int depth);

/*
 * Ends what is still in flight, without its done(): when this returns, the
 * kernel uses no buffer of an op any more, and the loop no op and no task, so
 * that their owners may go. Nothing is started or posted from here on; files
 * may still be unregistered. On the thread that was in loop_run(), or after
 * that thread has ended. NULL is allowed.
 */
void loop_drain(struct loop *l);

/* loop_drain(), then free. NULL is allowed. */
void loop_destroy(struct loop *l);

/* "io_uring" or "poll", for logs. */
const char *loop_backend_name(const struct loop *l);

/*
 * Run until loop_stop(), then the tasks that were posted before it. 0, or
 * -errno when waiting itself failed. Once: a stopped loop stays stopped.
 */
int loop_run(struct loop *l);

/* Any thread, async-signal-safe, also before loop_run(). */
void loop_stop(struct loop *l);

/* True from loop_stop() on. Any thread, async-signal-safe. */
bool loop_stopped(const struct loop *l);

/*
 * From now on, transfers at an offset, fdatasync and fallocate are made on the
 * loop thread and end in the order in which they were started, on whatever
 * host: for runs that have to be the same. Before loop_run().
 */
void loop_set_in_order(struct loop *l);

/*
 * Wait until the loop has nothing to do: all that was posted and all fds that
 * are ready were served, and what came of it, too. Only with
 * loop_set_in_order(), or what other threads do for the loop is not waited
 * for, and with LOOP_POLL: io_uring may say later what is ready. Returns at once when the loop has stopped. Any thread but the loop's,
 * one at a time; the loop thread must not wait for that thread.
 */
void loop_settle(struct loop *l);

/*
 * Run t->fn on the loop thread soon. Returns false, and never runs it, when
 * the loop has stopped: then nobody may wait for it. A task that is still
 * queued is not queued twice. Any thread.
 */
bool loop_post(struct loop *l, struct loop_task *t);

/* Wait for POLLIN, POLLOUT...: res is the mask of events. One shot. */
void loop_poll(struct loop *l, struct loop_op *op, int fd, uint32_t events);

/*
 * @off < 0 on read and write: the file's own position (pipes, ttys, sockets,
 * eventfds). These wait until the file is ready, also when it is O_NONBLOCK;
 * that costs io_uring a second round, so eventfds that are read through the
 * loop are better created without. As with the calls, a transfer can be
 * short, and a broken pipe raises SIGPIPE unless it is ignored.
 */
void loop_read(struct loop *l, struct loop_op *op, int fd, void *buf,
	       size_t len, int64_t off);
void loop_write(struct loop *l, struct loop_op *op, int fd, const void *buf,
		size_t len, int64_t off);

/* @iov, and what it points to, stays the caller's until done. */
void loop_readv(struct loop *l, struct loop_op *op, int fd,
		const struct iovec *iov, unsigned int nr, int64_t off);
void loop_writev(struct loop *l, struct loop_op *op, int fd,
		 const struct iovec *iov, unsigned int nr, int64_t off);

/* fdatasync(2). */
void loop_fdatasync(struct loop *l, struct loop_op *op, int fd);

/* fallocate(2) with FALLOC_FL_* flags. */
void loop_fallocate(struct loop *l, struct loop_op *op, int fd, int mode,
		    uint64_t off, uint64_t len);

/* After @ns nanoseconds (CLOCK_MONOTONIC): res is 0. */
void loop_timeout(struct loop *l, struct loop_op *op, uint64_t ns);

/* accept4(2) with SOCK_CLOEXEC: res is the new socket. */
void loop_accept(struct loop *l, struct loop_op *op, int fd);

/*
 * Ask for the early end of @op, if it is in flight: its done() still runs,
 * with -ECANCELED or, when the end was faster, with its result.
 */
void loop_cancel(struct loop *l, struct loop_op *op);

/*
 * An optional speed-up; the loop works the same without.
 *
 * Operations with a single buffer inside [@base, @base + @len) skip the
 * lookup of its pages. Populates and pins all of it, until loop_destroy().
 * 0, or -errno after one log line (RLIMIT_MEMLOCK, most often): then those
 * parts that were not registered go the normal way. -EOPNOTSUPP without
 * io_uring.
 */
int loop_register_buffer(struct loop *l, void *base, size_t len);

static inline bool loop_op_busy(const struct loop_op *op)
{
	return op->busy;
}

#endif
