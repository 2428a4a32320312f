// SPDX-License-Identifier: MIT
/*
 * test_rng.c - the entropy device.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/seed.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/fake_transport.h"
#include "virtio/rng.h"

#define RAM_SIZE (1ull << 20)
#define RING_AT	 0x1000
#define DATA_AT	 0x20000
#define MOST	 4096

struct fixture {
	struct ram *ram;
	struct loop *loop;
	struct virtio_dev *dev;
	struct fake_transport t;
	struct ring r;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || ram_create(&f->ram, RAM_SIZE) ||
	    loop_create(&f->loop, LOOP_AUTO, 1) ||
	    virtio_rng_create(&f->dev, f->ram, f->loop, "rng", NULL))
		return -1;
	fake_attach(&f->t, f->dev);
	ring_init(&f->r, f->ram, RING_AT, 8);
	fake_start_device(f->dev, 0, &f->r);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fake_teardown(f->dev, f->loop, f->ram);
	free(f);
	return 0;
}

/* Offer chain 0 and return what came back. */
static struct ring_used ask(struct fixture *f)
{
	struct ring_used u = { .id = UINT32_MAX };

	ring_offer(&f->r, 0);
	virtio_dev_kick(f->dev, 0);
	assert_true(ring_take(&f->r, &u));
	assert_int_equal(u.id, 0);
	return u;
}

static bool is_zero(struct fixture *f, gpa_t gpa, size_t len)
{
	static const char zeroes[RAM_SIZE];

	return !memcmp(ram_ptr(f->ram, gpa, len), zeroes, len);
}

static void device_is_an_entropy_source_with_one_queue(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->dev->ops->type, 4);
	assert_int_equal(f->dev->nr_queues, 1);
	assert_int_equal(f->dev->ops->config_len, 0);
}

static void buffers_are_filled_and_differ(void **state)
{
	struct fixture *f = *state;
	char first[64];

	ring_desc(&f->r, 0, DATA_AT, 64, RING_WRITE, 0);
	assert_int_equal(ask(f).len, 64);
	ram_read(f->ram, DATA_AT, first, 64);
	assert_int_equal(ask(f).len, 64);
	assert_memory_not_equal(first, ram_ptr(f->ram, DATA_AT, 64), 64);
	assert_true(is_zero(f, DATA_AT + 64, 64));
	assert_int_equal(f->t.interrupts[0], 2);
}

static void scattered_buffers_are_filled_to_the_end(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, DATA_AT, 100, RING_WRITE | RING_NEXT, 1);
	ring_desc(&f->r, 1, DATA_AT + 0x1000, 100, RING_WRITE, 0);
	assert_int_equal(ask(f).len, 200);
	assert_false(is_zero(f, DATA_AT + 80, 20));
	assert_false(is_zero(f, DATA_AT + 0x1000 + 80, 20));
}

static void one_request_gets_a_bounded_number_of_bytes(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, DATA_AT, 3 * MOST, RING_WRITE, 0);
	assert_int_equal(ask(f).len, MOST);
	assert_true(is_zero(f, DATA_AT + MOST, 2 * MOST));
}

static void readable_buffers_are_left_alone(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, DATA_AT, 64, 0, 0);
	assert_int_equal(ask(f).len, 0);
	assert_true(is_zero(f, DATA_AT, 64));
}

static void a_seed_decides_what_is_given(void **state)
{
	struct fixture *f = *state;
	const uint64_t number = 3;
	uint8_t want[64];
	struct seed s;

	virtio_dev_destroy(f->dev);
	assert_int_equal(
		virtio_rng_create(&f->dev, f->ram, f->loop, "rng", &number), 0);
	fake_attach(&f->t, f->dev);
	ring_init(&f->r, f->ram, RING_AT, 8);
	fake_start_device(f->dev, 0, &f->r);

	ring_desc(&f->r, 0, DATA_AT, 64, RING_WRITE, 0);
	assert_int_equal(ask(f).len, 64);
	seed_init(&s, number, SEED_DEVICE);
	seed_fill(&s, want, sizeof(want));
	assert_memory_equal(ram_ptr(f->ram, DATA_AT, 64), want, 64);
}

static void damaged_ring_breaks_the_device(void **state)
{
	struct fixture *f = *state;

	ring_offer(&f->r, 77);
	virtio_dev_kick(f->dev, 0);
	assert_int_equal(virtio_dev_get_status(f->dev) & 64, 64);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(device_is_an_entropy_source_with_one_queue),
	TEST(buffers_are_filled_and_differ),
	TEST(scattered_buffers_are_filled_to_the_end),
	TEST(one_request_gets_a_bounded_number_of_bytes),
	TEST(readable_buffers_are_left_alone),
	TEST(a_seed_decides_what_is_given),
	TEST(damaged_ring_breaks_the_device),
};

UNIT_MAIN(tests)
