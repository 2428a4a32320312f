// SPDX-License-Identifier: MIT
/*
 * test_ioapic.c - redirection entries, edges, levels, and what sinks hear.
 */
#include "tests/unit/chips.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "memory/layout_x86.h"
#include "vcpu/irqchip/ioapic.h"
#include "vcpu/irqchip/irqchip.h"

#define MASKED	0x10000u
#define LEVEL	0x8000u
#define REMOTE	0x4000u
#define LOGICAL 0x800u
#define LOWEST	0x100u
#define NMI	0x400u

struct sink {
	struct irq_sink s;
	unsigned int sends;
	struct msi_msg last;
	unsigned int triggers;
	unsigned int trigger_gsi;
	unsigned int routes;
	unsigned int route_gsi;
	bool routed;
	struct msi_msg route;
};

static int sink_send(struct irq_sink *s, const struct msi_msg *m)
{
	struct sink *k = container_of(s, struct sink, s);

	k->sends++;
	k->last = *m;
	return 0;
}

static void sink_route(struct irq_sink *s, unsigned int gsi,
		       const struct msi_msg *m)
{
	struct sink *k = container_of(s, struct sink, s);

	k->routes++;
	k->route_gsi = gsi;
	k->routed = m;
	if (m)
		k->route = *m;
}

static void sink_trigger(struct irq_sink *s, unsigned int gsi)
{
	struct sink *k = container_of(s, struct sink, s);

	assert_true(k->routed);
	k->triggers++;
	k->trigger_gsi = gsi;
}

static const struct irq_sink_ops send_ops = { .send = sink_send };
static const struct irq_sink_ops route_ops = {
	.send = sink_send,
	.route = sink_route,
	.trigger = sink_trigger,
};

struct board {
	struct bus *bus;
	struct irqchip *chip;
	struct sink sink;
};

static int setup(void **state, const struct irq_sink_ops *ops)
{
	struct board *b = test_calloc(1, sizeof(*b));

	b->bus = chips_bus();
	assert_int_equal(irqchip_create(&b->chip, b->bus), 0);
	b->sink.s.ops = ops;
	irqchip_connect(b->chip, &b->sink.s);
	*state = b;
	return 0;
}

static int setup_send(void **state)
{
	return setup(state, &send_ops);
}

static int setup_route(void **state)
{
	return setup(state, &route_ops);
}

static int teardown(void **state)
{
	struct board *b = *state;

	irqchip_connect(b->chip, NULL);
	irqchip_destroy(b->chip);
	bus_destroy(b->bus);
	test_free(b);
	return 0;
}

static uint32_t get(struct board *b, unsigned int reg)
{
	bus_write(b->bus, BUS_MMIO, LAYOUT_IOAPIC, 4, reg);
	return (uint32_t)bus_read(b->bus, BUS_MMIO, LAYOUT_IOAPIC + 0x10, 4);
}

static void put(struct board *b, unsigned int reg, uint32_t val)
{
	bus_write(b->bus, BUS_MMIO, LAYOUT_IOAPIC, 4, reg);
	bus_write(b->bus, BUS_MMIO, LAYOUT_IOAPIC + 0x10, 4, val);
}

static uint32_t get_pin(struct board *b, unsigned int pin)
{
	return get(b, 0x10 + 2 * pin);
}

static void put_pin(struct board *b, unsigned int pin, uint32_t low)
{
	put(b, 0x10 + 2 * pin, low);
}

static void set(struct board *b, unsigned int gsi, bool level)
{
	irq_set(irqchip_line(b->chip, gsi), level);
}

static void eoi_register(struct board *b, uint8_t vector)
{
	bus_write(b->bus, BUS_MMIO, LAYOUT_IOAPIC + 0x40, 4, vector);
}

static void registers_say_what_the_chip_is(void **state)
{
	struct board *b = *state;

	assert_int_equal(get(b, 0), LAYOUT_IOAPIC_ID << 24);
	assert_int_equal(get(b, 1), 0x20 | (LAYOUT_GSIS - 1) << 16);
	put(b, 0, 0xffffffff);
	assert_int_equal(get(b, 0), 0x0f000000);
	assert_int_equal(get(b, 2), 0x0f000000);
	put(b, 1, 0);
	assert_int_equal(get(b, 1), 0x20 | (LAYOUT_GSIS - 1) << 16);
}

static void all_pins_start_masked(void **state)
{
	struct board *b = *state;
	unsigned int i;

	for (i = 0; i < LAYOUT_GSIS; i++) {
		assert_int_equal(get_pin(b, i), MASKED);
		irq_pulse(irqchip_line(b->chip, i));
	}
	assert_int_equal(b->sink.sends, 0);
}

static void entry_keeps_its_writable_bits_only(void **state)
{
	struct board *b = *state;

	put_pin(b, 5, 0xffffffff);
	assert_int_equal(get_pin(b, 5), 0x1afff);
	put(b, 0x10 + 11, 0xffffffff);
	assert_int_equal(get(b, 0x10 + 11), 0xff000000);
	assert_int_equal(get_pin(b, 5), 0x1afff);
}

static void registers_past_the_last_pin_read_zero(void **state)
{
	struct board *b = *state;
	unsigned int reg;

	for (reg = 0x10 + 2 * LAYOUT_GSIS; reg < 0x100; reg++) {
		put(b, reg, 0xffffffff);
		assert_int_equal(get(b, reg), 0);
	}
	for (reg = 3; reg < 0x10; reg++) {
		put(b, reg, 0xffffffff);
		assert_int_equal(get(b, reg), 0);
	}
}

static void edge_becomes_the_message_of_its_entry(void **state)
{
	struct board *b = *state;

	put(b, 0x10 + 2 * 30 + 1, 0x03000000);
	put_pin(b, 30, 0x41);
	set(b, 30, true);
	assert_int_equal(b->sink.sends, 1);
	assert_int_equal(b->sink.last.addr, 0xfee03000);
	assert_int_equal(b->sink.last.data, 0x41);
	/* Still high: no second edge. */
	set(b, 30, true);
	assert_int_equal(b->sink.sends, 1);
	set(b, 30, false);
	assert_int_equal(b->sink.sends, 1);
	set(b, 30, true);
	assert_int_equal(b->sink.sends, 2);
}

static void message_carries_modes_and_trigger(void **state)
{
	struct board *b = *state;

	put(b, 0x10 + 2 * 9 + 1, 0xff000000);
	put_pin(b, 9, LOGICAL | LOWEST | LEVEL | 0x52);
	set(b, 9, true);
	assert_int_equal(b->sink.last.addr, 0xfeeff00c);
	assert_int_equal(b->sink.last.data, 0xc152);

	put_pin(b, 10, NMI | LEVEL);
	set(b, 10, true);
	assert_int_equal(b->sink.last.addr, 0xfee00000);
	assert_int_equal(b->sink.last.data, 0x400);
}

static void edge_at_a_masked_pin_is_sent_on_unmask(void **state)
{
	struct board *b = *state;

	put_pin(b, 24, 0x31);
	put_pin(b, 24, MASKED | 0x31);
	irq_pulse(irqchip_line(b->chip, 24));
	irq_pulse(irqchip_line(b->chip, 24));
	assert_int_equal(b->sink.sends, 0);
	/* The kernel moves the interrupt to another CPU meanwhile. */
	put(b, 0x10 + 2 * 24 + 1, 0x01000000);
	put_pin(b, 24, 0x32);
	assert_int_equal(b->sink.sends, 1);
	assert_int_equal(b->sink.last.addr, 0xfee01000);
	assert_int_equal(b->sink.last.data, 0x32);
	put_pin(b, 24, MASKED);
	put_pin(b, 24, 0x32);
	assert_int_equal(b->sink.sends, 1);
}

static void level_is_sent_again_after_eoi_while_high(void **state)
{
	struct board *b = *state;

	put_pin(b, 11, LEVEL | 0x60);
	set(b, 11, true);
	assert_int_equal(b->sink.sends, 1);
	assert_int_equal(get_pin(b, 11), LEVEL | REMOTE | 0x60);
	set(b, 11, false);
	set(b, 11, true);
	assert_int_equal(b->sink.sends, 1);

	irqchip_eoi(b->chip, 0x61);
	assert_int_equal(b->sink.sends, 1);
	irqchip_eoi(b->chip, 0x60);
	assert_int_equal(b->sink.sends, 2);
	set(b, 11, false);
	irqchip_eoi(b->chip, 0x60);
	assert_int_equal(b->sink.sends, 2);
	assert_int_equal(get_pin(b, 11), LEVEL | 0x60);
}

static void eoi_register_ends_a_level_interrupt(void **state)
{
	struct board *b = *state;

	put_pin(b, 11, LEVEL | 0x60);
	set(b, 11, true);
	set(b, 11, false);
	eoi_register(b, 0x60);
	assert_int_equal(get_pin(b, 11), LEVEL | 0x60);
}

static void masked_level_waits_for_unmask(void **state)
{
	struct board *b = *state;

	put_pin(b, 12, MASKED | LEVEL | 0x70);
	set(b, 12, true);
	assert_int_equal(b->sink.sends, 0);
	put_pin(b, 12, LEVEL | 0x70);
	assert_int_equal(b->sink.sends, 1);
}

static void level_that_went_away_is_not_sent(void **state)
{
	struct board *b = *state;

	put_pin(b, 12, MASKED | LEVEL | 0x70);
	set(b, 12, true);
	set(b, 12, false);
	put_pin(b, 12, LEVEL | 0x70);
	assert_int_equal(b->sink.sends, 0);
}

static void switching_to_edge_clears_remote_irr(void **state)
{
	struct board *b = *state;

	put_pin(b, 12, LEVEL | 0x70);
	set(b, 12, true);
	put_pin(b, 12, MASKED | 0x70);
	put_pin(b, 12, MASKED | LEVEL | 0x70);
	assert_int_equal(get_pin(b, 12), MASKED | LEVEL | 0x70);
}

static void irq_0_drives_pin_2_and_line_2_nothing(void **state)
{
	struct board *b = *state;

	put_pin(b, 0, 0x30);
	put_pin(b, 2, 0x32);
	set(b, 2, true);
	assert_int_equal(b->sink.sends, 0);
	set(b, 0, true);
	assert_int_equal(b->sink.sends, 1);
	assert_int_equal(b->sink.last.data, 0x32);
}

static void lines_past_the_last_are_null(void **state)
{
	struct board *b = *state;

	assert_non_null(irqchip_line(b->chip, LAYOUT_GSIS - 1));
	assert_null(irqchip_line(b->chip, LAYOUT_GSIS));
	assert_null(irqchip_line(b->chip, UINT32_MAX));
}

static void other_widths_and_offsets_are_harmless(void **state)
{
	struct board *b = *state;
	unsigned int off, len;

	put_pin(b, 7, 0x37);
	for (len = 1; len <= 8; len *= 2) {
		for (off = 0; off < 0x60; off++) {
			/* The register that works is in other tests. */
			if (len == 4 && off % 4 == 0)
				continue;
			bus_write(b->bus, BUS_MMIO, LAYOUT_IOAPIC + off, len,
				  UINT64_MAX);
			bus_read(b->bus, BUS_MMIO, LAYOUT_IOAPIC + off, len);
		}
	}
	assert_int_equal(get_pin(b, 7), 0x37);
	assert_int_equal(b->sink.sends, 0);
}

static void route_is_told_only_of_what_changes(void **state)
{
	struct board *b = *state;

	put_pin(b, 25, MASKED | 0x41);
	put(b, 0x10 + 2 * 25 + 1, 0x02000000);
	assert_int_equal(b->sink.routes, 0);

	put_pin(b, 25, 0x41);
	assert_int_equal(b->sink.routes, 1);
	assert_int_equal(b->sink.route_gsi, 25);
	assert_int_equal(b->sink.route.addr, 0xfee02000);
	assert_int_equal(b->sink.route.data, 0x41);

	put_pin(b, 25, 0x41);
	put_pin(b, 25, 0x2041); /* polarity */
	assert_int_equal(b->sink.routes, 1);
	put_pin(b, 25, 0x42);
	assert_int_equal(b->sink.routes, 2);
	put_pin(b, 25, MASKED | 0x42);
	assert_int_equal(b->sink.routes, 3);
	assert_false(b->sink.routed);
}

static void raise_triggers_its_route(void **state)
{
	struct board *b = *state;

	put_pin(b, 26, 0x41);
	irq_pulse(irqchip_line(b->chip, 26));
	assert_int_equal(b->sink.triggers, 1);
	assert_int_equal(b->sink.trigger_gsi, 26);
	assert_int_equal(b->sink.sends, 0);
}

static void connect_brings_routes_and_what_is_pending(void **state)
{
	struct board *b = *state;

	irqchip_connect(b->chip, NULL);
	put_pin(b, 26, 0x41);
	irq_pulse(irqchip_line(b->chip, 26));
	assert_int_equal(b->sink.routes, 0);
	irqchip_connect(b->chip, &b->sink.s);
	assert_int_equal(b->sink.routes, 1);
	assert_int_equal(b->sink.triggers, 1);
}

/* A kernel that masks, moves and unmasks must not lose an edge. */
struct race {
	struct board *b;
	atomic_bool stop;
};

struct lossy {
	struct irq_sink s;
	bool live; /* as a kernel that drops what has no route */
	unsigned int delivered, lost;
};

static void lossy_route(struct irq_sink *s, unsigned int gsi,
			const struct msi_msg *m)
{
	(void)gsi;
	container_of(s, struct lossy, s)->live = m;
}

static void lossy_trigger(struct irq_sink *s, unsigned int gsi)
{
	struct lossy *l = container_of(s, struct lossy, s);

	(void)gsi;
	if (l->live)
		l->delivered++;
	else
		l->lost++;
}

static const struct irq_sink_ops lossy_ops = {
	.route = lossy_route,
	.trigger = lossy_trigger,
};

static void *migrate(void *arg)
{
	struct race *r = arg;
	unsigned int i = 0;

	while (!r->stop) {
		put_pin(r->b, 24, MASKED | 0x41);
		put(r->b, 0x10 + 2 * 24 + 1, i++ % 2 << 24);
		put_pin(r->b, 24, 0x41);
	}
	return NULL;
}

static void no_edge_is_lost_while_the_pin_moves(void **state)
{
	struct race r = { .b = *state };
	struct lossy l = { .s = { &lossy_ops } };
	struct irq_line *line = irqchip_line(r.b->chip, 24);
	pthread_t t;
	unsigned int i;

	irqchip_connect(r.b->chip, &l.s);
	put_pin(r.b, 24, 0x41);
	assert_int_equal(thread_start(&t, "migrate", migrate, &r), 0);
	for (i = 0; i < 20000; i++)
		irq_pulse(line);
	r.stop = true;
	thread_join(t);

	/* Edges at a masked pin merge; the last one is there for sure. */
	assert_int_equal(l.lost, 0);
	assert_true(l.delivered > 0);
	l.delivered = 0;
	put_pin(r.b, 24, MASKED | 0x41);
	irq_pulse(line);
	put_pin(r.b, 24, 0x41);
	assert_int_equal(l.delivered, 1);
}

static void second_chip_on_the_bus_is_refused(void **state)
{
	struct board *b = *state;
	struct irqchip *chip;
	struct ioapic *io;

	assert_int_equal(ioapic_create(&io, b->bus), -EEXIST);
	assert_null(io);
	assert_int_equal(irqchip_create(&chip, b->bus), -EEXIST);
	assert_null(chip);
	irqchip_destroy(NULL);
	ioapic_destroy(NULL);
}

#define SEND(f)	 cmocka_unit_test_setup_teardown(f, setup_send, teardown)
#define ROUTE(f) cmocka_unit_test_setup_teardown(f, setup_route, teardown)

static const struct CMUnitTest tests[] = {
	SEND(registers_say_what_the_chip_is),
	SEND(all_pins_start_masked),
	SEND(entry_keeps_its_writable_bits_only),
	SEND(registers_past_the_last_pin_read_zero),
	SEND(edge_becomes_the_message_of_its_entry),
	SEND(message_carries_modes_and_trigger),
	SEND(edge_at_a_masked_pin_is_sent_on_unmask),
	SEND(level_is_sent_again_after_eoi_while_high),
	SEND(eoi_register_ends_a_level_interrupt),
	SEND(masked_level_waits_for_unmask),
	SEND(level_that_went_away_is_not_sent),
	SEND(switching_to_edge_clears_remote_irr),
	SEND(irq_0_drives_pin_2_and_line_2_nothing),
	SEND(lines_past_the_last_are_null),
	SEND(other_widths_and_offsets_are_harmless),
	ROUTE(route_is_told_only_of_what_changes),
	ROUTE(raise_triggers_its_route),
	ROUTE(connect_brings_routes_and_what_is_pending),
	ROUTE(no_edge_is_lost_while_the_pin_moves),
	SEND(second_chip_on_the_bus_is_refused),
};

UNIT_MAIN(tests)
