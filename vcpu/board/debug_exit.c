// SPDX-License-Identifier: MIT
/*
 * debug_exit.c - a port that ends the VM with the byte written to it.
 *
 * Of a wider write the low byte counts. Reads give all ones.
 */
#include "vcpu/board/debug_exit.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/checked.h"
#include "memory/bus.h"
#include "memory/layout_x86.h"
#include "vcpu/board/board.h"

/* As wide as the widest access; only the first byte is a register. */
#define DEBUG_EXIT_NR_PORTS 4

struct debug_exit {
	struct bus_dev dev;
	struct bus *bus;
	struct board_events ev;
};

static void debug_exit_write(struct bus_dev *d, uint64_t off, unsigned int len,
			     uint64_t val)
{
	struct debug_exit *x = container_of(d, struct debug_exit, dev);

	(void)len;
	if (off == 0 && x->ev.exit)
		x->ev.exit(x->ev.ctx, (uint8_t)val);
}

static const struct bus_ops debug_exit_ops = {
	.write = debug_exit_write,
};

int debug_exit_create(struct debug_exit **out, struct bus *bus,
		      const struct board_events *ev)
{
	struct debug_exit *x;
	int err;

	*out = NULL;
	x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	x->dev = (struct bus_dev){ "debug-exit", LAYOUT_PORT_DEBUG_EXIT,
				   DEBUG_EXIT_NR_PORTS, &debug_exit_ops };
	x->bus = bus;
	x->ev = *ev;

	err = bus_add(bus, BUS_PIO, &x->dev);
	if (err) {
		free(x);
		return err;
	}
	*out = x;
	return 0;
}

void debug_exit_destroy(struct debug_exit *x)
{
	if (!x)
		return;
	bus_del(x->bus, BUS_PIO, &x->dev);
	free(x);
}
