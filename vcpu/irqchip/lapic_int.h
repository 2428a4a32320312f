/* SPDX-License-Identifier: MIT */
/*
 * lapic_int.h - what the lapic's files share.
 *
 * lapic.c       priorities: acceptance, pending, INTA, EOI, errors
 * lapic_mode.c  reset, and the modes of IA32_APIC_BASE
 * lapic_regs.c  the register page and the x2APIC MSRs
 * lapic_lvt.c   the local vector table and the LINT pins
 * lapic_timer.c the timer
 * lapic_bus.c   destinations, IPIs, MSIs
 * lapic_state.c saved state
 *
 * Atomic members are read by other threads, or written by them where the
 * comment says so; the rest is the vCPU thread's. Plain relaxed loads are
 * enough for the former: a sender that races with the guest's change of,
 * say, a logical id sees the old or the new one, as on the wire.
 */
#ifndef MINIVMM_VCPU_IRQCHIP_LAPIC_INT_H
#define MINIVMM_VCPU_IRQCHIP_LAPIC_INT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory/irq.h"
#include "memory/layout_x86.h"
#include "vcpu/irqchip/lapic.h"

/* Register numbers: page offset / 16, MSR - 0x800 (SDM 3A tables 10-1, 10-6) */
enum lapic_reg {
	LAPIC_REG_ID = 0x02,
	LAPIC_REG_VERSION = 0x03,
	LAPIC_REG_TPR = 0x08,
	LAPIC_REG_APR = 0x09,
	LAPIC_REG_PPR = 0x0a,
	LAPIC_REG_EOI = 0x0b,
	LAPIC_REG_RRD = 0x0c,
	LAPIC_REG_LDR = 0x0d,
	LAPIC_REG_DFR = 0x0e,
	LAPIC_REG_SVR = 0x0f,
	LAPIC_REG_ISR = 0x10, /* 8 registers each */
	LAPIC_REG_TMR = 0x18,
	LAPIC_REG_IRR = 0x20,
	LAPIC_REG_ESR = 0x28,
	LAPIC_REG_ICR = 0x30,
	LAPIC_REG_ICR2 = 0x31,
	LAPIC_REG_LVT_TIMER = 0x32,
	LAPIC_REG_LVT_THERMAL = 0x33,
	LAPIC_REG_LVT_PERF = 0x34,
	LAPIC_REG_LVT_LINT0 = 0x35,
	LAPIC_REG_LVT_LINT1 = 0x36,
	LAPIC_REG_LVT_ERROR = 0x37,
	LAPIC_REG_INITIAL = 0x38,
	LAPIC_REG_CURRENT = 0x39,
	LAPIC_REG_DIVIDE = 0x3e,
	LAPIC_REG_SELF_IPI = 0x3f,
	LAPIC_NR_REGS = 0x40,
};

/* Order of the registers from LAPIC_REG_LVT_TIMER on */
enum lapic_lvt {
	LAPIC_LVT_TIMER,
	LAPIC_LVT_THERMAL,
	LAPIC_LVT_PERF,
	LAPIC_LVT_LINT0,
	LAPIC_LVT_LINT1,
	LAPIC_LVT_ERROR,
	LAPIC_NR_LVT,
};

/* Delivery modes: SDM 3A §10.5.1, §10.6.1 */
enum lapic_mode {
	LAPIC_MODE_FIXED = 0,
	LAPIC_MODE_LOWEST = 1,
	LAPIC_MODE_SMI = 2,
	LAPIC_MODE_NMI = 4,
	LAPIC_MODE_INIT = 5,
	LAPIC_MODE_SIPI = 6,
	LAPIC_MODE_EXTINT = 7,
};

#define LAPIC_MODE_SHIFT 8 /* LVT, ICR and MSI data */
#define LAPIC_MODE_MASK	 7u

#define LAPIC_LVT_STATUS     (1u << 12) /* read-only, always idle here */
#define LAPIC_LVT_REMOTE_IRR (1u << 14) /* read-only */
#define LAPIC_LVT_LEVEL	     (1u << 15)
#define LAPIC_LVT_MASKED     (1u << 16)

/*
 * As KVM's beside an IO-APIC of ours: integrated, and bit 12 of the SVR can
 * suppress EOI broadcasts, since our IO-APIC has an EOI register.
 */
#define LAPIC_VERSION (1u << 24 | (LAPIC_NR_LVT - 1) << 16 | 0x14)

#define LAPIC_SVR_ENABLED      (1u << 8)
#define LAPIC_SVR_DIRECTED_EOI (1u << 12)
#define LAPIC_SVR_WRITABLE     0x13ffu /* these, vector, focus checking */
#define LAPIC_SVR_RESET	       0xffu

#define LAPIC_DFR_FLAT 0xffffffffu

/* ESR: SDM 3A §10.5.3 */
#define LAPIC_ERR_SEND_VECTOR (1u << 5)
#define LAPIC_ERR_RECV_VECTOR (1u << 6)
#define LAPIC_ERR_REGISTER    (1u << 7)

#define LAPIC_BASE_BSP	  (1ull << 8)
#define LAPIC_BASE_X2APIC (1ull << 10)
#define LAPIC_BASE_ENABLE (1ull << 11)

#define LAPIC_VECTOR_MIN 16u /* below: illegal (SDM 3A §10.5.2) */

/* 256 bits, one a vector */
struct lapic_vectors {
	uint64_t w[4];
};

struct lapic_timer {
	uint32_t initial; /* register */
	uint32_t divide;  /* register */
	/*
	 * When the count reaches 0 or, an estimate in nanoseconds, the TSC
	 * its deadline. LAPIC_NEVER: stopped.
	 */
	uint64_t zero_at;
	uint64_t tsc_deadline; /* 0: none */
	uint64_t armed;	       /* what the owner was told last */
};

struct lapic {
	struct lapic_bus *bus;
	struct lapic_owner *owner;
	uint32_t id;
	uint64_t base_reserved;
	uint64_t tsc_khz;

	/* Set by any thread, cleared by the vCPU's */
	_Atomic uint64_t irr[4];
	_Atomic uint64_t tmr[4];
	_Atomic uint32_t errors; /* not latched yet; 0: interrupt armed */
	atomic_bool lint[2];	 /* levels of the pins */

	/* Senders read them; of lvt they set REMOTE_IRR */
	_Atomic uint64_t base;
	_Atomic uint32_t svr, ldr, dfr, ppr;
	_Atomic uint32_t lvt[LAPIC_NR_LVT];

	struct lapic_vectors isr;
	uint32_t tpr;
	uint32_t esr;
	uint64_t icr; /* ICR2 is the upper half */
	struct lapic_timer timer;
	atomic_bool said_smi;
};

static inline uint32_t lapic_load(const _Atomic uint32_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static inline void lapic_store(_Atomic uint32_t *v, uint32_t val)
{
	atomic_store_explicit(v, val, memory_order_relaxed);
}

static inline uint64_t lapic_load64(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static inline bool lapic_hw_enabled(const struct lapic *l)
{
	return lapic_load64(&l->base) & LAPIC_BASE_ENABLE;
}

static inline bool lapic_x2apic(const struct lapic *l)
{
	return lapic_load64(&l->base) & LAPIC_BASE_X2APIC;
}

static inline bool lapic_sw_enabled(const struct lapic *l)
{
	return lapic_load(&l->svr) & LAPIC_SVR_ENABLED;
}

static inline enum lapic_mode lapic_mode(uint32_t reg)
{
	return (enum lapic_mode)((reg >> LAPIC_MODE_SHIFT) & LAPIC_MODE_MASK);
}

/* The logical id that x2APIC mode derives: SDM 3A §10.12.10.2 */
static inline uint32_t lapic_x2apic_ldr(uint32_t id)
{
	return (id >> 4) << 16 | 1u << (id & 15);
}

/* lapic.c; "any thread" as in lapic.h */

/* Something may be deliverable now. Any thread. */
void lapic_attend(struct lapic *l);
/* Put @vector into the IRR; an illegal one becomes an error. Any thread. */
void lapic_accept(struct lapic *l, uint8_t vector, bool level);
/* Note an error, raise the error interrupt if armed. Any thread. */
void lapic_error(struct lapic *l, uint32_t bit);
/* Work out the PPR after a change of TPR or ISR. */
void lapic_update_ppr(struct lapic *l);
void lapic_set_tpr(struct lapic *l, uint32_t tpr);
uint32_t lapic_get_apr(const struct lapic *l);
void lapic_eoi(struct lapic *l);

/* lapic_lvt.c */
void lapic_lvt_reset(struct lapic *l);
uint32_t lapic_lvt_writable(enum lapic_lvt i);
/* @val has no bits but the writable ones. */
void lapic_lvt_write(struct lapic *l, enum lapic_lvt i, uint32_t val);
void lapic_lvt_mask_all(struct lapic *l);
/* Raise the interrupt of an entry. Any thread. */
void lapic_lvt_raise(struct lapic *l, enum lapic_lvt i);
/* @vector ended: a level-triggered LINT0 may ask again. */
void lapic_lvt_eoi(struct lapic *l, uint8_t vector);
/* The PIC's request passes through LINT0 now. */
bool lapic_extint_pending(const struct lapic *l);

/* lapic_timer.c */
void lapic_timer_reset(struct lapic *l);
/* The timer's LVT entry was @was before. */
void lapic_timer_lvt_changed(struct lapic *l, uint32_t was);
void lapic_timer_set_initial(struct lapic *l, uint32_t count);
void lapic_timer_set_divide(struct lapic *l, uint32_t divide);
uint32_t lapic_timer_current(struct lapic *l);
/* Go on with @current to count, and @tsc_deadline, from a saved state. */
void lapic_timer_resume(struct lapic *l, uint32_t current,
			uint64_t tsc_deadline);

/* lapic_bus.c */
int lapic_bus_add(struct lapic_bus *b, struct lapic *l);
void lapic_bus_del(struct lapic_bus *b, struct lapic *l);
/* Send what l->icr says. */
void lapic_send_ipi(struct lapic *l);
void lapic_send_self(struct lapic *l, uint8_t vector);

/* lapic_mode.c */
bool lapic_base_valid(const struct lapic *l, uint64_t base);

#endif
