/* SPDX-License-Identifier: MIT */
/*
 * acpi_pm.h - power-off and reset the ACPI way.
 *
 * The registers of a hardware-reduced platform: sleep control at
 * LAYOUT_PORT_ACPI_SLEEP, sleep status behind it, and the FADT's reset
 * register at LAYOUT_PORT_ACPI_RESET.
 */
#ifndef MINIVMM_VCPU_BOARD_ACPI_PM_H
#define MINIVMM_VCPU_BOARD_ACPI_PM_H

struct acpi_pm;
struct board_events;
struct bus;

#define ACPI_PM_S5_TYPE	    5 /* SLP_TYP for power-off: what _S5 says */
#define ACPI_PM_RESET_VALUE 1 /* what the FADT's RESET_VALUE says */

/* Copies *ev; ev->poweroff and ev->reset are used. 0 or -errno. */
int acpi_pm_create(struct acpi_pm **out, struct bus *bus,
		   const struct board_events *ev);
void acpi_pm_destroy(struct acpi_pm *a);

#endif
