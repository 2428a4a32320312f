// SPDX-License-Identifier: MIT
/*
 * test_console.c - the console between a terminal, or a pipe, and the guest's
 * serial port: a child process has the console, this one the other end.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "cmd/console.h"
#include "cmd/machine_error.h"
#include "config/config.h"
#include "memory/bus.h"
#include "memory/irq.h"
#include "vcpu/board/uart.h"
#include "virtio/backend/chr.h"
#include "virtio/loop.h"

#define COM1	0x3f8
#define WAIT_MS 5000

/* The other end of a console that runs in process @pid. */
struct far {
	pid_t pid;
	int fd; /* the master side of its terminal */
};

/* The guest: it echoes what it gets, at once. */
struct guest {
	struct irq_line irq;
	struct bus *bus;
	struct loop_task echo;
};

static void echo(struct loop_task *t)
{
	struct guest *g = container_of(t, struct guest, echo);

	while (bus_read(g->bus, BUS_PIO, COM1 + 5, 1) & 1)
		bus_write(g->bus, BUS_PIO, COM1, 1,
			  bus_read(g->bus, BUS_PIO, COM1, 1));
}

static struct loop *the_loop;

static void on_irq(struct irq_line *l, bool level)
{
	if (level)
		loop_post(the_loop, &container_of(l, struct guest, irq)->echo);
}

static void on_quit(void *loop)
{
	loop_stop(loop);
}

/* The cable, as in cmd/board.c */

static void send(void *stream, const uint8_t *buf, size_t len)
{
	chr_write(stream, buf, len);
}

static void send_on(void *stream)
{
	chr_resume(stream);
}

static size_t receive(void *uart, const uint8_t *buf, size_t len)
{
	return uart_rx(uart, buf, len);
}

/* The child's life, with stdin and stdout as they are. */
static int run_console(enum loop_kind kind)
{
	static struct guest g = { .irq = { .set = on_irq },
				  .echo = { .fn = echo } };
	static const struct config_stream stdio = {
		.kind = CONFIG_STREAM_STDIO
	};
	struct console_params p = { .what = "serial",
				    .stream = &stdio,
				    .quit = on_quit };
	struct uart_params u = {
		.port = COM1, .irq = &g.irq, .tx = send, .rx_ready = send_on
	};
	struct chr_events events = { .input = receive };
	struct machine_error e;
	struct console *c;
	struct uart *uart;

	if (loop_create(&p.loop, kind, 8) || bus_create(&g.bus))
		return 2;
	the_loop = p.ctx = p.loop;
	if (console_create(&c, &p, &e))
		return 2;
	u.ctx = console_stream(c);
	if (uart_create(&uart, g.bus, &u))
		return 2;
	events.ctx = uart;
	chr_attach(console_stream(c), &events);
	bus_write(g.bus, BUS_PIO, COM1 + 4, 1, 0x0b); /* DTR, RTS, OUT2 */
	bus_write(g.bus, BUS_PIO, COM1 + 1, 1, 0x01); /* received data */
	console_start(c);
	if (loop_run(p.loop))
		return 3;
	loop_drain(p.loop);
	console_destroy(c);
	uart_destroy(uart);
	bus_destroy(g.bus);
	loop_destroy(p.loop);
	return 0;
}

/* Write to the terminal until it takes no more, also a moment later. */
static void stuff(int slave)
{
	struct termios t;
	char path[64];
	int fd, idle = 0;

	/* As in raw mode: there is more room without processing. */
	if (ttyname_r(slave, path, sizeof(path)) || tcgetattr(slave, &t))
		_exit(4);
	t.c_oflag = 0;
	tcsetattr(slave, TCSANOW, &t);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY);
	while (idle++ < 20) {
		while (write(fd, ".", 1) == 1)
			idle = 0;
		usleep(1000);
	}
	close(fd);
}

static struct far start_on_terminal(enum loop_kind kind, bool stuffed)
{
	struct far f;
	int slave;

	assert_int_equal(openpty(&f.fd, &slave, NULL, NULL, NULL), 0);
	f.pid = fork();
	assert_true(f.pid >= 0);
	if (!f.pid) {
		close(f.fd);
		if (setsid() < 0 || ioctl(slave, TIOCSCTTY, 0))
			_exit(4);
		if (stuffed)
			stuff(slave);
		dup2(slave, STDIN_FILENO);
		dup2(slave, STDOUT_FILENO);
		close(slave);
		exit(run_console(kind));
	}
	close(slave);
	return f;
}

/* Until the console has switched its terminal, keys would be cooked. */
static void wait_for_raw(struct far *f)
{
	struct termios t = { .c_lflag = ICANON };

	for (int i = 0; i < WAIT_MS && t.c_lflag & ICANON; i++) {
		usleep(1000);
		assert_int_equal(tcgetattr(f->fd, &t), 0);
	}
	assert_false(t.c_lflag & ICANON);
}

static void type(struct far *f, const char *keys)
{
	assert_int_equal(fd_write_all(f->fd, keys, strlen(keys)), 0);
}

/* Read until @text has come. */
static void expect(struct far *f, const char *text)
{
	struct pollfd p = { .fd = f->fd, .events = POLLIN };
	char got[4096] = "";
	size_t n = 0;

	while (!strstr(got, text)) {
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		assert_true(n + 1 < sizeof(got));
		assert_int_equal(read(f->fd, got + n, 1), 1);
		got[++n] = '\0';
	}
}

/* Its exit status, or -1 when it does not end by itself. */
static int status_of(struct far *f)
{
	int status = -1;
	pid_t pid = 0;

	for (int i = 0; !pid && i < WAIT_MS; i++) {
		usleep(1000);
		pid = waitpid(f->pid, &status, WNOHANG);
	}
	if (!pid) {
		kill(f->pid, SIGKILL);
		waitpid(f->pid, &status, 0);
		status = -1;
	}
	close(f->fd);
	return status;
}

static enum loop_kind kind_of(void **state)
{
	return **(enum loop_kind **)state;
}

static void keys_reach_the_guest_and_its_output_the_terminal(void **state)
{
	struct far f = start_on_terminal(kind_of(state), false);

	wait_for_raw(&f);
	type(&f, "hello\x03");
	expect(&f, "hello\x03");
	type(&f, "\x01\x01z");
	expect(&f, "\x01z");
	type(&f, "\x01x");
	assert_int_equal(status_of(&f), 0);
}

static void help_is_shown_on_request(void **state)
{
	struct far f = start_on_terminal(kind_of(state), false);

	wait_for_raw(&f);
	type(&f, "\x01h");
	expect(&f, "Ctrl-a x");
	type(&f, "\x01x");
	assert_int_equal(status_of(&f), 0);
}

static void help_does_not_wait_for_a_stuck_terminal(void **state)
{
	struct far f = start_on_terminal(kind_of(state), true);

	wait_for_raw(&f);
	type(&f, "\x01h");
	usleep(20000);
	type(&f, "\x01x");
	assert_int_equal(status_of(&f), 0);
}

static void terminal_is_as_before_afterwards(void **state)
{
	struct far f = start_on_terminal(kind_of(state), false);
	struct termios after;
	int slave = open(ptsname(f.fd), O_RDWR | O_NOCTTY);

	cfmakeraw(&after);
	wait_for_raw(&f);
	type(&f, "\x01x");
	for (int i = 0; i < WAIT_MS; i++) {
		usleep(1000);
		assert_int_equal(tcgetattr(slave, &after), 0);
		if (after.c_lflag & ICANON)
			break;
	}
	assert_true(after.c_lflag & ICANON && after.c_lflag & ECHO);
	close(slave);
	assert_int_equal(status_of(&f), 0);
}

static enum loop_kind kinds[] = { LOOP_AUTO, LOOP_POLL };
static enum loop_kind *const kind_ptr[] = { &kinds[0], &kinds[1] };

#define BOTH(f)                                                       \
	{ #f " with io_uring", f, NULL, NULL, (void *)&kind_ptr[0] }, \
	{                                                             \
#f " with poll", f, NULL, NULL, (void *)&kind_ptr[1]  \
	}

static const struct CMUnitTest tests[] = {
	BOTH(keys_reach_the_guest_and_its_output_the_terminal),
	BOTH(help_is_shown_on_request),
	BOTH(help_does_not_wait_for_a_stuck_terminal),
	BOTH(terminal_is_as_before_afterwards),
};

UNIT_MAIN(tests)
