// SPDX-License-Identifier: MIT
/*
 * test_queue.c - the split ring: what a driver may do and what it may not.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "tests/unit/fake_transport.h"
#include "virtio/queue.h"

#define RAM_SIZE (1ull << 20)
#define RING_AT	 0x1000
#define TABLE_AT 0x8000
#define DATA_AT	 0x20000
#define ALL	 (VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)

struct fixture {
	struct ram *ram;
	struct vq q;
	struct ring r;
	struct vq_chain c;
};

static void start(struct fixture *f, uint16_t size, uint64_t features)
{
	ring_init(&f->r, f->ram, RING_AT, size);
	vq_init(&f->q, f->ram);
	assert_int_equal(vq_setup(&f->q, size, f->r.desc, f->r.avail, f->r.used,
				  features),
			 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || ram_create(&f->ram, RAM_SIZE))
		return -1;
	start(f, 8, ALL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ram_destroy(f->ram);
	free(f);
	return 0;
}

/* One chain of one readable descriptor. */
static void offer_simple(struct fixture *f, uint16_t head)
{
	ring_desc(&f->r, head, DATA_AT + head * 64u, 64, 0, 0);
	ring_offer(&f->r, head);
}

static void assert_piece(const struct fixture *f, const struct iovec *v,
			 gpa_t gpa, size_t len)
{
	assert_ptr_equal(v->iov_base, ram_ptr(f->ram, gpa, 1));
	assert_int_equal(v->iov_len, len);
}

/* Chains that are allowed */

static void pop_gives_nothing_from_an_empty_queue(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vq_pop(&f->q, &f->c), 0);
	vq_reset(&f->q);
	assert_int_equal(vq_pop(&f->q, &f->c), 0);
}

static void pop_splits_a_chain_by_direction(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 2, DATA_AT, 16, RING_NEXT, 5);
	ring_desc(&f->r, 5, DATA_AT + 0x100, 512, RING_NEXT | RING_WRITE, 1);
	ring_desc(&f->r, 1, DATA_AT + 0x400, 1, RING_WRITE, 0);
	ring_offer(&f->r, 2);

	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.head, 2);
	assert_int_equal(f->c.nr_readable, 1);
	assert_int_equal(f->c.nr_writable, 2);
	assert_int_equal(f->c.readable_len, 16);
	assert_int_equal(f->c.writable_len, 513);
	assert_piece(f, &f->c.readable[0], DATA_AT, 16);
	assert_piece(f, &f->c.writable[0], DATA_AT + 0x100, 512);
	assert_piece(f, &f->c.writable[1], DATA_AT + 0x400, 1);
	assert_int_equal(vq_pop(&f->q, &f->c), 0);
}

static void pop_follows_indirect_descriptors_after_direct_ones(void **state)
{
	struct fixture *f = *state;

	/* The flag WRITE of the descriptor that refers to the table: ignored */
	ring_desc(&f->r, 0, DATA_AT, 16, RING_NEXT, 1);
	ring_desc(&f->r, 1, TABLE_AT + 4, 3 * 16, RING_INDIRECT | RING_WRITE,
		  0);
	/* An unaligned table, which the spec does not forbid */
	ring_desc_at(&f->r, TABLE_AT + 4, 0, DATA_AT + 16, 8, RING_NEXT, 2);
	ring_desc_at(&f->r, TABLE_AT + 4, 2, DATA_AT + 32, 4, RING_WRITE, 0);
	ring_offer(&f->r, 0);

	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.readable_len, 24);
	assert_int_equal(f->c.writable_len, 4);
	assert_piece(f, &f->c.readable[1], DATA_AT + 16, 8);
}

static void pop_takes_chains_as_long_as_the_queue(void **state)
{
	struct fixture *f = *state;
	uint16_t i;

	for (i = 0; i < 8; i++)
		ring_desc(&f->r, i, DATA_AT, 1, i < 7 ? RING_NEXT : 0, i + 1);
	ring_offer(&f->r, 0);
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.nr_readable, 8);
}

static void indirect_chain_may_be_longer_than_the_queue(void **state)
{
	struct fixture *f = *state;
	uint16_t i;

	for (i = 0; i < VQ_CHAIN_MAX; i++)
		ring_desc_at(&f->r, TABLE_AT, i, DATA_AT, 1,
			     i < VQ_CHAIN_MAX - 1 ? RING_NEXT : 0, i + 1);
	ring_desc(&f->r, 0, TABLE_AT, VQ_CHAIN_MAX * 16, RING_INDIRECT, 0);
	ring_offer(&f->r, 0);
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.nr_readable, VQ_CHAIN_MAX);
}

static void empty_descriptors_are_left_out(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, UINT64_MAX, 0, RING_NEXT, 1);
	ring_desc(&f->r, 1, DATA_AT, 5, RING_NEXT, 2);
	ring_desc(&f->r, 2, 0, 0, 0, 0);
	ring_offer(&f->r, 0);
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.nr_readable, 1);
	assert_int_equal(f->c.readable_len, 5);
}

static void indices_wrap_around(void **state)
{
	struct fixture *f = *state;
	struct ring_used u;
	unsigned int i;

	for (i = 0; i < 70000; i++) {
		offer_simple(f, i % 8);
		assert_int_equal(vq_pop(&f->q, &f->c), 1);
		assert_int_equal(f->c.head, i % 8);
		vq_push(&f->q, &f->c, 0);
		assert_true(ring_take(&f->r, &u));
		assert_int_equal(u.id, i % 8);
	}
	assert_int_equal(vq_pop(&f->q, &f->c), 0);
}

static void chains_come_back_in_any_order(void **state)
{
	struct fixture *f = *state;
	static struct vq_chain second;
	struct ring_used u;

	offer_simple(f, 3);
	offer_simple(f, 4);
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	assert_int_equal(vq_pop(&f->q, &second), 1);
	vq_push(&f->q, &second, 7);
	vq_push(&f->q, &f->c, 0);
	assert_true(ring_take(&f->r, &u));
	assert_int_equal(u.id, 4);
	assert_int_equal(u.len, 7);
	assert_true(ring_take(&f->r, &u));
	assert_int_equal(u.id, 3);
	assert_false(ring_take(&f->r, &u));
}

static void unpopped_chains_are_popped_again(void **state)
{
	struct fixture *f = *state;

	for (uint16_t i = 0; i < 4; i++)
		offer_simple(f, i);
	for (uint16_t i = 0; i < 3; i++)
		assert_int_equal(vq_pop(&f->q, &f->c), 1);
	vq_unpop(&f->q, 2);
	assert_int_equal(f->q.inuse, 1);
	for (uint16_t i = 1; i < 4; i++) {
		assert_int_equal(vq_pop(&f->q, &f->c), 1);
		assert_int_equal(f->c.head, i);
	}
	assert_int_equal(vq_pop(&f->q, &f->c), 0);
}

/* Not even a driver that changes its mind gets two of them. */
static void unpopped_chains_are_read_anew(void **state)
{
	struct fixture *f = *state;

	offer_simple(f, 0);
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	vq_unpop(&f->q, 1);
	ring_desc(&f->r, 0, DATA_AT, 7, RING_WRITE, 0);
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.nr_readable, 0);
	assert_int_equal(f->c.writable_len, 7);
}

/* The driver was asked to notify of what comes behind all it has shown. */
static void unpopping_leaves_the_next_notification_where_it_was(void **state)
{
	struct fixture *f = *state;

	for (uint16_t i = 0; i < 3; i++) {
		offer_simple(f, i);
		assert_int_equal(vq_pop(&f->q, &f->c), 1);
	}
	assert_false(vq_enable_notify(&f->q));
	vq_unpop(&f->q, 3);
	assert_int_equal(ring_avail_event(&f->r), 3);
}

static void filled_chains_are_shown_together(void **state)
{
	struct fixture *f = *state;
	struct ring_used u;

	for (uint16_t i = 0; i < 3; i++) {
		offer_simple(f, i);
		assert_int_equal(vq_pop(&f->q, &f->c), 1);
		vq_fill(&f->q, &f->c, 10u + i);
		assert_int_equal(ring_used_idx(&f->r), 0);
	}
	vq_show(&f->q);
	for (uint16_t i = 0; i < 3; i++) {
		assert_true(ring_take(&f->r, &u));
		assert_int_equal(u.id, i);
		assert_int_equal(u.len, 10 + i);
	}
	assert_int_equal(f->q.inuse, 0);
}

static void queue_of_one_entry_works(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	start(f, 1, 0);
	for (i = 0; i < 3; i++) {
		offer_simple(f, 0);
		assert_int_equal(vq_pop(&f->q, &f->c), 1);
		vq_push(&f->q, &f->c, 0);
	}
	assert_int_equal(ring_used_idx(&f->r), 3);
}

/* Chains that are not: one rule each */

static void assert_refused(struct fixture *f, uint16_t head)
{
	ring_offer(&f->r, head);
	assert_int_equal(vq_pop(&f->q, &f->c), -EPROTO);
	assert_int_equal(vq_pop(&f->q, &f->c), -EPROTO);
}

static void pop_refuses_head_past_the_table(void **state)
{
	assert_refused(*state, 8);
}

static void pop_refuses_next_past_the_table(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, DATA_AT, 1, RING_NEXT, 8);
	assert_refused(f, 0);
}

static void pop_refuses_a_loop(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, DATA_AT, 1, RING_NEXT, 1);
	ring_desc(&f->r, 1, DATA_AT, 1, RING_NEXT, 0);
	assert_refused(f, 0);
}

static void pop_refuses_a_loop_of_empty_descriptors(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, 0, 0, RING_NEXT, 0);
	assert_refused(f, 0);
}

static void pop_refuses_memory_outside_ram(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, RAM_SIZE - 4, 5, 0, 0);
	assert_refused(f, 0);
}

static void pop_refuses_address_that_wraps(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, UINT64_MAX - 1, UINT32_MAX, RING_WRITE, 0);
	assert_refused(f, 0);
}

static void pop_refuses_readable_after_writable(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, DATA_AT, 1, RING_NEXT | RING_WRITE, 1);
	ring_desc(&f->r, 1, DATA_AT, 1, 0, 0);
	assert_refused(f, 0);
}

static void pop_refuses_indirect_that_was_not_negotiated(void **state)
{
	struct fixture *f = *state;

	start(f, 8, VIRTIO_F_EVENT_IDX);
	ring_desc(&f->r, 0, TABLE_AT, 16, RING_INDIRECT, 0);
	ring_desc_at(&f->r, TABLE_AT, 0, DATA_AT, 1, 0, 0);
	assert_refused(f, 0);
}

static void pop_refuses_indirect_with_next(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, TABLE_AT, 16, RING_INDIRECT | RING_NEXT, 1);
	ring_desc(&f->r, 1, DATA_AT, 1, 0, 0);
	ring_desc_at(&f->r, TABLE_AT, 0, DATA_AT, 1, 0, 0);
	assert_refused(f, 0);
}

static void pop_refuses_nested_indirect(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, TABLE_AT, 16, RING_INDIRECT, 0);
	ring_desc_at(&f->r, TABLE_AT, 0, TABLE_AT, 16, RING_INDIRECT, 0);
	assert_refused(f, 0);
}

static void pop_refuses_indirect_table_of_odd_length(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, TABLE_AT, 24, RING_INDIRECT, 0);
	ring_desc_at(&f->r, TABLE_AT, 0, DATA_AT, 1, 0, 0);
	assert_refused(f, 0);
}

static void pop_refuses_empty_indirect_table(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, TABLE_AT, 0, RING_INDIRECT, 0);
	assert_refused(f, 0);
}

static void pop_refuses_indirect_table_outside_ram(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, RAM_SIZE - 16, 32, RING_INDIRECT, 0);
	assert_refused(f, 0);
}

static void pop_refuses_next_past_the_indirect_table(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, TABLE_AT, 32, RING_INDIRECT, 0);
	ring_desc_at(&f->r, TABLE_AT, 0, DATA_AT, 1, RING_NEXT, 2);
	assert_refused(f, 0);
}

static void pop_refuses_a_loop_in_the_indirect_table(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, TABLE_AT, 32, RING_INDIRECT, 0);
	ring_desc_at(&f->r, TABLE_AT, 0, DATA_AT, 1, RING_NEXT, 0);
	assert_refused(f, 0);
}

static void pop_refuses_an_endless_row_of_empty_descriptors(void **state)
{
	struct fixture *f = *state;
	uint16_t i;

	for (i = 0; i <= VQ_SIZE_MAX; i++)
		ring_desc_at(&f->r, TABLE_AT, i, DATA_AT, i == VQ_SIZE_MAX,
			     i < VQ_SIZE_MAX ? RING_NEXT : 0, i + 1);
	ring_desc(&f->r, 0, TABLE_AT, (VQ_SIZE_MAX + 1) * 16, RING_INDIRECT, 0);
	assert_refused(f, 0);
}

static void pop_refuses_more_pieces_than_a_chain_holds(void **state)
{
	struct fixture *f = *state;
	uint16_t i;

	for (i = 0; i <= VQ_CHAIN_MAX; i++)
		ring_desc_at(&f->r, TABLE_AT, i, DATA_AT, 1,
			     i < VQ_CHAIN_MAX ? RING_NEXT : 0, i + 1);
	ring_desc(&f->r, 0, TABLE_AT, (VQ_CHAIN_MAX + 1) * 16, RING_INDIRECT,
		  0);
	assert_refused(f, 0);
}

static void pop_refuses_available_index_that_jumps(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, DATA_AT, 1, 0, 0);
	f->r.avail_idx += 8;
	assert_refused(f, 0);
}

static void pop_refuses_available_index_that_goes_back(void **state)
{
	struct fixture *f = *state;

	offer_simple(f, 0);
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	f->r.avail_idx -= 2;
	assert_refused(f, 0);
}

static void pop_refuses_more_chains_than_descriptors(void **state)
{
	struct fixture *f = *state;
	uint16_t i;

	for (i = 0; i < 8; i++) {
		offer_simple(f, i);
		assert_int_equal(vq_pop(&f->q, &f->c), 1);
	}
	assert_refused(f, 0);
}

/* 5 GiB of RAM, so that a loop-free chain can be too long. */
static void pop_refuses_chain_of_more_than_4_gib(void **state)
{
	struct fixture *f = *state;

	ram_destroy(f->ram);
	assert_int_equal(ram_create(&f->ram, 5ull << 30), 0);
	start(f, 8, ALL);

	ring_desc(&f->r, 0, 0, 1u << 31, RING_NEXT, 1);
	ring_desc(&f->r, 1, 0, 1u << 31, 0, 0);
	ring_offer(&f->r, 0);
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.readable_len, 1ull << 32);

	ring_desc(&f->r, 1, 0, 1u << 31, RING_NEXT, 2);
	ring_desc(&f->r, 2, 0, 1, 0, 0);
	assert_refused(f, 0);
}

static void pop_refuses_piece_across_the_hole(void **state)
{
	struct fixture *f = *state;

	ram_destroy(f->ram);
	assert_int_equal(ram_create(&f->ram, 5ull << 30), 0);
	start(f, 8, ALL);
	ring_desc(&f->r, 0, LAYOUT_HOLE_BASE - 1, 2, 0, 0);
	assert_refused(f, 0);
}

/* Setting up */

static int try_setup(struct fixture *f, uint16_t size, gpa_t desc, gpa_t avail,
		     gpa_t used)
{
	int err = vq_setup(&f->q, size, desc, avail, used, 0);

	assert_int_equal(f->q.ready, !err);
	return err;
}

static void setup_refuses_odd_sizes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(try_setup(f, 0, 0, 0x1000, 0x2000), -EINVAL);
	assert_int_equal(try_setup(f, 3, 0, 0x1000, 0x2000), -EINVAL);
	assert_int_equal(try_setup(f, 2048, 0, 0x10000, 0x20000), -EINVAL);
	assert_int_equal(try_setup(f, 1024, 0, 0x10000, 0x20000), 0);
}

static void setup_refuses_bad_alignment(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(try_setup(f, 8, 8, 0x1000, 0x2000), -EINVAL);
	assert_int_equal(try_setup(f, 8, 0, 0x1001, 0x2000), -EINVAL);
	assert_int_equal(try_setup(f, 8, 0, 0x1000, 0x2002), -EINVAL);
	assert_int_equal(try_setup(f, 8, 16, 0x1002, 0x2004), 0);
}

static void setup_refuses_parts_outside_ram(void **state)
{
	struct fixture *f = *state;
	gpa_t end = RAM_SIZE;

	assert_int_equal(try_setup(f, 8, end - 112, 0, 0), -EINVAL);
	assert_int_equal(try_setup(f, 8, 0, end - 20, 0), -EINVAL);
	assert_int_equal(try_setup(f, 8, 0, 0, end - 68), -EINVAL);
	assert_int_equal(try_setup(f, 8, 0, 0, UINT64_MAX - 3), -EINVAL);
	assert_int_equal(try_setup(f, 8, end - 128, end - 22, end - 72), 0);
}

/* Notifications */

static void push_one(struct fixture *f)
{
	offer_simple(f, 0);
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	vq_push(&f->q, &f->c, 0);
}

static void interrupt_is_wanted_once_per_push(void **state)
{
	struct fixture *f = *state;

	start(f, 8, 0);
	assert_false(vq_needs_interrupt(&f->q));
	push_one(f);
	assert_true(vq_needs_interrupt(&f->q));
	assert_false(vq_needs_interrupt(&f->q));
}

static void nothing_interrupts_before_it_is_shown(void **state)
{
	struct fixture *f = *state;

	start(f, 8, VIRTIO_F_EVENT_IDX);
	for (unsigned int i = 0; i < 2; i++) {
		offer_simple(f, 0);
		assert_int_equal(vq_pop(&f->q, &f->c), 1);
		vq_fill(&f->q, &f->c, 0);
		assert_false(vq_needs_interrupt(&f->q));
	}
	vq_show(&f->q);
	assert_true(vq_needs_interrupt(&f->q));
	assert_false(vq_needs_interrupt(&f->q));
}

static void driver_can_switch_interrupts_off_by_flag(void **state)
{
	struct fixture *f = *state;

	start(f, 8, 0);
	ring_set_avail_flags(&f->r, 1);
	push_one(f);
	assert_false(vq_needs_interrupt(&f->q));
	ring_set_avail_flags(&f->r, 0);
	push_one(f);
	assert_true(vq_needs_interrupt(&f->q));
}

static void used_event_says_when_to_interrupt(void **state)
{
	struct fixture *f = *state;

	/* The flag has no meaning now. */
	ring_set_avail_flags(&f->r, 1);
	push_one(f);
	assert_true(vq_needs_interrupt(&f->q));

	ring_set_used_event(&f->r, 2);
	push_one(f);
	assert_false(vq_needs_interrupt(&f->q));
	push_one(f);
	assert_true(vq_needs_interrupt(&f->q));

	/* Passed in one step of several. */
	ring_set_used_event(&f->r, 4);
	push_one(f);
	push_one(f);
	push_one(f);
	assert_true(vq_needs_interrupt(&f->q));
}

static void used_event_works_across_the_wrap(void **state)
{
	struct fixture *f = *state;
	unsigned int i, interrupts = 0;

	for (i = 0; i < 65536 * 2; i++) {
		push_one(f);
		interrupts += vq_needs_interrupt(&f->q);
	}
	/* used_event is 0: "again after the 65536th buffer" (§2.7.7.2) */
	assert_int_equal(interrupts, 2);
}

static void flag_asks_the_driver_not_to_notify(void **state)
{
	struct fixture *f = *state;

	start(f, 8, 0);
	assert_int_equal(ring_used_flags(&f->r), 0);
	vq_disable_notify(&f->q);
	assert_int_equal(ring_used_flags(&f->r), 1);
	assert_false(vq_enable_notify(&f->q));
	assert_int_equal(ring_used_flags(&f->r), 0);
}

static void avail_event_asks_for_the_next_chain_only(void **state)
{
	struct fixture *f = *state;
	uint16_t old;

	vq_disable_notify(&f->q);
	push_one(f);
	push_one(f);
	assert_int_equal(ring_used_flags(&f->r), 0);
	old = f->r.avail_idx;
	ring_place(&f->r, 0);
	assert_false(ring_wants_kick(&f->r, true, old));
	f->r.avail_idx = old;

	assert_false(vq_enable_notify(&f->q));
	assert_int_equal(ring_avail_event(&f->r), 2);
	ring_place(&f->r, 0);
	assert_true(ring_wants_kick(&f->r, true, old));
}

static void enabling_reports_what_came_in_between(void **state)
{
	struct fixture *f = *state;

	vq_disable_notify(&f->q);
	offer_simple(f, 0);
	assert_true(vq_enable_notify(&f->q));
	start(f, 8, 0);
	vq_disable_notify(&f->q);
	offer_simple(f, 0);
	assert_true(vq_enable_notify(&f->q));
}

/* What listeners of RAM hear */

struct ear {
	struct ram_listener l;
	uint8_t heard[RAM_SIZE];
};

static void hear(struct ram_listener *l, gpa_t gpa, uint64_t len)
{
	struct ear *e = container_of(l, struct ear, l);

	memset(e->heard + gpa, 1, len);
}

static bool heard_all(const struct ear *e, gpa_t gpa, size_t len)
{
	return !memchr(e->heard + gpa, 0, len);
}

static bool heard_none(const struct ear *e, gpa_t gpa, size_t len)
{
	return !memchr(e->heard + gpa, 1, len);
}

static void every_write_is_reported(void **state)
{
	struct fixture *f = *state;
	struct ear *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	e->l.written = hear;
	assert_int_equal(ram_add_listener(f->ram, &e->l), 0);

	ring_desc(&f->r, 0, DATA_AT, 16, RING_NEXT, 1);
	ring_desc(&f->r, 1, DATA_AT + 100, 100, RING_NEXT | RING_WRITE, 2);
	ring_desc(&f->r, 2, DATA_AT + 300, 100, RING_WRITE, 0);
	ring_offer(&f->r, 0);
	memset(e->heard, 0, sizeof(e->heard));
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	assert_true(heard_none(e, 0, RAM_SIZE));

	assert_int_equal(vq_chain_write(f->ram, &f->c, 199, "xy", 2), 1);
	assert_true(heard_none(e, 0, DATA_AT + 399));
	assert_true(heard_all(e, DATA_AT + 399, 1));

	vq_push(&f->q, &f->c, 150);
	assert_true(heard_none(e, DATA_AT, 100));
	assert_true(heard_all(e, DATA_AT + 100, 100));
	assert_true(heard_all(e, DATA_AT + 300, 50));
	assert_true(heard_none(e, DATA_AT + 350, 49));
	assert_true(heard_all(e, f->r.used + 2, 2));
	assert_true(heard_all(e, f->r.used + 4, 8));
	assert_true(heard_none(e, f->r.used + 12, 50));

	vq_enable_notify(&f->q);
	assert_true(heard_all(e, f->r.used + 4 + 8 * 8, 2));
	ram_del_listener(f->ram, &e->l);
	free(e);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(pop_gives_nothing_from_an_empty_queue),
	TEST(pop_splits_a_chain_by_direction),
	TEST(pop_follows_indirect_descriptors_after_direct_ones),
	TEST(pop_takes_chains_as_long_as_the_queue),
	TEST(indirect_chain_may_be_longer_than_the_queue),
	TEST(empty_descriptors_are_left_out),
	TEST(indices_wrap_around),
	TEST(chains_come_back_in_any_order),
	TEST(unpopped_chains_are_popped_again),
	TEST(unpopped_chains_are_read_anew),
	TEST(unpopping_leaves_the_next_notification_where_it_was),
	TEST(filled_chains_are_shown_together),
	TEST(queue_of_one_entry_works),
	TEST(pop_refuses_head_past_the_table),
	TEST(pop_refuses_next_past_the_table),
	TEST(pop_refuses_a_loop),
	TEST(pop_refuses_a_loop_of_empty_descriptors),
	TEST(pop_refuses_memory_outside_ram),
	TEST(pop_refuses_address_that_wraps),
	TEST(pop_refuses_readable_after_writable),
	TEST(pop_refuses_indirect_that_was_not_negotiated),
	TEST(pop_refuses_indirect_with_next),
	TEST(pop_refuses_nested_indirect),
	TEST(pop_refuses_indirect_table_of_odd_length),
	TEST(pop_refuses_empty_indirect_table),
	TEST(pop_refuses_indirect_table_outside_ram),
	TEST(pop_refuses_next_past_the_indirect_table),
	TEST(pop_refuses_a_loop_in_the_indirect_table),
	TEST(pop_refuses_an_endless_row_of_empty_descriptors),
	TEST(pop_refuses_more_pieces_than_a_chain_holds),
	TEST(pop_refuses_available_index_that_jumps),
	TEST(pop_refuses_available_index_that_goes_back),
	TEST(pop_refuses_more_chains_than_descriptors),
	TEST(pop_refuses_chain_of_more_than_4_gib),
	TEST(pop_refuses_piece_across_the_hole),
	TEST(setup_refuses_odd_sizes),
	TEST(setup_refuses_bad_alignment),
	TEST(setup_refuses_parts_outside_ram),
	TEST(interrupt_is_wanted_once_per_push),
	TEST(nothing_interrupts_before_it_is_shown),
	TEST(driver_can_switch_interrupts_off_by_flag),
	TEST(used_event_says_when_to_interrupt),
	TEST(used_event_works_across_the_wrap),
	TEST(flag_asks_the_driver_not_to_notify),
	TEST(avail_event_asks_for_the_next_chain_only),
	TEST(enabling_reports_what_came_in_between),
	TEST(every_write_is_reported),
};

UNIT_MAIN(tests)
