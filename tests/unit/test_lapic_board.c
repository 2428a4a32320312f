// SPDX-License-Identifier: MIT
/*
 * test_lapic_board.c - the local APIC and the real chips: from a device's
 * line to a vector and back to the chip.
 */
#include "tests/unit/chips.h"

#include <stdlib.h>

#include "memory/layout_x86.h"
#include "vcpu/irqchip/irqchip.h"
#include "vcpu/irqchip/lapic.h"

#define R_EOI	0x0b0
#define R_SVR	0x0f0
#define R_LINT0 0x350

#define IOAPIC_EOI 0x40
#define RTE_LEVEL  0x8000u

struct board {
	struct lapic_owner owner;
	struct bus *bus;
	struct irqchip *chip;
	struct lapic_bus *apics;
	struct lapic *l;
};

static struct board *board_of(struct lapic_owner *o)
{
	return container_of(o, struct board, owner);
}

static uint64_t no_time(struct lapic_owner *o)
{
	(void)o;
	return 0;
}

static void no_wake(struct lapic_owner *o)
{
	(void)o;
}

static void handle_eoi(struct lapic_owner *o, uint8_t vector)
{
	irqchip_eoi(board_of(o)->chip, vector);
}

static int handle_ack_pic(struct lapic_owner *o)
{
	return irqchip_ack_pic(board_of(o)->chip);
}

static const struct lapic_ops ops = {
	.now = no_time,
	.tsc = no_time,
	.wake = no_wake,
	.eoi = handle_eoi,
	.ack_pic = handle_ack_pic,
};

static struct board *make(void)
{
	struct board *b = calloc(1, sizeof(*b));
	struct lapic_params p = { .tsc_khz = 1, .phys_bits = 40 };

	assert_non_null(b);
	b->owner.ops = &ops;
	b->bus = chips_bus();
	assert_int_equal(irqchip_create(&b->chip, b->bus), 0);
	assert_int_equal(lapic_bus_create(&b->apics), 0);
	p.bus = b->apics;
	p.owner = &b->owner;
	assert_int_equal(lapic_create(&b->l, &p), 0);
	lapic_mmio_write(b->l, R_SVR, 4, 0x1ff);
	irqchip_connect(b->chip, lapic_bus_sink(b->apics));
	return b;
}

static void unmake(struct board *b)
{
	irqchip_connect(b->chip, NULL);
	lapic_destroy(b->l);
	lapic_bus_destroy(b->apics);
	irqchip_destroy(b->chip);
	bus_destroy(b->bus);
	free(b);
}

static void set_pin(struct board *b, unsigned int pin, uint32_t entry)
{
	bus_write(b->bus, BUS_MMIO, LAYOUT_IOAPIC, 4, 0x10 + 2 * pin);
	bus_write(b->bus, BUS_MMIO, LAYOUT_IOAPIC + 0x10, 4, entry);
}

static void eoi(struct board *b)
{
	lapic_mmio_write(b->l, R_EOI, 4, 0);
}

static void edge_of_a_line_is_one_vector(void **state)
{
	struct board *b = make();

	(void)state;
	set_pin(b, 24, 0x61);
	irq_pulse(irqchip_line(b->chip, 24));
	assert_int_equal(lapic_ack(b->l), 0x61);
	eoi(b);
	assert_int_equal(lapic_pending(b->l), -1);
	unmake(b);
}

static void high_level_line_interrupts_again_after_eoi(void **state)
{
	struct board *b = make();
	struct irq_line *line = irqchip_line(b->chip, 9);

	(void)state;
	set_pin(b, 9, RTE_LEVEL | 0x62);
	irq_set(line, true);
	assert_int_equal(lapic_ack(b->l), 0x62);
	assert_int_equal(lapic_pending(b->l), -1);
	eoi(b);
	assert_int_equal(lapic_ack(b->l), 0x62);
	irq_set(line, false);
	eoi(b);
	assert_int_equal(lapic_pending(b->l), -1);
	unmake(b);
}

static void suppressed_eoi_leaves_it_to_the_chips_register(void **state)
{
	struct board *b = make();
	struct irq_line *line = irqchip_line(b->chip, 9);

	(void)state;
	lapic_mmio_write(b->l, R_SVR, 4, 0x11ff);
	set_pin(b, 9, RTE_LEVEL | 0x62);
	irq_set(line, true);
	assert_int_equal(lapic_ack(b->l), 0x62);
	eoi(b);
	assert_int_equal(lapic_pending(b->l), -1);
	bus_write(b->bus, BUS_MMIO, LAYOUT_IOAPIC + IOAPIC_EOI, 4, 0x62);
	assert_int_equal(lapic_ack(b->l), 0x62);
	unmake(b);
}

static void pic_line_is_a_vector_of_the_pic(void **state)
{
	struct board *b = make();

	(void)state;
	lapic_mmio_write(b->l, R_LINT0, 4, 0x700);
	out8(b->bus, 0x20, 0x11);
	out8(b->bus, 0x21, 0x30);
	out8(b->bus, 0x21, 0x04);
	out8(b->bus, 0x21, 0x01);
	out8(b->bus, 0x21, 0x00);
	irq_pulse(irqchip_line(b->chip, 4));
	irq_set(irqchip_line(b->chip, 4), true);
	assert_int_equal(lapic_pending(b->l), LAPIC_EXTINT);
	assert_int_equal(lapic_ack(b->l), 0x34);
	assert_int_equal(lapic_pending(b->l), -1);
	unmake(b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(edge_of_a_line_is_one_vector),
	cmocka_unit_test(high_level_line_interrupts_again_after_eoi),
	cmocka_unit_test(suppressed_eoi_leaves_it_to_the_chips_register),
	cmocka_unit_test(pic_line_is_a_vector_of_the_pic),
};

UNIT_MAIN(tests)
