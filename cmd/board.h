/* SPDX-License-Identifier: MIT */
/*
 * board.h - the fixed-port devices of the machine, wired together.
 */
#ifndef MINIVMM_CMD_BOARD_H
#define MINIVMM_CMD_BOARD_H

#include "vcpu/board/board.h"

struct board;
struct bus;
struct chr;
struct irqchip;
struct loop;
struct ram;
struct vtime;

struct board_params {
	struct bus *bus;
	const struct ram *ram; /* for its size */
	struct irqchip *chip;
	struct loop *loop;   /* for the clocks' timers */
	struct vtime *vtime; /* NULL: the host's time */
	struct chr *serial;  /* what COM1 is connected to; its owner here */
	struct board_events events;
};

/* 0 or -errno. */
int board_create(struct board **out, const struct board_params *p);

/* When the vCPUs are gone and the loop is drained. NULL is allowed. */
void board_destroy(struct board *b);

#endif
