// SPDX-License-Identifier: MIT
/*
 * test_iov.c - the cursor over scattered memory.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/checked.h"
#include "base/iov.h"

static const char text[] = "abcdefghij";

/* The text in pieces of 3, 0, 1 and 6. */
struct fixture {
	char text[11];
	struct iovec iov[4];
};

static struct fixture scattered(void)
{
	struct fixture f = { .text = "abcdefghij" };

	return f;
}

static void point(struct fixture *f)
{
	static const size_t len[] = { 3, 0, 1, 6 };
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(len); i++) {
		f->iov[i].iov_base = f->text + at;
		f->iov[i].iov_len = len[i];
		at += len[i];
	}
}

static void iov_size_sums_all_pieces(void **state)
{
	struct fixture f = scattered();

	(void)state;
	point(&f);
	assert_int_equal(iov_size(f.iov, 4), 10);
	assert_int_equal(iov_size(f.iov, 0), 0);
}

static void iov_size_saturates(void **state)
{
	const struct iovec iov[] = { { NULL, SIZE_MAX - 1 }, { NULL, 2 } };

	(void)state;
	assert_true(iov_size(iov, 2) == SIZE_MAX);
}

static void iov_read_gives_every_range(void **state)
{
	struct fixture f = scattered();
	char buf[16];

	(void)state;
	point(&f);
	for (size_t off = 0; off <= 10; off++) {
		for (size_t len = 0; off + len <= 10; len++) {
			assert_int_equal(iov_read(f.iov, 4, off, buf, len),
					 len);
			assert_memory_equal(buf, &text[off], len);
		}
	}
}

static void iov_write_fills_every_range_and_no_more(void **state)
{
	(void)state;
	for (size_t off = 0; off <= 10; off++) {
		for (size_t len = 0; off + len <= 10; len++) {
			struct fixture f = scattered();
			char want[11] = "abcdefghij";

			point(&f);
			memset(want + off, 'X', len);
			assert_int_equal(iov_write(f.iov, 4, off, "XXXXXXXXXX",
						   len),
					 len);
			assert_string_equal(f.text, want);
		}
	}
}

static void iov_read_and_write_stop_at_the_end(void **state)
{
	struct fixture f = scattered();
	char buf[64] = "";

	(void)state;
	point(&f);
	assert_int_equal(iov_read(f.iov, 4, 8, buf, sizeof(buf)), 2);
	assert_int_equal(iov_read(f.iov, 4, 10, buf, 1), 0);
	assert_int_equal(iov_read(f.iov, 4, SIZE_MAX, buf, 1), 0);
	assert_int_equal(iov_write(f.iov, 4, 9, "XYZ", 3), 1);
	assert_int_equal(iov_write(f.iov, 4, SIZE_MAX, "XYZ", 3), 0);
	assert_string_equal(f.text, "abcdefghiX");
}

static void iov_slice_is_the_same_bytes(void **state)
{
	struct fixture f = scattered();
	struct iovec out[4];
	char buf[16];

	(void)state;
	point(&f);
	for (size_t off = 0; off <= 10; off++) {
		for (size_t len = 0; off + len <= 10; len++) {
			int n = iov_slice(f.iov, 4, off, len, out, 4);

			assert_true(n >= 0 && n <= 3);
			assert_int_equal(iov_size(out, (unsigned int)n), len);
			iov_read(out, (unsigned int)n, 0, buf, len);
			assert_memory_equal(buf, &text[off], len);
		}
	}
}

static void iov_slice_refuses_range_past_end(void **state)
{
	struct fixture f = scattered();
	struct iovec out[4];

	(void)state;
	point(&f);
	assert_int_equal(iov_slice(f.iov, 4, 5, 6, out, 4), -EINVAL);
	assert_int_equal(iov_slice(f.iov, 4, 11, 0, out, 4), -EINVAL);
	assert_int_equal(iov_slice(f.iov, 4, SIZE_MAX, 2, out, 4), -EINVAL);
	assert_int_equal(iov_slice(f.iov, 4, 2, SIZE_MAX, out, 4), -EINVAL);
}

static void iov_slice_refuses_too_many_pieces(void **state)
{
	struct fixture f = scattered();
	struct iovec out[2];

	(void)state;
	point(&f);
	assert_int_equal(iov_slice(f.iov, 4, 2, 8, out, 2), -EINVAL);
	assert_int_equal(iov_slice(f.iov, 4, 3, 7, out, 2), 2);
	assert_int_equal(iov_slice(f.iov, 4, 0, 1, out, 0), -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(iov_size_sums_all_pieces),
		cmocka_unit_test(iov_size_saturates),
		cmocka_unit_test(iov_read_gives_every_range),
		cmocka_unit_test(iov_write_fills_every_range_and_no_more),
		cmocka_unit_test(iov_read_and_write_stop_at_the_end),
		cmocka_unit_test(iov_slice_is_the_same_bytes),
		cmocka_unit_test(iov_slice_refuses_range_past_end),
		cmocka_unit_test(iov_slice_refuses_too_many_pieces),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
