// SPDX-License-Identifier: MIT
/*
 * test_pvclock.c - the paravirtual clock, read as a guest reads it.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "memory/ram.h"
#include "vcpu/x86/pvclock.h"

/* As Linux declares them */
struct guest_time {
	uint32_t version;
	uint32_t pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags;
	uint8_t pad[2];
};

struct guest_wall {
	uint32_t version;
	uint32_t sec;
	uint32_t nsec;
};

#define AT 0x1000u

static struct ram *make(void)
{
	struct ram *r;

	assert_int_equal(ram_create(&r, LAYOUT_RAM_MIN), 0);
	return r;
}

static struct guest_time read_time(struct ram *r, gpa_t at)
{
	struct guest_time t;

	assert_int_equal(ram_read(r, at, &t, sizeof(t)), 0);
	return t;
}

/* msr.rst, "The conversion from tsc to nanoseconds" */
static uint64_t guest_clock(const struct guest_time *t, uint64_t tsc)
{
	uint64_t time = tsc - t->tsc_timestamp;

	if (t->tsc_shift >= 0)
		time <<= t->tsc_shift;
	else
		time >>= -t->tsc_shift;
	time = (uint64_t)(((unsigned __int128)time * t->tsc_to_system_mul) >>
			  32);
	return time + t->system_time;
}

static struct x86_pvclock_ref make_ref(uint64_t khz)
{
	return (struct x86_pvclock_ref){
		.scale = x86_pvclock_scale_of(khz),
		.tsc = 1000000007,
		.ns = 5000000001,
		.stable = true,
	};
}

static void guest_clock_is_right_for_any_frequency(void **state)
{
	static const uint64_t khz[] = { 1,	 999,	  1000,	   999999,
					1000000, 1000001, 2596132, 3999999,
					4294967, 8000000, 20000000 };
	const uint64_t hour_ms = 3600000;
	struct ram *r = make();
	struct guest_time t;
	struct x86_pvclock_ref ref;
	int64_t wrong;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(khz); i++) {
		ref = make_ref(khz[i]);
		assert_true(ref.scale.mul >= 1u << 31);
		assert_int_equal(x86_pvclock_write_time(r, AT | 1, &ref), 0);
		t = read_time(r, AT);
		assert_int_equal(guest_clock(&t, ref.tsc), ref.ns);
		wrong = (int64_t)(guest_clock(&t, ref.tsc + hour_ms * khz[i]) -
				  ref.ns - hour_ms * 1000000);
		/* 2^-31 of an hour is below 2 us. */
		assert_in_range(wrong + 2000, 0, 2000);
		assert_int_equal(x86_pvclock_now(&ref, ref.tsc + 12345),
				 guest_clock(&t, ref.tsc + 12345));
	}
	ram_destroy(r);
}

static void scale_does_not_overflow_in_years(void **state)
{
	struct x86_pvclock_scale s = x86_pvclock_scale_of(2596132);
	const uint64_t year_s = 31557600;
	uint64_t ns = x86_pvclock_ns(&s, year_s * 100 * 2596132000);

	(void)state;
	assert_in_range(ns / 1000000000, year_s * 100 - 2, year_s * 100);
}

static void page_has_the_documented_fields(void **state)
{
	struct x86_pvclock_ref ref = make_ref(2000000);
	struct ram *r = make();
	struct guest_time t;

	(void)state;
	assert_int_equal(ram_write(r, AT, "\xff\xff\xff\xff\xff\xff", 6), 0);
	assert_int_equal(x86_pvclock_write_time(r, AT | 1, &ref), 0);
	t = read_time(r, AT);
	assert_int_equal(t.version & 1, 0);
	assert_int_equal(t.pad0, 0);
	assert_int_equal(t.tsc_timestamp, ref.tsc);
	assert_int_equal(t.system_time, ref.ns);
	assert_int_equal(t.tsc_to_system_mul, 0x80000000);
	assert_int_equal(t.tsc_shift, 0);
	assert_int_equal(t.flags, 1);
	ref.stable = false;
	ref.stopped = true;
	assert_int_equal(x86_pvclock_write_time(r, AT | 1, &ref), 0);
	assert_int_equal(read_time(r, AT).flags, 2);
	ram_destroy(r);
}

/* What a vCPU would see at each write into the page */
struct spy {
	struct ram_listener l;
	struct ram *ram;
	uint32_t version[8];
	uint64_t stamp[8];
	unsigned int n;
};

static void spy_written(struct ram_listener *l, gpa_t gpa, uint64_t len)
{
	struct spy *s = container_of(l, struct spy, l);
	struct guest_time t = read_time(s->ram, AT);

	(void)gpa;
	(void)len;
	assert_true(s->n < ARRAY_SIZE(s->version));
	s->version[s->n] = t.version;
	s->stamp[s->n++] = t.tsc_timestamp;
}

static void version_is_odd_while_the_page_changes(void **state)
{
	struct x86_pvclock_ref ref = make_ref(2000000);
	struct ram *r = make();
	struct spy s = { .l.written = spy_written, .ram = r };

	(void)state;
	assert_int_equal(ram_add_listener(r, &s.l), 0);
	assert_int_equal(x86_pvclock_write_time(r, AT | 1, &ref), 0);
	ref.tsc = 77;
	assert_int_equal(x86_pvclock_write_time(r, AT | 1, &ref), 0);
	ram_del_listener(r, &s.l);

	assert_int_equal(s.n, 6);
	assert_int_equal(s.version[0], 1);
	assert_int_equal(s.stamp[0], 0);
	assert_int_equal(s.version[1], 1);
	assert_int_equal(s.version[2], 2);
	assert_int_equal(s.version[3], 3);
	assert_int_equal(s.stamp[3], 1000000007);
	assert_int_equal(s.version[4], 3);
	assert_int_equal(s.stamp[4], 77);
	assert_int_equal(s.version[5], 4);
	ram_destroy(r);
}

static void disabled_page_is_not_written(void **state)
{
	struct x86_pvclock_ref ref = make_ref(2000000);
	struct ram *r = make();

	(void)state;
	assert_int_equal(x86_pvclock_write_time(r, AT, &ref), 0);
	assert_int_equal(read_time(r, AT).version, 0);
	/* Not even looked at */
	assert_int_equal(x86_pvclock_write_time(r, UINT64_MAX - 3, &ref), 0);
	ram_destroy(r);
}

static void pages_outside_ram_are_refused(void **state)
{
	struct x86_pvclock_ref ref = make_ref(2000000);
	struct ram *r = make();

	(void)state;
	assert_int_equal(
		x86_pvclock_write_time(r, (LAYOUT_RAM_MIN - 32) | 1, &ref), 0);
	assert_int_equal(x86_pvclock_write_time(r, (LAYOUT_RAM_MIN - 28) | 1,
						&ref),
			 -EFAULT);
	/* Not even its version, which is where the first one has zeros */
	assert_int_equal(read_time(r, LAYOUT_RAM_MIN - 32).pad0, 0);
	assert_int_equal(x86_pvclock_write_time(r, (UINT64_MAX - 3) | 1, &ref),
			 -EFAULT);
	assert_int_equal(x86_pvclock_write_wall(r, LAYOUT_RAM_MIN - 8, 1, 1),
			 -EFAULT);
	assert_int_equal(x86_pvclock_write_wall(r, UINT64_MAX - 3, 1, 1),
			 -EFAULT);
	ram_destroy(r);
}

static void misaligned_pages_are_refused(void **state)
{
	struct x86_pvclock_ref ref = make_ref(2000000);
	struct ram *r = make();

	(void)state;
	assert_int_equal(x86_pvclock_write_time(r, AT | 2, &ref), -EINVAL);
	assert_int_equal(x86_pvclock_write_time(r, AT | 3, &ref), -EINVAL);
	assert_int_equal(x86_pvclock_write_wall(r, AT | 1, 0, 0), -EINVAL);
	assert_int_equal(x86_pvclock_write_wall(r, AT | 2, 0, 0), -EINVAL);
	ram_destroy(r);
}

static void wall_clock_plus_system_time_is_now(void **state)
{
	const uint64_t now = 12345678901, real = 1790000000123456789;
	struct guest_wall w;
	struct ram *r = make();

	(void)state;
	assert_int_equal(x86_pvclock_write_wall(r, AT, real, now), 0);
	assert_int_equal(ram_read(r, AT, &w, sizeof(w)), 0);
	assert_int_equal(w.version, 2);
	assert_true(w.nsec < 1000000000);
	assert_int_equal(w.sec * 1000000000ull + w.nsec + now, real);
	/* A host whose clock starts in 1970: not before that. */
	assert_int_equal(x86_pvclock_write_wall(r, AT, 5, 6), 0);
	assert_int_equal(ram_read(r, AT, &w, sizeof(w)), 0);
	assert_int_equal(w.version, 4);
	assert_int_equal(w.sec + w.nsec, 0);
	ram_destroy(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(guest_clock_is_right_for_any_frequency),
	cmocka_unit_test(scale_does_not_overflow_in_years),
	cmocka_unit_test(page_has_the_documented_fields),
	cmocka_unit_test(version_is_odd_while_the_page_changes),
	cmocka_unit_test(disabled_page_is_not_written),
	cmocka_unit_test(pages_outside_ram_are_refused),
	cmocka_unit_test(misaligned_pages_are_refused),
	cmocka_unit_test(wall_clock_plus_system_time_is_now),
};

UNIT_MAIN(tests)
