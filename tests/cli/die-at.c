// SPDX-License-Identifier: MIT
/*
 * die-at.c - a library for LD_PRELOAD: the process ends at the Nth call that
 * changes a file (DIE_AT=N), as if it was killed. With DIE_HALF=1 a write
 * moves half of its bytes before.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define STATUS 99

static int calls_left = -1;

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

static int is_last(void)
{
	const char *s = getenv("DIE_AT");

	if (calls_left < 0)
		calls_left = s ? (int)strtol(s, NULL, 10) : 0;
	return calls_left && --calls_left == 0;
}

static void die_if_last(void)
{
	if (is_last())
		_exit(STATUS);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	ssize_t (*call)(int, const void *, size_t, off_t) = next("pwrite");

	if (is_last()) {
		if (getenv("DIE_HALF"))
			call(fd, buf, len / 2, off);
		_exit(STATUS);
	}
	return call(fd, buf, len, off);
}

int fallocate(int fd, int mode, off_t off, off_t len)
{
	int (*call)(int, int, off_t, off_t) = next("fallocate");

	die_if_last();
	return call(fd, mode, off, len);
}

int ftruncate(int fd, off_t len)
{
	int (*call)(int, off_t) = next("ftruncate");

	die_if_last();
	return call(fd, len);
}

int fdatasync(int fd)
{
	int (*call)(int) = next("fdatasync");

	die_if_last();
	return call(fd);
}

int fsync(int fd)
{
	int (*call)(int) = next("fsync");

	die_if_last();
	return call(fd);
}

ssize_t copy_file_range(int from, off_t *from_off, int to, off_t *to_off,
			size_t len, unsigned int flags)
{
	ssize_t (*call)(int, off_t *, int, off_t *, size_t, unsigned int) =
		next("copy_file_range");

	die_if_last();
	return call(from, from_off, to, to_off, len, flags);
}

int linkat(int from, const char *path, int to, const char *name, int flags)
{
	int (*call)(int, const char *, int, const char *, int) = next("linkat");

	die_if_last();
	return call(from, path, to, name, flags);
}
