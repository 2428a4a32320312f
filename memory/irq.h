/* SPDX-License-Identifier: MIT */
/*
 * irq.h - how a device interrupts without knowing the CPU.
 *
 *   device --irq_line--> irqchip (IO-APIC, PIC) --msi_msg--> irq_sink
 *   device ----------------------msi_msg------------------------^
 *
 * The irq_sink is the local APICs, as the engine provides them.
 */
#ifndef MINIVMM_MEMORY_IRQ_H
#define MINIVMM_MEMORY_IRQ_H

#include <stdbool.h>
#include <stdint.h>

/* A message-signalled interrupt, as SDM 3A §10.11 lays it out. */
struct msi_msg {
	uint64_t addr;
	uint32_t data;
};

struct irq_line;

/* One interrupt input. Owned by the irqchip, borrowed by a device. */
struct irq_line {
	/* Any thread; does not block. */
	void (*set)(struct irq_line *l, bool level);
	unsigned int gsi;
};

static inline void irq_set(struct irq_line *l, bool level)
{
	l->set(l, level);
}

/* One edge: what every virtio interrupt is. */
static inline void irq_pulse(struct irq_line *l)
{
	l->set(l, true);
	l->set(l, false);
}

struct irq_sink;

struct irq_sink_ops {
	/* Deliver @m now. Any thread. 0 or -errno. */
	int (*send)(struct irq_sink *s, const struct msi_msg *m);
	/*
	 * From now on @gsi means @m; NULL: it is masked. A chance to prepare
	 * (KVM: an irqfd route). NULL member: nothing to prepare.
	 */
	void (*route)(struct irq_sink *s, unsigned int gsi,
		      const struct msi_msg *m);
	/*
	 * Deliver @gsi by its last route, which is not masked. Any thread.
	 * NULL member: send() is called with the message instead.
	 */
	void (*trigger)(struct irq_sink *s, unsigned int gsi);
	/*
	 * The PIC's INTR output, wired to LINT0 of the first CPU; the engine
	 * asks irqchip_ack_pic() for the vector when that CPU can take it.
	 * Any thread.
	 */
	void (*extint)(struct irq_sink *s, bool asserted);
};

struct irq_sink {
	const struct irq_sink_ops *ops;
};

#endif
