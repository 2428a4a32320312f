// SPDX-License-Identifier: MIT
/*
 * fuzz_lapic.c - two local APICs do what a stream of bytes says, as two
 * hostile CPUs and their board could.
 *
 * Each step is an operation and its operands. What must hold after each one
 * is in check(); a violation aborts.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/log.h"
#include "memory/irq.h"
#include "vcpu/irqchip/lapic.h"
#include "vcpu/state.h"

#define CPUS	2
#define R_PPR	0x0a0
#define TSC_KHZ 3000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct cpu {
	struct lapic_owner owner;
	struct lapic *l;
	struct board *board;
	uint64_t armed;
};

struct board {
	const uint8_t *data;
	size_t left;
	struct lapic_bus *bus;
	struct cpu cpu[CPUS];
	uint64_t ns, tsc_offset;
	uint8_t pic_vector;
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct cpu *cpu_of(struct lapic_owner *o)
{
	return container_of(o, struct cpu, owner);
}

static uint64_t now(struct lapic_owner *o)
{
	return cpu_of(o)->board->ns;
}

static uint64_t tsc(struct lapic_owner *o)
{
	struct board *b = cpu_of(o)->board;

	return b->ns * 3 + b->tsc_offset;
}

static void arm(struct lapic_owner *o, uint64_t deadline)
{
	cpu_of(o)->armed = deadline;
}

static void event(struct lapic_owner *o)
{
	must(cpu_of(o)->board != NULL);
}

static void wake(struct lapic_owner *o)
{
	must(o->attention & LAPIC_ATTENTION);
}

static void sipi(struct lapic_owner *o, uint8_t vector)
{
	(void)vector;
	event(o);
}

static void eoi(struct lapic_owner *o, uint8_t vector)
{
	must(vector >= 16);
	event(o);
}

static int ack_pic(struct lapic_owner *o)
{
	return cpu_of(o)->board->pic_vector;
}

static const struct lapic_ops ops = {
	.now = now,
	.tsc = tsc,
	.arm = arm,
	.wake = wake,
	.nmi = event,
	.init = event,
	.sipi = sipi,
	.eoi = eoi,
	.ack_pic = ack_pic,
};

/* The next @n bytes of the input; zeros behind its end */
static uint64_t take(struct board *b, size_t n)
{
	uint64_t val = 0;
	size_t have = n < b->left ? n : b->left;

	memcpy(&val, b->data, have);
	b->data += have;
	b->left -= have;
	return val;
}

static void check(struct cpu *c)
{
	int pending = lapic_pending(c->l);
	bool attention = c->owner.attention & LAPIC_ATTENTION;
	uint64_t ppr = lapic_mmio_read(c->l, R_PPR, 4);

	must(attention == (pending >= 0));
	must(pending == -1 || pending == LAPIC_EXTINT ||
	     (pending >= 16 && pending < 256 && pending >> 4 > (int)ppr >> 4));
	must(lapic_next_deadline(c->l) == c->armed);
}

static void do_ack(struct cpu *c)
{
	int pending = lapic_pending(c->l), vector = lapic_ack(c->l);

	must(vector ==
	     (pending == LAPIC_EXTINT ? c->board->pic_vector : pending));
}

/* After the timer ran it is not due again at the same time. */
static void do_time(struct board *b, uint64_t ns)
{
	uint64_t due;

	b->ns += ns;
	for (int i = 0; i < CPUS; i++) {
		lapic_run_timer(b->cpu[i].l);
		due = lapic_next_deadline(b->cpu[i].l);
		must(due > b->ns);
	}
}

static void do_save(struct cpu *c, struct cpu_state *st, uint8_t *page)
{
	lapic_get_state(c->l, st);
	memcpy(page, st->lapic, sizeof(st->lapic));
	must(lapic_set_state(c->l, st) == 0);
	lapic_get_state(c->l, st);
	must(memcmp(page, st->lapic, sizeof(st->lapic)) == 0);
}

/* A page from somewhere: a saved one with some bytes changed */
static void do_load(struct board *b, struct cpu *c, struct cpu_state *st)
{
	size_t changes = take(b, 1) % 32, at;

	lapic_get_state(c->l, st);
	while (changes--) {
		at = take(b, 2) % sizeof(st->lapic);
		st->lapic[at] = (uint8_t)take(b, 1);
	}
	st->apic_base ^= take(b, 2);
	st->msr.tsc_deadline = take(b, 8);
	(void)lapic_set_state(c->l, st);
}

static void do_send(struct board *b)
{
	struct irq_sink *s = lapic_bus_sink(b->bus);
	struct msi_msg m = {
		.addr = 0xfee00000u ^ take(b, 3),
		.data = (uint32_t)take(b, 3),
	};

	(void)s->ops->send(s, &m);
}

static void do_pin(struct board *b, struct cpu *c)
{
	uint64_t how = take(b, 1);

	b->pic_vector = (uint8_t)take(b, 1);
	lapic_set_lint(c->l, how & 1, how & 2);
}

static void do_msr_read(struct board *b, struct cpu *c)
{
	uint64_t val;

	(void)lapic_msr_read(c->l, 0x800 + (uint32_t)take(b, 1), &val);
}

static void do_msr_write(struct board *b, struct cpu *c)
{
	uint32_t msr = 0x800 + (uint32_t)(take(b, 1) & 0x7f);

	(void)lapic_msr_write(c->l, msr, take(b, 5));
}

static bool page_answers(struct cpu *c)
{
	return lapic_maps(c->l, lapic_get_base(c->l) & ~0xfffull);
}

static void do_page_write(struct board *b, struct cpu *c)
{
	uint32_t off = (uint32_t)(take(b, 1) & 0x7f) << 4;

	if (page_answers(c))
		lapic_mmio_write(c->l, off, 4, take(b, 4));
}

static void do_page_odd(struct board *b, struct cpu *c)
{
	uint32_t off = (uint32_t)take(b, 2) & 0xfff;
	unsigned int len = 1u << (take(b, 1) & 3);

	if (!page_answers(c))
		return;
	(void)lapic_mmio_read(c->l, off, len);
	lapic_mmio_write(c->l, off, len, take(b, 4));
}

static void step(struct board *b, struct cpu_state *st, uint8_t *page)
{
	uint64_t op = take(b, 1);
	struct cpu *c = &b->cpu[op >> 7];

	switch (op & 15) {
	case 0 ... 2:
		do_page_write(b, c);
		break;
	case 3:
		do_page_odd(b, c);
		break;
	case 4:
		do_msr_read(b, c);
		break;
	case 5 ... 6:
		do_msr_write(b, c);
		break;
	case 7:
		do_send(b);
		break;
	case 8:
		do_ack(c);
		break;
	case 9:
		do_pin(b, c);
		break;
	case 10:
		do_time(b, take(b, 4));
		break;
	case 11:
		lapic_set_tsc_deadline(c->l, tsc(&c->owner) + take(b, 8));
		break;
	case 12:
		(void)lapic_set_base(c->l, lapic_get_base(c->l) ^ take(b, 2));
		break;
	case 13:
		if (take(b, 1) & 1)
			do_save(c, st, page);
		else
			do_load(b, c, st);
		break;
	case 14:
		b->tsc_offset += take(b, 5);
		for (int i = 0; i < CPUS; i++)
			lapic_tsc_changed(b->cpu[i].l);
		break;
	default:
		if (take(b, 1) & 1)
			lapic_set_cr8(c->l, (uint8_t)(op >> 4) & 7);
		else
			lapic_reset(c->l, LAPIC_INIT);
	}
}

static void create(struct board *b)
{
	struct lapic_params p = { .tsc_khz = TSC_KHZ, .phys_bits = 40 };

	must(lapic_bus_create(&b->bus) == 0);
	p.bus = b->bus;
	for (unsigned int i = 0; i < CPUS; i++) {
		b->cpu[i].owner.ops = &ops;
		b->cpu[i].board = b;
		b->cpu[i].armed = LAPIC_NEVER;
		p.owner = &b->cpu[i].owner;
		p.id = i;
		must(lapic_create(&b->cpu[i].l, &p) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct board b = { .data = data, .left = size, .ns = 1 };
	static struct cpu_state st;
	uint8_t page[CPU_LAPIC_SIZE];

	log_set_level(LOG_LEVEL_ERR);
	create(&b);
	while (b.left) {
		step(&b, &st, page);
		for (int i = 0; i < CPUS; i++)
			check(&b.cpu[i]);
	}
	for (int i = 0; i < CPUS; i++)
		lapic_destroy(b.cpu[i].l);
	lapic_bus_destroy(b.bus);
	return 0;
}
