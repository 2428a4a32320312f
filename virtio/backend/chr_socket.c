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
 * @syscalls: socket bind listen getsockname setsockopt getsockopt connect kill
 * @syscalls: accept4 stat unlink fcntl send read close
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "virtio/backend/chr_int.h"

#define BACKLOG	 8
#define AGAIN_NS 1000000000u

/* A new client waits for the old one's input: looks so often, and so long. */
#define LOOK_NS	  20000000u
#define LOOKS_MAX 50 /* in which the guest took nothing */

struct chr_socket {
	struct chr_line line;
	int listener;
	int next; /* a client that was accepted and waits; -1: none */
	char *path;
	struct stat file; /* of a UNIX socket, to remove no other */
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
		loop_accept(s->line.chr.loop, &s->accept, s->listener);
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
	if (!s->path)
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

static void remove_file(struct chr_socket *s)
{
	struct stat st;

	if (s->path && !lstat(s->path, &st) && st.st_dev == s->file.st_dev &&
	    st.st_ino == s->file.st_ino)
		unlink(s->path);
}

static void socket_destroy(struct chr *c)
{
	struct chr_socket *s = to_socket(container_of(c, struct chr_line, chr));

	remove_file(s);
	fd_close(&s->next);
	fd_close(&s->line.fd);
	fd_close(&s->listener);
	chr_line_fini(&s->line);
	free(s->path);
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

static int listen_on(struct chr_socket *s, const void *addr, socklen_t len,
		     int family)
{
	static const int on = 1;
	int err;

	s->listener =
		socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listener < 0)
		return -errno;
	if (family != AF_UNIX)
		(void)setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on,
				 sizeof(on));
	if (!bind(s->listener, addr, len) && !listen(s->listener, BACKLOG))
		return 0;
	err = -errno;
	fd_close(&s->listener);
	return err;
}

/*
 * Is the process gone that listens at the other end of @fd? The kernel can
 * hold the socket of one that was killed a little longer, for its io_uring.
 */
static bool is_orphan(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	       peer.pid > 0 && kill(peer.pid, 0) < 0 && errno == ESRCH;
}

/* Does nobody listen on the socket at @addr any more? */
static bool is_stale(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool stale;

	if (fd < 0)
		return false;
	if (connect(fd, (const void *)addr, sizeof(*addr)) < 0)
		stale = errno == ECONNREFUSED;
	else
		stale = is_orphan(fd);
	close(fd);
	return stale;
}

static int make_room(const struct sockaddr_un *addr, char *why, size_t len)
{
	struct stat st;

	if (lstat(addr->sun_path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return refuse(why, len, -EEXIST, "%s is there, and no socket",
			      addr->sun_path);
	if (!is_stale(addr))
		return refuse(why, len, -EADDRINUSE,
			      "%s is in use by another program",
			      addr->sun_path);
	unlink(addr->sun_path);
	return 0;
}

static int open_unix(struct chr_socket *s, const char *path, char *why,
		     size_t len)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return refuse(why, len, -ENAMETOOLONG,
			      "%s: expected a path of at most %zu bytes", path,
			      sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path));
	snprintf(s->line.chr.address, CHR_ADDRESS_MAX, "%s", path);
	err = make_room(&addr, why, len);
	if (err)
		return err;
	err = listen_on(s, &addr, sizeof(addr), AF_UNIX);
	if (err)
		return chr_explain(why, len, err, path);
	s->path = strdup(path);
	return s->path && !lstat(path, &s->file) ? 0 : -ENOMEM;
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

	if (getsockname(s->listener, &a.any, &len))
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
	err = listen_on(s, &addr, addr_len, addr.any.sa_family);
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
	s->listener = -1;
	err = p->path ? open_unix(s, p->path, why, why_len)
		      : open_tcp(s, p, why, why_len);
	if (err) {
		socket_destroy(&s->line.chr);
		return err;
	}
	*out = &s->line.chr;
	return 0;
}
