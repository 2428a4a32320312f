/* SPDX-License-Identifier: MIT */
/*
 * i8042.h - as much of a keyboard controller as it takes to reset a PC.
 */
#ifndef MINIVMM_VCPU_BOARD_I8042_H
#define MINIVMM_VCPU_BOARD_I8042_H

struct board_events;
struct bus;
struct i8042;

/* Copies *ev; ev->reset is used. 0 or -errno. */
int i8042_create(struct i8042 **out, struct bus *bus,
		 const struct board_events *ev);
void i8042_destroy(struct i8042 *k);

#endif
