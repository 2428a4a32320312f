// SPDX-License-Identifier: MIT
/*
 * vsock_host.c - how connections of the virtio socket device begin at the
 * host's side: clients with "CONNECT port\n", and the sockets PATH_port. The
 * picture is in vsock_int.h.
 *
 * @syscalls: accept4 recvfrom fcntl
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "virtio/vsock_int.h"

#define ACCEPT_AGAIN_TICKS 10

/* Clients */

void virtio_vsock_host_accept(struct vsock *v)
{
	if (v->active && !loop_op_busy(&v->accept) && !v->accept_again &&
	    v->nr_links < VSOCK_LINKS_MAX && v->nr_hellos < VSOCK_HELLOS_MAX)
		loop_accept(v->dev.loop, &v->accept, v->listener.fd);
}

static void add_client(struct vsock *v, int fd)
{
	struct vsock_link *k = NULL;

	if (v->active && !fd_set_nonblock(fd))
		k = virtio_vsock_link_create(v, fd);
	if (!k) {
		close(fd);
		return;
	}
	k->deadline = v->now + VSOCK_HELLO_TICKS;
	virtio_vsock_start_clock(v);
	virtio_vsock_link_update(k);
}

void virtio_vsock_host_accepted(struct loop_op *op, int res)
{
	struct vsock *v = container_of(op, struct vsock, accept);

	if (res >= 0) {
		add_client(v, res);
	} else if (res != -ECANCELED && res != -ECONNABORTED) {
		log_once(&v->said_accept, "%s: a client has to wait: %s",
			 v->dev.name, strerror(-res));
		v->accept_again = v->now + ACCEPT_AGAIN_TICKS;
		virtio_vsock_start_clock(v);
	}
	virtio_vsock_host_accept(v);
}

/* "CONNECT port", in any case, with white space around the port. */
static bool parse_hello(const char *s, uint32_t *port)
{
	static const char word[] = "connect";
	unsigned long long n;
	char *end;

	if (strncasecmp(s, word, strlen(word)) != 0)
		return false;
	s += strlen(word);
	if (!isblank((unsigned char)*s))
		return false;
	while (isblank((unsigned char)*s))
		s++;
	if (!isdigit((unsigned char)*s))
		return false;
	n = strtoull(s, &end, 10);
	if (n > UINT32_MAX)
		return false;
	while (isspace((unsigned char)*end))
		end++;
	*port = (uint32_t)n;
	return !*end;
}

/*
 * virtio 1.2 §5.10.6.2: a connection is its two addresses. A port of ours
 * that no other connection to that port of the guest has.
 */
static uint32_t pick_port(struct vsock *v, uint32_t guest_port)
{
	uint32_t port;

	do {
		port = v->next_port++;
		if (v->next_port == 2 * VSOCK_FIRST_PORT)
			v->next_port = VSOCK_FIRST_PORT;
	} while (virtio_vsock_link_find(v, guest_port, port));
	return port;
}

static void ask_guest(struct vsock_link *k)
{
	struct vsock *v = k->v;
	uint32_t port;

	if (!parse_hello(k->hello, &port)) {
		virtio_vsock_link_kill(k);
		return;
	}
	virtio_vsock_conn_ask(&k->conn, port, pick_port(v, port));
	k->deadline = 0; /* until the guest has heard of it */
	virtio_vsock_link_begin(k);
	virtio_vsock_link_update(k);
	virtio_vsock_host_accept(v);
	virtio_vsock_serve(v);
}

/*
 * Take what belongs to the line and leave the rest, which is the guest's.
 * The bytes taken, 0 at the end, or -errno.
 */
static ssize_t take_line(struct vsock_link *k)
{
	char *at = k->hello + k->hello_len;
	size_t room = VSOCK_HELLO_LEN - k->hello_len;
	ssize_t n = recv(k->fd, at, room, MSG_PEEK | MSG_DONTWAIT);
	char *nl;

	if (n <= 0)
		return n < 0 ? -errno : 0;
	nl = memchr(at, '\n', (size_t)n);
	if (nl)
		n = nl - at + 1;
	n = recv(k->fd, at, (size_t)n, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

void virtio_vsock_host_hello(struct vsock_link *k)
{
	ssize_t n = take_line(k);

	if (n == -EAGAIN || n == -EINTR)
		n = 0;
	else if (n <= 0)
		goto refuse;
	k->hello_len += (unsigned int)n;
	k->hello[k->hello_len] = '\0';
	if (strlen(k->hello) != k->hello_len)
		goto refuse;
	if (k->hello_len && k->hello[k->hello_len - 1] == '\n') {
		ask_guest(k);
		return;
	}
	if (k->hello_len == VSOCK_HELLO_LEN)
		goto refuse;
	virtio_vsock_link_update(k);
	return;

refuse:
	virtio_vsock_link_kill(k);
}

/* The guest */

/* virtio 1.2 §5.10.6.6: RESPONSE when somebody listens there, or RST. */
void virtio_vsock_host_retry(struct vsock_link *k)
{
	char path[FD_UNIX_PATH_MAX + sizeof("_4294967295")];
	int fd;

	snprintf(path, sizeof(path), "%s_%u", k->v->listener.path,
		 k->conn.host_port);
	fd = fd_unix_connect(path, SOCK_STREAM);
	if (fd == -EAGAIN) {
		virtio_vsock_start_clock(k->v);
		return;
	}
	if (fd < 0) {
		virtio_vsock_link_abort(k);
		return;
	}
	k->fd = fd;
	k->deadline = 0;
	virtio_vsock_conn_accept(&k->conn);
	virtio_vsock_link_update(k);
}

void virtio_vsock_host_connect(struct vsock *v, const struct vsock_header *h)
{
	struct vsock_link *k = virtio_vsock_link_create(v, -1);

	if (!k) {
		log_once(&v->said_full, "%s: too many connections",
			 v->dev.name);
		virtio_vsock_refuse(v, h);
		return;
	}
	virtio_vsock_conn_asked(&k->conn, h);
	virtio_vsock_link_begin(k);
	k->deadline = v->now + VSOCK_ASKED_TICKS;
	virtio_vsock_host_retry(k);
}
