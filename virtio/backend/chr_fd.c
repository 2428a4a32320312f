// SPDX-License-Identifier: MIT
/*
 * chr_fd.c - a stream of two descriptors: stdin and stdout, a file, or
 * nothing at all.
 *
 * How it works. write() goes out with write(2) on the caller's thread: the
 * first byte is seen at once, and a reader that is slow slows down that vCPU
 * and nobody else. send() copies into a buffer that the loop writes: there
 * the loop must not wait, whoever reads.
 *
 * Input is read one buffer at a time, and the next only when the owner has
 * taken all of it: nothing that the user pasted or piped in is lost. On a
 * terminal it is read always, or the keys that end the machine would wait
 * behind others that the guest does not take.
 *
 * @syscalls: write poll open fstat close
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "virtio/backend/chr_int.h"

#define STALLED_MS 10
#define READ_MAX   512
#define SEND_MAX   4096

struct chr_fd {
	struct chr chr;
	struct chr_fd_params p;

	struct loop_op read;
	uint8_t got[READ_MAX];

	int send_fd; /* p.out_fd, or a description of our own */
	struct loop_op send;
	uint8_t out[SEND_MAX];
	size_t out_used, out_len;
	bool fell_short; /* writable() is owed */

	atomic_bool hung_up;
	atomic_bool said_lost;
};

static struct chr_fd *to_fd(struct chr *c)
{
	return container_of(c, struct chr_fd, chr);
}

/* Input */

static void fd_read_more(struct chr *c)
{
	struct chr_fd *f = to_fd(c);

	if (f->p.in_fd >= 0 && !loop_op_busy(&f->read))
		loop_read(c->loop, &f->read, f->p.in_fd, f->got, sizeof(f->got),
			  -1);
}

/* Behind what waits already, as far as there is room. */
static void keep_input(struct chr *c, const uint8_t *buf, size_t len)
{
	size_t waits = c->input_len - c->input_used;

	memmove(c->input, c->input + c->input_used, waits);
	len = min_u64(len, sizeof(c->input) - waits);
	memcpy(c->input + waits, buf, len);
	c->input_used = 0;
	c->input_len = waits + len;
}

static void on_read(struct loop_op *op, int res)
{
	struct chr_fd *f = container_of(op, struct chr_fd, read);
	size_t len;

	if (res == -EINTR || res == -EAGAIN) {
		fd_read_more(&f->chr);
		return;
	}
	if (res <= 0) {
		log_debug("console: input ended%s%s", res ? ": " : "",
			  res ? strerror(-res) : "");
		f->p.in_fd = -1;
		return;
	}
	len = (size_t)res;
	if (f->p.filter)
		len = f->p.filter(f->p.ctx, f->got, len);
	keep_input(&f->chr, f->got, len);
	if (chr_deliver(&f->chr) || f->p.filter)
		fd_read_more(&f->chr);
}

void chr_fd_set_filter(struct chr *c,
		       size_t (*filter)(void *ctx, uint8_t *buf, size_t len),
		       void *ctx)
{
	struct chr_fd *f = to_fd(c);

	f->p.filter = filter;
	f->p.ctx = ctx;
}

void chr_fd_stop_input(struct chr *c)
{
	to_fd(c)->p.in_fd = -1;
}

static void fd_start(struct chr *c)
{
	struct chr_fd *f = to_fd(c);

	if (f->p.in_fd >= 0 || f->p.out_fd >= 0)
		chr_set_open(c, true);
	fd_read_more(c);
}

/* Output on the caller's thread */

/* The output is full and does not block: wait, but not for ever. */
static void wait_for_room(struct chr_fd *f)
{
	struct pollfd p = { .fd = f->p.out_fd, .events = POLLOUT };

	poll(&p, 1, STALLED_MS);
}

static void say_lost(struct chr_fd *f, int err)
{
	log_once(&f->said_lost, "console: output is lost: %s", strerror(-err));
}

static void fd_write(struct chr *c, const uint8_t *buf, size_t len)
{
	struct chr_fd *f = to_fd(c);

	if (f->p.out_fd < 0)
		return;
	while (len) {
		ssize_t n = write(f->p.out_fd, buf, len);

		if (n >= 0) {
			buf += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EAGAIN)
			wait_for_room(f);
		else if (errno != EINTR)
			break;
		if (f->hung_up)
			return;
	}
	if (len)
		say_lost(f, -errno);
}

static void fd_hang_up(struct chr *c)
{
	to_fd(c)->hung_up = true;
}

/* Output on the loop */

static void send_more(struct chr_fd *f)
{
	loop_write(f->chr.loop, &f->send, f->send_fd, f->out + f->out_used,
		   f->out_len - f->out_used, -1);
}

static void on_sent(struct loop_op *op, int res)
{
	struct chr_fd *f = container_of(op, struct chr_fd, send);

	if (res > 0)
		f->out_used += (size_t)res;
	else if (res != -EINTR && res != -EAGAIN) {
		say_lost(f, res);
		f->out_used = f->out_len;
	}
	if (f->out_used < f->out_len) {
		send_more(f);
		return;
	}
	if (f->fell_short && f->chr.events.writable) {
		f->fell_short = false;
		f->chr.events.writable(f->chr.events.ctx);
	}
}

/*
 * Our own description of a terminal or pipe does not block. The one we were
 * given may be shared with whoever started us, and O_NONBLOCK with it.
 */
static int open_again(int fd)
{
	struct stat st;
	char path[32];
	int own = -1;

	if (!fstat(fd, &st) && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	return own >= 0 ? own : fd;
}

static size_t fd_send(struct chr *c, const uint8_t *buf, size_t len)
{
	struct chr_fd *f = to_fd(c);
	size_t n = min_u64(len, sizeof(f->out));

	if (f->p.out_fd < 0 || !len)
		return len;
	f->fell_short = loop_op_busy(&f->send) || n < len;
	if (loop_op_busy(&f->send))
		return 0;
	if (f->send_fd < 0)
		f->send_fd = open_again(f->p.out_fd);
	memcpy(f->out, buf, n);
	f->out_used = 0;
	f->out_len = n;
	send_more(f);
	return n;
}

static void fd_destroy(struct chr *c)
{
	struct chr_fd *f = to_fd(c);

	if (f->send_fd != f->p.out_fd)
		fd_close(&f->send_fd);
	if (f->p.owned)
		fd_close(&f->p.out_fd);
	free(f);
}

static const struct chr_ops fd_ops = {
	.kind = "file",
	.start = fd_start,
	.write = fd_write,
	.send = fd_send,
	.read_more = fd_read_more,
	.hang_up = fd_hang_up,
	.destroy = fd_destroy,
};

int chr_open_fd(struct chr **out, struct loop *loop,
		const struct chr_fd_params *p)
{
	struct chr_fd *f = calloc(1, sizeof(*f));

	*out = NULL;
	if (!f)
		return -ENOMEM;
	chr_init(&f->chr, &fd_ops, loop);
	f->p = *p;
	f->send_fd = -1;
	f->read.name = "console input";
	f->read.done = on_read;
	f->send.name = "console output";
	f->send.done = on_sent;
	*out = &f->chr;
	return 0;
}
