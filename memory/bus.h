/* SPDX-License-Identifier: MIT */
/*
 * bus.h - port and MMIO dispatch, and doorbells.
 *
 * How it works. Each space is a sorted array of disjoint ranges; an access
 * finds its range by binary search and calls the device. An access that no
 * device owns, or that leaves its range half way, reads all ones and writes
 * nothing: as on a PC.
 *
 * A doorbell is a (address, length, value) of the MMIO space whose only
 * effect is to signal an eventfd. An engine that can do that without leaving
 * the kernel (KVM's ioeventfd) listens to doorbells; for the others
 * bus_write() signals it. The device behind the range does not see the write.
 *
 * Threads: add and del while no vCPU runs. bus_read and bus_write: any
 * thread, several at once; devices lock themselves.
 */
#ifndef MINIVMM_MEMORY_BUS_H
#define MINIVMM_MEMORY_BUS_H

#include <stdint.h>

enum bus_space {
	BUS_PIO,
	BUS_MMIO,
};

struct bus;
struct bus_dev;

struct bus_ops {
	/*
	 * @off is relative to the range; @len is 1, 2, 4 or 8 and
	 * [off, off + len) lies inside it. Bits of the result above @len are
	 * dropped. NULL: reads all ones.
	 */
	uint64_t (*read)(struct bus_dev *d, uint64_t off, unsigned int len);
	/* NULL: writes are ignored. */
	void (*write)(struct bus_dev *d, uint64_t off, unsigned int len,
		      uint64_t val);
};

/* One range. Embedded by its device, filled before bus_add(). */
struct bus_dev {
	const char *name;
	uint64_t base;
	uint64_t size;
	const struct bus_ops *ops;
};

struct bus_doorbell {
	uint64_t addr;
	unsigned int len; /* 1, 2, 4 or 8 */
	uint64_t value;	  /* only this value rings */
	int fd;		  /* an eventfd, the device's */
};

/* Embedded by an engine; one listener a bus. */
struct bus_listener {
	int (*doorbell_added)(struct bus_listener *l,
			      const struct bus_doorbell *d);
	void (*doorbell_removed)(struct bus_listener *l,
				 const struct bus_doorbell *d);
};

int bus_create(struct bus **out);
void bus_destroy(struct bus *b);

/* -EEXIST when the range overlaps another, -EINVAL when it is empty or wraps. */
int bus_add(struct bus *b, enum bus_space space, struct bus_dev *d);
void bus_del(struct bus *b, enum bus_space space, struct bus_dev *d);

/* @len is 1, 2, 4 or 8. Values are in the host's order, zero-extended. */
uint64_t bus_read(struct bus *b, enum bus_space space, uint64_t addr,
		  unsigned int len);
void bus_write(struct bus *b, enum bus_space space, uint64_t addr,
	       unsigned int len, uint64_t val);

/*
 * Copies *d. When the listener refuses (a host out of ioeventfds), the
 * doorbell works through bus_write(); only -ENOMEM and -EEXIST are returned.
 */
int bus_add_doorbell(struct bus *b, const struct bus_doorbell *d);
void bus_del_doorbell(struct bus *b, const struct bus_doorbell *d);

/* Tells @l of the doorbells there are. NULL takes the listener away. */
void bus_set_listener(struct bus *b, struct bus_listener *l);

#endif
