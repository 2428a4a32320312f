// SPDX-License-Identifier: MIT
/*
 * test_lapic_timer.c - the local APIC's timer in its three modes.
 */
#include "tests/unit/lapic_rig.h"

#define VECTOR 0xec

/* The shortest period, whatever the guest asks for */
#define PERIOD_MIN 200000u

static struct rig *timer_rig(uint32_t mode)
{
	struct rig *r = rig_create_enabled();

	wr(r, 0, R_DIVIDE, DIV_1);
	wr(r, 0, R_TIMER, mode | VECTOR);
	return r;
}

/* 1 if the timer's interrupt came, which is then served */
static int fired(struct rig *r)
{
	if (rig_pending(r, 0) != VECTOR)
		return 0;
	assert_int_equal(rig_ack(r, 0), VECTOR);
	wr(r, 0, R_EOI, 0);
	return 1;
}

static uint64_t next(struct rig *r)
{
	return lapic_next_deadline(r->cpu[0].l);
}

static void one_shot_fires_once_at_zero(void **state)
{
	struct rig *r = timer_rig(0);

	(void)state;
	wr(r, 0, R_INITIAL, 5000);
	assert_int_equal(next(r), r->ns + 5000);
	assert_int_equal(r->cpu[0].armed, r->ns + 5000);
	rig_advance(r, 4999);
	assert_int_equal(fired(r), 0);
	assert_int_equal(rd(r, 0, R_CURRENT), 1);
	rig_advance(r, 1);
	assert_int_equal(fired(r), 1);
	assert_int_equal(rd(r, 0, R_CURRENT), 0);
	assert_int_equal(rd(r, 0, R_INITIAL), 5000);
	assert_true(next(r) == LAPIC_NEVER);
	assert_true(r->cpu[0].armed == LAPIC_NEVER);
	rig_advance(r, 1000000);
	assert_int_equal(fired(r), 0);
	rig_destroy(r);
}

static void current_count_runs_down(void **state)
{
	struct rig *r = timer_rig(0);

	(void)state;
	wr(r, 0, R_INITIAL, 1000);
	assert_int_equal(rd(r, 0, R_CURRENT), 1000);
	rig_advance(r, 400);
	assert_int_equal(rd(r, 0, R_CURRENT), 600);
	wr(r, 0, R_INITIAL, 0);
	assert_int_equal(rd(r, 0, R_CURRENT), 0);
	assert_true(next(r) == LAPIC_NEVER);
	rig_advance(r, 10000);
	assert_int_equal(fired(r), 0);
	rig_destroy(r);
}

static void divide_register_has_eight_rates(void **state)
{
	static const struct {
		uint32_t reg, by;
	} rates[] = { { 0, 2 },	 { 1, 4 },  { 2, 8 },	 { 3, 16 },
		      { 8, 32 }, { 9, 64 }, { 10, 128 }, { 11, 1 } };
	struct rig *r = timer_rig(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		wr(r, 0, R_DIVIDE, rates[i].reg);
		wr(r, 0, R_INITIAL, 1000);
		assert_int_equal(next(r), r->ns + 1000 * rates[i].by);
	}
	wr(r, 0, R_DIVIDE, 10);
	wr(r, 0, R_INITIAL, 0xffffffff);
	assert_int_equal(next(r), r->ns + 0xffffffffull * 128);
	assert_int_equal(rd(r, 0, R_CURRENT), 0xffffffff);
	rig_destroy(r);
}

static void new_divisor_rules_what_is_left(void **state)
{
	struct rig *r = timer_rig(0);

	(void)state;
	wr(r, 0, R_INITIAL, 1000);
	rig_advance(r, 600);
	wr(r, 0, R_DIVIDE, 3);
	assert_int_equal(rd(r, 0, R_CURRENT), 400);
	assert_int_equal(r->cpu[0].armed, r->ns + 400 * 16);
	rig_destroy(r);
}

static void periodic_fires_each_period(void **state)
{
	struct rig *r = timer_rig(PERIODIC);

	(void)state;
	wr(r, 0, R_INITIAL, 1000000);
	for (int i = 0; i < 10; i++) {
		rig_advance(r, 999999);
		assert_int_equal(fired(r), 0);
		assert_int_equal(rd(r, 0, R_CURRENT), 1);
		rig_advance(r, 1);
		assert_int_equal(fired(r), 1);
		assert_int_equal(rd(r, 0, R_CURRENT), 1000000);
	}
	rig_destroy(r);
}

static void late_periods_are_one_interrupt_and_keep_their_phase(void **state)
{
	struct rig *r = timer_rig(PERIODIC);
	uint64_t start = r->ns;

	(void)state;
	wr(r, 0, R_INITIAL, 1000000);
	rig_advance(r, 57300000);
	assert_int_equal(fired(r), 1);
	assert_int_equal(fired(r), 0);
	assert_int_equal(next(r), start + 58000000);
	assert_int_equal(rd(r, 0, R_CURRENT), 700000);
	rig_destroy(r);
}

static void hostile_period_is_no_storm(void **state)
{
	struct rig *r = timer_rig(PERIODIC);
	unsigned int arms = r->cpu[0].arms;
	int count = 0;

	(void)state;
	wr(r, 0, R_INITIAL, 1);
	assert_int_equal(next(r), r->ns + PERIOD_MIN);
	for (int i = 0; i < 10000; i++) {
		rig_advance(r, 1000);
		lapic_run_timer(r->cpu[0].l);
		count += fired(r);
	}
	/* 10 ms: at most one a shortest period */
	assert_int_equal(count, 10000000 / PERIOD_MIN);
	assert_int_equal(r->cpu[0].arms - arms, count + 1);
	assert_int_equal(rd(r, 0, R_CURRENT), 1);
	rig_destroy(r);
}

static void masked_timer_runs_unseen(void **state)
{
	struct rig *r = timer_rig(PERIODIC | MASKED);

	(void)state;
	wr(r, 0, R_INITIAL, 1000000);
	assert_true(next(r) == LAPIC_NEVER);
	assert_true(r->cpu[0].armed == LAPIC_NEVER);
	rig_advance(r, 2300000);
	assert_int_equal(rd(r, 0, R_CURRENT), 700000);
	wr(r, 0, R_TIMER, PERIODIC | VECTOR);
	assert_int_equal(fired(r), 0);
	assert_int_equal(r->cpu[0].armed, r->ns + 700000);
	rig_advance(r, 700000);
	assert_int_equal(fired(r), 1);
	rig_destroy(r);
}

static void count_goes_on_between_one_shot_and_periodic(void **state)
{
	struct rig *r = timer_rig(0);

	(void)state;
	wr(r, 0, R_INITIAL, 1000000);
	rig_advance(r, 600000);
	wr(r, 0, R_TIMER, PERIODIC | VECTOR);
	assert_int_equal(rd(r, 0, R_CURRENT), 400000);
	rig_advance(r, 400000);
	assert_int_equal(fired(r), 1);
	assert_int_equal(rd(r, 0, R_CURRENT), 1000000);
	wr(r, 0, R_TIMER, VECTOR);
	rig_advance(r, 1000000);
	assert_int_equal(fired(r), 1);
	assert_true(next(r) == LAPIC_NEVER);
	rig_destroy(r);
}

static void expired_one_shot_starts_again_as_periodic(void **state)
{
	struct rig *r = timer_rig(0);

	(void)state;
	wr(r, 0, R_INITIAL, 1000000);
	rig_advance(r, 1500000);
	assert_int_equal(fired(r), 1);
	wr(r, 0, R_TIMER, PERIODIC | VECTOR);
	assert_int_equal(rd(r, 0, R_CURRENT), 1000000);
	assert_int_equal(r->cpu[0].armed, r->ns + 1000000);
	rig_destroy(r);
}

static void expired_timer_is_delivered_before_it_changes(void **state)
{
	struct rig *r = timer_rig(0);

	(void)state;
	wr(r, 0, R_INITIAL, 1000);
	r->ns += 2000; /* and nobody called lapic_run_timer() */
	wr(r, 0, R_TIMER, MASKED);
	assert_int_equal(fired(r), 1);

	wr(r, 0, R_TIMER, VECTOR);
	wr(r, 0, R_INITIAL, 1000);
	r->ns += 2000;
	wr(r, 0, R_INITIAL, 5000);
	assert_int_equal(fired(r), 1);
	assert_int_equal(next(r), r->ns + 5000);
	rig_destroy(r);
}

static void reserved_mode_counts_nothing(void **state)
{
	struct rig *r = timer_rig(0x60000);

	(void)state;
	wr(r, 0, R_INITIAL, 1000);
	lapic_set_tsc_deadline(r->cpu[0].l, 1);
	assert_int_equal(rd(r, 0, R_CURRENT), 0);
	rig_advance(r, 1000000);
	assert_int_equal(fired(r), 0);
	assert_true(next(r) == LAPIC_NEVER);
	rig_destroy(r);
}

static void illegal_timer_vector_is_an_error(void **state)
{
	struct rig *r = timer_rig(0);

	(void)state;
	wr(r, 0, R_TIMER, 0x0f);
	wr(r, 0, R_INITIAL, 1000);
	rig_advance(r, 1000);
	assert_int_equal(rig_pending(r, 0), -1);
	assert_int_equal(rig_errors(r, 0), 0x40);
	rig_destroy(r);
}

/* --- TSC deadline: the rig's TSC has two ticks a nanosecond --- */

static uint64_t tsc(struct rig *r)
{
	return rig_tsc(&r->cpu[0].owner);
}

static void deadline_fires_when_the_tsc_is_there(void **state)
{
	struct rig *r = timer_rig(DEADLINE);
	struct lapic *l = r->cpu[0].l;
	uint64_t at = tsc(r) + 10001;

	(void)state;
	lapic_set_tsc_deadline(l, at);
	assert_int_equal(lapic_get_tsc_deadline(l), at);
	assert_int_equal(r->cpu[0].armed, r->ns + 5001);
	rig_advance(r, 5000);
	assert_int_equal(fired(r), 0);
	rig_advance(r, 1);
	assert_int_equal(fired(r), 1);
	assert_int_equal(lapic_get_tsc_deadline(l), 0);
	assert_true(next(r) == LAPIC_NEVER);
	rig_destroy(r);
}

static void deadline_in_the_past_fires_at_once(void **state)
{
	struct rig *r = timer_rig(DEADLINE);

	(void)state;
	lapic_set_tsc_deadline(r->cpu[0].l, 1);
	assert_int_equal(fired(r), 1);
	lapic_set_tsc_deadline(r->cpu[0].l, tsc(r));
	assert_int_equal(fired(r), 1);
	assert_int_equal(fired(r), 0);
	assert_int_equal(lapic_get_tsc_deadline(r->cpu[0].l), 0);
	rig_destroy(r);
}

static void deadline_zero_disarms(void **state)
{
	struct rig *r = timer_rig(DEADLINE);

	(void)state;
	lapic_set_tsc_deadline(r->cpu[0].l, tsc(r) + 1000);
	lapic_set_tsc_deadline(r->cpu[0].l, 0);
	assert_true(r->cpu[0].armed == LAPIC_NEVER);
	rig_advance(r, 10000);
	assert_int_equal(fired(r), 0);
	rig_destroy(r);
}

static void deadline_far_away_does_not_wrap(void **state)
{
	struct rig *r = timer_rig(DEADLINE);

	(void)state;
	lapic_set_tsc_deadline(r->cpu[0].l, UINT64_MAX);
	assert_int_equal(fired(r), 0);
	assert_true(next(r) > r->ns + (1ull << 62));
	rig_advance(r, 1ull << 40);
	assert_int_equal(fired(r), 0);
	assert_true(lapic_get_tsc_deadline(r->cpu[0].l) == UINT64_MAX);
	rig_destroy(r);
}

static void deadline_is_ignored_in_the_other_modes(void **state)
{
	struct rig *r = timer_rig(PERIODIC);

	(void)state;
	lapic_set_tsc_deadline(r->cpu[0].l, 1);
	assert_int_equal(lapic_get_tsc_deadline(r->cpu[0].l), 0);
	assert_int_equal(fired(r), 0);
	wr(r, 0, R_TIMER, DEADLINE | VECTOR);
	wr(r, 0, R_INITIAL, 1000);
	assert_int_equal(rd(r, 0, R_INITIAL), 0);
	assert_int_equal(rd(r, 0, R_CURRENT), 0);
	assert_true(next(r) == LAPIC_NEVER);
	rig_destroy(r);
}

static void change_of_mode_disarms_the_deadline(void **state)
{
	struct rig *r = timer_rig(DEADLINE);

	(void)state;
	lapic_set_tsc_deadline(r->cpu[0].l, tsc(r) + 1000);
	wr(r, 0, R_TIMER, VECTOR);
	assert_true(r->cpu[0].armed == LAPIC_NEVER);
	wr(r, 0, R_TIMER, DEADLINE | VECTOR);
	assert_int_equal(lapic_get_tsc_deadline(r->cpu[0].l), 0);
	rig_advance(r, 10000);
	assert_int_equal(fired(r), 0);

	wr(r, 0, R_TIMER, VECTOR);
	wr(r, 0, R_INITIAL, 1000);
	wr(r, 0, R_TIMER, DEADLINE | VECTOR);
	assert_true(next(r) == LAPIC_NEVER);
	rig_destroy(r);
}

static void deadline_that_passes_masked_is_gone(void **state)
{
	struct rig *r = timer_rig(DEADLINE | MASKED);

	(void)state;
	lapic_set_tsc_deadline(r->cpu[0].l, tsc(r) + 1000);
	assert_true(next(r) == LAPIC_NEVER);
	rig_advance(r, 10000);
	wr(r, 0, R_TIMER, DEADLINE | VECTOR);
	assert_int_equal(fired(r), 0);
	assert_int_equal(lapic_get_tsc_deadline(r->cpu[0].l), 0);
	rig_destroy(r);
}

static void guest_that_moves_its_tsc_moves_the_deadline(void **state)
{
	struct rig *r = timer_rig(DEADLINE);

	(void)state;
	lapic_set_tsc_deadline(r->cpu[0].l, tsc(r) + 10000);
	r->tsc_offset += 4000;
	lapic_tsc_changed(r->cpu[0].l);
	assert_int_equal(r->cpu[0].armed, r->ns + 3000);
	r->tsc_offset += 6000;
	lapic_tsc_changed(r->cpu[0].l);
	assert_int_equal(fired(r), 1);
	rig_destroy(r);
}

static void early_wake_up_waits_for_the_tsc(void **state)
{
	struct rig *r = timer_rig(DEADLINE);

	(void)state;
	lapic_set_tsc_deadline(r->cpu[0].l, tsc(r) + 10000);
	/* The clocks drift: the estimate was 500 ns too early. */
	r->tsc_offset -= 1000;
	rig_advance(r, 5000);
	assert_int_equal(fired(r), 0);
	assert_int_equal(r->cpu[0].armed, r->ns + 500);
	rig_advance(r, 500);
	assert_int_equal(fired(r), 1);
	rig_destroy(r);
}

static void spurious_calls_do_nothing(void **state)
{
	struct rig *r = timer_rig(DEADLINE);
	unsigned int arms;

	(void)state;
	lapic_run_timer(r->cpu[0].l);
	lapic_tsc_changed(r->cpu[0].l);
	lapic_set_tsc_deadline(r->cpu[0].l, tsc(r) + 10000);
	arms = r->cpu[0].arms;
	for (int i = 0; i < 100; i++) {
		r->ns++;
		r->tsc_offset--; /* clocks drift: no reason to arm */
		lapic_run_timer(r->cpu[0].l);
	}
	assert_int_equal(r->cpu[0].arms, arms);
	assert_int_equal(fired(r), 0);
	rig_destroy(r);
}

static void reset_stops_the_timer(void **state)
{
	struct rig *r = timer_rig(PERIODIC);

	(void)state;
	wr(r, 0, R_INITIAL, 1000000);
	lapic_reset(r->cpu[0].l, LAPIC_INIT);
	assert_true(r->cpu[0].armed == LAPIC_NEVER);
	assert_true(next(r) == LAPIC_NEVER);
	assert_int_equal(rd(r, 0, R_CURRENT), 0);
	rig_destroy(r);
}

static void software_disable_masks_the_timer(void **state)
{
	struct rig *r = timer_rig(PERIODIC);

	(void)state;
	wr(r, 0, R_INITIAL, 1000000);
	wr(r, 0, R_SVR, 0xff);
	assert_true(r->cpu[0].armed == LAPIC_NEVER);
	rig_advance(r, 10000000);
	assert_int_equal(fired(r), 0);
	rig_destroy(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(one_shot_fires_once_at_zero),
	cmocka_unit_test(current_count_runs_down),
	cmocka_unit_test(divide_register_has_eight_rates),
	cmocka_unit_test(new_divisor_rules_what_is_left),
	cmocka_unit_test(periodic_fires_each_period),
	cmocka_unit_test(late_periods_are_one_interrupt_and_keep_their_phase),
	cmocka_unit_test(hostile_period_is_no_storm),
	cmocka_unit_test(masked_timer_runs_unseen),
	cmocka_unit_test(count_goes_on_between_one_shot_and_periodic),
	cmocka_unit_test(expired_one_shot_starts_again_as_periodic),
	cmocka_unit_test(expired_timer_is_delivered_before_it_changes),
	cmocka_unit_test(reserved_mode_counts_nothing),
	cmocka_unit_test(illegal_timer_vector_is_an_error),
	cmocka_unit_test(deadline_fires_when_the_tsc_is_there),
	cmocka_unit_test(deadline_in_the_past_fires_at_once),
	cmocka_unit_test(deadline_zero_disarms),
	cmocka_unit_test(deadline_far_away_does_not_wrap),
	cmocka_unit_test(deadline_is_ignored_in_the_other_modes),
	cmocka_unit_test(change_of_mode_disarms_the_deadline),
	cmocka_unit_test(deadline_that_passes_masked_is_gone),
	cmocka_unit_test(guest_that_moves_its_tsc_moves_the_deadline),
	cmocka_unit_test(early_wake_up_waits_for_the_tsc),
	cmocka_unit_test(spurious_calls_do_nothing),
	cmocka_unit_test(reset_stops_the_timer),
	cmocka_unit_test(software_disable_masks_the_timer),
};

UNIT_MAIN(tests)
