// SPDX-License-Identifier: MIT
/*
 * console.c - the user's end of a serial port or console.
 *
 * How it works. What moves bytes is a stream (virtio/backend/chr.h). Here is
 * what makes stdin and stdout a console: on a terminal, raw mode, its size, and
 * Ctrl-a as the escape key. From a pipe or file every byte goes to the guest.
 */
#include "cmd/console.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "cmd/machine_error.h"
#include "cmd/terminal.h"
#include "config/config.h"
#include "virtio/backend/chr.h"

#define CTRL_A 1

struct console {
	struct console_params p;
	struct chr *stream;
	bool uses_stdio;
	bool escaped; /* the last byte was Ctrl-a */
	struct loop_op help;
	/* The size of the terminal changes. */
	int winch_fd;
	struct loop_op winch;
	struct signalfd_siginfo siginfo;
};

static const char help_text[] = "\r\nCtrl-a x       quit\r\n"
				"Ctrl-a h       this help\r\n"
				"Ctrl-a Ctrl-a  send Ctrl-a\r\n";

/* Not by chr_write(), which waits where the terminal does not go on. */
static void show_help(struct console *c)
{
	if (!loop_op_busy(&c->help))
		loop_write(c->p.loop, &c->help, STDOUT_FILENO, help_text,
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

/* Take the escape sequences out of what was typed. */
static size_t filter_keys(void *console, uint8_t *buf, size_t len)
{
	struct console *c = console;
	size_t in, kept = 0;

	for (in = 0; in < len; in++) {
		uint8_t key = buf[in];
		bool keep;

		if (c->escaped) {
			c->escaped = false;
			keep = escape_key(c, key);
		} else {
			c->escaped = key == CTRL_A;
			keep = !c->escaped;
		}
		if (keep)
			buf[kept++] = key;
	}
	return kept;
}

static void tell_size(struct console *c)
{
	struct winsize size;

	if (!ioctl(STDIN_FILENO, TIOCGWINSZ, &size))
		chr_resize(c->stream, size.ws_col, size.ws_row);
}

static void wait_for_resize(struct console *c)
{
	loop_read(c->p.loop, &c->winch, c->winch_fd, &c->siginfo,
		  sizeof(c->siginfo), -1);
}

static void on_winch(struct loop_op *op, int res)
{
	struct console *c = container_of(op, struct console, winch);

	if (res < 0 && res != -EINTR && res != -EAGAIN)
		return;
	tell_size(c);
	wait_for_resize(c);
}

/* All threads are started with signals blocked: this one is the last. */
static void watch_size(struct console *c)
{
	sigset_t set;

	tell_size(c);
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	c->winch_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c->winch_fd >= 0)
		wait_for_resize(c);
}

static void start_terminal(struct console *c)
{
	if (terminal_enter_raw()) {
		chr_fd_set_filter(c->stream, filter_keys, c);
		watch_size(c);
	} else if (isatty(STDIN_FILENO)) {
		/* Somebody else's at the moment: not ours to read. */
		chr_fd_stop_input(c->stream);
	}
}

static int open_file(struct console *c, const char *path, char *why, size_t len)
{
	struct chr_fd_params fds = { .in_fd = -1, .owned = true };
	int err;

	fds.out_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fds.out_fd < 0) {
		err = -errno;
		snprintf(why, len, "file:%s: %s", path, strerror(-err));
		return err;
	}
	err = chr_open_fd(&c->stream, c->p.loop, &fds);
	if (err)
		close(fds.out_fd);
	return err;
}

static int open_stream(struct console *c, const struct config_stream *s,
		       char *why, size_t len)
{
	const struct chr_fd_params stdio = { .in_fd = STDIN_FILENO,
					     .out_fd = STDOUT_FILENO };
	const struct chr_fd_params off = { .in_fd = -1, .out_fd = -1 };
	const struct chr_socket_params sock = { .path = s->path,
						.host = s->host,
						.port = s->port,
						.keep_all = c->p.keep_all };
	struct loop *loop = c->p.loop;

	switch (s->kind) {
	case CONFIG_STREAM_UNSET:
		break;
	case CONFIG_STREAM_STDIO:
		c->uses_stdio = true;
		return chr_open_fd(&c->stream, loop, &stdio);
	case CONFIG_STREAM_OFF:
		return chr_open_fd(&c->stream, loop, &off);
	case CONFIG_STREAM_FILE:
		return open_file(c, s->path, why, len);
	case CONFIG_STREAM_PTY:
		return chr_open_pty(&c->stream, loop, c->p.keep_all, why, len);
	case CONFIG_STREAM_UNIX:
	case CONFIG_STREAM_TCP:
		return chr_open_socket(&c->stream, loop, &sock, why, len);
	}
	return -EINVAL;
}

/* Scripts read the port or terminal that was chosen from this line. */
static void say_address(const struct console *c)
{
	const char *address = chr_address(c->stream);

	if (address[0])
		fprintf(stderr, "minivmm: %s: %s\n", c->p.what, address);
}

int console_create(struct console **out, const struct console_params *p,
		   struct machine_error *e)
{
	struct console *c = calloc(1, sizeof(*c));
	char why[384] = "";
	int err;

	*out = NULL;
	if (!c)
		return -ENOMEM;
	c->p = *p;
	c->p.stream = NULL;
	c->help.name = "console help";
	c->help.done = on_help_shown;
	c->winch.name = "console size";
	c->winch.done = on_winch;
	c->winch_fd = -1;
	err = open_stream(c, p->stream, why, sizeof(why));
	if (err) {
		if (why[0])
			machine_explain(e, "%s: %s", p->what, why);
		free(c);
		return err;
	}
	say_address(c);
	*out = c;
	return 0;
}

void console_destroy(struct console *c)
{
	if (!c)
		return;
	if (c->uses_stdio)
		terminal_restore();
	fd_close(&c->winch_fd);
	chr_destroy(c->stream);
	free(c);
}

struct chr *console_stream(struct console *c)
{
	return c->stream;
}

void console_start(struct console *c)
{
	if (c->uses_stdio)
		start_terminal(c);
	chr_start(c->stream);
}
