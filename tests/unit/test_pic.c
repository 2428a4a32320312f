// SPDX-License-Identifier: MIT
/*
 * test_pic.c - the pair of 8259As: programming, priorities, cascade, EOI.
 */
#include "tests/unit/chips.h"

#include <errno.h>

#include "memory/layout_x86.h"
#include "vcpu/irqchip/pic.h"

#define M LAYOUT_PORT_PIC0
#define S LAYOUT_PORT_PIC1

struct board {
	struct irq_sink sink;
	struct bus *bus;
	struct pic *pic;
	bool intr;
	unsigned int changes;
};

static void sink_extint(struct irq_sink *s, bool asserted)
{
	struct board *b = container_of(s, struct board, sink);

	if (asserted != b->intr)
		b->changes++;
	b->intr = asserted;
}

static const struct irq_sink_ops ops = { .extint = sink_extint };

/* As Linux's init_8259A(), then everything unmasked. */
static void init_linux(struct bus *b, unsigned int icw4)
{
	out8(b, M + 1, 0xff);
	out8(b, M, 0x11);
	out8(b, M + 1, 0x30);
	out8(b, M + 1, 0x04);
	out8(b, M + 1, icw4);
	out8(b, S, 0x11);
	out8(b, S + 1, 0x38);
	out8(b, S + 1, 0x02);
	out8(b, S + 1, icw4);
	out8(b, S + 1, 0);
	out8(b, M + 1, 0);
}

static int setup(void **state)
{
	struct board *b = test_calloc(1, sizeof(*b));

	b->sink.ops = &ops;
	b->bus = chips_bus();
	assert_int_equal(pic_create(&b->pic, b->bus), 0);
	pic_connect(b->pic, &b->sink);
	*state = b;
	return 0;
}

static int setup_ready(void **state)
{
	struct board *b;

	setup(state);
	b = *state;
	init_linux(b->bus, 0x01);
	return 0;
}

static int teardown(void **state)
{
	struct board *b = *state;

	pic_destroy(b->pic);
	bus_destroy(b->bus);
	test_free(b);
	return 0;
}

static void pulse(struct board *b, unsigned int irq)
{
	pic_set_input(b->pic, irq, true);
	pic_set_input(b->pic, irq, false);
}

static void everything_is_masked_at_power_on(void **state)
{
	struct board *b = *state;
	unsigned int i;

	assert_int_equal(in8(b->bus, M + 1), 0xff);
	assert_int_equal(in8(b->bus, S + 1), 0xff);
	for (i = 0; i < 16; i++)
		pulse(b, i);
	assert_false(b->intr);
	assert_int_equal(pic_ack(b->pic), -1);
}

static void mask_register_reads_back(void **state)
{
	struct board *b = *state;

	/* Linux's probe_8259A() */
	out8(b->bus, S + 1, 0xff);
	out8(b->bus, M + 1, 0xfb);
	assert_int_equal(in8(b->bus, M + 1), 0xfb);
	assert_int_equal(in8(b->bus, S + 1), 0xff);
}

static void master_interrupt_is_taken_once(void **state)
{
	struct board *b = *state;

	pic_set_input(b->pic, 4, true);
	assert_true(b->intr);
	assert_int_equal(pic_ack(b->pic), 0x34);
	assert_false(b->intr);
	assert_int_equal(pic_ack(b->pic), -1);
	out8(b->bus, M, 0x20);
	assert_false(b->intr); /* still high: an edge is needed */
	pic_set_input(b->pic, 4, false);
	pic_set_input(b->pic, 4, true);
	assert_true(b->intr);
}

static void slave_interrupt_comes_through_the_cascade(void **state)
{
	struct board *b = *state;

	pulse(b, 8);
	pulse(b, 15);
	assert_int_equal(pic_ack(b->pic), 0x38);
	assert_int_equal(pic_ack(b->pic), -1);
	out8(b->bus, S, 0x20);
	assert_int_equal(pic_ack(b->pic), -1); /* the master's ISR holds it */
	out8(b->bus, M, 0x62);
	assert_true(b->intr);
	assert_int_equal(pic_ack(b->pic), 0x3f);
	/* EOI in the other order */
	pulse(b, 9);
	out8(b->bus, M, 0x62);
	assert_int_equal(pic_ack(b->pic), 0x39);
}

static void masked_cascade_holds_the_slave(void **state)
{
	struct board *b = *state;

	out8(b->bus, M + 1, 0x04);
	pulse(b, 10);
	assert_false(b->intr);
	out8(b->bus, M + 1, 0);
	assert_int_equal(pic_ack(b->pic), 0x3a);
}

static void request_masked_before_its_inta_is_gone(void **state)
{
	struct board *b = *state;

	pulse(b, 12);
	assert_true(b->intr);
	out8(b->bus, S + 1, 0xff);
	assert_false(b->intr);
	assert_int_equal(pic_ack(b->pic), -1);
	assert_int_equal(b->changes, 2);
}

static void lower_input_number_wins(void **state)
{
	struct board *b = *state;

	pulse(b, 7);
	pulse(b, 3);
	pulse(b, 1);
	assert_int_equal(pic_ack(b->pic), 0x31);
	assert_int_equal(pic_ack(b->pic), -1);
	pulse(b, 0); /* higher: interrupts the handler */
	assert_int_equal(pic_ack(b->pic), 0x30);
	out8(b->bus, M, 0x20);
	out8(b->bus, M, 0x20);
	assert_int_equal(pic_ack(b->pic), 0x33);
	out8(b->bus, M, 0x63);
	assert_int_equal(pic_ack(b->pic), 0x37);
}

static void rotation_makes_the_served_one_last(void **state)
{
	struct board *b = *state;

	pulse(b, 3);
	assert_int_equal(pic_ack(b->pic), 0x33);
	out8(b->bus, M, 0xa0); /* rotate on non-specific EOI */
	pulse(b, 3);
	pulse(b, 4);
	pulse(b, 1);
	assert_int_equal(pic_ack(b->pic), 0x34);
	out8(b->bus, M, 0xe4); /* rotate on specific EOI */
	assert_int_equal(pic_ack(b->pic), 0x31);
	out8(b->bus, M, 0x61);
	out8(b->bus, M, 0xc7); /* set priority: as after reset */
	assert_int_equal(pic_ack(b->pic), 0x33);
}

static void automatic_eoi_leaves_nothing_in_service(void **state)
{
	struct board *b = *state;

	init_linux(b->bus, 0x03);
	pulse(b, 5);
	pulse(b, 8);
	pulse(b, 9);
	assert_int_equal(pic_ack(b->pic), 0x38);
	assert_int_equal(pic_ack(b->pic), 0x39);
	assert_int_equal(pic_ack(b->pic), 0x35);
	assert_int_equal(pic_ack(b->pic), -1);
	out8(b->bus, M, 0x0b);
	assert_int_equal(in8(b->bus, M), 0);
}

static void automatic_eoi_may_rotate(void **state)
{
	struct board *b = *state;

	init_linux(b->bus, 0x03);
	out8(b->bus, M, 0x80);
	pulse(b, 1);
	assert_int_equal(pic_ack(b->pic), 0x31);
	pulse(b, 1);
	pulse(b, 6);
	assert_int_equal(pic_ack(b->pic), 0x36);
	out8(b->bus, M, 0x00);
}

static void special_mask_lets_lower_ones_through(void **state)
{
	struct board *b = *state;

	pulse(b, 1);
	assert_int_equal(pic_ack(b->pic), 0x31);
	pulse(b, 6);
	assert_false(b->intr);
	out8(b->bus, M, 0x68);
	out8(b->bus, M + 1, 0x02);
	assert_int_equal(pic_ack(b->pic), 0x36);
	/* A masked input is not what a non-specific EOI ends. */
	out8(b->bus, M, 0x20);
	out8(b->bus, M, 0x20);
	out8(b->bus, M, 0x0b);
	assert_int_equal(in8(b->bus, M), 0x02);
	out8(b->bus, M, 0x48);
	out8(b->bus, M, 0x20);
	assert_int_equal(in8(b->bus, M), 0);
}

static void fully_nested_slave_interrupts_itself(void **state)
{
	struct board *b = *state;

	init_linux(b->bus, 0x11);
	pulse(b, 12);
	assert_int_equal(pic_ack(b->pic), 0x3c);
	pulse(b, 4);
	assert_false(b->intr);
	pulse(b, 9);
	assert_int_equal(pic_ack(b->pic), 0x39);
}

static void poll_is_an_inta_without_the_cpu(void **state)
{
	struct board *b = *state;

	out8(b->bus, M, 0x0c);
	assert_int_equal(in8(b->bus, M), 0);
	pulse(b, 6);
	out8(b->bus, M, 0x0c);
	assert_int_equal(in8(b->bus, M), 0x86);
	assert_false(b->intr);
	assert_int_equal(in8(b->bus, M), 0); /* IRR again */
	out8(b->bus, M, 0x0b);
	assert_int_equal(in8(b->bus, M), 0x40);
}

static void irr_and_isr_can_be_read(void **state)
{
	struct board *b = *state;

	out8(b->bus, M + 1, 0xff);
	pulse(b, 5);
	out8(b->bus, M, 0x0a);
	assert_int_equal(in8(b->bus, M), 0x20);
	out8(b->bus, M + 1, 0);
	pic_ack(b->pic);
	assert_int_equal(in8(b->bus, M), 0);
	out8(b->bus, M, 0x0b);
	assert_int_equal(in8(b->bus, M), 0x20);
}

static void level_input_follows_its_line(void **state)
{
	struct board *b = *state;

	out8(b->bus, LAYOUT_PORT_ELCR, 0xff);
	out8(b->bus, LAYOUT_PORT_ELCR + 1, 0xff);
	assert_int_equal(in8(b->bus, LAYOUT_PORT_ELCR), 0xf8);
	assert_int_equal(in8(b->bus, LAYOUT_PORT_ELCR + 1), 0xde);

	pic_set_input(b->pic, 5, true);
	assert_true(b->intr);
	pic_set_input(b->pic, 5, false);
	assert_false(b->intr);
	pic_set_input(b->pic, 11, true);
	assert_int_equal(pic_ack(b->pic), 0x3b);
	out8(b->bus, S, 0x20);
	out8(b->bus, M, 0x20);
	assert_int_equal(pic_ack(b->pic), 0x3b);
}

static void chip_is_silent_until_its_last_icw(void **state)
{
	struct board *b = *state;

	out8(b->bus, M, 0x11);
	pulse(b, 1);
	assert_false(b->intr);
	out8(b->bus, M + 1, 0x40);
	assert_false(b->intr);
	out8(b->bus, M + 1, 0x04);
	assert_false(b->intr);
	out8(b->bus, M + 1, 0x01);
	assert_true(b->intr);
	assert_int_equal(pic_ack(b->pic), 0x41);
}

static void single_chip_without_icw4_needs_icw2_only(void **state)
{
	struct board *b = *state;

	out8(b->bus, M, 0x12);
	out8(b->bus, M + 1, 0x57); /* low bits do not count */
	pulse(b, 1);
	assert_int_equal(pic_ack(b->pic), 0x51);
}

static void cascade_and_unknown_inputs_are_ignored(void **state)
{
	struct board *b = *state;

	pulse(b, 2);
	pulse(b, 16);
	pulse(b, UINT32_MAX);
	assert_false(b->intr);
	assert_int_equal(b->changes, 0);
}

static void any_access_is_harmless(void **state)
{
	struct board *b = *state;

	chips_hammer(b->bus, M - 1, 4);
	chips_hammer(b->bus, S - 1, 4);
	chips_hammer(b->bus, LAYOUT_PORT_ELCR - 1, 4);
	init_linux(b->bus, 0x01);
	out8(b->bus, LAYOUT_PORT_ELCR, 0);
	pulse(b, 4);
	assert_int_equal(pic_ack(b->pic), 0x34);
}

static void word_write_is_command_then_data(void **state)
{
	struct board *b = *state;

	bus_write(b->bus, BUS_PIO, M, 2, 0x5a20);
	assert_int_equal(in8(b->bus, M + 1), 0x5a);
}

static void second_pair_on_the_bus_is_refused(void **state)
{
	struct board *b = *state;
	struct pic *p;

	assert_int_equal(pic_create(&p, b->bus), -EEXIST);
	assert_null(p);
	pic_destroy(NULL);
}

#define RAW(f)	 cmocka_unit_test_setup_teardown(f, setup, teardown)
#define READY(f) cmocka_unit_test_setup_teardown(f, setup_ready, teardown)

static const struct CMUnitTest tests[] = {
	RAW(everything_is_masked_at_power_on),
	RAW(mask_register_reads_back),
	READY(master_interrupt_is_taken_once),
	READY(slave_interrupt_comes_through_the_cascade),
	READY(masked_cascade_holds_the_slave),
	READY(request_masked_before_its_inta_is_gone),
	READY(lower_input_number_wins),
	READY(rotation_makes_the_served_one_last),
	READY(automatic_eoi_leaves_nothing_in_service),
	READY(automatic_eoi_may_rotate),
	READY(special_mask_lets_lower_ones_through),
	READY(fully_nested_slave_interrupts_itself),
	READY(poll_is_an_inta_without_the_cpu),
	READY(irr_and_isr_can_be_read),
	READY(level_input_follows_its_line),
	READY(chip_is_silent_until_its_last_icw),
	READY(single_chip_without_icw4_needs_icw2_only),
	READY(cascade_and_unknown_inputs_are_ignored),
	READY(any_access_is_harmless),
	READY(word_write_is_command_then_data),
	RAW(second_pair_on_the_bus_is_refused),
};

UNIT_MAIN(tests)
