// SPDX-License-Identifier: MIT
/*
 * vcpu.c - the thread of one vCPU.
 *
 * How it works. Other threads leave a request and kick the engine; the
 * thread looks at the request between runs, so a request is noticed at the
 * latest one exit later. "outside" is true while the thread is not in the
 * engine and will not enter it without being asked.
 */
#include "vcpu/vcpu.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/thread.h"

/* A kick can be lost in a blocking write(2) of a device: kick again. */
#define KICK_AGAIN_NS 10000000L

enum request {
	REQUEST_RUN,
	REQUEST_PAUSE,
	REQUEST_STOP,
};

struct vcpu_thread {
	struct vcpu *vcpu;
	pthread_t thread;
	vcpu_ended_fn *ended;
	void *ctx;

	pthread_mutex_t lock; /* the members below */
	pthread_cond_t changed;
	enum request request;
	bool outside;
	bool finished; /* will never be inside again */
};

/* Park until the request is to run, or to stop: false. */
static bool may_run(struct vcpu_thread *t)
{
	bool run;

	pthread_mutex_lock(&t->lock);
	while (t->request == REQUEST_PAUSE) {
		t->outside = true;
		pthread_cond_broadcast(&t->changed);
		pthread_cond_wait(&t->changed, &t->lock);
	}
	run = t->request == REQUEST_RUN;
	t->outside = false;
	t->finished = !run;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	return run;
}

/* After the end: nothing is left to do but to be stopped. */
static void wait_for_stop(struct vcpu_thread *t)
{
	pthread_mutex_lock(&t->lock);
	t->finished = true;
	pthread_cond_broadcast(&t->changed);
	while (t->request != REQUEST_STOP)
		pthread_cond_wait(&t->changed, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

static void end(struct vcpu_thread *t, enum vcpu_end why)
{
	t->ended(t->ctx, t->vcpu->id, why);
	wait_for_stop(t);
}

static void *thread_main(void *arg)
{
	struct vcpu_thread *t = arg;
	const struct engine_ops *ops = t->vcpu->engine->ops;
	enum vcpu_exit why;

	while (may_run(t)) {
		if (ops->run(t->vcpu, &why)) {
			end(t, VCPU_END_ERROR);
			return NULL;
		}
		switch (why) {
		case VCPU_EXIT_KICKED:
		case VCPU_EXIT_DEBUG:
			break;
		case VCPU_EXIT_HALT:
			end(t, VCPU_END_HALT);
			return NULL;
		case VCPU_EXIT_RESET:
			end(t, VCPU_END_RESET);
			return NULL;
		case VCPU_EXIT_SHUTDOWN:
			end(t, VCPU_END_SHUTDOWN);
			return NULL;
		}
	}
	return NULL;
}

int vcpu_thread_start(struct vcpu_thread **out, struct vcpu *v,
		      vcpu_ended_fn *ended, void *ctx)
{
	struct vcpu_thread *t;
	char name[16];
	int err;

	*out = NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->vcpu = v;
	t->ended = ended;
	t->ctx = ctx;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);

	snprintf(name, sizeof(name), "vcpu%u", v->id);
	err = thread_start(&t->thread, name, thread_main, t);
	if (err) {
		free(t);
		return err;
	}
	*out = t;
	return 0;
}

static void request(struct vcpu_thread *t, enum request r)
{
	pthread_mutex_lock(&t->lock);
	if (t->request != REQUEST_STOP)
		t->request = r;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	if (r != REQUEST_RUN)
		t->vcpu->engine->ops->kick(t->vcpu);
}

static void wait_until_outside(struct vcpu_thread *t)
{
	struct timespec until;

	pthread_mutex_lock(&t->lock);
	while (!t->outside && !t->finished) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += KICK_AGAIN_NS;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		if (pthread_cond_clockwait(&t->changed, &t->lock,
					   CLOCK_MONOTONIC, &until))
			t->vcpu->engine->ops->kick(t->vcpu);
	}
	pthread_mutex_unlock(&t->lock);
}

void vcpu_thread_request_stop(struct vcpu_thread *t)
{
	request(t, REQUEST_STOP);
}

void vcpu_thread_stop(struct vcpu_thread *t)
{
	if (!t)
		return;
	request(t, REQUEST_STOP);
	wait_until_outside(t);
	thread_join(t->thread);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void vcpu_thread_pause(struct vcpu_thread *t)
{
	request(t, REQUEST_PAUSE);
	wait_until_outside(t);
}

void vcpu_thread_resume(struct vcpu_thread *t)
{
	pthread_mutex_lock(&t->lock);
	t->outside = false;
	pthread_mutex_unlock(&t->lock);
	request(t, REQUEST_RUN);
}
