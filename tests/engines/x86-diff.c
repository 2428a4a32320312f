// SPDX-License-Identifier: MIT
/*
 * x86-diff.c - x86-diff [SEED [COUNT [MAX]]]: compare COUNT cases from SEED
 * on; stop after MAX differences. `make engines-long` runs a million.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engines/diff.h"

static uint64_t number(char **argv, int argc, int i, uint64_t otherwise)
{
	return i < argc ? strtoull(argv[i], NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	uint64_t seed = number(argv, argc, 1, 1), i;
	uint64_t count = number(argv, argc, 2, 20000);
	uint64_t max = number(argv, argc, 3, 20);
	static struct diff_stats st;
	struct generator *g;
	struct soft *s;
	int err;

	err = generator_create(&g);
	if (!err)
		err = soft_create(&s);
	if (!err)
		err = native_start();
	if (err) {
		fprintf(stderr, "x86-diff: %s\n", strerror(-err));
		return 1;
	}
	generator_describe(g);
	printf("# seeds %llu to %llu\n", (unsigned long long)seed,
	       (unsigned long long)(seed + count - 1));
	for (i = 0; i < count && st.failed < max; i++)
		diff_check(g, s, seed + i, &st);
	diff_report(&st);
	native_stop();
	soft_destroy(s);
	generator_destroy(g);
	return st.failed ? 1 : 0;
}
