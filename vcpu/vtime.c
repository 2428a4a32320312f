// SPDX-License-Identifier: MIT
/*
 * vtime.c - virtual time: now, and the alarms of the board's clocks.
 */
#include "vcpu/vtime.h"

#include <stddef.h>

#define NS_PER_S 1000000000ull

void vtime_init(struct vtime *t, uint64_t seed)
{
	*t = (struct vtime){ .seed = seed, .deadline = VTIME_NEVER };
}

uint64_t vtime_now(const struct vtime *t)
{
	return t->ns + (t->inside ? t->inside(t->inside_ctx) : 0);
}

uint64_t vtime_wall(const struct vtime *t)
{
	return VTIME_EPOCH * NS_PER_S + vtime_now(t);
}

static void find_deadline(struct vtime *t)
{
	const struct vtime_alarm *a;

	t->deadline = VTIME_NEVER;
	for (a = t->alarms; a; a = a->next)
		if (a->deadline < t->deadline)
			t->deadline = a->deadline;
}

void vtime_add_alarm(struct vtime *t, struct vtime_alarm *a)
{
	a->deadline = VTIME_NEVER;
	a->next = t->alarms;
	t->alarms = a;
}

void vtime_set_alarm(struct vtime *t, struct vtime_alarm *a, uint64_t deadline)
{
	a->deadline = deadline;
	find_deadline(t);
}

/* Each once: one that is set to a past time again must not keep us here. */
void vtime_run_alarms(struct vtime *t)
{
	uint64_t now = vtime_now(t);
	struct vtime_alarm *a;

	for (a = t->alarms; a; a = a->next) {
		if (now < a->deadline)
			continue;
		a->deadline = VTIME_NEVER;
		a->expired(a->ctx);
	}
	find_deadline(t);
}

void vtime_skip(struct vtime *t, uint64_t deadline)
{
	if (deadline <= t->ns)
		return;
	t->skipped += deadline - t->ns;
	t->ns = deadline;
}

void vtime_stop(struct vtime *t)
{
	atomic_store(&t->stopped, true);
}
