// SPDX-License-Identifier: MIT
/*
 * file.c - the files a machine boots from, and what is said when one is bad.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/checked.h"
#include "base/fd.h"
#include "memory/boot/loader.h"
#include "memory/ram.h"

int boot_fail(const struct boot_loader *l, const char *name, int err,
	      const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(l->why, l->why_len, "%s: %s", name, text);
	return err;
}

int boot_fail_memory(const struct boot_loader *l, const char *name,
		     uint64_t needed)
{
	uint64_t mib = checked_round_up(needed, 1 << 20) >> 20;

	if (l->low_end == LAYOUT_HOLE_BASE)
		return boot_fail(l, name, -ENOMEM,
				 "needs %llu MiB of memory in one piece, a "
				 "guest has 3072 at most",
				 (unsigned long long)mib);
	return boot_fail(l, name, -ENOMEM,
			 "needs %llu MiB of memory, the guest has %llu",
			 (unsigned long long)mib,
			 (unsigned long long)(l->low_end >> 20));
}

int boot_file_open(const struct boot_loader *l, int fd, const char *name,
		   const char *what, struct boot_file *out)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		int err = -errno;

		return boot_fail(l, name, err, "%s", strerror(-err));
	}
	if (S_ISDIR(st.st_mode))
		return boot_fail(l, name, -EISDIR,
				 "is a directory, expected %s", what);
	if (!S_ISREG(st.st_mode))
		return boot_fail(l, name, -EINVAL,
				 "not a regular file, expected %s", what);
	if (!st.st_size)
		return boot_fail(l, name, -ENOEXEC,
				 "is an empty file, expected %s", what);

	*out = (struct boot_file){
		.fd = fd,
		.name = name,
		.size = (uint64_t)st.st_size,
	};
	return 0;
}

static int truncated(const struct boot_loader *l, const struct boot_file *f,
		     uint64_t end)
{
	return boot_fail(l, f->name, -ENOEXEC,
			 "truncated: %llu bytes expected, the file has %llu",
			 (unsigned long long)end, (unsigned long long)f->size);
}

int boot_file_read(const struct boot_loader *l, const struct boot_file *f,
		   uint64_t off, void *buf, size_t len)
{
	uint64_t end;
	ssize_t n;

	if (!checked_add_u64(off, len, &end))
		end = UINT64_MAX;
	if (end > f->size)
		return truncated(l, f, end);
	n = fd_pread_all(f->fd, buf, len, off);
	if (n < 0)
		return boot_fail(l, f->name, (int)n, "read: %s",
				 strerror((int)-n));
	if ((size_t)n < len)
		return truncated(l, f, end);
	return 0;
}

int boot_file_load(const struct boot_loader *l, const struct boot_file *f,
		   uint64_t off, gpa_t gpa, uint64_t len)
{
	void *host;
	int err;

	if (!len)
		return 0;
	host = ram_ptr(l->ram, gpa, len);
	if (!host)
		return boot_fail_memory(l, f->name, gpa + len);
	err = boot_file_read(l, f, off, host, len);
	if (err)
		return err;
	ram_written(l->ram, gpa, len);
	return 0;
}
