// SPDX-License-Identifier: MIT
/*
 * fuzz_queue.c - a driver that writes anything into its rings.
 *
 * The input is the queue's size and features and a list of steps: descriptors
 * (most of them plausible), heads, indices, and calls of the device. Checked
 * all along: chains lie in RAM, their sums are right, and no more are out
 * than the queue has entries.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/iov.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/fake_transport.h"
#include "virtio/queue.h"

#define RAM_SIZE (1ull << 20)
#define RING_AT	 0x0ull
#define TABLE_AT 0x8000ull
#define USED_RAM 0x10000ull /* what a run may change */
#define HELD_MAX 64

static gpa_t some_address(struct fuzz_input *in)
{
	uint8_t how = take8(in);

	switch (how & 7) {
	case 0:
		return RAM_SIZE - how;
	case 1:
		return UINT64_MAX - how;
	case 2:
		return TABLE_AT + (how & ~7u);
	case 3:
		return 1ull << (how >> 2);
	default:
		return take16(in);
	}
}

static uint32_t some_length(struct fuzz_input *in)
{
	uint8_t how = take8(in);

	switch (how & 7) {
	case 0:
		return how >> 3;
	case 1:
		return UINT32_MAX - how;
	case 2:
		return 1u << (how >> 3);
	default:
		return 16u * (how >> 3);
	}
}

static void write_desc(struct ring *r, struct fuzz_input *in)
{
	uint8_t where = take8(in);
	gpa_t table = where & 0x80 ? TABLE_AT : r->desc;
	uint16_t i = where & 0x7f, flags = take8(in) & 7, next = take8(in);
	gpa_t addr = some_address(in);

	ring_desc_at(r, table, i, addr, some_length(in), flags, next);
}

static void check_side(const struct ram *ram, const struct iovec *iov,
		       unsigned int nr, uint64_t len)
{
	const struct ram_region *g = ram_region(ram, 0);
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		uint64_t off =
			(uint64_t)((char *)iov[i].iov_base - (char *)g->host);

		require(iov[i].iov_len &&
			range_fits(off, iov[i].iov_len, g->size));
		sum += iov[i].iov_len;
	}
	require(sum == len);
}

static void check_chain(const struct ram *ram, const struct vq_chain *c)
{
	require(c->nr_readable + c->nr_writable <= VQ_CHAIN_MAX);
	check_side(ram, c->readable, c->nr_readable, c->readable_len);
	check_side(ram, c->writable, c->nr_writable, c->writable_len);
}

struct device {
	struct vq q;
	struct vq_chain held[HELD_MAX];
	unsigned int nr_held;
};

static void pop(struct device *d, const struct ram *ram)
{
	struct vq_chain *c = &d->held[d->nr_held];
	int ret;

	if (d->nr_held == HELD_MAX)
		return;
	ret = vq_pop(&d->q, c);
	require(ret == 0 || ret == 1 || ret == -EPROTO);
	if (ret != 1)
		return;
	check_chain(ram, c);
	d->nr_held++;
	require(d->nr_held <= d->q.size && d->nr_held == d->q.inuse);
}

/* The last one popped, in full or in part, or dropped. */
static void push(struct device *d, struct ram *ram, uint8_t how)
{
	struct vq_chain *c;
	uint32_t written = how;

	if (!d->nr_held)
		return;
	c = &d->held[--d->nr_held];
	if (how == 255) {
		vq_drop(&d->q);
		return;
	}
	if (written > c->writable_len)
		written = (uint32_t)c->writable_len;
	/* Not over the rings: what the driver meant shall stay there. */
	if (how & 1 && c->nr_writable &&
	    (char *)c->writable->iov_base >= (char *)ram_ptr(ram, USED_RAM, 1))
		vq_chain_write(ram, c, how, "0123456789", 10);
	vq_push(&d->q, c, written);
}

static void step(struct device *d, struct ring *r, struct fuzz_input *in)
{
	switch (take8(in) % 12) {
	case 0:
	case 1:
	case 2:
		write_desc(r, in);
		break;
	case 3:
	case 4:
		ring_offer(r, take8(in) % (2u * r->size));
		break;
	case 5:
		r->avail_idx = take16(in);
		ring_expose(r);
		break;
	case 6:
	case 7:
		pop(d, r->ram);
		break;
	case 8:
		push(d, r->ram, take8(in));
		break;
	case 9:
		vq_disable_notify(&d->q);
		break;
	case 10:
		(void)vq_enable_notify(&d->q);
		break;
	case 11:
		ring_set_used_event(r, take16(in));
		ring_set_avail_flags(r, take8(in));
		(void)vq_needs_interrupt(&d->q);
		break;
	}
}

/* One RAM for all runs: making one costs more than a run. */
static struct ram *get_ram(void)
{
	static struct ram *ram;

	if (!ram)
		require(ram_create(&ram, RAM_SIZE) == 0);
	ram_zero(ram, 0, USED_RAM);
	return ram;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct device d;
	struct ram *ram = get_ram();
	struct fuzz_input in = { data, size };
	uint8_t setup = take8(&in);
	uint64_t features = 0;
	struct ring r;

	ring_init(&r, ram, RING_AT, (uint16_t)(1u << (setup & 7)));
	if (setup & 0x40)
		features |= VIRTIO_F_INDIRECT_DESC;
	if (setup & 0x80)
		features |= VIRTIO_F_EVENT_IDX;
	vq_init(&d.q, ram);
	d.nr_held = 0;
	if (setup & 0x20) {
		/* Anywhere: refused or inside RAM, where nothing can happen. */
		if (vq_setup(&d.q, take16(&in), some_address(&in),
			     some_address(&in), some_address(&in), features))
			return 0;
		vq_reset(&d.q);
	}
	require(vq_setup(&d.q, r.size, r.desc, r.avail, r.used, features) == 0);
	while (in.left)
		step(&d, &r, &in);
	return 0;
}
