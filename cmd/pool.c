// SPDX-License-Identifier: MIT
/*
 * pool.c - a pool: opening and locking it, its partitions and its gaps.
 */
#include "cmd/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
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
#include "cmd/status.h"
#include "config/config.h"
#include "virtio/backend/disk_gpt.h"
#include "virtio/backend/disk_lock.h"

/* Who reads a table that is being written reads it again, in effect. */
#define LOOK_WAIT_MS 500

int pool_fail(const struct pool *p, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return status_fail("%s: %s", p->path, text);
}

/* Opening */

/* A device is changed only while nothing of it is mounted. */
static int check_mounted(const struct pool *p)
{
	int fd = open(p->path, O_RDWR | O_EXCL | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == EBUSY)
		return pool_fail(p, "in use: mounted, or opened by another "
				    "program");
	fd_close(&fd);
	return 0;
}

static int open_file(struct pool *p, bool change)
{
	struct stat st;
	int err = 0;

	if (stat(p->path, &st))
		return pool_fail(p, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return pool_fail(p, "expected an image file or a block device");
	p->is_block = S_ISBLK(st.st_mode);
	if (p->is_block && change)
		err = check_mounted(p);
	if (err)
		return err;
	p->fd = open(p->path, (change ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (p->fd < 0 || fstat(p->fd, &st))
		return pool_fail(p, "%s", strerror(errno));
	p->size = (uint64_t)st.st_size;
	return 0;
}

static int ask_device(struct pool *p)
{
	int sector;

	if (!p->is_block)
		return 0;
	if (ioctl(p->fd, BLKGETSIZE64, &p->size) ||
	    ioctl(p->fd, BLKSSZGET, &sector))
		return pool_fail(p, "%s", strerror(errno));
	p->sector = (unsigned int)sector;
	return 0;
}

static int check_lock(const struct pool *p, int err, int pid,
		      const char *before)
{
	char words[64];

	if (!err)
		return 0;
	if (err != -EBUSY)
		return pool_fail(p, "cannot be locked: %s", strerror(-err));
	disk_lock_explain(pid, words, sizeof(words));
	return pool_fail(p, "%s%s", before, words);
}

/* Who writes the table has it for milliseconds; who writes all looks, too. */
static int lock_to_look(const struct pool *p)
{
	int pid;

	for (int waited = 0; waited < LOOK_WAIT_MS; waited++) {
		if (disk_lock_range(p->fd, DISK_LOCK_TABLE, 1, false, &pid) !=
		    -EBUSY)
			break;
		usleep(1000);
	}
	return 0;
}

static int lock_pool(const struct pool *p, bool change)
{
	int pid, err;

	if (!change)
		return lock_to_look(p);
	err = disk_lock_file(p->fd, false, &pid);
	if (!err)
		err = disk_lock_range(p->fd, DISK_LOCK_CHANGE, 1, true, &pid);
	return check_lock(p, err, pid, "");
}

void pool_let_table_change(const struct pool *p)
{
	disk_unlock_range(p->fd, DISK_LOCK_TABLE, 1);
}

static int read_table(struct pool *p)
{
	char why[160];
	int err;

	err = disk_gpt_read(&p->gpt, p->fd, p->size, p->sector, why,
			    sizeof(why));
	if (err == -ENODATA)
		return 0;
	if (err)
		return pool_fail(p, "%s", why);
	if (p->gpt->from_copy)
		log_warn("%s: its partition table is damaged; the copy at its "
			 "end is used",
			 p->path);
	p->sector = p->gpt->sector;
	return 0;
}

int pool_open(struct pool *p, const char *path, bool change)
{
	int err;

	*p = (struct pool){ .path = path, .fd = -1 };
	err = open_file(p, change);
	if (!err)
		err = ask_device(p);
	if (!err)
		err = lock_pool(p, change);
	return err ? err : read_table(p);
}

void pool_close(struct pool *p)
{
	fd_close(&p->fd);
	free(p->gpt);
	p->gpt = NULL;
}

/* Partitions */

static int need_table(const struct pool *p)
{
	if (p->gpt)
		return 0;
	return pool_fail(p, "has no partition table (GPT); 'minivmm disk "
			    "create POOL SIZE' makes a pool");
}

int pool_find(const struct pool *p, const char *name,
	      const struct disk_gpt_part **out)
{
	int err = need_table(p);

	if (err)
		return err;
	err = disk_gpt_find(p->gpt, name, out);
	if (err == -ENOENT)
		return pool_fail(p, "has no partition '%.108s'", name);
	if (err)
		return pool_fail(p, "has more than one partition '%.108s'",
				 name);
	return 0;
}

/*
 * The bytes of the character of UTF-8 at @s and what it takes of UTF-16, or 0.
 * libfdisk writes no pairs, so characters of four bytes are none.
 */
static unsigned int char_len(const unsigned char *s)
{
	if (*s < 0x80)
		return *s >= ' ' && *s != 0x7f ? 1 : 0;
	if (*s >= 0xc2 && *s < 0xe0)
		return (s[1] & 0xc0) == 0x80 ? 2 : 0;
	if (*s >= 0xe0 && *s < 0xf0 && !(*s == 0xe0 && s[1] < 0xa0) &&
	    !(*s == 0xed && s[1] > 0x9f))
		return (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 ? 3 : 0;
	return 0;
}

static bool is_name(const char *name)
{
	const unsigned char *s = (const void *)name;
	unsigned int units = 0, n;

	for (; *s; s += n) {
		n = char_len(s);
		if (!n || ++units > DISK_GPT_UNITS)
			return false;
	}
	return units > 0;
}

int pool_check_name(const struct pool *p, const char *name)
{
	const struct disk_gpt_part *part;
	int err = need_table(p);

	if (err)
		return err;
	if (!is_name(name))
		return pool_fail(p,
				 "expected a name of 1 to %d characters, none "
				 "of them a control character",
				 DISK_GPT_UNITS);
	if (disk_gpt_find(p->gpt, name, &part) != -ENOENT)
		return pool_fail(p, "has a partition '%s' already", name);
	return 0;
}

int pool_lock(const struct pool *p, uint64_t off, uint64_t len, bool exclusive,
	      const char *name)
{
	char before[160];
	int pid, err;

	snprintf(before, sizeof(before), "partition '%.108s' is ", name);
	err = disk_lock_range(p->fd, off, len, exclusive, &pid);
	return check_lock(p, err, pid, before);
}

/* Gaps */

/* The first partition that ends behind @at, by where it lies, or NULL. */
static const struct disk_gpt_part *next_part(const struct pool *p, uint64_t at)
{
	const struct disk_gpt_part *best = NULL;

	for (unsigned int i = 0; i < p->gpt->nr_parts; i++) {
		const struct disk_gpt_part *part = &p->gpt->parts[i];

		if (part->off + part->len > at &&
		    (!best || part->off < best->off))
			best = part;
	}
	return best;
}

/*
 * The next aligned gap at *at or behind it: its start as *at; returns its
 * length, 0 for none.
 */
static uint64_t next_gap(const struct pool *p, uint64_t *at)
{
	const struct disk_gpt_part *part;
	uint64_t end;

	*at = checked_round_up(max_u64(*at, p->gpt->first), POOL_ALIGN);
	while (*at < p->gpt->end) {
		part = next_part(p, *at);
		end = part ? part->off : p->gpt->end;
		if (end > *at)
			return end - *at;
		*at = checked_round_up(part->off + part->len, POOL_ALIGN);
	}
	return 0;
}

void pool_free_bytes(const struct pool *p, uint64_t *all, uint64_t *largest)
{
	uint64_t at = 0, len;

	*all = *largest = 0;
	while ((len = next_gap(p, &at))) {
		*all += len;
		*largest = max_u64(*largest, len);
		at += len;
	}
}

uint64_t pool_room_behind(const struct pool *p,
			  const struct disk_gpt_part *part)
{
	uint64_t end = part->off + part->len;
	const struct disk_gpt_part *next = next_part(p, end);

	return (next ? next->off : p->gpt->end) - end;
}

static int no_room(const struct pool *p, uint64_t len)
{
	char want[32], have[32];
	uint64_t all, largest;

	pool_free_bytes(p, &all, &largest);
	config_show_size(len, want, sizeof(want));
	config_show_size(largest, have, sizeof(have));
	return pool_fail(p, "no room for %s; the largest gap has %s", want,
			 have);
}

int pool_take_gap(const struct pool *p, uint64_t len, uint64_t *off)
{
	uint64_t at = 0, gap;
	int pid, err;

	for (; (gap = next_gap(p, &at)); at += gap) {
		if (gap < len || disk_lock_test(p->fd, at, len) > 0)
			continue;
		err = disk_lock_range(p->fd, at, len, true, &pid);
		if (err)
			return check_lock(p, err, pid, "free space is ");
		err = pool_zero(p->fd, at, len);
		if (err)
			return pool_fail(p, "%s", strerror(-err));
		*off = at;
		return 0;
	}
	return no_room(p, len);
}
