/* SPDX-License-Identifier: MIT */
/*
 * vtime.h - virtual time: the clock of a machine whose runs are all the same.
 *
 * How it works. One instruction is one nanosecond, and no other clock counts.
 * The one vCPU's thread owns everything here: it counts, it rings the alarms
 * of the board's clocks, and where others would sleep it skips to the next
 * deadline.
 *
 *   run a block: ns += instructions -> ns >= deadline? ring -> next block
 *   halted:      ns = the next deadline
 *
 * What counts as an instruction:
 *
 *   - each that begins, whether it completes or faults;
 *   - each iteration of a repeated string instruction, 1 if there is none;
 *   - an exception that comes between two (a fetch that faults, a trap).
 *
 * Deadlines are kept to the instruction: the first one that begins when or
 * after the deadline has come finds the interrupt pending. Interrupts are
 * taken between two instructions, those that another instruction caused right
 * after it.
 *
 * Devices that work on another thread are waited for: settle() returns when
 * they have done all that the guest asked for. So their interrupts come at
 * the instruction that rang the doorbell. What the user types is the only
 * thing that comes from outside.
 *
 * Threads: vCPU thread only, and before it starts; vtime_stop() any thread.
 */
#ifndef MINIVMM_VCPU_VTIME_H
#define MINIVMM_VCPU_VTIME_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define VTIME_TSC_KHZ 1000000u	 /* the TSC: one tick an instruction */
#define VTIME_NEVER   UINT64_MAX /* a deadline that does not come */

/* The time of day at time 0: 2026-01-01 00:00 UTC, in seconds since 1970 */
#define VTIME_EPOCH 1767225600ull

/* Embedded by its owner, who fills the first two members. */
struct vtime_alarm {
	void (*expired)(void *ctx); /* may set the alarm again */
	void *ctx;
	uint64_t deadline;
	struct vtime_alarm *next;
};

/* Public because engines count in it; zero is a machine at time 0. */
struct vtime {
	uint64_t seed; /* of what instructions draw */
	/* Wait for the devices; see above. NULL: there are none. */
	void (*settle)(void *ctx);
	void *settle_ctx;

	/* The engine's: time up to the block under way, and what it adds. */
	uint64_t ns;
	uint64_t (*inside)(void *ctx);
	void *inside_ctx;
	uint64_t skipped; /* ns of all that no instruction took */

	struct vtime_alarm *alarms;
	uint64_t deadline; /* the alarms' next */
	atomic_bool stopped;
};

void vtime_init(struct vtime *t, uint64_t seed);

/* Nanoseconds since the start: instructions that began, and time skipped. */
uint64_t vtime_now(const struct vtime *t);

/* The time of day: ns since 1970. */
uint64_t vtime_wall(const struct vtime *t);

/* @a rings never, at first. It stays until the vtime goes. */
void vtime_add_alarm(struct vtime *t, struct vtime_alarm *a);

/* Ring when @deadline has come, instead of the one before. */
void vtime_set_alarm(struct vtime *t, struct vtime_alarm *a, uint64_t deadline);

/* Ring what is due. Between two instructions only. */
void vtime_run_alarms(struct vtime *t);

/* Nothing runs until @deadline. */
void vtime_skip(struct vtime *t, uint64_t deadline);

/*
 * The machine has ended: not one more instruction runs. The vCPU still has to
 * be kicked. Any thread.
 */
void vtime_stop(struct vtime *t);

#endif
