// SPDX-License-Identifier: MIT
/*
 * lapic_mode.c - a local APIC's life: creation, reset, and the modes of
 * IA32_APIC_BASE.
 *
 *            EN=1          EXTD=1
 *   disabled ----> xAPIC ---------> x2APIC
 *      ^  '----------' EN=0           |
 *      '------------------------------' EN=EXTD=0
 *
 * Other transitions are #GP (SDM 3A §10.12.5, figure 10-27). Disabling loses
 * the registers, as §10.4.3 allows.
 */
#include "vcpu/irqchip/lapic.h"

#include <errno.h>
#include <stdlib.h>

#include "vcpu/irqchip/lapic_int.h"

static void reset_registers(struct lapic *l)
{
	for (int i = 0; i < 4; i++) {
		atomic_store(&l->irr[i], 0);
		atomic_store(&l->tmr[i], 0);
	}
	l->isr = (struct lapic_vectors){ .w = { 0 } };
	l->esr = 0;
	l->icr = 0;
	atomic_store(&l->errors, 0);
	lapic_store(&l->svr, LAPIC_SVR_RESET);
	lapic_store(&l->ldr, lapic_x2apic(l) ? lapic_x2apic_ldr(l->id) : 0);
	lapic_store(&l->dfr, LAPIC_DFR_FLAT);
	lapic_lvt_reset(l);
	lapic_timer_reset(l);
	lapic_set_tpr(l, 0);
}

void lapic_reset(struct lapic *l, enum lapic_reset kind)
{
	if (kind == LAPIC_POWER_UP)
		atomic_store(&l->base, LAYOUT_LAPIC | LAPIC_BASE_ENABLE |
					       (l->id ? 0 : LAPIC_BASE_BSP));
	reset_registers(l);
}

uint64_t lapic_get_base(const struct lapic *l)
{
	return lapic_load64(&l->base);
}

bool lapic_base_valid(const struct lapic *l, uint64_t base)
{
	if (base & l->base_reserved)
		return false;
	return (base & LAPIC_BASE_ENABLE) || !(base & LAPIC_BASE_X2APIC);
}

int lapic_set_base(struct lapic *l, uint64_t val)
{
	bool enabled = lapic_hw_enabled(l), x2apic = lapic_x2apic(l);
	bool enable = val & LAPIC_BASE_ENABLE, to_x2 = val & LAPIC_BASE_X2APIC;

	if (!lapic_base_valid(l, val))
		return -EINVAL;
	if (!enabled && to_x2)
		return -EINVAL;
	if (x2apic && enable && !to_x2)
		return -EINVAL;

	atomic_store(&l->base, val);
	if (enabled && !enable)
		reset_registers(l);
	if (!x2apic && to_x2)
		lapic_store(&l->ldr, lapic_x2apic_ldr(l->id));
	/* LINT0 is the CPU's INTR pin while the APIC is off. */
	lapic_update_ppr(l);
	return 0;
}

bool lapic_maps(const struct lapic *l, gpa_t gpa)
{
	uint64_t base = lapic_load64(&l->base);

	if ((base & (LAPIC_BASE_ENABLE | LAPIC_BASE_X2APIC)) !=
	    LAPIC_BASE_ENABLE)
		return false;
	return (gpa ^ base) >> 12 == 0;
}

/* Bits 7:0 and 9 of IA32_APIC_BASE, and what the CPU cannot address */
static uint64_t reserved_bits(unsigned int phys_bits)
{
	return ~((1ull << phys_bits) - 1) | 0x2ff;
}

int lapic_create(struct lapic **out, const struct lapic_params *p)
{
	struct lapic *l;
	int err;

	*out = NULL;
	if (p->id >= LAYOUT_CPUS_MAX || !p->tsc_khz || p->phys_bits < 32 ||
	    p->phys_bits > 52)
		return -EINVAL;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->bus = p->bus;
	l->owner = p->owner;
	l->id = p->id;
	l->tsc_khz = p->tsc_khz;
	l->base_reserved = reserved_bits(p->phys_bits);
	l->timer.armed = LAPIC_NEVER;
	lapic_reset(l, LAPIC_POWER_UP);

	err = lapic_bus_add(p->bus, l);
	if (err)
		goto free_lapic;
	*out = l;
	return 0;

free_lapic:
	free(l);
	return err;
}

void lapic_destroy(struct lapic *l)
{
	if (!l)
		return;
	lapic_bus_del(l->bus, l);
	free(l);
}
