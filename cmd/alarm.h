/* SPDX-License-Identifier: MIT */
/*
 * alarm.h - a deadline that any thread may set and the loop keeps, or virtual
 * time: what the clocks of the board, which know neither, are wired to.
 */
#ifndef MINIVMM_CMD_ALARM_H
#define MINIVMM_CMD_ALARM_H

#include <stdatomic.h>
#include <stdint.h>

#include "vcpu/vtime.h"
#include "virtio/loop.h"

#define ALARM_NEVER UINT64_MAX

/* Embedded by its owner; members are alarm.c's. */
struct alarm {
	struct loop *loop;
	struct loop_op timeout;
	struct loop_task task;
	_Atomic uint64_t deadline;
	uint64_t armed; /* what the timeout in flight is for */
	void (*expired)(void *ctx);
	void *ctx;
	struct vtime *vtime; /* NULL: the loop keeps it */
	struct vtime_alarm virtual;
};

/*
 * @expired runs on the loop thread and may set the alarm again. With @vtime
 * (NULL: none) it runs on the vCPU's thread, between two instructions.
 */
void alarm_init(struct alarm *a, struct loop *loop, struct vtime *vtime,
		const char *name, void (*expired)(void *ctx), void *ctx);

/*
 * Ring at @deadline_ns of CLOCK_MONOTONIC, or of virtual time, instead of the
 * deadline before; ALARM_NEVER: not at all. Any thread, any lock held; with a
 * vtime the vCPU's thread.
 */
void alarm_set(struct alarm *a, uint64_t deadline_ns);

#endif
