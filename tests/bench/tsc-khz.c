// SPDX-License-Identifier: MIT
/*
 * tsc-khz - print the rate of the host's time-stamp counter in kHz, for guests
 * whose VMM offers nothing to measure it by.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	int64_t ns = now_ns();
	uint64_t ticks = __rdtsc();

	nanosleep(&pause, NULL);
	ticks = __rdtsc() - ticks;
	ns = now_ns() - ns;
	printf("%" PRIu64 "\n", ticks * 1000000 / (uint64_t)ns);
	return 0;
}
