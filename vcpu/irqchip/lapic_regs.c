// SPDX-License-Identifier: MIT
/*
 * lapic_regs.c - the register page of xAPIC mode and the MSRs of x2APIC mode.
 *
 * How it works. Both lead to the same registers by number; they differ in
 * which exist and in how they refuse. The page ignores reserved bits and
 * read-only registers and notes an access to a register that does not exist
 * in the ESR; an MSR answers all of these with #GP, -EINVAL here (SDM 3A
 * §10.12.1.3).
 */
#include <errno.h>

#include "vcpu/irqchip/lapic_int.h"

#define MSR_X2APIC 0x800u

#define ICR_BITS   0x000ccfffu
#define ICR_STATUS (1u << 12) /* read-only, always idle here */

static enum lapic_lvt lvt_of(unsigned int reg)
{
	return (enum lapic_lvt)(reg - LAPIC_REG_LVT_TIMER);
}

static uint32_t vectors_word(const uint64_t w[4], unsigned int i)
{
	return (uint32_t)(w[i / 2] >> (i % 2 * 32));
}

static uint32_t atomic_word(const _Atomic uint64_t w[4], unsigned int i)
{
	return (uint32_t)(atomic_load(&w[i / 2]) >> (i % 2 * 32));
}

/* False when the page has no such register. Write-only ones read 0. */
static bool reg_read(struct lapic *l, unsigned int reg, uint32_t *val)
{
	*val = 0;
	switch (reg) {
	case LAPIC_REG_ID:
		*val = lapic_x2apic(l) ? l->id : l->id << 24;
		return true;
	case LAPIC_REG_VERSION:
		*val = LAPIC_VERSION;
		return true;
	case LAPIC_REG_TPR:
		*val = l->tpr;
		return true;
	case LAPIC_REG_APR:
		*val = lapic_get_apr(l);
		return true;
	case LAPIC_REG_PPR:
		*val = lapic_load(&l->ppr);
		return true;
	case LAPIC_REG_EOI:
	case LAPIC_REG_RRD:
		return true;
	case LAPIC_REG_LDR:
		*val = lapic_load(&l->ldr);
		return true;
	case LAPIC_REG_DFR:
		*val = lapic_load(&l->dfr);
		return true;
	case LAPIC_REG_SVR:
		*val = lapic_load(&l->svr);
		return true;
	case LAPIC_REG_ISR ... LAPIC_REG_ISR + 7:
		*val = vectors_word(l->isr.w, reg - LAPIC_REG_ISR);
		return true;
	case LAPIC_REG_TMR ... LAPIC_REG_TMR + 7:
		*val = atomic_word(l->tmr, reg - LAPIC_REG_TMR);
		return true;
	case LAPIC_REG_IRR ... LAPIC_REG_IRR + 7:
		*val = atomic_word(l->irr, reg - LAPIC_REG_IRR);
		return true;
	case LAPIC_REG_ESR:
		*val = l->esr;
		return true;
	case LAPIC_REG_ICR:
		*val = (uint32_t)l->icr;
		return true;
	case LAPIC_REG_ICR2:
		*val = (uint32_t)(l->icr >> 32);
		return true;
	case LAPIC_REG_LVT_TIMER ... LAPIC_REG_LVT_ERROR:
		*val = lapic_load(&l->lvt[lvt_of(reg)]);
		return true;
	case LAPIC_REG_INITIAL:
		*val = l->timer.initial;
		return true;
	case LAPIC_REG_CURRENT:
		*val = lapic_timer_current(l);
		return true;
	case LAPIC_REG_DIVIDE:
		*val = l->timer.divide;
		return true;
	default:
		return false;
	}
}

/* The bits of @reg that software may set; 0: none, or no such register. */
static uint32_t writable(unsigned int reg)
{
	switch (reg) {
	case LAPIC_REG_TPR:
		return 0xff;
	case LAPIC_REG_LDR:
	case LAPIC_REG_ICR2:
		return 0xff000000;
	case LAPIC_REG_DFR:
		return 0xf0000000;
	case LAPIC_REG_SVR:
		return LAPIC_SVR_WRITABLE;
	case LAPIC_REG_ICR:
		return ICR_BITS;
	case LAPIC_REG_LVT_TIMER ... LAPIC_REG_LVT_ERROR:
		return lapic_lvt_writable(lvt_of(reg));
	case LAPIC_REG_EOI:
	case LAPIC_REG_ESR:
	case LAPIC_REG_INITIAL:
		return UINT32_MAX;
	case LAPIC_REG_DIVIDE:
		return 0xb;
	default:
		return 0;
	}
}

static void write_svr(struct lapic *l, uint32_t val)
{
	lapic_store(&l->svr, val);
	if (!(val & LAPIC_SVR_ENABLED))
		lapic_lvt_mask_all(l);
}

/* SDM 3A §10.5.3: a write, of whatever, shows the errors since the last. */
static void write_esr(struct lapic *l)
{
	l->esr = atomic_exchange(&l->errors, 0);
}

/* @val has no bits but the writable ones. */
static void reg_write(struct lapic *l, unsigned int reg, uint32_t val)
{
	switch (reg) {
	case LAPIC_REG_TPR:
		lapic_set_tpr(l, val);
		break;
	case LAPIC_REG_EOI:
		lapic_eoi(l);
		break;
	case LAPIC_REG_LDR:
		lapic_store(&l->ldr, val);
		break;
	case LAPIC_REG_DFR:
		lapic_store(&l->dfr, val | 0x0fffffff);
		break;
	case LAPIC_REG_SVR:
		write_svr(l, val);
		break;
	case LAPIC_REG_ESR:
		write_esr(l);
		break;
	case LAPIC_REG_ICR:
		l->icr = (l->icr & ~0xffffffffull) | val;
		lapic_send_ipi(l);
		break;
	case LAPIC_REG_ICR2:
		l->icr = (uint64_t)val << 32 | (uint32_t)l->icr;
		break;
	case LAPIC_REG_LVT_TIMER ... LAPIC_REG_LVT_ERROR:
		lapic_lvt_write(l, lvt_of(reg), val);
		break;
	case LAPIC_REG_INITIAL:
		lapic_timer_set_initial(l, val);
		break;
	case LAPIC_REG_DIVIDE:
		lapic_timer_set_divide(l, val);
		break;
	default:
		break;
	}
}

/*
 * A register is the first 4 bytes of its 16; what an access finds behind
 * them is undefined (SDM 3A §10.4.1): zeros.
 */
uint64_t lapic_mmio_read(struct lapic *l, uint32_t off, unsigned int len)
{
	unsigned int byte = off & 15;
	uint32_t reg;
	uint64_t val;

	if (!reg_read(l, off >> 4, &reg)) {
		lapic_error(l, LAPIC_ERR_REGISTER);
		return 0;
	}
	if (byte >= 4)
		return 0;
	val = (uint64_t)reg >> (8 * byte);
	return len >= 8 ? val : val & ((1ull << (8 * len)) - 1);
}

void lapic_mmio_write(struct lapic *l, uint32_t off, unsigned int len,
		      uint64_t val)
{
	unsigned int reg = off >> 4;
	uint32_t bits = writable(reg), ignored;

	/* Anything but an aligned 32-bit write is undefined: nothing. */
	if (len != 4 || (off & 15))
		return;
	if (bits)
		reg_write(l, reg, (uint32_t)val & bits);
	else if (!reg_read(l, reg, &ignored))
		lapic_error(l, LAPIC_ERR_REGISTER);
}

/* Registers of the page that are no MSRs */
static bool xapic_only(unsigned int reg)
{
	return reg == LAPIC_REG_APR || reg == LAPIC_REG_RRD ||
	       reg == LAPIC_REG_DFR || reg == LAPIC_REG_ICR2;
}

int lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *val)
{
	unsigned int reg = msr - MSR_X2APIC;
	uint32_t low;

	*val = 0;
	if (!lapic_x2apic(l) || reg >= LAPIC_NR_REGS || xapic_only(reg) ||
	    reg == LAPIC_REG_EOI || !reg_read(l, reg, &low))
		return -EINVAL;
	*val = reg == LAPIC_REG_ICR ? l->icr : low;
	return 0;
}

static int msr_write_icr(struct lapic *l, uint64_t val)
{
	if ((uint32_t)val & ~(ICR_BITS | ICR_STATUS))
		return -EINVAL;
	l->icr = val & ~(uint64_t)ICR_STATUS;
	lapic_send_ipi(l);
	return 0;
}

/* Read-only bits of an entry are not reserved: they are read back. */
static uint32_t msr_allowed(unsigned int reg)
{
	uint32_t bits = writable(reg);

	switch (reg) {
	case LAPIC_REG_EOI:
	case LAPIC_REG_ESR:
		return 0;
	case LAPIC_REG_LVT_LINT0:
	case LAPIC_REG_LVT_LINT1:
		return bits | LAPIC_LVT_STATUS | LAPIC_LVT_REMOTE_IRR;
	case LAPIC_REG_LVT_TIMER ... LAPIC_REG_LVT_PERF:
	case LAPIC_REG_LVT_ERROR:
		return bits | LAPIC_LVT_STATUS;
	default:
		return bits;
	}
}

int lapic_msr_write(struct lapic *l, uint32_t msr, uint64_t val)
{
	unsigned int reg = msr - MSR_X2APIC;
	uint32_t bits;

	if (!lapic_x2apic(l) || reg >= LAPIC_NR_REGS)
		return -EINVAL;
	if (reg == LAPIC_REG_ICR)
		return msr_write_icr(l, val);
	if (reg == LAPIC_REG_SELF_IPI) {
		if (val > 0xff)
			return -EINVAL;
		lapic_send_self(l, (uint8_t)val);
		return 0;
	}

	bits = writable(reg);
	if (!bits || xapic_only(reg) || reg == LAPIC_REG_LDR)
		return -EINVAL;
	if (val & ~(uint64_t)msr_allowed(reg))
		return -EINVAL;
	reg_write(l, reg, (uint32_t)val & bits);
	return 0;
}
