// SPDX-License-Identifier: MIT
/*
 * fuzz_console.c - a hostile driver of the console device: control messages
 * of any kind and length, buffers of any layout, resets in the middle, while
 * clients come, type, stop to read and go.
 *
 * The input is a list of steps. Messages name ports that exist and have a
 * length that theirs can have; each reset succeeds with no buffer left.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/fake_chr.h"
#include "tests/unit/fake_transport.h"
#include "virtio/console.h"

#define RAM_SIZE  (1ull << 20)
#define RING_AT	  0x1000
#define RING_STEP 0x1000
#define RING_SIZE 16
#define DATA_AT	  0x40000
#define STREAMS	  3
#define QUEUES	  (2 * STREAMS + 2)

struct fuzz {
	struct fuzz_input in;
	struct ram *ram;
	struct loop *loop;
	struct virtio_dev *dev;
	struct fake_transport t;
	struct ring r[QUEUES];
	struct fake_chr chr[STREAMS];
};

static void start(struct fuzz *f, uint64_t features)
{
	uint16_t q;

	fake_negotiate(f->dev, features | VIRTIO_F_VERSION_1);
	for (q = 0; q < QUEUES; q++) {
		ring_init(&f->r[q], f->ram, RING_AT + q * RING_STEP, RING_SIZE);
		fake_set_queue(f->dev, q, &f->r[q]);
	}
	virtio_dev_set_status(f->dev, 1 | 2 | 8 | 4);
}

static void kick(struct fuzz *f, uint16_t q)
{
	f->loop->inside = true;
	virtio_dev_kick(f->dev, q);
	f->loop->inside = false;
	fake_loop_run_tasks(f->loop);
}

/* Up to four pieces, of lengths that are mostly small. */
static void offer(struct fuzz *f, uint16_t q, bool write)
{
	uint8_t n = take8(&f->in) & 3;
	uint16_t head = take8(&f->in) % RING_SIZE, i = head;

	for (;; i = (uint16_t)((i + 1) % RING_SIZE)) {
		uint32_t len = take8(&f->in);

		if (len >= 0xf8)
			len = 0x1000u << (len & 7);
		ring_desc(&f->r[q], i, DATA_AT + 64u * take8(&f->in), len,
			  (write ? RING_WRITE : 0) | (n ? RING_NEXT : 0),
			  (uint16_t)((i + 1) % RING_SIZE));
		if (!n--)
			break;
	}
	ring_offer(&f->r[q], head);
}

static void control(struct fuzz *f)
{
	const struct {
		uint32_t id;
		uint16_t event, value;
	} m = { take8(&f->in) & 3, take8(&f->in) & 7, take8(&f->in) & 1 };

	ram_write(f->ram, DATA_AT, &m, sizeof(m));
	ring_desc(&f->r[3], 0, DATA_AT, sizeof(m), 0, 0);
	ring_offer(&f->r[3], 0);
	kick(f, 3);
}

/* A buffer for a message, and whether what comes is one. */
static void take_message(struct fuzz *f)
{
	struct ring_used u;
	uint32_t id;

	ring_init(&f->r[2], f->ram, RING_AT + 2 * RING_STEP, RING_SIZE);
	if (f->dev->active && f->dev->queues[2].ready)
		require(!vq_setup(&f->dev->queues[2], RING_SIZE, f->r[2].desc,
				  f->r[2].avail, f->r[2].used, 0));
	ring_desc(&f->r[2], 0, DATA_AT, 128, RING_WRITE, 0);
	ring_offer(&f->r[2], 0);
	kick(f, 2);
	if (!ring_take(&f->r[2], &u))
		return;
	require(u.len >= 8 && u.len <= 8 + VIRTIO_CONSOLE_NAME_MAX);
	ram_read(f->ram, DATA_AT, &id, sizeof(id));
	require(id < STREAMS);
}

static void type(struct fuzz *f, struct fake_chr *c)
{
	uint8_t text[256];
	size_t len = take8(&f->in);

	memset(text, take8(&f->in), sizeof(text));
	if (!fake_chr_waiting(c))
		fake_chr_type(c, text, len);
}

static void some_descriptor(struct fuzz *f, uint16_t q)
{
	gpa_t at = take32(&f->in);
	uint32_t len = take32(&f->in);

	ring_desc(&f->r[q], take8(&f->in) % RING_SIZE, at, len,
		  take8(&f->in) & 7, take8(&f->in));
	ring_offer(&f->r[q], take8(&f->in));
	kick(f, q);
}

static void step(struct fuzz *f)
{
	uint8_t what = take8(&f->in), which = take8(&f->in);
	struct fake_chr *c = &f->chr[which % STREAMS];
	uint16_t q = which % QUEUES;
	uint32_t v = which;

	switch (what % 14) {
	case 0:
	case 1:
		control(f);
		break;
	case 2:
		take_message(f);
		break;
	case 3:
		offer(f, q, q != 3 && !(q & 1));
		break;
	case 4:
		offer(f, q, take8(&f->in) & 1);
		break;
	case 5:
		kick(f, q);
		break;
	case 6:
		type(f, c);
		break;
	case 7:
		chr_set_open(&c->chr, which & 0x80);
		break;
	case 8:
		fake_chr_drain(c, which & 0x80 ? SIZE_MAX : which);
		break;
	case 9:
		chr_resize(&c->chr, which, take8(&f->in));
		break;
	case 10:
		virtio_dev_config_write(f->dev, which & 15, &v,
					1u << (which >> 6));
		break;
	case 11:
		virtio_dev_set_status(f->dev, 0);
		require(!virtio_dev_get_status(f->dev));
		start(f, which & 7);
		break;
	case 12:
		some_descriptor(f, q);
		break;
	case 13:
		chr_resume(&c->chr);
		break;
	}
}

static void check_end(struct fuzz *f)
{
	fake_loop_run(f->loop);
	virtio_dev_set_status(f->dev, 0);
	require(!virtio_dev_get_status(f->dev));
	for (uint16_t q = 0; q < QUEUES; q++)
		require(!f->dev->queues[q].inuse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz *f = calloc(1, sizeof(*f));
	struct virtio_console_port ports[STREAMS] = { { .name = NULL },
						      { .name = "agent" },
						      { .name = "x" } };
	const struct virtio_console_params p = { .name = "console0",
						 .ports = ports,
						 .nr_ports = STREAMS };

	require(f && !ram_create(&f->ram, RAM_SIZE) &&
		!loop_create(&f->loop, LOOP_AUTO, 1));
	log_set_level(LOG_LEVEL_ERR);
	f->in = (struct fuzz_input){ data, size };
	for (int i = 0; i < STREAMS; i++) {
		fake_chr_init(&f->chr[i], f->loop);
		ports[i].stream = &f->chr[i].chr;
	}
	require(!virtio_console_create(&f->dev, f->ram, f->loop, &p));
	fake_attach(&f->t, f->dev);
	start(f, 2);
	while (f->in.left)
		step(f);
	check_end(f);
	virtio_dev_destroy(f->dev);
	loop_destroy(f->loop);
	ram_destroy(f->ram);
	free(f);
	return 0;
}
