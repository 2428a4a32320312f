// SPDX-License-Identifier: MIT
/*
 * lapic_timer.c - the local APIC's timer (SDM 3A §10.5.4).
 *
 * How it works. Nothing counts: a running timer is the time at which it
 * reaches zero, and the current count is worked out when somebody reads it.
 * The owner calls lapic_run_timer() at that time; if it comes late, periods
 * that passed meanwhile are one interrupt, since the IRR has one bit.
 *
 * A masked timer runs on, unseen: it has no deadline, and catches up when its
 * entry or its count is used.
 *
 * The TSC deadline is kept as a TSC value, which decides, and as an estimate
 * in nanoseconds, which is what a host can wait for.
 */
#include "base/checked.h"
#include "vcpu/irqchip/lapic_int.h"

/*
 * The shortest period, KVM's too: a guest that asks for an interrupt every
 * nanosecond gets fewer, and time to run between them.
 */
#define PERIOD_MIN_NS 200000u

#define TICK_NS (1000000000u / LAPIC_TIMER_HZ)

enum timer_mode {
	TIMER_ONE_SHOT,
	TIMER_PERIODIC,
	TIMER_DEADLINE,
	TIMER_RESERVED, /* counts nothing */
};

static enum timer_mode mode_of(uint32_t entry)
{
	return (enum timer_mode)((entry >> 17) & 3);
}

static uint32_t entry(const struct lapic *l)
{
	return lapic_load(&l->lvt[LAPIC_LVT_TIMER]);
}

static bool counts(enum timer_mode m)
{
	return m == TIMER_ONE_SHOT || m == TIMER_PERIODIC;
}

static uint64_t now(const struct lapic *l)
{
	return l->owner->ops->now(l->owner);
}

/* SDM 3A figure 10-10: bits 3, 1, 0; 7 divides by 1. In nanoseconds. */
static uint64_t tick(const struct lapic *l)
{
	uint32_t d = l->timer.divide;
	uint32_t code = (d & 3) | (d & 8) >> 1;

	return (uint64_t)TICK_NS << ((code + 1) & 7);
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return checked_add_u64(a, b, &sum) ? sum : LAPIC_NEVER;
}

static uint64_t period(const struct lapic *l)
{
	return max_u64(l->timer.initial * tick(l), PERIOD_MIN_NS);
}

/* Nanoseconds until the TSC advanced by @ticks, rounded up */
static uint64_t tsc_to_ns(const struct lapic *l, uint64_t ticks)
{
	unsigned __int128 ns = (unsigned __int128)ticks * 1000000u;

	ns = (ns + l->tsc_khz - 1) / l->tsc_khz;
	return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

/* Work out when the TSC will be @ticks further than now. */
static void estimate_deadline(struct lapic *l, uint64_t ticks)
{
	l->timer.zero_at = add_saturated(now(l), tsc_to_ns(l, ticks));
}

static void stop(struct lapic *l)
{
	l->timer.zero_at = LAPIC_NEVER;
	l->timer.tsc_deadline = 0;
}

uint64_t lapic_next_deadline(const struct lapic *l)
{
	return entry(l) & LAPIC_LVT_MASKED ? LAPIC_NEVER : l->timer.zero_at;
}

static void arm(struct lapic *l)
{
	uint64_t deadline = lapic_next_deadline(l);

	if (deadline == l->timer.armed)
		return;
	l->timer.armed = deadline;
	l->owner->ops->arm(l->owner, deadline);
}

static bool counter_expired(struct lapic *l)
{
	struct lapic_timer *t = &l->timer;
	uint64_t at = now(l), p = period(l);

	if (at < t->zero_at)
		return false;
	if (mode_of(entry(l)) == TIMER_PERIODIC)
		t->zero_at += ((at - t->zero_at) / p + 1) * p;
	else
		t->zero_at = LAPIC_NEVER;
	return true;
}

/* Estimate again only if the last estimate was wrong: arming has a price. */
static bool deadline_expired(struct lapic *l)
{
	uint64_t tsc;

	if (!l->timer.tsc_deadline)
		return false;
	tsc = l->owner->ops->tsc(l->owner);
	if (tsc >= l->timer.tsc_deadline) {
		stop(l);
		return true;
	}
	if (now(l) >= l->timer.zero_at)
		estimate_deadline(l, l->timer.tsc_deadline - tsc);
	return false;
}

void lapic_run_timer(struct lapic *l)
{
	bool expired;

	if (l->timer.zero_at == LAPIC_NEVER && !l->timer.tsc_deadline)
		return;
	if (mode_of(entry(l)) == TIMER_DEADLINE)
		expired = deadline_expired(l);
	else
		expired = counter_expired(l);
	if (expired)
		lapic_lvt_raise(l, LAPIC_LVT_TIMER);
	arm(l);
}

void lapic_timer_reset(struct lapic *l)
{
	l->timer.initial = 0;
	l->timer.divide = 0;
	stop(l);
	arm(l);
}

static void start_count(struct lapic *l, uint64_t ns)
{
	l->timer.zero_at = add_saturated(now(l), ns);
}

/*
 * A count goes on when the mode changes between one-shot and periodic, and a
 * periodic one does not stay at zero; a change from or to TSC deadline
 * disarms (SDM 3A §10.5.4.1).
 */
void lapic_timer_lvt_changed(struct lapic *l, uint32_t was)
{
	enum timer_mode from = mode_of(was), to = mode_of(entry(l));
	struct lapic_timer *t = &l->timer;

	if (from != to && !(counts(from) && counts(to))) {
		t->initial = 0;
		stop(l);
	}
	if (to == TIMER_PERIODIC && t->initial && t->zero_at == LAPIC_NEVER)
		start_count(l, period(l));
	arm(l);
}

void lapic_timer_set_initial(struct lapic *l, uint32_t count)
{
	if (!counts(mode_of(entry(l))))
		return;
	lapic_run_timer(l);
	l->timer.initial = count;
	if (!count)
		stop(l);
	else if (mode_of(entry(l)) == TIMER_PERIODIC)
		start_count(l, period(l));
	else
		start_count(l, count * tick(l));
	arm(l);
}

/* Have run_timer() work out again when the TSC deadline comes. */
static void set_deadline(struct lapic *l, uint64_t tsc)
{
	l->timer.tsc_deadline = tsc;
	l->timer.zero_at = tsc ? 0 : LAPIC_NEVER;
	lapic_run_timer(l);
	arm(l);
}

/* What is left of the count goes on at the new rate. */
void lapic_timer_set_divide(struct lapic *l, uint32_t divide)
{
	uint32_t left = lapic_timer_current(l);

	l->timer.divide = divide;
	if (!left)
		return;
	start_count(l, left * tick(l));
	arm(l);
}

/*
 * Rounded up: 0 means that it has expired, and a count that is saved and
 * loaded must not lose its interrupt.
 */
uint32_t lapic_timer_current(struct lapic *l)
{
	uint64_t at, left;

	lapic_run_timer(l);
	at = now(l);
	if (!counts(mode_of(entry(l))) || l->timer.zero_at == LAPIC_NEVER ||
	    at >= l->timer.zero_at)
		return 0;
	left = (l->timer.zero_at - at - 1) / tick(l) + 1;
	return (uint32_t)min_u64(left, l->timer.initial);
}

uint64_t lapic_get_tsc_deadline(struct lapic *l)
{
	lapic_run_timer(l);
	return l->timer.tsc_deadline;
}

void lapic_set_tsc_deadline(struct lapic *l, uint64_t tsc)
{
	if (mode_of(entry(l)) != TIMER_DEADLINE)
		return;
	lapic_run_timer(l);
	set_deadline(l, tsc);
}

void lapic_tsc_changed(struct lapic *l)
{
	if (l->timer.tsc_deadline)
		set_deadline(l, l->timer.tsc_deadline);
}

void lapic_timer_resume(struct lapic *l, uint32_t current,
			uint64_t tsc_deadline)
{
	enum timer_mode mode = mode_of(entry(l));
	uint32_t left = current;

	stop(l);
	if (left > l->timer.initial || (!left && mode == TIMER_PERIODIC))
		left = l->timer.initial;
	if (counts(mode) && left)
		start_count(l, left * tick(l));
	if (mode == TIMER_DEADLINE)
		set_deadline(l, tsc_deadline);
	arm(l);
}
