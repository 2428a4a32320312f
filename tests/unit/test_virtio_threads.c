// SPDX-License-Identifier: MIT
/*
 * test_virtio_threads.c - several vCPUs at one device, over the real loops.
 *
 * The model answers each chain a little later, through a timeout, and writes
 * into its buffer only then: a reset has something to wait for. Meant to be
 * run with SAN=thread as well.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/log.h"
#include "base/thread.h"
#include "memory/bus.h"
#include "memory/irq.h"
#include "tests/unit/fake_transport.h"
#include "virtio/transport/mmio.h"

#define RAM_SIZE (1ull << 20)
#define BASE	 LAYOUT_VIRTIO_BASE
#define RING_AT	 0x1000
#define DATA_AT	 0x20000
#define SIZE	 8
#define DELAY_NS 300000

struct late {
	struct loop_op op;
	struct machine *m;
	bool busy;
	uint16_t q;
	struct vq_chain c;
};

/* A model, its transport and its loop thread. */
struct machine {
	struct virtio_dev dev;
	struct irq_line irq;
	atomic_uint interrupts;
	atomic_uint popped;
	struct ram *ram;
	struct loop *loop;
	struct bus *bus;
	struct virtio_mmio *mmio;
	pthread_t thread;
	struct late late[2 * SIZE + 1];
};

static void handle_late(struct loop_op *op, int res)
{
	struct late *l = container_of(op, struct late, op);
	uint8_t byte = 0xaa;

	(void)res;
	vq_chain_write(l->m->ram, &l->c, 0, &byte, 1);
	l->busy = false;
	virtio_dev_push(&l->m->dev, l->q, &l->c, 1);
	virtio_dev_notify(&l->m->dev, l->q);
}

static struct late *find_free(struct machine *m)
{
	unsigned int i;

	for (i = 0; m->late[i].busy; i++)
		;
	return &m->late[i];
}

static void machine_kick(struct virtio_dev *d, uint16_t q)
{
	struct machine *m = container_of(d, struct machine, dev);
	struct late *l = find_free(m);

	while (virtio_dev_pop(d, q, &l->c)) {
		m->popped++;
		l->m = m;
		l->q = q;
		l->busy = true;
		l->op.done = handle_late;
		loop_timeout(m->loop, &l->op, DELAY_NS);
		l = find_free(m);
	}
}

static const struct virtio_dev_ops machine_ops = {
	.name = "late",
	.type = 42,
	.queue_max = SIZE,
	.queue_kick = machine_kick,
};

static void machine_irq(struct irq_line *l, bool level)
{
	container_of(l, struct machine, irq)->interrupts += level;
}

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static struct machine *start_machine(enum loop_kind kind)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct virtio_mmio_params p = { .base = BASE };

	assert_non_null(m);
	log_set_level(LOG_LEVEL_ERR);
	assert_int_equal(ram_create(&m->ram, RAM_SIZE), 0);
	assert_int_equal(bus_create(&m->bus), 0);
	assert_int_equal(loop_create(&m->loop, kind, 64), 0);
	assert_int_equal(virtio_dev_init(&m->dev, &machine_ops, "late", m->ram,
					 m->loop, 2),
			 0);
	m->irq.set = machine_irq;
	p.dev = &m->dev;
	p.bus = m->bus;
	p.loop = m->loop;
	p.irq = &m->irq;
	assert_int_equal(virtio_mmio_create(&m->mmio, &p), 0);
	assert_int_equal(thread_start(&m->thread, "loop", run_loop, m->loop),
			 0);
	return m;
}

static void stop_loop(struct machine *m)
{
	loop_stop(m->loop);
	thread_join(m->thread);
}

static void end_machine(struct machine *m)
{
	loop_destroy(m->loop);
	virtio_mmio_destroy(m->mmio);
	virtio_dev_fini(&m->dev);
	bus_destroy(m->bus);
	ram_destroy(m->ram);
	free(m);
}

static uint32_t get(struct machine *m, uint64_t reg)
{
	return (uint32_t)bus_read(m->bus, BUS_MMIO, BASE + reg, 4);
}

static void set(struct machine *m, uint64_t reg, uint32_t val)
{
	bus_write(m->bus, BUS_MMIO, BASE + reg, 4, val);
}

static void set_queue(struct machine *m, uint16_t q, const struct ring *r)
{
	set(m, 0x030, q);
	set(m, 0x038, r->size);
	set(m, 0x080, (uint32_t)r->desc);
	set(m, 0x090, (uint32_t)r->avail);
	set(m, 0x0a0, (uint32_t)r->used);
	set(m, 0x044, 1);
}

static void start_device(struct machine *m, const struct ring *r)
{
	set(m, 0x070, 0);
	set(m, 0x070, 3);
	set(m, 0x024, 1);
	set(m, 0x020, 1);
	set(m, 0x070, 3 | 8);
	set_queue(m, 0, r);
	set(m, 0x070, 3 | 8 | 4);
}

static uint8_t data_byte(struct machine *m)
{
	return __atomic_load_n((uint8_t *)ram_ptr(m->ram, DATA_AT, 1),
			       __ATOMIC_ACQUIRE);
}

static void offer(struct ring *r, uint16_t head)
{
	ring_desc(r, head, DATA_AT, 1, RING_WRITE, 0);
	ring_offer(r, head);
}

static void wait_until_popped(struct machine *m, unsigned int nr)
{
	while (m->popped < nr)
		usleep(50);
}

/* Start the device and wait until it holds a chain. */
static void put_chain_out(struct machine *m, struct ring *r)
{
	ring_init(r, m->ram, RING_AT, SIZE);
	start_device(m, r);
	offer(r, 0);
	set(m, 0x050, 0);
	wait_until_popped(m, 1);
}

/* After the status reads 0, memory is the driver's alone. */
static void reset_is_the_end_of_all_writes(enum loop_kind kind)
{
	struct machine *m = start_machine(kind);
	unsigned int round;
	struct ring r;
	uint16_t i;

	for (round = 0; round < 20; round++) {
		unsigned int before = m->popped;

		ring_init(&r, m->ram, RING_AT, SIZE);
		start_device(m, &r);
		for (i = 0; i < SIZE; i++)
			offer(&r, i);
		set(m, 0x050, 0);
		wait_until_popped(m, before + SIZE);
		set(m, 0x070, 0);
		assert_int_equal(get(m, 0x070), 0);

		ram_zero(m->ram, RING_AT, 0x1000);
		ram_zero(m->ram, DATA_AT, 1);
		usleep(2 * DELAY_NS / 1000);
		assert_int_equal(data_byte(m), 0);
		assert_int_equal(ring_used_idx(&r), 0);
	}
	stop_loop(m);
	end_machine(m);
}

static void reset_is_the_end_of_all_writes_on_uring(void **state)
{
	(void)state;
	reset_is_the_end_of_all_writes(LOOP_AUTO);
}

static void reset_is_the_end_of_all_writes_on_poll(void **state)
{
	(void)state;
	reset_is_the_end_of_all_writes(LOOP_POLL);
}

/* A disabled queue likewise, while the device stays up. */
static void disabled_queue_is_left_alone(void **state)
{
	struct machine *m = start_machine(LOOP_AUTO);
	uint16_t used;
	struct ring r;

	(void)state;
	put_chain_out(m, &r);
	set(m, 0x044, 0);
	assert_int_equal(get(m, 0x044), 0);
	used = ring_used_idx(&r); /* 1 when this thread was slow */
	ram_zero(m->ram, DATA_AT, 1);
	usleep(2 * DELAY_NS / 1000);
	assert_int_equal(data_byte(m), 0);
	assert_int_equal(ring_used_idx(&r), used);
	assert_int_equal(get(m, 0x070), 3 | 8 | 4);
	stop_loop(m);
	end_machine(m);
}

/* A driver that sleeps until it is interrupted gets every answer. */
static void no_interrupt_is_lost(void **state)
{
	struct machine *m = start_machine(LOOP_AUTO);
	unsigned int i, seen = 0, spins;
	struct ring_used u;
	struct ring r;

	(void)state;
	ring_init(&r, m->ram, RING_AT, SIZE);
	start_device(m, &r);
	for (i = 0; i < 300; i++) {
		offer(&r, i % SIZE);
		set(m, 0x050, 0);
		for (spins = 0; m->interrupts == seen && spins < 100000;
		     spins++)
			usleep(20);
		assert_int_not_equal(m->interrupts, seen);
		seen = m->interrupts;
		set(m, 0x064, get(m, 0x060));
		assert_true(ring_take(&r, &u));
		assert_int_equal(u.id, i % SIZE);
	}
	stop_loop(m);
	end_machine(m);
}

static void *reset_device(void *arg)
{
	set(arg, 0x070, 0);
	return NULL;
}

static void reset_returns_when_the_loop_stops(void **state)
{
	struct machine *m = start_machine(LOOP_AUTO);
	pthread_t vcpu;
	struct ring r;

	(void)state;
	put_chain_out(m, &r);
	/* A chain that stays out keeps the vCPU waiting; then the loop goes. */
	stop_loop(m);
	assert_int_equal(thread_start(&vcpu, "vcpu", reset_device, m), 0);
	thread_join(vcpu);
	end_machine(m);
}

/* A hostile guest: all registers at once, from several vCPUs */

struct vcpu {
	struct machine *m;
	pthread_t thread;
	unsigned int seed;
	unsigned int steps;
};

static uint32_t next_random(struct vcpu *v)
{
	v->seed = v->seed * 1103515245u + 12345u;
	return v->seed >> 16;
}

static const uint16_t regs[] = { 0x014, 0x020, 0x024, 0x030, 0x038, 0x044,
				 0x050, 0x064, 0x070, 0x080, 0x090, 0x0a0 };

static void storm_step(struct vcpu *v, struct ring *r)
{
	switch (next_random(v) % 8) {
	case 0:
		set(v->m, 0x070, 0);
		break;
	case 1:
	case 2:
		start_device(v->m, r);
		break;
	case 3:
	case 4:
		ring_offer(r, next_random(v) % SIZE);
		set(v->m, 0x050, 0);
		break;
	case 5:
		set(v->m, 0x044, next_random(v) % 2);
		break;
	case 6:
		set(v->m, regs[next_random(v) % ARRAY_SIZE(regs)],
		    next_random(v));
		break;
	default:
		get(v->m, 4 * (next_random(v) % 80));
		break;
	}
}

static void *storm(void *arg)
{
	struct vcpu *v = arg;
	struct ring r = { .ram = v->m->ram, .size = SIZE };

	r.desc = RING_AT;
	r.avail = RING_AT + 16 * SIZE;
	r.used = RING_AT + 0x400;
	while (v->steps--)
		storm_step(v, &r);
	return NULL;
}

static void device_survives_a_storm(enum loop_kind kind)
{
	struct machine *m = start_machine(kind);
	struct vcpu v[3];
	struct ring r;
	unsigned int i;

	ring_init(&r, m->ram, RING_AT, SIZE);
	for (i = 0; i < SIZE; i++)
		ring_desc(&r, (uint16_t)i, DATA_AT, 1, RING_WRITE, 0);
	for (i = 0; i < ARRAY_SIZE(v); i++) {
		v[i] = (struct vcpu){ .m = m, .seed = i + 1, .steps = 1500 };
		assert_int_equal(
			thread_start(&v[i].thread, "vcpu", storm, &v[i]), 0);
	}
	for (i = 0; i < ARRAY_SIZE(v); i++)
		thread_join(v[i].thread);

	/* And still works for a driver that behaves. */
	set(m, 0x070, 0);
	set(m, 0x030, 0);
	assert_int_equal(get(m, 0x070), 0);
	ring_init(&r, m->ram, RING_AT, SIZE);
	set(m, 0x024, 0);
	set(m, 0x020, 0);
	start_device(m, &r);
	assert_int_equal(get(m, 0x070), 3 | 8 | 4);
	offer(&r, 0);
	set(m, 0x050, 0);
	while (!ring_used_idx(&r))
		usleep(50);
	stop_loop(m);
	end_machine(m);
}

static void device_survives_a_storm_on_uring(void **state)
{
	(void)state;
	device_survives_a_storm(LOOP_AUTO);
}

static void device_survives_a_storm_on_poll(void **state)
{
	(void)state;
	device_survives_a_storm(LOOP_POLL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(reset_is_the_end_of_all_writes_on_uring),
	cmocka_unit_test(reset_is_the_end_of_all_writes_on_poll),
	cmocka_unit_test(disabled_queue_is_left_alone),
	cmocka_unit_test(no_interrupt_is_lost),
	cmocka_unit_test(reset_returns_when_the_loop_stops),
	cmocka_unit_test(device_survives_a_storm_on_uring),
	cmocka_unit_test(device_survives_a_storm_on_poll),
};

UNIT_MAIN(tests)
