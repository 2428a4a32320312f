// SPDX-License-Identifier: MIT
/*
 * chr_line.c - a client at the other end of a descriptor, one at a time.
 *
 * The picture is in chr_int.h. Reading and writing are calls that do not
 * block, made when the poll operation says that they get on.
 *
 * @syscalls: read write send
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/checked.h"
#include "virtio/backend/chr_int.h"

#define CHUNK 4096

/* What goes out in one turn of the loop; others want theirs. */
#define TURN_MAX CHR_HISTORY

static struct chr_line *to_line(struct chr *c)
{
	return container_of(c, struct chr_line, chr);
}

static bool input_waits(const struct chr_line *l)
{
	return l->chr.input_used < l->chr.input_len;
}

static uint32_t wanted_events(const struct chr_line *l)
{
	uint32_t events = 0;

	if (!l->input_over && !input_waits(l))
		events |= POLLIN;
	if (l->blocked && !l->output_over)
		events |= POLLOUT;
	if (!l->is_leaving)
		events |= POLLRDHUP;
	return events;
}

static void arm(struct chr_line *l)
{
	uint32_t events = wanted_events(l);

	if (loop_op_busy(&l->poll)) {
		if (events != l->polled)
			loop_cancel(l->chr.loop, &l->poll);
		return;
	}
	/* A hang-up is told again and again, and news only once. */
	if (l->hung_up && !(events & POLLIN))
		return;
	l->polled = events;
	loop_poll(l->chr.loop, &l->poll, l->fd, events);
}

static void tell_writable(struct chr_line *l)
{
	if (!l->fell_short)
		return;
	l->fell_short = false;
	if (l->chr.events.writable)
		l->chr.events.writable(l->chr.events.ctx);
}

/* The client is no more, and the loop knows its descriptor no more. */
static void finish_drop(struct chr_line *l)
{
	int fd = l->fd;

	l->fd = -1;
	l->dropped = false;
	chr_forget_input(&l->chr);
	if (l->keep_all)
		l->sent = chr_history_end(&l->history);
	chr_set_open(&l->chr, false);
	l->gone(l, fd);
	tell_writable(l);
}

void chr_line_drop(struct chr_line *l)
{
	if (l->dropped)
		return;
	l->dropped = true;
	if (loop_op_busy(&l->poll))
		loop_cancel(l->chr.loop, &l->poll);
	else
		loop_post(l->chr.loop, &l->flush);
}

bool chr_line_is_spent(const struct chr_line *l)
{
	return l->input_over && !input_waits(l);
}

static void set_leaving(struct chr_line *l)
{
	if (l->is_leaving)
		return;
	l->is_leaving = true;
	l->leaving(l);
}

/* Go on with what there is to do, or see the client off. */
static void settle(struct chr_line *l)
{
	if (l->dropped)
		return;
	if (l->input_over || l->output_over)
		set_leaving(l);
	if (l->output_over && chr_line_is_spent(l))
		chr_line_drop(l);
	else
		arm(l);
}

static void take_input(struct chr_line *l)
{
	struct chr *c = &l->chr;
	ssize_t n = read(l->fd, c->input, sizeof(c->input));

	if (n > 0) {
		c->input_len = (size_t)n;
		l->taken += (uint64_t)n;
		chr_deliver(c);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	l->input_over = true;
	if (n < 0)
		l->output_over = true;
}

static ssize_t put_out(struct chr_line *l, const void *buf, size_t len)
{
	if (l->is_socket)
		return send(l->fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	return write(l->fd, buf, len);
}

/* One chunk of the history. False: the client takes no more, or has all. */
static bool send_chunk(struct chr_line *l)
{
	uint8_t buf[CHUNK];
	size_t len = chr_history_get(&l->history, &l->sent, buf, sizeof(buf));
	ssize_t n;

	if (!len)
		return false;
	n = put_out(l, buf, len);
	if (n < 0) {
		l->blocked = errno == EAGAIN || errno == EINTR;
		l->output_over = !l->blocked;
		return false;
	}
	l->sent += (uint64_t)n;
	return true;
}

static void send_history(struct chr_line *l)
{
	size_t left = TURN_MAX / CHUNK;

	l->blocked = false;
	while (left && !l->output_over && send_chunk(l))
		left--;
	if (!left)
		loop_post(l->chr.loop, &l->flush);
	if (left < TURN_MAX / CHUNK)
		tell_writable(l);
}

static void on_flush(struct loop_task *t)
{
	struct chr_line *l = container_of(t, struct chr_line, flush);

	if (l->dropped && !loop_op_busy(&l->poll)) {
		finish_drop(l);
		return;
	}
	if (l->fd < 0 || l->dropped || l->blocked || l->output_over)
		return;
	send_history(l);
	settle(l);
}

static void on_poll(struct loop_op *op, int res)
{
	struct chr_line *l = container_of(op, struct chr_line, poll);
	uint32_t events = res > 0 ? (uint32_t)res : 0;

	if (l->dropped) {
		finish_drop(l);
		return;
	}
	if (res < 0 && res != -ECANCELED)
		events = POLLHUP;
	if (events & (POLLHUP | POLLERR))
		l->hung_up = l->output_over = true;
	if (events & POLLRDHUP)
		set_leaving(l);
	if (!l->input_over && !input_waits(l) &&
	    events & (POLLIN | POLLHUP | POLLERR))
		take_input(l);
	if (events & POLLOUT && !l->output_over)
		send_history(l);
	settle(l);
}

void chr_line_init(struct chr_line *l, const struct chr_ops *ops,
		   struct loop *loop, bool keep_all)
{
	chr_init(&l->chr, ops, loop);
	chr_history_init(&l->history);
	l->keep_all = keep_all;
	l->fd = -1;
	l->poll.name = "console client";
	l->poll.done = on_poll;
	l->flush.fn = on_flush;
}

void chr_line_fini(struct chr_line *l)
{
	chr_history_fini(&l->history);
}

void chr_line_connect(struct chr_line *l, int fd)
{
	l->fd = fd;
	l->blocked = l->hung_up = l->is_leaving = false;
	l->input_over = l->output_over = false;
	if (!l->keep_all)
		l->sent = 0; /* the oldest there is */
	chr_set_open(&l->chr, true);
	send_history(l);
	settle(l);
}

void chr_line_write(struct chr *c, const uint8_t *buf, size_t len)
{
	struct chr_line *l = to_line(c);

	chr_history_put(&l->history, buf, len);
	loop_post(c->loop, &l->flush);
}

size_t chr_line_send(struct chr *c, const uint8_t *buf, size_t len)
{
	struct chr_line *l = to_line(c);
	size_t n = len, waits;

	if (l->keep_all) {
		waits = (size_t)(chr_history_end(&l->history) - l->sent);
		n = min_u64(len, CHR_HISTORY - waits);
		l->fell_short = n < len;
	}
	if (n)
		chr_line_write(c, buf, n);
	return n;
}

void chr_line_read_more(struct chr *c)
{
	struct chr_line *l = to_line(c);

	if (l->fd >= 0)
		settle(l);
}
