// SPDX-License-Identifier: MIT
/*
 * ioapic.c - the 82093AA I/O APIC with LAYOUT_GSIS pins.
 *
 * How it works. A pin is a redirection entry, the level of its input and, in
 * edge mode, a latch that remembers an edge until it is sent:
 *
 *   edge    input rises -> latch -> sent once the pin is unmasked
 *   level   input high, unmasked, no remote IRR -> sent, remote IRR set
 *           EOI of the vector: remote IRR cleared, sent again if still high
 *
 * The datasheet drops edges at a masked pin; the latch keeps them, since a
 * kernel masks a pin while it moves the interrupt to another CPU, and a lost
 * edge is a device that waits for ever.
 *
 * Each pin has a lock, which is held while the sink is called. So a sink sees
 * route() and trigger() of one pin in the order in which the entry changed:
 * when trigger() runs, the last route() was of the message that is meant, and
 * no writer can mask the pin in between (the interrupt would be lost).
 * Pins do not wait for each other: a slow route() stops only raises of its
 * own pin. Polarity is kept but means nothing, inputs are logical.
 *
 * References: 82093AA datasheet §3; the EOI register and more than 24 pins
 * came with version 0x20 (ICH datasheets, "I/O APIC registers").
 */
#include "vcpu/irqchip/ioapic.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/log.h"
#include "memory/bus.h"
#include "memory/irq.h"
#include "memory/layout_x86.h"

/* Offsets in the window, 32 bits each (82093AA §3.1) */
enum ioapic_window {
	IOAPIC_IOREGSEL = 0x00,
	IOAPIC_IOWIN = 0x10,
	IOAPIC_EOI = 0x40,
	IOAPIC_WINDOW_SIZE = 0x1000,
};

/* Values of IOREGSEL (82093AA §3.2) */
enum ioapic_register {
	IOAPIC_REG_ID = 0x00,
	IOAPIC_REG_VERSION = 0x01,
	IOAPIC_REG_ARBITRATION = 0x02,
	IOAPIC_REG_REDIRECTION = 0x10, /* low, high; low, high; ... */
};

#define IOAPIC_VERSION 0x20u

/* Redirection table entry (82093AA §3.2.4) */
#define RTE_VECTOR     0xffull
#define RTE_MODE_SHIFT 8
#define RTE_MODE       (7ull << RTE_MODE_SHIFT)
#define RTE_LOGICAL    (1ull << 11)
#define RTE_POLARITY   (1ull << 13)
#define RTE_REMOTE_IRR (1ull << 14)
#define RTE_LEVEL      (1ull << 15)
#define RTE_MASKED     (1ull << 16)
#define RTE_DEST_SHIFT 56
#define RTE_DEST       (0xffull << RTE_DEST_SHIFT)
#define RTE_WRITABLE                                                      \
	(RTE_VECTOR | RTE_MODE | RTE_LOGICAL | RTE_POLARITY | RTE_LEVEL | \
	 RTE_MASKED | RTE_DEST)

enum ioapic_delivery_mode {
	IOAPIC_MODE_FIXED = 0,
	IOAPIC_MODE_LOWEST = 1,
};

/* MSI address and data (SDM 3A §10.11) */
#define MSI_ADDR_BASE	    0xfee00000ull
#define MSI_ADDR_DEST_SHIFT 12
#define MSI_ADDR_REDIRECT   (1ull << 3)
#define MSI_ADDR_LOGICAL    (1ull << 2)
#define MSI_DATA_MODE_SHIFT 8
#define MSI_DATA_ASSERT	    (1u << 14)
#define MSI_DATA_LEVEL	    (1u << 15)

struct ioapic_pin {
	pthread_mutex_t lock; /* all below */
	uint64_t rte;
	bool level;
	bool latch;
};

struct ioapic {
	struct bus_dev dev;
	struct bus *bus;
	struct irq_sink *sink; /* set while nothing else runs */
	pthread_mutex_t lock;  /* select and id; no other lock inside */
	uint8_t select;
	uint8_t id;
	atomic_bool send_failed;
	struct ioapic_pin pins[LAYOUT_GSIS];
};

static unsigned int rte_mode(uint64_t rte)
{
	return (rte & RTE_MODE) >> RTE_MODE_SHIFT;
}

/* NMI, SMI, INIT and ExtINT are edges whatever the bit says (§3.2.4). */
static bool rte_is_level(uint64_t rte)
{
	return (rte & RTE_LEVEL) && rte_mode(rte) <= IOAPIC_MODE_LOWEST;
}

static struct msi_msg rte_message(uint64_t rte)
{
	struct msi_msg m;

	m.addr = MSI_ADDR_BASE | (rte >> RTE_DEST_SHIFT) << MSI_ADDR_DEST_SHIFT;
	if (rte & RTE_LOGICAL)
		m.addr |= MSI_ADDR_LOGICAL;
	if (rte_mode(rte) == IOAPIC_MODE_LOWEST)
		m.addr |= MSI_ADDR_REDIRECT;
	m.data = (rte & RTE_VECTOR) | rte_mode(rte) << MSI_DATA_MODE_SHIFT;
	if (rte_is_level(rte))
		m.data |= MSI_DATA_LEVEL | MSI_DATA_ASSERT;
	return m;
}

/* Caller holds the pin's lock. */
static bool pin_wants(const struct ioapic_pin *p)
{
	if (p->rte & RTE_MASKED)
		return false;
	if (rte_is_level(p->rte))
		return p->level && !(p->rte & RTE_REMOTE_IRR);
	return p->latch;
}

static void pin_emit(struct ioapic *io, unsigned int pin)
{
	const struct irq_sink_ops *ops = io->sink->ops;
	struct msi_msg m;

	if (ops->trigger) {
		ops->trigger(io->sink, pin);
		return;
	}
	m = rte_message(io->pins[pin].rte);
	if (ops->send(io->sink, &m))
		log_once(&io->send_failed, "ioapic: pin %u: no CPU for it",
			 pin);
}

/* Send what is due. Caller holds the pin's lock. */
static void pin_service(struct ioapic *io, unsigned int pin)
{
	struct ioapic_pin *p = &io->pins[pin];

	if (!io->sink || !pin_wants(p))
		return;
	if (rte_is_level(p->rte))
		p->rte |= RTE_REMOTE_IRR;
	else
		p->latch = false;
	pin_emit(io, pin);
}

/* Tell the sink what the pin means now. Caller holds the pin's lock. */
static void pin_route(struct ioapic *io, unsigned int pin)
{
	uint64_t rte = io->pins[pin].rte;
	struct msi_msg m = rte_message(rte);

	if (!io->sink || !io->sink->ops->route)
		return;
	io->sink->ops->route(io->sink, pin, rte & RTE_MASKED ? NULL : &m);
}

/* Whether the sink has to hear of the change. */
static bool route_changes(uint64_t old, uint64_t new)
{
	struct msi_msg a = rte_message(old), b = rte_message(new);

	if ((old ^ new) & RTE_MASKED)
		return true;
	if (new &RTE_MASKED)
		return false;
	return a.addr != b.addr || a.data != b.data;
}

void ioapic_set_pin(struct ioapic *io, unsigned int pin, bool level)
{
	struct ioapic_pin *p;

	if (pin >= ARRAY_SIZE(io->pins))
		return;
	p = &io->pins[pin];
	pthread_mutex_lock(&p->lock);
	if (level && !p->level && !rte_is_level(p->rte))
		p->latch = true;
	p->level = level;
	if (level)
		pin_service(io, pin);
	pthread_mutex_unlock(&p->lock);
}

static void pin_write(struct ioapic *io, unsigned int pin, bool high,
		      uint32_t val)
{
	struct ioapic_pin *p = &io->pins[pin];
	uint64_t old, new, mask;

	mask = RTE_WRITABLE & (high ? ~0ull << 32 : 0xffffffffull);
	pthread_mutex_lock(&p->lock);
	old = p->rte;
	new = (old & ~mask) | ((high ? (uint64_t)val << 32 : val) & mask);
	/* Switching to edge ends a level interrupt: kernels rely on it. */
	if (!rte_is_level(new))
		new &= ~RTE_REMOTE_IRR;
	else
		p->latch = false;
	p->rte = new;
	if (route_changes(old, new))
		pin_route(io, pin);
	pin_service(io, pin);
	pthread_mutex_unlock(&p->lock);
}

static uint32_t pin_read(struct ioapic *io, unsigned int pin, bool high)
{
	struct ioapic_pin *p = &io->pins[pin];
	uint64_t rte;

	pthread_mutex_lock(&p->lock);
	rte = p->rte;
	pthread_mutex_unlock(&p->lock);
	return (uint32_t)(high ? rte >> 32 : rte);
}

static void pin_eoi(struct ioapic *io, unsigned int pin, uint8_t vector)
{
	struct ioapic_pin *p = &io->pins[pin];

	pthread_mutex_lock(&p->lock);
	if ((p->rte & RTE_REMOTE_IRR) && (p->rte & RTE_VECTOR) == vector) {
		p->rte &= ~RTE_REMOTE_IRR;
		pin_service(io, pin);
	}
	pthread_mutex_unlock(&p->lock);
}

void ioapic_eoi(struct ioapic *io, uint8_t vector)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(io->pins); i++)
		pin_eoi(io, i, vector);
}

static uint8_t ioapic_selected(struct ioapic *io)
{
	uint8_t select;

	pthread_mutex_lock(&io->lock);
	select = io->select;
	pthread_mutex_unlock(&io->lock);
	return select;
}

static uint32_t ioapic_read_id(struct ioapic *io)
{
	uint32_t id;

	pthread_mutex_lock(&io->lock);
	id = io->id;
	pthread_mutex_unlock(&io->lock);
	return id << 24;
}

/* The register that IOREGSEL names; unknown ones read 0. */
static uint32_t ioapic_read_register(struct ioapic *io)
{
	unsigned int reg = ioapic_selected(io);
	unsigned int pin = (reg - IOAPIC_REG_REDIRECTION) / 2;

	switch (reg) {
	case IOAPIC_REG_ID:
	case IOAPIC_REG_ARBITRATION:
		return ioapic_read_id(io);
	case IOAPIC_REG_VERSION:
		return IOAPIC_VERSION | (ARRAY_SIZE(io->pins) - 1) << 16;
	}
	if (reg < IOAPIC_REG_REDIRECTION || pin >= ARRAY_SIZE(io->pins))
		return 0;
	return pin_read(io, pin, reg & 1);
}

static void ioapic_write_register(struct ioapic *io, uint32_t val)
{
	unsigned int reg = ioapic_selected(io);
	unsigned int pin = (reg - IOAPIC_REG_REDIRECTION) / 2;

	if (reg == IOAPIC_REG_ID) {
		pthread_mutex_lock(&io->lock);
		io->id = (val >> 24) & 0x0f;
		pthread_mutex_unlock(&io->lock);
		return;
	}
	if (reg < IOAPIC_REG_REDIRECTION || pin >= ARRAY_SIZE(io->pins))
		return;
	pin_write(io, pin, reg & 1, val);
}

static uint64_t ioapic_bus_read(struct bus_dev *d, uint64_t off,
				unsigned int len)
{
	struct ioapic *io = container_of(d, struct ioapic, dev);

	/* The chip decodes aligned 32-bit accesses only (§3.0). */
	if (len != 4)
		return UINT64_MAX;
	switch (off) {
	case IOAPIC_IOREGSEL:
		return ioapic_selected(io);
	case IOAPIC_IOWIN:
		return ioapic_read_register(io);
	}
	return 0;
}

static void ioapic_bus_write(struct bus_dev *d, uint64_t off, unsigned int len,
			     uint64_t val)
{
	struct ioapic *io = container_of(d, struct ioapic, dev);

	if (len != 4)
		return;
	switch (off) {
	case IOAPIC_IOREGSEL:
		pthread_mutex_lock(&io->lock);
		io->select = (uint8_t)val;
		pthread_mutex_unlock(&io->lock);
		break;
	case IOAPIC_IOWIN:
		ioapic_write_register(io, (uint32_t)val);
		break;
	case IOAPIC_EOI:
		ioapic_eoi(io, (uint8_t)val);
		break;
	}
}

static const struct bus_ops ioapic_bus_ops = {
	.read = ioapic_bus_read,
	.write = ioapic_bus_write,
};

void ioapic_connect(struct ioapic *io, struct irq_sink *s)
{
	unsigned int i;

	io->sink = s;
	for (i = 0; i < ARRAY_SIZE(io->pins); i++) {
		pthread_mutex_lock(&io->pins[i].lock);
		if (!(io->pins[i].rte & RTE_MASKED))
			pin_route(io, i);
		pin_service(io, i);
		pthread_mutex_unlock(&io->pins[i].lock);
	}
}

int ioapic_create(struct ioapic **out, struct bus *bus)
{
	struct ioapic *io;
	unsigned int i;
	int err;

	*out = NULL;
	io = calloc(1, sizeof(*io));
	if (!io)
		return -ENOMEM;

	io->dev = (struct bus_dev){
		.name = "ioapic",
		.base = LAYOUT_IOAPIC,
		.size = IOAPIC_WINDOW_SIZE,
		.ops = &ioapic_bus_ops,
	};
	io->bus = bus;
	io->id = LAYOUT_IOAPIC_ID;
	pthread_mutex_init(&io->lock, NULL);
	for (i = 0; i < ARRAY_SIZE(io->pins); i++) {
		pthread_mutex_init(&io->pins[i].lock, NULL);
		io->pins[i].rte = RTE_MASKED;
	}

	err = bus_add(bus, BUS_MMIO, &io->dev);
	if (err) {
		free(io);
		return err;
	}
	*out = io;
	return 0;
}

void ioapic_destroy(struct ioapic *io)
{
	if (!io)
		return;
	bus_del(io->bus, BUS_MMIO, &io->dev);
	free(io);
}
