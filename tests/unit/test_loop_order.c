// SPDX-License-Identifier: MIT
/*
 * test_loop_order.c - a loop that does everything in order, and is waited for.
 */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/thread.h"
#include "virtio/loop.h"

#define OPS 64

struct fixture {
	struct loop *loop;
	pthread_t thread;
	bool started;
	int file, bell;
	uint64_t count;
	struct loop_op ring;
	struct loop_op ops[OPS];
	char buf[OPS];
	unsigned int order[OPS], nr_done;
	bool synced;
	struct loop_task task;
};

static void *run(void *arg)
{
	struct fixture *f = arg;

	loop_run(f->loop);
	return NULL;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || loop_create(&f->loop, LOOP_POLL, OPS))
		return -1;
	loop_set_in_order(f->loop);
	f->file = memfd_create("file", MFD_CLOEXEC);
	f->bell = eventfd(0, EFD_CLOEXEC);
	*state = f;
	return f->file < 0 || f->bell < 0 || ftruncate(f->file, OPS);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loop_stop(f->loop);
	if (f->started)
		thread_join(f->thread);
	loop_destroy(f->loop);
	close(f->file);
	close(f->bell);
	free(f);
	return 0;
}

static void start(struct fixture *f)
{
	assert_int_equal(thread_start(&f->thread, "loop", run, f), 0);
	f->started = true;
}

static void on_synced(struct loop_op *op, int res)
{
	struct fixture *f = container_of(op, struct fixture, ring);

	f->synced = !res;
}

/* op->name is not the loop's to look at: the fixture. */
static void on_write(struct loop_op *op, int res)
{
	struct fixture *f = (void *)(uintptr_t)op->name;

	assert_int_equal(res, 1);
	f->order[f->nr_done++] = (unsigned int)(op - f->ops);
	if (f->nr_done < OPS)
		return;
	f->ring.done = on_synced;
	loop_fdatasync(f->loop, &f->ring, f->file);
}

/* The doorbell: many writes, and a sync when they are all done. */
static void on_ring(struct loop_op *op, int res)
{
	struct fixture *f = container_of(op, struct fixture, ring);
	unsigned int i;

	assert_int_equal(res, 8);
	for (i = 0; i < OPS; i++) {
		f->ops[i].name = (const char *)f;
		f->ops[i].done = on_write;
		f->buf[i] = (char)i;
		loop_write(f->loop, &f->ops[i], f->file, &f->buf[i], 1, i);
	}
}

static void listen_to_bell(struct fixture *f)
{
	f->ring.done = on_ring;
	loop_read(f->loop, &f->ring, f->bell, &f->count, sizeof(f->count), -1);
}

static void settling_waits_for_all_that_a_doorbell_starts(void **state)
{
	struct fixture *f = *state;

	listen_to_bell(f);
	start(f);
	fd_event_signal(f->bell);
	loop_settle(f->loop);
	assert_int_equal(f->nr_done, OPS);
	assert_true(f->synced);
}

static void operations_end_in_the_order_of_their_start(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	settling_waits_for_all_that_a_doorbell_starts(state);
	for (i = 0; i < OPS; i++)
		assert_int_equal(f->order[i], i);
}

static void run_task(struct loop_task *t)
{
	struct fixture *f = container_of(t, struct fixture, task);

	if (++f->nr_done < 1000)
		loop_post(f->loop, t);
}

static void settling_waits_for_tasks_that_post_tasks(void **state)
{
	struct fixture *f = *state;

	start(f);
	f->task.fn = run_task;
	loop_post(f->loop, &f->task);
	loop_settle(f->loop);
	assert_int_equal(f->nr_done, 1000);
}

static void settling_an_idle_loop_returns(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	start(f);
	for (i = 0; i < 1000; i++)
		loop_settle(f->loop);
}

static void settling_a_stopped_loop_returns(void **state)
{
	struct fixture *f = *state;

	loop_stop(f->loop);
	loop_settle(f->loop);
	start(f);
	loop_settle(f->loop);
}

/* Also those that nobody will be told of. */
static void draining_ends_operations_in_order(void **state)
{
	struct fixture *f = *state;

	f->ops[0].done = on_write;
	loop_write(f->loop, &f->ops[0], f->file, "x", 1, 0);
	assert_true(loop_op_busy(&f->ops[0]));
	loop_drain(f->loop);
	assert_false(loop_op_busy(&f->ops[0]));
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	TEST(settling_waits_for_all_that_a_doorbell_starts),
	TEST(operations_end_in_the_order_of_their_start),
	TEST(settling_waits_for_tasks_that_post_tasks),
	TEST(settling_an_idle_loop_returns),
	TEST(settling_a_stopped_loop_returns),
	TEST(draining_ends_operations_in_order),
};

UNIT_MAIN(tests)
