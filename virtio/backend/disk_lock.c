// SPDX-License-Identifier: MIT
/*
 * disk_lock.c - who may use which bytes of an image.
 *
 * @syscalls: flock fcntl fstat openat read getdents64 close
 * @syscalls: clock_nanosleep getpid
 */
#include "virtio/backend/disk_lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/checked.h"

/* What is to be locked. */
struct wish {
	int fd;
	bool whole; /* by flock(2) */
	bool exclusive;
	uint64_t off, len;
	struct stat st;
};

/* Who has it? The kernel tells users, not the callers of its locks. */

/*
 * Whether process @pid has ended, its parent not knowing yet included. True
 * for 0: the lock is free by now, or its owner is not to be seen from here.
 */
static bool is_gone(int pid)
{
	char path[32], state = 'Z';
	FILE *f;

	if (!pid)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT;
	/* "1234 (its name) S ..." */
	(void)!fscanf(f, "%*d (%*[^)]) %c", &state);
	fclose(f);
	return state == 'Z' || state == 'X';
}

static bool is_same(const struct wish *w, unsigned int dev_major,
		    unsigned int dev_minor, unsigned long long ino)
{
	return makedev(dev_major, dev_minor) == w->st.st_dev &&
	       ino == w->st.st_ino;
}

/*
 * Is @line of a /proc/PID/fdinfo file a lock that is in the way:
 * "lock:	1: OFDLCK  ADVISORY  WRITE -1 fe:00:5678 1048576 2097151"?
 */
static bool is_range_in_way(const struct wish *w, const char *line)
{
	unsigned int dev_major, dev_minor;
	unsigned long long ino, from, to;
	char mode[8], last[24];

	if (sscanf(line, "lock: %*s OFDLCK %*s %7s %*d %x:%x:%llu %llu %23s",
		   mode, &dev_major, &dev_minor, &ino, &from, last) != 6 ||
	    !is_same(w, dev_major, dev_minor, ino))
		return false;
	to = strcmp(last, "EOF") == 0 ? INT64_MAX : strtoull(last, NULL, 10);
	if (!w->exclusive && strcmp(mode, "WRITE") != 0)
		return false;
	return ranges_overlap(from, to - from + 1, w->off,
			      w->len ? w->len : INT64_MAX);
}

static bool has_line_in_way(const struct wish *w, const char *path)
{
	bool found = false;
	char line[256];
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = is_range_in_way(w, line);
	fclose(f);
	return found;
}

static bool has_range_in_way(const struct wish *w, int pid)
{
	char folder[32], path[300];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(folder, sizeof(folder), "/proc/%d/fdinfo", pid);
	d = opendir(folder);
	if (!d)
		return false;
	while (!found && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		found = e->d_name[0] != '.' && has_line_in_way(w, path);
	}
	closedir(d);
	return found;
}

static bool is_in_way(const struct wish *w, const char *mode, int pid)
{
	if (is_gone(pid))
		return false;
	if (w->whole)
		return w->exclusive || strcmp(mode, "WRITE") == 0;
	return has_range_in_way(w, pid);
}

/*
 * A living process that is in the way of @w, or 0. All have an flock(2); a
 * line of /proc/locks: "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF".
 */
static int find_holder(struct wish *w)
{
	unsigned int dev_major, dev_minor;
	unsigned long long ino;
	char line[256], mode[8];
	int pid, holder = 0;
	FILE *f;

	if (fstat(w->fd, &w->st))
		return 0;
	f = fopen("/proc/locks", "re");
	if (!f)
		return 0;
	while (!holder && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s FLOCK %*s %7s %d %x:%x:%llu", mode, &pid,
			   &dev_major, &dev_minor, &ino) == 5 &&
		    is_same(w, dev_major, dev_minor, ino) &&
		    is_in_way(w, mode, pid))
			holder = pid;
	}
	fclose(f);
	return holder;
}

/* Taking locks */

static int try_file(const struct wish *w)
{
	int mode = w->exclusive ? LOCK_EX : LOCK_SH;

	while (flock(w->fd, mode | LOCK_NB)) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static struct flock describe(uint64_t off, uint64_t len, short type)
{
	return (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)off,
		.l_len = (off_t)len,
	};
}

static int try_range(const struct wish *w)
{
	struct flock l =
		describe(w->off, w->len, w->exclusive ? F_WRLCK : F_RDLCK);

	if (!fcntl(w->fd, F_OFD_SETLK, &l))
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

static int take(struct wish *w, int *pid)
{
	int err;

	for (int waited = 0;; waited++) {
		err = w->whole ? try_file(w) : try_range(w);
		if (err != -EAGAIN)
			return err;
		*pid = find_holder(w);
		if (*pid || waited == DISK_LOCK_WAIT_MS)
			return -EBUSY;
		usleep(1000);
	}
}

int disk_lock_file(int fd, bool exclusive, int *pid)
{
	struct wish w = { .fd = fd, .whole = true, .exclusive = exclusive };

	*pid = 0;
	return take(&w, pid);
}

int disk_lock_range(int fd, uint64_t off, uint64_t len, bool exclusive,
		    int *pid)
{
	struct wish w = {
		.fd = fd, .exclusive = exclusive, .off = off, .len = len
	};

	*pid = 0;
	return take(&w, pid);
}

void disk_unlock_range(int fd, uint64_t off, uint64_t len)
{
	struct flock l = describe(off, len, F_UNLCK);

	fcntl(fd, F_OFD_SETLK, &l);
}

int disk_lock_test(int fd, uint64_t off, uint64_t len)
{
	struct flock l = describe(off, len, F_WRLCK);

	if (fcntl(fd, F_OFD_GETLK, &l))
		return -errno;
	return l.l_type != F_UNLCK;
}

void disk_lock_explain(int pid, char *buf, size_t len)
{
	if (pid == getpid())
		snprintf(buf, len, "in use by another disk of this minivmm");
	else if (pid > 0)
		snprintf(buf, len, "in use by another minivmm (pid %d)", pid);
	else
		snprintf(buf, len, "in use by another minivmm");
}
