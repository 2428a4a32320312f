// SPDX-License-Identifier: MIT
/*
 * test_vcpu.c - the vCPU thread over an engine that only counts.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "base/checked.h"
#include "vcpu/vcpu.h"

struct fake {
	struct engine engine;
	struct vcpu vcpu;
	atomic_uint runs;
	atomic_int kicked;
	atomic_int lose_kicks;
	atomic_int answer; /* enum vcpu_exit or -errno, see next */
	atomic_bool answers;
	atomic_int ended; /* enum vcpu_end + 1 */
};

static void sleep_ms(long ms)
{
	const struct timespec t = { 0, ms * 1000000 };

	nanosleep(&t, NULL);
}

static int fake_run(struct vcpu *v, enum vcpu_exit *why)
{
	struct fake *f = container_of(v, struct fake, vcpu);

	f->runs++;
	while (!atomic_exchange(&f->kicked, 0)) {
		if (f->answers) {
			*why = (enum vcpu_exit)f->answer;
			return f->answer < 0 ? f->answer : 0;
		}
		sleep_ms(1);
	}
	*why = VCPU_EXIT_KICKED;
	return 0;
}

static void fake_kick(struct vcpu *v)
{
	struct fake *f = container_of(v, struct fake, vcpu);

	if (f->lose_kicks-- > 0)
		return;
	f->kicked = 1;
}

static const struct engine_ops fake_ops = {
	.name = "fake",
	.run = fake_run,
	.kick = fake_kick,
};

static void on_end(void *ctx, unsigned int id, enum vcpu_end end)
{
	struct fake *f = ctx;

	assert_int_equal(id, 3);
	f->ended = (int)end + 1;
}

static struct vcpu_thread *start(struct fake *f)
{
	struct vcpu_thread *t;

	f->engine.ops = &fake_ops;
	f->vcpu = (struct vcpu){ &f->engine, 3 };
	assert_int_equal(vcpu_thread_start(&t, &f->vcpu, on_end, f), 0);
	return t;
}

static void wait_for(atomic_int *what)
{
	int i;

	for (i = 0; i < 5000 && !*what; i++)
		sleep_ms(1);
}

static void stop_ends_a_running_vcpu(void **state)
{
	struct fake f = { .lose_kicks = 0 };
	struct vcpu_thread *t = start(&f);

	(void)state;
	sleep_ms(5);
	vcpu_thread_stop(t);
	assert_int_equal(f.ended, 0);
	vcpu_thread_stop(NULL);
}

static void stop_survives_lost_kicks(void **state)
{
	struct fake f = { .lose_kicks = 3 };
	struct vcpu_thread *t = start(&f);

	(void)state;
	sleep_ms(5);
	vcpu_thread_stop(t);
}

static void paused_vcpu_does_not_run_until_resumed(void **state)
{
	struct fake f = { .lose_kicks = 0 };
	struct vcpu_thread *t = start(&f);
	unsigned int runs;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		vcpu_thread_pause(t);
		runs = f.runs;
		fake_kick(&f.vcpu);
		sleep_ms(5);
		assert_int_equal(f.runs, runs);
		vcpu_thread_resume(t);
		sleep_ms(10);
		assert_true(f.runs > runs);
	}
	vcpu_thread_stop(t);
}

static void stop_ends_a_paused_vcpu(void **state)
{
	struct fake f = { .lose_kicks = 0 };
	struct vcpu_thread *t = start(&f);

	(void)state;
	vcpu_thread_pause(t);
	vcpu_thread_stop(t);
}

static void endings_are_reported_once(void **state)
{
	static const struct {
		int answer;
		enum vcpu_end end;
	} cases[] = {
		{ VCPU_EXIT_HALT, VCPU_END_HALT },
		{ VCPU_EXIT_RESET, VCPU_END_RESET },
		{ VCPU_EXIT_SHUTDOWN, VCPU_END_SHUTDOWN },
		{ -EIO, VCPU_END_ERROR },
	};
	struct vcpu_thread *t;
	struct fake f;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		f = (struct fake){ .answer = cases[i].answer, .answers = true };
		t = start(&f);
		wait_for(&f.ended);
		assert_int_equal(f.ended, (int)cases[i].end + 1);
		vcpu_thread_pause(t); /* harmless after the end */
		vcpu_thread_resume(t);
		vcpu_thread_pause(t);
		vcpu_thread_resume(t);
		assert_int_equal(f.runs, 1);
		vcpu_thread_stop(t);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(stop_ends_a_running_vcpu),
	cmocka_unit_test(stop_survives_lost_kicks),
	cmocka_unit_test(paused_vcpu_does_not_run_until_resumed),
	cmocka_unit_test(stop_ends_a_paused_vcpu),
	cmocka_unit_test(endings_are_reported_once),
};

UNIT_MAIN(tests)
