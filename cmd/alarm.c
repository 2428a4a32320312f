// SPDX-License-Identifier: MIT
/*
 * alarm.c - a deadline that any thread may set and the loop keeps.
 *
 * How it works. Only the loop thread starts timeouts: alarm_set() notes the
 * deadline and posts a task, which starts the timeout, or cancels the one in
 * flight so that its end starts the right one. With virtual time there is
 * nothing to keep: the deadline is passed on.
 */
#include "cmd/alarm.h"

#include <time.h>

#include "base/checked.h"

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* Loop thread: make the timeout in flight the one that is asked for. */
static void settle(struct alarm *a)
{
	uint64_t deadline = a->deadline;
	uint64_t now;

	if (loop_op_busy(&a->timeout)) {
		if (a->armed != deadline)
			loop_cancel(a->loop, &a->timeout);
		return;
	}
	if (deadline == ALARM_NEVER)
		return;
	now = now_ns();
	a->armed = deadline;
	loop_timeout(a->loop, &a->timeout, deadline > now ? deadline - now : 0);
}

static void on_task(struct loop_task *t)
{
	settle(container_of(t, struct alarm, task));
}

static void on_timeout(struct loop_op *op, int res)
{
	struct alarm *a = container_of(op, struct alarm, timeout);
	uint64_t rung = a->armed;

	/* Unless it was set anew meanwhile, it has had its time. */
	if (!res &&
	    atomic_compare_exchange_strong(&a->deadline, &rung, ALARM_NEVER))
		a->expired(a->ctx);
	settle(a);
}

void alarm_init(struct alarm *a, struct loop *loop, struct vtime *vtime,
		const char *name, void (*expired)(void *ctx), void *ctx)
{
	*a = (struct alarm){
		.loop = loop,
		.timeout = { .name = name, .done = on_timeout },
		.task = { .fn = on_task },
		.deadline = ALARM_NEVER,
		.expired = expired,
		.ctx = ctx,
		.vtime = vtime,
		.virtual = { .expired = expired, .ctx = ctx },
	};
	if (vtime)
		vtime_add_alarm(vtime, &a->virtual);
}

void alarm_set(struct alarm *a, uint64_t deadline_ns)
{
	if (a->vtime) {
		vtime_set_alarm(a->vtime, &a->virtual, deadline_ns);
		return;
	}
	a->deadline = deadline_ns;
	loop_post(a->loop, &a->task);
}
