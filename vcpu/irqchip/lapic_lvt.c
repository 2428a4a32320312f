// SPDX-License-Identifier: MIT
/*
 * lapic_lvt.c - the local vector table and the LINT pins (SDM 3A §10.5.1).
 *
 * How it works. The board wires the PIC's output to LINT0 of CPU 0; nothing
 * drives LINT1. As ExtINT an asserted LINT0 is a request that lapic_pending()
 * reports as long as the pin is high; as Fixed it is one message an edge or,
 * level-triggered, one until its EOI, which REMOTE_IRR remembers. The pins
 * may change on any thread, so that bit of an entry is changed atomically.
 */
#include "base/log.h"
#include "vcpu/irqchip/lapic_int.h"

#define EXTINT_ENTRY ((uint32_t)LAPIC_MODE_EXTINT << LAPIC_MODE_SHIFT)

void lapic_lvt_reset(struct lapic *l)
{
	for (int i = 0; i < LAPIC_NR_LVT; i++)
		lapic_store(&l->lvt[i], LAPIC_LVT_MASKED);
}

/* SDM 3A figure 10-8 */
uint32_t lapic_lvt_writable(enum lapic_lvt i)
{
	switch (i) {
	case LAPIC_LVT_TIMER:
		return 0x700ff;
	case LAPIC_LVT_THERMAL:
	case LAPIC_LVT_PERF:
		return 0x107ff;
	case LAPIC_LVT_LINT0:
	case LAPIC_LVT_LINT1:
		return 0x1a7ff;
	default:
		return 0x100ff;
	}
}

/* LINT1 is always edge-triggered: SDM 3A §10.5.1, "Trigger Mode". */
static bool is_level(enum lapic_lvt i, uint32_t entry)
{
	return i == LAPIC_LVT_LINT0 && (entry & LAPIC_LVT_LEVEL) &&
	       lapic_mode(entry) == LAPIC_MODE_FIXED;
}

static uint32_t store_entry(struct lapic *l, enum lapic_lvt i, uint32_t val)
{
	uint32_t keep = is_level(i, val) ? LAPIC_LVT_REMOTE_IRR : 0;
	uint32_t old = atomic_load(&l->lvt[i]);

	while (!atomic_compare_exchange_weak(&l->lvt[i], &old,
					     val | (old & keep)))
		;
	return old;
}

static void lint0_changed(struct lapic *l)
{
	uint32_t entry = lapic_load(&l->lvt[LAPIC_LVT_LINT0]);

	if (!atomic_load(&l->lint[0]))
		return;
	if (is_level(LAPIC_LVT_LINT0, entry) ||
	    lapic_mode(entry) == LAPIC_MODE_EXTINT)
		lapic_lvt_raise(l, LAPIC_LVT_LINT0);
}

void lapic_lvt_write(struct lapic *l, enum lapic_lvt i, uint32_t val)
{
	uint32_t was;

	/* SDM 3A §10.4.7.2: disabled by software, the mask bits stay. */
	if (!lapic_sw_enabled(l))
		val |= LAPIC_LVT_MASKED;
	/* Time that has passed counts by the old entry. */
	if (i == LAPIC_LVT_TIMER)
		lapic_run_timer(l);
	was = store_entry(l, i, val);
	if (i == LAPIC_LVT_TIMER)
		lapic_timer_lvt_changed(l, was);
	if (i == LAPIC_LVT_LINT0)
		lint0_changed(l);
}

void lapic_lvt_mask_all(struct lapic *l)
{
	for (int i = 0; i < LAPIC_NR_LVT; i++)
		lapic_lvt_write(l, (enum lapic_lvt)i,
				lapic_load(&l->lvt[i]) | LAPIC_LVT_MASKED);
}

void lapic_lvt_raise(struct lapic *l, enum lapic_lvt i)
{
	uint32_t entry = atomic_load(&l->lvt[i]);
	bool level = is_level(i, entry);

	if (entry & LAPIC_LVT_MASKED)
		return;
	switch (lapic_mode(entry)) {
	case LAPIC_MODE_FIXED:
		if (level &&
		    (atomic_fetch_or(&l->lvt[i], LAPIC_LVT_REMOTE_IRR) &
		     LAPIC_LVT_REMOTE_IRR))
			return;
		lapic_accept(l, (uint8_t)entry, level);
		break;
	case LAPIC_MODE_NMI:
		l->owner->ops->nmi(l->owner);
		break;
	case LAPIC_MODE_INIT:
		l->owner->ops->init(l->owner);
		break;
	case LAPIC_MODE_EXTINT:
		lapic_attend(l);
		break;
	default:
		log_once(&l->said_smi, "lapic %u: LVT entry %#x ignored", l->id,
			 entry);
	}
}

void lapic_lvt_eoi(struct lapic *l, uint8_t vector)
{
	_Atomic uint32_t *lint0 = &l->lvt[LAPIC_LVT_LINT0];
	uint32_t entry = atomic_load(lint0);

	if (!(entry & LAPIC_LVT_REMOTE_IRR) || (uint8_t)entry != vector)
		return;
	atomic_fetch_and(lint0, ~LAPIC_LVT_REMOTE_IRR);
	lint0_changed(l);
}

/* With the APIC off the pins are the CPU's own: SDM 3A §10.4.3. */
static bool lint0_is_intr(const struct lapic *l)
{
	uint32_t entry = lapic_load(&l->lvt[LAPIC_LVT_LINT0]);
	uint32_t care = LAPIC_LVT_MASKED | LAPIC_MODE_MASK << LAPIC_MODE_SHIFT;

	return !lapic_hw_enabled(l) || (entry & care) == EXTINT_ENTRY;
}

bool lapic_extint_pending(const struct lapic *l)
{
	return atomic_load(&l->lint[0]) && lint0_is_intr(l);
}

void lapic_set_lint(struct lapic *l, unsigned int pin, bool asserted)
{
	if (atomic_exchange(&l->lint[pin], asserted) == asserted || !asserted)
		return;
	if (lapic_hw_enabled(l))
		lapic_lvt_raise(l, pin ? LAPIC_LVT_LINT1 : LAPIC_LVT_LINT0);
	else if (pin)
		l->owner->ops->nmi(l->owner);
	else
		lapic_attend(l);
}
