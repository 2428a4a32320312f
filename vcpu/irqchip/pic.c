// SPDX-License-Identifier: MIT
/*
 * pic.c - the PC's pair of 8259A interrupt controllers and the ELCR.
 *
 * How it works. Inputs are latched on their rising edge (or followed, where
 * the ELCR says level). The request of highest priority that is not masked
 * and not held off by one in service raises a chip's output. The second
 * chip's output is input 2 of the first; the first one's is INTR:
 *
 *   irq 8..15 -> slave --(2)--> master -> INTR -> extint()
 *   irq 0,1,3..7 ----------------^
 *
 * A chip is ready, or between ICW1 and its last ICW; then it is silent:
 *
 *   ICW1 -> ICW2 -> [ICW3 when cascaded] -> [ICW4 when asked for] -> ready
 *
 * One lock covers both chips and is held while extint() is called, so that
 * the sink sees changes of INTR in order. The request and the INTA cycle are
 * consistent under that lock: a request that went away took INTR with it, so
 * pic_ack() returns -1 where the hardware, asked too late, answers with the
 * spurious vectors of inputs 7 and 15.
 *
 * References: Intel 8259A datasheet (231468), "8259A p."; the ELCR is from
 * the EISA specification and the 82371 (PIIX) datasheet §2.5.
 */
#include "vcpu/irqchip/pic.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/checked.h"
#include "memory/bus.h"
#include "memory/irq.h"
#include "memory/layout_x86.h"
#include "vcpu/board/byteio.h"

/* A0 of a chip: which of its two ports */
enum pic_port {
	PIC_PORT_COMMAND,
	PIC_PORT_DATA,
	PIC_NR_PORTS,
};

/* ICW1, OCW2 and OCW3 share port 0 (8259A p. 10 to 16) */
enum pic_command {
	PIC_ICW1_IC4 = 0x01,  /* an ICW4 will come */
	PIC_ICW1_SNGL = 0x02, /* no ICW3 will come */
	PIC_ICW1 = 0x10,
	PIC_OCW3 = 0x08,
	PIC_OCW3_RIS = 0x01,
	PIC_OCW3_RR = 0x02,
	PIC_OCW3_POLL = 0x04,
	PIC_OCW3_SMM = 0x20,
	PIC_OCW3_ESMM = 0x40,
};

enum pic_ocw2 {
	PIC_OCW2_ROTATE_AEOI_CLEAR = 0,
	PIC_OCW2_EOI = 1,
	PIC_OCW2_NOP = 2,
	PIC_OCW2_EOI_SPECIFIC = 3,
	PIC_OCW2_ROTATE_AEOI_SET = 4,
	PIC_OCW2_ROTATE_EOI = 5,
	PIC_OCW2_SET_PRIORITY = 6,
	PIC_OCW2_ROTATE_EOI_SPECIFIC = 7,
};

enum pic_icw4 {
	PIC_ICW4_AEOI = 0x02,
	PIC_ICW4_SFNM = 0x10,
};

enum pic_step {
	PIC_READY,
	PIC_WANTS_ICW2,
	PIC_WANTS_ICW3,
	PIC_WANTS_ICW4,
};

#define PIC_CASCADE	 2
#define PIC_POLL_PENDING 0x80u

/* The inputs that may be level-triggered: not 0, 1, 2, 8 and 13 */
#define PIC_ELCR_MASTER 0xf8u
#define PIC_ELCR_SLAVE	0xdeu

struct pic_chip {
	struct bus_dev dev;
	struct pic *pic;
	/* pic->lock from here on */
	uint8_t line;	 /* levels of the inputs */
	uint8_t latch;	 /* edges seen and not served */
	uint8_t elcr;	 /* inputs that are level-triggered */
	uint8_t cascade; /* inputs that follow another chip's output */
	uint8_t imr;
	uint8_t isr;
	uint8_t vector; /* of input 0 */
	uint8_t lowest; /* the input of lowest priority */
	uint8_t step;	/* enum pic_step */
	bool expect_icw3;
	bool expect_icw4;
	bool auto_eoi;
	bool rotate_on_aeoi;
	bool special_mask;
	bool fully_nested; /* special fully nested mode */
	bool read_isr;
	bool poll;
};

struct pic {
	struct bus_dev elcr_dev;
	struct bus *bus;
	struct irq_sink *sink;
	pthread_mutex_t lock; /* all below */
	struct pic_chip master;
	struct pic_chip slave;
	bool intr;
};

/* What the IRR register shows (8259A p. 3). */
static uint8_t chip_irr(const struct pic_chip *c)
{
	uint8_t follow = c->elcr | c->cascade;

	return (uint8_t)((c->latch & ~follow) | (c->line & follow));
}

/* In service and in the way of others (special mask mode: 8259A p. 15). */
static uint8_t chip_in_service(const struct pic_chip *c)
{
	return (uint8_t)(c->special_mask ? c->isr & ~c->imr : c->isr);
}

/* The input to serve now, or -1. */
static int chip_pending(const struct pic_chip *c)
{
	uint8_t service = chip_in_service(c);
	uint8_t request = (uint8_t)(chip_irr(c) & ~c->imr);
	unsigned int i, irq, bit;

	if (c->step != PIC_READY)
		return -1;
	for (i = 1; i <= 8; i++) {
		irq = (c->lowest + i) & 7;
		bit = 1u << irq;
		/* A slave in service may still interrupt itself (p. 16). */
		if (c->fully_nested && (request & c->cascade & bit))
			return (int)irq;
		if (service & bit)
			return -1;
		if (request & bit)
			return (int)irq;
	}
	return -1;
}

/* Serve input @irq: the end of the second INTA pulse, or of a poll. */
static void chip_take(struct pic_chip *c, unsigned int irq)
{
	c->latch &= (uint8_t) ~(1u << irq);
	if (!c->auto_eoi)
		c->isr |= (uint8_t)(1u << irq);
	else if (c->rotate_on_aeoi)
		c->lowest = (uint8_t)irq;
}

/* Bring the cascade and INTR up to date. Caller holds the lock. */
static void pic_update(struct pic *p)
{
	bool intr;

	if (chip_pending(&p->slave) >= 0)
		p->master.line |= 1u << PIC_CASCADE;
	else
		p->master.line &= (uint8_t) ~(1u << PIC_CASCADE);

	intr = chip_pending(&p->master) >= 0;
	if (intr == p->intr)
		return;
	p->intr = intr;
	if (p->sink && p->sink->ops->extint)
		p->sink->ops->extint(p->sink, intr);
}

static void chip_set_input(struct pic_chip *c, unsigned int irq, bool level)
{
	uint8_t bit = (uint8_t)(1u << irq);

	if (!level) {
		c->line &= (uint8_t)~bit;
		return;
	}
	if (!(c->line & bit))
		c->latch |= bit;
	c->line |= bit;
}

void pic_set_input(struct pic *p, unsigned int irq, bool level)
{
	if (irq == PIC_CASCADE || irq >= 16)
		return;
	pthread_mutex_lock(&p->lock);
	chip_set_input(irq < 8 ? &p->master : &p->slave, irq & 7, level);
	pic_update(p);
	pthread_mutex_unlock(&p->lock);
}

/* Caller holds the lock. */
static int pic_inta(struct pic *p)
{
	int irq = chip_pending(&p->master);

	if (irq < 0)
		return -1;
	chip_take(&p->master, (unsigned int)irq);
	if (irq != PIC_CASCADE)
		return p->master.vector + irq;

	/* Input 2 is high because this is not -1. */
	irq = chip_pending(&p->slave);
	chip_take(&p->slave, (unsigned int)irq);
	return p->slave.vector + irq;
}

int pic_ack(struct pic *p)
{
	int vector;

	pthread_mutex_lock(&p->lock);
	vector = pic_inta(p);
	pic_update(p);
	pthread_mutex_unlock(&p->lock);
	return vector;
}

/* 8259A p. 11: what ICW1 resets. */
static void chip_icw1(struct pic_chip *c, uint8_t val)
{
	c->latch = 0;
	c->imr = 0;
	c->isr = 0;
	c->lowest = 7;
	c->special_mask = false;
	c->read_isr = false;
	c->poll = false;
	c->rotate_on_aeoi = false;
	c->auto_eoi = false;
	c->fully_nested = false;
	c->expect_icw3 = !(val & PIC_ICW1_SNGL);
	c->expect_icw4 = val & PIC_ICW1_IC4;
	c->step = PIC_WANTS_ICW2;
}

/* The input that a non-specific EOI ends, or -1 (8259A p. 13). */
static int chip_highest_in_service(const struct pic_chip *c)
{
	uint8_t service = chip_in_service(c);
	unsigned int i, irq;

	for (i = 1; i <= 8; i++) {
		irq = (c->lowest + i) & 7;
		if (service & 1u << irq)
			return (int)irq;
	}
	return -1;
}

static void chip_end(struct pic_chip *c, int irq, bool rotate)
{
	if (irq < 0)
		return;
	c->isr &= (uint8_t) ~(1u << irq);
	if (rotate)
		c->lowest = (uint8_t)irq;
}

static void chip_ocw2(struct pic_chip *c, uint8_t val)
{
	int irq = val & 7;

	switch ((enum pic_ocw2)(val >> 5)) {
	case PIC_OCW2_ROTATE_AEOI_CLEAR:
	case PIC_OCW2_ROTATE_AEOI_SET:
		c->rotate_on_aeoi = val >> 5 == PIC_OCW2_ROTATE_AEOI_SET;
		break;
	case PIC_OCW2_EOI:
	case PIC_OCW2_ROTATE_EOI:
		chip_end(c, chip_highest_in_service(c),
			 val >> 5 == PIC_OCW2_ROTATE_EOI);
		break;
	case PIC_OCW2_EOI_SPECIFIC:
	case PIC_OCW2_ROTATE_EOI_SPECIFIC:
		chip_end(c, irq, val >> 5 == PIC_OCW2_ROTATE_EOI_SPECIFIC);
		break;
	case PIC_OCW2_SET_PRIORITY:
		c->lowest = (uint8_t)irq;
		break;
	case PIC_OCW2_NOP:
		break;
	}
}

static void chip_ocw3(struct pic_chip *c, uint8_t val)
{
	if (val & PIC_OCW3_ESMM)
		c->special_mask = val & PIC_OCW3_SMM;
	if (val & PIC_OCW3_POLL)
		c->poll = true;
	else if (val & PIC_OCW3_RR)
		c->read_isr = val & PIC_OCW3_RIS;
}

static void chip_command(struct pic_chip *c, uint8_t val)
{
	if (val & PIC_ICW1)
		chip_icw1(c, val);
	else if (val & PIC_OCW3)
		chip_ocw3(c, val);
	else
		chip_ocw2(c, val);
}

/* ICW2 to ICW4, then the mask register (8259A p. 10, figure 6). */
static void chip_data(struct pic_chip *c, uint8_t val)
{
	switch ((enum pic_step)c->step) {
	case PIC_READY:
		c->imr = val;
		return;
	case PIC_WANTS_ICW2:
		c->vector = val & 0xf8;
		if (c->expect_icw3)
			c->step = PIC_WANTS_ICW3;
		else
			c->step = c->expect_icw4 ? PIC_WANTS_ICW4 : PIC_READY;
		return;
	case PIC_WANTS_ICW3:
		/* The wiring of the cascade is the board's: not stored. */
		c->step = c->expect_icw4 ? PIC_WANTS_ICW4 : PIC_READY;
		return;
	case PIC_WANTS_ICW4:
		c->auto_eoi = val & PIC_ICW4_AEOI;
		c->fully_nested = val & PIC_ICW4_SFNM;
		c->step = PIC_READY;
		return;
	}
}

/* The poll command makes the next read an INTA (8259A p. 16). */
static uint8_t chip_poll(struct pic_chip *c)
{
	int irq = chip_pending(c);

	c->poll = false;
	if (irq < 0)
		return 0;
	chip_take(c, (unsigned int)irq);
	return (uint8_t)(PIC_POLL_PENDING | (unsigned int)irq);
}

static uint8_t chip_read(struct pic_chip *c, uint64_t port)
{
	if (c->poll)
		return chip_poll(c);
	if (port == PIC_PORT_DATA)
		return c->imr;
	return c->read_isr ? c->isr : chip_irr(c);
}

static uint8_t chip_get(struct bus_dev *d, uint64_t off)
{
	struct pic_chip *c = container_of(d, struct pic_chip, dev);
	uint8_t val;

	pthread_mutex_lock(&c->pic->lock);
	val = chip_read(c, off);
	pic_update(c->pic);
	pthread_mutex_unlock(&c->pic->lock);
	return val;
}

static void chip_put(struct bus_dev *d, uint64_t off, uint8_t val)
{
	struct pic_chip *c = container_of(d, struct pic_chip, dev);

	pthread_mutex_lock(&c->pic->lock);
	if (off == PIC_PORT_DATA)
		chip_data(c, val);
	else
		chip_command(c, val);
	pic_update(c->pic);
	pthread_mutex_unlock(&c->pic->lock);
}

static uint8_t elcr_get(struct bus_dev *d, uint64_t off)
{
	struct pic *p = container_of(d, struct pic, elcr_dev);
	uint8_t val;

	pthread_mutex_lock(&p->lock);
	val = off ? p->slave.elcr : p->master.elcr;
	pthread_mutex_unlock(&p->lock);
	return val;
}

static void elcr_put(struct bus_dev *d, uint64_t off, uint8_t val)
{
	struct pic *p = container_of(d, struct pic, elcr_dev);

	pthread_mutex_lock(&p->lock);
	if (off)
		p->slave.elcr = val & PIC_ELCR_SLAVE;
	else
		p->master.elcr = val & PIC_ELCR_MASTER;
	pic_update(p);
	pthread_mutex_unlock(&p->lock);
}

static uint64_t chip_bus_read(struct bus_dev *d, uint64_t off, unsigned int len)
{
	return byteio_read(d, off, len, chip_get);
}

static void chip_bus_write(struct bus_dev *d, uint64_t off, unsigned int len,
			   uint64_t val)
{
	byteio_write(d, off, len, val, chip_put);
}

static uint64_t elcr_read(struct bus_dev *d, uint64_t off, unsigned int len)
{
	return byteio_read(d, off, len, elcr_get);
}

static void elcr_write(struct bus_dev *d, uint64_t off, unsigned int len,
		       uint64_t val)
{
	byteio_write(d, off, len, val, elcr_put);
}

static const struct bus_ops chip_ops = { chip_bus_read, chip_bus_write };
static const struct bus_ops elcr_ops = { elcr_read, elcr_write };

static void chip_init(struct pic_chip *c, struct pic *p, const char *name,
		      uint64_t port)
{
	c->dev = (struct bus_dev){ name, port, PIC_NR_PORTS, &chip_ops };
	c->pic = p;
	c->imr = 0xff;
	c->lowest = 7;
}

static void pic_init(struct pic *p, struct bus *bus)
{
	chip_init(&p->master, p, "pic", LAYOUT_PORT_PIC0);
	chip_init(&p->slave, p, "pic slave", LAYOUT_PORT_PIC1);
	p->master.cascade = 1u << PIC_CASCADE;
	p->elcr_dev =
		(struct bus_dev){ "elcr", LAYOUT_PORT_ELCR, 2, &elcr_ops };
	p->bus = bus;
	pthread_mutex_init(&p->lock, NULL);
}

int pic_create(struct pic **out, struct bus *bus)
{
	struct pic *p;
	int err;

	*out = NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	pic_init(p, bus);

	err = bus_add(bus, BUS_PIO, &p->master.dev);
	if (err)
		goto free_pic;
	err = bus_add(bus, BUS_PIO, &p->slave.dev);
	if (err)
		goto del_master;
	err = bus_add(bus, BUS_PIO, &p->elcr_dev);
	if (err)
		goto del_slave;
	*out = p;
	return 0;

del_slave:
	bus_del(bus, BUS_PIO, &p->slave.dev);
del_master:
	bus_del(bus, BUS_PIO, &p->master.dev);
free_pic:
	free(p);
	return err;
}

void pic_destroy(struct pic *p)
{
	if (!p)
		return;
	bus_del(p->bus, BUS_PIO, &p->elcr_dev);
	bus_del(p->bus, BUS_PIO, &p->slave.dev);
	bus_del(p->bus, BUS_PIO, &p->master.dev);
	free(p);
}

void pic_connect(struct pic *p, struct irq_sink *s)
{
	pthread_mutex_lock(&p->lock);
	p->sink = s;
	if (s && s->ops->extint)
		s->ops->extint(s, p->intr);
	pthread_mutex_unlock(&p->lock);
}
