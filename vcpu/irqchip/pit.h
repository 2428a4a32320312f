/* SPDX-License-Identifier: MIT */
/*
 * pit.h - the 8254 interval timer, and port 0x61 beside it.
 */
#ifndef MINIVMM_VCPU_IRQCHIP_PIT_H
#define MINIVMM_VCPU_IRQCHIP_PIT_H

#include <stdint.h>

struct bus;
struct irq_line;
struct pit;

#define PIT_HZ		  1193182u
#define PIT_PERIOD_MIN_NS 50000u /* no guest gets more interrupts than that */

struct pit_params {
	struct irq_line *irq; /* channel 0 */
	/*
	 * Call pit_expired() at @deadline_ns, in the time of now(); it
	 * replaces the deadline before, UINT64_MAX: none. Calls come in the
	 * order that counts, from vCPU threads and from pit_expired(), with
	 * the PIT's lock held: must not call the PIT.
	 */
	void (*arm)(void *ctx, uint64_t deadline_ns);
	/* Nanoseconds, monotonic. NULL: CLOCK_MONOTONIC. Any thread. */
	uint64_t (*now)(void *ctx);
	void *ctx;
};

/* Copies *p. 0 or -errno. No vCPU runs in create and destroy. */
int pit_create(struct pit **out, struct bus *bus, const struct pit_params *p);
void pit_destroy(struct pit *t);

/* The deadline came. Too early, too late or not armed: all harmless. */
void pit_expired(struct pit *t);

#endif
