// SPDX-License-Identifier: MIT
/*
 * test_loop.c - the event loop. Every test runs on both backends, but those
 * that are about the choice between them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/thread.h"
#include "virtio/loop.h"

#define MS 1000000ull

/* An op that notes its result and stops the loop when it is the last. */
struct note {
	struct loop_op op;
	struct loop *loop;
	int *left;
	int res;
	int order;
	int *next_order;
};

struct fixture {
	enum loop_kind kind;
	struct loop *loop;
	int left;
	int next_order;
};

static void note_done(struct loop_op *op, int res)
{
	struct note *n = container_of(op, struct note, op);

	n->res = res;
	n->order = (*n->next_order)++;
	if (!--*n->left)
		loop_stop(n->loop);
}

static void note_init(struct fixture *f, struct note *n)
{
	memset(n, 0, sizeof(*n));
	n->op.name = "note";
	n->op.done = note_done;
	n->loop = f->loop;
	n->left = &f->left;
	n->next_order = &f->next_order;
	n->res = -12345;
	f->left++;
}

/* Ends the test with a message instead of a time-out of the test runner. */
static void loop_runs_to_its_end(struct fixture *f)
{
	alarm(60);
	assert_int_equal(loop_run(f->loop), 0);
	alarm(0);
}

static int setup(void **state)
{
	enum loop_kind kind = *(const enum loop_kind *)*state;
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || loop_create(&f->loop, kind, 64))
		return -1;
	f->kind = kind;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_destroy(f->loop);
	free(f);
	return 0;
}

static int temp_file(void)
{
	char path[] = "/tmp/minivmm-loop-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Operations */

static void loop_reads_and_writes_files_at_offsets(void **state)
{
	struct fixture *f = *state;
	struct note w, r;
	char buf[8] = "";
	int fd = temp_file();

	note_init(f, &w);
	loop_write(f->loop, &w.op, fd, "0123456789", 10, 5);
	assert_true(loop_op_busy(&w.op));
	assert_int_equal(w.res, -12345);
	loop_runs_to_its_end(f);
	assert_int_equal(w.res, 10);
	assert_false(loop_op_busy(&w.op));

	/* A stopped loop stays stopped: the next half needs a new one. */
	loop_destroy(f->loop);
	assert_int_equal(loop_create(&f->loop, f->kind, 8), 0);
	note_init(f, &r);
	loop_read(f->loop, &r.op, fd, buf, 4, 7);
	loop_runs_to_its_end(f);
	assert_int_equal(r.res, 4);
	assert_string_equal(buf, "2345");
	close(fd);
}

static void loop_readv_and_writev_use_all_buffers(void **state)
{
	struct fixture *f = *state;
	char a[4] = "", b[4] = "", c[3] = "";
	struct iovec out[] = { { (char[]){ "hello " }, 6 },
			       { (char[]){ "world" }, 5 } };
	struct iovec in[] = { { a, 3 }, { b, 3 }, { c, 2 } };
	struct note w, r;
	int fd = temp_file();

	note_init(f, &w);
	loop_writev(f->loop, &w.op, fd, out, 2, 100);
	assert_int_equal(pwrite(fd, "abcdefghij", 10, 0), 10);
	note_init(f, &r);
	loop_readv(f->loop, &r.op, fd, in, 3, 1);
	loop_runs_to_its_end(f);

	assert_int_equal(w.res, 11);
	assert_int_equal(r.res, 8);
	assert_string_equal(a, "bcd");
	assert_string_equal(b, "efg");
	assert_string_equal(c, "hi");
	assert_int_equal(pread(fd, a, 3, 104), 3);
	assert_string_equal(a, "o w");
	close(fd);
}

static void loop_reads_long_buffers(void **state)
{
	struct fixture *f = *state;
	size_t len = 1 << 20;
	char *out = malloc(len), *in = calloc(1, len);
	struct note r[2];
	int fd = temp_file();

	for (size_t i = 0; i < len; i++)
		out[i] = (char)(i * 5 >> 2);
	assert_int_equal(fd_pwrite_all(fd, out, len, 0), 0);
	note_init(f, &r[0]);
	loop_read(f->loop, &r[0].op, fd, in, len, 0);
	/* Short at the end of the file, wherever the call is made. */
	note_init(f, &r[1]);
	loop_read(f->loop, &r[1].op, fd, in, 4096, (int64_t)len - 100);
	loop_runs_to_its_end(f);
	assert_int_equal(r[0].res, len);
	assert_int_equal(r[1].res, 100);
	assert_memory_equal(in + 4096, out + 4096, len - 4096);
	free(out);
	free(in);
	close(fd);
}

static void loop_read_at_end_of_file_is_short_or_zero(void **state)
{
	struct fixture *f = *state;
	struct note part, none;
	char buf[16];
	int fd = temp_file();

	assert_int_equal(pwrite(fd, "abc", 3, 0), 3);
	note_init(f, &part);
	loop_read(f->loop, &part.op, fd, buf, sizeof(buf), 1);
	note_init(f, &none);
	loop_read(f->loop, &none.op, fd, buf, sizeof(buf), 100);
	loop_runs_to_its_end(f);
	assert_int_equal(part.res, 2);
	assert_int_equal(none.res, 0);
	close(fd);
}

static void loop_fallocate_punches_holes(void **state)
{
	struct fixture *f = *state;
	struct note w, punch;
	char buf[8192];
	struct stat st;
	int fd = temp_file();

	memset(buf, 'x', sizeof(buf));
	assert_int_equal(pwrite(fd, buf, sizeof(buf), 0), sizeof(buf));
	note_init(f, &punch);
	loop_fallocate(f->loop, &punch.op, fd,
		       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096);
	note_init(f, &w);
	loop_fdatasync(f->loop, &w.op, fd);
	loop_runs_to_its_end(f);

	assert_int_equal(punch.res, 0);
	assert_int_equal(w.res, 0);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), sizeof(buf));
	assert_int_equal(buf[4095], 'x');
	assert_int_equal(buf[4096], 0);
	assert_int_equal(buf[8191], 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 8192);
	close(fd);
}

#define MANY 1000

static void loop_takes_more_ops_than_its_ring_has_room(void **state)
{
	struct fixture *f = *state;
	struct note *n = calloc(MANY, sizeof(*n));
	uint32_t *in = calloc(MANY, sizeof(*in));
	int fd = temp_file();

	assert_non_null(n);
	assert_non_null(in);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(pwrite(fd, &i, 4, i * 4), 4);
	for (uint32_t i = 0; i < MANY; i++) {
		note_init(f, &n[i]);
		loop_read(f->loop, &n[i].op, fd, &in[i], 4, i * 4);
	}
	loop_runs_to_its_end(f);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(n[i].res, 4);
		assert_int_equal(in[i], i);
	}
	free(in);
	free(n);
	close(fd);
}

static void loop_cancels_more_ops_than_its_ring_has_room(void **state)
{
	struct fixture *f = *state;
	struct note *n = calloc(MANY, sizeof(*n));
	char *in = calloc(MANY, 1);
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	for (int i = 0; i < MANY; i++) {
		note_init(f, &n[i]);
		loop_read(f->loop, &n[i].op, p[0], &in[i], 1, -1);
	}
	for (int i = 0; i < MANY; i++)
		loop_cancel(f->loop, &n[i].op);
	assert_int_equal(f->left, MANY);
	loop_runs_to_its_end(f);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(n[i].res, -ECANCELED);
	free(in);
	free(n);
	close(p[0]);
	close(p[1]);
}

struct again {
	struct note note;
	int fd;
	int rounds;
	char buf;
};

static void again_done(struct loop_op *op, int res)
{
	struct again *a = container_of(op, struct again, note.op);

	if (--a->rounds) {
		loop_read(a->note.loop, op, a->fd, &a->buf, 1, 0);
		/* Not from inside the starter. */
		assert_true(loop_op_busy(op));
		return;
	}
	note_done(op, res);
}

static void loop_op_starts_again_from_its_own_done(void **state)
{
	struct fixture *f = *state;
	struct again a[3];
	int fd = temp_file();

	assert_int_equal(pwrite(fd, "z", 1, 0), 1);
	for (int i = 0; i < 3; i++) {
		note_init(f, &a[i].note);
		a[i].note.op.done = again_done;
		a[i].fd = fd;
		a[i].rounds = 500;
		loop_read(f->loop, &a[i].note.op, fd, &a[i].buf, 1, 0);
	}
	loop_runs_to_its_end(f);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(a[i].note.res, 1);
		assert_int_equal(a[i].rounds, 0);
	}
	close(fd);
}

/* Errors */

static void loop_ops_report_the_errors_of_their_calls(void **state)
{
	struct fixture *f = *state;
	int rd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int file = temp_file(), p[2];
	struct note n[9];
	char buf[4];
	struct iovec iov[2] = { { buf, 2 }, { buf, 2 } };

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	for (size_t i = 0; i < ARRAY_SIZE(n); i++)
		note_init(f, &n[i]);
	loop_write(f->loop, &n[0].op, rd, "x", 1, 0);
	loop_read(f->loop, &n[1].op, -1, buf, 1, 0);
	loop_read(f->loop, &n[2].op, 999, buf, 1, -1);
	loop_readv(f->loop, &n[3].op, dir, iov, 2, 0);
	loop_poll(f->loop, &n[4].op, 999, POLLIN);
	loop_accept(f->loop, &n[5].op, file);
	loop_fallocate(f->loop, &n[6].op, file, 0, 0, 0);
	loop_fdatasync(f->loop, &n[7].op, p[0]);
	loop_poll(f->loop, &n[8].op, -1, POLLIN);
	loop_runs_to_its_end(f);

	assert_int_equal(n[0].res, -EBADF);
	assert_int_equal(n[1].res, -EBADF);
	assert_int_equal(n[2].res, -EBADF);
	assert_int_equal(n[3].res, -EISDIR);
	assert_int_equal(n[4].res, -EBADF);
	assert_int_equal(n[5].res, -ENOTSOCK);
	assert_int_equal(n[6].res, -EINVAL);
	assert_int_equal(n[7].res, -EINVAL);
	assert_int_equal(n[8].res, -EBADF);
	close(rd);
	close(dir);
	close(file);
	close(p[0]);
	close(p[1]);
}

static void loop_write_to_a_broken_pipe_is_epipe(void **state)
{
	struct fixture *f = *state;
	struct note n;
	int p[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	close(p[0]);
	note_init(f, &n);
	loop_write(f->loop, &n.op, p[1], "x", 1, -1);
	loop_runs_to_its_end(f);
	assert_int_equal(n.res, -EPIPE);
	close(p[1]);
	signal(SIGPIPE, SIG_DFL);
}

/* Streams: pipes, eventfds, sockets */

struct writer {
	struct note note; /* a timeout */
	int fd;
	const void *data;
	size_t len;
};

static void writer_done(struct loop_op *op, int res)
{
	struct writer *w = container_of(op, struct writer, note.op);

	assert_int_equal(write(w->fd, w->data, w->len), w->len);
	note_done(op, res);
}

static void write_later(struct fixture *f, struct writer *w, int fd,
			const void *data, size_t len, uint64_t ns)
{
	note_init(f, &w->note);
	w->note.op.done = writer_done;
	w->fd = fd;
	w->data = data;
	w->len = len;
	loop_timeout(f->loop, &w->note.op, ns);
}

static void read_waits_for(struct fixture *f, int pipe_flags)
{
	struct writer w;
	struct note r;
	char buf[8] = "";
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC | pipe_flags), 0);
	note_init(f, &r);
	loop_read(f->loop, &r.op, p[0], buf, sizeof(buf), -1);
	write_later(f, &w, p[1], "abc", 3, 20 * MS);
	loop_runs_to_its_end(f);
	assert_int_equal(r.res, 3);
	assert_string_equal(buf, "abc");
	close(p[0]);
	close(p[1]);
}

static void loop_read_waits_for_a_blocking_pipe(void **state)
{
	read_waits_for(*state, 0);
}

static void loop_read_waits_for_a_nonblocking_pipe(void **state)
{
	read_waits_for(*state, O_NONBLOCK);
}

static void loop_two_reads_of_one_pipe_each_wait_for_data(void **state)
{
	struct fixture *f = *state;
	struct writer w1, w2;
	struct note r1, r2;
	char a[4] = "", b[4] = "";
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	note_init(f, &r1);
	note_init(f, &r2);
	loop_read(f->loop, &r1.op, p[0], a, 3, -1);
	loop_read(f->loop, &r2.op, p[0], b, 3, -1);
	write_later(f, &w1, p[1], "one", 3, 5 * MS);
	write_later(f, &w2, p[1], "two", 3, 30 * MS);
	loop_runs_to_its_end(f);
	assert_int_equal(r1.res, 3);
	assert_int_equal(r2.res, 3);
	assert_true((!strcmp(a, "one") && !strcmp(b, "two")) ||
		    (!strcmp(a, "two") && !strcmp(b, "one")));
	close(p[0]);
	close(p[1]);
}

static void loop_read_of_an_eventfd_takes_its_count(void **state)
{
	struct fixture *f = *state;
	struct note blocking, nonblocking;
	uint64_t count[2] = { 0, 0 };
	struct writer w[2];
	uint64_t five = 5, six = 6;
	int fd[2] = { eventfd(0, EFD_CLOEXEC), fd_event_create() };

	note_init(f, &blocking);
	loop_read(f->loop, &blocking.op, fd[0], &count[0], 8, -1);
	note_init(f, &nonblocking);
	loop_read(f->loop, &nonblocking.op, fd[1], &count[1], 8, -1);
	write_later(f, &w[0], fd[0], &five, 8, MS);
	write_later(f, &w[1], fd[1], &six, 8, 2 * MS);
	loop_runs_to_its_end(f);
	assert_int_equal(blocking.res, 8);
	assert_int_equal(count[0], 5);
	assert_int_equal(nonblocking.res, 8);
	assert_int_equal(count[1], 6);
	close(fd[0]);
	close(fd[1]);
}

static void loop_read_of_always_ready_files_works(void **state)
{
	struct fixture *f = *state;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int file = temp_file();
	struct note n[4];
	char a[4] = "xxx", b[4] = "xxx";

	assert_int_equal(pwrite(file, "abcdef", 6, 0), 6);
	assert_int_equal(lseek(file, 2, SEEK_SET), 2);
	for (int i = 0; i < 4; i++)
		note_init(f, &n[i]);
	loop_read(f->loop, &n[0].op, null, a, 3, -1);
	loop_read(f->loop, &n[1].op, zero, a, 3, -1);
	loop_read(f->loop, &n[2].op, file, b, 3, -1);
	loop_poll(f->loop, &n[3].op, file, POLLIN);
	loop_runs_to_its_end(f);
	assert_int_equal(n[0].res, 0);
	assert_int_equal(n[1].res, 3);
	assert_int_equal(a[2], 0);
	assert_int_equal(n[2].res, 3);
	assert_memory_equal(b, "cde", 3);
	assert_int_equal(lseek(file, 0, SEEK_CUR), 5);
	assert_int_equal(n[3].res, POLLIN);
	close(null);
	close(zero);
	close(file);
}

struct pump {
	struct note note;
	int fd;
	char *at;
	size_t left;
};

static void pump_done(struct loop_op *op, int res)
{
	struct pump *p = container_of(op, struct pump, note.op);

	assert_true(res > 0);
	p->at += res;
	p->left -= (size_t)res;
	if (!p->left)
		note_done(op, res);
	else if (p->note.order)
		loop_write(p->note.loop, op, p->fd, p->at, p->left, -1);
	else
		loop_read(p->note.loop, op, p->fd, p->at, p->left, -1);
}

static void pump_start(struct fixture *f, struct pump *p, int fd, char *buf,
		       size_t len, bool is_write)
{
	note_init(f, &p->note);
	p->note.op.done = pump_done;
	p->note.order = is_write;
	p->fd = fd;
	p->at = buf;
	p->left = len;
	if (is_write)
		loop_write(f->loop, &p->note.op, fd, buf, len, -1);
	else
		loop_read(f->loop, &p->note.op, fd, buf, len, -1);
}

/* A write of more than fits must not keep the loop from the reader. */
static void loop_pumps_more_than_a_blocking_pipe_holds(void **state)
{
	struct fixture *f = *state;
	size_t len = 1 << 20;
	char *out = malloc(len), *in = calloc(1, len);
	struct pump w, r;
	int p[2];

	for (size_t i = 0; i < len; i++)
		out[i] = (char)(i * 7 >> 3);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pump_start(f, &w, p[1], out, len, true);
	pump_start(f, &r, p[0], in, len, false);
	loop_runs_to_its_end(f);
	assert_memory_equal(in, out, len);
	free(out);
	free(in);
	close(p[0]);
	close(p[1]);
}

static void loop_poll_tells_events_and_leaves_the_data(void **state)
{
	struct fixture *f = *state;
	struct note in, out, both;
	struct writer w;
	char c = 0;
	int p[2], s[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	note_init(f, &in);
	loop_poll(f->loop, &in.op, p[0], POLLIN);
	note_init(f, &out);
	loop_poll(f->loop, &out.op, p[1], POLLOUT);
	note_init(f, &both);
	loop_poll(f->loop, &both.op, s[0], POLLIN | POLLOUT);
	write_later(f, &w, p[1], "q", 1, 10 * MS);
	loop_runs_to_its_end(f);
	assert_int_equal(in.res, POLLIN);
	assert_int_equal(out.res, POLLOUT);
	assert_int_equal(both.res, POLLOUT);
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(c, 'q');
	close(p[0]);
	close(p[1]);
	close(s[0]);
	close(s[1]);
}

static void loop_poll_reports_hangup(void **state)
{
	struct fixture *f = *state;
	struct note n;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	close(p[1]);
	note_init(f, &n);
	loop_poll(f->loop, &n.op, p[0], POLLIN);
	loop_runs_to_its_end(f);
	assert_true(n.res > 0 && (n.res & POLLHUP));
	close(p[0]);
}

static void loop_poll_and_read_of_one_file_both_end(void **state)
{
	struct fixture *f = *state;
	struct note poll_in, poll_out, r;
	struct writer w;
	char buf[4] = "";
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	note_init(f, &poll_in);
	note_init(f, &poll_out);
	note_init(f, &r);
	loop_poll(f->loop, &poll_in.op, s[0], POLLIN);
	loop_poll(f->loop, &poll_out.op, s[0], POLLOUT);
	loop_read(f->loop, &r.op, s[0], buf, 3, -1);
	write_later(f, &w, s[1], "abc", 3, 10 * MS);
	loop_runs_to_its_end(f);
	assert_int_equal(poll_out.res, POLLOUT);
	assert_true(poll_in.res & POLLIN);
	assert_int_equal(r.res, 3);
	assert_true(poll_out.order < r.order);
	close(s[0]);
	close(s[1]);
}

/* A closed descriptor's number comes back for another file. */
struct reuse {
	struct note note;
	struct fixture *f;
	struct note second;
	struct writer w;
	int p[2];
	char buf[4];
};

static void reuse_done(struct loop_op *op, int res)
{
	struct reuse *r = container_of(op, struct reuse, note.op);
	int old = r->p[0];

	close(r->p[0]);
	close(r->p[1]);
	assert_int_equal(pipe2(r->p, O_CLOEXEC), 0);
	assert_int_equal(r->p[0], old);
	note_init(r->f, &r->second);
	loop_read(r->f->loop, &r->second.op, r->p[0], r->buf, 3, -1);
	write_later(r->f, &r->w, r->p[1], "new", 3, 5 * MS);
	note_done(op, res);
}

static void loop_is_not_confused_by_a_reused_descriptor(void **state)
{
	struct fixture *f = *state;
	struct reuse r = { .f = f };

	assert_int_equal(pipe2(r.p, O_CLOEXEC), 0);
	assert_int_equal(write(r.p[1], "old", 3), 3);
	note_init(f, &r.note);
	r.note.op.done = reuse_done;
	loop_read(f->loop, &r.note.op, r.p[0], r.buf, 3, -1);
	loop_runs_to_its_end(f);
	assert_int_equal(r.second.res, 3);
	assert_string_equal(r.buf, "new");
	close(r.p[0]);
	close(r.p[1]);
}

/* The same after a cancellation, with the file alive through a duplicate. */
static void reuse_after_cancel_done(struct loop_op *op, int res)
{
	assert_int_equal(res, -ECANCELED);
	reuse_done(op, res);
}

static void loop_is_not_confused_by_reuse_after_cancel(void **state)
{
	struct fixture *f = *state;
	struct reuse r = { .f = f };
	int dup_of_old;

	assert_int_equal(pipe2(r.p, O_CLOEXEC), 0);
	dup_of_old = fcntl(r.p[0], F_DUPFD_CLOEXEC, 100);
	note_init(f, &r.note);
	r.note.op.done = reuse_after_cancel_done;
	loop_read(f->loop, &r.note.op, r.p[0], r.buf, 3, -1);
	loop_cancel(f->loop, &r.note.op);
	loop_runs_to_its_end(f);
	assert_int_equal(r.second.res, 3);
	assert_string_equal(r.buf, "new");
	close(r.p[0]);
	close(r.p[1]);
	close(dup_of_old);
}

static int listen_somewhere(struct sockaddr_un *addr, socklen_t *len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Autobind: an abstract name of the kernel's choice. */
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	assert_int_equal(bind(fd, (struct sockaddr *)addr, sizeof(sa_family_t)),
			 0);
	*len = sizeof(*addr);
	assert_int_equal(getsockname(fd, (struct sockaddr *)addr, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void accept_connects(struct fixture *f, bool nonblock)
{
	struct sockaddr_un addr;
	socklen_t len;
	int lfd = listen_somewhere(&addr, &len), c[2];
	struct note n[2];

	if (nonblock)
		assert_int_equal(fd_set_nonblock(lfd), 0);
	for (int i = 0; i < 2; i++) {
		note_init(f, &n[i]);
		loop_accept(f->loop, &n[i].op, lfd);
		c[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(c[i], (struct sockaddr *)&addr, len),
				 0);
	}
	loop_runs_to_its_end(f);
	for (int i = 0; i < 2; i++) {
		assert_true(n[i].res >= 0);
		assert_true(fcntl(n[i].res, F_GETFD) & FD_CLOEXEC);
		close(n[i].res);
		close(c[i]);
	}
	close(lfd);
}

static void loop_accepts_connections(void **state)
{
	accept_connects(*state, false);
}

static void loop_accepts_connections_of_a_nonblocking_socket(void **state)
{
	accept_connects(*state, true);
}

/* Cancelling */

static void loop_cancel_ends_all_kinds_of_waiting(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr;
	socklen_t len;
	int lfd = listen_somewhere(&addr, &len), p[2], q[2];
	struct note n[5];
	char buf[2][4];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(pipe2(q, O_CLOEXEC | O_NONBLOCK), 0);
	for (int i = 0; i < 5; i++)
		note_init(f, &n[i]);
	loop_read(f->loop, &n[0].op, p[0], buf[0], 4, -1);
	loop_read(f->loop, &n[1].op, q[0], buf[1], 4, -1);
	loop_poll(f->loop, &n[2].op, p[0], POLLIN);
	loop_timeout(f->loop, &n[3].op, 3600 * 1000 * MS);
	loop_accept(f->loop, &n[4].op, lfd);
	for (int i = 0; i < 5; i++) {
		loop_cancel(f->loop, &n[i].op);
		loop_cancel(f->loop, &n[i].op);
	}
	assert_int_equal(f->left, 5);
	loop_runs_to_its_end(f);
	for (int i = 0; i < 5; i++)
		assert_int_equal(n[i].res, -ECANCELED);
	close(lfd);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

struct canceller {
	struct note note; /* a timeout */
	struct note *victims;
	int nr;
};

static void canceller_done(struct loop_op *op, int res)
{
	struct canceller *c = container_of(op, struct canceller, note.op);

	for (int i = 0; i < c->nr; i++)
		loop_cancel(c->note.loop, &c->victims[i].op);
	note_done(op, res);
}

static void loop_cancel_ends_ops_that_wait_already(void **state)
{
	struct fixture *f = *state;
	struct canceller c;
	struct note n[4];
	char buf[2][4];
	int p[2], q[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(pipe2(q, O_CLOEXEC | O_NONBLOCK), 0);
	for (int i = 0; i < 4; i++)
		note_init(f, &n[i]);
	loop_read(f->loop, &n[0].op, p[0], buf[0], 4, -1);
	loop_read(f->loop, &n[1].op, q[0], buf[1], 4, -1);
	loop_poll(f->loop, &n[2].op, p[0], POLLIN);
	loop_timeout(f->loop, &n[3].op, 3600 * 1000 * MS);
	note_init(f, &c.note);
	c.note.op.done = canceller_done;
	c.victims = n;
	c.nr = 4;
	loop_timeout(f->loop, &c.note.op, 20 * MS);
	loop_runs_to_its_end(f);
	assert_int_equal(c.note.res, 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(n[i].res, -ECANCELED);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

static void loop_cancel_of_an_idle_op_does_nothing(void **state)
{
	struct fixture *f = *state;
	struct note n;

	note_init(f, &n);
	loop_cancel(f->loop, &n.op);
	loop_timeout(f->loop, &n.op, 0);
	loop_runs_to_its_end(f);
	assert_int_equal(n.res, 0);
	loop_cancel(f->loop, &n.op);
	assert_int_equal(n.order, 0);
}

static void loop_cancelled_disk_ops_end_once(void **state)
{
	struct fixture *f = *state;
	struct note n[100];
	char buf[100][512];
	int fd = temp_file();

	assert_int_equal(pwrite(fd, buf, sizeof(buf), 0), sizeof(buf));
	for (int i = 0; i < 100; i++) {
		note_init(f, &n[i]);
		loop_read(f->loop, &n[i].op, fd, buf[i], 512, i * 512);
	}
	for (int i = 0; i < 100; i += 2)
		loop_cancel(f->loop, &n[i].op);
	loop_runs_to_its_end(f);
	for (int i = 0; i < 100; i++) {
		if (i % 2)
			assert_int_equal(n[i].res, 512);
		else
			assert_true(n[i].res == 512 || n[i].res == -ECANCELED);
	}
	close(fd);
}

/* Time */

static void loop_timeouts_end_in_their_order(void **state)
{
	struct fixture *f = *state;
	static const int ms[] = { 30, 10, 50, 0, 20, 40 };
	static const int order[] = { 3, 1, 5, 0, 2, 4 };
	struct note n[ARRAY_SIZE(ms)];
	double start = seconds(), took;

	for (size_t i = 0; i < ARRAY_SIZE(ms); i++) {
		note_init(f, &n[i]);
		loop_timeout(f->loop, &n[i].op, (uint64_t)ms[i] * MS);
	}
	loop_runs_to_its_end(f);
	took = seconds() - start;
	for (size_t i = 0; i < ARRAY_SIZE(ms); i++) {
		assert_int_equal(n[i].res, 0);
		assert_int_equal(n[i].order, order[i]);
	}
	assert_true(took >= 0.050 && took < 5);
}

static void loop_timeout_is_never_early(void **state)
{
	struct fixture *f = *state;
	struct note n;
	double start = seconds();

	note_init(f, &n);
	loop_timeout(f->loop, &n.op, 1500000);
	loop_runs_to_its_end(f);
	assert_true(seconds() - start >= 0.0015);
}

static void loop_timeout_can_be_longer_than_anyone_waits(void **state)
{
	struct fixture *f = *state;
	struct note n, soon;

	note_init(f, &n);
	loop_timeout(f->loop, &n.op, UINT64_MAX);
	note_init(f, &soon);
	loop_timeout(f->loop, &soon.op, MS);
	f->left = 1;
	loop_runs_to_its_end(f);
	assert_int_equal(soon.res, 0);
	assert_true(loop_op_busy(&n.op));
	loop_destroy(f->loop);
	f->loop = NULL;
	assert_int_equal(n.res, -12345);
}

static void loop_destroy_ends_what_is_in_flight(void **state)
{
	struct fixture *f = *state;
	struct note n[4], soon;
	char buf[2][8] = { "", "" };
	int p[2], fd = temp_file();

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	for (int i = 0; i < 4; i++)
		note_init(f, &n[i]);
	loop_read(f->loop, &n[0].op, p[0], buf[0], 8, -1);
	loop_poll(f->loop, &n[1].op, p[0], POLLIN);
	loop_fdatasync(f->loop, &n[2].op, fd);
	loop_write(f->loop, &n[3].op, fd, "x", 1, 0);
	note_init(f, &soon);
	loop_timeout(f->loop, &soon.op, 0);
	f->left = 1;
	soon.left = &f->left;
	loop_runs_to_its_end(f);
	f->left = 1000;
	loop_destroy(f->loop);
	f->loop = NULL;

	/* Nobody reads the pipe any more. */
	assert_int_equal(write(p[1], "late", 4), 4);
	usleep(2000);
	assert_string_equal(buf[0], "");
	close(p[0]);
	close(p[1]);
	close(fd);
}

static void drained_loop_holds_nothing(void **state, bool run)
{
	struct fixture *f = *state;
	struct note *n = calloc(2, sizeof(*n)), soon;
	struct loop_task task = { .fn = NULL };
	char buf[8];
	int p[2];

	assert_non_null(n);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	note_init(f, &n[0]);
	loop_read(f->loop, &n[0].op, p[0], buf, 8, -1);
	note_init(f, &n[1]);
	loop_timeout(f->loop, &n[1].op, UINT64_MAX);
	if (run) {
		note_init(f, &soon);
		loop_timeout(f->loop, &soon.op, 0);
		f->left = 1;
		loop_runs_to_its_end(f);
	}
	loop_drain(f->loop);
	assert_false(loop_op_busy(&n[0].op));
	assert_false(loop_op_busy(&n[1].op));
	assert_int_equal(n[0].res, -12345);
	assert_false(loop_post(f->loop, &task));
	free(n);
	close(p[0]);
	close(p[1]);
	loop_drain(f->loop);
	loop_destroy(f->loop);
	f->loop = NULL;
	loop_drain(NULL);
}

static void loop_drain_lets_owners_go_before_the_loop(void **state)
{
	drained_loop_holds_nothing(state, true);
}

static void loop_drain_before_run_does_so_too(void **state)
{
	drained_loop_holds_nothing(state, false);
}

static void loop_destroy_before_run_needs_nothing(void **state)
{
	struct fixture *f = *state;
	struct note n[2];
	char buf[8];
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	note_init(f, &n[0]);
	note_init(f, &n[1]);
	loop_read(f->loop, &n[0].op, p[0], buf, 8, -1);
	loop_timeout(f->loop, &n[1].op, MS);
	loop_destroy(f->loop);
	f->loop = NULL;
	assert_int_equal(n[0].res, -12345);
	close(p[0]);
	close(p[1]);
	loop_destroy(NULL);
}

/* Tasks and stopping */

struct task {
	struct loop_task task;
	struct loop *loop;
	int runs;
	int stop_after;
};

static void task_fn(struct loop_task *lt)
{
	struct task *t = container_of(lt, struct task, task);

	if (++t->runs == t->stop_after)
		loop_stop(t->loop);
}

static void loop_runs_tasks_posted_before_it_runs(void **state)
{
	struct fixture *f = *state;
	struct task a = { .task.fn = task_fn, .loop = f->loop };
	struct task b = { .task.fn = task_fn,
			  .loop = f->loop,
			  .stop_after = 1 };

	assert_true(loop_post(f->loop, &a.task));
	/* Already queued: once is enough. */
	assert_true(loop_post(f->loop, &a.task));
	assert_true(loop_post(f->loop, &b.task));
	loop_runs_to_its_end(f);
	assert_int_equal(a.runs, 1);
	assert_int_equal(b.runs, 1);
}

static void loop_post_after_stop_is_refused(void **state)
{
	struct fixture *f = *state;
	struct task before = { .task.fn = task_fn, .loop = f->loop };
	struct task after = { .task.fn = task_fn, .loop = f->loop };

	assert_true(loop_post(f->loop, &before.task));
	assert_false(loop_stopped(f->loop));
	loop_stop(f->loop);
	assert_true(loop_stopped(f->loop));
	assert_false(loop_post(f->loop, &after.task));
	loop_runs_to_its_end(f);
	assert_false(loop_post(f->loop, &after.task));
	/* What was accepted has run, so that nobody waits for ever. */
	assert_int_equal(before.runs, 1);
	assert_int_equal(after.runs, 0);
}

struct forever {
	struct loop_task task;
	struct fixture *f;
	int runs;
};

static void forever_fn(struct loop_task *lt)
{
	struct forever *t = container_of(lt, struct forever, task);

	t->runs++;
	loop_post(t->f->loop, lt);
}

static void loop_task_that_posts_itself_lets_ops_run(void **state)
{
	struct fixture *f = *state;
	struct forever t = { .task.fn = forever_fn, .f = f };
	struct note n;

	assert_true(loop_post(f->loop, &t.task));
	note_init(f, &n);
	loop_timeout(f->loop, &n.op, 5 * MS);
	loop_runs_to_its_end(f);
	assert_int_equal(n.res, 0);
	assert_true(t.runs > 1);
}

#define POSTERS 4
#define POSTS	2000

struct poster {
	pthread_t thread;
	struct fixture *f;
	struct task tasks[POSTS];
};

static void *post_many(void *arg)
{
	struct poster *p = arg;

	for (int i = 0; i < POSTS; i++) {
		p->tasks[i].task.fn = task_fn;
		if (!loop_post(p->f->loop, &p->tasks[i].task))
			return (void *)1;
		if (i % 64 == 0)
			usleep(100);
	}
	return NULL;
}

static void *run_loop(void *arg)
{
	struct fixture *f = arg;

	return (void *)(intptr_t)loop_run(f->loop);
}

static void loop_runs_every_task_of_many_threads(void **state)
{
	struct fixture *f = *state;
	struct poster *p = calloc(POSTERS, sizeof(*p));
	pthread_t loop_thread;

	assert_int_equal(thread_start(&loop_thread, "loop", run_loop, f), 0);
	for (int i = 0; i < POSTERS; i++) {
		p[i].f = f;
		assert_int_equal(thread_start(&p[i].thread, "poster", post_many,
					      &p[i]),
				 0);
	}
	for (int i = 0; i < POSTERS; i++)
		thread_join(p[i].thread);
	loop_stop(f->loop);
	thread_join(loop_thread);

	for (int i = 0; i < POSTERS; i++) {
		for (int k = 0; k < POSTS; k++)
			assert_int_equal(p[i].tasks[k].runs, 1);
	}
	free(p);
}

/* A post wakes a loop that sleeps, each time. */
struct ping {
	struct loop_task task;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int seen;
};

static void ping_fn(struct loop_task *lt)
{
	struct ping *p = container_of(lt, struct ping, task);

	pthread_mutex_lock(&p->lock);
	p->seen++;
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

static void loop_post_wakes_a_sleeping_loop(void **state)
{
	struct fixture *f = *state;
	struct ping p = { .task.fn = ping_fn,
			  .lock = PTHREAD_MUTEX_INITIALIZER,
			  .cond = PTHREAD_COND_INITIALIZER };
	pthread_t t;

	alarm(60);
	assert_int_equal(thread_start(&t, "loop", run_loop, f), 0);
	for (int i = 1; i <= 2000; i++) {
		assert_true(loop_post(f->loop, &p.task));
		pthread_mutex_lock(&p.lock);
		while (p.seen < i)
			pthread_cond_wait(&p.cond, &p.lock);
		pthread_mutex_unlock(&p.lock);
	}
	loop_stop(f->loop);
	thread_join(t);
	alarm(0);
}

static void loop_stops_from_another_thread(void **state)
{
	struct fixture *f = *state;
	pthread_t t;

	assert_int_equal(thread_start(&t, "loop", run_loop, f), 0);
	usleep(20000);
	loop_stop(f->loop);
	thread_join(t);
	assert_true(loop_stopped(f->loop));
}

/* Ops that were started before another thread runs the loop. */
static void loop_runs_on_another_thread_than_its_creator(void **state)
{
	struct fixture *f = *state;
	struct note n[2];
	char buf[4] = "";
	int fd = temp_file();
	pthread_t t;

	assert_int_equal(pwrite(fd, "abc", 3, 0), 3);
	note_init(f, &n[0]);
	note_init(f, &n[1]);
	loop_read(f->loop, &n[0].op, fd, buf, 3, 0);
	loop_timeout(f->loop, &n[1].op, MS);
	assert_int_equal(thread_start(&t, "loop", run_loop, f), 0);
	thread_join(t);
	assert_int_equal(n[0].res, 3);
	assert_string_equal(buf, "abc");
	close(fd);
}

/*
 * What a loop does on one thread, its end on another included, is nothing to
 * a second loop on that other thread.
 */
static void loop_end_on_another_thread_spares_other_loops(void **state)
{
	struct fixture *f = *state, other = { .kind = f->kind };
	struct note mine, theirs, in_flight;
	uint64_t count;
	pthread_t t;
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(loop_create(&other.loop, other.kind, 8), 0);
	note_init(&other, &theirs);
	loop_timeout(other.loop, &theirs.op, MS);
	note_init(&other, &in_flight);
	loop_read(other.loop, &in_flight.op, fd, &count, 8, -1);
	other.left = 1;

	note_init(f, &mine);
	loop_timeout(f->loop, &mine.op, 20 * MS);
	assert_int_equal(thread_start(&t, "loop", run_loop, &other), 0);
	thread_join(t);
	assert_int_equal(theirs.res, 0);
	loop_runs_to_its_end(f);
	assert_int_equal(mine.res, 0);
	alarm(60);
	loop_destroy(other.loop);
	alarm(0);
	close(fd);
}

static struct loop *signalled_loop;

static void on_signal(int sig)
{
	(void)sig;
	loop_stop(signalled_loop);
}

static void loop_stops_from_a_signal_handler(void **state)
{
	struct fixture *f = *state;
	struct sigaction sa = { .sa_handler = on_signal };
	struct itimerval it = { .it_value.tv_usec = 20000 };

	signalled_loop = f->loop;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	assert_int_equal(loop_run(f->loop), 0);
	signal(SIGALRM, SIG_DFL);
	assert_true(loop_stopped(f->loop));
}

static void ignore_signal(int sig)
{
	(void)sig;
}

static void loop_goes_on_after_signals(void **state)
{
	struct fixture *f = *state;
	struct sigaction sa = { .sa_handler = ignore_signal };
	struct itimerval it = { .it_value.tv_usec = 1000,
				.it_interval.tv_usec = 1000 };
	struct itimerval none = { .it_value.tv_usec = 0 };
	struct note n;

	note_init(f, &n);
	loop_timeout(f->loop, &n.op, 30 * MS);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	assert_int_equal(loop_run(f->loop), 0);
	setitimer(ITIMER_REAL, &none, NULL);
	signal(SIGALRM, SIG_DFL);
	assert_int_equal(n.res, 0);
}

/* Speed-up */

static void loop_uses_registered_buffers(void **state)
{
	struct fixture *f = *state;
	size_t len = 1 << 20;
	char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct note w, r, outside;
	char other[8] = "";
	int fd = temp_file(), err;

	assert_ptr_not_equal(mem, MAP_FAILED);
	err = loop_register_buffer(f->loop, mem, len);
	assert_true(!err || err == -EOPNOTSUPP);
	strcpy(mem + 4096, "fixed");
	assert_int_equal(pwrite(fd, "abcdef", 6, 8192), 6);

	note_init(f, &w);
	loop_write(f->loop, &w.op, fd, mem + 4096, 5, 0);
	note_init(f, &r);
	loop_read(f->loop, &r.op, fd, mem + len - 6, 6, 8192);
	note_init(f, &outside);
	loop_read(f->loop, &outside.op, fd, other, 6, 8192);
	loop_runs_to_its_end(f);
	assert_int_equal(w.res, 5);
	assert_int_equal(r.res, 6);
	assert_memory_equal(mem + len - 6, "abcdef", 6);
	assert_int_equal(outside.res, 6);
	assert_string_equal(other, "abcdef");
	assert_int_equal(pread(fd, other, 5, 0), 5);
	assert_memory_equal(other, "fixed", 5);
	close(fd);
	munmap(mem, len);
}

/* The choice of the backend */

static int refuse_call(long nr, int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
			 SECCOMP_RET_ERRNO | (unsigned int)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/* In a child that may not make call @nr: 0 when all is as it should be. */
static int choose_without(long nr, int log_fd)
{
	struct fixture f = { .loop = NULL };
	struct note n;

	if (refuse_call(nr, EPERM))
		return 77;
	log_set_fd(log_fd);
	if (loop_create(&f.loop, LOOP_URING, 8) != -EPERM || f.loop)
		return 2;
	if (loop_create(&f.loop, LOOP_AUTO, 8))
		return 3;
	if (strcmp(loop_backend_name(f.loop), "poll"))
		return 4;
	note_init(&f, &n);
	loop_timeout(f.loop, &n.op, 0);
	if (loop_run(f.loop) || n.res)
		return 5;
	loop_destroy(f.loop);
	return 0;
}

/*
 * Run body(arg, fd of the log) in a child: 77 skips, 0 is success, and the
 * log is one line with @reason and @what in it; none when both are NULL.
 */
static void in_child(int (*body)(long arg, int log_fd), long arg,
		     const char *reason, const char *what)
{
	char line[256] = "";
	int p[2], status;
	ssize_t len;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (!pid)
		_exit(body(arg, p[1]));
	close(p[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	len = read(p[0], line, sizeof(line) - 1);
	close(p[0]);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	if (!reason) {
		assert_int_equal(len, 0);
		return;
	}
	assert_true(len > 0);
	assert_non_null(strstr(line, reason));
	assert_non_null(strstr(line, what));
	assert_ptr_equal(strchr(line, '\n'), line + len - 1);
}

static void falls_back_without(long nr)
{
	in_child(choose_without, nr, "Operation not permitted", "poll loop");
}

static void loop_auto_falls_back_without_io_uring_setup(void **state)
{
	(void)state;
	falls_back_without(SYS_io_uring_setup);
}

static void loop_auto_falls_back_without_io_uring_enter(void **state)
{
	(void)state;
	falls_back_without(SYS_io_uring_enter);
}

static void loop_auto_falls_back_without_io_uring_register(void **state)
{
	(void)state;
	falls_back_without(SYS_io_uring_register);
}

/* In a child without privileges: pinned memory is limited to 64 KiB. */
static int register_too_much(long unused, int log_fd)
{
	struct rlimit small = { 65536, 65536 };
	struct fixture f = { .loop = NULL };
	size_t len = 1 << 20;
	char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = temp_file();
	struct note n;

	(void)unused;
	if (setrlimit(RLIMIT_MEMLOCK, &small) || (!getuid() && setuid(65534)))
		return 77;
	log_set_fd(log_fd);
	if (loop_create(&f.loop, LOOP_URING, 8))
		return 77;
	if (loop_register_buffer(f.loop, mem, len) != -ENOMEM)
		return 2;
	note_init(&f, &n);
	loop_write(f.loop, &n.op, fd, mem, 4096, 0);
	if (loop_run(f.loop) || n.res != 4096)
		return 3;
	loop_destroy(f.loop);
	return 0;
}

static void loop_goes_on_when_buffers_cannot_be_pinned(void **state)
{
	(void)state;
	in_child(register_too_much, 0, "fixed buffers", "ulimit -l");
}

static int timeouts_without_pwait2(long unused, int log_fd)
{
	struct fixture f = { .loop = NULL };
	double start = seconds();
	struct note n[2];

	(void)unused;
	if (refuse_call(SYS_epoll_pwait2, EPERM))
		return 77;
	log_set_fd(log_fd);
	if (loop_create(&f.loop, LOOP_POLL, 8))
		return 2;
	note_init(&f, &n[0]);
	note_init(&f, &n[1]);
	loop_timeout(f.loop, &n[0].op, 5500000);
	loop_timeout(f.loop, &n[1].op, 1);
	if (loop_run(f.loop) || n[0].res || n[1].res || n[1].order)
		return 3;
	loop_destroy(f.loop);
	return seconds() - start >= 0.0055 ? 0 : 4;
}

static void loop_poll_works_without_epoll_pwait2(void **state)
{
	(void)state;
	in_child(timeouts_without_pwait2, 0, NULL, NULL);
}

static void loop_backend_is_the_one_asked_for(void **state)
{
	struct loop *l;

	(void)state;
	assert_int_equal(loop_create(&l, LOOP_POLL, 8), 0);
	assert_string_equal(loop_backend_name(l), "poll");
	loop_destroy(l);
	if (loop_create(&l, LOOP_URING, 8))
		skip();
	assert_string_equal(loop_backend_name(l), "io_uring");
	loop_destroy(l);
	assert_int_equal(loop_create(&l, LOOP_AUTO, 1u << 31), 0);
	assert_string_equal(loop_backend_name(l), "io_uring");
	loop_destroy(l);
}

#define BOTH(fn)                               \
	{                                      \
#fn, fn, setup, teardown, NULL \
	}

static const struct CMUnitTest both[] = {
	BOTH(loop_reads_and_writes_files_at_offsets),
	BOTH(loop_readv_and_writev_use_all_buffers),
	BOTH(loop_reads_long_buffers),
	BOTH(loop_read_at_end_of_file_is_short_or_zero),
	BOTH(loop_fallocate_punches_holes),
	BOTH(loop_takes_more_ops_than_its_ring_has_room),
	BOTH(loop_cancels_more_ops_than_its_ring_has_room),
	BOTH(loop_op_starts_again_from_its_own_done),
	BOTH(loop_ops_report_the_errors_of_their_calls),
	BOTH(loop_write_to_a_broken_pipe_is_epipe),
	BOTH(loop_read_waits_for_a_blocking_pipe),
	BOTH(loop_read_waits_for_a_nonblocking_pipe),
	BOTH(loop_two_reads_of_one_pipe_each_wait_for_data),
	BOTH(loop_read_of_an_eventfd_takes_its_count),
	BOTH(loop_read_of_always_ready_files_works),
	BOTH(loop_pumps_more_than_a_blocking_pipe_holds),
	BOTH(loop_poll_tells_events_and_leaves_the_data),
	BOTH(loop_poll_reports_hangup),
	BOTH(loop_poll_and_read_of_one_file_both_end),
	BOTH(loop_is_not_confused_by_a_reused_descriptor),
	BOTH(loop_is_not_confused_by_reuse_after_cancel),
	BOTH(loop_accepts_connections),
	BOTH(loop_accepts_connections_of_a_nonblocking_socket),
	BOTH(loop_cancel_ends_all_kinds_of_waiting),
	BOTH(loop_cancel_ends_ops_that_wait_already),
	BOTH(loop_cancel_of_an_idle_op_does_nothing),
	BOTH(loop_cancelled_disk_ops_end_once),
	BOTH(loop_timeouts_end_in_their_order),
	BOTH(loop_timeout_is_never_early),
	BOTH(loop_timeout_can_be_longer_than_anyone_waits),
	BOTH(loop_destroy_ends_what_is_in_flight),
	BOTH(loop_drain_lets_owners_go_before_the_loop),
	BOTH(loop_drain_before_run_does_so_too),
	BOTH(loop_destroy_before_run_needs_nothing),
	BOTH(loop_runs_tasks_posted_before_it_runs),
	BOTH(loop_post_after_stop_is_refused),
	BOTH(loop_task_that_posts_itself_lets_ops_run),
	BOTH(loop_runs_every_task_of_many_threads),
	BOTH(loop_post_wakes_a_sleeping_loop),
	BOTH(loop_stops_from_another_thread),
	BOTH(loop_runs_on_another_thread_than_its_creator),
	BOTH(loop_end_on_another_thread_spares_other_loops),
	BOTH(loop_stops_from_a_signal_handler),
	BOTH(loop_goes_on_after_signals),
	BOTH(loop_uses_registered_buffers),
};

/* The tests of both[] as "io_uring: ..." and again as "poll: ...". */
static int run_both(enum loop_kind kind, const char *prefix)
{
	static struct CMUnitTest tests[ARRAY_SIZE(both)];
	static char names[ARRAY_SIZE(both)][128];
	enum loop_kind arg = kind;

	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		snprintf(names[i], sizeof(names[i]), "%s: %s", prefix,
			 both[i].name);
		tests[i] = both[i];
		tests[i].name = names[i];
		tests[i].initial_state = &arg;
	}
	return cmocka_run_group_tests_name(prefix, tests, NULL, NULL);
}

int main(void)
{
	static const struct CMUnitTest choice[] = {
		cmocka_unit_test(loop_backend_is_the_one_asked_for),
		cmocka_unit_test(loop_auto_falls_back_without_io_uring_setup),
		cmocka_unit_test(loop_auto_falls_back_without_io_uring_enter),
		cmocka_unit_test(
			loop_auto_falls_back_without_io_uring_register),
		cmocka_unit_test(loop_poll_works_without_epoll_pwait2),
		cmocka_unit_test(loop_goes_on_when_buffers_cannot_be_pinned),
	};
	int failed = 0;
	struct loop *l;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (!loop_create(&l, LOOP_URING, 8)) {
		loop_destroy(l);
		failed += run_both(LOOP_URING, "io_uring");
	}
	failed += run_both(LOOP_POLL, "poll");
	failed += cmocka_run_group_tests(choice, NULL, NULL);
	return failed ? 1 : 0;
}
