// SPDX-License-Identifier: MIT
/*
 * test_device.c - the status machine, reset and fairness, with a model that
 * keeps its chains until the test lets go of them.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/fake_transport.h"
#include "virtio/device.h"

#define RAM_SIZE  (1ull << 20)
#define RING_AT	  0x1000
#define RING2_AT  0x3000
#define DATA_AT	  0x20000
#define SIZE	  8
#define F_MODEL	  (1ull << 3)
#define OK_STATUS (1 | 2 | 8 | 4)

/* Holds what it pops, or answers at once. */
struct model {
	struct virtio_dev dev;
	bool at_once;
	struct vq_chain held[SIZE];
	uint16_t held_q[SIZE];
	unsigned int nr_held, popped, activations, resets, kicks;
	int activate_result;
	struct ring *refill; /* the driver of another vCPU: one more chain */
	uint8_t config[6];
};

static struct model *to_model(struct virtio_dev *d)
{
	return container_of(d, struct model, dev);
}

static uint64_t model_features(struct virtio_dev *d)
{
	(void)d;
	return F_MODEL;
}

static void model_config_read(struct virtio_dev *d, size_t off, void *buf,
			      size_t len)
{
	memcpy(buf, to_model(d)->config + off, len);
}

static void model_config_write(struct virtio_dev *d, size_t off,
			       const void *buf, size_t len)
{
	memcpy(to_model(d)->config + off, buf, len);
}

static int model_activate(struct virtio_dev *d)
{
	to_model(d)->activations++;
	return to_model(d)->activate_result;
}

static void model_reset(struct virtio_dev *d)
{
	to_model(d)->resets++;
}

static void model_kick(struct virtio_dev *d, uint16_t q)
{
	struct model *m = to_model(d);

	m->kicks++;
	while (virtio_dev_pop(d, q, &m->held[m->nr_held])) {
		m->popped++;
		if (m->at_once) {
			virtio_dev_push(d, q, &m->held[m->nr_held], 0);
			if (m->refill)
				ring_offer(m->refill, 0);
		} else {
			m->held_q[m->nr_held++] = q;
		}
	}
}

/* The first one that was held. */
static void let_go(struct model *m)
{
	struct vq_chain c = m->held[0];
	uint16_t q = m->held_q[0];
	unsigned int i;

	c.readable = c.iov;
	c.writable = c.iov + c.nr_readable;
	m->nr_held--;
	for (i = 0; i < m->nr_held; i++) {
		m->held[i] = m->held[i + 1];
		m->held_q[i] = m->held_q[i + 1];
	}
	virtio_dev_push(&m->dev, q, &c, (uint32_t)c.writable_len);
	virtio_dev_notify(&m->dev, q);
}

static const struct virtio_dev_ops model_ops = {
	.name = "model",
	.type = 42,
	.queue_max = SIZE,
	.config_len = 6,
	.features = model_features,
	.config_read = model_config_read,
	.config_write = model_config_write,
	.activate = model_activate,
	.reset = model_reset,
	.queue_kick = model_kick,
};

struct fixture {
	struct ram *ram;
	struct loop *loop;
	struct model m;
	struct fake_transport t;
	struct ring r, r2;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || ram_create(&f->ram, RAM_SIZE) ||
	    loop_create(&f->loop, LOOP_AUTO, 1) ||
	    virtio_dev_init(&f->m.dev, &model_ops, "model0", f->ram, f->loop,
			    2))
		return -1;
	fake_attach(&f->t, &f->m.dev);
	ring_init(&f->r, f->ram, RING_AT, SIZE);
	ring_init(&f->r2, f->ram, RING2_AT, SIZE);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	virtio_dev_fini(&f->m.dev);
	loop_destroy(f->loop);
	ram_destroy(f->ram);
	free(f);
	return 0;
}

/* One writable descriptor; returns what the device shall be told. */
static void offer(struct ring *r, uint16_t head)
{
	ring_desc(r, head, DATA_AT, 16, RING_WRITE, 0);
	ring_offer(r, head);
}

static void start(struct fixture *f)
{
	fake_start_device(&f->m.dev, 0, &f->r);
	assert_int_equal(virtio_dev_get_status(&f->m.dev), OK_STATUS);
}

/* Features */

static void features_of_model_ring_and_version_are_offered(void **state)
{
	struct fixture *f = *state;
	uint32_t low = virtio_dev_features(&f->m.dev, 0);

	assert_int_equal(low,
			 F_MODEL | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX);
	assert_int_equal(virtio_dev_features(&f->m.dev, 1), 1);
	assert_int_equal(virtio_dev_features(&f->m.dev, 2), 0);
}

static void subset_of_features_is_accepted(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fake_negotiate(&f->m.dev,
					F_MODEL | VIRTIO_F_VERSION_1),
			 1 | 2 | 8);
	assert_true(virtio_dev_has(&f->m.dev, F_MODEL));
	assert_false(virtio_dev_has(&f->m.dev, F_MODEL | VIRTIO_F_EVENT_IDX));
}

static void feature_that_was_not_offered_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fake_negotiate(&f->m.dev, VIRTIO_F_VERSION_1 | 1),
			 1 | 2);
	assert_int_equal(fake_negotiate(&f->m.dev,
					VIRTIO_F_VERSION_1 | 1ull << 63),
			 1 | 2);
}

static void feature_past_the_64th_is_refused(void **state)
{
	struct virtio_dev *d = &((struct fixture *)*state)->m.dev;

	virtio_dev_set_status(d, 3);
	virtio_dev_accept_features(d, 1, 1);
	virtio_dev_accept_features(d, 2, 1);
	virtio_dev_set_status(d, 3 | 8);
	assert_int_equal(virtio_dev_get_status(d), 3);
	/* Until the reset; then the same set without it is fine. */
	assert_int_equal(fake_negotiate(d, VIRTIO_F_VERSION_1), 3 | 8);
}

static void driver_without_version_1_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fake_negotiate(&f->m.dev, F_MODEL), 1 | 2);
}

static void features_do_not_change_after_features_ok(void **state)
{
	struct virtio_dev *d = &((struct fixture *)*state)->m.dev;

	fake_negotiate(d, VIRTIO_F_VERSION_1);
	virtio_dev_accept_features(d, 0, F_MODEL);
	assert_false(virtio_dev_has(d, F_MODEL));
}

/* Status */

static void status_bits_add_up_until_the_reset(void **state)
{
	struct virtio_dev *d = &((struct fixture *)*state)->m.dev;

	virtio_dev_set_status(d, 1);
	virtio_dev_set_status(d, 2);
	virtio_dev_set_status(d, 128);
	assert_int_equal(virtio_dev_get_status(d), 1 | 2 | 128);
	virtio_dev_set_status(d, 0);
	assert_int_equal(virtio_dev_get_status(d), 0);
}

static void driver_cannot_set_needs_reset(void **state)
{
	struct virtio_dev *d = &((struct fixture *)*state)->m.dev;

	virtio_dev_set_status(d, 1 | 64);
	assert_int_equal(virtio_dev_get_status(d), 1);
}

static void driver_ok_needs_features_ok(void **state)
{
	struct fixture *f = *state;

	virtio_dev_set_status(&f->m.dev, 1 | 2 | 4);
	assert_int_equal(virtio_dev_get_status(&f->m.dev), 1 | 2);
	virtio_dev_set_status(&f->m.dev, 1 | 2 | 4 | 8);
	assert_int_equal(virtio_dev_get_status(&f->m.dev), 1 | 2);
	assert_int_equal(f->m.activations, 0);
}

static void driver_ok_activates_once(void **state)
{
	struct fixture *f = *state;

	start(f);
	virtio_dev_set_status(&f->m.dev, OK_STATUS);
	assert_int_equal(f->m.activations, 1);
}

static void activation_serves_what_was_offered_before(void **state)
{
	struct fixture *f = *state;

	offer(&f->r, 0);
	start(f);
	assert_int_equal(f->m.nr_held, 1);
	let_go(&f->m);
	assert_int_equal(f->t.interrupts[0], 1);
}

static void kick_before_driver_ok_does_nothing(void **state)
{
	struct fixture *f = *state;

	fake_negotiate(&f->m.dev, VIRTIO_F_VERSION_1);
	fake_set_queue(&f->m.dev, 0, &f->r);
	offer(&f->r, 0);
	virtio_dev_kick(&f->m.dev, 0);
	assert_int_equal(f->m.kicks, 0);
	assert_int_equal(ring_used_idx(&f->r), 0);
}

static void kick_of_a_queue_that_is_not_there_does_nothing(void **state)
{
	struct fixture *f = *state;

	start(f);
	f->m.kicks = 0;
	virtio_dev_kick(&f->m.dev, 1); /* exists, is not enabled */
	virtio_dev_kick(&f->m.dev, 2);
	virtio_dev_kick(&f->m.dev, UINT16_MAX);
	assert_int_equal(f->m.kicks, 0);
}

static void assert_needs_reset(struct fixture *f)
{
	assert_int_equal(virtio_dev_get_status(&f->m.dev), OK_STATUS | 64);
	assert_int_equal(f->t.config_interrupts, 1);
}

static void bad_queue_address_needs_a_reset(void **state)
{
	struct fixture *f = *state;

	f->r.used = RAM_SIZE;
	fake_start_device(&f->m.dev, 0, &f->r);
	assert_needs_reset(f);
	assert_int_equal(f->m.activations, 0);
}

static void queue_larger_than_the_maximum_needs_a_reset(void **state)
{
	struct fixture *f = *state;

	f->r.size = 2 * SIZE;
	fake_start_device(&f->m.dev, 0, &f->r);
	assert_needs_reset(f);
}

static void queue_size_past_16_bits_needs_a_reset(void **state)
{
	struct fixture *f = *state;

	fake_negotiate(&f->m.dev, VIRTIO_F_VERSION_1);
	fake_set_queue(&f->m.dev, 0, &f->r);
	virtio_dev_queue_enable(&f->m.dev, 0, false);
	virtio_dev_queue_set_size(&f->m.dev, 0, 0x10000 + SIZE);
	virtio_dev_queue_enable(&f->m.dev, 0, true);
	virtio_dev_set_status(&f->m.dev, OK_STATUS);
	assert_needs_reset(f);
}

static void model_that_cannot_activate_needs_a_reset(void **state)
{
	struct fixture *f = *state;

	f->m.activate_result = -ENOMEM;
	fake_start_device(&f->m.dev, 0, &f->r);
	assert_needs_reset(f);
}

static void damaged_ring_stops_the_device_until_the_reset(void **state)
{
	struct fixture *f = *state;

	start(f);
	offer(&f->r, 0);
	virtio_dev_kick(&f->m.dev, 0);
	ring_offer(&f->r, SIZE);
	virtio_dev_kick(&f->m.dev, 0);
	assert_needs_reset(f);

	/* Neither served nor answered any more, but the reset is complete. */
	virtio_dev_kick(&f->m.dev, 0);
	let_go(&f->m);
	assert_int_equal(ring_used_idx(&f->r), 0);
	assert_int_equal(f->t.interrupts[0], 0);
	assert_int_equal(f->t.config_interrupts, 1);

	virtio_dev_set_status(&f->m.dev, 0);
	assert_int_equal(virtio_dev_get_status(&f->m.dev), 0);
	ring_init(&f->r, f->ram, RING_AT, SIZE);
	start(f);
	offer(&f->r, 0);
	virtio_dev_kick(&f->m.dev, 0);
	let_go(&f->m);
	assert_int_equal(ring_used_idx(&f->r), 1);
}

/* Reset */

static void reset_forgets_features_and_queues(void **state)
{
	struct fixture *f = *state;

	start(f);
	virtio_dev_set_status(&f->m.dev, 0);
	assert_false(virtio_dev_queue_enabled(&f->m.dev, 0));
	assert_false(virtio_dev_has(&f->m.dev, VIRTIO_F_VERSION_1));
	assert_int_equal(f->m.resets, 1);
	assert_int_equal(f->t.resets, 2);
	offer(&f->r, 0);
	virtio_dev_kick(&f->m.dev, 0);
	assert_int_equal(f->m.popped, 0);
}

/* The other side: an operation that ends while the driver waits. */
static void end_held(struct loop_op *op, int res)
{
	struct fixture *f = (void *)op->one.iov_base;

	(void)res;
	/* Not complete yet: the driver would read this. */
	assert_int_equal(virtio_dev_get_status(&f->m.dev), OK_STATUS);
	let_go(&f->m);
}

static void reset_waits_for_chains_that_are_out(void **state)
{
	struct fixture *f = *state;
	struct loop_op op = { .done = end_held };

	start(f);
	offer(&f->r, 0);
	virtio_dev_kick(&f->m.dev, 0);
	assert_int_equal(f->m.nr_held, 1);

	/* Ends on the second look of the thread that waits. */
	op.one.iov_base = f;
	f->loop->later = &op;
	virtio_dev_set_status(&f->m.dev, 0);
	assert_int_equal(virtio_dev_get_status(&f->m.dev), 0);
	assert_int_equal(f->m.nr_held, 0);
	assert_int_equal(ring_used_idx(&f->r), 0);
}

static void reset_does_not_hang_when_the_loop_has_stopped(void **state)
{
	struct fixture *f = *state;

	start(f);
	f->loop->stopped = true;
	virtio_dev_set_status(&f->m.dev, 0);
	virtio_dev_queue_enable(&f->m.dev, 0, false);
	assert_int_equal(virtio_dev_get_status(&f->m.dev), OK_STATUS);
}

static void reset_overtakes_an_activation(void **state)
{
	struct fixture *f = *state;

	f->loop->hold = true;
	start(f);
	assert_int_equal(f->m.activations, 0);
	f->loop->hold = false;
	virtio_dev_set_status(&f->m.dev, 0);
	assert_int_equal(virtio_dev_get_status(&f->m.dev), 0);
	assert_int_equal(f->m.activations, 0);
	assert_int_equal(f->m.resets, 0);
}

/* Queue registers */

static void registers_of_an_active_device_do_not_change(void **state)
{
	struct fixture *f = *state;
	struct ring other = f->r2;

	start(f);
	fake_set_queue(&f->m.dev, 0, &other);
	fake_set_queue(&f->m.dev, 1, &other);
	assert_false(virtio_dev_queue_enabled(&f->m.dev, 1));
	assert_int_equal(f->m.dev.regs[0].addr[VIRTIO_QUEUE_DESC], f->r.desc);
	assert_int_equal(f->m.dev.regs[1].addr[VIRTIO_QUEUE_DESC], 0);
}

static void disabled_queue_is_not_touched(void **state)
{
	struct fixture *f = *state;

	fake_negotiate(&f->m.dev, VIRTIO_F_VERSION_1);
	fake_set_queue(&f->m.dev, 0, &f->r);
	fake_set_queue(&f->m.dev, 1, &f->r2);
	virtio_dev_set_status(&f->m.dev, OK_STATUS);
	offer(&f->r, 0);
	virtio_dev_kick(&f->m.dev, 0);
	f->loop->hold = true;

	/* The loop is asked; the queue stays enabled until its chain is back */
	f->loop->stopped = true;
	virtio_dev_queue_enable(&f->m.dev, 0, false);
	f->loop->stopped = false;
	assert_true(virtio_dev_queue_enabled(&f->m.dev, 0));
	fake_loop_run(f->loop);
	loop_post(f->loop, &f->m.dev.task);
	assert_true(virtio_dev_queue_enabled(&f->m.dev, 0));
	let_go(&f->m);
	assert_false(virtio_dev_queue_enabled(&f->m.dev, 0));
	assert_int_equal(ring_used_idx(&f->r), 0);

	/* The other one goes on. */
	offer(&f->r2, 0);
	virtio_dev_kick(&f->m.dev, 1);
	let_go(&f->m);
	assert_int_equal(ring_used_idx(&f->r2), 1);
	virtio_dev_queue_enable(&f->m.dev, 1, false);
	assert_false(virtio_dev_queue_enabled(&f->m.dev, 1));
}

static void unknown_queues_are_ignored(void **state)
{
	struct virtio_dev *d = &((struct fixture *)*state)->m.dev;

	virtio_dev_queue_set_size(d, 2, 8);
	virtio_dev_queue_set_addr(d, UINT32_MAX, VIRTIO_QUEUE_DESC, true, 1);
	virtio_dev_queue_enable(d, 65536, true);
	assert_false(virtio_dev_queue_enabled(d, 65536));
	assert_int_equal(virtio_dev_queue_max(d, 2), 0);
	assert_int_equal(virtio_dev_queue_max(d, 1), SIZE);
}

/* Fairness */

static void endless_driver_leaves_the_loop_its_turns(void **state)
{
	struct fixture *f = *state;

	start(f);
	f->m.at_once = true;
	f->m.refill = &f->r;
	offer(&f->r, 0);
	f->loop->hold = true; /* the next turn comes when the test says so */
	virtio_dev_kick(&f->m.dev, 0);
	assert_int_equal(f->m.popped, SIZE);
	fake_loop_turn(f->loop);
	assert_int_equal(f->m.popped, 2 * SIZE);
	f->m.refill = NULL;
	fake_loop_run(f->loop);
	assert_int_equal(f->m.popped, 2 * SIZE + 1);
}

static void full_queue_is_served_in_one_kick(void **state)
{
	struct fixture *f = *state;
	uint16_t i;

	start(f);
	f->m.at_once = true;
	for (i = 0; i < SIZE; i++)
		offer(&f->r, i);
	f->loop->hold = true;
	virtio_dev_kick(&f->m.dev, 0);
	assert_int_equal(ring_used_idx(&f->r), SIZE);
	assert_int_equal(f->loop->nr_tasks, 0);
	assert_int_equal(f->t.interrupts[0], 1);
	assert_int_equal(ring_used_flags(&f->r), 0);
}

/* Configuration space */

static void config_reads_past_the_end_are_zero(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[8];

	memcpy(f->m.config, "abcdef", 6);
	virtio_dev_config_read(&f->m.dev, 4, buf, 4);
	assert_memory_equal(buf, "ef\0\0", 4);
	virtio_dev_config_read(&f->m.dev, 6, buf, 2);
	assert_memory_equal(buf, "\0\0", 2);
	virtio_dev_config_read(&f->m.dev, UINT64_MAX, buf, 8);
	assert_memory_equal(buf, "\0\0\0\0\0\0\0\0", 8);
}

static void config_writes_must_fit(void **state)
{
	struct fixture *f = *state;

	virtio_dev_config_write(&f->m.dev, 4, "xyz", 3);
	virtio_dev_config_write(&f->m.dev, UINT64_MAX, "xyz", 3);
	assert_memory_equal(f->m.config, "\0\0\0\0\0\0", 6);
	virtio_dev_config_write(&f->m.dev, 4, "xy", 2);
	assert_memory_equal(f->m.config, "\0\0\0\0xy", 6);
}

static void config_change_counts_and_interrupts(void **state)
{
	struct fixture *f = *state;

	virtio_dev_config_changed(&f->m.dev);
	assert_int_equal(virtio_dev_config_generation(&f->m.dev), 1);
	assert_int_equal(f->t.config_interrupts, 0);
	start(f);
	virtio_dev_config_changed(&f->m.dev);
	assert_int_equal(virtio_dev_config_generation(&f->m.dev), 2);
	assert_int_equal(f->t.config_interrupts, 1);
}

static void init_refuses_odd_queue_counts(void **state)
{
	struct fixture *f = *state;
	struct model m;

	assert_int_equal(virtio_dev_init(&m.dev, &model_ops, "x", f->ram,
					 f->loop, 0),
			 -EINVAL);
	assert_int_equal(virtio_dev_init(&m.dev, &model_ops, "x", f->ram,
					 f->loop, VIRTIO_QUEUES_MAX + 1),
			 -EINVAL);
	virtio_dev_destroy(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(features_of_model_ring_and_version_are_offered),
	TEST(subset_of_features_is_accepted),
	TEST(feature_that_was_not_offered_is_refused),
	TEST(feature_past_the_64th_is_refused),
	TEST(driver_without_version_1_is_refused),
	TEST(features_do_not_change_after_features_ok),
	TEST(status_bits_add_up_until_the_reset),
	TEST(driver_cannot_set_needs_reset),
	TEST(driver_ok_needs_features_ok),
	TEST(driver_ok_activates_once),
	TEST(activation_serves_what_was_offered_before),
	TEST(kick_before_driver_ok_does_nothing),
	TEST(kick_of_a_queue_that_is_not_there_does_nothing),
	TEST(bad_queue_address_needs_a_reset),
	TEST(queue_larger_than_the_maximum_needs_a_reset),
	TEST(queue_size_past_16_bits_needs_a_reset),
	TEST(model_that_cannot_activate_needs_a_reset),
	TEST(damaged_ring_stops_the_device_until_the_reset),
	TEST(reset_forgets_features_and_queues),
	TEST(reset_waits_for_chains_that_are_out),
	TEST(reset_does_not_hang_when_the_loop_has_stopped),
	TEST(reset_overtakes_an_activation),
	TEST(registers_of_an_active_device_do_not_change),
	TEST(disabled_queue_is_not_touched),
	TEST(unknown_queues_are_ignored),
	TEST(endless_driver_leaves_the_loop_its_turns),
	TEST(full_queue_is_served_in_one_kick),
	TEST(config_reads_past_the_end_are_zero),
	TEST(config_writes_must_fit),
	TEST(config_change_counts_and_interrupts),
	TEST(init_refuses_odd_queue_counts),
};

UNIT_MAIN(tests)
