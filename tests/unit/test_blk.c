// SPDX-License-Identifier: MIT
/*
 * test_blk.c - the block device with real files, on both loops.
 *
 * A request is described by its header, its data and how it is cut into
 * descriptors; the answer is the status byte and what the disk and RAM hold.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/log.h"
#include "base/thread.h"
#include "tests/unit/blk_names.h"
#include "tests/unit/fake_transport.h"
#include "virtio/backend/disk.h"
#include "virtio/blk.h"

#define RAM_SIZE    (8ull << 20)
#define RING_AT	    0x1000ull
#define RING2_AT    0x8000ull
#define HEADER_AT   0x10000ull
#define STATUS_AT   0x11000ull
#define DATA_AT	    0x100000ull
#define RING_SIZE   256
#define DISK_SIZE   (1u << 20)
#define SECTORS	    (DISK_SIZE / 512)
#define STATUS_NONE 0xee /* what RAM holds before the device answers */

struct fixture {
	enum loop_kind kind;
	char path[64];
	int fd; /* of the file behind the disk */
	struct ram *ram;
	struct loop *loop;
	struct virtio_dev *dev;
	struct fake_transport t;
	struct ring r;
	pthread_t thread;
	struct loop_task kick;
};

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* Only the loop may kick. */
static void handle_kick(struct loop_task *t)
{
	struct fixture *f = container_of(t, struct fixture, kick);
	uint16_t q;

	for (q = 0; q < f->dev->nr_queues; q++)
		virtio_dev_kick(f->dev, q);
}

static void kick(struct fixture *f)
{
	assert_true(loop_post(f->loop, &f->kick));
}

static void make_file(struct fixture *f)
{
	uint8_t *bytes = malloc(DISK_SIZE);
	size_t i;

	assert_non_null(bytes);
	for (i = 0; i < DISK_SIZE; i++)
		bytes[i] = (uint8_t)(i / 512 + i % 7);
	snprintf(f->path, sizeof(f->path), "/tmp/minivmm-blk-XXXXXX");
	f->fd = mkstemp(f->path);
	assert_true(f->fd >= 0);
	assert_int_equal(pwrite(f->fd, bytes, DISK_SIZE, 0), DISK_SIZE);
	free(bytes);
}

static void open_device(struct fixture *f, bool readonly, uint16_t nr_queues)
{
	struct disk_params dp = { .path = f->path, .readonly = readonly };
	struct virtio_blk_params p = {
		.name = "blk0",
		.serial = "serial-of-20-bytes-and-more",
		.nr_queues = nr_queues,
	};
	char why[200];

	log_set_level(LOG_LEVEL_ERR);
	assert_int_equal(ram_create(&f->ram, RAM_SIZE), 0);
	assert_int_equal(loop_create(&f->loop, f->kind, 64), 0);
	assert_int_equal(disk_open(&p.disk, &dp, f->loop, why, sizeof(why)), 0);
	assert_int_equal(virtio_blk_create(&f->dev, f->ram, f->loop, &p), 0);
	fake_attach(&f->t, f->dev);
	ring_init(&f->r, f->ram, RING_AT, RING_SIZE);
	f->kick.fn = handle_kick;
	assert_int_equal(thread_start(&f->thread, "loop", run_loop, f->loop),
			 0);
}

static void close_device(struct fixture *f)
{
	loop_stop(f->loop);
	thread_join(f->thread);
	fake_teardown(f->dev, f->loop, f->ram);
	f->dev = NULL;
}

static int setup_kind(void **state, enum loop_kind kind)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->kind = kind;
	make_file(f);
	open_device(f, false, 1);
	fake_start_device(f->dev, F_FLUSH | VIRTIO_F_INDIRECT_DESC, &f->r);
	*state = f;
	return 0;
}

static int setup_uring(void **state)
{
	return setup_kind(state, LOOP_AUTO);
}

static int setup_poll(void **state)
{
	return setup_kind(state, LOOP_POLL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->dev)
		close_device(f);
	close(f->fd);
	unlink(f->path);
	free(f);
	return 0;
}

/* The driver */

static void poke(struct fixture *f, gpa_t gpa, const void *buf, size_t len)
{
	assert_int_equal(ram_write(f->ram, gpa, buf, len), 0);
}

static void put_header_at(struct fixture *f, gpa_t at, uint32_t type,
			  uint64_t sector)
{
	uint8_t h[16] = { 0 };

	memcpy(h, &type, 4);
	memcpy(h + 8, &sector, 8);
	poke(f, at, h, sizeof(h));
}

static void put_header(struct fixture *f, uint32_t type, uint64_t sector)
{
	put_header_at(f, HEADER_AT, type, sector);
}

static struct ring_used wait_used(struct fixture *f)
{
	const struct timespec nap = { .tv_nsec = 20000 };
	struct ring_used u = { 0, 0 };
	unsigned int i;

	for (i = 0; i < 250000; i++) {
		if (ring_take(&f->r, &u))
			return u;
		nanosleep(&nap, NULL);
	}
	fail_msg("no answer");
	return u;
}

static uint8_t status(struct fixture *f)
{
	return *(uint8_t *)ram_ptr(f->ram, STATUS_AT, 1);
}

/* Descriptors 0.. are in place: offer them; returns the status byte. */
static uint8_t submit(struct fixture *f, uint32_t *len)
{
	const uint8_t none = STATUS_NONE;
	struct ring_used u;

	poke(f, STATUS_AT, &none, 1);
	ring_offer(&f->r, 0);
	kick(f);
	u = wait_used(f);
	assert_int_equal(u.id, 0);
	if (len)
		*len = u.len;
	return status(f);
}

/* Reset and start with an empty ring. */
static void restart(struct fixture *f, uint64_t features)
{
	virtio_dev_set_status(f->dev, 0);
	ring_init(&f->r, f->ram, RING_AT, RING_SIZE);
	fake_start_device(f->dev, features, &f->r);
}

/* Header, data, status: as Linux cuts it. */
static uint8_t request(struct fixture *f, uint32_t type, uint64_t sector,
		       uint32_t data_len, uint32_t *used_len)
{
	bool in = type == T_IN || type == T_ID;

	put_header(f, type, sector);
	ring_desc(&f->r, 0, HEADER_AT, 16, RING_NEXT, data_len ? 1 : 2);
	ring_desc(&f->r, 1, DATA_AT, data_len,
		  RING_NEXT | (in ? RING_WRITE : 0), 2);
	ring_desc(&f->r, 2, STATUS_AT, 1, RING_WRITE, 0);
	return submit(f, used_len);
}

static uint8_t io(struct fixture *f, uint32_t type, uint64_t sector,
		  uint32_t data_len)
{
	return request(f, type, sector, data_len, NULL);
}

static void assert_disk(struct fixture *f, uint64_t off, gpa_t gpa, size_t len)
{
	uint8_t *buf = malloc(len);

	assert_non_null(buf);
	assert_int_equal(pread(f->fd, buf, len, (off_t)off), len);
	assert_memory_equal(buf, ram_ptr(f->ram, gpa, len), len);
	free(buf);
}

static void fill(struct fixture *f, gpa_t gpa, uint8_t byte, size_t len)
{
	memset(ram_ptr(f->ram, gpa, len), byte, len);
}

static bool all_bytes(const uint8_t *p, uint8_t byte, size_t len)
{
	return !len || (p[0] == byte && !memcmp(p, p + 1, len - 1));
}

static bool ram_is(struct fixture *f, gpa_t gpa, uint8_t byte, size_t len)
{
	return all_bytes(ram_ptr(f->ram, gpa, len), byte, len);
}

static bool disk_is(struct fixture *f, uint64_t off, uint8_t byte, size_t len)
{
	uint8_t *buf = malloc(len);
	bool same;

	assert_int_equal(pread(f->fd, buf, len, (off_t)off), len);
	same = all_bytes(buf, byte, len);
	free(buf);
	return same;
}

/* Reading and writing */

static void read_fills_the_buffer(void **state)
{
	struct fixture *f = *state;
	uint32_t len;

	assert_int_equal(request(f, T_IN, 3, 4096, &len), S_OK);
	assert_int_equal(len, 4097);
	assert_disk(f, 3 * 512, DATA_AT, 4096);
	assert_int_equal(f->t.interrupts[0], 1);
}

static void write_reaches_the_file(void **state)
{
	struct fixture *f = *state;
	uint32_t len;

	fill(f, DATA_AT, 0x5a, 1024);
	assert_int_equal(request(f, T_OUT, 7, 1024, &len), S_OK);
	assert_int_equal(len, 1);
	assert_true(disk_is(f, 7 * 512, 0x5a, 1024));
	assert_false(disk_is(f, 6 * 512, 0x5a, 512));
	assert_false(disk_is(f, 9 * 512, 0x5a, 512));
}

static void last_sector_is_inside(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(io(f, T_IN, SECTORS - 1, 512), S_OK);
	assert_int_equal(io(f, T_OUT, SECTORS - 1, 512), S_OK);
	assert_int_equal(io(f, T_IN, SECTORS, 0), S_OK);
}

static void transfer_past_the_end_fails(void **state)
{
	struct fixture *f = *state;
	uint32_t len;

	fill(f, DATA_AT, 0x77, 1024);
	assert_int_equal(request(f, T_IN, SECTORS - 1, 1024, &len), S_IOERR);
	assert_int_equal(len, 0);
	assert_true(ram_is(f, DATA_AT, 0x77, 1024));
	assert_int_equal(io(f, T_OUT, SECTORS, 512), S_IOERR);
	assert_int_equal(io(f, T_IN, UINT64_MAX, 512), S_IOERR);
	assert_int_equal(io(f, T_OUT, UINT64_MAX / 512 + 1, 512), S_IOERR);
	assert_int_equal(lseek(f->fd, 0, SEEK_END), DISK_SIZE);
}

static void transfer_of_odd_length_fails(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(io(f, T_IN, 0, 511), S_IOERR);
	assert_int_equal(io(f, T_IN, 0, 513), S_IOERR);
	assert_int_equal(io(f, T_OUT, 0, 1), S_IOERR);
}

static void unknown_types_are_unsupported(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(io(f, 2, 0, 512), S_UNSUPP);
	assert_int_equal(io(f, 10, 0, 0), S_UNSUPP);  /* lifetime */
	assert_int_equal(io(f, 14, 0, 16), S_UNSUPP); /* secure erase */
	assert_int_equal(io(f, UINT32_MAX, 0, 0), S_UNSUPP);
}

static void flush_succeeds(void **state)
{
	assert_int_equal(io(*state, T_FLUSH, 0, 0), S_OK);
}

static void id_is_the_serial_cut_to_20_bytes(void **state)
{
	struct fixture *f = *state;
	uint32_t len;

	fill(f, DATA_AT, 0x77, 32);
	assert_int_equal(request(f, T_ID, 0, 20, &len), S_OK);
	assert_int_equal(len, 21);
	assert_memory_equal(ram_ptr(f->ram, DATA_AT, 20),
			    "serial-of-20-bytes-a", 20);
	/* Buffers of other lengths get what fits. */
	fill(f, DATA_AT, 0x77, 32);
	assert_int_equal(io(f, T_ID, 0, 8), S_OK);
	assert_true(ram_is(f, DATA_AT + 8, 0x77, 24));
	assert_int_equal(request(f, T_ID, 0, 32, &len), S_OK);
	assert_int_equal(len, 20);
	assert_true(ram_is(f, DATA_AT + 20, 0x77, 12));
}

/* Odd layouts: virtio 1.2 §2.7.4.1 forbids to assume any */

static void header_may_be_split(void **state)
{
	struct fixture *f = *state;

	put_header(f, T_IN, 5);
	ring_desc(&f->r, 0, HEADER_AT, 1, RING_NEXT, 1);
	ring_desc(&f->r, 1, HEADER_AT + 1, 11, RING_NEXT, 2);
	ring_desc(&f->r, 2, HEADER_AT + 12, 4, RING_NEXT, 3);
	ring_desc(&f->r, 3, DATA_AT, 512, RING_NEXT | RING_WRITE, 4);
	ring_desc(&f->r, 4, STATUS_AT, 1, RING_WRITE, 0);
	assert_int_equal(submit(f, NULL), S_OK);
	assert_disk(f, 5 * 512, DATA_AT, 512);
}

static void header_and_data_may_share_a_descriptor(void **state)
{
	struct fixture *f = *state;

	put_header_at(f, DATA_AT, T_OUT, 5);
	fill(f, DATA_AT + 16, 0x33, 512);
	ring_desc(&f->r, 0, DATA_AT, 16 + 512, RING_NEXT, 1);
	ring_desc(&f->r, 1, STATUS_AT, 1, RING_WRITE, 0);
	assert_int_equal(submit(f, NULL), S_OK);
	assert_true(disk_is(f, 5 * 512, 0x33, 512));
}

static void data_and_status_may_share_a_descriptor(void **state)
{
	struct fixture *f = *state;
	uint32_t len;

	put_header(f, T_IN, 5);
	ring_desc(&f->r, 0, HEADER_AT, 16, RING_NEXT, 1);
	ring_desc(&f->r, 1, STATUS_AT - 512, 513, RING_WRITE, 0);
	assert_int_equal(submit(f, &len), S_OK);
	assert_int_equal(len, 513);
	assert_disk(f, 5 * 512, STATUS_AT - 512, 512);
}

static void data_may_be_cut_anywhere(void **state)
{
	struct fixture *f = *state;

	put_header(f, T_IN, 9);
	ring_desc(&f->r, 0, HEADER_AT, 16, RING_NEXT, 1);
	ring_desc(&f->r, 1, DATA_AT, 1, RING_NEXT | RING_WRITE, 2);
	ring_desc(&f->r, 2, DATA_AT + 1, 700, RING_NEXT | RING_WRITE, 3);
	ring_desc(&f->r, 3, DATA_AT + 701, 323, RING_NEXT | RING_WRITE, 4);
	ring_desc(&f->r, 4, STATUS_AT, 1, RING_WRITE, 0);
	assert_int_equal(submit(f, NULL), S_OK);
	assert_disk(f, 9 * 512, DATA_AT, 1024);
}

static void indirect_request_of_the_most_segments_works(void **state)
{
	struct fixture *f = *state;
	const gpa_t table = 0x20000;
	uint16_t i;

	put_header(f, T_IN, 0);
	ring_desc_at(&f->r, table, 0, HEADER_AT, 16, RING_NEXT, 1);
	for (i = 1; i <= 254; i++)
		ring_desc_at(&f->r, table, i, DATA_AT + i * 1024u, 512,
			     RING_NEXT | RING_WRITE, i + 1);
	ring_desc_at(&f->r, table, 255, STATUS_AT, 1, RING_WRITE, 0);
	ring_desc(&f->r, 0, table, 256 * 16, RING_INDIRECT, 0);
	assert_int_equal(submit(f, NULL), S_OK);
	for (i = 1; i <= 254; i++)
		assert_disk(f, (i - 1u) * 512, DATA_AT + i * 1024u, 512);
}

static void more_segments_than_promised_fail(void **state)
{
	struct fixture *f = *state;
	const gpa_t table = 0x20000;
	uint16_t i;

	/* 255 pieces of data: the first one shares with the header. */
	put_header_at(f, DATA_AT, T_OUT, 0);
	ring_desc_at(&f->r, table, 0, DATA_AT, 16 + 512, RING_NEXT, 1);
	for (i = 1; i <= 254; i++)
		ring_desc_at(&f->r, table, i, DATA_AT + 1024, 512, RING_NEXT,
			     i + 1);
	ring_desc_at(&f->r, table, 255, STATUS_AT, 1, RING_WRITE, 0);
	ring_desc(&f->r, 0, table, 256 * 16, RING_INDIRECT, 0);
	assert_int_equal(submit(f, NULL), S_IOERR);
}

static void short_header_fails(void **state)
{
	struct fixture *f = *state;

	put_header(f, T_IN, 0);
	ring_desc(&f->r, 0, HEADER_AT, 15, RING_NEXT, 1);
	ring_desc(&f->r, 1, STATUS_AT, 1, RING_WRITE, 0);
	assert_int_equal(submit(f, NULL), S_IOERR);
	ring_desc(&f->r, 0, STATUS_AT, 1, RING_WRITE, 0);
	assert_int_equal(submit(f, NULL), S_IOERR);
}

static void request_without_status_breaks_the_device(void **state)
{
	struct fixture *f = *state;
	const struct timespec nap = { .tv_nsec = 100000 };

	put_header(f, T_FLUSH, 0);
	ring_desc(&f->r, 0, HEADER_AT, 16, 0, 0);
	ring_offer(&f->r, 0);
	kick(f);
	while (!(virtio_dev_get_status(f->dev) & VIRTIO_STATUS_NEEDS_RESET))
		nanosleep(&nap, NULL);
	assert_int_equal(ring_used_idx(&f->r), 0);

	/* And a reset mends it. */
	restart(f, F_FLUSH);
	assert_int_equal(io(f, T_IN, 0, 512), S_OK);
}

/* Discard and write zeroes */

struct range {
	uint64_t sector;
	uint32_t num, flags;
};

static uint8_t ranges(struct fixture *f, uint32_t type, const struct range *r,
		      unsigned int nr)
{
	poke(f, DATA_AT, r, nr * sizeof(*r));
	return io(f, type, 0, nr * (uint32_t)sizeof(*r));
}

static void write_zeroes_makes_zeroes(void **state)
{
	struct fixture *f = *state;
	const struct range two[] = { { 8, 8, 0 }, { 0, 0, 0 }, { 32, 1, 1 } };

	assert_int_equal(ranges(f, T_ZERO, two, 3), S_OK);
	assert_true(disk_is(f, 8 * 512, 0, 8 * 512));
	assert_true(disk_is(f, 32 * 512, 0, 512));
	assert_false(disk_is(f, 16 * 512, 0, 512));
	assert_false(disk_is(f, 33 * 512, 0, 512));
}

static void discard_succeeds_inside_the_disk(void **state)
{
	struct fixture *f = *state;
	const struct range r = { 8, 8, 0 };

	assert_int_equal(ranges(f, T_DISCARD, &r, 1), S_OK);
	assert_false(disk_is(f, 16 * 512, 0, 512));
	assert_int_equal(lseek(f->fd, 0, SEEK_END), DISK_SIZE);
}

static void ranges_outside_the_disk_fail(void **state)
{
	struct fixture *f = *state;
	const struct range past = { SECTORS - 1, 2, 0 };
	const struct range wraps = { UINT64_MAX, 1, 0 };
	const struct range huge = { 0, UINT32_MAX, 0 };
	const struct range mixed[] = { { 0, 1, 0 }, { SECTORS, 1, 0 } };

	assert_int_equal(ranges(f, T_ZERO, &past, 1), S_IOERR);
	assert_int_equal(ranges(f, T_DISCARD, &wraps, 1), S_IOERR);
	assert_int_equal(ranges(f, T_ZERO, &huge, 1), S_IOERR);
	assert_int_equal(ranges(f, T_ZERO, mixed, 2), S_IOERR);
	assert_false(disk_is(f, 0, 0, 512));
}

static void unknown_flags_are_unsupported(void **state)
{
	struct fixture *f = *state;
	const struct range unknown = { 0, 1, 2 };
	const struct range unmap = { 0, 1, 1 };

	assert_int_equal(ranges(f, T_ZERO, &unknown, 1), S_UNSUPP);
	assert_int_equal(ranges(f, T_DISCARD, &unknown, 1), S_UNSUPP);
	assert_int_equal(ranges(f, T_DISCARD, &unmap, 1), S_UNSUPP);
	assert_false(disk_is(f, 0, 0, 512));
}

static void range_lists_of_odd_length_fail(void **state)
{
	struct fixture *f = *state;
	const struct range many[17] = { { 0, 1, 0 } };

	assert_int_equal(io(f, T_ZERO, 0, 0), S_IOERR);
	assert_int_equal(io(f, T_ZERO, 0, 15), S_IOERR);
	assert_int_equal(io(f, T_DISCARD, 0, 17), S_IOERR);
	assert_int_equal(ranges(f, T_ZERO, many, 17), S_IOERR);
	assert_int_equal(ranges(f, T_ZERO, many, 16), S_OK);
}

/* The disk */

static void readonly_disk_offers_and_takes_no_writes(void **state)
{
	struct fixture *f = *state;
	const struct range r = { 0, 1, 0 };
	uint32_t low;

	close_device(f);
	open_device(f, true, 1);
	low = virtio_dev_features(f->dev, 0);
	assert_true(low & F_RO);
	assert_false(low & (F_DISCARD | F_ZEROES));
	fake_start_device(f->dev, F_RO | F_FLUSH, &f->r);
	assert_int_equal(io(f, T_IN, 0, 512), S_OK);
	fill(f, DATA_AT, 0xcc, 512);
	assert_int_equal(io(f, T_OUT, 0, 512), S_IOERR);
	assert_int_equal(ranges(f, T_ZERO, &r, 1), S_IOERR);
	assert_int_equal(io(f, T_FLUSH, 0, 0), S_OK);
	assert_false(disk_is(f, 0, 0xcc, 512));
}

static void file_that_shrank_gives_errors(void **state)
{
	struct fixture *f = *state;
	uint32_t len;

	assert_int_equal(ftruncate(f->fd, DISK_SIZE / 2), 0);
	assert_int_equal(request(f, T_IN, SECTORS / 2 - 1, 1024, &len),
			 S_IOERR);
	assert_int_equal(len, 0);
	assert_int_equal(io(f, T_IN, 0, 1024), S_OK);
}

static void write_without_negotiated_flush_works(void **state)
{
	struct fixture *f = *state;
	const struct range r = { 40, 1, 0 };

	restart(f, 0);
	fill(f, DATA_AT, 0x42, 512);
	assert_int_equal(io(f, T_OUT, 2, 512), S_OK);
	assert_true(disk_is(f, 2 * 512, 0x42, 512));
	assert_int_equal(ranges(f, T_ZERO, &r, 1), S_OK);
	assert_int_equal(io(f, T_OUT, 2, 0), S_OK);
}

static uint64_t config(struct fixture *f, unsigned int off, unsigned int len)
{
	uint64_t v = 0;

	virtio_dev_config_read(f->dev, off, &v, len);
	return v;
}

static void config_space_says_what_the_disk_is(void **state)
{
	struct fixture *f = *state;
	uint32_t low = virtio_dev_features(f->dev, 0);

	assert_int_equal(f->dev->ops->type, 2);
	assert_int_equal(low & (F_SEG_MAX | F_BLK_SIZE | F_FLUSH),
			 F_SEG_MAX | F_BLK_SIZE | F_FLUSH);
	assert_false(low & (F_MQ | F_RO));
	assert_int_equal(config(f, 0, 8), SECTORS);
	assert_int_equal(config(f, 12, 4), 254);
	assert_int_equal(config(f, 16, 4), 0); /* no geometry */
	assert_int_equal(config(f, 20, 4), 512);
	assert_int_equal(config(f, 34, 2), 1);
	assert_int_equal(config(f, 40, 4), 16);
	assert_int_equal(config(f, 52, 4), 16);
	assert_int_equal(config(f, 57, 3), 0);
	assert_int_equal(config(f, 60, 8), 0);
}

static void several_queues_are_served(void **state)
{
	struct fixture *f = *state;
	struct ring first, second;
	uint8_t none = STATUS_NONE;

	close_device(f);
	open_device(f, false, 4);
	assert_true(virtio_dev_features(f->dev, 0) & F_MQ);
	assert_int_equal(config(f, 34, 2), 4);

	ring_init(&second, f->ram, RING2_AT, 16);
	fake_negotiate(f->dev, F_MQ | F_FLUSH | VIRTIO_F_VERSION_1);
	fake_set_queue(f->dev, 0, &f->r);
	fake_set_queue(f->dev, 3, &second);
	virtio_dev_set_status(f->dev, 4);

	assert_int_equal(io(f, T_IN, 0, 512), S_OK);
	first = f->r;
	f->r = second;
	poke(f, STATUS_AT, &none, 1);
	assert_int_equal(io(f, T_IN, 1, 512), S_OK);
	assert_int_equal(f->t.interrupts[0], 1);
	assert_int_equal(f->t.interrupts[3], 1);
	f->r = first;
	assert_int_equal(io(f, T_IN, 0, 512), S_OK);
}

/* The whole queue at once, with the event index, again and again. */
static void full_queues_are_served(void **state)
{
	struct fixture *f = *state;
	unsigned int round, nr = 85;
	uint16_t i;

	restart(f, F_FLUSH | VIRTIO_F_EVENT_IDX);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < nr; i++) {
			put_header_at(f, HEADER_AT + i * 16u, T_IN, i * 8u);
			ring_desc(&f->r, i * 3, HEADER_AT + i * 16u, 16,
				  RING_NEXT, i * 3 + 1);
			ring_desc(&f->r, i * 3 + 1, DATA_AT + i * 4096u, 4096,
				  RING_NEXT | RING_WRITE, i * 3 + 2);
			ring_desc(&f->r, i * 3 + 2, STATUS_AT + i, 1,
				  RING_WRITE, 0);
			ring_place(&f->r, i * 3);
		}
		ring_expose(&f->r);
		kick(f);
		for (i = 0; i < nr; i++)
			assert_int_equal(wait_used(f).len, 4097);
		assert_disk(f, 0, DATA_AT, nr * 4096);
		assert_true(ram_is(f, STATUS_AT, S_OK, nr));
		fill(f, DATA_AT, 0, nr * 4096);
	}
}

static void reset_drains_what_is_in_flight(void **state)
{
	struct fixture *f = *state;
	const struct timespec nap = { .tv_nsec = 2000000 };
	unsigned int round;
	uint16_t i;

	for (round = 0; round < 20; round++) {
		restart(f, F_FLUSH);
		for (i = 0; i < 64; i++) {
			put_header_at(f, HEADER_AT + i * 16u, T_IN, i);
			ring_desc(&f->r, i * 3, HEADER_AT + i * 16u, 16,
				  RING_NEXT, i * 3 + 1);
			ring_desc(&f->r, i * 3 + 1, DATA_AT, 64 << 10,
				  RING_NEXT | RING_WRITE, i * 3 + 2);
			ring_desc(&f->r, i * 3 + 2, STATUS_AT, 1, RING_WRITE,
				  0);
			ring_place(&f->r, i * 3);
		}
		ring_expose(&f->r);
		kick(f);
		virtio_dev_set_status(f->dev, 0);
		assert_int_equal(virtio_dev_get_status(f->dev), 0);

		fill(f, DATA_AT, 0xd7, 64 << 10);
		fill(f, STATUS_AT, 0xd7, 1);
		fill(f, RING_AT, 0xd7, 0x3000);
		nanosleep(&nap, NULL);
		assert_true(ram_is(f, DATA_AT, 0xd7, 64 << 10));
		assert_true(ram_is(f, STATUS_AT, 0xd7, 1));
		assert_true(ram_is(f, RING_AT, 0xd7, 0x3000));
	}
}

#define URING(f) cmocka_unit_test_setup_teardown(f, setup_uring, teardown)
#define POLL(f)                                              \
	{                                                    \
#f "_on_poll", f, setup_poll, teardown, NULL \
	}
#define BOTH(f) URING(f), POLL(f)

static const struct CMUnitTest tests[] = {
	BOTH(read_fills_the_buffer),
	BOTH(write_reaches_the_file),
	BOTH(last_sector_is_inside),
	BOTH(transfer_past_the_end_fails),
	URING(transfer_of_odd_length_fails),
	URING(unknown_types_are_unsupported),
	BOTH(flush_succeeds),
	URING(id_is_the_serial_cut_to_20_bytes),
	URING(header_may_be_split),
	URING(header_and_data_may_share_a_descriptor),
	URING(data_and_status_may_share_a_descriptor),
	BOTH(data_may_be_cut_anywhere),
	BOTH(indirect_request_of_the_most_segments_works),
	URING(more_segments_than_promised_fail),
	URING(short_header_fails),
	URING(request_without_status_breaks_the_device),
	BOTH(write_zeroes_makes_zeroes),
	BOTH(discard_succeeds_inside_the_disk),
	URING(ranges_outside_the_disk_fail),
	URING(unknown_flags_are_unsupported),
	URING(range_lists_of_odd_length_fail),
	URING(readonly_disk_offers_and_takes_no_writes),
	BOTH(file_that_shrank_gives_errors),
	BOTH(write_without_negotiated_flush_works),
	URING(config_space_says_what_the_disk_is),
	BOTH(several_queues_are_served),
	BOTH(full_queues_are_served),
	BOTH(reset_drains_what_is_in_flight),
};

UNIT_MAIN(tests)
