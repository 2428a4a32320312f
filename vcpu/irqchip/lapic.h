/* SPDX-License-Identifier: MIT */
/*
 * lapic.h - the local APIC of one CPU, and the bus that joins them, for
 * engines that have none of their own.
 *
 * How it works. A lapic belongs to the thread of its vCPU: registers, timer,
 * and the acceptance of interrupts are that thread's. Everything that comes
 * from outside (messages of other CPUs, MSIs, the PIC's line) may come on any
 * thread and takes no lock: it sets a bit of the IRR atomically, then
 * LAPIC_ATTENTION in the owner's word, then calls wake().
 *
 *   any thread:   IRR |= vector -> attention |= 1 -> wake()
 *   vCPU thread:  attention? -> lapic_pending() -> lapic_ack() -> IRR to ISR
 *
 * So the owner's hot loop loads one word. lapic_pending() takes the flag back
 * when nothing can be delivered now; whatever may change that (EOI, a lower
 * TPR, a new message) sets it again. A halted vCPU sleeps only if the word is
 * 0 after it has announced that it sleeps, and until lapic_next_deadline().
 *
 * The timer never runs by itself: arm() tells the owner when the vCPU's
 * thread has to call lapic_run_timer(). Time is what now() says: the host's
 * clock or a count of instructions.
 *
 * The timer counts at LAPIC_TIMER_HZ and the saved state is KVM's register
 * page, so that state moves between engines.
 *
 * Locks: none here. wake(), nmi(), init() and sipi() may come from inside a
 * chip that holds its own (irqchip.h), so they must not call the chips; eoi()
 * and ack_pic() come from the vCPU's thread and are meant to.
 *
 * Threads: vCPU thread of l only, where nothing else is said. Creating and
 * destroying: while no vCPU runs.
 */
#ifndef MINIVMM_VCPU_IRQCHIP_LAPIC_H
#define MINIVMM_VCPU_IRQCHIP_LAPIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory/layout_x86.h"

struct cpu_state;
struct irq_sink;
struct lapic;
struct lapic_bus;
struct lapic_owner;

#define LAPIC_TIMER_HZ 1000000000u /* KVM's: one tick a nanosecond */
#define LAPIC_NEVER    UINT64_MAX  /* a deadline that does not come */
#define LAPIC_EXTINT   256 /* "vector" of the PIC: see lapic_pending() */

/* The lapic's bit of lapic_owner.attention; the others are the owner's. */
#define LAPIC_ATTENTION 1u

struct lapic_ops {
	/* Nanoseconds since any point, never backwards. vCPU thread. */
	uint64_t (*now)(struct lapic_owner *o);
	/* The guest's time stamp counter. vCPU thread. */
	uint64_t (*tsc)(struct lapic_owner *o);
	/*
	 * lapic_run_timer() is due at @deadline, by now()'s clock; a new
	 * call replaces the one before, LAPIC_NEVER cancels. vCPU thread.
	 */
	void (*arm)(struct lapic_owner *o, uint64_t deadline);
	/* The attention word is set: end a sleep. Any thread, also its own. */
	void (*wake)(struct lapic_owner *o);
	/* Events for the CPU, to be kept until it takes them. Any thread. */
	void (*nmi)(struct lapic_owner *o);
	void (*init)(struct lapic_owner *o);
	void (*sipi)(struct lapic_owner *o, uint8_t vector);
	/* A level-triggered interrupt ended: irqchip_eoi(). vCPU thread. */
	void (*eoi)(struct lapic_owner *o, uint8_t vector);
	/* irqchip_ack_pic(). vCPU thread. */
	int (*ack_pic)(struct lapic_owner *o);
};

/* Embedded by a vCPU; @attention starts 0. */
struct lapic_owner {
	const struct lapic_ops *ops;
	atomic_uint attention;
};

struct lapic_params {
	struct lapic_bus *bus;
	struct lapic_owner *owner;
	unsigned int id;	/* < LAYOUT_CPUS_MAX, unique; 0 boots */
	uint64_t tsc_khz;	/* of ops->tsc(), not 0 */
	unsigned int phys_bits; /* MAXPHYADDR, 32 to 52 */
};

/* What joins the local APICs: SDM 3A §10.1. Created before, destroyed after. */
int lapic_bus_create(struct lapic_bus **out);
void lapic_bus_destroy(struct lapic_bus *b);

/*
 * Where the IO-APIC, MSIs and the PIC send to; lives as long as the bus.
 * send() refuses an address outside 0xfee00000..0xfeefffff with -EINVAL.
 */
struct irq_sink *lapic_bus_sink(struct lapic_bus *b);

/*
 * A local APIC after power-up, on @p->bus. 0, -ENOMEM, -EINVAL (parameters)
 * or -EEXIST (the id is taken).
 */
int lapic_create(struct lapic **out, const struct lapic_params *p);
void lapic_destroy(struct lapic *l);

enum lapic_reset {
	LAPIC_POWER_UP, /* SDM 3A §10.4.7.1, and IA32_APIC_BASE */
	LAPIC_INIT,	/* §10.4.7.3: the CPU took INIT; the base stays */
};

void lapic_reset(struct lapic *l, enum lapic_reset kind);

/* IA32_APIC_BASE: SDM 3A §10.4.4, §10.12.5. */
uint64_t lapic_get_base(const struct lapic *l);
/* -EINVAL, and nothing changed: reserved bits or illegal transition, #GP. */
int lapic_set_base(struct lapic *l, uint64_t val);

/*
 * True when the register page answers at @gpa (xAPIC mode only): the access
 * goes to lapic_mmio_read() or _write() with @gpa's low 12 bits, not to RAM
 * or the bus.
 */
bool lapic_maps(const struct lapic *l, gpa_t gpa);
/* @off < 4096, @len 1, 2, 4 or 8. SDM 3A §10.4.1 */
uint64_t lapic_mmio_read(struct lapic *l, uint32_t off, unsigned int len);
void lapic_mmio_write(struct lapic *l, uint32_t off, unsigned int len,
		      uint64_t val);

/* MSRs 0x800..0x8ff: SDM 3A §10.12.1. -EINVAL: #GP. */
int lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *val);
int lapic_msr_write(struct lapic *l, uint32_t msr, uint64_t val);

/* IA32_TSC_DEADLINE, MSR 0x6e0: SDM 3A §10.5.4.1. */
uint64_t lapic_get_tsc_deadline(struct lapic *l);
void lapic_set_tsc_deadline(struct lapic *l, uint64_t tsc);
/* The guest wrote its TSC: look at the deadline again. */
void lapic_tsc_changed(struct lapic *l);

/* CR8: SDM 3A §10.8.6. @cr8 <= 15. */
uint8_t lapic_get_cr8(const struct lapic *l);
void lapic_set_cr8(struct lapic *l, uint8_t cr8);

/*
 * What the CPU would take now if it could: a vector, LAPIC_EXTINT when the
 * PIC asks through LINT0, or -1. Clears LAPIC_ATTENTION with the latter.
 */
int lapic_pending(struct lapic *l);

/*
 * The CPU takes it (INTA cycle): the vector, for LAPIC_EXTINT the PIC's, or
 * -1 when it is gone.
 */
int lapic_ack(struct lapic *l);

/*
 * The level of a LINT pin (0 or 1) changes. Any thread. Pin 0 of CPU 0 is
 * the PIC's: the bus's irq_sink drives it.
 */
void lapic_set_lint(struct lapic *l, unsigned int pin, bool asserted);

/* When lapic_run_timer() is due, by ops->now(). LAPIC_NEVER: not at all. */
uint64_t lapic_next_deadline(const struct lapic *l);
/*
 * Deliver the timer's interrupt if it is due, once for all periods that
 * passed, and arm again. Early calls do nothing.
 */
void lapic_run_timer(struct lapic *l);

/*
 * The registers as KVM_GET_LAPIC lays them out with 32-bit ids
 * (KVM_CAP_X2APIC_API), apic_base, msr.tsc_deadline and cr8. Errors that the
 * guest has not latched with a write to the ESR are not part of it, nor are
 * the levels of the LINT pins, which belong to who drives them.
 */
void lapic_get_state(struct lapic *l, struct cpu_state *st);
/* Would lapic_set_state() take it? -EINVAL: not. */
int lapic_check_state(const struct lapic *l, const struct cpu_state *st);
/*
 * The opposite, after the TSC was loaded; the TPR of the page wins over cr8.
 * -EINVAL, and nothing changed: an impossible base or another CPU's id.
 */
int lapic_set_state(struct lapic *l, const struct cpu_state *st);

#endif
