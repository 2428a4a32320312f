// SPDX-License-Identifier: MIT
/*
 * pool_copy.c - moving the bytes of partitions: without their holes, and with
 * a line that says how far it is when somebody waits at a terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "cmd/pool.h"

#define CHUNK	 (8u << 20) /* some milliseconds */
#define PAGE	 4096u
#define QUIET_MS 1000 /* before the line appears */
#define STEP_MS	 100

/* How far it is */

struct progress {
	const char *what;
	uint64_t all;
	uint64_t begin, last; /* ms */
	bool on, said;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct progress progress_of(const char *what, uint64_t all)
{
	return (struct progress){
		.what = what,
		.all = all,
		.begin = now_ms(),
		.on = isatty(STDERR_FILENO),
	};
}

static void show(struct progress *p, uint64_t done)
{
	uint64_t now;

	if (!p->on)
		return;
	now = now_ms();
	if (now - p->begin < QUIET_MS || now - p->last < STEP_MS)
		return;
	fprintf(stderr, "\r%s: %3u %%", p->what,
		(unsigned int)(done / (p->all / 100 + 1)));
	p->last = now;
	p->said = true;
}

static void end_progress(const struct progress *p)
{
	if (p->said)
		fprintf(stderr, "\r%s: 100 %%\n", p->what);
}

/* Holes */

/*
 * The next bytes at *at or behind it, and before @end, that are no hole:
 * where as *at; returns how many, 0 for none. What cannot tell is all data.
 */
static uint64_t next_data(int fd, uint64_t *at, uint64_t end)
{
	off_t data, hole;

	if (*at >= end)
		return 0;
	data = lseek(fd, (off_t)*at, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? 0 : end - *at;
	if ((uint64_t)data >= end)
		return 0;
	*at = (uint64_t)data;
	hole = lseek(fd, data, SEEK_HOLE);
	if (hole < 0)
		return end - *at;
	return min_u64((uint64_t)hole, end) - *at;
}

uint64_t pool_used(int fd, uint64_t off, uint64_t len)
{
	uint64_t at = off, used = 0, n;

	while ((n = next_data(fd, &at, off + len))) {
		used += n;
		at += n;
	}
	return used;
}

static int write_zeroes(int fd, uint64_t off, uint64_t len)
{
	uint64_t at = off, n;
	char *zeroes;
	int err = 0;

	zeroes = calloc(1, CHUNK);
	if (!zeroes)
		return -ENOMEM;
	while (!err && (n = next_data(fd, &at, off + len))) {
		n = min_u64(n, CHUNK);
		err = fd_pwrite_all(fd, zeroes, n, at);
		at += n;
	}
	free(zeroes);
	return err;
}

int pool_zero(int fd, uint64_t off, uint64_t len)
{
	static const int modes[] = {
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!fallocate(fd, modes[i], (off_t)off, (off_t)len))
			return 0;
		if (errno != EOPNOTSUPP && errno != ENOSYS && errno != ENODEV)
			return -errno;
	}
	return write_zeroes(fd, off, len);
}

/* Copying */

static bool is_zero(const char *buf, size_t len)
{
	return !buf[0] && !memcmp(buf, buf + 1, len - 1);
}

/* Pages of zeroes are left out. */
static int write_pages(int fd, const char *buf, size_t len, uint64_t off)
{
	int err = 0;

	for (size_t at = 0, n; !err && at < len; at += n) {
		n = min_u64(PAGE, len - at);
		if (!is_zero(buf + at, n))
			err = fd_pwrite_all(fd, buf + at, n, off + at);
	}
	return err;
}

static int copy_by_hand(const struct pool_copy *c, uint64_t at, size_t len)
{
	char *buf = malloc(len);
	ssize_t n;
	int err;

	if (!buf)
		return -ENOMEM;
	n = fd_pread_all(c->from, buf, len, c->from_off + at);
	if (n < 0)
		err = (int)n;
	else
		err = write_pages(c->to, buf, (size_t)n, c->to_off + at);
	if (!err && (size_t)n < len)
		err = -EIO;
	free(buf);
	return err;
}

static bool cannot(int err)
{
	return err == EXDEV || err == EOPNOTSUPP || err == ENOSYS ||
	       err == EINVAL || err == ETXTBSY || err == EBADF;
}

/* @len is CHUNK at most; *by_kernel says whether that is worth asking. */
static int copy_chunk(const struct pool_copy *c, uint64_t at, size_t len,
		      bool *by_kernel)
{
	off_t from = (off_t)(c->from_off + at), to = (off_t)(c->to_off + at);
	ssize_t n;

	while (*by_kernel && len) {
		n = copy_file_range(c->from, &from, c->to, &to, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !cannot(errno))
			return -errno;
		if (n <= 0)
			*by_kernel = false;
		else
			len -= (size_t)n;
	}
	if (!len)
		return 0;
	return copy_by_hand(c, (uint64_t)from - c->from_off, len);
}

static int copy_data(const struct pool_copy *c)
{
	struct progress p = progress_of(c->what, c->len);
	uint64_t at = c->from_off, n;
	bool by_kernel = true;
	int err = 0;

	while (!err && (n = next_data(c->from, &at, c->from_off + c->len))) {
		n = min_u64(n, CHUNK);
		err = copy_chunk(c, at - c->from_off, n, &by_kernel);
		at += n;
		show(&p, at - c->from_off);
	}
	end_progress(&p);
	return err;
}

int pool_copy(const struct pool_copy *c)
{
	struct file_clone_range range = {
		.src_fd = c->from,
		.src_offset = c->from_off,
		.src_length = c->len,
		.dest_offset = c->to_off,
	};
	int err = 0;

	/* Without a byte moved, where the file system shares them. */
	if (ioctl(c->to, FICLONERANGE, &range))
		err = copy_data(c);
	if (!err && fdatasync(c->to))
		err = -errno;
	return err;
}
