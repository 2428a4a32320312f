// SPDX-License-Identifier: MIT
/*
 * chr_pty.c - a stream through a pseudo-terminal that programs open by name.
 *
 * How it works. While no program has the terminal open, the master's side
 * reads as hung up, and nothing tells when that ends: so it is looked at
 * every now and then. What is written meanwhile goes to the history only.
 *
 *   AWAY -- looked: no hang-up, or input --> a client, as in chr_line.c
 *    ^------------- gone(): it closed the terminal ---'
 *
 * @syscalls: open ioctl read write poll close
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "virtio/backend/chr_int.h"

#define LOOK_NS 50000000

struct chr_pty {
	struct chr_line line;
	int master;
	struct loop_op look;
};

static struct chr_pty *to_pty(struct chr_line *l)
{
	return container_of(l, struct chr_pty, line);
}

static void look_later(struct chr_pty *p)
{
	loop_timeout(p->line.chr.loop, &p->look, LOOK_NS);
}

static void on_look(struct loop_op *op, int res)
{
	struct chr_pty *p = container_of(op, struct chr_pty, look);
	struct pollfd at = { .fd = p->master, .events = POLLIN };

	(void)res;
	poll(&at, 1, 0);
	if (!(at.revents & POLLHUP) || at.revents & POLLIN)
		chr_line_connect(&p->line, p->master);
	else
		look_later(p);
}

/*
 * Raw, and nothing that a former client left unread; closed again, so that
 * the master's side reads as hung up.
 */
static int clean_slave(const char *name, bool first)
{
	int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (first) {
		if (tcgetattr(fd, &t) < 0)
			err = -errno;
		cfmakeraw(&t);
		if (!err && tcsetattr(fd, TCSANOW, &t) < 0)
			err = -errno;
	}
	tcflush(fd, TCIOFLUSH);
	close(fd);
	return err;
}

static void pty_leaving(struct chr_line *l)
{
	(void)l; /* no other can come before it has gone */
}

static void pty_gone(struct chr_line *l, int fd)
{
	(void)fd; /* stays open */
	(void)clean_slave(l->chr.address, false);
	look_later(to_pty(l));
}

static void pty_start(struct chr *c)
{
	look_later(to_pty(container_of(c, struct chr_line, chr)));
}

static void pty_destroy(struct chr *c)
{
	struct chr_pty *p = to_pty(container_of(c, struct chr_line, chr));

	fd_close(&p->master);
	chr_line_fini(&p->line);
	free(p);
}

static const struct chr_ops pty_ops = {
	.kind = "pty",
	.start = pty_start,
	.write = chr_line_write,
	.send = chr_line_send,
	.read_more = chr_line_read_more,
	.destroy = pty_destroy,
};

static int open_pty(struct chr_pty *p)
{
	char *name = p->line.chr.address;

	p->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (p->master < 0)
		return -errno;
	if (grantpt(p->master) < 0 || unlockpt(p->master) < 0 ||
	    ptsname_r(p->master, name, CHR_ADDRESS_MAX))
		return -errno;
	return clean_slave(name, true);
}

int chr_open_pty(struct chr **out, struct loop *loop, bool keep_all, char *why,
		 size_t why_len)
{
	struct chr_pty *p = calloc(1, sizeof(*p));
	int err;

	*out = NULL;
	if (!p)
		return chr_explain(why, why_len, -ENOMEM, "pty");
	chr_line_init(&p->line, &pty_ops, loop, keep_all);
	p->line.leaving = pty_leaving;
	p->line.gone = pty_gone;
	p->look.name = "pty";
	p->look.done = on_look;
	p->master = -1;
	err = open_pty(p);
	if (err) {
		pty_destroy(&p->line.chr);
		return chr_explain(why, why_len, err, "pty");
	}
	*out = &p->line.chr;
	return 0;
}
