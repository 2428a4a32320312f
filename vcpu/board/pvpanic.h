/* SPDX-License-Identifier: MIT */
/*
 * pvpanic.h - the port on which a kernel reports that it panicked.
 */
#ifndef MINIVMM_VCPU_BOARD_PVPANIC_H
#define MINIVMM_VCPU_BOARD_PVPANIC_H

struct board_events;
struct bus;
struct pvpanic;

/* Copies *ev; ev->panic is used. 0 or -errno. */
int pvpanic_create(struct pvpanic **out, struct bus *bus,
		   const struct board_events *ev);
void pvpanic_destroy(struct pvpanic *v);

#endif
