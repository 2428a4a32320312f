// SPDX-License-Identifier: MIT
/*
 * test_board.c - the ports that end a VM: who calls which event, and who not.
 */
#include "tests/unit/chips.h"

#include <errno.h>

#include "memory/layout_x86.h"
#include "vcpu/board/acpi_pm.h"
#include "vcpu/board/board.h"
#include "vcpu/board/debug_exit.h"
#include "vcpu/board/i8042.h"
#include "vcpu/board/pvpanic.h"

#define KBD_DATA LAYOUT_PORT_I8042
#define KBD_CMD	 (LAYOUT_PORT_I8042 + 4)

struct board {
	struct bus *bus;
	struct i8042 *i8042;
	struct acpi_pm *acpi_pm;
	struct debug_exit *debug_exit;
	struct pvpanic *pvpanic;
	unsigned int resets, poweroffs, exits, panics;
	uint8_t status;
};

static void on_reset(void *ctx)
{
	((struct board *)ctx)->resets++;
}

static void on_poweroff(void *ctx)
{
	((struct board *)ctx)->poweroffs++;
}

static void on_exit(void *ctx, uint8_t status)
{
	struct board *b = ctx;

	b->exits++;
	b->status = status;
}

static void on_panic(void *ctx)
{
	((struct board *)ctx)->panics++;
}

static void create(struct board *b, const struct board_events *ev)
{
	b->bus = chips_bus();
	assert_int_equal(i8042_create(&b->i8042, b->bus, ev), 0);
	assert_int_equal(acpi_pm_create(&b->acpi_pm, b->bus, ev), 0);
	assert_int_equal(debug_exit_create(&b->debug_exit, b->bus, ev), 0);
	assert_int_equal(pvpanic_create(&b->pvpanic, b->bus, ev), 0);
}

static int setup(void **state)
{
	struct board *b = test_calloc(1, sizeof(*b));
	struct board_events ev = { on_reset, on_poweroff, on_exit, on_panic,
				   b };

	create(b, &ev);
	*state = b;
	return 0;
}

static int setup_deaf(void **state)
{
	struct board *b = test_calloc(1, sizeof(*b));

	create(b, &(struct board_events){ .ctx = NULL });
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct board *b = *state;

	pvpanic_destroy(b->pvpanic);
	debug_exit_destroy(b->debug_exit);
	acpi_pm_destroy(b->acpi_pm);
	i8042_destroy(b->i8042);
	bus_destroy(b->bus);
	test_free(b);
	return 0;
}

static void assert_events(const struct board *b, unsigned int resets,
			  unsigned int poweroffs, unsigned int exits,
			  unsigned int panics)
{
	assert_int_equal(b->resets, resets);
	assert_int_equal(b->poweroffs, poweroffs);
	assert_int_equal(b->exits, exits);
	assert_int_equal(b->panics, panics);
}

static void exit_port_passes_its_byte(void **state)
{
	struct board *b = *state;

	out8(b->bus, LAYOUT_PORT_DEBUG_EXIT, 42);
	assert_events(b, 0, 0, 1, 0);
	assert_int_equal(b->status, 42);
	bus_write(b->bus, BUS_PIO, LAYOUT_PORT_DEBUG_EXIT, 2, 0x1207);
	assert_int_equal(b->status, 0x07);
	bus_write(b->bus, BUS_PIO, LAYOUT_PORT_DEBUG_EXIT, 4, 0x12345600);
	assert_int_equal(b->status, 0);
	assert_events(b, 0, 0, 3, 0);
}

static void ports_beside_the_exit_port_do_nothing(void **state)
{
	struct board *b = *state;

	out8(b->bus, LAYOUT_PORT_DEBUG_EXIT - 1, 1);
	out8(b->bus, LAYOUT_PORT_DEBUG_EXIT + 1, 1);
	bus_write(b->bus, BUS_PIO, LAYOUT_PORT_DEBUG_EXIT - 1, 2, 0x0101);
	assert_int_equal(in8(b->bus, LAYOUT_PORT_DEBUG_EXIT), 0xff);
	assert_events(b, 0, 0, 0, 0);
}

static void sleep_type_5_powers_off(void **state)
{
	struct board *b = *state;

	out8(b->bus, LAYOUT_PORT_ACPI_SLEEP, 0x20 | ACPI_PM_S5_TYPE << 2);
	assert_events(b, 0, 1, 0, 0);
	assert_int_equal(in8(b->bus, LAYOUT_PORT_ACPI_SLEEP), 5 << 2);
	assert_int_equal(in8(b->bus, LAYOUT_PORT_ACPI_SLEEP + 1), 0);
}

static void other_sleep_types_do_nothing(void **state)
{
	struct board *b = *state;
	unsigned int val;

	for (val = 0; val < 256; val++) {
		if ((val & 0x3c) != (0x20 | ACPI_PM_S5_TYPE << 2))
			out8(b->bus, LAYOUT_PORT_ACPI_SLEEP, val);
		out8(b->bus, LAYOUT_PORT_ACPI_SLEEP + 1, val);
	}
	assert_events(b, 0, 0, 0, 0);
}

static void reset_register_takes_its_value_only(void **state)
{
	struct board *b = *state;
	unsigned int val;

	for (val = 0; val < 256; val++)
		if (val != ACPI_PM_RESET_VALUE)
			out8(b->bus, LAYOUT_PORT_ACPI_RESET, val);
	assert_events(b, 0, 0, 0, 0);
	out8(b->bus, LAYOUT_PORT_ACPI_RESET, ACPI_PM_RESET_VALUE);
	assert_events(b, 1, 0, 0, 0);
}

static void keyboard_controller_resets(void **state)
{
	struct board *b = *state;

	out8(b->bus, KBD_CMD, 0xfe);
	assert_events(b, 1, 0, 0, 0);
	out8(b->bus, KBD_CMD, 0xd1);
	out8(b->bus, KBD_DATA, 0x02);
	assert_events(b, 2, 0, 0, 0);
}

static void other_pulses_and_ports_do_not_reset(void **state)
{
	struct board *b = *state;

	out8(b->bus, KBD_CMD, 0xff);
	out8(b->bus, KBD_CMD, 0xd1);
	out8(b->bus, KBD_DATA, 0xdf); /* A20 */
	out8(b->bus, KBD_DATA, 0xfe);
	assert_events(b, 0, 0, 0, 0);
}

/* What a driver that looks for it does, without a time-out. */
static void driver_finds_nothing_plugged_in(void **state)
{
	struct board *b = *state;

	assert_int_equal(in8(b->bus, KBD_CMD) & 0x03, 0);
	out8(b->bus, KBD_CMD, 0xaa);
	assert_int_equal(in8(b->bus, KBD_CMD) & 0x01, 1);
	assert_int_equal(in8(b->bus, KBD_DATA), 0x55);
	assert_int_equal(in8(b->bus, KBD_CMD) & 0x01, 0);
	out8(b->bus, KBD_CMD, 0x60);
	out8(b->bus, KBD_DATA, 0x47);
	out8(b->bus, KBD_CMD, 0x20);
	assert_int_equal(in8(b->bus, KBD_DATA), 0x47);
	out8(b->bus, KBD_CMD, 0xab);
	assert_int_not_equal(in8(b->bus, KBD_DATA), 0);
	out8(b->bus, KBD_CMD, 0xa9);
	assert_int_not_equal(in8(b->bus, KBD_DATA), 0);
	out8(b->bus, KBD_CMD, 0xd3);
	out8(b->bus, KBD_DATA, 0x5a);
	assert_int_equal(in8(b->bus, KBD_CMD) & 0x41, 0x41);
	assert_int_not_equal(in8(b->bus, KBD_DATA), 0x5a);
	out8(b->bus, KBD_DATA, 0xf2); /* keyboard, who are you? */
	assert_int_equal(in8(b->bus, KBD_CMD) & 0x41, 0x41);
	assert_int_equal(in8(b->bus, KBD_DATA), 0xfe);
	out8(b->bus, KBD_CMD, 0xd2);
	out8(b->bus, KBD_DATA, 0x33);
	assert_int_equal(in8(b->bus, KBD_DATA), 0x33);
	out8(b->bus, KBD_CMD, 0xd0);
	assert_int_equal(in8(b->bus, KBD_DATA) & 0x03, 0x03);
}

static void panic_is_reported(void **state)
{
	struct board *b = *state;

	assert_int_equal(in8(b->bus, LAYOUT_PORT_PVPANIC), 0x03);
	out8(b->bus, LAYOUT_PORT_PVPANIC, 0x01);
	assert_events(b, 0, 0, 0, 1);
}

static void crash_kernel_and_unknown_events_go_on(void **state)
{
	struct board *b = *state;

	out8(b->bus, LAYOUT_PORT_PVPANIC, 0x02);
	out8(b->bus, LAYOUT_PORT_PVPANIC, 0xfc);
	out8(b->bus, LAYOUT_PORT_PVPANIC, 0x00);
	bus_write(b->bus, BUS_PIO, LAYOUT_PORT_PVPANIC, 2, 0x0101);
	assert_events(b, 0, 0, 0, 0);
}

static void events_nobody_wants_are_skipped(void **state)
{
	struct board *b = *state;

	chips_hammer(b->bus, LAYOUT_PORT_DEBUG_EXIT - 1, 6);
	chips_hammer(b->bus, LAYOUT_PORT_ACPI_SLEEP - 1, 5);
	chips_hammer(b->bus, LAYOUT_PORT_PVPANIC - 1, 3);
	chips_hammer(b->bus, KBD_DATA - 1, 8);
	out8(b->bus, KBD_CMD, 0xfe);
	out8(b->bus, LAYOUT_PORT_ACPI_SLEEP, 0x20 | ACPI_PM_S5_TYPE << 2);
}

static void second_device_at_a_port_is_refused(void **state)
{
	struct board *b = *state;
	const struct board_events ev = { .ctx = NULL };
	struct debug_exit *x;
	struct pvpanic *v;
	struct acpi_pm *a;
	struct i8042 *k;

	assert_int_equal(i8042_create(&k, b->bus, &ev), -EEXIST);
	assert_int_equal(acpi_pm_create(&a, b->bus, &ev), -EEXIST);
	assert_int_equal(debug_exit_create(&x, b->bus, &ev), -EEXIST);
	assert_int_equal(pvpanic_create(&v, b->bus, &ev), -EEXIST);
	i8042_destroy(k);
	acpi_pm_destroy(a);
	debug_exit_destroy(x);
	pvpanic_destroy(v);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
#define DEAF(f) cmocka_unit_test_setup_teardown(f, setup_deaf, teardown)

static const struct CMUnitTest tests[] = {
	T(exit_port_passes_its_byte),
	T(ports_beside_the_exit_port_do_nothing),
	T(sleep_type_5_powers_off),
	T(other_sleep_types_do_nothing),
	T(reset_register_takes_its_value_only),
	T(keyboard_controller_resets),
	T(other_pulses_and_ports_do_not_reset),
	T(driver_finds_nothing_plugged_in),
	T(panic_is_reported),
	T(crash_kernel_and_unknown_events_go_on),
	DEAF(events_nobody_wants_are_skipped),
	T(second_device_at_a_port_is_refused),
};

UNIT_MAIN(tests)
