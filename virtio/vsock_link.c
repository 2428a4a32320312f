// SPDX-License-Identifier: MIT
/*
 * vsock_link.c - one connection of the virtio socket device: its socket, its
 * end in the guest, and the bytes in between. The picture is in vsock_int.h.
 *
 * How it works. Whatever happens to a link changes its members; then
 * virtio_vsock_link_update() looks what follows: which operations have to be
 * in flight, whether it is its turn, whether it is over.
 *
 * A socket whose both directions are shut looks the same as one that its
 * client has closed (POLLHUP), and means the same to the guest. A client that
 * sends no more can still go: io_uring's polls report the former again and
 * again (POLLRDHUP cannot be left out), so then the clock has a look.
 *
 * @syscalls: sendmsg recvmsg shutdown poll close
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/iov.h"
#include "virtio/vsock_int.h"

/* Payload of one packet; a guest's buffers are mostly 4 KiB. */
#define PACKET_MAX (64u << 10)

/* What in_events says of no poll at all. */
#define NO_POLL (-1)

static void on_in(struct loop_op *op, int res);
static void on_out(struct loop_op *op, int res);

/* Life */

struct vsock_link *virtio_vsock_link_create(struct vsock *v, int fd)
{
	struct vsock_link *k = NULL;

	if (v->nr_links < VSOCK_LINKS_MAX)
		k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->v = v;
	k->fd = fd;
	k->in.name = "vsock in";
	k->in.done = on_in;
	k->out.name = "vsock out";
	k->out.done = on_out;
	k->next = &v->links;
	k->prev = v->links.prev;
	k->prev->next = k;
	v->links.prev = k;
	v->nr_links++;
	v->nr_hellos++;
	return k;
}

static struct vsock_link **bucket_of(struct vsock *v, uint32_t guest_port,
				     uint32_t host_port)
{
	return &v->bucket[(guest_port ^ host_port) % VSOCK_BUCKETS];
}

struct vsock_link *virtio_vsock_link_find(struct vsock *v, uint32_t guest_port,
					  uint32_t host_port)
{
	struct vsock_link *k = *bucket_of(v, guest_port, host_port);

	while (k && (k->conn.guest_port != guest_port ||
		     k->conn.host_port != host_port))
		k = k->next_hash;
	return k;
}

void virtio_vsock_link_begin(struct vsock_link *k)
{
	struct vsock_link **b =
		bucket_of(k->v, k->conn.guest_port, k->conn.host_port);

	k->stage = VSOCK_LIVE;
	k->next_hash = *b;
	*b = k;
	k->v->nr_hellos--;
}

static void leave_table(struct vsock_link *k)
{
	struct vsock_link **at =
		bucket_of(k->v, k->conn.guest_port, k->conn.host_port);

	while (*at != k)
		at = &(*at)->next_hash;
	*at = k->next_hash;
}

static void leave_ready(struct vsock_link *k)
{
	struct vsock *v = k->v;
	struct vsock_link **at = &v->ready_first;

	if (!k->ready)
		return;
	while (*at != k)
		at = &(*at)->next_ready;
	*at = k->next_ready;
	if (v->ready_last == &k->next_ready)
		v->ready_last = at;
	k->ready = false;
}

static void free_buf(struct vsock_link *k)
{
	free(k->buf.bytes);
	k->buf = (struct vsock_buf){ NULL, 0, 0 };
}

void virtio_vsock_link_free(struct vsock_link *k)
{
	k->prev->next = k->next;
	k->next->prev = k->prev;
	k->v->nr_links--;
	free_buf(k);
	fd_close(&k->fd);
	free(k);
}

static void free_when_idle(struct vsock_link *k)
{
	struct vsock *v = k->v;

	if (loop_op_busy(&k->in) || loop_op_busy(&k->out))
		return;
	virtio_vsock_link_free(k);
	virtio_vsock_host_accept(v);
}

/* The file stays open until the loop has let go of it; the peer sees the end. */
void virtio_vsock_link_kill(struct vsock_link *k)
{
	if (k->stage == VSOCK_DYING)
		return;
	if (k->stage == VSOCK_HELLO)
		k->v->nr_hellos--;
	else if (k->stage == VSOCK_LIVE)
		leave_table(k);
	leave_ready(k);
	k->stage = VSOCK_DYING;
	k->deadline = 0;
	if (k->fd >= 0)
		shutdown(k->fd, SHUT_RDWR);
	loop_cancel(k->v->dev.loop, &k->in);
	loop_cancel(k->v->dev.loop, &k->out);
	free_when_idle(k);
}

void virtio_vsock_link_abort(struct vsock_link *k)
{
	virtio_vsock_conn_abort(&k->conn);
	free_buf(k);
	virtio_vsock_link_update(k);
}

/* What follows */

static void set_deadline(struct vsock_link *k, unsigned int ticks)
{
	k->deadline = k->v->now + ticks;
	virtio_vsock_start_clock(k->v);
}

/* Events of the poll that has to be in flight. */
static short wanted_in(const struct vsock_link *k)
{
	if (k->stage == VSOCK_HELLO)
		return POLLIN;
	if (k->stage != VSOCK_LIVE || k->fd < 0 ||
	    k->conn.host_shut == VSOCK_SHUT_BOTH)
		return NO_POLL;
	if (k->conn.state != VSOCK_OPEN || k->read_all)
		return k->watched ? NO_POLL : 0; /* POLLHUP always counts */
	return k->readable ? NO_POLL : POLLIN;
}

static void poll_in(struct vsock_link *k)
{
	struct loop *l = k->v->dev.loop;
	short events = wanted_in(k);

	if (events == NO_POLL)
		return;
	if (!loop_op_busy(&k->in)) {
		k->in_events = events;
		loop_poll(l, &k->in, k->fd, (uint32_t)events);
	} else if (k->in_events != events) {
		loop_cancel(l, &k->in);
	}
}

static void poll_out(struct vsock_link *k)
{
	if (k->buf.used && !loop_op_busy(&k->out))
		loop_poll(k->v->dev.loop, &k->out, k->fd, POLLOUT);
}

/* May it read a byte, and the guest take it? */
static bool may_read(const struct vsock_link *k)
{
	return k->conn.state == VSOCK_OPEN && k->readable && !k->read_all;
}

static bool wants_turn(struct vsock_link *k)
{
	if (k->stage != VSOCK_LIVE)
		return false;
	if (may_read(k)) {
		if (virtio_vsock_conn_credit(&k->conn))
			return true;
		virtio_vsock_conn_want_credit(&k->conn);
	}
	return virtio_vsock_conn_next(&k->conn) != VSOCK_OP_NONE;
}

static void join_ready(struct vsock_link *k)
{
	struct vsock *v = k->v;

	if (k->ready)
		return;
	k->ready = true;
	k->next_ready = NULL;
	*v->ready_last = k;
	v->ready_last = &k->next_ready;
}

struct vsock_link *virtio_vsock_link_next_ready(struct vsock *v)
{
	struct vsock_link *k = v->ready_first;

	leave_ready(k);
	return k;
}

/*
 * virtio 1.2 §5.10.6.6: the guest is done with it, and gets a RST if it waits
 * for one. From here on the pair of ports may be used again.
 */
static void end_conn(struct vsock_link *k)
{
	enum vsock_op op = virtio_vsock_conn_next(&k->conn);
	struct vsock_header h;

	leave_table(k);
	leave_ready(k);
	k->stage = VSOCK_FLUSHING;
	k->deadline = 0;
	if (op == VSOCK_OP_NONE)
		return;
	virtio_vsock_conn_send(&k->conn, op, 0, &h);
	h.src_cid = VSOCK_CID_HOST;
	h.type = VSOCK_TYPE_STREAM;
	virtio_vsock_reply(k->v, &h);
}

void virtio_vsock_link_update(struct vsock_link *k)
{
	if (k->stage == VSOCK_LIVE && k->conn.state == VSOCK_OVER)
		end_conn(k);
	if (k->stage == VSOCK_FLUSHING && !k->buf.used) {
		virtio_vsock_link_kill(k);
		return;
	}
	if (k->stage == VSOCK_DYING)
		return;
	poll_in(k);
	poll_out(k);
	if (wants_turn(k))
		join_ready(k);
}

/* The host's side ends */

static void client_gone(struct vsock_link *k)
{
	k->read_all = true;
	if (k->conn.state == VSOCK_OPEN) {
		virtio_vsock_conn_shut(&k->conn, VSOCK_SHUT_BOTH);
		set_deadline(k, VSOCK_END_TICKS);
	} else {
		virtio_vsock_conn_abort(&k->conn);
	}
}

static bool has_hung_up(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0;
}

void virtio_vsock_link_watch(struct vsock_link *k)
{
	if (k->conn.host_shut == VSOCK_SHUT_BOTH || !has_hung_up(k->fd))
		return;
	client_gone(k);
	virtio_vsock_link_update(k);
}

/* A poll for the client's end is over. */
static void look_for_end(struct vsock_link *k)
{
	if (has_hung_up(k->fd)) {
		client_gone(k);
		return;
	}
	k->watched = true;
	virtio_vsock_start_clock(k->v);
}

static void client_sends_no_more(struct vsock_link *k)
{
	k->read_all = true;
	if (has_hung_up(k->fd))
		client_gone(k);
	else
		virtio_vsock_conn_shut(&k->conn, VSOCK_SHUT_SEND);
}

/* What it has not taken, it will not take. */
static void client_takes_no_more(struct vsock_link *k)
{
	k->unwanted = true;
	virtio_vsock_conn_pass_on(&k->conn, k->buf.used);
	virtio_vsock_conn_shut(&k->conn, VSOCK_SHUT_RECEIVE);
	free_buf(k);
}

/* virtio 1.2 §5.10.6.6: each direction when all that was in it has gone. */
static void pass_on_shut(struct vsock_link *k)
{
	if (k->conn.guest_shut & VSOCK_SHUT_SEND && !k->buf.used)
		shutdown(k->fd, SHUT_WR);
	if (k->conn.guest_shut & VSOCK_SHUT_RECEIVE) {
		shutdown(k->fd, SHUT_RD);
		k->read_all = true;
	}
}

/* To the host */

/* Bytes taken; none when there is no room now, or nobody. */
static uint32_t write_some(struct vsock_link *k, struct iovec *iov, int nr)
{
	const struct msghdr m = { .msg_iov = iov, .msg_iovlen = (size_t)nr };
	ssize_t n = sendmsg(k->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n >= 0)
		return (uint32_t)n;
	if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS &&
	    errno != ENOMEM)
		client_takes_no_more(k);
	return 0;
}

/* Straight from the guest's buffers. */
static uint32_t write_payload(struct vsock_link *k, uint32_t len)
{
	struct iovec iov[VQ_CHAIN_MAX];
	const struct vq_chain *c = &k->v->tx;
	int nr = iov_slice(c->readable, c->nr_readable, VSOCK_HEADER_LEN, len,
			   iov, VQ_CHAIN_MAX);

	return nr > 0 ? write_some(k, iov, nr) : 0;
}

/* The payload from @done on waits here. */
static void keep_payload(struct vsock_link *k, uint32_t done, uint32_t len)
{
	const struct vq_chain *c = &k->v->tx;
	struct vsock_buf *b = &k->buf;

	if (!b->bytes)
		b->bytes = malloc(VSOCK_BUF_ALLOC);
	if (!b->bytes) {
		virtio_vsock_conn_abort(&k->conn);
		return;
	}
	while (done < len) {
		uint32_t at = (b->start + b->used) % VSOCK_BUF_ALLOC;
		uint32_t n =
			(uint32_t)min_u64(len - done, VSOCK_BUF_ALLOC - at);

		iov_read(c->readable, c->nr_readable, VSOCK_HEADER_LEN + done,
			 b->bytes + at, n);
		b->used += n;
		done += n;
	}
}

static void deliver(struct vsock_link *k, uint32_t len)
{
	uint32_t done = 0;

	if (!k->unwanted && !k->buf.used)
		done = write_payload(k, len);
	if (k->unwanted)
		done = len;
	virtio_vsock_conn_pass_on(&k->conn, done);
	if (done < len)
		keep_payload(k, done, len);
}

static void flush(struct vsock_link *k)
{
	struct vsock_buf *b = &k->buf;
	uint32_t first = (uint32_t)min_u64(b->used, VSOCK_BUF_ALLOC - b->start);
	struct iovec iov[] = {
		{ b->bytes + b->start, first },
		{ b->bytes, b->used - first },
	};
	uint32_t n = write_some(k, iov, 2);

	if (k->unwanted)
		return;
	virtio_vsock_conn_pass_on(&k->conn, n);
	b->start = (b->start + n) % VSOCK_BUF_ALLOC;
	b->used -= n;
	if (b->used)
		return;
	free_buf(k);
	pass_on_shut(k);
}

/* The client's answer to its line. */
static void greet(struct vsock_link *k)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "OK %u\n", k->conn.host_port);

	k->deadline = 0;
	/* The first bytes of a socket: there is room, or nobody. */
	if (send(k->fd, line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) != len)
		client_gone(k);
}

void virtio_vsock_link_receive(struct vsock_link *k,
			       const struct vsock_header *h)
{
	unsigned int event = virtio_vsock_conn_receive(&k->conn, h);

	if (event & VSOCK_EVENT_OPEN)
		greet(k);
	if (event & VSOCK_EVENT_DATA)
		deliver(k, h->len);
	if (event & VSOCK_EVENT_SHUT)
		pass_on_shut(k);
	if (event & VSOCK_EVENT_BROKEN)
		free_buf(k);
	virtio_vsock_link_update(k);
}

/* To the guest */

/*
 * Straight into the guest's buffers, at most the credit (virtio 1.2
 * §5.10.6.3): bytes, 0 at the end, or -errno.
 */
static ssize_t read_payload(struct vsock_link *k, size_t len)
{
	struct iovec iov[VQ_CHAIN_MAX];
	const struct vq_chain *c = &k->v->rx;
	struct msghdr m = { .msg_iov = iov };
	ssize_t n;
	int nr;

	nr = iov_slice(c->writable, c->nr_writable, VSOCK_HEADER_LEN, len, iov,
		       VQ_CHAIN_MAX);
	if (nr <= 0)
		return -EAGAIN;
	m.msg_iovlen = (size_t)nr;
	n = recvmsg(k->fd, &m, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

static uint32_t read_some(struct vsock_link *k)
{
	uint64_t room = k->v->rx.writable_len - VSOCK_HEADER_LEN;
	size_t want = min_u64(min_u64(room, PACKET_MAX),
			      virtio_vsock_conn_credit(&k->conn));
	ssize_t n = want ? read_payload(k, want) : -EAGAIN;

	/* Less than wanted: there is no more now. */
	if (want && n < (ssize_t)want)
		k->readable = false;
	if (n == 0)
		client_sends_no_more(k);
	else if (n < 0 && n != -EAGAIN && n != -EINTR)
		client_gone(k);
	return n > 0 ? (uint32_t)n : 0;
}

bool virtio_vsock_link_packet(struct vsock_link *k, struct vsock_header *h)
{
	enum vsock_op op = virtio_vsock_conn_next(&k->conn);
	uint32_t n = 0;

	if (op == VSOCK_OP_NONE && may_read(k)) {
		n = read_some(k);
		op = n ? VSOCK_OP_RW : virtio_vsock_conn_next(&k->conn);
	}
	if (op == VSOCK_OP_NONE)
		return false;
	if (op == VSOCK_OP_REQUEST)
		set_deadline(k, VSOCK_ASKING_TICKS);
	virtio_vsock_conn_send(&k->conn, op, n, h);
	return true;
}

/* The loop's news */

static void on_in(struct loop_op *op, int res)
{
	struct vsock_link *k = container_of(op, struct vsock_link, in);
	struct vsock *v = k->v;

	if (k->stage == VSOCK_DYING) {
		free_when_idle(k);
		return;
	}
	if (k->stage == VSOCK_HELLO) {
		virtio_vsock_host_hello(k);
		return;
	}
	if (res != -ECANCELED) {
		if (k->in_events == 0)
			look_for_end(k);
		else
			k->readable = true;
	}
	virtio_vsock_link_update(k);
	virtio_vsock_serve(v);
}

static void on_out(struct loop_op *op, int res)
{
	struct vsock_link *k = container_of(op, struct vsock_link, out);
	struct vsock *v = k->v;

	if (k->stage == VSOCK_DYING) {
		free_when_idle(k);
		return;
	}
	if (res != -ECANCELED && k->buf.used)
		flush(k);
	virtio_vsock_link_update(k);
	virtio_vsock_serve(v);
}
