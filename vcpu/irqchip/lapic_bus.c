// SPDX-License-Identifier: MIT
/*
 * lapic_bus.c - who receives what: IPIs, MSIs and the PIC's line.
 *
 * How it works. A message has a destination, 8 bits wide from xAPICs, MSIs
 * and the IO-APIC and 32 from x2APICs; all ones of its width is everybody.
 * Each local APIC decides by its own mode whether it is meant (SDM 3A
 * §10.6.2, §10.12.10). The set of them does not change while vCPUs run.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/log.h"
#include "vcpu/irqchip/lapic_int.h"

struct lapic_bus {
	struct irq_sink sink;
	struct lapic *cpu[LAYOUT_CPUS_MAX]; /* by id */
	unsigned int nr;		    /* highest id + 1 */
	atomic_uint turn;		    /* equal priorities take turns */
};

struct message {
	uint32_t dest;
	bool everybody;
	bool logical;
	bool lowest; /* only one of those meant, the least busy */
	bool level;
	enum lapic_mode mode;
	uint8_t vector;
	const struct lapic *except; /* not this one */
};

/* MSI address, ICR: bits of interest (SDM 3A §10.6.1, §10.11) */
#define MSI_ADDR_HIGH	   0xfeeull /* bits 63:20 */
#define MSI_ADDR_REDIRECT  (1u << 3)
#define MSI_ADDR_LOGICAL   (1u << 2)
#define MSI_DATA_LEVEL	   (1u << 15)
#define ICR_LOGICAL	   (1u << 11)
#define ICR_ASSERT	   (1u << 14)
#define ICR_LEVEL	   (1u << 15)
#define ICR_SHORTHAND(icr) (((icr) >> 18) & 3)

enum shorthand {
	TO_DEST,
	TO_SELF,
	TO_ALL,
	TO_OTHERS,
};

/* SDM 3A §10.6.2.2: flat, cluster, or a model that does not exist */
static bool xapic_logical(const struct lapic *l, uint32_t dest)
{
	uint32_t id = lapic_load(&l->ldr) >> 24;

	if (dest > 0xff)
		return false;
	switch (lapic_load(&l->dfr) >> 28) {
	case 0xf:
		return id & dest;
	case 0:
		return id >> 4 == dest >> 4 && (id & dest & 0xf);
	default:
		return false;
	}
}

/* SDM 3A §10.12.10.1 */
static bool x2apic_logical(const struct lapic *l, uint32_t dest)
{
	uint32_t id = lapic_load(&l->ldr);

	return id >> 16 == dest >> 16 && (id & dest & 0xffff);
}

static bool is_meant(const struct lapic *l, const struct message *m)
{
	if (l == m->except || !lapic_hw_enabled(l))
		return false;
	if (m->everybody)
		return true;
	if (!m->logical)
		return m->dest == l->id;
	return lapic_x2apic(l) ? x2apic_logical(l, m->dest)
			       : xapic_logical(l, m->dest);
}

/* Disabled by software, it takes all but interrupts: SDM 3A §10.4.7.2. */
static void deliver_to(struct lapic *l, const struct message *m)
{
	const struct lapic_ops *ops = l->owner->ops;

	switch (m->mode) {
	case LAPIC_MODE_FIXED:
	case LAPIC_MODE_LOWEST:
		if (lapic_sw_enabled(l))
			lapic_accept(l, m->vector, m->level);
		break;
	case LAPIC_MODE_NMI:
		ops->nmi(l->owner);
		break;
	case LAPIC_MODE_INIT:
		ops->init(l->owner);
		break;
	case LAPIC_MODE_SIPI:
		ops->sipi(l->owner, m->vector);
		break;
	default:
		/* No SMM here, and a PIC comes through LINT0 only. */
		log_once(&l->said_smi, "lapic %u: message of mode %u ignored",
			 l->id, (unsigned int)m->mode);
	}
}

/* SDM 3A §10.6.2.4, with the PPR as the measure */
static struct lapic *least_busy(struct lapic_bus *b, const struct message *m)
{
	unsigned int start = atomic_fetch_add(&b->turn, 1);
	struct lapic *best = NULL, *l;

	for (unsigned int i = 0; i < b->nr; i++) {
		l = b->cpu[(start + i) % b->nr];
		if (!l || !is_meant(l, m) || !lapic_sw_enabled(l))
			continue;
		if (!best ||
		    lapic_load(&l->ppr) >> 4 < lapic_load(&best->ppr) >> 4)
			best = l;
	}
	return best;
}

static void deliver(struct lapic_bus *b, const struct message *m)
{
	struct lapic *l;

	if (m->lowest) {
		l = least_busy(b, m);
		if (l)
			deliver_to(l, m);
		return;
	}
	if (!m->logical && !m->everybody) {
		l = m->dest < b->nr ? b->cpu[m->dest] : NULL;
		if (l && is_meant(l, m))
			deliver_to(l, m);
		return;
	}
	for (unsigned int i = 0; i < b->nr; i++)
		if (b->cpu[i] && is_meant(b->cpu[i], m))
			deliver_to(b->cpu[i], m);
}

static bool has_vector(enum lapic_mode mode)
{
	return mode == LAPIC_MODE_FIXED || mode == LAPIC_MODE_LOWEST;
}

void lapic_send_self(struct lapic *l, uint8_t vector)
{
	if (vector < LAPIC_VECTOR_MIN)
		lapic_error(l, LAPIC_ERR_SEND_VECTOR);
	else if (lapic_sw_enabled(l))
		lapic_accept(l, vector, false);
}

/*
 * The message of an ICR; trigger and level mean something for INIT only
 * (SDM 3A §10.6.1).
 */
static struct message icr_message(const struct lapic *l)
{
	uint32_t low = (uint32_t)l->icr, high = (uint32_t)(l->icr >> 32);
	uint32_t dest = lapic_x2apic(l) ? high : high >> 24;
	enum shorthand to = (enum shorthand)ICR_SHORTHAND(low);

	return (struct message){
		.dest = dest,
		.everybody = to != TO_DEST ||
			     dest == (lapic_x2apic(l) ? UINT32_MAX : 0xff),
		.logical = low & ICR_LOGICAL,
		.lowest = lapic_mode(low) == LAPIC_MODE_LOWEST,
		.mode = lapic_mode(low),
		.vector = (uint8_t)low,
		.except = to == TO_OTHERS ? l : NULL,
	};
}

void lapic_send_ipi(struct lapic *l)
{
	uint32_t low = (uint32_t)l->icr;
	enum shorthand to = (enum shorthand)ICR_SHORTHAND(low);
	struct message m = icr_message(l);
	bool start = m.mode == LAPIC_MODE_INIT || m.mode == LAPIC_MODE_SIPI;

	/* INIT level de-assert: long without effect (SDM 3A §10.6.1). */
	if (m.mode == LAPIC_MODE_INIT && (low & ICR_LEVEL) &&
	    !(low & ICR_ASSERT))
		return;
	if (has_vector(m.mode) && m.vector < LAPIC_VECTOR_MIN) {
		lapic_error(l, LAPIC_ERR_SEND_VECTOR);
		return;
	}
	/* SDM 3A table 10-3: no CPU starts itself with a shorthand. */
	if (start && (to == TO_SELF || to == TO_ALL))
		return;
	if (to == TO_SELF)
		deliver_to(l, &m);
	else
		deliver(l->bus, &m);
}

static struct lapic_bus *bus_of(struct irq_sink *s)
{
	return container_of(s, struct lapic_bus, sink);
}

static int handle_send(struct irq_sink *s, const struct msi_msg *msi)
{
	uint32_t addr = (uint32_t)msi->addr, dest = (addr >> 12) & 0xff;
	enum lapic_mode mode = lapic_mode(msi->data);
	struct message m = {
		.dest = dest,
		.everybody = dest == 0xff,
		.logical = addr & MSI_ADDR_LOGICAL,
		.lowest = mode == LAPIC_MODE_LOWEST ||
			  (has_vector(mode) && (addr & MSI_ADDR_REDIRECT)),
		.level = msi->data & MSI_DATA_LEVEL,
		.mode = mode,
		.vector = (uint8_t)msi->data,
	};

	if (msi->addr >> 20 != MSI_ADDR_HIGH)
		return -EINVAL;
	deliver(bus_of(s), &m);
	return 0;
}

static void handle_extint(struct irq_sink *s, bool asserted)
{
	struct lapic *first = bus_of(s)->cpu[0];

	if (first)
		lapic_set_lint(first, 0, asserted);
}

static const struct irq_sink_ops sink_ops = {
	.send = handle_send,
	.extint = handle_extint,
};

int lapic_bus_create(struct lapic_bus **out)
{
	struct lapic_bus *b = calloc(1, sizeof(*b));

	*out = b;
	if (!b)
		return -ENOMEM;
	b->sink.ops = &sink_ops;
	return 0;
}

void lapic_bus_destroy(struct lapic_bus *b)
{
	free(b);
}

struct irq_sink *lapic_bus_sink(struct lapic_bus *b)
{
	return &b->sink;
}

int lapic_bus_add(struct lapic_bus *b, struct lapic *l)
{
	if (b->cpu[l->id])
		return -EEXIST;
	b->cpu[l->id] = l;
	if (b->nr <= l->id)
		b->nr = l->id + 1;
	return 0;
}

void lapic_bus_del(struct lapic_bus *b, struct lapic *l)
{
	b->cpu[l->id] = NULL;
}
