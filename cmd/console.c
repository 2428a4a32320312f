// SPDX-License-Identifier: MIT
/*
 * console.c - between the guest's serial port and the user.
 *
 * How it works. Output goes out with write(2) on the vCPU's thread: the first
 * byte is seen at once, and a reader that is slow slows down the guest and
 * nobody else. Input is read by the loop, one buffer at a time, and the next
 * only when the UART has taken all of it: nothing that the user pasted or
 * piped in is lost.
 *
 *   stdin --loop--> buf[used, len) --uart_rx()--> UART FIFO
 *                      ^ full? wait for console_rx_ready()
 *
 * On a terminal Ctrl-a is the escape key; from a pipe or file every byte goes
 * to the guest.
 */
#include "cmd/console.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "cmd/terminal.h"
#include "vcpu/board/uart.h"
#include "virtio/loop.h"

#define CTRL_A	   1
#define STALLED_MS 10
#define BUF_BYTES  512

struct console {
	struct console_params p;
	struct uart *uart;
	bool terminal;
	bool escaped; /* the last byte was Ctrl-a */

	struct loop_op read;
	struct loop_op help;
	struct loop_task resume;
	uint8_t buf[BUF_BYTES];
	size_t used, len;

	atomic_bool hung_up;
	atomic_bool said_lost;
};

static void read_more(struct console *c)
{
	loop_read(c->p.loop, &c->read, STDIN_FILENO, c->buf, sizeof(c->buf),
		  -1);
}

/* Hand over what was read; read on when the UART took everything. */
static void feed_uart(struct console *c)
{
	c->used += uart_rx(c->uart, c->buf + c->used, c->len - c->used);
	if (c->used == c->len && !loop_op_busy(&c->read))
		read_more(c);
}

static void resume(struct loop_task *t)
{
	struct console *c = container_of(t, struct console, resume);

	if (!loop_op_busy(&c->read) && c->used < c->len)
		feed_uart(c);
}

static const char help_text[] = "\r\nCtrl-a x       quit\r\n"
				"Ctrl-a h       this help\r\n"
				"Ctrl-a Ctrl-a  send Ctrl-a\r\n";

/* Not by console_tx(), which waits where the terminal does not go on. */
static void show_help(struct console *c)
{
	if (!loop_op_busy(&c->help))
		loop_write(c->p.loop, &c->help, c->p.out_fd, help_text,
			   sizeof(help_text) - 1, -1);
}

static void on_help_shown(struct loop_op *op, int res)
{
	(void)op;
	(void)res; /* there is nobody to tell */
}

/* The byte after Ctrl-a. True when it goes to the guest. */
static bool escape_key(struct console *c, uint8_t key)
{
	switch (key) {
	case 'x':
		c->p.quit(c->p.ctx);
		return false;
	case 'h':
		show_help(c);
		return false;
	default:
		return key == CTRL_A;
	}
}

/* Take the escape sequences out of what was read, in place. */
static void filter_keys(struct console *c)
{
	size_t in, kept = 0;

	for (in = 0; in < c->len; in++) {
		uint8_t key = c->buf[in];
		bool keep;

		if (c->escaped) {
			c->escaped = false;
			keep = escape_key(c, key);
		} else {
			c->escaped = key == CTRL_A;
			keep = !c->escaped;
		}
		if (keep)
			c->buf[kept++] = key;
	}
	c->len = kept;
}

static void on_read(struct loop_op *op, int res)
{
	struct console *c = container_of(op, struct console, read);

	if (res == -EINTR || res == -EAGAIN) {
		read_more(c);
		return;
	}
	if (res <= 0) {
		log_debug("console: input ended%s%s", res ? ": " : "",
			  res ? strerror(-res) : "");
		return;
	}
	c->used = 0;
	c->len = (size_t)res;
	if (c->terminal)
		filter_keys(c);
	feed_uart(c);
}

int console_create(struct console **out, const struct console_params *p)
{
	struct console *c = calloc(1, sizeof(*c));

	*out = c;
	if (!c)
		return -ENOMEM;
	c->p = *p;
	c->read.name = "console input";
	c->read.done = on_read;
	c->help.name = "console help";
	c->help.done = on_help_shown;
	c->resume.fn = resume;
	return 0;
}

void console_destroy(struct console *c)
{
	if (!c)
		return;
	terminal_restore();
	free(c);
}

void console_attach(struct console *c, struct uart *u)
{
	c->uart = u;
}

void console_start(struct console *c)
{
	if (!c->p.use_stdin)
		return;
	c->terminal = terminal_enter_raw();
	if (!c->terminal && isatty(STDIN_FILENO))
		return; /* somebody else's at the moment: not ours to read */
	read_more(c);
}

void console_rx_ready(void *console)
{
	struct console *c = console;

	loop_post(c->p.loop, &c->resume);
}

void console_hang_up(struct console *c)
{
	c->hung_up = true;
}

/* The output is full and does not block: wait, but not for ever. */
static void wait_for_room(struct console *c)
{
	struct pollfd p = { .fd = c->p.out_fd, .events = POLLOUT };

	poll(&p, 1, STALLED_MS);
}

void console_tx(void *console, const uint8_t *buf, size_t len)
{
	struct console *c = console;

	if (c->p.out_fd < 0)
		return;
	while (len) {
		ssize_t n = write(c->p.out_fd, buf, len);

		if (n >= 0) {
			buf += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EAGAIN)
			wait_for_room(c);
		else if (errno != EINTR)
			break;
		if (c->hung_up)
			return;
	}
	if (len)
		log_once(&c->said_lost, "console: output is lost: %s",
			 strerror(errno));
}
