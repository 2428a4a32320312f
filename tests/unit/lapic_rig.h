/* SPDX-License-Identifier: MIT */
/*
 * lapic_rig.h - some local APICs on a bus, with a clock that a test turns and
 * counters for what the CPUs were told.
 */
#ifndef MINIVMM_TESTS_UNIT_LAPIC_RIG_H
#define MINIVMM_TESTS_UNIT_LAPIC_RIG_H

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "memory/irq.h"
#include "vcpu/irqchip/lapic.h"
#include "vcpu/state.h"

#define RIG_CPUS    4
#define RIG_TSC_KHZ 2000000 /* two ticks a nanosecond */

/* Page offsets and bits, as the SDM writes them */
#define R_ID	   0x020
#define R_VERSION  0x030
#define R_TPR	   0x080
#define R_APR	   0x090
#define R_PPR	   0x0a0
#define R_EOI	   0x0b0
#define R_LDR	   0x0d0
#define R_DFR	   0x0e0
#define R_SVR	   0x0f0
#define R_ISR	   0x100
#define R_TMR	   0x180
#define R_IRR	   0x200
#define R_ESR	   0x280
#define R_ICR	   0x300
#define R_ICR2	   0x310
#define R_TIMER	   0x320
#define R_THERMAL  0x330
#define R_PERF	   0x340
#define R_LINT0	   0x350
#define R_LINT1	   0x360
#define R_ERROR	   0x370
#define R_INITIAL  0x380
#define R_CURRENT  0x390
#define R_DIVIDE   0x3e0
#define R_SELF_IPI 0x3f0

#define MASKED	 0x10000u
#define PERIODIC 0x20000u
#define DEADLINE 0x40000u
#define DIV_1	 0xbu

#define BASE_BSP    0x100ull
#define BASE_X2APIC 0x400ull
#define BASE_ENABLE 0x800ull

struct rig_cpu {
	struct lapic_owner owner;
	struct lapic *l;
	struct rig *rig;
	uint64_t armed;
	unsigned int arms;
	atomic_uint wakes, nmis, inits, sipis;
	atomic_uint sipi_vector;
	unsigned int eois, eoi_vector;
};

struct rig {
	struct lapic_bus *bus;
	struct rig_cpu cpu[RIG_CPUS];
	uint64_t ns;
	int64_t tsc_offset;
	int pic_vector;
};

static inline struct rig_cpu *rig_cpu_of(struct lapic_owner *o)
{
	return container_of(o, struct rig_cpu, owner);
}

static inline uint64_t rig_now(struct lapic_owner *o)
{
	return rig_cpu_of(o)->rig->ns;
}

static inline uint64_t rig_tsc(struct lapic_owner *o)
{
	struct rig *r = rig_cpu_of(o)->rig;

	return r->ns * (RIG_TSC_KHZ / 1000000) + (uint64_t)r->tsc_offset;
}

static inline void rig_arm(struct lapic_owner *o, uint64_t deadline)
{
	rig_cpu_of(o)->armed = deadline;
	rig_cpu_of(o)->arms++;
}

static inline void rig_wake(struct lapic_owner *o)
{
	rig_cpu_of(o)->wakes++;
}

static inline void rig_nmi(struct lapic_owner *o)
{
	rig_cpu_of(o)->nmis++;
}

static inline void rig_init(struct lapic_owner *o)
{
	rig_cpu_of(o)->inits++;
}

static inline void rig_sipi(struct lapic_owner *o, uint8_t vector)
{
	rig_cpu_of(o)->sipi_vector = vector;
	rig_cpu_of(o)->sipis++;
}

static inline void rig_eoi(struct lapic_owner *o, uint8_t vector)
{
	rig_cpu_of(o)->eoi_vector = vector;
	rig_cpu_of(o)->eois++;
}

/* The PIC drops its line with the last request it hands out. */
static inline int rig_ack_pic(struct lapic_owner *o)
{
	struct rig *r = rig_cpu_of(o)->rig;
	int vector = r->pic_vector;
	struct irq_sink *s = lapic_bus_sink(r->bus);

	r->pic_vector = -1;
	s->ops->extint(s, false);
	return vector;
}

static const struct lapic_ops rig_ops = {
	.now = rig_now,
	.tsc = rig_tsc,
	.arm = rig_arm,
	.wake = rig_wake,
	.nmi = rig_nmi,
	.init = rig_init,
	.sipi = rig_sipi,
	.eoi = rig_eoi,
	.ack_pic = rig_ack_pic,
};

static inline struct lapic_params rig_params(struct rig *r, unsigned int id)
{
	return (struct lapic_params){
		.bus = r->bus,
		.owner = &r->cpu[id].owner,
		.id = id,
		.tsc_khz = RIG_TSC_KHZ,
		.phys_bits = 40,
	};
}

/* As after power-up */
static inline struct rig *rig_create(void)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct lapic_params p;

	assert_non_null(r);
	assert_int_equal(lapic_bus_create(&r->bus), 0);
	r->ns = 1000;
	r->pic_vector = -1;
	for (unsigned int i = 0; i < RIG_CPUS; i++) {
		r->cpu[i].owner.ops = &rig_ops;
		r->cpu[i].rig = r;
		r->cpu[i].armed = LAPIC_NEVER;
		p = rig_params(r, i);
		assert_int_equal(lapic_create(&r->cpu[i].l, &p), 0);
	}
	return r;
}

static inline void rig_destroy(struct rig *r)
{
	for (unsigned int i = 0; i < RIG_CPUS; i++)
		lapic_destroy(r->cpu[i].l);
	lapic_bus_destroy(r->bus);
	free(r);
}

static inline uint32_t rd(struct rig *r, unsigned int cpu, uint32_t off)
{
	return (uint32_t)lapic_mmio_read(r->cpu[cpu].l, off, 4);
}

static inline void wr(struct rig *r, unsigned int cpu, uint32_t off,
		      uint32_t val)
{
	lapic_mmio_write(r->cpu[cpu].l, off, 4, val);
}

/* Enabled by software, spurious vector 0xff */
static inline struct rig *rig_create_enabled(void)
{
	struct rig *r = rig_create();

	for (unsigned int i = 0; i < RIG_CPUS; i++)
		wr(r, i, R_SVR, 0x1ff);
	return r;
}

static inline void rig_to_x2apic(struct rig *r, unsigned int cpu)
{
	struct lapic *l = r->cpu[cpu].l;

	assert_int_equal(lapic_set_base(l, lapic_get_base(l) | BASE_X2APIC), 0);
}

static inline int msr_rd(struct rig *r, unsigned int cpu, uint32_t off,
			 uint64_t *val)
{
	return lapic_msr_read(r->cpu[cpu].l, 0x800 + (off >> 4), val);
}

static inline int msr_wr(struct rig *r, unsigned int cpu, uint32_t off,
			 uint64_t val)
{
	return lapic_msr_write(r->cpu[cpu].l, 0x800 + (off >> 4), val);
}

static inline void rig_msi(struct rig *r, uint32_t addr_low, uint32_t data)
{
	struct irq_sink *s = lapic_bus_sink(r->bus);
	struct msi_msg m = { 0xfee00000u | addr_low, data };

	assert_int_equal(s->ops->send(s, &m), 0);
}

/* A fixed edge-triggered interrupt for one CPU */
static inline void rig_fixed(struct rig *r, unsigned int cpu, uint8_t vector)
{
	rig_msi(r, cpu << 12, vector);
}

static inline void rig_extint(struct rig *r, bool asserted)
{
	struct irq_sink *s = lapic_bus_sink(r->bus);

	s->ops->extint(s, asserted);
}

static inline int rig_pending(struct rig *r, unsigned int cpu)
{
	return lapic_pending(r->cpu[cpu].l);
}

static inline int rig_ack(struct rig *r, unsigned int cpu)
{
	return lapic_ack(r->cpu[cpu].l);
}

static inline bool rig_attention(struct rig *r, unsigned int cpu)
{
	return r->cpu[cpu].owner.attention & LAPIC_ATTENTION;
}

/* Bit @vector of the ISR, TMR or IRR */
static inline bool rig_bit(struct rig *r, unsigned int cpu, uint32_t first,
			   uint8_t vector)
{
	return rd(r, cpu, first + vector / 32 * 16) >> (vector % 32) & 1;
}

/* The clock goes on and the owner does what arm() asked of it. */
static inline void rig_advance(struct rig *r, uint64_t ns)
{
	r->ns += ns;
	for (unsigned int i = 0; i < RIG_CPUS; i++)
		if (r->cpu[i].armed <= r->ns)
			lapic_run_timer(r->cpu[i].l);
}

/* ESR with the errors since the last call */
static inline uint32_t rig_errors(struct rig *r, unsigned int cpu)
{
	wr(r, cpu, R_ESR, 0);
	return rd(r, cpu, R_ESR);
}

#endif
