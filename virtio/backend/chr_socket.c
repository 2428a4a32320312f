// SPDX-License-Identifier: MIT
/*
 * chr_socket.c - a stream to clients that connect to a UNIX or TCP socket.
 *
 * How it works. One client is served at a time; others wait in the queue of
 * the listening socket, which is asked for the next one when the first begins
 * to leave:
 *
 *   accept --> no client: connect
 *          --> it is leaving (it sends no more, but may still read): once the
 *              guest has what it sent, or does not take it, it is dropped,
 *              and when it has gone, the next is connected
 *
 * @syscalls: socket bind listen getsockname setsockopt accept4 fcntl send read
 * @syscalls: close
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/fd_unix.h"
#include "base/log.h"
#include "virtio/backend/chr_int.h"

#define BACKLOG	 8
#define AGAIN_NS 1000000000u

/* A new client waits for the old one's input: looks so often, and so long. */
#define LOOK_NS	  20000000u
#define LOOKS_MAX 50 /* in which the guest took nothing */

struct chr_socket {
	struct chr_line line;
	struct fd_unix listener; /* of TCP without a path */
	int next; /* a client that was accepted and waits; -1: none */
	struct loop_op accept;
	struct loop_op again;
	struct loop_op look;
	unsigned int looks;
	uint64_t taken; /* at the last look */
	atomic_bool said_refused;
};

static struct chr_socket *to_socket(struct chr_line *l)
{
	return container_of(l, struct chr_socket, line);
}

/* Clients */

static void accept_next(struct chr_socket *s)
{
	if (s->next < 0 && !loop_op_busy(&s->accept) &&
	    !loop_op_busy(&s->again))
		loop_accept(s->line.chr.loop, &s->accept, s->listener.fd);
}

static void connect_next(struct chr_socket *s)
{
	int fd = s->next;

	s->next = -1;
	chr_line_connect(&s->line, fd);
}

/*
 * Without a delay, as typed; and a TCP peer that has vanished, or has closed
 * a connection on which nothing is said, is noticed in some time.
 */
static void tune(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 15 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 15 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
				 &options[i].value, sizeof(int));
}

/* For the next one: is the old one's input all taken, or stuck? */
static void displace(struct chr_socket *s)
{
	if (s->taken != s->line.taken)
		s->looks = 0;
	s->taken = s->line.taken;
	if (chr_line_is_spent(&s->line) || s->looks++ == LOOKS_MAX)
		chr_line_drop(&s->line);
	else
		loop_timeout(s->line.chr.loop, &s->look, LOOK_NS);
}

static void on_look(struct loop_op *op, int res)
{
	struct chr_socket *s = container_of(op, struct chr_socket, look);

	(void)res;
	if (s->next >= 0 && s->line.fd >= 0)
		displace(s);
}

static void on_accept(struct loop_op *op, int res)
{
	struct chr_socket *s = container_of(op, struct chr_socket, accept);

	if (res < 0) {
		log_once(&s->said_refused, "%s: a client is refused: %s",
			 s->line.chr.address, strerror(-res));
		loop_timeout(s->line.chr.loop, &s->again, AGAIN_NS);
		return;
	}
	if (!s->listener.path[0])
		tune(res);
	if (fd_set_nonblock(res)) {
		close(res);
		accept_next(s);
		return;
	}
	s->next = res;
	s->looks = 0;
	if (s->line.fd < 0)
		connect_next(s);
	else if (!loop_op_busy(&s->look))
		displace(s);
}

static void on_again(struct loop_op *op, int res)
{
	(void)res;
	accept_next(container_of(op, struct chr_socket, again));
}

static void socket_leaving(struct chr_line *l)
{
	accept_next(to_socket(l));
}

static void socket_gone(struct chr_line *l, int fd)
{
	struct chr_socket *s = to_socket(l);

	close(fd);
	if (s->next >= 0)
		connect_next(s);
	else
		accept_next(s);
}

static void socket_start(struct chr *c)
{
	accept_next(to_socket(container_of(c, struct chr_line, chr)));
}

/* Life */

static void socket_destroy(struct chr *c)
{
	struct chr_socket *s = to_socket(container_of(c, struct chr_line, chr));

	fd_unix_close(&s->listener);
	fd_close(&s->next);
	fd_close(&s->line.fd);
	chr_line_fini(&s->line);
	free(s);
}

static const struct chr_ops socket_ops = {
	.kind = "socket",
	.start = socket_start,
	.write = chr_line_write,
	.send = chr_line_send,
	.read_more = chr_line_read_more,
	.destroy = socket_destroy,
};

static int __attribute__((format(printf, 4, 5)))
refuse(char *why, size_t len, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, len, fmt, ap);
	va_end(ap);
	return err;
}

static int listen_tcp(int *fd, const struct sockaddr *addr, socklen_t len)
{
	static const int on = 1;
	int err;

	*fd = socket(addr->sa_family,
		     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return -errno;
	(void)setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!bind(*fd, addr, len) && !listen(*fd, BACKLOG))
		return 0;
	err = -errno;
	fd_close(fd);
	return err;
}

static int open_unix(struct chr_socket *s, const char *path, char *why,
		     size_t len)
{
	int err = fd_unix_listen(&s->listener, path, SOCK_STREAM, BACKLOG);

	switch (-err) {
	case 0:
		snprintf(s->line.chr.address, CHR_ADDRESS_MAX, "%s", path);
		return 0;
	case ENAMETOOLONG:
		return refuse(why, len, err,
			      "%s: expected a path of at most %d bytes", path,
			      FD_UNIX_PATH_MAX);
	case EEXIST:
		return refuse(why, len, err, "%s is there, and no socket",
			      path);
	case EADDRINUSE:
		return refuse(why, len, err, "%s is in use by another program",
			      path);
	default:
		return chr_explain(why, len, err, path);
	}
}

union inet_addr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Length of the address, 0 when @host is none in numbers. */
static socklen_t parse_host(union inet_addr *a, const char *host, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		return sizeof(a->v4);
	}
	if (inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		return sizeof(a->v6);
	}
	return 0;
}

static void note_address(struct chr_socket *s, const char *host)
{
	union inet_addr a;
	socklen_t len = sizeof(a);
	bool v6;

	if (getsockname(s->listener.fd, &a.any, &len))
		return;
	v6 = a.any.sa_family == AF_INET6;
	snprintf(s->line.chr.address, CHR_ADDRESS_MAX, "%s%s%s:%u",
		 v6 ? "[" : "", host, v6 ? "]" : "",
		 ntohs(v6 ? a.v6.sin6_port : a.v4.sin_port));
}

static int open_tcp(struct chr_socket *s, const struct chr_socket_params *p,
		    char *why, size_t len)
{
	union inet_addr addr;
	socklen_t addr_len = parse_host(&addr, p->host, p->port);
	int err;

	if (!addr_len)
		return refuse(why, len, -EINVAL,
			      "%s: expected an address in numbers", p->host);
	err = listen_tcp(&s->listener.fd, &addr.any, addr_len);
	if (err)
		return refuse(why, len, err, "%s port %u: %s", p->host, p->port,
			      strerror(-err));
	note_address(s, p->host);
	return 0;
}

int chr_open_socket(struct chr **out, struct loop *loop,
		    const struct chr_socket_params *p, char *why,
		    size_t why_len)
{
	struct chr_socket *s = calloc(1, sizeof(*s));
	int err;

	*out = NULL;
	refuse(why, why_len, 0, "out of memory");
	if (!s)
		return -ENOMEM;
	chr_line_init(&s->line, &socket_ops, loop, p->keep_all);
	s->line.is_socket = true;
	s->line.leaving = socket_leaving;
	s->line.gone = socket_gone;
	s->accept.name = "console accept";
	s->accept.done = on_accept;
	s->again.name = "console accept again";
	s->again.done = on_again;
	s->look.name = "console look";
	s->look.done = on_look;
	s->next = -1;
	s->listener.fd = -1;
	err = p->path ? open_unix(s, p->path, why, why_len)
		      : open_tcp(s, p, why, why_len);
	if (err) {
		socket_destroy(&s->line.chr);
		return err;
	}
	*out = &s->line.chr;
	return 0;
}
