// SPDX-License-Identifier: MIT
/*
 * test_bus.c - dispatch, unclaimed accesses and doorbells.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "memory/bus.h"

struct probe {
	struct bus_dev dev;
	uint64_t off, val;
	unsigned int len, writes;
};

static uint64_t probe_read(struct bus_dev *d, uint64_t off, unsigned int len)
{
	struct probe *p = container_of(d, struct probe, dev);

	p->off = off;
	p->len = len;
	return 0x1122334455667788ull;
}

static void probe_write(struct bus_dev *d, uint64_t off, unsigned int len,
			uint64_t val)
{
	struct probe *p = container_of(d, struct probe, dev);

	p->off = off;
	p->len = len;
	p->val = val;
	p->writes++;
}

static const struct bus_ops probe_ops = {
	.read = probe_read,
	.write = probe_write,
};
static const struct bus_ops silent_ops = { .read = NULL };

static struct probe probe(uint64_t base, uint64_t size)
{
	return (struct probe){ .dev = { "probe", base, size, &probe_ops } };
}

static struct bus *make(void)
{
	struct bus *b;

	assert_int_equal(bus_create(&b), 0);
	return b;
}

static void access_reaches_the_device_with_its_offset(void **state)
{
	struct probe p = probe(0x3f8, 8);
	struct bus *b = make();

	(void)state;
	assert_int_equal(bus_add(b, BUS_PIO, &p.dev), 0);
	assert_int_equal(bus_read(b, BUS_PIO, 0x3fd, 1), 0x88);
	assert_int_equal(p.off, 5);
	bus_write(b, BUS_PIO, 0x3f8, 2, 0xabcdef);
	assert_int_equal(p.val, 0xcdef);
	assert_int_equal(p.len, 2);
	bus_destroy(b);
}

static void spaces_are_separate(void **state)
{
	struct probe p = probe(0x100, 4);
	struct bus *b = make();

	(void)state;
	assert_int_equal(bus_add(b, BUS_MMIO, &p.dev), 0);
	assert_int_equal(bus_read(b, BUS_PIO, 0x100, 4), 0xffffffff);
	assert_int_equal(p.len, 0);
	bus_destroy(b);
}

static void unclaimed_reads_are_all_ones_of_their_width(void **state)
{
	struct bus *b = make();

	(void)state;
	assert_int_equal(bus_read(b, BUS_PIO, 0x80, 1), 0xff);
	assert_int_equal(bus_read(b, BUS_MMIO, 0xd0000000, 8), UINT64_MAX);
	bus_write(b, BUS_MMIO, UINT64_MAX, 8, 0);
	bus_destroy(b);
}

static void access_that_leaves_its_range_reaches_nobody(void **state)
{
	struct probe p = probe(0x10, 4), q = probe(0x14, 4);
	struct bus *b = make();

	(void)state;
	assert_int_equal(bus_add(b, BUS_PIO, &p.dev), 0);
	assert_int_equal(bus_add(b, BUS_PIO, &q.dev), 0);
	assert_int_equal(bus_read(b, BUS_PIO, 0x12, 4), 0xffffffff);
	bus_write(b, BUS_PIO, 0x12, 4, 0);
	assert_int_equal(p.writes + q.writes, 0);
	bus_destroy(b);
}

static void device_without_handlers_is_harmless(void **state)
{
	struct bus_dev d = { "silent", 0x10, 4, &silent_ops };
	struct bus *b = make();

	(void)state;
	assert_int_equal(bus_add(b, BUS_PIO, &d), 0);
	assert_int_equal(bus_read(b, BUS_PIO, 0x10, 2), 0xffff);
	bus_write(b, BUS_PIO, 0x10, 1, 0);
	bus_destroy(b);
}

static void overlaps_and_wraps_are_refused(void **state)
{
	struct probe p = probe(0x100, 16), inside = probe(0x10f, 1),
		     around = probe(0xf0, 0x100), empty = probe(0, 0),
		     wraps = probe(UINT64_MAX - 1, 4), after = probe(0x110, 1);
	struct bus *b = make();

	(void)state;
	assert_int_equal(bus_add(b, BUS_MMIO, &p.dev), 0);
	assert_int_equal(bus_add(b, BUS_MMIO, &inside.dev), -EEXIST);
	assert_int_equal(bus_add(b, BUS_MMIO, &around.dev), -EEXIST);
	assert_int_equal(bus_add(b, BUS_MMIO, &empty.dev), -EINVAL);
	assert_int_equal(bus_add(b, BUS_MMIO, &wraps.dev), -EINVAL);
	assert_int_equal(bus_add(b, BUS_MMIO, &after.dev), 0);
	bus_destroy(b);
}

static void removed_device_is_not_called(void **state)
{
	struct probe p[3] = { probe(0, 4), probe(8, 4), probe(16, 4) };
	struct bus *b = make();
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(bus_add(b, BUS_PIO, &p[2 - i].dev), 0);
	bus_del(b, BUS_PIO, &p[1].dev);
	bus_del(b, BUS_PIO, &p[1].dev);
	assert_int_equal(bus_read(b, BUS_PIO, 8, 1), 0xff);
	assert_int_equal(bus_read(b, BUS_PIO, 0, 1), 0x88);
	assert_int_equal(bus_read(b, BUS_PIO, 16, 1), 0x88);
	bus_destroy(b);
}

static void doorbell_rings_only_for_its_value(void **state)
{
	struct probe p = probe(0x1000, 0x100);
	int fd = fd_event_create();
	const struct bus_doorbell bell = { 0x1050, 4, 1, fd };
	struct bus *b = make();

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(bus_add(b, BUS_MMIO, &p.dev), 0);
	assert_int_equal(bus_add_doorbell(b, &bell), 0);
	assert_int_equal(bus_add_doorbell(b, &bell), -EEXIST);

	bus_write(b, BUS_MMIO, 0x1050, 4, 1);
	assert_int_equal(fd_event_drain(fd), 1);
	assert_int_equal(p.writes, 0);

	bus_write(b, BUS_MMIO, 0x1050, 4, 0);
	bus_write(b, BUS_MMIO, 0x1050, 2, 1);
	assert_int_equal(fd_event_drain(fd), 0);
	assert_int_equal(p.writes, 2);

	bus_del_doorbell(b, &bell);
	bus_write(b, BUS_MMIO, 0x1050, 4, 1);
	assert_int_equal(fd_event_drain(fd), 0);
	assert_int_equal(p.writes, 3);
	bus_destroy(b);
	close(fd);
}

struct ear {
	struct bus_listener l;
	int added, removed, answer;
};

static int ear_added(struct bus_listener *l, const struct bus_doorbell *d)
{
	struct ear *e = container_of(l, struct ear, l);

	(void)d;
	e->added++;
	return e->answer;
}

static void ear_removed(struct bus_listener *l, const struct bus_doorbell *d)
{
	(void)d;
	container_of(l, struct ear, l)->removed++;
}

static void listener_hears_of_old_and_new_doorbells(void **state)
{
	const struct bus_doorbell one = { 0x50, 4, 0, 1 };
	const struct bus_doorbell two = { 0x50, 4, 1, 1 };
	struct ear e = { { ear_added, ear_removed }, 0, 0, 0 };
	struct bus *b = make();

	(void)state;
	assert_int_equal(bus_add_doorbell(b, &one), 0);
	bus_set_listener(b, &e.l);
	assert_int_equal(bus_add_doorbell(b, &two), 0);
	assert_int_equal(e.added, 2);
	bus_del_doorbell(b, &one);
	bus_set_listener(b, NULL);
	assert_int_equal(e.removed, 2);
	bus_destroy(b);
}

static void doorbell_that_the_listener_refuses_still_rings(void **state)
{
	int fd = fd_event_create();
	const struct bus_doorbell bell = { 0x50, 4, 0, fd };
	struct ear e = { { ear_added, ear_removed }, 0, 0, -ENOSPC };
	struct bus *b = make();

	(void)state;
	bus_set_listener(b, &e.l);
	assert_int_equal(bus_add_doorbell(b, &bell), 0);
	bus_write(b, BUS_MMIO, 0x50, 4, 0);
	assert_int_equal(fd_event_drain(fd), 1);
	bus_set_listener(b, NULL);
	assert_int_equal(e.removed, 0);
	bus_destroy(b);
	close(fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(access_reaches_the_device_with_its_offset),
	cmocka_unit_test(spaces_are_separate),
	cmocka_unit_test(unclaimed_reads_are_all_ones_of_their_width),
	cmocka_unit_test(access_that_leaves_its_range_reaches_nobody),
	cmocka_unit_test(device_without_handlers_is_harmless),
	cmocka_unit_test(overlaps_and_wraps_are_refused),
	cmocka_unit_test(removed_device_is_not_called),
	cmocka_unit_test(doorbell_rings_only_for_its_value),
	cmocka_unit_test(listener_hears_of_old_and_new_doorbells),
	cmocka_unit_test(doorbell_that_the_listener_refuses_still_rings),
};

UNIT_MAIN(tests)
