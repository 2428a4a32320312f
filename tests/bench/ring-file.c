// SPDX-License-Identifier: MIT
/*
 * ring-file.c - the same reads and writes as blk-ring.c, by a plain liburing
 * program without a VM: what the host can do at best.
 *
 *   ring-file r|w COUNT FILE [direct] [files] [buffers]
 *
 * files, buffers: registered with the ring. Prints the same as blk-run.
 */
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEPTH 32
#define BLOCK 4096u

struct run {
	struct io_uring ring;
	int fd;
	bool write, files, buffers;
	char *data;
	uint64_t blocks, place;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void send_request(struct run *r, uint64_t i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
	char *buf = r->data + i * BLOCK;
	uint64_t off;

	r->place = r->place * 6364136223846793005u + 1442695040888963407u;
	off = (r->place >> 33) % r->blocks * BLOCK;
	if (r->write && r->buffers)
		io_uring_prep_write_fixed(sqe, r->files ? 0 : r->fd, buf, BLOCK,
					  off, 0);
	else if (r->write)
		io_uring_prep_write(sqe, r->files ? 0 : r->fd, buf, BLOCK, off);
	else if (r->buffers)
		io_uring_prep_read_fixed(sqe, r->files ? 0 : r->fd, buf, BLOCK,
					 off, 0);
	else
		io_uring_prep_read(sqe, r->files ? 0 : r->fd, buf, BLOCK, off);
	if (r->files)
		sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = i;
}

static void drive(struct run *r, uint64_t count)
{
	uint64_t sent, done = 0;
	struct io_uring_cqe *cqe;

	for (sent = 0; sent < DEPTH; sent++)
		send_request(r, sent);
	while (done < count) {
		unsigned int left;

		if (io_uring_submit_and_wait(&r->ring, 1) < 0)
			die("submit");
		for (left = io_uring_cq_ready(&r->ring); left; left--, done++) {
			uint64_t i;

			if (io_uring_peek_cqe(&r->ring, &cqe) ||
			    cqe->res != (int)BLOCK)
				die("request");
			i = cqe->user_data;
			io_uring_cqe_seen(&r->ring, cqe);
			if (sent++ < count)
				send_request(r, i);
		}
	}
}

static void open_all(struct run *r, const char *path, bool direct)
{
	struct io_uring_params p = {
		.flags =
			IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	struct iovec iov;
	struct stat st;

	r->fd = open(path, O_RDWR | (direct ? O_DIRECT : 0));
	if (r->fd < 0 || fstat(r->fd, &st))
		die(path);
	r->blocks = (uint64_t)st.st_size / BLOCK;
	r->data = mmap(NULL, DEPTH * BLOCK, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(r->data, 0, DEPTH * BLOCK);
	if (io_uring_queue_init_params(256, &r->ring, &p)) {
		p.flags = 0;
		if (io_uring_queue_init_params(256, &r->ring, &p))
			die("io_uring");
	}
	if (r->files && io_uring_register_files(&r->ring, &r->fd, 1))
		die("register files");
	iov = (struct iovec){ r->data, DEPTH * BLOCK };
	if (r->buffers && io_uring_register_buffers(&r->ring, &iov, 1))
		die("register buffers");
	io_uring_register_ring_fd(&r->ring);
}

int main(int argc, char **argv)
{
	struct run r = { .place = 1 };
	bool direct = false;
	double from, cpu, n;
	int i;

	if (argc < 4)
		return 1;
	r.write = argv[1][0] == 'w';
	for (i = 4; i < argc; i++) {
		direct |= !strcmp(argv[i], "direct");
		r.files |= !strcmp(argv[i], "files");
		r.buffers |= !strcmp(argv[i], "buffers");
	}
	open_all(&r, argv[3], direct);
	n = atof(argv[2]);
	from = us(CLOCK_MONOTONIC);
	cpu = us(CLOCK_PROCESS_CPUTIME_ID);
	drive(&r, (uint64_t)n);
	printf("%.1f %.2f\n", n / (us(CLOCK_MONOTONIC) - from) * 1e3,
	       (us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / n);
	return 0;
}
