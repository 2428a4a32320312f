// SPDX-License-Identifier: MIT
/*
 * blk-run.c - requests per second of a guest that says "B" before the first
 * and "E" after the last of them, and what they cost the host.
 *
 *   blk-run REQUESTS COMMAND...
 *
 * prints: thousands of requests per second, and microseconds of CPU time per
 * request of all threads of COMMAND but those of vCPUs ("vcpu...").
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void read_line(char *buf, int len, const char *fmt, int pid,
		      const char *tid)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), fmt, pid, tid);
	*buf = '\0';
	f = fopen(path, "r");
	if (!f)
		return;
	if (!fgets(buf, len, f))
		*buf = '\0';
	fclose(f);
}

/* Microseconds that the threads of @pid ran, without vCPUs. */
static double host_us(pid_t pid)
{
	char path[64], line[128];
	struct dirent *e;
	double sum = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		read_line(line, sizeof(line), "/proc/%d/task/%s/comm", pid,
			  e->d_name);
		if (e->d_name[0] == '.' || !strncmp(line, "vcpu", 4))
			continue;
		read_line(line, sizeof(line), "/proc/%d/task/%s/schedstat", pid,
			  e->d_name);
		sum += atof(line) / 1e3;
	}
	if (d)
		closedir(d);
	return sum;
}

static void wait_for(int fd, char byte)
{
	char c;

	while (read(fd, &c, 1) == 1)
		if (c == byte)
			return;
	fprintf(stderr, "blk-run: the guest ended before '%c'\n", byte);
	exit(1);
}

int main(int argc, char **argv)
{
	double from, to, cpu, n;
	int p[2];
	pid_t pid;

	if (argc < 3 || pipe(p))
		return 1;
	n = atof(argv[1]);
	pid = fork();
	if (!pid) {
		dup2(p[1], 1);
		close(p[0]);
		close(p[1]);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	close(p[1]);

	wait_for(p[0], 'B');
	cpu = host_us(pid);
	from = now_us();
	wait_for(p[0], 'E');
	to = now_us();
	cpu = host_us(pid) - cpu;
	waitpid(pid, NULL, 0);
	printf("%.1f %.2f\n", n / (to - from) * 1e3, cpu / n);
	return 0;
}
