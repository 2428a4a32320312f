// SPDX-License-Identifier: MIT
/*
 * test_rtc.c - the real-time clock under a host clock that the test moves.
 */
#include "tests/unit/chips.h"

#include <errno.h>
#include <stdio.h>

#include "memory/layout_x86.h"
#include "vcpu/board/rtc.h"

#define INDEX LAYOUT_PORT_RTC
#define DATA  (LAYOUT_PORT_RTC + 1)
#define SEC   1000000000ull
#define MSEC  1000000ull

/* 2026-11-05 17:08:09 UTC, a Thursday */
#define START 1793898489ull

/* Of the monotonic clock, at START */
#define BOOT_NS 77

struct board {
	struct fake_timer timer; /* first: see fake_timer_arm() */
	struct bus *bus;
	struct rtc *rtc;
	struct fake_line irq;
	uint64_t wall_jump;
};

static uint64_t board_wall(void *ctx)
{
	struct board *b = ctx;

	return START * SEC + b->timer.now - BOOT_NS + b->wall_jump;
}

static int setup(void **state)
{
	struct board *b = test_calloc(1, sizeof(*b));
	struct rtc_params p = {
		.arm = fake_timer_arm,
		.now = fake_timer_now,
		.wall = board_wall,
		.ram_low = 0xc0000000ull,
		.ram_high = 0x140000000ull,
	};

	b->bus = chips_bus();
	b->irq = fake_line();
	b->timer.now = BOOT_NS;
	b->timer.deadline = UINT64_MAX;
	p.irq = &b->irq.line;
	p.ctx = b;
	assert_int_equal(rtc_create(&b->rtc, b->bus, &p), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct board *b = *state;

	rtc_destroy(b->rtc);
	bus_destroy(b->bus);
	test_free(b);
	return 0;
}

static unsigned int get(struct board *b, unsigned int reg)
{
	out8(b->bus, INDEX, reg);
	return in8(b->bus, DATA);
}

static void put(struct board *b, unsigned int reg, unsigned int val)
{
	out8(b->bus, INDEX, reg);
	out8(b->bus, DATA, val);
}

static void expired(void *rtc)
{
	rtc_expired(rtc);
}

static void run(struct board *b, uint64_t ns)
{
	fake_timer_run(&b->timer, ns, expired, b->rtc);
}

static void assert_time(struct board *b, const char *text)
{
	char shown[64];

	snprintf(shown, sizeof(shown), "%02x%02x-%02x-%02x %02x:%02x:%02x %x",
		 get(b, 0x32), get(b, 9), get(b, 8), get(b, 7), get(b, 4),
		 get(b, 2), get(b, 0), get(b, 6));
	assert_string_equal(shown, text);
}

static void clock_shows_the_time_of_the_host_in_bcd(void **state)
{
	struct board *b = *state;

	assert_int_equal(get(b, 0x0b), 0x02);
	assert_int_equal(get(b, 0x0d), 0x80);
	assert_time(b, "2026-11-05 17:08:09 5");
	b->timer.now += 51 * SEC;
	assert_time(b, "2026-11-05 17:09:00 5");
}

static void clock_shows_binary_and_12_hours_too(void **state)
{
	struct board *b = *state;

	put(b, 0x0b, 0x04);
	assert_int_equal(get(b, 4), 0x85); /* 5 pm */
	assert_int_equal(get(b, 9), 26);
	assert_int_equal(get(b, 0x32), 20);
	b->timer.now += 7 * 3600 * SEC; /* past midnight */
	assert_int_equal(get(b, 4), 12);
	b->timer.now += 12 * 3600 * SEC;
	assert_int_equal(get(b, 4), 0x8c);
	put(b, 0x0b, 0x00);
	assert_int_equal(get(b, 4), 0x92);
}

/* Linux's mc146818_set_time() */
static void guest_sets_its_clock_not_the_hosts(void **state)
{
	struct board *b = *state;

	put(b, 0x0b, 0x82);
	put(b, 9, 0x31);
	put(b, 8, 0x12);
	put(b, 7, 0x31);
	put(b, 4, 0x23);
	put(b, 2, 0x59);
	put(b, 0, 0x58);
	b->timer.now += 5 * SEC; /* stopped meanwhile */
	assert_time(b, "2031-12-31 23:59:58 5");
	put(b, 0x0b, 0x02);
	assert_time(b, "2031-12-31 23:59:58 4");
	b->timer.now += 3 * SEC;
	assert_time(b, "2032-01-01 00:00:01 5");
}

static void single_register_can_be_set_on_the_run(void **state)
{
	struct board *b = *state;

	put(b, 2, 0x30);
	assert_time(b, "2026-11-05 17:30:09 5");
}

static void nonsense_in_the_time_registers_is_harmless(void **state)
{
	struct board *b = *state;
	unsigned int reg, val, mode;

	for (mode = 0; mode < 8; mode += 2) {
		for (val = 0; val < 256; val += 5) {
			put(b, 0x0b, 0x80 | mode);
			for (reg = 0; reg < 10; reg++)
				put(b, reg, val);
			put(b, 0x32, val);
			put(b, 0x0b, 0x70 | mode);
			run(b, 2 * SEC);
			for (reg = 0; reg < 14; reg++)
				get(b, reg);
		}
	}
}

static void update_in_progress_ends(void **state)
{
	struct board *b = *state;

	assert_false(get(b, 0x0a) & 0x80);
	b->timer.now = BOOT_NS + SEC - MSEC;
	assert_true(get(b, 0x0a) & 0x80);
	b->timer.now = BOOT_NS + SEC;
	assert_false(get(b, 0x0a) & 0x80);
	assert_int_equal(get(b, 0), 0x10);
	/* Not while updates are stopped, and nobody can write it. */
	put(b, 0x0b, 0x82);
	b->timer.now = BOOT_NS + 2 * SEC - MSEC;
	put(b, 0x0a, 0xa6);
	assert_int_equal(get(b, 0x0a), 0x26);
}

static void update_flag_is_found_by_polling(void **state)
{
	struct board *b = *state;

	assert_int_equal(get(b, 0x0c), 0);
	b->timer.now += SEC;
	assert_int_equal(get(b, 0x0c) & 0x90, 0x10);
	assert_int_equal(get(b, 0x0c), 0);
	assert_int_equal(b->timer.arms, 0);
	assert_int_equal(b->irq.edges, 0);
}

static void update_interrupts_once_a_second(void **state)
{
	struct board *b = *state;
	unsigned int i;

	b->timer.now += SEC / 4;
	put(b, 0x0b, 0x12);
	for (i = 1; i <= 5; i++) {
		run(b, SEC);
		assert_int_equal(b->irq.edges, i);
		assert_int_equal(get(b, 0x0c) & 0x90, 0x90);
		assert_false(b->irq.level);
	}
	put(b, 0x0b, 0x02);
	assert_int_equal(b->timer.deadline, UINT64_MAX);
}

static void unread_interrupt_costs_nothing(void **state)
{
	struct board *b = *state;

	put(b, 0x0b, 0x42);
	run(b, SEC);
	assert_int_equal(b->irq.edges, 1);
	assert_int_equal(b->timer.deadline, UINT64_MAX);
}

static void periodic_interrupt_has_its_rate(void **state)
{
	struct board *b = *state;
	unsigned int i;

	put(b, 0x0b, 0x42);
	for (i = 0; i < 1000; i++) {
		run(b, MSEC);
		get(b, 0x0c);
	}
	assert_in_range(b->irq.edges, 990, 1000); /* 1024 Hz, read late */
	put(b, 0x0a, 0x20);			  /* off */
	assert_int_equal(b->timer.deadline, UINT64_MAX);
}

static void alarm_interrupts_at_its_time(void **state)
{
	struct board *b = *state;

	put(b, 5, 0x18);
	put(b, 3, 0x00);
	put(b, 1, 0x05);
	put(b, 0x0b, 0x22);
	run(b, 3115 * SEC);
	assert_int_equal(b->irq.edges, 0);
	run(b, 1 * SEC);
	assert_int_equal(b->irq.edges, 1);
	assert_int_equal(get(b, 0x0c) & 0xb0, 0xb0);
	/* and on the next day */
	run(b, 86399 * SEC);
	assert_int_equal(b->irq.edges, 1);
	run(b, 1 * SEC);
	assert_int_equal(b->irq.edges, 2);
}

static void alarm_fields_may_be_dont_care(void **state)
{
	struct board *b = *state;

	put(b, 5, 0xff);
	put(b, 3, 0xc0);
	put(b, 1, 0x00);
	put(b, 0x0b, 0x22);
	run(b, 50 * SEC);
	assert_int_equal(b->irq.edges, 0);
	run(b, 1 * SEC);
	assert_int_equal(b->irq.edges, 1);
}

static void alarm_that_cannot_be_never_comes(void **state)
{
	struct board *b = *state;

	put(b, 1, 0x61);
	put(b, 0x0b, 0x22);
	assert_int_equal(b->timer.deadline, UINT64_MAX);
	b->timer.now += 200000 * SEC;
	assert_false(get(b, 0x0c) & 0x20);
}

static void host_clock_may_jump(void **state)
{
	struct board *b = *state;

	put(b, 0x0b, 0x12);
	b->wall_jump = -86400 * SEC;
	assert_time(b, "2026-11-04 17:08:09 4");
	run(b, 2 * SEC);
	assert_int_equal(get(b, 0x0c) & 0x90, 0x90);
	b->wall_jump = 10 * 365 * 86400 * SEC;
	assert_int_equal(get(b, 0x0c) & 0x10, 0x10);
}

static void cmos_ram_keeps_bytes(void **state)
{
	struct board *b = *state;

	put(b, 0x0e, 0x5a);
	put(b, 0x7f, 0xa5);
	put(b, 0xff, 0xa6); /* bit 7 is the NMI mask */
	assert_int_equal(get(b, 0x0e), 0x5a);
	assert_int_equal(get(b, 0x7f), 0xa6);
	put(b, 0x0d, 0x00);
	put(b, 0x0c, 0xff);
	assert_int_equal(get(b, 0x0d), 0x80);
	assert_int_equal(get(b, 0x0c), 0x00);
	assert_int_equal(in8(b->bus, INDEX), 0xff);
}

static void cmos_ram_tells_the_memory_size(void **state)
{
	struct board *b = *state;

	assert_int_equal(get(b, 0x15) | get(b, 0x16) << 8, 640);
	assert_int_equal(get(b, 0x30) | get(b, 0x31) << 8, 0xffff);
	assert_int_equal(get(b, 0x34) | get(b, 0x35) << 8, 0xbf00);
	assert_int_equal(get(b, 0x5b) | get(b, 0x5c) << 8 | get(b, 0x5d) << 16,
			 0x14000);
}

static void any_access_is_harmless(void **state)
{
	struct board *b = *state;

	chips_hammer(b->bus, INDEX - 1, 4);
	put(b, 0x0b, 0x02);
	assert_true(get(b, 0x0d) == 0x80);
}

static void clock_of_the_real_host_works(void **state)
{
	struct board *b = *state;
	struct rtc_params p = { .irq = &b->irq.line };
	struct rtc *r;

	rtc_destroy(b->rtc);
	assert_int_equal(rtc_create(&r, b->bus, &p), 0);
	b->rtc = r;
	put(b, 0x0b, 0x72);
	assert_int_equal(get(b, 0x32), 0x20);
	rtc_expired(r);
}

static void second_clock_on_the_bus_is_refused(void **state)
{
	struct board *b = *state;
	struct rtc_params p = { .irq = &b->irq.line };
	struct rtc *r;

	assert_int_equal(rtc_create(&r, b->bus, &p), -EEXIST);
	assert_null(r);
	rtc_destroy(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	T(clock_shows_the_time_of_the_host_in_bcd),
	T(clock_shows_binary_and_12_hours_too),
	T(guest_sets_its_clock_not_the_hosts),
	T(single_register_can_be_set_on_the_run),
	T(nonsense_in_the_time_registers_is_harmless),
	T(update_in_progress_ends),
	T(update_flag_is_found_by_polling),
	T(update_interrupts_once_a_second),
	T(unread_interrupt_costs_nothing),
	T(periodic_interrupt_has_its_rate),
	T(alarm_interrupts_at_its_time),
	T(alarm_fields_may_be_dont_care),
	T(alarm_that_cannot_be_never_comes),
	T(host_clock_may_jump),
	T(cmos_ram_keeps_bytes),
	T(cmos_ram_tells_the_memory_size),
	T(any_access_is_harmless),
	T(clock_of_the_real_host_works),
	T(second_clock_on_the_bus_is_refused),
};

UNIT_MAIN(tests)
