// SPDX-License-Identifier: MIT
/*
 * verify.c - random writes to a file or block device, read back and compared.
 *
 *   verify FILE SEED WRITES   O_DIRECT writes of 1 to 64 sectors at random
 *                             places; some are read back at once, all at the
 *                             end
 *   verify -c FILE SEED       every sector is one that a run with SEED wrote
 *                             there, or zeroes; and some were written
 *
 * Each sector carries the seed, its number and how often it was written. Runs
 * in a guest, and with -c on the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR	    512u
#define SECTORS_MAX 64u
#define CHECK_EVERY 8

struct run {
	int fd;
	uint64_t seed;
	uint64_t sectors;
	uint32_t *times; /* that a sector was written */
	uint64_t random;
};

static uint64_t buf[SECTORS_MAX * SECTOR / 8] __attribute__((aligned(4096)));

static void die(const char *what)
{
	fprintf(stderr, "verify: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t next_random(struct run *r)
{
	r->random = r->random * 6364136223846793005u + 1442695040888963407u;
	return r->random >> 33;
}

static uint64_t word(const struct run *r, uint64_t sector, uint32_t times,
		     unsigned int i)
{
	return i ? (r->seed << 48 ^ sector << 16 ^ times) *
			       (0x9e3779b97f4a7c15u + 2 * i)
		 : r->seed << 48 | sector << 16 | times;
}

static void fill(const struct run *r, uint64_t *at, uint64_t sector)
{
	for (unsigned int i = 0; i < SECTOR / 8; i++)
		at[i] = word(r, sector, r->times[sector], i);
}

static int is_sector(const struct run *r, const uint64_t *at, uint64_t sector,
		     uint32_t times)
{
	for (unsigned int i = 0; i < SECTOR / 8; i++)
		if (at[i] != (times ? word(r, sector, times, i) : 0))
			return 0;
	return 1;
}

static void check(const struct run *r, uint64_t first, unsigned int n)
{
	if (pread(r->fd, buf, n * SECTOR, (off_t)(first * SECTOR)) !=
	    (ssize_t)(n * SECTOR))
		die("read");
	for (unsigned int i = 0; i < n; i++) {
		if (is_sector(r, buf + i * SECTOR / 8, first + i,
			      r->times[first + i]))
			continue;
		fprintf(stderr, "verify: sector %llu is wrong\n",
			(unsigned long long)(first + i));
		exit(2);
	}
}

static void write_some(struct run *r, unsigned int turn)
{
	uint64_t first = next_random(r) % r->sectors;
	uint64_t n = 1 + next_random(r) % SECTORS_MAX;

	if (n > r->sectors - first)
		n = r->sectors - first;
	for (uint64_t i = 0; i < n; i++) {
		r->times[first + i]++;
		fill(r, buf + i * SECTOR / 8, first + i);
	}
	if (pwrite(r->fd, buf, n * SECTOR, (off_t)(first * SECTOR)) !=
	    (ssize_t)(n * SECTOR))
		die("write");
	if (turn % CHECK_EVERY == 0)
		check(r, first, (unsigned int)n);
}

static int verify(struct run *r, unsigned long writes)
{
	for (unsigned int i = 0; i < writes; i++)
		write_some(r, i);
	if (fsync(r->fd))
		die("fsync");
	for (uint64_t at = 0; at < r->sectors; at += SECTORS_MAX)
		check(r, at,
		      (unsigned int)(r->sectors - at < SECTORS_MAX
					     ? r->sectors - at
					     : SECTORS_MAX));
	return 0;
}

/* What a sector says of itself must hold. */
static int check_all(const struct run *r)
{
	uint64_t written = 0;

	for (uint64_t at = 0; at < r->sectors; at++) {
		if (pread(r->fd, buf, SECTOR, (off_t)(at * SECTOR)) !=
		    (ssize_t)SECTOR)
			die("read");
		written += buf[0] != 0;
		if (is_sector(r, buf, at, (uint32_t)(buf[0] & 0xffff)))
			continue;
		fprintf(stderr, "verify: sector %llu is another's\n",
			(unsigned long long)at);
		return 2;
	}
	return written ? 0 : 3;
}

int main(int argc, char **argv)
{
	struct run r = { 0 };
	int only = argc == 4 && !strcmp(argv[1], "-c");
	off_t end;

	if (argc != 4)
		return 1;
	argv += only;
	r.fd = open(argv[1], only ? O_RDONLY : O_RDWR | O_DIRECT);
	if (r.fd < 0)
		die(argv[1]);
	r.seed = r.random = strtoull(argv[2], NULL, 10);
	end = lseek(r.fd, 0, SEEK_END);
	r.sectors = (uint64_t)end / SECTOR;
	r.times = calloc(r.sectors, sizeof(*r.times));
	if (end <= 0 || !r.times)
		die("size");
	return only ? check_all(&r) : verify(&r, strtoul(argv[3], NULL, 10));
}
