// SPDX-License-Identifier: MIT
/*
 * test_lapic_threads.c - messages from several threads at once: none is lost,
 * and a sleeping vCPU wakes. Meant for SAN=thread as well.
 */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/checked.h"
#include "base/thread.h"
#include "memory/irq.h"
#include "vcpu/irqchip/lapic.h"

#define CPUS	2
#define ROUNDS	2000
#define SENDERS 3

#define R_EOI	0x0b0
#define R_SVR	0x0f0
#define R_ICR	0x300
#define R_ICR2	0x310
#define R_LINT0 0x350

#define IPI_VECTOR 0x31
#define PIC_VECTOR 0x08
#define STOP	   2u /* the owner's bit of the attention word */

struct cpu {
	struct lapic_owner owner;
	struct lapic *l;
	struct machine *m;
	unsigned int id;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t awake;
	atomic_uint taken[256]; /* interrupts, by vector */
	atomic_uint nmis, eois;
};

struct machine {
	struct lapic_bus *bus;
	struct irq_sink *sink;
	struct cpu cpu[CPUS];
};

static struct cpu *cpu_of(struct lapic_owner *o)
{
	return container_of(o, struct cpu, owner);
}

static uint64_t no_time(struct lapic_owner *o)
{
	(void)o;
	return 0;
}

static void no_arm(struct lapic_owner *o, uint64_t deadline)
{
	(void)o;
	(void)deadline;
}

static void wake(struct lapic_owner *o)
{
	struct cpu *c = cpu_of(o);

	pthread_mutex_lock(&c->lock);
	pthread_cond_signal(&c->awake);
	pthread_mutex_unlock(&c->lock);
}

static void count_nmi(struct lapic_owner *o)
{
	cpu_of(o)->nmis++;
}

static void no_event(struct lapic_owner *o)
{
	(void)o;
}

static void no_sipi(struct lapic_owner *o, uint8_t vector)
{
	(void)o;
	(void)vector;
}

static void count_eoi(struct lapic_owner *o, uint8_t vector)
{
	(void)vector;
	cpu_of(o)->eois++;
}

static int ack_pic(struct lapic_owner *o)
{
	struct machine *m = cpu_of(o)->m;

	m->sink->ops->extint(m->sink, false);
	return PIC_VECTOR;
}

static const struct lapic_ops ops = {
	.now = no_time,
	.tsc = no_time,
	.arm = no_arm,
	.wake = wake,
	.nmi = count_nmi,
	.init = no_event,
	.sipi = no_sipi,
	.eoi = count_eoi,
	.ack_pic = ack_pic,
};

/* Sleep as HLT does: look at the word after saying so. */
static void halt(struct cpu *c)
{
	pthread_mutex_lock(&c->lock);
	while (!atomic_load(&c->owner.attention))
		pthread_cond_wait(&c->awake, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

/* The handler of each vector but the IPI's passes an IPI on. */
static void take_one(struct cpu *c)
{
	int vector = lapic_ack(c->l);

	if (vector < 0)
		return;
	if (vector != PIC_VECTOR)
		lapic_mmio_write(c->l, R_EOI, 4, 0);
	if (vector != IPI_VECTOR) {
		lapic_mmio_write(c->l, R_ICR2, 4, (uint64_t)(c->id ^ 1) << 24);
		lapic_mmio_write(c->l, R_ICR, 4, IPI_VECTOR);
	}
	c->taken[vector]++;
}

static void *run_cpu(void *arg)
{
	struct cpu *c = arg;

	while (!(atomic_load(&c->owner.attention) & STOP)) {
		if (lapic_pending(c->l) >= 0)
			take_one(c);
		else
			halt(c);
	}
	return NULL;
}

static struct machine *start(void)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct lapic_params p = { .tsc_khz = 1, .phys_bits = 40 };
	struct cpu *c;

	assert_non_null(m);
	assert_int_equal(lapic_bus_create(&m->bus), 0);
	m->sink = lapic_bus_sink(m->bus);
	p.bus = m->bus;
	for (unsigned int i = 0; i < CPUS; i++) {
		c = &m->cpu[i];
		c->owner.ops = &ops;
		c->m = m;
		c->id = i;
		pthread_mutex_init(&c->lock, NULL);
		pthread_cond_init(&c->awake, NULL);
		p.owner = &c->owner;
		p.id = i;
		assert_int_equal(lapic_create(&c->l, &p), 0);
		lapic_mmio_write(c->l, R_SVR, 4, 0x1ff);
	}
	lapic_mmio_write(m->cpu[0].l, R_LINT0, 4, 0x700);
	for (unsigned int i = 0; i < CPUS; i++)
		assert_int_equal(thread_start(&m->cpu[i].thread, "cpu", run_cpu,
					      &m->cpu[i]),
				 0);
	return m;
}

static void stop(struct machine *m)
{
	struct cpu *c;

	for (unsigned int i = 0; i < CPUS; i++) {
		c = &m->cpu[i];
		atomic_fetch_or(&c->owner.attention, STOP);
		wake(&c->owner);
	}
	for (unsigned int i = 0; i < CPUS; i++)
		thread_join(m->cpu[i].thread);
	for (unsigned int i = 0; i < CPUS; i++) {
		lapic_destroy(m->cpu[i].l);
		pthread_cond_destroy(&m->cpu[i].awake);
		pthread_mutex_destroy(&m->cpu[i].lock);
	}
	lapic_bus_destroy(m->bus);
	free(m);
}

/* False when *@count does not get to @want within 20 seconds. */
static bool reaches(atomic_uint *count, unsigned int want)
{
	const struct timespec nap = { 0, 20000 };

	for (long i = 0; i < 1000000; i++) {
		if (atomic_load(count) >= want)
			return true;
		if (i > 1000)
			nanosleep(&nap, NULL);
	}
	return false;
}

struct sender {
	struct machine *m;
	pthread_t thread;
	uint32_t data; /* vector and trigger mode */
	unsigned int cpu;
	atomic_bool lost;
};

static void send(struct machine *m, unsigned int cpu, uint32_t data)
{
	struct msi_msg msg = { 0xfee00000u | cpu << 12, data };

	m->sink->ops->send(m->sink, &msg);
}

/* Send, wait until it was taken, and again: a lost one ends it. */
static void *run_sender(void *arg)
{
	struct sender *s = arg;
	struct cpu *c = &s->m->cpu[s->cpu];
	atomic_uint *taken = &c->taken[s->data & 0xff];

	for (unsigned int i = 1; i <= ROUNDS && !s->lost; i++) {
		send(s->m, s->cpu, s->data);
		send(s->m, s->cpu, 0x400);
		s->lost = !reaches(taken, i);
	}
	return NULL;
}

static void no_message_is_lost_between_threads(void **state)
{
	struct machine *m = start();
	struct sender s[SENDERS] = {
		{ .m = m, .data = 0x41, .cpu = 0 },
		{ .m = m, .data = 0x8000 | 0x42, .cpu = 1 },
		{ .m = m, .data = 0x93, .cpu = 0 },
	};

	(void)state;
	for (int i = 0; i < SENDERS; i++)
		assert_int_equal(thread_start(&s[i].thread, "sender",
					      run_sender, &s[i]),
				 0);
	for (int i = 0; i < SENDERS; i++)
		thread_join(s[i].thread);
	for (int i = 0; i < SENDERS; i++)
		assert_false(s[i].lost);
	assert_int_equal(m->cpu[0].taken[0x41], ROUNDS);
	assert_int_equal(m->cpu[1].taken[0x42], ROUNDS);
	assert_int_equal(m->cpu[1].eois, ROUNDS);
	assert_int_equal(m->cpu[0].nmis, 2 * ROUNDS);
	/* IPIs merge, but the last of them arrives. */
	assert_true(reaches(&m->cpu[0].taken[IPI_VECTOR], 1));
	assert_true(reaches(&m->cpu[1].taken[IPI_VECTOR], 1));
	stop(m);
}

static void pic_line_wakes_a_halted_cpu_each_time(void **state)
{
	struct machine *m = start();

	(void)state;
	for (unsigned int i = 1; i <= ROUNDS; i++) {
		m->sink->ops->extint(m->sink, true);
		assert_true(reaches(&m->cpu[0].taken[PIC_VECTOR], i));
	}
	stop(m);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(no_message_is_lost_between_threads),
	cmocka_unit_test(pic_line_wakes_a_halted_cpu_each_time),
};

UNIT_MAIN(tests)
