// SPDX-License-Identifier: MIT
/*
 * fuzz_mmio.c - a guest that does anything to the registers and the rings of
 * a disk and an entropy device.
 *
 * The input is a list of steps: register accesses, rings, doorbells, turns of
 * the loop, host errors. Whatever was done, a reset ends with status 0 and
 * nothing in flight, and no operation leaves the loop waiting for ever.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"
#include "base/log.h"
#include "memory/bus.h"
#include "memory/irq.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/fake_transport.h"
#include "virtio/backend/disk.h"
#include "virtio/blk.h"
#include "virtio/rng.h"
#include "virtio/transport/mmio.h"

#define RAM_SIZE  (1ull << 20)
#define RINGS_AT  0x0ull
#define RING_STEP 0x1000ull
#define HEADER_AT 0x8000ull
#define USED_RAM  0x10000ull /* cleared before each run */
#define DISK_SIZE (64 << 10)

enum {
	DEV_RNG,
	DEV_BLK,
	DEVS
};

struct fuzz {
	struct fuzz_input in;
	struct ram *ram;
	struct bus *bus;
	struct loop *loop;
	struct irq_line irq;
	struct virtio_dev *dev[DEVS];
	struct virtio_mmio *mmio[DEVS];
	struct ring ring[4]; /* of rng; of blk's two queues; spare */
};

static gpa_t window(unsigned int dev)
{
	return LAYOUT_VIRTIO_BASE + dev * LAYOUT_VIRTIO_SIZE;
}

static uint32_t get(struct fuzz *f, unsigned int dev, uint64_t reg)
{
	return (uint32_t)bus_read(f->bus, BUS_MMIO, window(dev) + reg, 4);
}

static void set(struct fuzz *f, unsigned int dev, uint64_t reg, uint32_t val)
{
	bus_write(f->bus, BUS_MMIO, window(dev) + reg, 4, val);
}

static void set_queue(struct fuzz *f, unsigned int dev, uint32_t q,
		      const struct ring *r)
{
	set(f, dev, 0x030, q);
	set(f, dev, 0x038, r->size);
	set(f, dev, 0x080, (uint32_t)r->desc);
	set(f, dev, 0x084, 0);
	set(f, dev, 0x090, (uint32_t)r->avail);
	set(f, dev, 0x094, 0);
	set(f, dev, 0x0a0, (uint32_t)r->used);
	set(f, dev, 0x0a4, 0);
	set(f, dev, 0x044, 1);
}

/* What a driver does, with the features that the input asks for. */
static void start_device(struct fuzz *f, unsigned int dev)
{
	uint8_t how = take8(&f->in);

	set(f, dev, 0x070, 0);
	require(get(f, dev, 0x070) == 0);
	set(f, dev, 0x070, 3);
	set(f, dev, 0x014, 0);
	set(f, dev, 0x024, 0);
	set(f, dev, 0x020,
	    get(f, dev, 0x010) & ((uint32_t)how << 24 | how << 6));
	set(f, dev, 0x024, 1);
	set(f, dev, 0x020, 1);
	set(f, dev, 0x070, 3 | 8);
	ring_init(&f->ring[2 * dev], f->ram, RINGS_AT + 2 * dev * RING_STEP,
		  (uint16_t)(1u << (how & 7)));
	ring_init(&f->ring[2 * dev + 1], f->ram,
		  RINGS_AT + (2 * dev + 1) * RING_STEP, 16);
	set_queue(f, dev, 0, &f->ring[2 * dev]);
	set_queue(f, dev, 1, &f->ring[2 * dev + 1]);
	set(f, dev, 0x070, 3 | 8 | 4);
}

static uint64_t some_register(struct fuzz *f)
{
	static const uint16_t regs[] = { 0x014, 0x020, 0x024, 0x030, 0x038,
					 0x044, 0x050, 0x064, 0x070, 0x080,
					 0x084, 0x090, 0x094, 0x0a0, 0x0a4,
					 0x0ac, 0x0c0, 0x100 };

	return regs[take8(&f->in) % ARRAY_SIZE(regs)];
}

static void access_anywhere(struct fuzz *f, unsigned int dev)
{
	unsigned int len = 1u << (take8(&f->in) & 3);
	gpa_t at = window(dev) + take16(&f->in) % LAYOUT_VIRTIO_SIZE;

	if (take8(&f->in) & 1)
		bus_write(f->bus, BUS_MMIO, at, len, take32(&f->in));
	else
		(void)bus_read(f->bus, BUS_MMIO, at, len);
}

static void write_desc(struct fuzz *f, struct ring *r)
{
	uint8_t i = take8(&f->in) & 15, flags = take8(&f->in) & 7,
		next = take8(&f->in);
	gpa_t addr = take16(&f->in);
	uint32_t len = take8(&f->in);

	if (len & 0x80)
		len = 512 * (len & 0x1f);
	ring_desc(r, i, addr | (gpa_t)(flags & 4) << 12, len, flags, next);
}

/* A request that a disk understands, if the input does not say otherwise. */
static void write_request(struct fuzz *f, struct ring *r)
{
	uint8_t type = take8(&f->in) & 15, sectors = take8(&f->in) & 15;
	uint8_t h[16] = { type, 0, 0, 0, 0, 0, 0, 0, take8(&f->in) };
	bool in = type == 0 || type == 8;

	if (r->size < 3)
		return;
	require(!ram_write(f->ram, HEADER_AT, h, sizeof(h)));
	ring_desc(r, 0, HEADER_AT, 16, RING_NEXT, 1);
	ring_desc(r, 1, HEADER_AT + 0x1000, type < 2 ? sectors * 512u : 16,
		  RING_NEXT | (in ? RING_WRITE : 0), 2);
	ring_desc(r, 2, HEADER_AT + 0x100, 1, RING_WRITE, 0);
	ring_offer(r, 0);
}

static void step(struct fuzz *f)
{
	uint8_t what = take8(&f->in);
	unsigned int dev = what >> 7, q = what >> 6 & 1;
	struct ring *r = &f->ring[2 * dev + q];
	uint64_t reg;

	switch (what % 14) {
	case 0:
		start_device(f, dev);
		break;
	case 1:
		reg = some_register(f);
		set(f, dev, reg, take8(&f->in));
		break;
	case 2:
		reg = some_register(f);
		set(f, dev, reg, take32(&f->in));
		break;
	case 3:
		(void)get(f, dev, 4ull * take8(&f->in));
		break;
	case 4:
		access_anywhere(f, dev);
		break;
	case 5:
		write_desc(f, r);
		break;
	case 6:
	case 7:
		write_request(f, r);
		break;
	case 8:
		ring_offer(r, take8(&f->in));
		break;
	case 9:
	case 10:
		set(f, dev, 0x050, q);
		fake_loop_turn(f->loop);
		break;
	case 11:
		fake_loop_turn(f->loop);
		break;
	case 12:
		f->loop->fail = take8(&f->in) & 1 ? -EIO : 0;
		break;
	case 13:
		set(f, dev, 0x070, 0);
		require(get(f, dev, 0x070) == 0);
		break;
	}
}

static void ignore_irq(struct irq_line *l, bool level)
{
	(void)l;
	(void)level;
}

/*
 * One machine for all runs: making it costs more than a run does, and a reset
 * forgets what a run did.
 */

static struct disk *open_disk(struct loop *l)
{
	char path[64], why[200];
	struct disk_params p = { .path = path };
	struct disk *d = NULL;
	int fd = memfd_create("disk", MFD_CLOEXEC);

	require(fd >= 0 && ftruncate(fd, DISK_SIZE) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	require(disk_open(&d, &p, l, why, sizeof(why)) == 0);
	return d;
}

static void plug(struct fuzz *f, unsigned int dev)
{
	const struct virtio_mmio_params p = {
		.dev = f->dev[dev],
		.bus = f->bus,
		.loop = f->loop,
		.irq = &f->irq,
		.base = window(dev),
	};

	require(virtio_mmio_create(&f->mmio[dev], &p) == 0);
}

static void create(struct fuzz *f)
{
	struct virtio_blk_params p = { .name = "blk", .nr_queues = 2 };

	log_set_level(LOG_LEVEL_ERR);
	f->irq.set = ignore_irq;
	require(!ram_create(&f->ram, RAM_SIZE) && !bus_create(&f->bus) &&
		!loop_create(&f->loop, LOOP_AUTO, 1));
	f->loop->eager = true;
	p.disk = open_disk(f->loop);
	require(!virtio_blk_create(&f->dev[DEV_BLK], f->ram, f->loop, &p));
	require(!virtio_rng_create(&f->dev[DEV_RNG], f->ram, f->loop, "rng",
				   NULL));
	plug(f, DEV_RNG);
	plug(f, DEV_BLK);
}

static void begin(struct fuzz *f)
{
	unsigned int i;

	if (!f->ram)
		create(f);
	ram_zero(f->ram, 0, USED_RAM);
	for (i = 0; i < ARRAY_SIZE(f->ring); i++)
		ring_init(&f->ring[i], f->ram, RINGS_AT + i * RING_STEP, 16);
}

static void end(struct fuzz *f)
{
	unsigned int dev;

	f->loop->fail = 0;
	for (dev = 0; dev < DEVS; dev++) {
		set(f, dev, 0x014, 0);
		set(f, dev, 0x024, 0);
		set(f, dev, 0x030, 0);
		set(f, dev, 0x070, 0);
		require(get(f, dev, 0x070) == 0);
	}
	/* The three doorbells are all that is left. */
	fake_loop_run(f->loop);
	require(f->loop->nr_ops == 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;

	f.in = (struct fuzz_input){ data, size };
	begin(&f);
	while (f.in.left)
		step(&f);
	end(&f);
	return 0;
}
