/* SPDX-License-Identifier: MIT */
/*
 * mmio.h - virtio over MMIO (virtio 1.2 §4.2), one 4 KiB window a device.
 */
#ifndef MINIVMM_VIRTIO_TRANSPORT_MMIO_H
#define MINIVMM_VIRTIO_TRANSPORT_MMIO_H

#include "memory/layout_x86.h"

struct bus;
struct irq_line;
struct loop;
struct virtio_dev;
struct virtio_mmio;

struct virtio_mmio_params {
	struct virtio_dev *dev; /* stays the caller's, outlives the transport */
	struct bus *bus;
	struct loop *loop;
	struct irq_line *irq; /* edges; see irq_pulse() */
	gpa_t base;
};

/*
 * Put the device's window on the bus, with a doorbell per queue. On the loop
 * thread or before loop_run(), no vCPU running. 0 or -errno.
 */
int virtio_mmio_create(struct virtio_mmio **out,
		       const struct virtio_mmio_params *p);

/*
 * When the vCPUs are gone and the loop has let go of its operations: it never
 * ran, or loop_drain() was called. NULL is allowed.
 */
void virtio_mmio_destroy(struct virtio_mmio *t);

#endif
