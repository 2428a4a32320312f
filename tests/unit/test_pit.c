// SPDX-License-Identifier: MIT
/*
 * test_pit.c - the 8254 under a clock that the test moves.
 */
#include "tests/unit/chips.h"

#include <errno.h>

#include "memory/layout_x86.h"
#include "vcpu/irqchip/pit.h"

#define CH0  LAYOUT_PORT_PIT
#define CH2  (LAYOUT_PORT_PIT + 2)
#define CTL  (LAYOUT_PORT_PIT + 3)
#define P61  LAYOUT_PORT_SPEAKER
#define MSEC 1000000ull
#define SEC  1000000000ull

struct board {
	struct fake_timer timer; /* first: see fake_timer_arm() */
	struct bus *bus;
	struct pit *pit;
	struct fake_line irq;
};

static int setup(void **state)
{
	struct board *b = test_calloc(1, sizeof(*b));
	struct pit_params p = { .arm = fake_timer_arm, .now = fake_timer_now };

	b->bus = chips_bus();
	b->irq = fake_line();
	b->timer.now = 123456789;
	b->timer.deadline = UINT64_MAX;
	p.irq = &b->irq.line;
	p.ctx = b;
	assert_int_equal(pit_create(&b->pit, b->bus, &p), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct board *b = *state;

	pit_destroy(b->pit);
	bus_destroy(b->bus);
	test_free(b);
	return 0;
}

static void load(struct board *b, unsigned int control, uint64_t port,
		 unsigned int count)
{
	out8(b->bus, CTL, control);
	out8(b->bus, port, count & 0xff);
	out8(b->bus, port, count >> 8);
}

static unsigned int read16(struct board *b, uint64_t port)
{
	unsigned int low = in8(b->bus, port);

	return low | (unsigned int)in8(b->bus, port) << 8;
}

static void expired(void *pit)
{
	pit_expired(pit);
}

static void run(struct board *b, uint64_t ns)
{
	fake_timer_run(&b->timer, ns, expired, b->pit);
}

static void nothing_is_armed_until_a_count_is_written(void **state)
{
	struct board *b = *state;

	out8(b->bus, CTL, 0x34);
	out8(b->bus, CH0, 0x00);
	load(b, 0xb0, CH2, 1000);
	run(b, SEC);
	assert_int_equal(b->timer.arms, 0);
	assert_int_equal(b->irq.edges, 0);
	out8(b->bus, CH0, 0x10);
	assert_int_equal(b->timer.arms, 1);
}

static void rate_generator_ticks_at_its_rate(void **state)
{
	struct board *b = *state;

	load(b, 0x34, CH0, PIT_HZ / 100);
	run(b, SEC);
	assert_in_range(b->irq.edges, 99, 100);
	assert_false(b->irq.level);
}

static void square_wave_ticks_at_its_rate(void **state)
{
	struct board *b = *state;

	load(b, 0x36, CH0, 0); /* 65536: 18.2 Hz */
	run(b, 10 * SEC);
	assert_int_equal(b->irq.edges, 182);
}

static void terminal_count_interrupts_once(void **state)
{
	struct board *b = *state;

	load(b, 0x30, CH0, 11932);
	run(b, 9 * MSEC);
	assert_int_equal(b->irq.edges, 0);
	run(b, 2 * MSEC);
	assert_int_equal(b->irq.edges, 1);
	assert_true(b->irq.level);
	run(b, SEC);
	assert_int_equal(b->irq.edges, 1);
	assert_int_equal(b->timer.deadline, UINT64_MAX);
	/* The next shot. */
	load(b, 0x30, CH0, 11932);
	assert_false(b->irq.level);
	run(b, 11 * MSEC);
	assert_int_equal(b->irq.edges, 2);
}

/* Linux's one-shot clock: one control word, then only counts. */
static void soft_strobe_interrupts_for_each_count(void **state)
{
	struct board *b = *state;
	unsigned int i;

	out8(b->bus, CTL, 0x38);
	for (i = 1; i <= 3; i++) {
		out8(b->bus, CH0, 11932 & 0xff);
		out8(b->bus, CH0, 11932 >> 8);
		run(b, 9 * MSEC);
		assert_int_equal(b->irq.edges, i - 1);
		run(b, 2 * MSEC);
		assert_int_equal(b->irq.edges, i);
	}
}

static void control_word_stops_the_timer(void **state)
{
	struct board *b = *state;

	load(b, 0x34, CH0, 11932);
	out8(b->bus, CTL, 0x30); /* Linux's pit_shutdown() */
	assert_int_equal(b->timer.deadline, UINT64_MAX);
	run(b, SEC);
	assert_int_equal(b->irq.edges, 0);
}

static void tiny_count_makes_no_storm(void **state)
{
	struct board *b = *state;

	load(b, 0x34, CH0, 1);
	run(b, 10 * MSEC);
	assert_in_range(b->irq.edges, 100, 10 * MSEC / PIT_PERIOD_MIN_NS);
}

static void late_timer_skips_what_passed(void **state)
{
	struct board *b = *state;

	load(b, 0x34, CH0, 11932); /* 10 ms */
	b->timer.now += SEC + 5 * MSEC;
	pit_expired(b->pit);
	assert_int_equal(b->irq.edges, 1);
	assert_in_range(b->timer.deadline, b->timer.now,
			b->timer.now + 10 * MSEC);
}

static void early_or_stray_expiry_is_harmless(void **state)
{
	struct board *b = *state;

	pit_expired(b->pit);
	assert_int_equal(b->timer.arms, 0);
	load(b, 0x34, CH0, 11932);
	b->timer.now += MSEC;
	pit_expired(b->pit);
	assert_int_equal(b->irq.edges, 0);
	assert_in_range(b->timer.deadline, b->timer.now + 9 * MSEC,
			b->timer.now + 10 * MSEC);
}

static void counter_counts_down(void **state)
{
	struct board *b = *state;

	load(b, 0x34, CH0, 10000);
	b->timer.now += MSEC; /* 1193 ticks */
	assert_int_equal(read16(b, CH0), 10000 - 1193);
	load(b, 0x36, CH0, 10000);
	b->timer.now += MSEC; /* by two */
	assert_int_equal(read16(b, CH0), 10000 - 2 * 1193);
	load(b, 0x30, CH0, 1000);
	b->timer.now += MSEC; /* through zero */
	assert_int_equal(read16(b, CH0), (1000 - 1193) & 0xffff);
}

static void latched_count_stays_until_read(void **state)
{
	struct board *b = *state;

	load(b, 0x34, CH0, 10000);
	out8(b->bus, CTL, 0x00);
	b->timer.now += MSEC;
	out8(b->bus, CTL, 0x00); /* ignored */
	assert_int_equal(in8(b->bus, CH0), 10000 & 0xff);
	b->timer.now += MSEC;
	assert_int_equal(in8(b->bus, CH0), 10000 >> 8);
	assert_int_equal(read16(b, CH0), 10000 - 2386);
}

static void read_back_latches_status_and_count(void **state)
{
	struct board *b = *state;

	out8(b->bus, CTL, 0xb4);
	out8(b->bus, CTL, 0xe8); /* status of channel 2 */
	assert_int_equal(in8(b->bus, CH2), 0xf4);
	out8(b->bus, P61, 1);
	load(b, 0xb4, CH2, 5000);
	out8(b->bus, CTL, 0xc8); /* both */
	b->timer.now += MSEC;
	assert_int_equal(in8(b->bus, CH2), 0xb4);
	assert_int_equal(read16(b, CH2), 5000);
	/* Channel 0 was not asked. */
	assert_int_equal(in8(b->bus, CH0), 0);
}

static void single_bytes_load_and_read(void **state)
{
	struct board *b = *state;

	out8(b->bus, P61, 1);
	out8(b->bus, CTL, 0x94); /* low byte */
	out8(b->bus, CH2, 0x40);
	assert_int_equal(in8(b->bus, CH2), 0x40);
	out8(b->bus, CTL, 0xa4); /* high byte */
	out8(b->bus, CH2, 0x40);
	assert_int_equal(in8(b->bus, CH2), 0x40);
	b->timer.now += MSEC;
	assert_int_equal(in8(b->bus, CH2), (0x4000 - 1193) >> 8);
}

/* The way Linux measures its TSC: 50 ms on channel 2 in mode 0. */
static void channel_2_calibrates_a_cpu(void **state)
{
	struct board *b = *state;
	uint64_t start = b->timer.now;
	unsigned int loops = 0;

	out8(b->bus, P61, (in8(b->bus, P61) & ~0x02u) | 0x01);
	load(b, 0xb0, CH2, PIT_HZ / 20);
	while (!(in8(b->bus, P61) & 0x20) && loops++ < 100000)
		b->timer.now += 1000;
	assert_in_range(b->timer.now - start, 50 * MSEC - 2000,
			50 * MSEC + 2000);
	assert_int_equal(b->timer.arms, 0);
}

/* quick_pit_calibrate(): the high byte of 65536 steps every 214 us. */
static void channel_2_counter_steps_evenly(void **state)
{
	struct board *b = *state;
	unsigned int i, high, last = 0xff;

	out8(b->bus, P61, 1);
	load(b, 0xb0, CH2, 0xffff);
	for (i = 0; i < 20; i++) {
		in8(b->bus, CH2);
		high = in8(b->bus, CH2);
		assert_in_range(last - high, 0, 1);
		last = high;
		b->timer.now += 256 * SEC / PIT_HZ;
	}
	assert_in_range(last, 0xff - 20, 0xff - 18);
}

static void gate_holds_channel_2(void **state)
{
	struct board *b = *state;

	load(b, 0xb0, CH2, 10000); /* the gate is low */
	b->timer.now += SEC;
	assert_int_equal(read16(b, CH2), 10000);
	out8(b->bus, P61, 1);
	b->timer.now += MSEC;
	out8(b->bus, P61, 0);
	b->timer.now += SEC;
	assert_int_equal(read16(b, CH2), 10000 - 1193);
	out8(b->bus, P61, 1);
	b->timer.now += MSEC;
	assert_in_range(read16(b, CH2), 10000 - 2387, 10000 - 2385);
	assert_false(in8(b->bus, P61) & 0x20);
	b->timer.now += 7 * MSEC;
	assert_true(in8(b->bus, P61) & 0x20);
}

static void gate_edge_starts_a_one_shot(void **state)
{
	struct board *b = *state;

	load(b, 0xb2, CH2, 11932);
	b->timer.now += SEC;
	assert_true(in8(b->bus, P61) & 0x20);
	out8(b->bus, P61, 1);
	assert_false(in8(b->bus, P61) & 0x20);
	b->timer.now += 11 * MSEC;
	assert_true(in8(b->bus, P61) & 0x20);
	out8(b->bus, P61, 0);
	out8(b->bus, P61, 1);
	assert_false(in8(b->bus, P61) & 0x20);
}

static void square_wave_is_high_half_of_the_time(void **state)
{
	struct board *b = *state;

	out8(b->bus, P61, 1);
	load(b, 0xb6, CH2, 11932);
	b->timer.now += 1 * MSEC;
	assert_true(in8(b->bus, P61) & 0x20);
	b->timer.now += 5 * MSEC;
	assert_false(in8(b->bus, P61) & 0x20);
	b->timer.now += 5 * MSEC;
	assert_true(in8(b->bus, P61) & 0x20);
	b->timer.now += 5 * MSEC;
	out8(b->bus, P61, 0); /* low gate: high output */
	assert_true(in8(b->bus, P61) & 0x20);
}

static void refresh_bit_toggles(void **state)
{
	struct board *b = *state;
	unsigned int i, changes = 0;
	uint8_t last = in8(b->bus, P61), now;

	for (i = 0; i < 1000; i++) {
		b->timer.now += 1000;
		now = in8(b->bus, P61);
		changes += (now ^ last) >> 4 & 1;
		last = now;
	}
	assert_in_range(changes, 64, 68);
	out8(b->bus, P61, 0xff);
	assert_int_equal(in8(b->bus, P61) & 0xcf, 0x0f);
}

static void control_port_reads_all_ones(void **state)
{
	struct board *b = *state;

	assert_int_equal(in8(b->bus, CTL), 0xff);
}

static void count_without_control_word_is_ignored(void **state)
{
	struct board *b = *state;

	out8(b->bus, CH0, 1);
	out8(b->bus, CH0, 1);
	assert_int_equal(b->timer.arms, 0);
}

static void any_access_is_harmless(void **state)
{
	struct board *b = *state;

	chips_hammer(b->bus, CH0 - 1, 6);
	chips_hammer(b->bus, P61, 1);
	run(b, MSEC);
	load(b, 0x30, CH0, 1193);
	b->irq.edges = 0;
	run(b, 2 * MSEC);
	assert_int_equal(b->irq.edges, 1);
}

static void second_timer_on_the_bus_is_refused(void **state)
{
	struct board *b = *state;
	struct pit_params p = { .irq = &b->irq.line, .arm = fake_timer_arm };
	struct pit *t;

	assert_int_equal(pit_create(&t, b->bus, &p), -EEXIST);
	assert_null(t);
	pit_destroy(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	T(nothing_is_armed_until_a_count_is_written),
	T(rate_generator_ticks_at_its_rate),
	T(square_wave_ticks_at_its_rate),
	T(terminal_count_interrupts_once),
	T(soft_strobe_interrupts_for_each_count),
	T(control_word_stops_the_timer),
	T(tiny_count_makes_no_storm),
	T(late_timer_skips_what_passed),
	T(early_or_stray_expiry_is_harmless),
	T(counter_counts_down),
	T(latched_count_stays_until_read),
	T(read_back_latches_status_and_count),
	T(single_bytes_load_and_read),
	T(channel_2_calibrates_a_cpu),
	T(channel_2_counter_steps_evenly),
	T(gate_holds_channel_2),
	T(gate_edge_starts_a_one_shot),
	T(square_wave_is_high_half_of_the_time),
	T(refresh_bit_toggles),
	T(control_port_reads_all_ones),
	T(count_without_control_word_is_ignored),
	T(any_access_is_harmless),
	T(second_timer_on_the_bus_is_refused),
};

UNIT_MAIN(tests)
