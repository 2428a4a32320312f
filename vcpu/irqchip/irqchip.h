/* SPDX-License-Identifier: MIT */
/*
 * irqchip.h - the interrupt chips soldered to the board: one IO-APIC with
 * LAYOUT_GSIS pins, the pair of 8259 PICs, and the lines that reach both.
 *
 * How it works. A line below 16 drives the PIC input of that number and an
 * IO-APIC pin (GSI 0 drives pin 2, as the MADT's override says); a line above
 * drives its IO-APIC pin only. Pins send MSI messages into the irq_sink that
 * the engine connects; the PIC's output goes to its extint().
 *
 * The sink's @gsi is the number of the pin: IRQ 0 arrives as 2, the way the
 * MADT tells it to kernels. Line 2 is the PIC's cascade: it reaches nothing.
 *
 * Threads: everything but create, destroy and connect: any thread. The sink
 * is called with the lock of the pin (or of the PIC) held, so that it sees
 * route() before the trigger() that it is for, and changes of INTR in order
 * (ioapic.c, pic.c). So a sink's functions must not call the chips, and who
 * calls irqchip_eoi() or irqchip_ack_pic() must hold no lock that the sink's
 * functions take. Lock order: device, then chip, then sink.
 */
#ifndef MINIVMM_VCPU_IRQCHIP_IRQCHIP_H
#define MINIVMM_VCPU_IRQCHIP_IRQCHIP_H

#include <stdbool.h>
#include <stdint.h>

struct bus;
struct irq_line;
struct irq_sink;
struct irqchip;

/* Create the chips and put them on @bus. 0 or -errno. */
int irqchip_create(struct irqchip **out, struct bus *bus);
void irqchip_destroy(struct irqchip *c);

/*
 * Where messages go from now on. The engine's, during its create; NULL during
 * its destroy.
 */
void irqchip_connect(struct irqchip *c, struct irq_sink *s);

/*
 * The line of @gsi, NULL when there is none (>= LAYOUT_GSIS). Lives as long as
 * the chips.
 */
struct irq_line *irqchip_line(struct irqchip *c, unsigned int gsi);

/*
 * The CPU takes the PIC's interrupt (8259A INTA cycle): the vector, or -1
 * when nothing is pending any more. Engine only.
 */
int irqchip_ack_pic(struct irqchip *c);

/*
 * A CPU ended the interrupt @vector and the message was level-triggered: the
 * IO-APIC clears remote IRR and sends again when the pin is still high.
 * Engine only.
 */
void irqchip_eoi(struct irqchip *c, uint8_t vector);

#endif
