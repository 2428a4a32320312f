// SPDX-License-Identifier: MIT
/*
 * disk.c - `minivmm disk`: the partitions of a pool, see pool.h.
 */
#include "cmd/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "cmd/pool.h"
#include "cmd/pool_file.h"
#include "cmd/status.h"
#include "config/config.h"
#include "config/nearest.h"
#include "virtio/backend/disk_gpt.h"
#include "virtio/backend/disk_lock.h"

/* Both tables and a partition of 1 MiB */
#define POOL_MIN (3ull << 20)

/* Arguments */

static int take_size(const char *text, uint64_t *out)
{
	if (!config_parse_size(text, out) && *out && *out <= INT64_MAX &&
	    *out % 512 == 0)
		return 0;
	return status_fail("'%.40s': expected a size in steps of 512, such as "
			   "10G",
			   text);
}

/* A size that the pool's blocks divide. */
static int check_blocks(const struct pool *p, uint64_t size)
{
	unsigned int sector = p->gpt ? p->gpt->sector : 512;

	if (size % sector == 0)
		return 0;
	return pool_fail(p, "expected a size in steps of %u", sector);
}

/* create */

static int check_empty(const struct pool *p)
{
	uint64_t n = min_u64(p->size, 1u << 20);
	char *buf = calloc(1, n);
	ssize_t got = buf ? fd_pread_all(p->fd, buf, n, 0) : -ENOMEM;
	bool empty =
		got == (ssize_t)n && !buf[0] && !memcmp(buf, buf + 1, n - 1);

	free(buf);
	if (got < 0)
		return pool_fail(p, "%s", strerror((int)-got));
	if (!empty)
		return pool_fail(p, "is not empty; expected zeroes in its "
				    "first MiB, as wipefs and blkdiscard "
				    "leave them");
	return 0;
}

/* A block device becomes a pool. */
static int create_on_device(const char *path)
{
	const struct pool_edit make = { .change = POOL_MAKE };
	struct pool p;
	int status = pool_open(&p, path, true);

	if (!status && !p.is_block)
		status = pool_fail(&p, "is a file already; 'create POOL SIZE' "
				       "makes a new one");
	if (!status && p.gpt)
		status = pool_fail(&p, "is a pool already");
	if (!status)
		status = check_empty(&p);
	if (!status)
		status = pool_write_table(&p, &make);
	pool_close(&p);
	return status;
}

static int create_file(const char *path, const char *size)
{
	const struct pool_edit make = { .change = POOL_MAKE };
	struct pool p = { .path = path, .fd = -1 };
	int status = take_size(size, &p.size);

	if (status)
		return status;
	if (p.size < POOL_MIN)
		return pool_fail(&p, "expected a size from 3M on");
	status = pool_file_new(path, p.size, &p.fd);
	if (!status)
		status = pool_write_table(&p, &make);
	if (!status)
		status = pool_file_name(path, p.fd);
	pool_close(&p);
	return status;
}

static int add_part(struct pool *p, const char *name, uint64_t off,
		    uint64_t len)
{
	const struct pool_edit add = {
		.change = POOL_ADD, .name = name, .off = off, .len = len
	};

	return pool_write_table(p, &add);
}

static int create_part(struct pool *p, char **argv)
{
	uint64_t size, off;
	int status = take_size(argv[1], &size);

	if (!status)
		status = pool_check_name(p, argv[0]);
	if (!status)
		status = check_blocks(p, size);
	if (!status)
		status = pool_take_gap(p, size, &off);
	return status ? status : add_part(p, argv[0], off, size);
}

/* list */

static void print_name(const char *name)
{
	for (; *name; name++)
		putchar((unsigned char)*name < ' ' || *name == 0x7f ? '?'
								    : *name);
	putchar('\n');
}

static void print_part(const struct pool *p, const struct disk_gpt_part *part)
{
	char size[32], at[32], used[32];
	int locked = disk_lock_test(p->fd, part->off, part->len);

	config_show_size(part->len, size, sizeof(size));
	config_show_size(part->off, at, sizeof(at));
	config_show_size(pool_used(p->fd, part->off, part->len), used,
			 sizeof(used));
	printf("%10s %10s %10s  %-6s  ", at, size, used,
	       locked > 0 ? "in use" : "-");
	print_name(part->name);
}

static int list(struct pool *p, char **argv)
{
	char all[32], largest[32];
	uint64_t bytes, gap;

	(void)argv;
	if (!p->gpt)
		return pool_fail(p, "has no partition table (GPT)");
	printf("%10s %10s %10s  %-6s  %s\n", "START", "SIZE", "USED", "STATE",
	       "NAME");
	for (unsigned int i = 0; i < p->gpt->nr_parts; i++)
		print_part(p, &p->gpt->parts[i]);
	pool_free_bytes(p, &bytes, &gap);
	config_show_size(bytes, all, sizeof(all));
	config_show_size(gap, largest, sizeof(largest));
	printf("free: %s, the largest gap %s\n", all, largest);
	if (fflush(stdout))
		return status_fail("stdout: %s", strerror(errno));
	return 0;
}

/* resize */

static int resize_pool(struct pool *p, char **argv)
{
	const struct pool_edit grow = { .change = POOL_GROW };
	uint64_t size, before = p->size;
	int status = take_size(argv[0], &size);

	if (status)
		return status;
	if (!p->gpt)
		return pool_fail(p, "has no partition table (GPT)");
	if (p->is_block)
		return pool_fail(p, "is a block device: its size is the "
				    "device's");
	if (size < p->size)
		return pool_fail(p,
				 "pools do not become smaller; it has %llu "
				 "bytes",
				 (unsigned long long)p->size);
	status = check_blocks(p, size);
	if (status)
		return status;
	if (ftruncate(p->fd, (off_t)size))
		return pool_fail(p, "%s", strerror(errno));
	p->size = size;
	status = pool_write_table(p, &grow);
	if (!status && p->size > before)
		(void)pool_zero(p->fd, before - p->sector, p->sector);
	return status;
}

static int set_part(struct pool *p, const struct disk_gpt_part *part,
		    uint64_t off, uint64_t len)
{
	const struct pool_edit set = {
		.change = POOL_SET, .index = part->index, .off = off, .len = len
	};

	return pool_write_table(p, &set);
}

/* What is cut off must be nothing: a file system may be as long as it was. */
static int shrink_part(struct pool *p, const struct disk_gpt_part *part,
		       uint64_t len)
{
	uint64_t off = part->off + len, cut = part->len - len;

	if (pool_used(p->fd, off, cut))
		return pool_fail(p,
				 "partition '%s' has data behind that size; "
				 "expected none, as after a discard",
				 part->name);
	return set_part(p, part, part->off, len);
}

static int grow_in_place(struct pool *p, const struct disk_gpt_part *part,
			 uint64_t len)
{
	uint64_t off = part->off + part->len, more = len - part->len;
	int status = pool_lock(p, off, more, true, part->name);
	int err;

	if (status)
		return status;
	err = pool_zero(p->fd, off, more);
	if (err)
		return pool_fail(p, "%s", strerror(-err));
	return set_part(p, part, part->off, len);
}

static int copy_part(const struct pool *p, const char *verb,
		     const struct disk_gpt_part *part, uint64_t to)
{
	char what[160];
	const struct pool_copy c = {
		.what = what,
		.from = p->fd,
		.from_off = part->off,
		.to = p->fd,
		.to_off = to,
		.len = part->len,
	};
	int err;

	snprintf(what, sizeof(what), "%s %s", verb, part->name);
	err = pool_copy(&c);
	return err ? pool_fail(p, "copying '%s': %s", part->name,
			       strerror(-err))
		   : 0;
}

/* Where that cannot be, it is zeroed before it is used again. */
static void give_back(const struct pool *p, uint64_t off, uint64_t len)
{
	uint64_t range[2] = { off, len };

	if (p->is_block)
		(void)ioctl(p->fd, BLKDISCARD, range);
	else
		(void)pool_zero(p->fd, off, len);
}

/* To a gap that is large enough. */
static int grow_elsewhere(struct pool *p, const struct disk_gpt_part *part,
			  uint64_t len)
{
	uint64_t from = part->off, old_len = part->len, to;
	int status = pool_take_gap(p, len, &to);

	if (!status)
		status = copy_part(p, "moving", part, to);
	if (!status)
		status = set_part(p, part, to, len);
	if (!status)
		give_back(p, from, old_len);
	return status;
}

static int resize_part(struct pool *p, char **argv)
{
	const struct disk_gpt_part *part;
	uint64_t size;
	int status = take_size(argv[1], &size);

	if (!status)
		status = pool_find(p, argv[0], &part);
	if (!status)
		status = check_blocks(p, size);
	if (!status)
		status = pool_lock(p, part->off, part->len, true, argv[0]);
	if (status || size == part->len)
		return status;
	if (size < part->len)
		return shrink_part(p, part, size);
	if (pool_room_behind(p, part) >= size - part->len)
		return grow_in_place(p, part, size);
	return grow_elsewhere(p, part, size);
}

/* delete, clone, import, export */

static int delete_part(struct pool *p, char **argv)
{
	struct pool_edit e = { .change = POOL_DELETE };
	const struct disk_gpt_part *part;
	int status = pool_find(p, argv[0], &part);

	if (!status)
		status = pool_lock(p, part->off, part->len, true, argv[0]);
	if (status)
		return status;
	e.index = part->index;
	e.off = part->off;
	e.len = part->len;
	status = pool_write_table(p, &e);
	if (!status)
		give_back(p, e.off, e.len);
	return status;
}

static int clone_part(struct pool *p, char **argv)
{
	const struct disk_gpt_part *part;
	uint64_t to;
	int status = pool_find(p, argv[0], &part);

	if (!status)
		status = pool_check_name(p, argv[1]);
	if (!status)
		status = pool_lock(p, part->off, part->len, false, argv[0]);
	if (!status)
		status = pool_take_gap(p, part->len, &to);
	if (!status)
		status = copy_part(p, "cloning", part, to);
	return status ? status : add_part(p, argv[1], to, part->len);
}

static int fill_from(const struct pool *p, const char *path, int fd,
		     uint64_t size, uint64_t to)
{
	const struct pool_copy c = {
		.what = "importing",
		.from = fd,
		.to = p->fd,
		.to_off = to,
		.len = size,
	};
	int err = pool_copy(&c);

	if (err)
		return status_fail("%s: %s", path, strerror(-err));
	return 0;
}

static int import_part(struct pool *p, char **argv)
{
	unsigned int sector = p->gpt ? p->gpt->sector : 512;
	uint64_t size, len, to;
	int fd = -1, status = pool_check_name(p, argv[0]);

	if (!status)
		status = pool_file_open(argv[1], &fd, &size);
	if (status)
		return status;
	len = checked_round_up(size, sector);
	status = pool_take_gap(p, len, &to);
	if (!status)
		status = fill_from(p, argv[1], fd, size, to);
	fd_close(&fd);
	return status ? status : add_part(p, argv[0], to, len);
}

static int export_part(struct pool *p, char **argv)
{
	struct pool_copy c = { .what = "exporting", .from = p->fd };
	const struct disk_gpt_part *part;
	int err, status = pool_find(p, argv[0], &part);

	if (!status)
		status = pool_lock(p, part->off, part->len, false, argv[0]);
	pool_let_table_change(p);
	if (!status)
		status = pool_file_new(argv[1], part->len, &c.to);
	if (status)
		return status;
	c.from_off = part->off;
	c.len = part->len;
	err = pool_copy(&c);
	if (err)
		status = status_fail("%s: %s", argv[1], strerror(-err));
	else
		status = pool_file_name(argv[1], c.to);
	fd_close(&c.to);
	return status;
}

/* The table of verbs */

static const struct verb {
	const char *name;
	const char *usage;
	int nr_args; /* behind POOL */
	bool change;
	int (*run)(struct pool *p, char **argv);
} verbs[] = {
	{ "create", "create POOL NAME SIZE", 2, true, create_part },
	{ "list", "list POOL", 0, false, list },
	{ "resize", "resize POOL NAME SIZE", 2, true, resize_part },
	{ "resize", "resize POOL SIZE", 1, true, resize_pool },
	{ "delete", "delete POOL NAME", 1, true, delete_part },
	{ "clone", "clone POOL NAME NEW", 2, true, clone_part },
	{ "import", "import POOL NAME FILE", 2, true, import_part },
	{ "export", "export POOL NAME FILE", 2, false, export_part },
};

static void print_help(void)
{
	printf("Usage: minivmm disk create POOL SIZE\n"
	       "       minivmm disk create DEVICE\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("       minivmm disk %s\n", verbs[i].usage);
	printf("\nA pool is an image file or block device with named "
	       "partitions; --disk POOL,partition=NAME\nis one of them as a "
	       "disk. Manual page: minivmm-disk(1).\n");
}

static int unknown(const char *name)
{
	struct config_nearest n;

	config_nearest_init(&n, name);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		config_nearest_offer(&n, verbs[i].name);
	if (n.best)
		return status_fail("disk %.40s: unknown; did you mean '%s'?",
				   name, n.best);
	return status_fail("disk %.40s: unknown; expected create, list, "
			   "resize, delete, clone, import or export",
			   name);
}

static int run_verb(const struct verb *v, char **argv)
{
	struct pool p;
	int status = pool_open(&p, argv[0], v->change);

	if (!status)
		status = v->run(&p, argv + 1);
	pool_close(&p);
	return status;
}

int cmd_disk(int argc, char **argv)
{
	const struct verb *known = NULL;

	if (argc < 2)
		return status_fail("disk: expected create, list, resize, "
				   "delete, clone, import or export");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help();
		return 0;
	}
	if (strcmp(argv[1], "create") == 0 && argc == 3)
		return create_on_device(argv[2]);
	if (strcmp(argv[1], "create") == 0 && argc == 4)
		return create_file(argv[2], argv[3]);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		known = &verbs[i];
		if (argc == known->nr_args + 3)
			return run_verb(known, argv + 2);
	}
	if (!known)
		return unknown(argv[1]);
	return status_fail("expected minivmm disk %s", known->usage);
}
