// SPDX-License-Identifier: MIT
/*
 * pool_table.c - changing the table of a pool: by libfdisk, in a file in
 * memory, from where it is written to the pool in a safe order (pool.h).
 *
 * libfdisk is opened when it is needed, not linked: with what it needs itself
 * it is three shared libraries, a third of a millisecond at every start.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libfdisk.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "cmd/pool.h"
#include "virtio/backend/disk_gpt.h"
#include "virtio/backend/disk_lock.h"

/* What is copied of each end of a pool: tables, and more than those. */
#define ENDS (1ull << 20)

/* The calls of libfdisk that are made here. */
struct fdisk_calls {
	__typeof__(fdisk_new_context) *new_context;
	__typeof__(fdisk_unref_context) *unref_context;
	__typeof__(fdisk_disable_dialogs) *disable_dialogs;
	__typeof__(fdisk_save_user_sector_size) *save_user_sector_size;
	__typeof__(fdisk_assign_device) *assign_device;
	__typeof__(fdisk_deassign_device) *deassign_device;
	__typeof__(fdisk_create_disklabel) *create_disklabel;
	__typeof__(fdisk_write_disklabel) *write_disklabel;
	__typeof__(fdisk_new_partition) *new_partition;
	__typeof__(fdisk_unref_partition) *unref_partition;
	__typeof__(fdisk_partition_set_start) *set_start;
	__typeof__(fdisk_partition_set_size) *set_size;
	__typeof__(fdisk_partition_size_explicit) *size_explicit;
	__typeof__(fdisk_partition_set_name) *set_name;
	__typeof__(fdisk_partition_partno_follow_default) *default_partno;
	__typeof__(fdisk_add_partition) *add_partition;
	__typeof__(fdisk_set_partition) *set_partition;
	__typeof__(fdisk_delete_partition) *delete_partition;
};

static const struct {
	const char *name;
	size_t at;
} names[] = {
	{ "fdisk_new_context", offsetof(struct fdisk_calls, new_context) },
	{ "fdisk_unref_context", offsetof(struct fdisk_calls, unref_context) },
	{ "fdisk_disable_dialogs",
	  offsetof(struct fdisk_calls, disable_dialogs) },
	{ "fdisk_save_user_sector_size",
	  offsetof(struct fdisk_calls, save_user_sector_size) },
	{ "fdisk_assign_device", offsetof(struct fdisk_calls, assign_device) },
	{ "fdisk_deassign_device",
	  offsetof(struct fdisk_calls, deassign_device) },
	{ "fdisk_create_disklabel",
	  offsetof(struct fdisk_calls, create_disklabel) },
	{ "fdisk_write_disklabel",
	  offsetof(struct fdisk_calls, write_disklabel) },
	{ "fdisk_new_partition", offsetof(struct fdisk_calls, new_partition) },
	{ "fdisk_unref_partition",
	  offsetof(struct fdisk_calls, unref_partition) },
	{ "fdisk_partition_set_start",
	  offsetof(struct fdisk_calls, set_start) },
	{ "fdisk_partition_set_size", offsetof(struct fdisk_calls, set_size) },
	{ "fdisk_partition_size_explicit",
	  offsetof(struct fdisk_calls, size_explicit) },
	{ "fdisk_partition_set_name", offsetof(struct fdisk_calls, set_name) },
	{ "fdisk_partition_partno_follow_default",
	  offsetof(struct fdisk_calls, default_partno) },
	{ "fdisk_add_partition", offsetof(struct fdisk_calls, add_partition) },
	{ "fdisk_set_partition", offsetof(struct fdisk_calls, set_partition) },
	{ "fdisk_delete_partition",
	  offsetof(struct fdisk_calls, delete_partition) },
};

static int load(struct fdisk_calls *f)
{
	void *lib = dlopen("libfdisk.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return -ELIBACC;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		void *call = dlsym(lib, names[i].name);

		if (!call)
			return -ELIBBAD;
		memcpy((char *)f + names[i].at, &call, sizeof(call));
	}
	return 0;
}

/* The new table, in memory */

static int set_bounds(const struct fdisk_calls *f, const struct pool *p,
		      struct fdisk_partition *part, const struct pool_edit *e)
{
	int err;

	err = f->set_start(part, e->off / p->sector);
	if (!err)
		err = f->set_size(part, e->len / p->sector);
	if (!err)
		err = f->size_explicit(part, 1);
	return err;
}

static int edit_partition(const struct fdisk_calls *f, const struct pool *p,
			  struct fdisk_context *cxt, const struct pool_edit *e)
{
	struct fdisk_partition *part = f->new_partition();
	int err = -ENOMEM;

	if (!part)
		return err;
	err = set_bounds(f, p, part, e);
	if (!err && e->change == POOL_ADD)
		err = f->set_name(part, e->name);
	if (!err && e->change == POOL_ADD)
		err = f->default_partno(part, 1);
	if (!err && e->change == POOL_ADD)
		err = f->add_partition(cxt, part, NULL);
	else if (!err)
		err = f->set_partition(cxt, e->index, part);
	f->unref_partition(part);
	return err;
}

static int edit_label(const struct fdisk_calls *f, const struct pool *p,
		      struct fdisk_context *cxt, const struct pool_edit *e)
{
	switch (e->change) {
	case POOL_MAKE:
		return f->create_disklabel(cxt, "gpt");
	case POOL_ADD:
	case POOL_SET:
		return edit_partition(f, p, cxt, e);
	case POOL_DELETE:
		return f->delete_partition(cxt, e->index);
	case POOL_GROW:
		break; /* writing it is enough */
	}
	return 0;
}

static int edit_file(const struct fdisk_calls *f, const struct pool *p, int fd,
		     const struct pool_edit *e)
{
	struct fdisk_context *cxt = f->new_context();
	char path[40];
	int err;

	if (!cxt)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	f->disable_dialogs(cxt, 1);
	err = f->save_user_sector_size(cxt, p->sector, p->sector);
	if (!err)
		err = f->assign_device(cxt, path, 0);
	if (err)
		goto unref;
	err = edit_label(f, p, cxt, e);
	if (!err)
		err = f->write_disklabel(cxt);
	f->deassign_device(cxt, 1);
unref:
	f->unref_context(cxt);
	return err;
}

/* @len bytes at @off of one file into another. 0 or -errno. */
static int copy_bytes(int from, int to, uint64_t off, uint64_t len)
{
	char *buf = malloc(len);
	ssize_t n;
	int err;

	if (!buf)
		return -ENOMEM;
	n = fd_pread_all(from, buf, len, off);
	err = n < 0 ? (int)n : fd_pwrite_all(to, buf, (size_t)n, off);
	free(buf);
	return err;
}

/* A file in memory with the ends of the pool. A descriptor or -errno. */
static int copy_ends(const struct pool *p)
{
	uint64_t n = min_u64(ENDS, p->size / 2);
	int fd = memfd_create("table", MFD_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = ftruncate(fd, (off_t)p->size) ? -errno : 0;
	if (!err && p->gpt)
		err = copy_bytes(p->fd, fd, 0, n);
	if (!err && p->gpt)
		err = copy_bytes(p->fd, fd, p->size - n, n);
	if (err)
		fd_close(&fd);
	return err ? err : fd;
}

/* Is it what was asked for, and everything else as it was? */

static bool is_edit(const struct disk_gpt_part *part, const struct pool_edit *e)
{
	return part && part->off == e->off && part->len == e->len &&
	       (e->change == POOL_SET || strcmp(part->name, e->name) == 0);
}

static const struct disk_gpt_part *part_of(const struct disk_gpt *g,
					   unsigned int index)
{
	for (unsigned int i = 0; g && i < g->nr_parts; i++)
		if (g->parts[i].index == index)
			return &g->parts[i];
	return NULL;
}

/* The entry that was not there. */
static const struct disk_gpt_part *added(const struct disk_gpt *old,
					 const struct disk_gpt *new)
{
	for (unsigned int i = 0; i < new->nr_parts; i++)
		if (!part_of(old, new->parts[i].index))
			return &new->parts[i];
	return NULL;
}

static bool has_others(const struct disk_gpt *old, const struct disk_gpt *new,
		       const struct pool_edit *e)
{
	bool one = e->change == POOL_SET || e->change == POOL_DELETE;

	for (unsigned int i = 0; old && i < old->nr_parts; i++) {
		const struct disk_gpt_part *a = &old->parts[i];
		const struct disk_gpt_part *b = part_of(new, a->index);

		if (one && a->index == e->index)
			continue;
		if (!b || a->off != b->off || a->len != b->len ||
		    strcmp(a->name, b->name) != 0)
			return false;
	}
	return true;
}

static bool is_as_wanted(const struct disk_gpt *old, const struct disk_gpt *new,
			 const struct pool_edit *e)
{
	unsigned int nr = old ? old->nr_parts : 0;

	if (new->from_copy || !has_others(old, new, e))
		return false;
	switch (e->change) {
	case POOL_ADD:
		return new->nr_parts == nr + 1 && is_edit(added(old, new), e);
	case POOL_SET:
		return new->nr_parts == nr &&is_edit(part_of(new, e->index), e);
	case POOL_DELETE:
		return new->nr_parts == nr - 1;
	case POOL_MAKE:
	case POOL_GROW:
		break;
	}
	return new->nr_parts == nr;
}

/* From memory to the pool */

/* Bytes of one of the two tables, entries and header apart. */
struct table {
	uint64_t entries, entries_len;
	uint64_t header, header_len;
};

static struct table first_table(const struct pool *p, const struct disk_gpt *g)
{
	uint64_t len = checked_round_up((uint64_t)g->entries * 128, p->sector);

	return (struct table){ 2 * p->sector, len, 0, 2 * p->sector };
}

static struct table last_table(const struct pool *p, const struct disk_gpt *g)
{
	uint64_t len = checked_round_up((uint64_t)g->entries * 128, p->sector);
	uint64_t header = p->size - p->size % p->sector - p->sector;

	return (struct table){ header - len, len, header, p->sector };
}

static int put_table(const struct pool *p, int from, const struct table *t)
{
	int err;

	err = copy_bytes(from, p->fd, t->entries, t->entries_len);
	if (!err)
		err = copy_bytes(from, p->fd, t->header, t->header_len);
	if (!err && fdatasync(p->fd))
		err = -errno;
	return err;
}

/* The one that the old state needs comes last. */
static int put_tables(const struct pool *p, int from,
		      const struct disk_gpt *new)
{
	struct table first = first_table(p, new), last = last_table(p, new);
	bool first_is_bad = p->gpt && p->gpt->from_copy;
	int err;

	err = put_table(p, from, first_is_bad ? &first : &last);
	return err ? err : put_table(p, from, first_is_bad ? &last : &first);
}

/* Machines that are just starting read it. */
static int lock_table(const struct pool *p)
{
	int pid, err;

	for (int waited = 0;; waited++) {
		err = disk_lock_range(p->fd, DISK_LOCK_TABLE, 1, true, &pid);
		if (err != -EBUSY || waited == DISK_LOCK_WAIT_MS)
			return err;
		usleep(1000);
	}
}

static int put_locked(const struct pool *p, int from,
		      const struct disk_gpt *new)
{
	int err = lock_table(p);

	if (err)
		return err;
	err = put_tables(p, from, new);
	disk_unlock_range(p->fd, DISK_LOCK_TABLE, 1);
	/* The kernel's own idea of a device; no harm where it has none. */
	if (!err && p->is_block)
		(void)ioctl(p->fd, BLKRRPART);
	return err;
}

/* The copy says the same, and both lie where they are taken from. */
static bool is_double(const struct pool *p, int fd, const struct disk_gpt *new)
{
	struct table first = first_table(p, new), last = last_table(p, new);
	char spoilt = '?', whole = 'E', why[160];
	struct disk_gpt *copy;
	int err;

	err = fd_pwrite_all(fd, &spoilt, 1, p->sector);
	if (!err)
		err = disk_gpt_read(&copy, fd, p->size, p->sector, why,
				    sizeof(why));
	if (err)
		return false;
	err = copy->nr_parts != new->nr_parts || copy->end != new->end ||
	      copy->table != last.entries || new->table != first.entries ||
	      memcmp(copy->parts, new->parts,
		     new->nr_parts * sizeof(new->parts[0])) != 0;
	free(copy);
	return !err && !fd_pwrite_all(fd, &whole, 1, p->sector);
}

static int make_table(const struct pool *p, int fd, const struct pool_edit *e,
		      struct disk_gpt **new)
{
	struct fdisk_calls f;
	char why[160] = "";
	int err = load(&f);

	if (err)
		return pool_fail(p, "libfdisk.so.1 is missing; Debian's "
				    "package is libfdisk1");
	err = edit_file(&f, p, fd, e);
	if (err)
		return pool_fail(p, "libfdisk cannot make that table: %s",
				 strerror(-err));
	err = disk_gpt_read(new, fd, p->size, p->sector, why, sizeof(why));
	if (err)
		return pool_fail(p, "libfdisk made another table: %s", why);
	if (!is_as_wanted(p->gpt, *new, e) || !is_double(p, fd, *new)) {
		free(*new);
		return pool_fail(p, "libfdisk made another table than was "
				    "asked for");
	}
	return 0;
}

int pool_write_table(struct pool *p, const struct pool_edit *e)
{
	struct disk_gpt *new;
	int fd, err;

	if (!p->sector)
		p->sector = 512;
	fd = copy_ends(p);
	if (fd < 0)
		return pool_fail(p, "%s", strerror(-fd));
	err = make_table(p, fd, e, &new);
	if (err)
		goto close_copy;
	err = put_locked(p, fd, new);
	if (err) {
		err = pool_fail(p, "its table cannot be written: %s",
				strerror(-err));
		free(new);
		goto close_copy;
	}
	free(p->gpt);
	p->gpt = new;
close_copy:
	fd_close(&fd);
	return err;
}
