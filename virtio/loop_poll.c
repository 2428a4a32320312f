// SPDX-License-Identifier: MIT
/*
 * loop_poll.c - the event loop's backend for hosts that refuse io_uring.
 *
 * How it works. An op goes one of three ways:
 *
 *   SLOT   waits for its file to be ready, then its call is made here: poll,
 *          accept, and transfers without an offset
 *   POOL   its call may block: a worker makes it (loop_pool.c); but reads
 *          that the page cache can answer are made here
 *   TIMER  in a list sorted by time
 *
 * and ends in the queue of finished ops (OVER), from which wait() takes it;
 * so done() never runs inside a starter, nor between two events of one wait.
 *
 * epoll knows a file once, but several ops can wait for it: each descriptor
 * has a slot with its ops. The slot is armed for the union of what they wait
 * for, EPOLLONESHOT, and only just before waiting: until then its owner may
 * still close the file. One event lets one op transfer in each direction;
 * after that, the others have to ask again.
 *
 * @syscalls: epoll_create1 epoll_ctl epoll_pwait2 epoll_wait clock_gettime
 * @syscalls: fstat close
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "virtio/loop_int.h"

#define EVENTS_MAX 64

enum {
	STATE_SLOT,
	STATE_POOL,
	STATE_TIMER,
	STATE_OVER,
};

/* Index: the file descriptor. */
struct slot {
	struct loop_fifo ops;
	bool known; /* probably: epoll has seen this descriptor */
	bool dirty; /* to be armed, in dirty_first */
	int dirty_next;
};

struct loop_epoll {
	struct loop base;
	int epfd;
	bool no_pwait2;
	struct loop_pool *pool;
	struct slot *slots;
	int nr_slots;
	int dirty_first; /* -1: none */
	struct loop_op *timers;
	struct loop_fifo over;
};

static struct loop_epoll *to_epoll(struct loop *l)
{
	return container_of(l, struct loop_epoll, base);
}

static void set_over(struct loop_epoll *p, struct loop_op *op, int res)
{
	op->res = res;
	op->state = STATE_OVER;
	loop_fifo_push(&p->over, op);
}

/* Timers */

static bool is_before(const int64_t a[2], const int64_t b[2])
{
	return a[0] != b[0] ? a[0] < b[0] : a[1] < b[1];
}

static void get_time(int64_t now[2])
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now[0] = ts.tv_sec;
	now[1] = ts.tv_nsec;
}

/* Behind those of the same time: they end in the order of their start. */
static void add_timer(struct loop_epoll *p, struct loop_op *op)
{
	struct loop_op **at = &p->timers;
	int64_t now[2];

	get_time(now);
	op->when[0] += now[0];
	op->when[1] += now[1];
	if (op->when[1] >= 1000000000) {
		op->when[1] -= 1000000000;
		op->when[0]++;
	}

	while (*at && !is_before(op->when, (*at)->when))
		at = &(*at)->next;
	op->next = *at;
	*at = op;
	op->state = STATE_TIMER;
}

static void del_timer(struct loop_epoll *p, struct loop_op *op)
{
	struct loop_op **at = &p->timers;

	while (*at != op)
		at = &(*at)->next;
	*at = op->next;
}

static void expire_timers(struct loop_epoll *p)
{
	int64_t now[2];

	if (!p->timers)
		return;
	get_time(now);
	while (p->timers && !is_before(now, p->timers->when)) {
		struct loop_op *op = p->timers;

		p->timers = op->next;
		set_over(p, op, 0);
	}
}

/* Slots */

static int grow_slots(struct loop_epoll *p, int fd)
{
	int nr = fd < 64 ? 64 : fd + fd / 2;
	struct slot *slots;

	if (fd < p->nr_slots)
		return 0;
	slots = calloc((size_t)nr, sizeof(*slots));
	if (!slots)
		return -ENOMEM;

	/* Each queue knows where it lives, so that they cannot be copied. */
	for (int i = 0; i < nr; i++) {
		struct loop_op *op;

		loop_fifo_init(&slots[i].ops);
		if (i >= p->nr_slots)
			continue;
		while ((op = loop_fifo_pop(&p->slots[i].ops)))
			loop_fifo_push(&slots[i].ops, op);
		slots[i].known = p->slots[i].known;
		slots[i].dirty = p->slots[i].dirty;
		slots[i].dirty_next = p->slots[i].dirty_next;
	}
	free(p->slots);
	p->slots = slots;
	p->nr_slots = nr;
	return 0;
}

static void set_dirty(struct loop_epoll *p, int fd)
{
	struct slot *s = &p->slots[fd];

	if (s->dirty)
		return;
	s->dirty = true;
	s->dirty_next = p->dirty_first;
	p->dirty_first = fd;
}

static void add_to_slot(struct loop_epoll *p, struct loop_op *op)
{
	int err = op->fd < 0 ? -EBADF : grow_slots(p, op->fd);

	if (err) {
		set_over(p, op, err);
		return;
	}
	op->state = STATE_SLOT;
	loop_fifo_push(&p->slots[op->fd].ops, op);
	set_dirty(p, op->fd);
}

static void del_from_slot(struct loop_epoll *p, struct loop_op *op)
{
	struct slot *s = &p->slots[op->fd];

	loop_fifo_del(&s->ops, op);
	if (s->ops.first)
		return;
	/* Its owner may close it now and get the same number again. */
	(void)epoll_ctl(p->epfd, EPOLL_CTL_DEL, op->fd, NULL);
	s->known = false;
}

static uint32_t wanted_events(const struct loop_op *op)
{
	switch ((enum loop_op_kind)op->kind) {
	case LOOP_OP_POLL:
		return op->flags;
	case LOOP_OP_WRITE:
	case LOOP_OP_WRITEV:
		return EPOLLOUT;
	default:
		return EPOLLIN;
	}
}

/* The kernel forgets a closed descriptor, and may know it from another loop. */
static int epoll_arm(struct loop_epoll *p, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events | EPOLLONESHOT };
	struct slot *s = &p->slots[fd];
	bool known = s->known;

	ev.data.fd = fd;
	s->known = true;
	if (!epoll_ctl(p->epfd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev))
		return 0;
	if (errno != ENOENT && errno != EEXIST)
		return -errno;
	if (!epoll_ctl(p->epfd, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &ev))
		return 0;
	return -errno;
}

static void start_pool(struct loop_epoll *p, struct loop_op *op)
{
	op->state = STATE_POOL;
	loop_pool_start(p->pool, op);
}

static bool is_on_disk(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

/* epoll refuses files that are always ready, such as /dev/null. */
static void do_without_epoll(struct loop_epoll *p, struct loop_op *op)
{
	if (op->kind == LOOP_OP_POLL)
		set_over(p, op, (int)(op->flags & (POLLIN | POLLOUT)));
	else if (is_on_disk(op->fd))
		start_pool(p, op);
	else
		set_over(p, op, loop_call(op));
}

static void arm_slot(struct loop_epoll *p, int fd)
{
	struct slot *s = &p->slots[fd];
	uint32_t events = 0;
	struct loop_op *op;
	int err;

	for (op = s->ops.first; op; op = op->next)
		events |= wanted_events(op);
	if (!s->ops.first)
		return;
	err = epoll_arm(p, fd, events);
	if (!err)
		return;

	s->known = false;
	while ((op = loop_fifo_pop(&s->ops))) {
		if (err == -EPERM)
			do_without_epoll(p, op);
		else
			set_over(p, op, err);
	}
}

static void arm_slots(struct loop_epoll *p)
{
	while (p->dirty_first >= 0) {
		int fd = p->dirty_first;

		p->dirty_first = p->slots[fd].dirty_next;
		p->slots[fd].dirty = false;
		arm_slot(p, fd);
	}
}

/*
 * @op waits for one of @events that came. True when it is over; *used are
 * the directions in which somebody has transferred.
 */
static bool serve_op(struct loop_op *op, uint32_t events, uint32_t *used)
{
	uint32_t dir = wanted_events(op);

	if (op->kind == LOOP_OP_POLL) {
		op->res = (int)(events & (dir | EPOLLERR | EPOLLHUP));
		return true;
	}
	if (*used & dir)
		return false;
	*used |= dir;
	op->res = loop_call_ready(op);
	return op->res != -EAGAIN;
}

static void handle_event(struct loop_epoll *p, int fd, uint32_t events)
{
	struct loop_fifo *ops = &p->slots[fd].ops;
	struct loop_op *op = ops->first, *next;
	uint32_t used = 0;

	for (; op; op = next) {
		next = op->next;
		if (!(events & (wanted_events(op) | EPOLLERR | EPOLLHUP)))
			continue;
		if (!serve_op(op, events, &used))
			continue;
		loop_fifo_del(ops, op);
		set_over(p, op, op->res);
	}
	if (ops->first)
		set_dirty(p, fd);
}

/* The loop */

static void epoll_start(struct loop *l, struct loop_op *op)
{
	struct loop_epoll *p = to_epoll(l);
	int res;

	switch ((enum loop_op_kind)op->kind) {
	case LOOP_OP_TIMEOUT:
		add_timer(p, op);
		break;
	case LOOP_OP_FDATASYNC:
	case LOOP_OP_FALLOCATE:
		start_pool(p, op);
		break;
	case LOOP_OP_POLL:
	case LOOP_OP_ACCEPT:
		add_to_slot(p, op);
		break;
	case LOOP_OP_READ:
	case LOOP_OP_WRITE:
	case LOOP_OP_READV:
	case LOOP_OP_WRITEV:
		if (op->off < 0)
			add_to_slot(p, op);
		else if (loop_call_cached(op, &res))
			set_over(p, op, res);
		else
			start_pool(p, op);
		break;
	}
}

static void epoll_cancel(struct loop *l, struct loop_op *op)
{
	struct loop_epoll *p = to_epoll(l);

	switch (op->state) {
	case STATE_SLOT:
		del_from_slot(p, op);
		break;
	case STATE_TIMER:
		del_timer(p, op);
		break;
	case STATE_POOL:
		if (loop_pool_cancel(p->pool, op))
			break;
		return;
	default:
		return;
	}
	set_over(p, op, -ECANCELED);
}

/* How long to wait: NULL means for ever. */
static struct timespec *time_left(struct loop_epoll *p, bool block,
				  struct timespec *ts)
{
	int64_t now[2];

	memset(ts, 0, sizeof(*ts));
	if (!block || p->over.first)
		return ts;
	if (!p->timers)
		return NULL;
	get_time(now);
	if (is_before(p->timers->when, now))
		return ts;
	ts->tv_sec = p->timers->when[0] - now[0];
	ts->tv_nsec = p->timers->when[1] - now[1];
	if (ts->tv_nsec < 0) {
		ts->tv_nsec += 1000000000;
		ts->tv_sec--;
	}
	return ts;
}

/* For kernels before 5.11, and filters that have not heard of epoll_pwait2. */
static int epoll_wait_ms(int epfd, struct epoll_event *ev, int nr,
			 const struct timespec *ts)
{
	int64_t ms = -1;

	if (ts)
		ms = (int64_t)min_u64((uint64_t)ts->tv_sec, 1000000) * 1000 +
		     (ts->tv_nsec + 999999) / 1000000;
	return epoll_wait(epfd, ev, nr, (int)ms);
}

static int wait_events(struct loop_epoll *p, struct epoll_event *ev, int nr,
		       const struct timespec *ts)
{
	int n;

	if (!p->no_pwait2) {
		n = epoll_pwait2(p->epfd, ev, nr, ts, NULL);
		if (n >= 0 || (errno != ENOSYS && errno != EPERM))
			return n;
		p->no_pwait2 = true;
	}
	return epoll_wait_ms(p->epfd, ev, nr, ts);
}

static void finish_over(struct loop_epoll *p)
{
	struct loop_fifo batch;
	struct loop_op *op;

	/* Not more than there are now: tasks want their turn. */
	loop_fifo_init(&batch);
	while ((op = loop_fifo_pop(&p->over)))
		loop_fifo_push(&batch, op);
	while ((op = loop_fifo_pop(&batch)))
		loop_finish(&p->base, op, op->res);
}

static void collect(struct loop_epoll *p)
{
	struct loop_fifo done;
	struct loop_op *op;

	loop_fifo_init(&done);
	loop_pool_collect(p->pool, &done);
	while ((op = loop_fifo_pop(&done)))
		set_over(p, op, op->res);
}

static int epoll_backend_wait(struct loop *l, bool block)
{
	struct loop_epoll *p = to_epoll(l);
	struct epoll_event ev[EVENTS_MAX];
	struct timespec ts;
	int n;

	arm_slots(p);
	collect(p);
	n = wait_events(p, ev, EVENTS_MAX, time_left(p, block, &ts));
	if (n < 0 && errno != EINTR)
		return -errno;

	for (int i = 0; i < n; i++)
		handle_event(p, ev[i].data.fd, ev[i].events);
	collect(p);
	expire_timers(p);
	finish_over(p);
	return 0;
}

static int epoll_enter(struct loop *l)
{
	(void)l;
	return 0;
}

static void epoll_destroy(struct loop *l)
{
	struct loop_epoll *p = to_epoll(l);

	loop_pool_destroy(p->pool);
	loop_fini(l);
	fd_close(&p->epfd);
	free(p->slots);
	free(p);
}

static const struct loop_backend epoll_backend = {
	.name = "poll",
	.destroy = epoll_destroy,
	.enter = epoll_enter,
	.start = epoll_start,
	.cancel = epoll_cancel,
	.wait = epoll_backend_wait,
};

int loop_poll_create(struct loop **out)
{
	struct loop_epoll *p = calloc(1, sizeof(*p));
	int err;

	*out = NULL;
	if (!p)
		return -ENOMEM;
	p->dirty_first = -1;
	loop_fifo_init(&p->over);

	p->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (p->epfd < 0) {
		err = -errno;
		goto free_loop;
	}
	err = loop_pool_create(&p->pool, &p->base);
	if (err)
		goto close_epoll;
	err = loop_init(&p->base, &epoll_backend);
	if (err)
		goto destroy_pool;
	*out = &p->base;
	return 0;

destroy_pool:
	loop_pool_destroy(p->pool);
close_epoll:
	close(p->epfd);
free_loop:
	free(p);
	return err;
}
