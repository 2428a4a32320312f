// SPDX-License-Identifier: MIT
/*
 * disk_open.c - open a disk: is it one, is it free, what can it do.
 *
 * @syscalls: openat newfstatat fstat statx fcntl ioctl fallocate close
 * @syscalls: pread64 clock_nanosleep
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
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "virtio/backend/disk_gpt.h"
#include "virtio/backend/disk_int.h"
#include "virtio/backend/disk_lock.h"

/* Of files of which the host does not say: no logical block is larger. */
#define UNIT_FALLBACK 4096u
#define UNIT_MAX      (64u << 10)

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

static bool is_window(const struct disk_params *p)
{
	return p->offset || p->size;
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
		if (errno != EBUSY || waited == DISK_LOCK_WAIT_MS)
			return -errno;
		usleep(1000);
	}
}

/*
 * A block device is not written while it is mounted: O_EXCL says so. Only one
 * may have it open like that, which is too few for users of parts of it: they
 * ask, and open it without.
 */
static int open_unmounted(const struct disk_params *p, int flags, bool ask)
{
	int fd;

	if (!ask)
		return open_patiently(p->path, flags);
	fd = open_patiently(p->path, flags | O_EXCL);
	if (fd < 0 || (!p->partition && !is_window(p)))
		return fd;
	fd_close(&fd);
	return open_patiently(p->path, flags);
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
			    p->readonly || p->layer ? "read"
						    : "read and write");
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

	flags |= d->shares ? O_RDONLY : O_RDWR;
	flags |= p->direct ? O_DIRECT : 0;
	d->fd = open_unmounted(p, flags, S_ISBLK(st.st_mode) && !d->shares);
	if (d->fd < 0)
		return explain_open(p, d->fd, S_ISBLK(st.st_mode), why);

	/* It may be another file by now. */
	if (fstat(d->fd, &st))
		return fail(why, -errno, "%s", strerror(errno));
	err = check_type(&st, why);
	if (err)
		return err;
	d->is_block = S_ISBLK(st.st_mode);
	if (fcntl(d->fd, F_SETFL, flags & O_DIRECT))
		return fail(why, -errno, "%s", strerror(errno));
	return 0;
}

/* Its size, its bytes of the file, and the locks on them */

static int get_file_size(struct disk *d, const struct reason *why)
{
	int size, readonly = 0;
	struct stat st;

	if (fstat(d->fd, &st))
		return fail(why, -errno, "%s", strerror(errno));
	d->file_size = (uint64_t)st.st_size;
	if (!d->is_block)
		return 0;
	if (ioctl(d->fd, BLKGETSIZE64, &d->file_size) ||
	    ioctl(d->fd, BLKSSZGET, &size))
		return fail(why, -errno, "%s", strerror(errno));
	d->block_size = (unsigned int)size;
	if (!d->shares && !ioctl(d->fd, BLKROGET, &readonly) && readonly)
		return fail(why, -EROFS,
			    "is a read-only device, readonly=on reads it");
	return 0;
}

/* What a lock came to: -EBUSY is told, others do not keep from going on. */
static int check_lock(struct disk *d, int err, int pid,
		      const struct reason *why)
{
	char words[64];

	if (err == -EBUSY) {
		disk_lock_explain(pid, words, sizeof(words));
		return fail(why, err, "%s", words);
	}
	if (err && !d->said_lock)
		log_warn("%s: cannot be locked (%s): nothing keeps another VM "
			 "from using it",
			 why->path, strerror(-err));
	d->said_lock |= err != 0;
	return 0;
}

static int lock_file(struct disk *d, bool whole, const struct reason *why)
{
	int pid, err;

	err = disk_lock_file(d->fd, whole && !d->shares, &pid);
	return check_lock(d, err, pid, why);
}

/* @len 0: to the end of all files. */
static int lock_range(struct disk *d, uint64_t len, const struct reason *why)
{
	int pid, err;

	err = disk_lock_range(d->fd, d->base, len, !d->shares, &pid);
	return check_lock(d, err, pid, why);
}

static int take_whole(struct disk *d, const struct reason *why)
{
	int err = lock_file(d, true, why);

	d->size = d->file_size;
	return err ? err : lock_range(d, 0, why);
}

static int take_window(struct disk *d, const struct disk_params *p,
		       const struct reason *why)
{
	uint64_t room = d->file_size - min_u64(d->file_size, p->offset);
	int err;

	d->base = p->offset;
	d->size = p->size ? p->size : room;
	if (!room || d->size > room)
		return fail(why, -EINVAL,
			    "has %llu bytes, and offset and size leave them",
			    (unsigned long long)d->file_size);
	err = lock_file(d, false, why);
	return err ? err : lock_range(d, d->size, why);
}

/* O_DIRECT wants aligned buffers, which tables are not read with. */
static int read_table(struct disk *d, struct disk_gpt **out,
		      const struct reason *why)
{
	char words[160] = "";
	int err;

	if (d->direct && fcntl(d->fd, F_SETFL, 0))
		return fail(why, -errno, "%s", strerror(errno));
	err = disk_gpt_read(out, d->fd, d->file_size, d->block_size, words,
			    sizeof(words));
	if (err)
		return fail(why, err, "%s", words);
	if ((*out)->from_copy)
		log_warn("%s: its partition table is damaged; the copy at its "
			 "end is used",
			 why->path);
	if (d->direct && fcntl(d->fd, F_SETFL, O_DIRECT)) {
		free(*out);
		return fail(why, -errno, "%s", strerror(errno));
	}
	return 0;
}

static int find_partition(struct disk *d, const char *name,
			  const struct reason *why)
{
	const struct disk_gpt_part *part;
	struct disk_gpt *gpt;
	int err = read_table(d, &gpt, why);

	if (err)
		return err;
	err = disk_gpt_find(gpt, name, &part);
	if (!err) {
		d->base = part->off;
		d->size = part->len;
	} else if (err == -ENOENT) {
		fail(why, err, "has no partition '%.108s'", name);
	} else {
		fail(why, err, "has more than one partition '%.108s'", name);
	}
	free(gpt);
	return err;
}

/* Who changes a table has it for milliseconds. */
static int lock_table(struct disk *d, const struct reason *why)
{
	int pid, err;

	for (int waited = 0;; waited++) {
		err = disk_lock_range(d->fd, DISK_LOCK_TABLE, 1, false, &pid);
		if (err != -EBUSY || waited == DISK_LOCK_WAIT_MS)
			return check_lock(d, err, pid, why);
		usleep(1000);
	}
}

static int take_partition(struct disk *d, const struct disk_params *p,
			  const struct reason *why)
{
	int err = lock_file(d, false, why);

	if (!err)
		err = lock_table(d, why);
	/* It may have grown while the table was changed. */
	if (!err)
		err = get_file_size(d, why);
	if (!err)
		err = find_partition(d, p->partition, why);
	if (!err)
		err = lock_range(d, d->size, why);
	disk_unlock_range(d->fd, DISK_LOCK_TABLE, 1);
	return err;
}

static int take_bytes(struct disk *d, const struct disk_params *p,
		      const struct reason *why)
{
	if (p->partition)
		return take_partition(d, p, why);
	if (is_window(p))
		return take_window(d, p, why);
	return take_whole(d, why);
}

/* Sizes and alignment */

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
	if (disk_has_layer(d))
		d->unit = DISK_LAYER_BLOCK;
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
	if (!disk_in_units(d, d->base, 0))
		return fail(why, -EINVAL,
			    "begins at byte %llu of it, which is not a "
			    "multiple of %u, as direct=on needs it here",
			    (unsigned long long)d->base, d->unit);
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
	if (d->base % max_u64(d->block_size, DISK_SECTOR))
		return fail(why, -EINVAL,
			    "begins at byte %llu of it, expected a multiple of "
			    "%u",
			    (unsigned long long)d->base,
			    (unsigned int)max_u64(d->block_size, DISK_SECTOR));
	return 0;
}

/* A hole behind the end is no change. */
static bool probe_discard(const struct disk *d)
{
	if (d->readonly)
		return false;
	return d->is_block || disk_has_layer(d) ||
	       !fallocate(d->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)checked_round_up(d->file_size, UNIT_FALLBACK),
			  UNIT_FALLBACK);
}

static int add_layer(struct disk *d, const struct disk_params *p,
		     const struct reason *why)
{
	int err = disk_layer_open(d, p->layer);

	if (err)
		return fail(why, err,
			    "no temporary file for what is written, in %s "
			    "(TMPDIR): %s",
			    p->layer, strerror(-err));
	return 0;
}

static int examine(struct disk *d, const struct disk_params *p,
		   const struct reason *why)
{
	int err = open_file(d, p, why);

	if (!err)
		err = get_file_size(d, why);
	if (!err)
		err = take_bytes(d, p, why);
	if (!err)
		err = check_size(d, why);
	if (!err && p->layer)
		err = add_layer(d, p, why);
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
	d->layer.fd = -1;
	d->readonly = p->readonly;
	d->shares = p->readonly || p->layer;
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
	disk_layer_close(d);
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
	disk_layer_close(d);
	fd_close(&d->fd);
	disk_bounce_fini(d);
	free(d->path);
	free(d);
}
