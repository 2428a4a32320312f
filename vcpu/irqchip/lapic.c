// SPDX-License-Identifier: MIT
/*
 * lapic.c - interrupt priorities of a local APIC: IRR, ISR, TPR, EOI, errors.
 *
 * How it works. Senders publish a vector in the IRR and then set the owner's
 * attention flag; the vCPU's thread clears the flag and then looks at the IRR
 * once more. Both use sequentially consistent operations, so one of the two
 * sees the other: no vector is left with the flag clear.
 */
#include "vcpu/irqchip/lapic.h"

#include "vcpu/irqchip/lapic_int.h"

/* The highest vector of 256 bits, or -1 */
static int highest(const uint64_t w[4])
{
	for (int i = 3; i >= 0; i--)
		if (w[i])
			return i * 64 + 63 - __builtin_clzll(w[i]);
	return -1;
}

static int highest_irr(const struct lapic *l)
{
	uint64_t w[4];

	for (int i = 0; i < 4; i++)
		w[i] = atomic_load(&l->irr[i]);
	return highest(w);
}

/* SDM 3A §10.8.3.1: the class of a vector must be above the processor's. */
static int deliverable(const struct lapic *l)
{
	int vector;

	if (lapic_extint_pending(l))
		return LAPIC_EXTINT;
	if (!lapic_hw_enabled(l))
		return -1;
	vector = highest_irr(l);
	if (vector < 0 || (uint32_t)vector >> 4 <= lapic_load(&l->ppr) >> 4)
		return -1;
	return vector;
}

void lapic_attend(struct lapic *l)
{
	struct lapic_owner *o = l->owner;

	atomic_fetch_or(&o->attention, LAPIC_ATTENTION);
	o->ops->wake(o);
}

int lapic_pending(struct lapic *l)
{
	int vector = deliverable(l);

	if (vector >= 0)
		return vector;
	atomic_fetch_and(&l->owner->attention, ~LAPIC_ATTENTION);
	vector = deliverable(l);
	if (vector >= 0)
		atomic_fetch_or(&l->owner->attention, LAPIC_ATTENTION);
	return vector;
}

int lapic_ack(struct lapic *l)
{
	int vector = deliverable(l);
	uint64_t bit;

	if (vector < 0)
		return -1;
	if (vector == LAPIC_EXTINT)
		return l->owner->ops->ack_pic(l->owner);

	bit = 1ull << (vector & 63);
	atomic_fetch_and(&l->irr[vector >> 6], ~bit);
	l->isr.w[vector >> 6] |= bit;
	lapic_update_ppr(l);
	return vector;
}

/* SDM 3A §10.8.4: the TMR says how the last message with the vector came. */
static void note_trigger(struct lapic *l, uint8_t vector, bool level)
{
	_Atomic uint64_t *tmr = &l->tmr[vector >> 6];
	uint64_t bit = 1ull << (vector & 63);

	if (!!(atomic_load(tmr) & bit) == level)
		return;
	if (level)
		atomic_fetch_or(tmr, bit);
	else
		atomic_fetch_and(tmr, ~bit);
}

void lapic_accept(struct lapic *l, uint8_t vector, bool level)
{
	uint64_t bit = 1ull << (vector & 63);

	if (vector < LAPIC_VECTOR_MIN) {
		lapic_error(l, LAPIC_ERR_RECV_VECTOR);
		return;
	}
	/* Before the IRR, or the EOI could come too early to be told on. */
	note_trigger(l, vector, level);
	if (!(atomic_fetch_or(&l->irr[vector >> 6], bit) & bit))
		lapic_attend(l);
}

/*
 * SDM 3A §10.5.3: one interrupt until software writes the ESR. The error
 * interrupt's own illegal vector finds it disarmed, so this ends.
 */
void lapic_error(struct lapic *l, uint32_t bit)
{
	if (!atomic_fetch_or(&l->errors, bit))
		lapic_lvt_raise(l, LAPIC_LVT_ERROR);
}

/* SDM 3A §10.8.3.1; on a tie the sub-class is the TPR's, as KVM has it. */
void lapic_update_ppr(struct lapic *l)
{
	int isrv = highest(l->isr.w);
	uint32_t in_service = isrv < 0 ? 0 : (uint32_t)isrv & 0xf0;

	lapic_store(&l->ppr,
		    (l->tpr & 0xf0) >= in_service ? l->tpr : in_service);
	if (deliverable(l) >= 0)
		atomic_fetch_or(&l->owner->attention, LAPIC_ATTENTION);
}

void lapic_set_tpr(struct lapic *l, uint32_t tpr)
{
	l->tpr = tpr & 0xff;
	lapic_update_ppr(l);
}

uint8_t lapic_get_cr8(const struct lapic *l)
{
	return (uint8_t)(l->tpr >> 4);
}

void lapic_set_cr8(struct lapic *l, uint8_t cr8)
{
	lapic_set_tpr(l, (uint32_t)(cr8 & 15) << 4);
}

/* SDM 3A §10.6.2.4 */
uint32_t lapic_get_apr(const struct lapic *l)
{
	int irrv = highest_irr(l), isrv = highest(l->isr.w);
	uint32_t irr = irrv < 0 ? 0 : (uint32_t)irrv >> 4;
	uint32_t isr = isrv < 0 ? 0 : (uint32_t)isrv >> 4;
	uint32_t tpr = l->tpr >> 4;

	if (tpr >= irr && tpr > isr)
		return l->tpr;
	return ((tpr & isr) > irr ? tpr & isr : irr) << 4;
}

/* SDM 3A §10.8.5 */
void lapic_eoi(struct lapic *l)
{
	int vector = highest(l->isr.w);
	uint64_t bit;

	if (vector < 0)
		return;
	bit = 1ull << (vector & 63);
	l->isr.w[vector >> 6] &= ~bit;
	lapic_update_ppr(l);

	lapic_lvt_eoi(l, (uint8_t)vector);
	if (lapic_load(&l->svr) & LAPIC_SVR_DIRECTED_EOI)
		return;
	if (atomic_load(&l->tmr[vector >> 6]) & bit)
		l->owner->ops->eoi(l->owner, (uint8_t)vector);
}
