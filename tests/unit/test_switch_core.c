// SPDX-License-Identifier: MIT
/*
 * test_switch_core.c - what the switch does with a frame: who learns what,
 * who gets it, and what is refused. Time is a number.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "tests/unit/unit.h"
#include "virtio/switch/core.h"
#include "virtio/switch/table.h"

#define BROADCAST 0xffffffffffffull
#define A	  0x525400000001ull
#define B	  0x525400000002ull
#define C	  0x525400000003ull

struct rig {
	struct switch_core *core;
	uint64_t now;
	unsigned int to;
};

static void put_address(uint8_t *at, uint64_t mac)
{
	for (int i = 0; i < 6; i++)
		at[i] = (uint8_t)(mac >> (40 - 8 * i));
}

static enum switch_verdict frame(struct rig *r, unsigned int in, uint64_t from,
				 uint64_t to)
{
	uint8_t h[SWITCH_HEADER_LEN] = { 0 };

	put_address(h, to);
	put_address(h + 6, from);
	h[12] = 8;
	r->to = 999;
	return switch_core_judge(r->core, in, h, 60, r->now, &r->to);
}

static void start(struct rig *r, struct switch_core_params p, int ports)
{
	r->now = 1000000;
	assert_int_equal(switch_core_create(&r->core, &p), 0);
	assert_int_equal(switch_core_add_port(r->core, true), SWITCH_UPLINK);
	for (int i = 1; i <= ports; i++)
		assert_int_equal(switch_core_add_port(r->core, false), i);
}

static const struct switch_core_params plain = { .age_s = 300, .key = 7 };

static void an_unknown_address_is_flooded_to_all_but_its_sender(void **state)
{
	struct rig r;

	(void)state;
	start(&r, plain, 3);
	assert_int_equal(frame(&r, 1, A, B), SWITCH_FLOOD);
	assert_false(switch_core_floods_to(r.core, 1, 1));
	assert_true(switch_core_floods_to(r.core, 1, 0));
	assert_true(switch_core_floods_to(r.core, 1, 2));
	assert_true(switch_core_floods_to(r.core, 1, 3));
	assert_false(switch_core_floods_to(r.core, 1, 4)); /* there is none */
	switch_core_destroy(r.core);
}

static void a_learnt_address_gets_its_frames_alone(void **state)
{
	struct rig r;

	(void)state;
	start(&r, plain, 3);
	frame(&r, 2, B, BROADCAST);
	assert_int_equal(frame(&r, 1, A, B), SWITCH_ONE);
	assert_int_equal(r.to, 2);
	assert_int_equal(frame(&r, 0, C, A), SWITCH_ONE);
	assert_int_equal(r.to, 1);
	assert_int_equal(switch_core_macs(r.core, 1), 1);
	assert_int_equal(switch_core_macs(r.core, 0), 1);
	switch_core_destroy(r.core);
}

static void an_address_moves_to_where_it_was_last_seen(void **state)
{
	struct rig r;

	(void)state;
	start(&r, plain, 3);
	frame(&r, 2, B, BROADCAST);
	frame(&r, 3, B, BROADCAST);
	assert_int_equal(frame(&r, 1, A, B), SWITCH_ONE);
	assert_int_equal(r.to, 3);
	assert_int_equal(switch_core_macs(r.core, 2), 0);
	assert_int_equal(switch_core_macs(r.core, 3), 1);
	switch_core_destroy(r.core);
}

static void an_address_ages_unless_it_is_heard_of(void **state)
{
	struct rig r;

	(void)state;
	start(&r, plain, 2);
	frame(&r, 2, B, BROADCAST);
	r.now += 299 * 1000;
	assert_int_equal(frame(&r, 1, A, B), SWITCH_ONE);
	r.now += 2 * 1000;
	assert_int_equal(frame(&r, 1, A, B), SWITCH_FLOOD);
	assert_int_equal(frame(&r, 2, B, A), SWITCH_ONE); /* again, and B too */
	assert_int_equal(frame(&r, 1, A, B), SWITCH_ONE);
	switch_core_destroy(r.core);
}

static void what_has_aged_is_freed(void **state)
{
	struct rig r;

	(void)state;
	start(&r, plain, 2);
	frame(&r, 1, A, BROADCAST);
	r.now += 200 * 1000;
	frame(&r, 2, B, BROADCAST);
	r.now += 150 * 1000;
	switch_core_expire(r.core, r.now);
	assert_int_equal(switch_core_macs(r.core, 1), 0);
	assert_int_equal(switch_core_macs(r.core, 2), 1);
	switch_core_destroy(r.core);
}

static void a_port_that_goes_takes_its_addresses_along(void **state)
{
	struct rig r;

	(void)state;
	start(&r, plain, 2);
	frame(&r, 2, B, BROADCAST);
	switch_core_del_port(r.core, 2);
	assert_int_equal(frame(&r, 1, A, B), SWITCH_FLOOD);
	assert_false(switch_core_floods_to(r.core, 1, 2));
	assert_int_equal(switch_core_add_port(r.core, false), 2);
	assert_int_equal(switch_core_counters(r.core, 2)->rx_frames, 0);
	switch_core_destroy(r.core);
}

static void a_frame_does_not_go_back_where_it_came_from(void **state)
{
	struct rig r;

	(void)state;
	start(&r, plain, 2);
	frame(&r, 1, A, BROADCAST);
	assert_int_equal(frame(&r, 1, B, A), SWITCH_DROP);
	assert_int_equal(switch_core_counters(r.core, 1)->refused, 1);
	switch_core_destroy(r.core);
}

static void frames_that_are_none_are_refused_and_teach_nothing(void **state)
{
	struct rig r;

	(void)state;
	start(&r, plain, 2);
	assert_int_equal(frame(&r, 1, BROADCAST, B), SWITCH_DROP);
	assert_int_equal(frame(&r, 1, 0x01005e000001ull, B), SWITCH_DROP);
	assert_int_equal(frame(&r, 1, 0, B), SWITCH_DROP);
	assert_int_equal(frame(&r, 1, A, 0x0180c2000000ull), SWITCH_DROP);
	assert_int_equal(frame(&r, 1, A, 0x0180c200000eull), SWITCH_DROP);
	assert_int_equal(switch_core_counters(r.core, 1)->refused, 5);
	assert_int_equal(switch_core_macs(r.core, 1), 0);
	assert_int_equal(frame(&r, 1, A, 0x0180c2000010ull), SWITCH_FLOOD);
	switch_core_destroy(r.core);
}

static int floods_of(struct rig *r, unsigned int in, uint64_t from, int n)
{
	int flooded = 0;

	while (n--)
		flooded += frame(r, in, from, BROADCAST) == SWITCH_FLOOD;
	return flooded;
}

static void a_port_floods_up_to_its_limit_only(void **state)
{
	struct switch_core_params p = plain;
	struct rig r;

	(void)state;
	p.flood_rate = 100;
	start(&r, p, 2);
	assert_int_equal(floods_of(&r, 1, A, 500), 100);
	assert_int_equal(switch_core_counters(r.core, 1)->flood_drops, 400);
	/* Others have a limit of their own, and known addresses none. */
	assert_int_equal(floods_of(&r, 2, B, 500), 100);
	assert_int_equal(frame(&r, 1, A, B), SWITCH_ONE);
	r.now += 250;
	assert_int_equal(floods_of(&r, 1, A, 500), 25);
	r.now += 3600 * 1000;
	assert_int_equal(floods_of(&r, 1, A, 500), 100);
	switch_core_destroy(r.core);
}

static void slow_floods_add_up_to_the_limit(void **state)
{
	struct switch_core_params p = plain;
	struct rig r;
	int n = 0;

	(void)state;
	p.flood_rate = 10;
	start(&r, p, 2);
	floods_of(&r, 1, A, 10);
	for (int ms = 0; ms < 10000; ms++) {
		r.now++;
		n += floods_of(&r, 1, A, 1);
	}
	assert_int_equal(n, 100);
	switch_core_destroy(r.core);
}

static void no_limit_is_no_limit(void **state)
{
	struct rig r;

	(void)state;
	start(&r, plain, 2);
	assert_int_equal(floods_of(&r, 1, A, 100000), 100000);
	switch_core_destroy(r.core);
}

static const struct switch_core_params isolated = {
	.age_s = 300,
	.isolate = true,
};

static void isolated_ports_reach_the_uplink_only(void **state)
{
	struct rig r;

	(void)state;
	start(&r, isolated, 3);
	assert_int_equal(frame(&r, 1, A, BROADCAST), SWITCH_FLOOD);
	assert_true(switch_core_floods_to(r.core, 1, SWITCH_UPLINK));
	assert_false(switch_core_floods_to(r.core, 1, 2));
	assert_int_equal(frame(&r, 2, B, A), SWITCH_DROP);
	assert_int_equal(switch_core_counters(r.core, 2)->refused, 1);
	assert_int_equal(frame(&r, SWITCH_UPLINK, C, A), SWITCH_ONE);
	assert_int_equal(r.to, 1);
	assert_true(switch_core_floods_to(r.core, SWITCH_UPLINK, 2));
	assert_int_equal(frame(&r, 2, B, C), SWITCH_ONE);
	assert_int_equal(r.to, SWITCH_UPLINK);
	switch_core_destroy(r.core);
}

static void an_isolated_port_cannot_take_an_address_of_others(void **state)
{
	struct rig r;

	(void)state;
	start(&r, isolated, 3);
	frame(&r, SWITCH_UPLINK, C, BROADCAST);
	frame(&r, 2, B, BROADCAST);
	frame(&r, 1, C, BROADCAST);
	frame(&r, 1, B, BROADCAST);
	assert_int_equal(switch_core_counters(r.core, 1)->unlearnt, 2);
	assert_int_equal(frame(&r, 2, B, C), SWITCH_ONE);
	assert_int_equal(r.to, SWITCH_UPLINK);
	assert_int_equal(frame(&r, SWITCH_UPLINK, C, B), SWITCH_ONE);
	assert_int_equal(r.to, 2);
	/* Once it has aged, and to the uplink at any time. */
	r.now += 301 * 1000;
	frame(&r, 1, B, BROADCAST);
	assert_int_equal(frame(&r, SWITCH_UPLINK, C, B), SWITCH_ONE);
	assert_int_equal(r.to, 1);
	frame(&r, SWITCH_UPLINK, B, BROADCAST);
	assert_int_equal(frame(&r, 1, A, B), SWITCH_ONE);
	assert_int_equal(r.to, SWITCH_UPLINK);
	switch_core_destroy(r.core);
}

static void a_flood_of_addresses_stays_within_its_ports_quota(void **state)
{
	struct rig r;

	(void)state;
	start(&r, plain, 3);
	frame(&r, 2, B, BROADCAST);
	for (uint64_t i = 0; i < 100000; i++)
		frame(&r, 1, 0x020000000000ull + i * 2654435761u % (1ull << 40),
		      BROADCAST);
	assert_int_equal(switch_core_macs(r.core, 1), SWITCH_QUOTA);
	assert_true(switch_core_counters(r.core, 1)->unlearnt > 90000);
	/* The others are as well off as before. */
	frame(&r, 3, C, BROADCAST);
	assert_int_equal(frame(&r, 3, C, B), SWITCH_ONE);
	assert_int_equal(r.to, 2);
	assert_int_equal(frame(&r, 2, B, C), SWITCH_ONE);
	switch_core_destroy(r.core);
}

static void a_port_at_its_quota_takes_no_address_from_others(void **state)
{
	struct rig r;

	(void)state;
	start(&r, plain, 2);
	frame(&r, 2, B, BROADCAST);
	for (uint64_t i = 0; i < SWITCH_QUOTA; i++)
		frame(&r, 1, 0x020000000000ull + i, BROADCAST);
	frame(&r, 1, B, BROADCAST);
	assert_int_equal(switch_core_macs(r.core, 1), SWITCH_QUOTA);
	assert_int_equal(switch_core_macs(r.core, 2), 1);
	switch_core_destroy(r.core);
}

static void there_is_room_for_every_port_and_no_more(void **state)
{
	struct rig r;

	(void)state;
	start(&r, plain, SWITCH_PORTS_MAX - 1);
	assert_int_equal(switch_core_add_port(r.core, false), -ENOSPC);
	assert_int_equal(switch_core_add_port(r.core, true), -ENOSPC);
	/* All of them at their quota: nobody is turned away. */
	for (unsigned int p = 0; p < SWITCH_PORTS_MAX; p++) {
		uint64_t n = p ? SWITCH_QUOTA : SWITCH_QUOTA_UP;

		for (uint64_t i = 0; i < n; i++)
			frame(&r, p, 0x020000000000ull + p * 65536ull + i,
			      BROADCAST);
		assert_int_equal(switch_core_macs(r.core, p), n);
		assert_int_equal(switch_core_counters(r.core, p)->unlearnt, 0);
	}
	switch_core_del_port(r.core, 9);
	assert_int_equal(switch_core_macs(r.core, 9), 0);
	assert_int_equal(switch_core_add_port(r.core, false), 9);
	switch_core_destroy(r.core);
}

static void frames_and_bytes_are_counted(void **state)
{
	const struct switch_counters *c;
	struct rig r;

	(void)state;
	start(&r, plain, 2);
	frame(&r, 1, A, BROADCAST);
	frame(&r, 1, A, BROADCAST);
	switch_core_count_tx(r.core, 1, 1, 1500);
	switch_core_count_drop(r.core, 1, 1);
	c = switch_core_counters(r.core, 1);
	assert_int_equal(c->rx_frames, 2);
	assert_int_equal(c->rx_bytes, 120);
	assert_int_equal(c->tx_frames, 1);
	assert_int_equal(c->tx_bytes, 1500);
	assert_int_equal(c->drops, 1);
	switch_core_destroy(r.core);
}

static void a_full_table_learns_nothing_and_keeps_what_it_has(void **state)
{
	struct switch_table *t;

	(void)state;
	assert_int_equal(switch_table_create(&t, 3, 2, 1000, 0), 0);
	assert_int_equal(switch_table_learn(t, A, 0, 9, false, 0), 0);
	assert_int_equal(switch_table_learn(t, B, 1, 9, false, 0), 0);
	assert_int_equal(switch_table_learn(t, C, 1, 9, false, 0), 0);
	assert_int_equal(switch_table_learn(t, 4, 0, 9, false, 0), -ENOSPC);
	assert_int_equal(switch_table_learn(t, A, 1, 9, false, 0), 0);
	assert_int_equal(switch_table_lookup(t, A, 0), 1);
	assert_int_equal(switch_table_lookup(t, 4, 0), -ENOENT);
	switch_table_expire(t, 2000);
	assert_int_equal(switch_table_count(t, 1), 0);
	assert_int_equal(switch_table_learn(t, 4, 0, 9, false, 2000), 0);
	switch_table_destroy(t);
	switch_table_destroy(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_unknown_address_is_flooded_to_all_but_its_sender),
		cmocka_unit_test(a_learnt_address_gets_its_frames_alone),
		cmocka_unit_test(an_address_moves_to_where_it_was_last_seen),
		cmocka_unit_test(an_address_ages_unless_it_is_heard_of),
		cmocka_unit_test(what_has_aged_is_freed),
		cmocka_unit_test(a_port_that_goes_takes_its_addresses_along),
		cmocka_unit_test(a_frame_does_not_go_back_where_it_came_from),
		cmocka_unit_test(
			frames_that_are_none_are_refused_and_teach_nothing),
		cmocka_unit_test(a_port_floods_up_to_its_limit_only),
		cmocka_unit_test(slow_floods_add_up_to_the_limit),
		cmocka_unit_test(no_limit_is_no_limit),
		cmocka_unit_test(isolated_ports_reach_the_uplink_only),
		cmocka_unit_test(
			an_isolated_port_cannot_take_an_address_of_others),
		cmocka_unit_test(
			a_flood_of_addresses_stays_within_its_ports_quota),
		cmocka_unit_test(
			a_port_at_its_quota_takes_no_address_from_others),
		cmocka_unit_test(there_is_room_for_every_port_and_no_more),
		cmocka_unit_test(frames_and_bytes_are_counted),
		cmocka_unit_test(
			a_full_table_learns_nothing_and_keeps_what_it_has),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
