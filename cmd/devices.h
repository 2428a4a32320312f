/* SPDX-License-Identifier: MIT */
/*
 * devices.h - the virtio devices of one machine, each in a window of its own.
 *
 * The order of the windows is part of what a guest sees: disks first, then
 * network adapters, both in the order of the configuration, then the others.
 */
#ifndef MINIVMM_CMD_DEVICES_H
#define MINIVMM_CMD_DEVICES_H

#include <stddef.h>
#include <stdint.h>

struct boot_virtio_slot;
struct bus;
struct devices;
struct irqchip;
struct loop;
struct machine_error;
struct ram;
struct vm_config;

struct devices_params {
	const struct vm_config *cfg; /* outlives the devices, as do the rest */
	struct ram *ram;
	struct bus *bus;
	struct irqchip *chip;
	struct loop *loop;
	const uint64_t *seed; /* what entropy comes from; NULL: the host */
	/* The user typed Ctrl-a x on a console. Loop thread. */
	void (*quit)(void *ctx);
	void *ctx;
};

/*
 * Open what the devices need of the host and plug them in. Before loop_run().
 * 0, or -errno and in @e one line for the user, if there is more to say than
 * the number does.
 */
int devices_create(struct devices **out, const struct devices_params *p,
		   struct machine_error *e);

/* What the host sends is taken from here on. Loop thread only. */
void devices_start(struct devices *d);

/* The loop is drained and no vCPU runs. NULL is allowed. */
void devices_destroy(struct devices *d);

/*
 * What the loader tells the kernel: an entry of @slots (room for
 * LAYOUT_VIRTIO_SLOTS) for each device. Returns how many there are.
 */
size_t devices_describe(const struct devices *d,
			struct boot_virtio_slot *slots);

#endif
