/* SPDX-License-Identifier: MIT */
/*
 * console.h - the virtio console device (virtio 1.2 §5.3): consoles (hvc0)
 * and named ports (/dev/virtio-ports/NAME in Linux) on one device.
 */
#ifndef MINIVMM_VIRTIO_CONSOLE_H
#define MINIVMM_VIRTIO_CONSOLE_H

#include "virtio/device.h"

struct chr;

/* Port numbers; each has two queues, and the control messages two. */
#define VIRTIO_CONSOLE_PORTS_MAX ((VIRTIO_QUEUES_MAX - 2) / 2)
#define VIRTIO_CONSOLE_NAME_MAX	 63 /* bytes */

struct virtio_console_port {
	/* Its owner is the device; it stays the caller's, and lives longer. */
	struct chr *stream;
	const char *name; /* NULL: a console; copied */
};

struct virtio_console_params {
	const char *name; /* "console0", for logs */
	/*
	 * Consoles get the numbers from 0 on, in this order, then the ports
	 * with names. Number 0 is for consoles only, so when there is none,
	 * ports start at 1: a driver without MULTIPORT takes number 0 for a
	 * console.
	 */
	const struct virtio_console_port *ports;
	unsigned int nr_ports;
};

/* 0 or -errno; -EINVAL when there are more numbers than PORTS_MAX. */
int virtio_console_create(struct virtio_dev **out, struct ram *ram,
			  struct loop *loop,
			  const struct virtio_console_params *p);

#endif
