// SPDX-License-Identifier: MIT
/*
 * acpi_pm.c - power-off and reset the ACPI way.
 *
 * References: ACPI 6.5 §4.8.3.7 "Sleep Control and Status Registers",
 * §4.8.3.6 "Reset Register".
 */
#include "vcpu/board/acpi_pm.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/log.h"
#include "memory/bus.h"
#include "memory/layout_x86.h"
#include "vcpu/board/board.h"
#include "vcpu/board/byteio.h"

/* Offsets from LAYOUT_PORT_ACPI_SLEEP */
enum acpi_pm_register {
	ACPI_PM_SLEEP_CONTROL,
	ACPI_PM_SLEEP_STATUS,
	ACPI_PM_RESET = LAYOUT_PORT_ACPI_RESET - LAYOUT_PORT_ACPI_SLEEP,
	ACPI_PM_NR_PORTS,
};

/* Sleep control register; SLP_EN reads 0 */
#define ACPI_PM_SLP_TYP_SHIFT 2
#define ACPI_PM_SLP_TYP	      0x1cu
#define ACPI_PM_SLP_EN	      0x20u

struct acpi_pm {
	struct bus_dev dev;
	struct bus *bus;
	struct board_events ev;
	_Atomic uint8_t sleep_control;
	atomic_bool bad_type;
};

static void write_sleep_control(struct acpi_pm *a, uint8_t val)
{
	unsigned int type = (val & ACPI_PM_SLP_TYP) >> ACPI_PM_SLP_TYP_SHIFT;

	a->sleep_control = val & ACPI_PM_SLP_TYP;
	if (!(val & ACPI_PM_SLP_EN))
		return;
	if (type != ACPI_PM_S5_TYPE) {
		log_once(&a->bad_type, "acpi: no sleep state of type %u", type);
		return;
	}
	if (a->ev.poweroff)
		a->ev.poweroff(a->ev.ctx);
}

static uint8_t acpi_pm_get(struct bus_dev *d, uint64_t off)
{
	struct acpi_pm *a = container_of(d, struct acpi_pm, dev);

	/* Status: WAK_STS is 0, this machine never woke up. */
	return off == ACPI_PM_SLEEP_CONTROL ? a->sleep_control : 0;
}

static void acpi_pm_put(struct bus_dev *d, uint64_t off, uint8_t val)
{
	struct acpi_pm *a = container_of(d, struct acpi_pm, dev);

	if (off == ACPI_PM_SLEEP_CONTROL)
		write_sleep_control(a, val);
	else if (off == ACPI_PM_RESET && val == ACPI_PM_RESET_VALUE &&
		 a->ev.reset)
		a->ev.reset(a->ev.ctx);
}

static uint64_t acpi_pm_read(struct bus_dev *d, uint64_t off, unsigned int len)
{
	return byteio_read(d, off, len, acpi_pm_get);
}

static void acpi_pm_write(struct bus_dev *d, uint64_t off, unsigned int len,
			  uint64_t val)
{
	byteio_write(d, off, len, val, acpi_pm_put);
}

static const struct bus_ops acpi_pm_ops = { acpi_pm_read, acpi_pm_write };

int acpi_pm_create(struct acpi_pm **out, struct bus *bus,
		   const struct board_events *ev)
{
	struct acpi_pm *a;
	int err;

	*out = NULL;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->dev = (struct bus_dev){ "acpi", LAYOUT_PORT_ACPI_SLEEP,
				   ACPI_PM_NR_PORTS, &acpi_pm_ops };
	a->bus = bus;
	a->ev = *ev;

	err = bus_add(bus, BUS_PIO, &a->dev);
	if (err) {
		free(a);
		return err;
	}
	*out = a;
	return 0;
}

void acpi_pm_destroy(struct acpi_pm *a)
{
	if (!a)
		return;
	bus_del(a->bus, BUS_PIO, &a->dev);
	free(a);
}
