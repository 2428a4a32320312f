/* SPDX-License-Identifier: MIT */
/*
 * ioapic.h - the 82093AA I/O APIC with LAYOUT_GSIS pins.
 *
 * Threads and locks: see irqchip.h.
 */
#ifndef MINIVMM_VCPU_IRQCHIP_IOAPIC_H
#define MINIVMM_VCPU_IRQCHIP_IOAPIC_H

#include <stdbool.h>
#include <stdint.h>

struct bus;
struct ioapic;
struct irq_sink;

/* All pins masked, on @bus at LAYOUT_IOAPIC. 0 or -errno. */
int ioapic_create(struct ioapic **out, struct bus *bus);
void ioapic_destroy(struct ioapic *io);

/*
 * Messages go to @s from now on: it is told the route of every unmasked pin
 * and gets what is pending. NULL: they stay pending.
 */
void ioapic_connect(struct ioapic *io, struct irq_sink *s);

/* Input @pin is high or low. Out of range: ignored. */
void ioapic_set_pin(struct ioapic *io, unsigned int pin, bool level);

/* A CPU ended the level-triggered interrupt @vector. */
void ioapic_eoi(struct ioapic *io, uint8_t vector);

#endif
