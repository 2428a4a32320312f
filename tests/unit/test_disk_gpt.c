// SPDX-License-Identifier: MIT
/*
 * test_disk_gpt.c - partition tables that are right, damaged and hostile, and
 * the disks that are partitions.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/log.h"
#include "tests/unit/tiny_gpt.h"
#include "tests/unit/unit.h"
#include "virtio/backend/disk.h"
#include "virtio/backend/disk_gpt.h"
#include "virtio/backend/disk_lock.h"
#include "virtio/loop.h"

#define SECTORS 8192ull
#define SIZE	(SECTORS * 512)

struct image {
	int fd;
	struct tiny_gpt g;
	struct disk_gpt *read;
	char why[160];
};

static int setup(void **state)
{
	struct image *i = calloc(1, sizeof(*i));

	*state = i;
	i->fd = memfd_create("gpt", MFD_CLOEXEC);
	if (i->fd < 0 || ftruncate(i->fd, SIZE))
		return -1;
	tiny_gpt_init(&i->g, SECTORS);
	tiny_gpt_add(&i->g, 0, "one", 2048, 4095);
	tiny_gpt_add(&i->g, 5, "two", 4096, 4096);
	return 0;
}

static int teardown(void **state)
{
	struct image *i = *state;

	close(i->fd);
	free(i->read);
	free(i);
	return 0;
}

/* As the table is now, with checksums. */
static int read_it(struct image *i)
{
	tiny_gpt_seal(&i->g);
	assert_int_equal(tiny_gpt_write(&i->g, i->fd, SECTORS), 0);
	free(i->read);
	strcpy(i->why, "nothing");
	return disk_gpt_read(&i->read, i->fd, SIZE, 0, i->why, sizeof(i->why));
}

static void refuses(struct image *i, int want, const char *words)
{
	int err = read_it(i);

	if (err != want || !strstr(i->why, words))
		fail_msg("%d, %s; expected %d, %s", err, i->why, want, words);
	assert_null(i->read);
}

static void flip(const struct image *i, uint64_t at)
{
	uint8_t b;

	assert_int_equal(pread(i->fd, &b, 1, (off_t)at), 1);
	b ^= 1;
	assert_int_equal(pwrite(i->fd, &b, 1, (off_t)at), 1);
}

static int read_again(struct image *i)
{
	free(i->read);
	i->read = NULL;
	return disk_gpt_read(&i->read, i->fd, SIZE, 0, i->why, sizeof(i->why));
}

/* Tables that are right */

static void disk_gpt_reads_partitions(void **state)
{
	struct image *i = *state;
	const struct disk_gpt_part *p;

	assert_int_equal(read_it(i), 0);
	assert_int_equal(i->read->nr_parts, 2);
	assert_int_equal(i->read->sector, 512);
	assert_int_equal(i->read->entries, 128);
	assert_int_equal(i->read->first, 34 * 512);
	assert_int_equal(i->read->end, (SECTORS - 33) * 512);
	assert_false(i->read->from_copy);
	assert_int_equal(disk_gpt_find(i->read, "two", &p), 0);
	assert_int_equal(p->index, 5);
	assert_int_equal(p->off, 4096 * 512);
	assert_int_equal(p->len, 512);
	assert_int_equal(disk_gpt_find(i->read, "three", &p), -ENOENT);
	assert_int_equal(disk_gpt_find(i->read, "tw", &p), -ENOENT);
	assert_int_equal(disk_gpt_find(i->read, "", &p), -ENOENT);
}

static void disk_gpt_reads_an_empty_table(void **state)
{
	struct image *i = *state;

	memset(i->g.entry, 0, sizeof(i->g.entry));
	assert_int_equal(read_it(i), 0);
	assert_int_equal(i->read->nr_parts, 0);
}

static void disk_gpt_tells_two_of_one_name(void **state)
{
	struct image *i = *state;
	const struct disk_gpt_part *p;

	tiny_gpt_add(&i->g, 7, "two", 5000, 5001);
	assert_int_equal(read_it(i), 0);
	assert_int_equal(disk_gpt_find(i->read, "two", &p), -ENOTUNIQ);
	assert_int_equal(disk_gpt_find(i->read, "one", &p), 0);
}

static void disk_gpt_decodes_utf16(void **state)
{
	/* ä, €, a pair (U+1F4BE), half a pair, the other half, z */
	static const uint16_t units[] = { 0xe4,	  0x20ac, 0xd83d, 0xdcbe,
					  0xd83d, 'a',	  0xdcbe, 'z' };
	struct image *i = *state;
	const struct disk_gpt_part *p;

	for (size_t n = 0; n < ARRAY_SIZE(units); n++)
		i->g.entry[0].name[n] = le16_put(units[n]);
	assert_int_equal(read_it(i), 0);
	assert_int_equal(disk_gpt_find(i->read,
				       "\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe"
				       "\xef\xbf\xbd"
				       "a\xef\xbf\xbdz",
				       &p),
			 0);
}

static void disk_gpt_reads_names_of_36_units(void **state)
{
	struct image *i = *state;

	for (size_t n = 0; n < 36; n++)
		i->g.entry[0].name[n] = le16_put(0xffff);
	i->g.entry[5].name[35] = le16_put(0xd800);
	assert_int_equal(read_it(i), 0);
	assert_int_equal(strlen(i->read->parts[0].name), 108);
	assert_string_equal(i->read->parts[1].name, "two");
}

static void disk_gpt_reads_larger_entries(void **state)
{
	struct image *i = *state;

	/* One of 256 bytes is two of 128: the names are those of the first. */
	memset(&i->g.entry[1], 0, sizeof(i->g.entry[1]));
	i->g.header.entry_size = le32_put(256);
	i->g.header.entries = le32_put(64);
	i->g.entry[4] = i->g.entry[5];
	memset(&i->g.entry[5], 0, sizeof(i->g.entry[5]));
	assert_int_equal(read_it(i), 0);
	assert_int_equal(i->read->nr_parts, 2);
	assert_int_equal(i->read->parts[1].index, 2);
}

/* Tables that are damaged */

static void disk_gpt_takes_the_copy_of_a_damaged_header(void **state)
{
	struct image *i = *state;

	assert_int_equal(read_it(i), 0);
	for (uint64_t at = 512; at < 512 + 92; at++) {
		flip(i, at);
		assert_int_equal(read_again(i), 0);
		assert_true(i->read->from_copy);
		assert_int_equal(i->read->nr_parts, 2);
		flip(i, at);
	}
	assert_int_equal(read_again(i), 0);
	assert_false(i->read->from_copy);
}

static void disk_gpt_takes_the_copy_of_damaged_entries(void **state)
{
	struct image *i = *state;

	assert_int_equal(read_it(i), 0);
	flip(i, 1024 + 16383);
	assert_int_equal(read_again(i), 0);
	assert_true(i->read->from_copy);
	flip(i, SIZE - 512 + 16);
	assert_int_equal(read_again(i), -EINVAL);
	assert_non_null(strstr(i->why, "and the copy are damaged"));
}

static void disk_gpt_damage_of_the_copy_alone_is_fine(void **state)
{
	struct image *i = *state;

	assert_int_equal(read_it(i), 0);
	flip(i, SIZE - 512);
	assert_int_equal(read_again(i), 0);
	assert_false(i->read->from_copy);
}

static void disk_gpt_tells_what_has_no_table(void **state)
{
	struct image *i = *state;

	i->g.mbr[0x1c2] = 0x83;
	refuses(i, -ENODATA, "has no partition table (GPT)");
	i->g.mbr[0x1c2] = 0xee;
	i->g.mbr[511] = 0;
	refuses(i, -ENODATA, "has no partition table (GPT)");
	assert_int_equal(ftruncate(i->fd, 100), 0);
	assert_int_equal(disk_gpt_read(&i->read, i->fd, 100, 0, i->why, 160),
			 -ENODATA);
}

/* Tables that are hostile: their checksums hold */

static void disk_gpt_refuses_partitions_outside(void **state)
{
	static const uint64_t bad[][2] = { { 33, 100 },
					   { 0, 10 },
					   { 5000, SECTORS - 33 },
					   { SECTORS, SECTORS + 5 },
					   { 6000, 5999 },
					   { 5000, UINT64_MAX },
					   { UINT64_MAX, UINT64_MAX },
					   { 1ull << 55, 1ull << 56 },
					   { 5000, 5000 + (1ull << 55) } };
	struct image *i = *state;

	for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
		tiny_gpt_add(&i->g, 9, "bad", bad[n][0], bad[n][1]);
		refuses(i, -EINVAL, "its partition 10 leaves the area");
	}
}

static void disk_gpt_refuses_partitions_that_overlap(void **state)
{
	struct image *i = *state;

	tiny_gpt_add(&i->g, 9, "bad", 4095, 4095);
	refuses(i, -EINVAL, "its partitions 1 and 10 overlap");
	tiny_gpt_add(&i->g, 9, "bad", 34, SECTORS - 34);
	refuses(i, -EINVAL, "overlap");
}

static void disk_gpt_refuses_counts_that_are_too_large(void **state)
{
	struct image *i = *state;

	i->g.header.entries = le32_put(UINT32_MAX);
	refuses(i, -EINVAL, "has 4294967295 entries, expected 1 to 1024");
	i->g.header.entries = le32_put(0);
	refuses(i, -EINVAL, "has 0 entries");
	i->g.header.entries = le32_put(1024);
	i->g.header.entry_size = le32_put(4096);
	refuses(i, -EINVAL, "has entries of 4096 bytes");
	i->g.header.entry_size = le32_put(64);
	refuses(i, -EINVAL, "has entries of 64 bytes");
	i->g.header.entry_size = le32_put(129);
	refuses(i, -EINVAL, "has entries of 129 bytes");
	i->g.header.entry_size = le32_put(UINT32_MAX - 7);
	refuses(i, -EINVAL, "has entries of 4294967288 bytes");
}

/* A guest could write the table that says what is its own. */
static void disk_gpt_refuses_tables_inside_of_partitions(void **state)
{
	struct image *i = *state;

	i->g.header.first = le64_put(33);
	refuses(i, -EINVAL, "does not fit");
	i->g.header.first = le64_put(0);
	refuses(i, -EINVAL, "does not fit");
	i->g.header.first = le64_put(34);
	i->g.header.last = le64_put(SECTORS - 33);
	refuses(i, -EINVAL, "does not fit");
	i->g.header.last = le64_put(UINT64_MAX);
	refuses(i, -EINVAL, "does not fit");
	i->g.header.last = le64_put(33);
	refuses(i, -EINVAL, "does not fit");
	i->g.header.last = le64_put(SECTORS - 34);
	i->g.header.table = le64_put(100);
	refuses(i, -EINVAL, "lies where partitions may be");
	i->g.header.table = le64_put(1);
	refuses(i, -EINVAL, "lies where partitions may be");
	i->g.header.table = le64_put(UINT64_MAX);
	refuses(i, -EINVAL, "lies where partitions may be");
	i->g.header.table = le64_put(2);
	i->g.header.other = le64_put(SECTORS);
	refuses(i, -EINVAL, "does not fit");
	i->g.header.other = le64_put(UINT64_MAX);
	refuses(i, -EINVAL, "does not fit");
}

static void disk_gpt_reads_images_of_any_length(void **state)
{
	struct image *i = *state;

	assert_int_equal(read_it(i), 0);
	for (uint64_t size = 0; size < 40 * 512; size += 64) {
		free(i->read);
		assert_true(disk_gpt_read(&i->read, i->fd, size, 0, i->why,
					  sizeof(i->why)) < 0);
		assert_null(i->read);
	}
}

/* Disks */

struct host {
	char path[64];
	int fd;
	struct loop *loop;
	char why[256];
};

static int setup_host(void **state)
{
	struct host *h = calloc(1, sizeof(*h));
	struct tiny_gpt g;

	*state = h;
	strcpy(h->path, "/tmp/minivmm-part-XXXXXX");
	h->fd = mkostemp(h->path, O_CLOEXEC);
	tiny_gpt_init(&g, SECTORS);
	tiny_gpt_add(&g, 0, "one", 2048, 4095);
	tiny_gpt_add(&g, 1, "two", 4096, 6143);
	tiny_gpt_add(&g, 2, "odd", 6145, 6147);
	tiny_gpt_seal(&g);
	return h->fd < 0 || ftruncate(h->fd, SIZE) ||
	       tiny_gpt_write(&g, h->fd, SECTORS) ||
	       loop_create(&h->loop, LOOP_POLL, 8);
}

static int teardown_host(void **state)
{
	struct host *h = *state;

	loop_destroy(h->loop);
	close(h->fd);
	unlink(h->path);
	free(h);
	return 0;
}

static int open_it(struct host *h, struct disk **d, const char *partition,
		   uint64_t offset, uint64_t size, bool readonly)
{
	struct disk_params p = { .path = h->path,
				 .readonly = readonly,
				 .partition = partition,
				 .offset = offset,
				 .size = size };

	strcpy(h->why, "nothing");
	return disk_open(d, &p, h->loop, h->why, sizeof(h->why));
}

static void partitions_of_one_file_are_disks_at_once(void **state)
{
	struct host *h = *state;
	struct disk *one, *two, *again;

	assert_int_equal(open_it(h, &one, "one", 0, 0, false), 0);
	assert_int_equal(open_it(h, &two, "two", 0, 0, false), 0);
	assert_int_equal(disk_sectors(one), 2048);
	assert_int_equal(open_it(h, &again, "one", 0, 0, false), -EBUSY);
	assert_non_null(strstr(h->why, "in use by another disk of this"));
	assert_int_equal(open_it(h, &again, "one", 0, 0, true), -EBUSY);
	disk_close(one);
	assert_int_equal(open_it(h, &again, "one", 0, 0, true), 0);
	assert_int_equal(open_it(h, &one, "one", 0, 0, true), 0);
	disk_close(again);
	disk_close(one);
	disk_close(two);
}

static void whole_files_and_parts_exclude_each_other(void **state)
{
	struct host *h = *state;
	struct disk *part, *whole;

	assert_int_equal(open_it(h, &part, "one", 0, 0, false), 0);
	assert_int_equal(open_it(h, &whole, NULL, 0, 0, false), -EBUSY);
	assert_int_equal(open_it(h, &whole, NULL, 0, 0, true), -EBUSY);
	disk_close(part);
	assert_int_equal(open_it(h, &whole, NULL, 0, 0, false), 0);
	assert_int_equal(open_it(h, &part, "one", 0, 0, false), -EBUSY);
	assert_int_equal(open_it(h, &part, "one", 0, 0, true), -EBUSY);
	disk_close(whole);
	assert_int_equal(open_it(h, &whole, NULL, 0, 0, true), 0);
	assert_int_equal(open_it(h, &part, "one", 0, 0, false), -EBUSY);
	assert_int_equal(open_it(h, &part, "one", 0, 0, true), 0);
	disk_close(whole);
	disk_close(part);
}

static void layers_share_what_is_below_with_readers(void **state)
{
	struct host *h = *state;
	struct disk_params p = { .path = h->path,
				 .partition = "one",
				 .layer = "/tmp" };
	struct disk *a, *b, *c;

	assert_int_equal(disk_open(&a, &p, h->loop, h->why, 256), 0);
	assert_int_equal(disk_open(&b, &p, h->loop, h->why, 256), 0);
	assert_false(disk_readonly(a));
	assert_true(disk_can_discard(a));
	assert_int_equal(open_it(h, &c, "one", 0, 0, true), 0);
	disk_close(c);
	assert_int_equal(open_it(h, &c, "one", 0, 0, false), -EBUSY);
	disk_close(a);
	disk_close(b);
	p.layer = "/nonexistent";
	assert_int_equal(disk_open(&a, &p, h->loop, h->why, 256), -ENOENT);
	assert_non_null(strstr(h->why, "in /nonexistent (TMPDIR)"));
}

static void raw_parts_exclude_what_they_overlap(void **state)
{
	struct host *h = *state;
	struct disk *part, *raw, *other;

	assert_int_equal(open_it(h, &part, "one", 0, 0, false), 0);
	assert_int_equal(open_it(h, &raw, NULL, 0, 1 << 20, false), 0);
	assert_int_equal(disk_sectors(raw), 2048);
	assert_int_equal(open_it(h, &other, NULL, 1 << 20, 512, false), -EBUSY);
	assert_int_equal(open_it(h, &other, NULL, 512, 512, false), -EBUSY);
	assert_int_equal(open_it(h, &other, NULL, 2 << 20, 0, false), 0);
	assert_int_equal(disk_sectors(other), SECTORS - 4096);
	disk_close(other);
	disk_close(part);
	disk_close(raw);
}

static void raw_parts_end_with_the_file(void **state)
{
	struct host *h = *state;
	struct disk *d;

	assert_int_equal(open_it(h, &d, NULL, SIZE, 0, true), -EINVAL);
	assert_non_null(strstr(h->why, "offset and size"));
	assert_int_equal(open_it(h, &d, NULL, 512, SIZE, true), -EINVAL);
	assert_int_equal(open_it(h, &d, NULL, UINT64_MAX - 511, 512, true),
			 -EINVAL);
	assert_int_equal(open_it(h, &d, NULL, 100, 512, true), -EINVAL);
	assert_non_null(strstr(h->why, "expected a multiple of 512"));
	assert_int_equal(open_it(h, &d, NULL, 512, 100, true), -EINVAL);
	assert_int_equal(open_it(h, &d, NULL, SIZE - 512, 512, true), 0);
	disk_close(d);
}

static void disk_open_tells_what_is_wrong_with_a_partition(void **state)
{
	struct host *h = *state;
	struct disk *d;

	assert_int_equal(open_it(h, &d, "none", 0, 0, false), -ENOENT);
	assert_non_null(strstr(h->why, "has no partition 'none'"));
	assert_ptr_equal(strstr(h->why, h->path), h->why);
	assert_int_equal(ftruncate(h->fd, SIZE / 2), 0);
	assert_int_equal(open_it(h, &d, "one", 0, 0, false), -EINVAL);
	assert_non_null(strstr(h->why, "does not fit"));
	assert_int_equal(ftruncate(h->fd, 0), 0);
	assert_int_equal(open_it(h, &d, "one", 0, 0, false), -ENODATA);
	assert_non_null(strstr(h->why, "has no partition table"));
}

static void a_table_that_is_written_is_waited_for(void **state)
{
	struct host *h = *state;
	struct disk *d;
	int status, pid;
	pid_t child = fork();

	if (!child) {
		int fd = open(h->path, O_RDWR | O_CLOEXEC), ok;

		ok = !disk_lock_file(fd, false, &pid) &&
		     !disk_lock_range(fd, DISK_LOCK_TABLE, 1, true, &pid);
		kill(getppid(), 0);
		usleep(300000);
		_exit(ok ? 0 : 1);
	}
	usleep(100000);
	assert_int_equal(open_it(h, &d, "one", 0, 0, false), 0);
	assert_int_equal(waitpid(child, &status, WNOHANG), child);
	assert_int_equal(status, 0);
	disk_close(d);
}

static void the_holder_of_a_part_is_named(void **state)
{
	struct host *h = *state;
	struct disk *one, *two;
	char words[64], c;
	int p[2], status;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		c = open_it(h, &one, "one", 0, 0, true) ? 'n' : 'y';
		fd_write_all(p[1], &c, 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	snprintf(words, sizeof(words), "in use by another minivmm (pid %d)",
		 pid);
	/* This process has a part of the file, too. */
	assert_int_equal(open_it(h, &two, "two", 0, 0, false), 0);
	assert_int_equal(open_it(h, &one, "one", 0, 0, false), -EBUSY);
	assert_non_null(strstr(h->why, words));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(open_it(h, &one, "one", 0, 0, false), 0);
	disk_close(one);
	disk_close(two);
	close(p[0]);
	close(p[1]);
}

static void disk_lock_test_sees_others_only(void **state)
{
	struct host *h = *state;
	struct disk *one;
	int pid;

	assert_int_equal(disk_lock_test(h->fd, 1 << 20, 1 << 20), 0);
	assert_int_equal(open_it(h, &one, "one", 0, 0, true), 0);
	assert_int_equal(disk_lock_test(h->fd, 1 << 20, 1 << 20), 1);
	assert_int_equal(disk_lock_test(h->fd, 2 << 20, 1 << 20), 0);
	disk_close(one);
	assert_int_equal(disk_lock_range(h->fd, 0, 0, true, &pid), 0);
	assert_int_equal(disk_lock_test(h->fd, 1 << 20, 1 << 20), 0);
	disk_unlock_range(h->fd, 0, 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define H(fn) cmocka_unit_test_setup_teardown(fn, setup_host, teardown_host)

static const struct CMUnitTest tests[] = {
	T(disk_gpt_reads_partitions),
	T(disk_gpt_reads_an_empty_table),
	T(disk_gpt_tells_two_of_one_name),
	T(disk_gpt_decodes_utf16),
	T(disk_gpt_reads_names_of_36_units),
	T(disk_gpt_reads_larger_entries),
	T(disk_gpt_takes_the_copy_of_a_damaged_header),
	T(disk_gpt_takes_the_copy_of_damaged_entries),
	T(disk_gpt_damage_of_the_copy_alone_is_fine),
	T(disk_gpt_tells_what_has_no_table),
	T(disk_gpt_refuses_partitions_outside),
	T(disk_gpt_refuses_partitions_that_overlap),
	T(disk_gpt_refuses_counts_that_are_too_large),
	T(disk_gpt_refuses_tables_inside_of_partitions),
	T(disk_gpt_reads_images_of_any_length),
	H(partitions_of_one_file_are_disks_at_once),
	H(whole_files_and_parts_exclude_each_other),
	H(layers_share_what_is_below_with_readers),
	H(raw_parts_exclude_what_they_overlap),
	H(raw_parts_end_with_the_file),
	H(disk_open_tells_what_is_wrong_with_a_partition),
	H(a_table_that_is_written_is_waited_for),
	H(the_holder_of_a_part_is_named),
	H(disk_lock_test_sees_others_only),
};

int main(void)
{
	log_set_level(LOG_LEVEL_ERR);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
