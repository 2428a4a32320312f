// SPDX-License-Identifier: MIT
/*
 * first-byte.c - from exec to the first byte on stdout, and what memory the
 * process has then.
 *
 *   first-byte [-l LOG] RUNS GUEST-MIB COMMAND... [-- COMMAND...]...
 *
 * The commands take turns, so that whatever else the host does meets all of
 * them alike. A line for each: milliseconds (least, median, 90th percentile)
 * and Pss in KiB without the mapping of the guest's RAM, which is the one of
 * exactly GUEST-MIB.
 *
 * -l: the last command writes "... built PART at SECONDS s" (CLOCK_MONOTONIC)
 * to the file LOG; a line for each part follows: its name and how many
 * milliseconds it took, median; the last is what was left to the first byte.
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

#define RUNS_MAX     1000
#define COMMANDS_MAX 8
#define PARTS_MAX    32

struct command {
	char **argv;
	double ms[RUNS_MAX];
	unsigned long pss_kib;
};

struct part {
	char name[32];
	double ms[RUNS_MAX];
};

struct parts {
	const char *log;
	unsigned int nr;
	struct part part[PARTS_MAX];
};

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
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

static pid_t start(char **argv, int *out)
{
	int p[2], null;
	pid_t pid;

	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || pipe2(p, O_CLOEXEC) < 0)
		die("pipe");
	pid = vfork();
	if (!pid) {
		dup2(null, 0);
		dup2(p[1], 1);
		dup2(null, 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(p[1]);
	close(null);
	*out = p[0];
	return pid;
}

/* Run @i of a command that started at @from and said its byte at @to. */
static void read_parts(struct parts *p, int i, double from, double to)
{
	FILE *f = fopen(p->log, "r");
	double at, last = from;
	char line[256], name[32];
	unsigned int n = 0;

	if (!f)
		die(p->log);
	while (fgets(line, sizeof(line), f) && n < PARTS_MAX - 1) {
		if (sscanf(line, "minivmm: built %31s at %lf s", name, &at) !=
		    2)
			continue;
		snprintf(p->part[n].name, sizeof(name), "%s", name);
		p->part[n++].ms[i] = at * 1e3 - last;
		last = at * 1e3;
	}
	fclose(f);
	snprintf(p->part[n].name, sizeof(name), "first-exit");
	p->part[n++].ms[i] = to - last;
	p->nr = n;
}

static void run_once(struct command *c, int i, unsigned long guest_kib,
		     struct parts *parts)
{
	double from, to;
	char byte;
	int out;
	pid_t pid;

	if (parts)
		unlink(parts->log);
	from = now_ms();
	pid = start(c->argv, &out);
	if (read(out, &byte, 1) != 1) {
		fprintf(stderr, "%s: ended without a byte\n", c->argv[0]);
		exit(1);
	}
	to = now_ms();
	c->ms[i] = to - from;
	/* What it does behind the byte belongs to its memory as well. */
	usleep(1000);
	c->pss_kib = pss_kib(pid, guest_kib);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(out);
	if (parts)
		read_parts(parts, i, from, to);
	/* The kernel takes VMs apart behind our back: not in the next run. */
	usleep(3000);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(struct command *c, int runs)
{
	qsort(c->ms, (size_t)runs, sizeof(c->ms[0]), by_value);
	printf("%.2f %.2f %.2f %lu\n", c->ms[0], c->ms[runs / 2],
	       c->ms[runs * 9 / 10], c->pss_kib);
}

static void print_parts(struct parts *p, int runs)
{
	unsigned int n;

	for (n = 0; n < p->nr; n++) {
		qsort(p->part[n].ms, (size_t)runs, sizeof(double), by_value);
		printf("%s %.3f\n", p->part[n].name, p->part[n].ms[runs / 2]);
	}
}

/* Split the rest of the arguments at "--". */
static int split(char **argv, struct command *c)
{
	int n = 0;

	c[n++].argv = argv;
	for (; *argv; argv++) {
		if (strcmp(*argv, "--"))
			continue;
		*argv = NULL;
		if (n == COMMANDS_MAX)
			exit(1);
		c[n++].argv = argv + 1;
	}
	return n;
}

int main(int argc, char **argv)
{
	static struct command commands[COMMANDS_MAX];
	static struct parts parts;
	unsigned long guest_kib;
	int i, k, n, runs;

	if (argc > 2 && !strcmp(argv[1], "-l")) {
		parts.log = argv[2];
		argc -= 2;
		argv += 2;
	}
	if (argc < 4)
		return 1;
	runs = atoi(argv[1]);
	guest_kib = strtoul(argv[2], NULL, 10) * 1024;
	if (runs < 1 || runs > RUNS_MAX)
		return 1;

	n = split(argv + 3, commands);
	for (i = 0; i < runs; i++)
		for (k = 0; k < n; k++)
			run_once(&commands[k], i, guest_kib,
				 parts.log && k == n - 1 ? &parts : NULL);
	for (k = 0; k < n; k++)
		print(&commands[k], runs);
	print_parts(&parts, runs);
	return 0;
}
