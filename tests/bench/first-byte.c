// SPDX-License-Identifier: MIT
/*
 * first-byte.c - from exec to the first byte on stdout, and what memory the
 * process has then.
 *
 *   first-byte RUNS GUEST-MIB COMMAND...
 *
 * prints: median-ms 90th-percentile-ms pss-KiB, where Pss leaves out the
 * mapping of the guest's RAM (the one of exactly GUEST-MIB).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNS_MAX 1000

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Sum of Pss over all mappings but those of @guest_kib. */
static unsigned long pss_kib(pid_t pid, unsigned long guest_kib)
{
	unsigned long size = 0, pss, sum = 0;
	char line[512];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/%d/smaps", (int)pid);
	f = fopen(line, "r");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Size: %lu", &size) == 1)
			continue;
		if (sscanf(line, "Pss: %lu", &pss) == 1 && size != guest_kib)
			sum += pss;
	}
	fclose(f);
	return sum;
}

static pid_t start(char **command, int *out)
{
	int p[2], null;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		exit(1);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid = vfork();
	if (!pid) {
		dup2(null, 0);
		dup2(p[1], 1);
		dup2(null, 2);
		execvp(command[0], command);
		_exit(127);
	}
	close(p[1]);
	close(null);
	*out = p[0];
	return pid;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static double ms[RUNS_MAX];
	unsigned long guest_kib, pss = 0;
	int i, runs, out;
	char byte;

	if (argc < 4)
		return 1;
	runs = atoi(argv[1]);
	guest_kib = strtoul(argv[2], NULL, 10) * 1024;
	if (runs < 1 || runs > RUNS_MAX)
		return 1;

	for (i = 0; i < runs; i++) {
		double from = now_ms();
		pid_t pid = start(argv + 3, &out);

		if (read(out, &byte, 1) != 1) {
			fprintf(stderr, "%s: no byte\n", argv[3]);
			return 1;
		}
		ms[i] = now_ms() - from;
		pss = pss_kib(pid, guest_kib);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(out);
	}
	qsort(ms, (size_t)runs, sizeof(ms[0]), by_value);
	printf("%.2f %.2f %lu\n", ms[runs / 2], ms[runs * 9 / 10], pss);
	return 0;
}
