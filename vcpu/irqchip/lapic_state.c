// SPDX-License-Identifier: MIT
/*
 * lapic_state.c - a local APIC's registers to and from KVM's register page
 * (Linux Documentation/virt/kvm/api.rst, KVM_GET_LAPIC).
 *
 * What the guest could not have written is not believed: reserved bits and
 * illegal vectors of a page are dropped.
 */
#include <errno.h>
#include <string.h>

#include "base/le.h"
#include "vcpu/irqchip/lapic_int.h"
#include "vcpu/state.h"

static void put(struct cpu_state *st, unsigned int reg, uint32_t val)
{
	le32 raw = le32_put(val);

	memcpy(&st->lapic[reg * 16], &raw, sizeof(raw));
}

static uint32_t get(const struct cpu_state *st, unsigned int reg)
{
	le32 raw;

	memcpy(&raw, &st->lapic[reg * 16], sizeof(raw));
	return le32_get(raw);
}

static void put_vectors(struct cpu_state *st, unsigned int reg,
			const uint64_t w[4])
{
	for (unsigned int i = 0; i < 8; i++)
		put(st, reg + i, (uint32_t)(w[i / 2] >> (i % 2 * 32)));
}

static void get_vectors(const struct cpu_state *st, unsigned int reg,
			uint64_t w[4])
{
	memset(w, 0, 4 * sizeof(w[0]));
	for (unsigned int i = 0; i < 8; i++)
		w[i / 2] |= (uint64_t)get(st, reg + i) << (i % 2 * 32);
	w[0] &= ~((1ull << LAPIC_VECTOR_MIN) - 1);
}

static void put_atomic(struct cpu_state *st, unsigned int reg,
		       const _Atomic uint64_t from[4])
{
	uint64_t w[4];

	for (int i = 0; i < 4; i++)
		w[i] = atomic_load(&from[i]);
	put_vectors(st, reg, w);
}

static void get_atomic(const struct cpu_state *st, unsigned int reg,
		       _Atomic uint64_t to[4])
{
	uint64_t w[4];

	get_vectors(st, reg, w);
	for (int i = 0; i < 4; i++)
		atomic_store(&to[i], w[i]);
}

void lapic_get_state(struct lapic *l, struct cpu_state *st)
{
	/* First: it delivers what is due, so that the IRR has it. */
	uint32_t current = lapic_timer_current(l);

	memset(st->lapic, 0, sizeof(st->lapic));
	put(st, LAPIC_REG_ID, lapic_x2apic(l) ? l->id : l->id << 24);
	put(st, LAPIC_REG_VERSION, LAPIC_VERSION);
	put(st, LAPIC_REG_TPR, l->tpr);
	put(st, LAPIC_REG_PPR, lapic_load(&l->ppr));
	put(st, LAPIC_REG_LDR, lapic_load(&l->ldr));
	put(st, LAPIC_REG_DFR, lapic_load(&l->dfr));
	put(st, LAPIC_REG_SVR, lapic_load(&l->svr));
	put_vectors(st, LAPIC_REG_ISR, l->isr.w);
	put_atomic(st, LAPIC_REG_TMR, l->tmr);
	put_atomic(st, LAPIC_REG_IRR, l->irr);
	put(st, LAPIC_REG_ESR, l->esr);
	put(st, LAPIC_REG_ICR, (uint32_t)l->icr);
	put(st, LAPIC_REG_ICR2, (uint32_t)(l->icr >> 32));
	for (unsigned int i = 0; i < LAPIC_NR_LVT; i++)
		put(st, LAPIC_REG_LVT_TIMER + i, lapic_load(&l->lvt[i]));
	put(st, LAPIC_REG_INITIAL, l->timer.initial);
	put(st, LAPIC_REG_CURRENT, current);
	put(st, LAPIC_REG_DIVIDE, l->timer.divide);

	st->apic_base = lapic_get_base(l);
	st->msr.tsc_deadline = l->timer.tsc_deadline;
	st->cr8 = lapic_get_cr8(l);
}

static void load_lvt(struct lapic *l, const struct cpu_state *st)
{
	uint32_t bits, keep;

	for (unsigned int i = 0; i < LAPIC_NR_LVT; i++) {
		keep = i == LAPIC_LVT_LINT0 ? LAPIC_LVT_REMOTE_IRR : 0;
		bits = lapic_lvt_writable((enum lapic_lvt)i) | keep;
		lapic_store(&l->lvt[i],
			    get(st, LAPIC_REG_LVT_TIMER + i) & bits);
	}
}

static void load_registers(struct lapic *l, const struct cpu_state *st)
{
	bool x2apic = lapic_x2apic(l);

	l->esr = get(st, LAPIC_REG_ESR) & 0xff;
	l->icr = (uint64_t)get(st, LAPIC_REG_ICR2) << 32 |
		 (get(st, LAPIC_REG_ICR) & 0xccfff);
	lapic_store(&l->ldr, x2apic ? lapic_x2apic_ldr(l->id)
				    : get(st, LAPIC_REG_LDR) & 0xff000000);
	lapic_store(&l->dfr, get(st, LAPIC_REG_DFR) | 0x0fffffff);
	lapic_store(&l->svr,
		    get(st, LAPIC_REG_SVR) & (0x3ff | LAPIC_SVR_DIRECTED_EOI));
	get_vectors(st, LAPIC_REG_ISR, l->isr.w);
	get_atomic(st, LAPIC_REG_TMR, l->tmr);
	get_atomic(st, LAPIC_REG_IRR, l->irr);
	load_lvt(l, st);
	l->timer.initial = get(st, LAPIC_REG_INITIAL);
	l->timer.divide = get(st, LAPIC_REG_DIVIDE) & 0xb;
}

int lapic_check_state(const struct lapic *l, const struct cpu_state *st)
{
	bool x2apic = st->apic_base & LAPIC_BASE_X2APIC;

	if (!lapic_base_valid(l, st->apic_base))
		return -EINVAL;
	if (get(st, LAPIC_REG_ID) != (x2apic ? l->id : l->id << 24))
		return -EINVAL;
	return 0;
}

int lapic_set_state(struct lapic *l, const struct cpu_state *st)
{
	int err = lapic_check_state(l, st);

	if (err)
		return err;
	atomic_store(&l->base, st->apic_base);
	atomic_store(&l->errors, 0);
	load_registers(l, st);
	lapic_set_tpr(l, get(st, LAPIC_REG_TPR));
	lapic_timer_resume(l, get(st, LAPIC_REG_CURRENT), st->msr.tsc_deadline);
	return 0;
}
