/* SPDX-License-Identifier: MIT */
/*
 * chips.h - fakes around a chip under test: a bus, an interrupt line and a
 * sink that remember what they were told.
 */
#ifndef MINIVMM_TESTS_UNIT_CHIPS_H
#define MINIVMM_TESTS_UNIT_CHIPS_H

#include "tests/unit/unit.h"

#include "base/checked.h"
#include "memory/bus.h"
#include "memory/irq.h"

static inline uint8_t in8(struct bus *b, uint64_t port)
{
	return (uint8_t)bus_read(b, BUS_PIO, port, 1);
}

static inline void out8(struct bus *b, uint64_t port, unsigned int val)
{
	bus_write(b, BUS_PIO, port, 1, val);
}

static inline struct bus *chips_bus(void)
{
	struct bus *b;

	assert_int_equal(bus_create(&b), 0);
	return b;
}

struct fake_line {
	struct irq_line line;
	bool level;
	unsigned int edges; /* rising */
};

static inline void fake_line_set(struct irq_line *l, bool level)
{
	struct fake_line *f = container_of(l, struct fake_line, line);

	if (level && !f->level)
		f->edges++;
	f->level = level;
}

static inline struct fake_line fake_line(void)
{
	return (struct fake_line){ .line = { .set = fake_line_set } };
}

/* A clock that the test moves, and the deadline that a chip asked for. */
struct fake_timer {
	uint64_t now;
	uint64_t deadline; /* UINT64_MAX: none */
	unsigned int arms;
};

/* @ctx of both: something that begins with the timer. */
static inline void fake_timer_arm(void *ctx, uint64_t deadline)
{
	struct fake_timer *t = ctx;

	t->deadline = deadline;
	t->arms++;
}

static inline uint64_t fake_timer_now(void *ctx)
{
	return ((struct fake_timer *)ctx)->now;
}

/* Let time pass as a machine with a timer would; the chip may arm again. */
static inline void fake_timer_run(struct fake_timer *t, uint64_t ns,
				  void (*expired)(void *chip), void *chip)
{
	uint64_t end = t->now + ns;

	while (t->deadline <= end) {
		t->now = max_u64(t->now, t->deadline);
		t->deadline = UINT64_MAX;
		expired(chip);
	}
	t->now = end;
}

/* Every port of the range, every width, every value of @vals. */
static inline void chips_hammer(struct bus *b, uint64_t base, unsigned int n)
{
	static const uint64_t vals[] = { 0,    1,    0x3f, 0x55,
					 0x80, 0xaa, 0xff, UINT64_MAX };
	unsigned int i, v, len;

	for (len = 1; len <= 8; len *= 2)
		for (i = 0; i < n; i++)
			for (v = 0; v < ARRAY_SIZE(vals); v++) {
				bus_write(b, BUS_PIO, base + i, len, vals[v]);
				bus_read(b, BUS_PIO, base + i, len);
			}
}

#endif
