// SPDX-License-Identifier: MIT
/*
 * irqchip.c - the lines of the board, and the chips that they reach.
 */
#include "vcpu/irqchip/irqchip.h"

#include <errno.h>
#include <stdlib.h>

#include "base/checked.h"
#include "memory/irq.h"
#include "memory/layout_x86.h"
#include "vcpu/irqchip/ioapic.h"
#include "vcpu/irqchip/pic.h"

#define IRQCHIP_PIC_INPUTS 16
#define IRQCHIP_CASCADE	   2
#define IRQCHIP_PIT_PIN	   2 /* the MADT says so: override of IRQ 0 */

struct irqchip_wire {
	struct irq_line line;
	struct irqchip *chip;
};

struct irqchip {
	struct ioapic *ioapic;
	struct pic *pic;
	struct irqchip_wire wires[LAYOUT_GSIS];
};

static void wire_set(struct irq_line *l, bool level)
{
	struct irqchip_wire *w = container_of(l, struct irqchip_wire, line);
	unsigned int pin = l->gsi;

	/* The PIC's input 2 is the cascade, and pin 2 belongs to IRQ 0. */
	if (pin == IRQCHIP_CASCADE)
		return;
	if (pin < IRQCHIP_PIC_INPUTS)
		pic_set_input(w->chip->pic, pin, level);
	if (pin == LAYOUT_GSI_PIT)
		pin = IRQCHIP_PIT_PIN;
	ioapic_set_pin(w->chip->ioapic, pin, level);
}

struct irq_line *irqchip_line(struct irqchip *c, unsigned int gsi)
{
	return gsi < ARRAY_SIZE(c->wires) ? &c->wires[gsi].line : NULL;
}

void irqchip_connect(struct irqchip *c, struct irq_sink *s)
{
	ioapic_connect(c->ioapic, s);
	pic_connect(c->pic, s);
}

int irqchip_ack_pic(struct irqchip *c)
{
	return pic_ack(c->pic);
}

void irqchip_eoi(struct irqchip *c, uint8_t vector)
{
	ioapic_eoi(c->ioapic, vector);
}

int irqchip_create(struct irqchip **out, struct bus *bus)
{
	struct irqchip *c;
	unsigned int i;
	int err;

	*out = NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(c->wires); i++) {
		c->wires[i].line.set = wire_set;
		c->wires[i].line.gsi = i;
		c->wires[i].chip = c;
	}

	err = ioapic_create(&c->ioapic, bus);
	if (err)
		goto free_chip;
	err = pic_create(&c->pic, bus);
	if (err)
		goto destroy_ioapic;
	*out = c;
	return 0;

destroy_ioapic:
	ioapic_destroy(c->ioapic);
free_chip:
	free(c);
	return err;
}

void irqchip_destroy(struct irqchip *c)
{
	if (!c)
		return;
	pic_destroy(c->pic);
	ioapic_destroy(c->ioapic);
	free(c);
}
