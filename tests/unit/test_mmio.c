// SPDX-License-Identifier: MIT
/*
 * test_mmio.c - the registers of the MMIO transport, through the bus, with a
 * model that answers each chain at once.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "memory/bus.h"
#include "memory/irq.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/fake_transport.h"
#include "virtio/transport/mmio.h"

#define BASE	LAYOUT_VIRTIO_BASE
#define RING_AT 0x1000
#define DATA_AT 0x20000
#define SIZE	8

struct fixture {
	struct virtio_dev dev;
	struct irq_line irq;
	unsigned int edges, level;
	struct ram *ram;
	struct loop *loop;
	struct bus *bus;
	struct virtio_mmio *mmio;
	struct ring r;
	struct vq_chain c;
	uint8_t config[8];
};

static void fixture_config_read(struct virtio_dev *d, size_t off, void *buf,
				size_t len)
{
	memcpy(buf, container_of(d, struct fixture, dev)->config + off, len);
}

static void fixture_config_write(struct virtio_dev *d, size_t off,
				 const void *buf, size_t len)
{
	memcpy(container_of(d, struct fixture, dev)->config + off, buf, len);
}

static void fixture_kick(struct virtio_dev *d, uint16_t q)
{
	struct fixture *f = container_of(d, struct fixture, dev);

	while (virtio_dev_pop(d, q, &f->c))
		virtio_dev_push(d, q, &f->c, 0);
}

static const struct virtio_dev_ops fixture_ops = {
	.name = "answer",
	.type = 42,
	.queue_max = SIZE,
	.config_len = 8,
	.config_read = fixture_config_read,
	.config_write = fixture_config_write,
	.queue_kick = fixture_kick,
};

static void fixture_irq(struct irq_line *l, bool level)
{
	struct fixture *f = container_of(l, struct fixture, irq);

	f->edges += level && !f->level;
	f->level = level;
}

static int create(struct fixture *f)
{
	const struct virtio_mmio_params p = {
		.dev = &f->dev,
		.bus = f->bus,
		.loop = f->loop,
		.irq = &f->irq,
		.base = BASE,
	};

	return virtio_mmio_create(&f->mmio, &p);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || ram_create(&f->ram, 1 << 20) || bus_create(&f->bus) ||
	    loop_create(&f->loop, LOOP_AUTO, 1) ||
	    virtio_dev_init(&f->dev, &fixture_ops, "answer0", f->ram, f->loop,
			    2))
		return -1;
	f->irq.set = fixture_irq;
	ring_init(&f->r, f->ram, RING_AT, SIZE);
	*state = f;
	return create(f);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_destroy(f->loop);
	virtio_mmio_destroy(f->mmio);
	virtio_dev_fini(&f->dev);
	bus_destroy(f->bus);
	ram_destroy(f->ram);
	free(f);
	return 0;
}

static uint32_t get(struct fixture *f, uint64_t reg)
{
	return (uint32_t)bus_read(f->bus, BUS_MMIO, BASE + reg, 4);
}

static void set(struct fixture *f, uint64_t reg, uint32_t val)
{
	bus_write(f->bus, BUS_MMIO, BASE + reg, 4, val);
}

static void set_queue(struct fixture *f, uint32_t q)
{
	set(f, 0x030, q);
	set(f, 0x038, SIZE);
	set(f, 0x080, (uint32_t)f->r.desc);
	set(f, 0x084, 0);
	set(f, 0x090, (uint32_t)f->r.avail);
	set(f, 0x094, 0);
	set(f, 0x0a0, (uint32_t)f->r.used);
	set(f, 0x0a4, 0);
	set(f, 0x044, 1);
}

/* virtio 1.2 §3.1.1 and §4.2.3.2, as a driver goes about it. */
static void start(struct fixture *f)
{
	set(f, 0x070, 0);
	set(f, 0x070, 1);
	set(f, 0x070, 3);
	set(f, 0x024, 1);
	set(f, 0x020, 1); /* VERSION_1 */
	set(f, 0x024, 0);
	set(f, 0x020, 0);
	set(f, 0x070, 3 | 8);
	assert_int_equal(get(f, 0x070), 3 | 8);
	set_queue(f, 0);
	set(f, 0x070, 3 | 8 | 4);
	assert_int_equal(get(f, 0x070), 3 | 8 | 4);
}

static void offer(struct fixture *f)
{
	ring_desc(&f->r, 0, DATA_AT, 16, 0, 0);
	ring_offer(&f->r, 0);
}

static void identity_registers_read_as_specified(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, 0x000), 0x74726976);
	assert_int_equal(get(f, 0x004), 2);
	assert_int_equal(get(f, 0x008), 42);
	assert_int_not_equal(get(f, 0x00c), 0);
}

static void feature_words_are_selected(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, 0x010), 3u << 28);
	set(f, 0x014, 1);
	assert_int_equal(get(f, 0x010), 1);
	set(f, 0x014, UINT32_MAX);
	assert_int_equal(get(f, 0x010), 0);
}

static void queue_registers_follow_the_selector(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, 0x034), SIZE);
	set(f, 0x030, 1);
	assert_int_equal(get(f, 0x034), SIZE);
	set_queue(f, 1);
	assert_int_equal(get(f, 0x044), 1);
	set(f, 0x030, 0);
	assert_int_equal(get(f, 0x044), 0);
	set(f, 0x030, 2);
	assert_int_equal(get(f, 0x034), 0);
	set(f, 0x044, 1);
	assert_int_equal(get(f, 0x044), 0);
	set(f, 0x030, 0x10000);
	assert_int_equal(get(f, 0x034), 0);
}

static void high_halves_of_addresses_count(void **state)
{
	struct fixture *f = *state;

	set(f, 0x084, 0x12345678);
	set(f, 0x080, 0x9abcdef0);
	set(f, 0x094, 1);
	set(f, 0x0a0, 2);
	assert_int_equal(f->dev.regs[0].addr[0], 0x123456789abcdef0);
	assert_int_equal(f->dev.regs[0].addr[1], 1ull << 32);
	assert_int_equal(f->dev.regs[0].addr[2], 2);
}

static void doorbell_serves_the_queue_and_interrupts(void **state)
{
	struct fixture *f = *state;

	start(f);
	offer(f);
	set(f, 0x050, 0);
	assert_int_equal(ring_used_idx(&f->r), 0);
	fake_loop_run(f->loop);
	assert_int_equal(ring_used_idx(&f->r), 1);
	assert_int_equal(f->edges, 1);
	assert_int_equal(f->level, 0);
	assert_int_equal(get(f, 0x060), 1);
	set(f, 0x064, 1);
	assert_int_equal(get(f, 0x060), 0);

	/* And again: the loop listens on. */
	offer(f);
	set(f, 0x050, 0);
	fake_loop_run(f->loop);
	assert_int_equal(ring_used_idx(&f->r), 2);
	assert_int_equal(f->edges, 2);
}

static void each_notification_is_an_edge(void **state)
{
	struct fixture *f = *state;

	start(f);
	offer(f);
	set(f, 0x050, 0);
	fake_loop_run(f->loop);
	/* Not acknowledged yet: the driver may be about to, too early. */
	offer(f);
	set(f, 0x050, 0);
	fake_loop_run(f->loop);
	assert_int_equal(f->edges, 2);
}

static void acknowledging_leaves_other_bits(void **state)
{
	struct fixture *f = *state;

	start(f);
	offer(f);
	set(f, 0x050, 0);
	fake_loop_run(f->loop);
	virtio_dev_config_changed(&f->dev);
	assert_int_equal(get(f, 0x060), 3);
	set(f, 0x064, 1);
	assert_int_equal(get(f, 0x060), 2);
	set(f, 0x064, 0xfffffffd);
	assert_int_equal(get(f, 0x060), 2);
}

static void reset_clears_interrupts_and_ready_bits(void **state)
{
	struct fixture *f = *state;

	start(f);
	virtio_dev_config_changed(&f->dev);
	assert_int_equal(get(f, 0x060), 2);
	set(f, 0x070, 0);
	assert_int_equal(get(f, 0x070), 0);
	assert_int_equal(get(f, 0x060), 0);
	assert_int_equal(get(f, 0x044), 0);
	start(f);
}

static void doorbell_of_a_queue_that_is_not_there_is_ignored(void **state)
{
	struct fixture *f = *state;

	start(f);
	offer(f);
	set(f, 0x050, 2);
	set(f, 0x050, UINT32_MAX);
	set(f, 0x050, 1); /* exists, is not enabled */
	fake_loop_run(f->loop);
	assert_int_equal(ring_used_idx(&f->r), 0);
}

static void config_space_takes_any_width(void **state)
{
	struct fixture *f = *state;
	struct bus *b = f->bus;

	memcpy(f->config, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
	assert_int_equal(bus_read(b, BUS_MMIO, BASE + 0x103, 1), 4);
	assert_int_equal(bus_read(b, BUS_MMIO, BASE + 0x102, 2), 0x0403);
	assert_int_equal(bus_read(b, BUS_MMIO, BASE + 0x101, 4), 0x05040302);
	assert_int_equal(bus_read(b, BUS_MMIO, BASE + 0x100, 8),
			 0x0807060504030201);
	assert_int_equal(bus_read(b, BUS_MMIO, BASE + 0x106, 4), 0x0807);
	assert_int_equal(bus_read(b, BUS_MMIO, BASE + 0xff8, 8), 0);

	bus_write(b, BUS_MMIO, BASE + 0x107, 1, 0xaa);
	bus_write(b, BUS_MMIO, BASE + 0x107, 2, 0xbbbb);
	bus_write(b, BUS_MMIO, BASE + 0x100, 2, 0x2211);
	assert_memory_equal(f->config, "\x11\x22\x03\x04\x05\x06\x07\xaa", 8);
}

static void generation_changes_with_the_config(void **state)
{
	struct fixture *f = *state;
	uint32_t before = get(f, 0x0fc);

	assert_int_equal(get(f, 0x0fc), before);
	virtio_dev_config_changed(&f->dev);
	assert_int_not_equal(get(f, 0x0fc), before);
}

static void there_is_no_shared_memory(void **state)
{
	struct fixture *f = *state;
	uint64_t reg;

	set(f, 0x0ac, 0);
	for (reg = 0x0b0; reg <= 0x0bc; reg += 4)
		assert_int_equal(get(f, reg), UINT32_MAX);
}

static void registers_ignore_other_widths(void **state)
{
	struct fixture *f = *state;
	struct bus *b = f->bus;

	assert_int_equal(bus_read(b, BUS_MMIO, BASE, 1), 0);
	assert_int_equal(bus_read(b, BUS_MMIO, BASE, 2), 0);
	assert_int_equal(bus_read(b, BUS_MMIO, BASE, 8), 0);
	assert_int_equal(bus_read(b, BUS_MMIO, BASE + 2, 4), 0);
	assert_int_equal(bus_read(b, BUS_MMIO, BASE + 0xfc, 8), 0);
	bus_write(b, BUS_MMIO, BASE + 0x070, 1, 1);
	bus_write(b, BUS_MMIO, BASE + 0x070, 8, 1);
	bus_write(b, BUS_MMIO, BASE + 0x06e, 4, 1 << 16);
	assert_int_equal(get(f, 0x070), 0);
}

static void unknown_and_one_way_registers_are_harmless(void **state)
{
	struct fixture *f = *state;
	uint64_t reg;

	assert_int_equal(get(f, 0x014), 0);
	assert_int_equal(get(f, 0x050), 0);
	assert_int_equal(get(f, 0x0c0), 0);
	for (reg = 0; reg < 0x100; reg += 4) {
		get(f, reg);
		set(f, reg, 0xffffffff);
		set(f, reg, 0);
	}
	start(f);
}

static void windows_do_not_overlap(void **state)
{
	struct fixture *f = *state;
	struct virtio_mmio *first = f->mmio;

	assert_int_equal(create(f), -EEXIST);
	assert_null(f->mmio);
	f->mmio = first;
	virtio_mmio_destroy(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(identity_registers_read_as_specified),
	TEST(feature_words_are_selected),
	TEST(queue_registers_follow_the_selector),
	TEST(high_halves_of_addresses_count),
	TEST(doorbell_serves_the_queue_and_interrupts),
	TEST(each_notification_is_an_edge),
	TEST(acknowledging_leaves_other_bits),
	TEST(reset_clears_interrupts_and_ready_bits),
	TEST(doorbell_of_a_queue_that_is_not_there_is_ignored),
	TEST(config_space_takes_any_width),
	TEST(generation_changes_with_the_config),
	TEST(there_is_no_shared_memory),
	TEST(registers_ignore_other_widths),
	TEST(unknown_and_one_way_registers_are_harmless),
	TEST(windows_do_not_overlap),
};

UNIT_MAIN(tests)
