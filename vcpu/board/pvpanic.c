// SPDX-License-Identifier: MIT
/*
 * pvpanic.c - the port on which a kernel reports that it panicked.
 *
 * Reads say which events are understood, a write reports one of them.
 * Reference: QEMU, docs/specs/pvpanic (the ISA device).
 */
#include "vcpu/board/pvpanic.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/log.h"
#include "memory/bus.h"
#include "memory/layout_x86.h"
#include "vcpu/board/board.h"

enum pvpanic_event {
	PVPANIC_PANICKED = 0x01,
	PVPANIC_CRASH_LOADED = 0x02, /* the guest's crash kernel takes over */
};

struct pvpanic {
	struct bus_dev dev;
	struct bus *bus;
	struct board_events ev;
	atomic_bool crash_logged;
};

static uint64_t pvpanic_read(struct bus_dev *d, uint64_t off, unsigned int len)
{
	(void)d;
	(void)off;
	(void)len;
	return PVPANIC_PANICKED | PVPANIC_CRASH_LOADED;
}

static void pvpanic_write(struct bus_dev *d, uint64_t off, unsigned int len,
			  uint64_t val)
{
	struct pvpanic *v = container_of(d, struct pvpanic, dev);

	(void)off;
	(void)len;
	if (val & PVPANIC_CRASH_LOADED)
		log_once(&v->crash_logged,
			 "guest panicked; its crash kernel takes over");
	if ((val & PVPANIC_PANICKED) && v->ev.panic)
		v->ev.panic(v->ev.ctx);
}

static const struct bus_ops pvpanic_ops = { pvpanic_read, pvpanic_write };

int pvpanic_create(struct pvpanic **out, struct bus *bus,
		   const struct board_events *ev)
{
	struct pvpanic *v;
	int err;

	*out = NULL;
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->dev = (struct bus_dev){ "pvpanic", LAYOUT_PORT_PVPANIC, 1,
				   &pvpanic_ops };
	v->bus = bus;
	v->ev = *ev;

	err = bus_add(bus, BUS_PIO, &v->dev);
	if (err) {
		free(v);
		return err;
	}
	*out = v;
	return 0;
}

void pvpanic_destroy(struct pvpanic *v)
{
	if (!v)
		return;
	bus_del(v->bus, BUS_PIO, &v->dev);
	free(v);
}
