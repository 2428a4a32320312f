/* SPDX-License-Identifier: MIT */
/*
 * vcpu.h - the thread of one vCPU: start, run, pause, kick, stop.
 *
 * How it works. The thread runs the engine until it returns a decision and
 * reports endings to its owner. Requests from other threads (pause, stop) set
 * a word and kick the engine; the thread looks at the word between runs.
 *
 *   start -> RUNNING <-> PAUSED -> (stop) -> joined
 *               '-> ended() called once -> waits for stop
 */
#ifndef MINIVMM_VCPU_VCPU_H
#define MINIVMM_VCPU_VCPU_H

#include "vcpu/engine.h"

struct vcpu_thread;

/* Why a vCPU will not run any more. */
enum vcpu_end {
	VCPU_END_RESET,	   /* CPU-level reset */
	VCPU_END_SHUTDOWN, /* triple fault */
	VCPU_END_HALT,	   /* halted for good */
	VCPU_END_ERROR,	   /* the engine gave up; it logged why */
};

/*
 * Called once, on the vCPU's thread, when it cannot go on. Must not call
 * vcpu_thread_stop().
 */
typedef void vcpu_ended_fn(void *ctx, unsigned int id, enum vcpu_end end);

/* Start the thread of @v, which stays the caller's. 0 or -errno. */
int vcpu_thread_start(struct vcpu_thread **out, struct vcpu *v,
		      vcpu_ended_fn *ended, void *ctx);

/* Ask for the end; returns at once. Any thread but the vCPU's own. */
void vcpu_thread_request_stop(struct vcpu_thread *t);

/* Ask for the end and wait for it, then free. NULL is allowed. */
void vcpu_thread_stop(struct vcpu_thread *t);

/*
 * Returns when the vCPU is outside the guest and will stay there until
 * vcpu_thread_resume(); its state may then be read with get_state() from the
 * calling thread. One pauser at a time; not the vCPU's own thread.
 */
void vcpu_thread_pause(struct vcpu_thread *t);
void vcpu_thread_resume(struct vcpu_thread *t);

#endif
