/* SPDX-License-Identifier: MIT */
/*
 * debug_exit.h - a port that ends the VM with the byte written to it.
 */
#ifndef MINIVMM_VCPU_BOARD_DEBUG_EXIT_H
#define MINIVMM_VCPU_BOARD_DEBUG_EXIT_H

struct board_events;
struct bus;
struct debug_exit;

/* Copies *ev; ev->exit is used. 0 or -errno. */
int debug_exit_create(struct debug_exit **out, struct bus *bus,
		      const struct board_events *ev);
void debug_exit_destroy(struct debug_exit *x);

#endif
