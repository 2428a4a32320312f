// SPDX-License-Identifier: MIT
/*
 * interp_stop.c - one vCPU alone, the others between two instructions.
 *
 * How it works. Who wants to be alone takes the engine's mutex, sets
 * INTERP_STOP for all others and waits until each of them stands or does not
 * run. They look at it at the end of their block and stand while they wait
 * for the mutex. One that waits for the mutex to be alone itself stands as
 * well: it has not touched anything yet. A vCPU that begins to run meanwhile
 * finds the bit before its first block.
 */
#include <sched.h>

#include "vcpu/interp/interp_int.h"

static void lock(struct interp_vcpu *v)
{
	atomic_store(&v->standing, true);
	pthread_mutex_lock(&interp_of_vcpu(v)->alone);
	atomic_store(&v->standing, false);
}

static bool is_moving(const struct interp_vcpu *v)
{
	return atomic_load(&v->running) && !atomic_load(&v->standing);
}

void interp_stop_others(struct interp_vcpu *v)
{
	struct interp_engine *e = interp_of_vcpu(v);
	unsigned int i;

	lock(v);
	for (i = 0; i < e->nr_cpus; i++) {
		struct interp_vcpu *o = atomic_load(&e->vcpu[i]);

		if (o && o != v)
			atomic_fetch_or(&o->owner.attention, INTERP_STOP);
	}
	for (i = 0; i < e->nr_cpus; i++) {
		struct interp_vcpu *o = atomic_load(&e->vcpu[i]);

		while (o && o != v && is_moving(o))
			sched_yield();
	}
}

void interp_resume_others(struct interp_vcpu *v)
{
	pthread_mutex_unlock(&interp_of_vcpu(v)->alone);
}

void interp_stand(struct interp_vcpu *v)
{
	lock(v);
	atomic_fetch_and(&v->owner.attention, ~(unsigned int)INTERP_STOP);
	pthread_mutex_unlock(&interp_of_vcpu(v)->alone);
}
