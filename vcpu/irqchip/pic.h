/* SPDX-License-Identifier: MIT */
/*
 * pic.h - the PC's pair of 8259A interrupt controllers and the ELCR.
 *
 * Threads and locks: see irqchip.h.
 */
#ifndef MINIVMM_VCPU_IRQCHIP_PIC_H
#define MINIVMM_VCPU_IRQCHIP_PIC_H

#include <stdbool.h>

struct bus;
struct irq_sink;
struct pic;

/* Both chips with all inputs masked, on @bus. 0 or -errno. */
int pic_create(struct pic **out, struct bus *bus);
void pic_destroy(struct pic *p);

/* INTR goes to s->ops->extint() from now on, starting with its level. */
void pic_connect(struct pic *p, struct irq_sink *s);

/* Input @irq is high or low. Input 2 is the cascade; it and >= 16: ignored. */
void pic_set_input(struct pic *p, unsigned int irq, bool level);

/* The INTA cycle: a vector, or -1 when INTR is low. */
int pic_ack(struct pic *p);

#endif
