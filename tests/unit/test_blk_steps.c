// SPDX-License-Identifier: MIT
/*
 * test_blk_steps.c - what a block request asks of the host, step by step, on
 * the loop without threads.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"
#include "base/log.h"
#include "tests/unit/blk_names.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/fake_transport.h"
#include "virtio/backend/disk.h"
#include "virtio/blk.h"

#define RAM_SIZE  (1ull << 20)
#define RING_AT	  0x1000ull
#define HEADER_AT 0x10000ull
#define STATUS_AT 0x11000ull
#define DATA_AT	  0x20000ull
#define DISK_SIZE (64 << 10)

struct fixture {
	struct ram *ram;
	struct ram_listener ear;
	uint64_t heard; /* bytes of data reported as written */
	struct loop *loop;
	struct virtio_dev *dev;
	struct fake_transport t;
	struct ring r;
	int fd;
};

static void hear(struct ram_listener *l, gpa_t gpa, uint64_t len)
{
	struct fixture *f = container_of(l, struct fixture, ear);

	if (gpa >= DATA_AT)
		f->heard += len;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct virtio_blk_params p = { .name = "blk0", .nr_queues = 1 };
	char path[64], why[200];
	struct disk_params dp = { .path = path };

	if (!f || ram_create(&f->ram, RAM_SIZE) ||
	    loop_create(&f->loop, LOOP_AUTO, 1))
		return -1;
	f->ear.written = hear;
	log_set_level(LOG_LEVEL_ERR);
	f->fd = memfd_create("disk", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	if (f->fd < 0 || ftruncate(f->fd, DISK_SIZE) ||
	    disk_open(&p.disk, &dp, f->loop, why, sizeof(why)) ||
	    virtio_blk_create(&f->dev, f->ram, f->loop, &p) ||
	    ram_add_listener(f->ram, &f->ear))
		return -1;
	fake_attach(&f->t, f->dev);
	ring_init(&f->r, f->ram, RING_AT, 8);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	virtio_dev_set_status(f->dev, 0);
	virtio_dev_destroy(f->dev);
	loop_destroy(f->loop);
	ram_del_listener(f->ram, &f->ear);
	ram_destroy(f->ram);
	close(f->fd);
	free(f);
	return 0;
}

static void submit(struct fixture *f, uint32_t type, uint32_t len)
{
	const uint8_t header[16] = { (uint8_t)type }, none = 0xee;

	ram_write(f->ram, HEADER_AT, header, sizeof(header));
	ram_write(f->ram, STATUS_AT, &none, 1);
	ring_desc(&f->r, 0, HEADER_AT, 16, RING_NEXT, 1);
	ring_desc(&f->r, 1, DATA_AT, len,
		  RING_NEXT | (type == T_IN ? RING_WRITE : 0), 2);
	ring_desc(&f->r, 2, STATUS_AT, 1, RING_WRITE, 0);
	ring_offer(&f->r, 0);
	f->heard = 0;
	virtio_dev_kick(f->dev, 0);
}

static uint8_t status(struct fixture *f)
{
	return *(uint8_t *)ram_ptr(f->ram, STATUS_AT, 1);
}

static bool in_flight(const struct fixture *f, enum fake_kind kind)
{
	return f->loop->nr_ops == 1 && f->loop->ops[0]->kind == (int)kind;
}

static void write_ends_after_the_write_when_flush_was_negotiated(void **state)
{
	struct fixture *f = *state;

	fake_start_device(f->dev, F_FLUSH, &f->r);
	submit(f, T_OUT, 512);
	assert_true(in_flight(f, FAKE_WRITE));
	fake_loop_turn(f->loop);
	assert_int_equal(f->loop->nr_ops, 0);
	assert_int_equal(status(f), S_OK);
	assert_int_equal(f->t.interrupts[0], 1);
}

/* virtio 1.2 §5.2.6.2: FLUSH offered, not negotiated: stable when complete. */
static void write_ends_after_a_sync_when_flush_was_not(void **state)
{
	struct fixture *f = *state;

	fake_start_device(f->dev, 0, &f->r);
	submit(f, T_OUT, 512);
	fake_loop_turn(f->loop);
	assert_true(in_flight(f, FAKE_SYNC));
	assert_int_equal(ring_used_idx(&f->r), 0);
	fake_loop_turn(f->loop);
	assert_int_equal(f->loop->nr_ops, 0);
	assert_int_equal(ring_used_idx(&f->r), 1);
	assert_int_equal(status(f), S_OK);
}

static void flush_is_one_sync(void **state)
{
	struct fixture *f = *state;

	fake_start_device(f->dev, F_FLUSH, &f->r);
	submit(f, T_FLUSH, 0);
	assert_true(in_flight(f, FAKE_SYNC));
	assert_int_equal(ring_used_idx(&f->r), 0);
	fake_loop_run(f->loop);
	assert_int_equal(f->loop->nr_started, 1);
	assert_int_equal(status(f), S_OK);
}

static void failed_sync_fails_the_request(void **state)
{
	struct fixture *f = *state;

	fake_start_device(f->dev, 0, &f->r);
	submit(f, T_OUT, 512);
	fake_loop_turn(f->loop);
	f->loop->fail_sync = -EIO;
	fake_loop_run(f->loop);
	assert_int_equal(status(f), S_IOERR);
}

static void host_errors_fail_the_request(void **state)
{
	struct fixture *f = *state;
	struct ring_used u;

	fake_start_device(f->dev, F_FLUSH, &f->r);
	f->loop->fail = -EIO;
	submit(f, T_OUT, 512);
	fake_loop_run(f->loop);
	assert_int_equal(status(f), S_IOERR);
	assert_true(ring_take(&f->r, &u));
	assert_int_equal(u.len, 1);
}

/* A failed read may have filled some of it: RAM's listeners must know. */
static void failed_read_is_reported_but_not_counted(void **state)
{
	struct fixture *f = *state;
	struct ring_used u;

	fake_start_device(f->dev, F_FLUSH, &f->r);
	f->loop->fail = -EIO;
	submit(f, T_IN, 1024);
	fake_loop_run(f->loop);
	assert_int_equal(status(f), S_IOERR);
	assert_int_equal(f->heard, 1024);
	assert_true(ring_take(&f->r, &u));
	assert_int_equal(u.len, 0);
}

static void read_is_reported_once_and_only_when_done(void **state)
{
	struct fixture *f = *state;

	fake_start_device(f->dev, F_FLUSH, &f->r);
	submit(f, T_IN, 1024);
	assert_int_equal(f->heard, 0);
	fake_loop_run(f->loop);
	assert_int_equal(f->heard, 1024);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(write_ends_after_the_write_when_flush_was_negotiated),
	TEST(write_ends_after_a_sync_when_flush_was_not),
	TEST(flush_is_one_sync),
	TEST(failed_sync_fails_the_request),
	TEST(host_errors_fail_the_request),
	TEST(failed_read_is_reported_but_not_counted),
	TEST(read_is_reported_once_and_only_when_done),
};

UNIT_MAIN(tests)
