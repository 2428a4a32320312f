// SPDX-License-Identifier: MIT
/*
 * test_disk.c - files and block devices as disks, on both event loops, with
 * the page cache and with O_DIRECT.
 *
 * The loop runs on a thread of its own; run() hands it a list of requests and
 * waits until all are done.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/thread.h"
#include "tests/unit/tiny_gpt.h"
#include "tests/unit/unit.h"
#include "virtio/backend/disk.h"
#include "virtio/backend/disk_int.h"
#include "virtio/loop.h"

#define SIZE (1u << 20)

/* What lies before and behind a disk that is a partition of its file. */
#define GUARD (1u << 20)

/* One way to run the tests. */
struct way {
	const char *name;
	enum loop_kind kind;
	const char *folder;
	bool direct;
	unsigned int unit; /* pretend that O_DIRECT wants these; 0: ask */
	bool part;	   /* the disk is a partition of the file */
	bool layer;	   /* the file is never written */
};

struct fixture {
	const struct way *way;
	char path[64];
	int fd;	       /* the same file, for looking at it */
	uint64_t base; /* of the disk in it */
	bool no_guard; /* the test had other plans with the file */
	struct loop *loop;
	struct disk *disk;
	pthread_t thread;
	bool running;
};

/* What to do, and how it ended. */
struct io {
	struct disk_req req;
	enum disk_req_kind kind;
	struct iovec iov[8];
	unsigned int nr;
	uint64_t off;
	uint64_t len; /* discard and zeroes */
	bool unmap;
	int err;
	int ends;
	sem_t *sem;
};

struct batch {
	struct loop_task task;
	struct disk *disk;
	struct io *ios;
	size_t nr;
	bool inside; /* done() ran inside a starter */
};

static void io_done(struct disk_req *req, int err)
{
	struct io *io = container_of(req, struct io, req);

	io->err = err;
	io->ends++;
	sem_post(io->sem);
}

static void start_io(struct disk *d, struct io *io)
{
	io->req.done = io_done;
	io->err = 1;
	switch (io->kind) {
	case DISK_READ:
		disk_readv(d, &io->req, io->iov, io->nr, io->off);
		break;
	case DISK_WRITE:
		disk_writev(d, &io->req, io->iov, io->nr, io->off);
		break;
	case DISK_FLUSH:
		disk_flush(d, &io->req);
		break;
	case DISK_DISCARD:
		disk_discard(d, &io->req, io->off, io->len);
		break;
	case DISK_ZEROES:
		disk_write_zeroes(d, &io->req, io->off, io->len, io->unmap);
		break;
	}
}

static void start_batch(struct loop_task *t)
{
	struct batch *b = container_of(t, struct batch, task);

	for (size_t i = 0; i < b->nr; i++)
		start_io(b->disk, &b->ios[i]);
	for (size_t i = 0; i < b->nr; i++)
		b->inside |= b->ios[i].ends > 0;
}

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* Start all of @ios at once, wait for all. */
static void run(struct fixture *f, struct io *ios, size_t nr)
{
	struct batch b = {
		.task.fn = start_batch, .disk = f->disk, .ios = ios, .nr = nr
	};
	sem_t sem;

	sem_init(&sem, 0, 0);
	for (size_t i = 0; i < nr; i++) {
		ios[i].sem = &sem;
		ios[i].ends = 0;
	}
	if (!f->running) {
		assert_int_equal(
			thread_start(&f->thread, "loop", run_loop, f->loop), 0);
		f->running = true;
	}
	alarm(60);
	assert_true(loop_post(f->loop, &b.task));
	for (size_t i = 0; i < nr; i++) {
		while (sem_wait(&sem))
			;
	}
	alarm(0);
	assert_false(b.inside);
	for (size_t i = 0; i < nr; i++)
		assert_int_equal(ios[i].ends, 1);
	sem_destroy(&sem);
}

static int run_one(struct fixture *f, struct io *io)
{
	run(f, io, 1);
	return io->err;
}

static struct io transfer(enum disk_req_kind kind, void *buf, size_t len,
			  uint64_t off)
{
	struct io io = { .kind = kind, .nr = 1, .off = off };

	io.iov[0].iov_base = buf;
	io.iov[0].iov_len = len;
	return io;
}

static struct io range(enum disk_req_kind kind, uint64_t off, uint64_t len)
{
	struct io io = { .kind = kind, .off = off, .len = len };

	return io;
}

/* Buffers that are aligned as little as guest buffers can be. */
static char *odd_buffer(size_t len)
{
	char *p = NULL;

	assert_int_equal(posix_memalign((void **)&p, 4096, len + 4096), 0);
	return p + 4;
}

static void odd_free(char *p)
{
	free(p - 4);
}

static void fill(char *buf, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		buf[i] = (char)(seed >> 24 | 1); /* never 0 */
	}
}

/* The file as others see it; with a layer, nobody else sees what is new. */
static void file_read(struct fixture *f, void *buf, size_t len, uint64_t off)
{
	struct io r = transfer(DISK_READ, buf, len, off);

	if (f->way->layer)
		assert_int_equal(run_one(f, &r), 0);
	else
		assert_int_equal(fd_pread_all(f->fd, buf, len, f->base + off),
				 len);
}

/* How long the file is for a disk of @size. */
static uint64_t file_size(const struct fixture *f, uint64_t size)
{
	return f->way->part ? GUARD + size + GUARD : size;
}

/* A file for a disk of @size; bytes outside of it are told by their place. */
static int make_file(struct fixture *f, uint64_t size)
{
	uint64_t all = file_size(f, size);
	struct tiny_gpt g;
	char *guard;
	int err;

	if (ftruncate(f->fd, 0) || ftruncate(f->fd, (off_t)all))
		return -1;
	if (!f->way->part)
		return 0;
	guard = malloc(GUARD);
	memset(guard, 'g', GUARD);
	f->base = GUARD;
	err = fd_pwrite_all(f->fd, guard, GUARD, 0) ||
	      fd_pwrite_all(f->fd, guard, GUARD, GUARD + size);
	free(guard);
	tiny_gpt_init(&g, all / 512);
	tiny_gpt_add(&g, 0, "before", 64, GUARD / 512 - 1);
	tiny_gpt_add(&g, 1, "disk", GUARD / 512, (GUARD + size) / 512 - 1);
	tiny_gpt_add(&g, 2, "behind", (GUARD + size) / 512,
		     all / 512 - TINY_GPT_SECTORS);
	tiny_gpt_seal(&g);
	return err || tiny_gpt_write(&g, f->fd, all / 512);
}

/* From block @from up to @to there are 'g' only. */
static void is_guard(const struct fixture *f, uint64_t from, uint64_t to)
{
	char block[512], want[512];

	memset(want, 'g', sizeof(want));
	for (; from < to; from++) {
		assert_int_equal(fd_pread_all(f->fd, block, 512, from * 512),
				 512);
		assert_memory_equal(block, want, 512);
	}
}

/* What is below a layer was empty, and is. */
static void image_is_empty(const struct fixture *f)
{
	char *now = calloc(1, SIZE);

	assert_int_equal(fd_pread_all(f->fd, now, SIZE, f->base), SIZE);
	for (size_t i = 0; i < SIZE; i++)
		assert_int_equal(now[i], 0);
	free(now);
}

static void guards_are_whole(const struct fixture *f)
{
	uint64_t end;

	if (f->way->layer && !f->no_guard)
		image_is_empty(f);
	if (!f->way->part || f->no_guard)
		return;
	end = (uint64_t)lseek(f->fd, 0, SEEK_END) / 512;
	is_guard(f, TINY_GPT_SECTORS, GUARD / 512);
	is_guard(f, end - GUARD / 512, end - 33);
}

static int try_open(struct disk **d, const char *path, bool readonly,
		    bool direct, struct loop *l, char why[static 256])
{
	struct disk_params p = { .path = path,
				 .readonly = readonly,
				 .direct = direct };

	strcpy(why, "nothing");
	return disk_open(d, &p, l, why, 256);
}

static int open_disk_at(struct fixture *f, const char *path)
{
	struct disk_params p = { .path = path, .direct = f->way->direct };
	char why[256] = "";
	int err;

	if (f->way->part)
		p.partition = "disk";
	if (f->way->layer)
		p.layer = f->way->folder;
	err = disk_open(&f->disk, &p, f->loop, why, sizeof(why));
	if (err)
		print_message("# %s\n", why);
	if (!err && f->way->unit) {
		f->disk->unit = f->way->unit;
		f->disk->mem_align = f->way->unit;
	}
	return err;
}

static int open_disk(struct fixture *f)
{
	return open_disk_at(f, f->path);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->way = *state;
	snprintf(f->path, sizeof(f->path), "%s/minivmm-disk-XXXXXX",
		 f->way->folder);
	f->fd = mkostemp(f->path, O_CLOEXEC);
	if (f->fd < 0 || make_file(f, SIZE))
		return -1;
	*state = f;
	return loop_create(&f->loop, f->way->kind, 64) || open_disk(f);
}

static void stop_loop(struct fixture *f)
{
	if (!f->running)
		return;
	loop_stop(f->loop);
	thread_join(f->thread);
	f->running = false;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stop_loop(f);
	disk_close(f->disk);
	loop_destroy(f->loop);
	guards_are_whole(f);
	close(f->fd);
	unlink(f->path);
	free(f);
	return 0;
}

/* Transfers */

static void disk_knows_its_size(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(disk_sectors(f->disk), SIZE / 512);
	assert_false(disk_readonly(f->disk));
	if (f->way->layer)
		assert_int_equal(disk_alignment(f->disk), 4096);
	else if (!f->way->direct)
		assert_int_equal(disk_alignment(f->disk), 1);
	else
		assert_true(disk_alignment(f->disk) >= 512);
}

static void disk_reads_what_was_written(void **state)
{
	struct fixture *f = *state;
	char *out = odd_buffer(SIZE), *in = odd_buffer(SIZE);
	struct io w = transfer(DISK_WRITE, out, SIZE, 0);
	struct io r = transfer(DISK_READ, in, SIZE, 0);

	fill(out, SIZE, 1);
	assert_int_equal(run_one(f, &w), 0);
	assert_int_equal(run_one(f, &r), 0);
	assert_memory_equal(in, out, SIZE);
	memset(in, 0, SIZE);
	file_read(f, in, SIZE, 0);
	assert_memory_equal(in, out, SIZE);
	odd_free(out);
	odd_free(in);
}

/* Pieces of 1, 511, 1024 and 512 bytes from sector 3 on. */
static void disk_transfers_odd_pieces(void **state)
{
	static const size_t len[] = { 1, 511, 0, 1024, 512 };
	struct fixture *f = *state;
	char *out = odd_buffer(4096), *in = odd_buffer(4096);
	struct io w = { .kind = DISK_WRITE, .nr = 5, .off = 3 * 512 };
	struct io r = { .kind = DISK_READ, .nr = 5, .off = 3 * 512 };
	size_t at = 0;

	fill(out, 2048, 2);
	for (int i = 0; i < 5; i++) {
		w.iov[i].iov_base = out + at;
		r.iov[i].iov_base = in + at;
		w.iov[i].iov_len = r.iov[i].iov_len = len[i];
		at += len[i];
	}
	assert_int_equal(run_one(f, &w), 0);
	assert_int_equal(run_one(f, &r), 0);
	assert_memory_equal(in, out, 2048);
	file_read(f, in, 2048 + 1024, 2 * 512);
	assert_memory_equal(in + 512, out, 2048);
	/* The neighbours are as they were. */
	for (int i = 0; i < 512; i++) {
		assert_int_equal(in[i], 0);
		assert_int_equal(in[2048 + 512 + i], 0);
	}
	odd_free(out);
	odd_free(in);
}

/*
 * 256 writes of single sectors at once, in an order that puts neighbours of
 * one unit next to each other: no write may undo another one.
 */
/* A disk of @size bytes instead of the one there is. */
static void open_larger(struct fixture *f, uint64_t size)
{
	disk_close(f->disk);
	assert_int_equal(make_file(f, size), 0);
	assert_int_equal(open_disk(f), 0);
}

static void disk_transfers_long_pieces(void **state)
{
	static const size_t len[] = { 2 << 20, 3 << 20, 1 << 20, 2 << 20 };
	const size_t size = 8 << 20;
	struct fixture *f = *state;
	char *out = odd_buffer(size), *in = odd_buffer(size);
	struct io w = transfer(DISK_WRITE, out, size, 0);
	struct io r = { .kind = DISK_READ, .nr = 4 };
	size_t at = 0;

	open_larger(f, size);
	fill(out, size, 3);
	assert_int_equal(run_one(f, &w), 0);
	for (int i = 0; i < 4; i++) {
		r.iov[i].iov_base = in + at;
		r.iov[i].iov_len = len[i];
		at += len[i];
	}
	assert_int_equal(run_one(f, &r), 0);
	assert_memory_equal(in, out, size);
	odd_free(out);
	odd_free(in);
}

/* A timer behind requests that the page cache could answer at once. */
struct hog {
	struct batch batch;
	struct loop_op timer;
	struct loop *loop;
	size_t over_before; /* requests that were over when it rang */
};

static void on_timer(struct loop_op *op, int res)
{
	struct hog *h = container_of(op, struct hog, timer);

	(void)res;
	for (size_t i = 0; i < h->batch.nr; i++)
		h->over_before += h->batch.ios[i].ends > 0;
}

static void start_hog(struct loop_task *t)
{
	struct hog *h = container_of(t, struct hog, batch.task);

	start_batch(t);
	h->timer.done = on_timer;
	loop_timeout(h->loop, &h->timer, 0);
}

static void disk_long_requests_let_others_have_their_turn(void **state)
{
	const size_t size = 32 << 20;
	struct fixture *f = *state;
	char *buf = odd_buffer(size);
	struct io r[8], once = transfer(DISK_READ, buf, 512, 0);
	struct hog h = { .batch = { .task.fn = start_hog } };
	sem_t sem;

	f->no_guard |= f->way->layer;
	open_larger(f, size);
	memset(buf, 1, size);
	assert_int_equal(fd_pwrite_all(f->fd, buf, size, f->base), 0);
	assert_int_equal(run_one(f, &once), 0);

	sem_init(&sem, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
		r[i] = transfer(DISK_READ, buf, size, 0);
		r[i].sem = &sem;
	}
	h.batch.disk = f->disk;
	h.batch.ios = r;
	h.batch.nr = f->way->direct ? 1 : ARRAY_SIZE(r);
	h.loop = f->loop;
	assert_true(loop_post(f->loop, &h.batch.task));
	for (size_t i = 0; i < h.batch.nr; i++)
		while (sem_wait(&sem))
			;
	assert_int_equal(h.over_before, 0);
	sem_destroy(&sem);
	odd_free(buf);
}

static void disk_sector_writes_at_once_keep_their_neighbours(void **state)
{
	enum {
		N = 256
	};
	struct fixture *f = *state;
	char *out = odd_buffer(N * 512), *in = odd_buffer(N * 512);
	struct io *io = calloc(N, sizeof(*io));

	fill(out, N * 512, 3);
	for (size_t i = 0; i < N; i++)
		io[i] = transfer(DISK_WRITE, out + i * 512, 512, i * 512);
	run(f, io, N);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(io[i].err, 0);
	for (size_t i = 0; i < N; i++)
		io[i] = transfer(DISK_READ, in + i * 512, 512, i * 512);
	run(f, io, N);
	assert_memory_equal(in, out, N * 512);
	file_read(f, in, N * 512, 0);
	assert_memory_equal(in, out, N * 512);
	free(io);
	odd_free(out);
	odd_free(in);
}

static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Any write or zeroing of up to 64 sectors inside [@from, @from + @room). */
static struct io random_change(unsigned int *seed, char *buf, char *model,
			       uint64_t from, uint64_t room)
{
	uint64_t first = next_random(seed) % room;
	uint64_t n = 1 + next_random(seed) % min_u64(64, room - first);
	uint64_t off = (from + first) * 512;
	struct io io;

	if (next_random(seed) % 4) {
		fill(buf, n * 512, *seed);
		memcpy(model + off, buf, n * 512);
		/* One in two is aligned as well as it can be. */
		io = transfer(DISK_WRITE, buf, n * 512, off);
	} else {
		memset(model + off, 0, n * 512);
		io = range(DISK_ZEROES, off, n * 512);
		io.unmap = next_random(seed) % 2;
	}
	return io;
}

/*
 * Like a busy guest: requests at once in disjoint, unaligned ranges of a disk
 * that has what @model has, and afterwards too.
 */
static void changes_agree_with(struct fixture *f, char *model)
{
	enum {
		N = 31,
		ROOM = SIZE / 512 / N
	};
	char *now = malloc(SIZE);
	char *buf[N], *odd = odd_buffer(N * 32768), *even = NULL;
	unsigned int seed = 4;
	struct io io[N];

	assert_int_equal(posix_memalign((void **)&even, 4096, N * 32768), 0);
	for (int round = 0; round < 40; round++) {
		for (uint64_t i = 0; i < N; i++) {
			buf[i] = (round % 2 ? odd : even) + i * 32768;
			io[i] = random_change(&seed, buf[i], model, i * ROOM,
					      ROOM);
		}
		run(f, io, N);
		for (int i = 0; i < N; i++)
			assert_int_equal(io[i].err, 0);
	}
	file_read(f, now, SIZE, 0);
	assert_memory_equal(now, model, SIZE);
	for (uint64_t i = 0; i < N; i++)
		io[i] = transfer(DISK_READ, odd + i * 32768, 7 * 512,
				 i * 32768 + 512);
	run(f, io, N);
	for (uint64_t i = 0; i < N; i++) {
		assert_int_equal(io[i].err, 0);
		assert_memory_equal(odd + i * 32768, model + i * 32768 + 512,
				    7 * 512);
	}
	free(now);
	free(even);
	odd_free(odd);
}

static void disk_agrees_with_a_model_of_it(void **state)
{
	char *model = calloc(1, SIZE);

	changes_agree_with(*state, model);
	free(model);
}

static void disk_changes_a_full_image_where_it_is_told_to(void **state)
{
	struct fixture *f = *state;
	char *image = malloc(SIZE), *model = malloc(SIZE);

	fill(image, SIZE, 9);
	memcpy(model, image, SIZE);
	assert_int_equal(fd_pwrite_all(f->fd, image, SIZE, f->base), 0);
	fsync(f->fd);
	changes_agree_with(f, model);
	if (f->way->layer) {
		assert_int_equal(fd_pread_all(f->fd, model, SIZE, f->base),
				 SIZE);
		assert_memory_equal(model, image, SIZE);
		f->no_guard = true;
	}
	free(image);
	free(model);
}

/* The last block of a layer is a part of one. */
static void disk_of_any_number_of_sectors_works_to_its_end(void **state)
{
	struct fixture *f = *state;
	char *out = odd_buffer(8192), *in = odd_buffer(8192);
	struct io w = transfer(DISK_WRITE, out, 3 * 512, SIZE - 4096);
	struct io last = transfer(DISK_WRITE, out, 512, SIZE - 5 * 512);
	struct io zero = range(DISK_ZEROES, SIZE - 8 * 512, 512);
	struct io discard = range(DISK_DISCARD, 0, SIZE - 4 * 512);
	struct io r = transfer(DISK_READ, in, 4 * 512, SIZE - 8 * 512);

	if (f->way->direct || f->way->part) {
		odd_free(out);
		odd_free(in);
		return;
	}
	open_larger(f, SIZE - 4 * 512);
	fill(out, 3 * 512, 5);
	assert_int_equal(run_one(f, &discard), 0);
	assert_int_equal(run_one(f, &w), 0);
	assert_int_equal(run_one(f, &last), 0);
	assert_int_equal(run_one(f, &zero), 0);
	assert_int_equal(run_one(f, &r), 0);
	memset(out + 3 * 512, 0, 512);
	memcpy(out + 3 * 512, out, 512);
	memset(out, 0, 512);
	assert_memory_equal(in, out, 4 * 512);
	odd_free(out);
	odd_free(in);
	f->no_guard = true;
}

static void disk_flush_succeeds_with_writes_around_it(void **state)
{
	struct fixture *f = *state;
	char *buf = odd_buffer(4096);
	struct io io[3] = { transfer(DISK_WRITE, buf, 4096, 0),
			    range(DISK_FLUSH, 0, 0),
			    transfer(DISK_WRITE, buf, 512, 8192) };

	fill(buf, 4096, 5);
	run(f, io, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(io[i].err, 0);
	odd_free(buf);
}

static void disk_empty_requests_succeed(void **state)
{
	struct fixture *f = *state;
	struct io io[5] = { { .kind = DISK_READ },
			    transfer(DISK_WRITE, NULL, 0, SIZE),
			    range(DISK_DISCARD, 0, 0),
			    range(DISK_ZEROES, SIZE, 0),
			    range(DISK_FLUSH, 0, 0) };

	run(f, io, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(io[i].err, 0);
}

/* Refusals */

static void disk_refuses_ranges_past_its_end(void **state)
{
	struct fixture *f = *state;
	char *buf = odd_buffer(4096);
	struct io io[8] = {
		transfer(DISK_READ, buf, 512, SIZE),
		transfer(DISK_READ, buf, 1024, SIZE - 512),
		transfer(DISK_WRITE, buf, 512, UINT64_MAX - 511),
		transfer(DISK_WRITE, buf, 512, 1ull << 63),
		range(DISK_DISCARD, SIZE - 512, 1024),
		range(DISK_ZEROES, 0, UINT64_MAX),
		range(DISK_ZEROES, UINT64_MAX, UINT64_MAX),
		{ .kind = DISK_WRITE,
		  .nr = 2,
		  .iov = { { buf, SIZE_MAX }, { buf, 513 } } },
	};
	struct stat st;

	run(f, io, 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(io[i].err, -EINVAL);
	assert_int_equal(fstat(f->fd, &st), 0);
	assert_int_equal(st.st_size, file_size(f, SIZE));
	odd_free(buf);
}

static void disk_readonly_refuses_changes(void **state)
{
	struct fixture *f = *state;
	char *buf = odd_buffer(4096), why[256];
	struct io io[5] = { transfer(DISK_WRITE, buf, 512, 0),
			    range(DISK_DISCARD, 0, 4096),
			    range(DISK_ZEROES, 0, 4096),
			    transfer(DISK_READ, buf, 512, 0),
			    range(DISK_FLUSH, 0, 0) };

	disk_close(f->disk);
	assert_int_equal(try_open(&f->disk, f->path, true, f->way->direct,
				  f->loop, why),
			 0);
	assert_true(disk_readonly(f->disk));
	assert_false(disk_can_discard(f->disk));
	run(f, io, 5);
	assert_int_equal(io[0].err, -EROFS);
	assert_int_equal(io[1].err, -EROFS);
	assert_int_equal(io[2].err, -EROFS);
	assert_int_equal(io[3].err, 0);
	assert_int_equal(io[4].err, 0);
	odd_free(buf);
}

static void disk_read_of_a_file_that_shrank_fails(void **state)
{
	struct fixture *f = *state;
	char *buf = odd_buffer(16384);
	struct io behind = transfer(DISK_READ, buf, 4096, SIZE - 4096);
	struct io across = transfer(DISK_READ, buf, 16384, 4096);
	struct io before = transfer(DISK_READ, buf, 4096, 0);

	log_set_level(LOG_LEVEL_ERR);
	f->no_guard = true;
	assert_int_equal(ftruncate(f->fd, (off_t)f->base + 8192), 0);
	assert_int_equal(run_one(f, &behind), -EIO);
	assert_int_equal(run_one(f, &across), -EIO);
	assert_int_equal(run_one(f, &before), 0);
	log_set_level(LOG_LEVEL_WARN);
	odd_free(buf);
}

/* Discard and zeroes */

static void write_all(struct fixture *f, char *buf)
{
	struct io w = transfer(DISK_WRITE, buf, SIZE, 0);
	struct io flush = range(DISK_FLUSH, 0, 0);

	fill(buf, SIZE, 6);
	assert_int_equal(run_one(f, &w), 0);
	assert_int_equal(run_one(f, &flush), 0);
}

static void disk_discard_gives_space_back(void **state)
{
	struct fixture *f = *state;
	char *buf = odd_buffer(SIZE);
	struct io io = range(DISK_DISCARD, SIZE / 4, SIZE / 2);
	struct stat before, after;
	int fd = f->fd;

	if (!disk_can_discard(f->disk))
		skip();
	write_all(f, buf);
	if (f->way->layer)
		fd = f->disk->layer.fd;
	assert_int_equal(fstat(fd, &before), 0);
	assert_int_equal(run_one(f, &io), 0);
	assert_int_equal(fstat(fd, &after), 0);
	assert_true(after.st_blocks <= before.st_blocks - SIZE / 4 / 512);
	assert_int_equal(after.st_size, before.st_size);
	odd_free(buf);
}

/* Zero [off, off + len) of a full disk, and nothing else. */
static void zeroes_cover(struct fixture *f, uint64_t off, uint64_t len,
			 bool unmap)
{
	char *want = odd_buffer(SIZE), *now = odd_buffer(SIZE);
	struct io io = range(DISK_ZEROES, off, len);
	struct stat st;

	write_all(f, want);
	io.unmap = unmap;
	assert_int_equal(run_one(f, &io), 0);
	memset(want + off, 0, len);
	file_read(f, now, SIZE, 0);
	assert_memory_equal(now, want, SIZE);
	assert_int_equal(fstat(f->fd, &st), 0);
	assert_int_equal(st.st_size, file_size(f, SIZE));
	odd_free(want);
	odd_free(now);
}

static void disk_write_zeroes_zeroes_just_the_range(void **state)
{
	zeroes_cover(*state, 8192, 65536, false);
	zeroes_cover(*state, 512, 512, false);
	zeroes_cover(*state, 0, SIZE, false);
}

static void disk_write_zeroes_unmap_zeroes_just_the_range(void **state)
{
	zeroes_cover(*state, 8192, 65536, true);
	zeroes_cover(*state, 7 * 512, 9 * 512, true);
	zeroes_cover(*state, SIZE - 512, 512, true);
}

static void disk_write_zeroes_works_without_help_of_the_host(void **state)
{
	struct fixture *f = *state;

	f->disk->no_punch = true;
	f->disk->no_zero_range = true;
	zeroes_cover(f, 0, SIZE, true);
	zeroes_cover(f, 512, SIZE - 1024, false);
	zeroes_cover(f, 13 * 512, 5 * 512, false);
	zeroes_cover(f, 4096, 300 * 1024, true);
}

static void disk_zeroes_at_once_keep_their_neighbours(void **state)
{
	enum {
		N = 200
	};
	struct fixture *f = *state;
	char *buf = odd_buffer(SIZE), *now = malloc(SIZE);
	struct io *io = calloc(N, sizeof(*io));

	f->disk->no_punch = true;
	f->disk->no_zero_range = true;
	write_all(f, buf);
	for (size_t i = 0; i < N; i++) {
		io[i] = range(DISK_ZEROES, (i * 3 + 1) * 512, 512);
		memset(buf + (i * 3 + 1) * 512, 0, 512);
	}
	run(f, io, N);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(io[i].err, 0);
	file_read(f, now, SIZE, 0);
	assert_memory_equal(now, buf, SIZE);
	odd_free(buf);
	free(now);
	free(io);
}

static void disk_discard_without_help_of_the_host_is_no_error(void **state)
{
	struct fixture *f = *state;
	char *buf = odd_buffer(SIZE), *now = malloc(SIZE);
	struct io io = range(DISK_DISCARD, 0, SIZE);

	write_all(f, buf);
	f->disk->no_punch = true;
	assert_int_equal(run_one(f, &io), 0);
	file_read(f, now, SIZE, 0);
	assert_memory_equal(now, buf, SIZE);
	odd_free(buf);
	free(now);
}

/* Hosts that fail */

/* Run @body in a child; 77 skips. */
static void in_child(void (*prepare)(const struct way *),
		     void (*body)(struct fixture *), const struct way *way)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		void *state = (void *)(uintptr_t)way;

		prepare(way);
		log_set_level(LOG_LEVEL_ERR);
		if (setup(&state))
			_exit(3);
		body(state);
		teardown(&state);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void nothing(const struct way *way)
{
	(void)way;
}

static void limit_is_hit(struct fixture *f)
{
	uint64_t to = (f->way->layer ? 0 : f->base) + SIZE / 2;
	struct rlimit half = { to, to };
	char *buf = odd_buffer(SIZE);
	struct io across = transfer(DISK_WRITE, buf, SIZE, 0);
	struct io below = transfer(DISK_WRITE, buf, SIZE / 2, 0);

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &half);
	if (run_one(f, &across) != -EFBIG)
		_exit(4);
	if (run_one(f, &below))
		_exit(5);
	odd_free(buf);
}

static void disk_write_past_the_file_size_limit_fails(void **state)
{
	struct fixture *f = *state;

	in_child(nothing, limit_is_hit, f->way);
}

/* A file system of 256 KiB in place of the way's folder, for this child. */
static void mount_small(const struct way *way)
{
	const char *size = way->part ? "size=2304k" : "size=256k";

	if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS))
		_exit(77);
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/tmp", "tmpfs", 0, size) ||
	    mount("none", "/dev/shm", "tmpfs", 0, size))
		_exit(77);
}

static void space_runs_out(struct fixture *f)
{
	char *buf = odd_buffer(SIZE);
	struct io w = transfer(DISK_WRITE, buf, SIZE, 0);
	struct io discard = range(DISK_DISCARD, 0, SIZE);
	struct io small = transfer(DISK_WRITE, buf, 4096, SIZE - 4096);

	if (run_one(f, &w) != -ENOSPC)
		_exit(4);
	/* The disk works on, and discard makes room again. */
	if (run_one(f, &discard))
		_exit(5);
	if (run_one(f, &small))
		_exit(6);
	odd_free(buf);
}

static void disk_write_without_space_fails_and_discard_helps(void **state)
{
	struct fixture *f = *state;

	in_child(mount_small, space_runs_out, f->way);
}

/* Opening */

static void refuses(struct fixture *f, const char *path, bool readonly,
		    bool direct, int want, const char *words)
{
	struct disk *d = (void *)1;
	char why[256];

	assert_int_equal(try_open(&d, path, readonly, direct, f->loop, why),
			 want);
	assert_null(d);
	if (!strstr(why, words))
		print_message("# %s\n", why);
	assert_non_null(strstr(why, words));
	assert_ptr_equal(strstr(why, path), why);
	assert_null(strchr(why, '\n'));
}

static void disk_open_refuses_what_is_no_disk(void **state)
{
	struct fixture *f = *state;
	char dir[] = "/tmp/minivmm-disk-XXXXXX", path[64];
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_non_null(mkdtemp(dir));
	refuses(f, "/nonexistent/root.img", false, false, -ENOENT,
		"no such file");
	refuses(f, "", false, false, -ENOENT, "no such file");
	for (int readonly = 0; readonly < 2; readonly++) {
		refuses(f, dir, readonly, false, -EISDIR, "is a directory");
		refuses(f, "/dev/null", readonly, false, -EINVAL,
			"is a character device");
		snprintf(path, sizeof(path), "%s/fifo", dir);
		mkfifo(path, 0600);
		refuses(f, path, readonly, false, -EINVAL, "is a FIFO");
	}
	unlink(path);

	snprintf(path, sizeof(path), "%s/socket", dir);
	strcpy(addr.sun_path, path);
	assert_int_equal(bind(s, (struct sockaddr *)&addr, sizeof(addr)), 0);
	refuses(f, path, false, false, -EINVAL, "is a socket");
	close(s);
	unlink(path);
	rmdir(dir);
}

static void disk_open_refuses_wrong_sizes(void **state)
{
	struct fixture *f = *state;

	f->no_guard = true;
	disk_close(f->disk);
	f->disk = NULL;
	assert_int_equal(ftruncate(f->fd, 0), 0);
	refuses(f, f->path, false, false, -EINVAL, "is empty");
	refuses(f, f->path, true, false, -EINVAL, "is empty");
	assert_int_equal(ftruncate(f->fd, 1000), 0);
	refuses(f, f->path, false, false, -EINVAL,
		"its size, 1000, is not a multiple of 512");
	refuses(f, f->path, false, true, -EINVAL,
		"its size, 1000, is not a multiple of 512");
}

/* Files without STATX_DIOALIGN count in units of 4096. */
static void disk_open_direct_refuses_a_part_of_a_unit_at_the_end(void **state)
{
	struct fixture *f = *state;
	bool in_4096 = f->way->direct && f->disk->unit == 4096 && !f->way->unit;

	f->no_guard = true;

	if (!in_4096)
		skip();
	disk_close(f->disk);
	f->disk = NULL;
	assert_int_equal(ftruncate(f->fd, 4096 + 512), 0);
	refuses(f, f->path, false, true, -EINVAL,
		"its size, 4608, is not a multiple of 4096");
}

static void disk_open_says_when_o_direct_is_refused(void **state)
{
	static const char path[] =
		"/sys/kernel/mm/transparent_hugepage/enabled";
	struct fixture *f = *state;

	if (access(path, R_OK))
		skip();
	refuses(f, path, true, true, -EINVAL, "refuses direct=on");
}

static void without_permission(struct fixture *f)
{
	struct disk *d;
	char why[256];

	if (chmod(f->path, 0444) || (!getuid() && seteuid(65534)))
		_exit(77);
	/* The file is locked by this process: permission comes first. */
	if (try_open(&d, f->path, false, false, f->loop, why) != -EACCES ||
	    !strstr(why, "no permission to read and write"))
		_exit(4);
	if (!getuid() && seteuid(0))
		_exit(5);
	if (chmod(f->path, 0) || (!getuid() && seteuid(65534)))
		_exit(77);
	if (try_open(&d, f->path, true, false, f->loop, why) != -EACCES ||
	    !strstr(why, "no permission to read it"))
		_exit(6);
	if (!getuid() && seteuid(0))
		_exit(5);
}

static void disk_open_refuses_without_permission(void **state)
{
	struct fixture *f = *state;

	in_child(nothing, without_permission, f->way);
}

static void disk_open_truncates_its_words_to_the_room_there_is(void **state)
{
	struct fixture *f = *state;
	struct disk_params p = { .path = "/nonexistent/root.img" };
	struct disk *d;
	char why[8] = "";

	assert_int_equal(disk_open(&d, &p, f->loop, why, sizeof(why)), -ENOENT);
	assert_int_equal(strlen(why), 7);
	assert_int_equal(disk_open(&d, &p, f->loop, why, 0), -ENOENT);
	disk_close(NULL);
}

/* Locking */

static void disk_open_refuses_a_second_writer(void **state)
{
	struct fixture *f = *state;
	struct disk *d;
	char why[256];

	refuses(f, f->path, false, false, -EBUSY,
		"in use by another disk of this minivmm");
	if (!f->way->layer)
		refuses(f, f->path, true, false, -EBUSY, "in use");
	disk_close(f->disk);
	assert_int_equal(try_open(&f->disk, f->path, true, false, f->loop, why),
			 0);
	/* Readers get along with readers only. */
	refuses(f, f->path, false, false, -EBUSY, "in use");
	assert_int_equal(try_open(&d, f->path, true, false, f->loop, why), 0);
	disk_close(d);
	disk_close(f->disk);
	assert_int_equal(
		try_open(&f->disk, f->path, false, false, f->loop, why), 0);
}

static void disk_open_names_the_process_that_has_it(void **state)
{
	struct fixture *f = *state;
	char words[64], why[256];
	struct disk *d;
	int status;
	pid_t pid;

	snprintf(words, sizeof(words), "in use by another minivmm (pid %d)",
		 getpid());
	pid = fork();
	if (!pid) {
		int err = try_open(&d, f->path, false, false, f->loop, why);

		_exit(err == -EBUSY && strstr(why, words) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A whole minivmm, as far as the disk goes: until it is killed. */
static void hold_disk(const struct fixture *f, int fd)
{
	struct fixture own = *f;
	char *buf = odd_buffer(4096), c;
	struct io r = transfer(DISK_READ, buf, 4096, 0);

	own.running = false;
	c = loop_create(&own.loop, f->way->kind, 64) || open_disk(&own) ||
			    run_one(&own, &r)
		    ? 'n'
		    : 'y';
	fd_write_all(fd, &c, 1);
	pause();
	_exit(0);
}

/* Nobody has it locked at this moment. */
static bool is_unlocked(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool got = fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB);

	fd_close(&fd);
	return got;
}

static void disk_lock_ends_with_a_killed_process(void **state)
{
	struct fixture *f = *state;
	int p[2], status;
	pid_t pid;
	char c;

	disk_close(f->disk);
	f->disk = NULL;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	for (int i = 0; i < 20; i++) {
		pid = fork();
		if (!pid)
			hold_disk(f, p[1]);
		assert_int_equal(read(p[0], &c, 1), 1);
		assert_int_equal(c, 'y');
		refuses(f, f->path, false, false, -EBUSY, "in use");
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		/* No request was in flight. */
		assert_true(is_unlocked(f->path));
		assert_int_equal(open_disk(f), 0);
		disk_close(f->disk);
		f->disk = NULL;
	}
	close(p[0]);
	close(p[1]);
}

/* Block devices: a loop device with blocks of 4096 bytes, as root only. */

static int attach(struct fixture *f, char path[32])
{
	struct loop_config c = { .fd = (uint32_t)f->fd,
				 .block_size = f->way->part ? 512 : 4096 };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), nr, fd;

	if (control < 0)
		return -1;
	nr = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (nr < 0)
		return -1;
	snprintf(path, 32, "/dev/loop%d", nr);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	c.info.lo_flags = LO_FLAGS_AUTOCLEAR;
	if (ioctl(fd, LOOP_CONFIGURE, &c)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void disk_works_on_a_block_device(void **state)
{
	struct fixture *f = *state;
	char dev[32], *buf = odd_buffer(SIZE);
	struct io flush = range(DISK_FLUSH, 0, 0);
	struct io discard = range(DISK_DISCARD, 512, SIZE - 1024);
	struct io tiny = range(DISK_DISCARD, 512, 512);
	int fd = attach(f, dev);

	if (fd < 0) {
		odd_free(buf);
		skip();
	}
	disk_close(f->disk);
	assert_int_equal(open_disk_at(f, dev), 0);
	assert_int_equal(disk_sectors(f->disk), SIZE / 512);
	assert_true(disk_can_discard(f->disk));
	if (f->way->direct && !f->way->part)
		assert_int_equal(f->disk->unit, 4096);
	refuses(f, dev, false, false, -EBUSY, "in use");

	/* What the helpers look at is the device from now on. */
	assert_int_equal(dup2(fd, f->fd), f->fd);
	close(fd);
	disk_agrees_with_a_model_of_it(state);
	disk_sector_writes_at_once_keep_their_neighbours(state);
	assert_int_equal(run_one(f, &flush), 0);
	assert_int_equal(run_one(f, &discard), 0);
	assert_int_equal(run_one(f, &tiny), 0);

	stop_loop(f);
	disk_close(f->disk);
	f->disk = NULL;
	odd_free(buf);
}

#define WAY(fn)                                \
	{                                      \
#fn, fn, setup, teardown, NULL \
	}

static const struct CMUnitTest all[] = {
	WAY(disk_knows_its_size),
	WAY(disk_reads_what_was_written),
	WAY(disk_transfers_odd_pieces),
	WAY(disk_transfers_long_pieces),
	WAY(disk_long_requests_let_others_have_their_turn),
	WAY(disk_sector_writes_at_once_keep_their_neighbours),
	WAY(disk_agrees_with_a_model_of_it),
	WAY(disk_changes_a_full_image_where_it_is_told_to),
	WAY(disk_of_any_number_of_sectors_works_to_its_end),
	WAY(disk_flush_succeeds_with_writes_around_it),
	WAY(disk_empty_requests_succeed),
	WAY(disk_refuses_ranges_past_its_end),
	WAY(disk_readonly_refuses_changes),
	WAY(disk_read_of_a_file_that_shrank_fails),
	WAY(disk_discard_gives_space_back),
	WAY(disk_write_zeroes_zeroes_just_the_range),
	WAY(disk_write_zeroes_unmap_zeroes_just_the_range),
	WAY(disk_write_zeroes_works_without_help_of_the_host),
	WAY(disk_zeroes_at_once_keep_their_neighbours),
	WAY(disk_discard_without_help_of_the_host_is_no_error),
	WAY(disk_write_past_the_file_size_limit_fails),
	WAY(disk_write_without_space_fails_and_discard_helps),
	WAY(disk_open_refuses_what_is_no_disk),
	WAY(disk_open_refuses_wrong_sizes),
	WAY(disk_open_direct_refuses_a_part_of_a_unit_at_the_end),
	WAY(disk_open_says_when_o_direct_is_refused),
	WAY(disk_open_refuses_without_permission),
	WAY(disk_open_truncates_its_words_to_the_room_there_is),
	WAY(disk_open_refuses_a_second_writer),
	WAY(disk_open_names_the_process_that_has_it),
	WAY(disk_lock_ends_with_a_killed_process),
	WAY(disk_works_on_a_block_device),
};

static const struct way ways[] = {
	{ .name = "io_uring", .kind = LOOP_URING, .folder = "/tmp" },
	{ .name = "io_uring, direct",
	  .kind = LOOP_URING,
	  .folder = "/tmp",
	  .direct = true },
	{ .name = "io_uring, direct, 4096",
	  .kind = LOOP_URING,
	  .folder = "/tmp",
	  .direct = true,
	  .unit = 4096 },
	{ .name = "io_uring, tmpfs", .kind = LOOP_URING, .folder = "/dev/shm" },
	{ .name = "io_uring, tmpfs, direct",
	  .kind = LOOP_URING,
	  .folder = "/dev/shm",
	  .direct = true },
	{ .name = "poll", .kind = LOOP_POLL, .folder = "/tmp" },
	{ .name = "poll, direct",
	  .kind = LOOP_POLL,
	  .folder = "/tmp",
	  .direct = true },
	{ .name = "poll, direct, 4096",
	  .kind = LOOP_POLL,
	  .folder = "/tmp",
	  .direct = true,
	  .unit = 4096 },
	{ .name = "poll, tmpfs", .kind = LOOP_POLL, .folder = "/dev/shm" },
	{ .name = "io_uring, partition",
	  .kind = LOOP_URING,
	  .folder = "/tmp",
	  .part = true },
	{ .name = "io_uring, partition, direct",
	  .kind = LOOP_URING,
	  .folder = "/tmp",
	  .direct = true,
	  .part = true },
	{ .name = "poll, partition",
	  .kind = LOOP_POLL,
	  .folder = "/tmp",
	  .part = true },
	{ .name = "poll, partition, direct",
	  .kind = LOOP_POLL,
	  .folder = "/tmp",
	  .direct = true,
	  .part = true },
	{ .name = "io_uring, layer",
	  .kind = LOOP_URING,
	  .folder = "/tmp",
	  .layer = true },
	{ .name = "poll, layer, partition",
	  .kind = LOOP_POLL,
	  .folder = "/tmp",
	  .layer = true,
	  .part = true },
	{ .name = "poll, layer, tmpfs",
	  .kind = LOOP_POLL,
	  .folder = "/dev/shm",
	  .layer = true },
};

static bool possible(const struct way *w)
{
	void *state = (void *)(uintptr_t)w;

	if (setup(&state))
		return false;
	teardown(&state);
	return true;
}

static int run_way(const struct way *w)
{
	static struct CMUnitTest tests[ARRAY_SIZE(all)];
	static char names[ARRAY_SIZE(all)][128];

	if (!possible(w)) {
		printf("ok 1 - %s # SKIP not on this host\n", w->name);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		snprintf(names[i], sizeof(names[i]), "%s: %s", w->name,
			 all[i].name);
		tests[i] = all[i];
		tests[i].name = names[i];
		tests[i].initial_state = (void *)(uintptr_t)w;
	}
	return cmocka_run_group_tests_name(w->name, tests, NULL, NULL);
}

int main(void)
{
	int failed = 0;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		failed += run_way(&ways[i]);
	return failed ? 1 : 0;
}
