// SPDX-License-Identifier: MIT
/*
 * disk_open.c - open a disk: is it one, is it free, what can it do.
 *
 * @syscalls: openat newfstatat fstat statx fcntl flock ioctl fallocate close
 * @syscalls: read clock_nanosleep getpid
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "virtio/backend/disk_int.h"

/* Of files of which the host does not say: no logical block is larger. */
#define UNIT_FALLBACK 4096u
#define UNIT_MAX      (64u << 10)

/*
 * The kernel lets go of files that an io_uring is at work on some time after
 * the process that had it is gone.
 */
#define RELEASE_WAIT_MS 2000

/* Where the words for the user go. */
struct reason {
	const char *path;
	char *text;
	size_t len;
};

/* "PATH: ..." for the user; gives @err back. */
__attribute__((format(printf, 3, 4))) static int
fail(const struct reason *why, int err, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(why->text, why->len, "%s: ", why->path);

	if (n < 0 || (size_t)n >= why->len)
		return err;
	va_start(ap, fmt);
	vsnprintf(why->text + n, why->len - (size_t)n, fmt, ap);
	va_end(ap);
	return err;
}

/* Kinds of files */

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFCHR:
		return "a character device";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	default:
		return "no disk image";
	}
}

static int check_type(const struct stat *st, const struct reason *why)
{
	if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
		return 0;
	return fail(why, S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL,
		    "is %s, expected a file or a block device",
		    type_name(st->st_mode));
}

/*
 * open(2), which refuses a block device (O_EXCL) as long as a minivmm that
 * has just ended still has it; nobody says who that is.
 */
static int open_patiently(const char *path, int flags)
{
	for (int waited = 0;; waited++) {
		int fd = open(path, flags);

		if (fd >= 0)
			return fd;
		if (errno != EBUSY || waited == RELEASE_WAIT_MS)
			return -errno;
		usleep(1000);
	}
}

static int explain_open(const struct disk_params *p, int err, bool is_block,
			const struct reason *why)
{
	switch (err) {
	case -ENOENT:
		return fail(why, err, "no such file");
	case -EACCES:
	case -EPERM:
		return fail(why, err, "no permission to %s it",
			    p->readonly ? "read" : "read and write");
	case -EROFS:
		return fail(why, err,
			    "cannot be written here, readonly=on reads it");
	case -EINVAL:
		if (p->direct)
			return fail(why, err,
				    "its file system refuses direct=on "
				    "(O_DIRECT)");
		break;
	case -EBUSY:
		if (is_block)
			return fail(why, err,
				    "in use: mounted, or opened by another "
				    "program");
		break;
	}
	return fail(why, err, "%s", strerror(-err));
}

static int open_file(struct disk *d, const struct disk_params *p,
		     const struct reason *why)
{
	/* O_NONBLOCK: not to wait for the other end of what is no disk. */
	int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct stat st;
	int err;

	/* Opening alone can do things to a device: look first. */
	if (stat(p->path, &st))
		return explain_open(p, -errno, false, why);
	err = check_type(&st, why);
	if (err)
		return err;

	flags |= p->readonly ? O_RDONLY : O_RDWR;
	flags |= p->direct ? O_DIRECT : 0;
	/* Of a block device: not while it is mounted. */
	flags |= S_ISBLK(st.st_mode) && !p->readonly ? O_EXCL : 0;
	d->fd = open_patiently(p->path, flags);
	if (d->fd < 0)
		return explain_open(p, d->fd, S_ISBLK(st.st_mode), why);

	/* It may be another file by now. */
	if (fstat(d->fd, &st))
		return fail(why, -errno, "%s", strerror(errno));
	err = check_type(&st, why);
	if (err)
		return err;
	d->is_block = S_ISBLK(st.st_mode);
	d->size = (uint64_t)st.st_size;
	if (fcntl(d->fd, F_SETFL, flags & O_DIRECT))
		return fail(why, -errno, "%s", strerror(errno));
	return 0;
}

/* Locking */

/*
 * The process that has an flock(2) on the file, or 0. A line of /proc/locks:
 * "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF".
 */
static int lock_holder(int fd)
{
	unsigned int dev_major, dev_minor;
	unsigned long long ino;
	char line[256];
	struct stat st;
	int pid, holder = 0;
	FILE *f;

	if (fstat(fd, &st))
		return 0;
	f = fopen("/proc/locks", "re");
	if (!f)
		return 0;
	while (!holder && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s FLOCK %*s %*s %d %x:%x:%llu", &pid,
			   &dev_major, &dev_minor, &ino) == 4 &&
		    makedev(dev_major, dev_minor) == st.st_dev &&
		    ino == st.st_ino)
			holder = pid;
	}
	fclose(f);
	return holder;
}

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

static int explain_lock(int pid, const struct reason *why)
{
	if (pid == getpid())
		return fail(why, -EBUSY,
			    "in use by another disk of this minivmm");
	if (pid > 0)
		return fail(why, -EBUSY, "in use by another minivmm (pid %d)",
			    pid);
	return fail(why, -EBUSY, "in use by another minivmm");
}

static int try_lock(const struct disk *d)
{
	int mode = d->readonly ? LOCK_SH : LOCK_EX;

	while (flock(d->fd, mode | LOCK_NB)) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/*
 * The kernel ends the io_uring of a killed process, and the writes in it,
 * some time after the process: until then the file is rightly locked, and
 * nobody is there who could be asked to give it up. That time is waited for.
 */
static int lock_file(const struct disk *d, const struct reason *why)
{
	int err, pid;

	for (int waited = 0;; waited++) {
		err = try_lock(d);
		if (err != -EWOULDBLOCK)
			break;
		pid = lock_holder(d->fd);
		if (!is_gone(pid) || waited == RELEASE_WAIT_MS)
			return explain_lock(pid, why);
		usleep(1000);
	}
	if (err)
		log_warn("%s: cannot be locked (%s): nothing keeps another VM "
			 "from using it",
			 why->path, strerror(-err));
	return 0;
}

/* Sizes and alignment */

static int get_block_size(struct disk *d, const struct reason *why)
{
	int size, readonly = 0;

	if (!d->is_block)
		return 0;
	if (ioctl(d->fd, BLKGETSIZE64, &d->size) ||
	    ioctl(d->fd, BLKSSZGET, &size))
		return fail(why, -errno, "%s", strerror(errno));
	d->block_size = (unsigned int)size;
	if (!d->readonly && !ioctl(d->fd, BLKROGET, &readonly) && readonly)
		return fail(why, -EROFS,
			    "is a read-only device, readonly=on reads it");
	return 0;
}

/* What the kernel (from 6.1 on) says of O_DIRECT; false: nothing. */
static bool ask_alignment(struct disk *d)
{
	struct statx stx;

	memset(&stx, 0, sizeof(stx));
	if (statx(d->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx))
		return false;
	if (!(stx.stx_mask & STATX_DIOALIGN))
		return false;
	d->mem_align = stx.stx_dio_mem_align;
	d->unit = stx.stx_dio_offset_align;
	return true;
}

static int get_alignment(struct disk *d, const struct reason *why)
{
	d->mem_align = 1;
	d->unit = 1;
	if (!d->direct)
		return 0;

	if (!ask_alignment(d)) {
		d->unit = d->is_block ? d->block_size : UNIT_FALLBACK;
		d->mem_align = d->unit;
	}
	if (!d->unit || !d->mem_align)
		return fail(why, -EINVAL,
			    "its file system refuses direct=on (O_DIRECT)");
	if (disk_alignment(d) > UNIT_MAX)
		return fail(why, -EINVAL,
			    "direct=on needs units of %u bytes, "
			    "more than is supported",
			    disk_alignment(d));
	/* The last unit could not be written without making the file longer. */
	if (!disk_in_units(d, d->size, 0))
		return fail(why, -EINVAL,
			    "its size, %llu, is not a multiple of %u bytes, "
			    "as direct=on needs it here",
			    (unsigned long long)d->size, d->unit);
	return 0;
}

static int check_size(const struct disk *d, const struct reason *why)
{
	if (!d->size)
		return fail(why, -EINVAL,
			    "is empty, expected a multiple of 512 bytes");
	if (d->size % DISK_SECTOR)
		return fail(why, -EINVAL,
			    "its size, %llu, is not a multiple of 512 bytes",
			    (unsigned long long)d->size);
	return 0;
}

/* A hole behind the end is no change. */
static bool probe_discard(const struct disk *d)
{
	if (d->readonly)
		return false;
	return d->is_block ||
	       !fallocate(d->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)checked_round_up(d->size, UNIT_FALLBACK),
			  UNIT_FALLBACK);
}

static int examine(struct disk *d, const struct disk_params *p,
		   const struct reason *why)
{
	int err = open_file(d, p, why);

	if (!err)
		err = lock_file(d, why);
	if (!err)
		err = get_block_size(d, why);
	if (!err)
		err = check_size(d, why);
	if (!err)
		err = get_alignment(d, why);
	return err;
}

int disk_open(struct disk **out, const struct disk_params *p, struct loop *loop,
	      char *why, size_t why_len)
{
	const struct reason reason = { p->path, why, why_len };
	struct disk *d = calloc(1, sizeof(*d));
	int err = -ENOMEM;

	*out = NULL;
	if (!d)
		return fail(&reason, err, "%s", strerror(ENOMEM));
	d->fd = -1;
	d->loop = loop;
	d->readonly = p->readonly;
	d->direct = p->direct;
	disk_gate_init(&d->gate);
	disk_zero_init(d);

	d->path = strdup(p->path);
	if (!d->path) {
		fail(&reason, err, "%s", strerror(ENOMEM));
		goto free_disk;
	}
	err = examine(d, p, &reason);
	if (err)
		goto close_disk;
	d->can_discard = probe_discard(d);
	*out = d;
	return 0;

close_disk:
	fd_close(&d->fd);
	free(d->path);
free_disk:
	free(d);
	return err;
}

void disk_close(struct disk *d)
{
	if (!d)
		return;
	fd_close(&d->fd);
	disk_bounce_fini(d);
	free(d->path);
	free(d);
}
