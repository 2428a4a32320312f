/* SPDX-License-Identifier: MIT */
/*
 * rtc.h - the MC146818 real-time clock and its CMOS RAM.
 */
#ifndef MINIVMM_VCPU_BOARD_RTC_H
#define MINIVMM_VCPU_BOARD_RTC_H

#include <stdint.h>

struct bus;
struct irq_line;
struct rtc;

struct rtc_params {
	struct irq_line *irq;
	/*
	 * Call rtc_expired() at @deadline_ns of CLOCK_MONOTONIC (of now()); it
	 * replaces the deadline before, UINT64_MAX: none. With the RTC's lock
	 * held: must not call the RTC. NULL: the clock never interrupts.
	 */
	void (*arm)(void *ctx, uint64_t deadline_ns);
	/* Nanoseconds. NULL: CLOCK_MONOTONIC. Any thread. */
	uint64_t (*now)(void *ctx);
	/* Nanoseconds since 1970, UTC. NULL: CLOCK_REALTIME. Any thread. */
	uint64_t (*wall)(void *ctx);
	void *ctx;
	/* Bytes of RAM below the hole and above 4 GiB, for old guests. */
	uint64_t ram_low;
	uint64_t ram_high;
};

/* Copies *p. 0 or -errno. No vCPU runs in create and destroy. */
int rtc_create(struct rtc **out, struct bus *bus, const struct rtc_params *p);
void rtc_destroy(struct rtc *r);

/* The deadline came. Too early, too late or not armed: all harmless. */
void rtc_expired(struct rtc *r);

#endif
