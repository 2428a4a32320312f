// SPDX-License-Identifier: MIT
/*
 * vsock.c - the virtio socket device (virtio 1.2 §5.10): its queues, the
 * packets in them, whose turn it is, and time. The picture is in vsock_int.h.
 *
 * The event queue is there and silent: it is for machines that have moved.
 * SEQPACKET is not offered, and refused in band.
 */
#include "virtio/vsock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/le.h"
#include "base/log.h"
#include "base/iov.h"
#include "virtio/vsock_int.h"

#define VSOCK_F_STREAM (1ull << 0) /* virtio 1.2 §5.10.3 */

#define QUEUE_MAX 256
#define BACKLOG	  128

/* What one turn of the loop moves in each direction at most. */
#define TURN_PACKETS 64
#define TURN_BYTES   (1u << 20)

/* virtio 1.2 §5.10.2 */
enum vsock_queue {
	QUEUE_RX = 0,
	QUEUE_TX = 1,
	QUEUE_EVENT = 2,
	QUEUES = 3,
};

struct wire_header {
	le64 src_cid, dst_cid;
	le32 src_port, dst_port;
	le32 len;
	le16 type, op;
	le32 flags;
	le32 buf_alloc, fwd_cnt;
} __attribute__((packed));

_Static_assert(sizeof(struct wire_header) == VSOCK_HEADER_LEN,
	       "virtio 1.2 §5.10.6");

static struct vsock *to_vsock(struct virtio_dev *d)
{
	return container_of(d, struct vsock, dev);
}

/* Packets to the guest */

static void put_header(struct vsock *v, const struct vsock_header *h)
{
	const struct wire_header w = {
		.src_cid = le64_put(h->src_cid),
		.dst_cid = le64_put(v->cid),
		.src_port = le32_put(h->src_port),
		.dst_port = le32_put(h->dst_port),
		.len = le32_put(h->len),
		.type = le16_put(h->type),
		.op = le16_put(h->op),
		.flags = le32_put(h->flags),
		.buf_alloc = le32_put(h->buf_alloc),
		.fwd_cnt = le32_put(h->fwd_cnt),
	};

	vq_chain_write(v->dev.ram, &v->rx, 0, &w, sizeof(w));
	v->rx_held = false;
	virtio_dev_push(&v->dev, QUEUE_RX, &v->rx, VSOCK_HEADER_LEN + h->len);
}

/* A buffer for a packet, in v->rx; it may be there already. */
static bool get_rx(struct vsock *v)
{
	if (v->rx_held)
		return true;
	if (!virtio_dev_pop(&v->dev, QUEUE_RX, &v->rx))
		return false;
	if (v->rx.writable_len > VSOCK_HEADER_LEN) {
		v->rx_held = true;
		return true;
	}
	virtio_dev_broken(&v->dev, "a buffer that holds no packet");
	virtio_dev_push(&v->dev, QUEUE_RX, &v->rx, 0);
	return false;
}

static void send_reply(struct vsock *v)
{
	struct vsock_header h = v->replies[v->first_reply];

	v->first_reply = (v->first_reply + 1) % VSOCK_REPLIES;
	v->nr_replies--;
	put_header(v, &h);
}

/* The bytes of payload that were sent. */
static uint32_t send_link(struct vsock *v)
{
	struct vsock_link *k = virtio_vsock_link_next_ready(v);
	struct vsock_header h = { .len = 0 };

	if (virtio_vsock_link_packet(k, &h)) {
		h.src_cid = VSOCK_CID_HOST;
		h.type = VSOCK_TYPE_STREAM;
		put_header(v, &h);
	}
	virtio_vsock_link_update(k);
	return h.len;
}

static bool has_packets(const struct vsock *v)
{
	return v->nr_replies || v->ready_first;
}

static void serve_rx(struct vsock *v)
{
	unsigned int packets = 0;
	uint32_t bytes = 0;

	while (has_packets(v) && get_rx(v)) {
		if (packets++ == TURN_PACKETS || bytes >= TURN_BYTES) {
			loop_post(v->dev.loop, &v->task);
			break;
		}
		if (v->nr_replies)
			send_reply(v);
		else
			bytes += send_link(v);
	}
	virtio_dev_notify(&v->dev, QUEUE_RX);
}

void virtio_vsock_reply(struct vsock *v, const struct vsock_header *h)
{
	unsigned int at = (v->first_reply + v->nr_replies) % VSOCK_REPLIES;

	/* There is room by the count of those who may reply: see serve_tx(). */
	if (v->nr_replies == VSOCK_REPLIES)
		return;
	v->replies[at] = *h;
	v->nr_replies++;
}

void virtio_vsock_refuse(struct vsock *v, const struct vsock_header *h)
{
	const struct vsock_header rst = {
		.src_cid = h->dst_cid,
		.src_port = h->dst_port,
		.dst_port = h->src_port,
		.type = h->type,
		.op = VSOCK_OP_RST,
	};

	/* None answers another, or there would be no end. */
	if (h->op != VSOCK_OP_RST)
		virtio_vsock_reply(v, &rst);
}

/* Packets of the guest */

/* One read of each field, into a copy. */
static bool get_header(struct vsock *v, struct vsock_header *h)
{
	struct wire_header w;

	if (iov_read(v->tx.readable, v->tx.nr_readable, 0, &w, sizeof(w)) !=
	    sizeof(w))
		return false;
	*h = (struct vsock_header){
		.src_cid = le64_get(w.src_cid),
		.dst_cid = le64_get(w.dst_cid),
		.src_port = le32_get(w.src_port),
		.dst_port = le32_get(w.dst_port),
		.len = le32_get(w.len),
		.type = le16_get(w.type),
		.op = le16_get(w.op),
		.flags = le32_get(w.flags),
		.buf_alloc = le32_get(w.buf_alloc),
		.fwd_cnt = le32_get(w.fwd_cnt),
	};
	return true;
}

/* §5.10.6.4: an unknown type gets a RST; whose CID is wrong, gets nothing. */
static void receive(struct vsock *v)
{
	struct vsock_header h;
	struct vsock_link *k;

	if (!get_header(v, &h) || h.src_cid != v->cid) {
		log_once(&v->said_odd, "%s: no packet of this guest",
			 v->dev.name);
		return;
	}
	if (h.dst_cid != VSOCK_CID_HOST || h.type != VSOCK_TYPE_STREAM) {
		virtio_vsock_refuse(v, &h);
		return;
	}
	k = virtio_vsock_link_find(v, h.src_port, h.dst_port);
	if (k && !range_fits(VSOCK_HEADER_LEN, h.len, v->tx.readable_len))
		virtio_vsock_link_abort(k);
	else if (k)
		virtio_vsock_link_receive(k, &h);
	else if (h.op == VSOCK_OP_REQUEST)
		virtio_vsock_host_connect(v, &h);
	else
		virtio_vsock_refuse(v, &h);
}

/*
 * virtio 1.2 §5.10.6.1: as long as there is room for replies, whatever the
 * guest does about its other queue. With VSOCK_REPLIES_MAX of them nothing is
 * taken any more; what a link has to say on its end is all that can follow.
 */
static void serve_tx(struct vsock *v)
{
	unsigned int packets = 0;
	uint64_t bytes = 0;

	v->tx_waits = false;
	while (v->nr_replies < VSOCK_REPLIES_MAX) {
		if (packets++ == TURN_PACKETS || bytes >= TURN_BYTES) {
			v->tx_waits = true;
			loop_post(v->dev.loop, &v->task);
			break;
		}
		if (!virtio_dev_pop(&v->dev, QUEUE_TX, &v->tx))
			break;
		bytes += v->tx.readable_len;
		receive(v);
		virtio_dev_push(&v->dev, QUEUE_TX, &v->tx, 0);
	}
	if (v->nr_replies >= VSOCK_REPLIES_MAX)
		v->tx_waits = true;
	virtio_dev_notify(&v->dev, QUEUE_TX);
}

void virtio_vsock_serve(struct vsock *v)
{
	if (!v->active)
		return;
	serve_rx(v);
	if (v->tx_waits && v->nr_replies < VSOCK_REPLIES_MAX)
		loop_post(v->dev.loop, &v->task);
}

static void handle_task(struct loop_task *t)
{
	struct vsock *v = container_of(t, struct vsock, task);

	if (!v->active)
		return;
	if (v->tx_waits)
		serve_tx(v);
	virtio_vsock_serve(v);
}

/* Time */

void virtio_vsock_start_clock(struct vsock *v)
{
	if (v->active && !loop_op_busy(&v->tick))
		loop_timeout(v->dev.loop, &v->tick, VSOCK_TICK_NS);
}

static void handle_deadline(struct vsock_link *k)
{
	if (k->stage == VSOCK_HELLO)
		virtio_vsock_link_kill(k);
	else
		virtio_vsock_link_abort(k);
}

/* True when @k still waits for time to pass. */
static bool tick_link(struct vsock *v, struct vsock_link *k)
{
	if (k->stage == VSOCK_DYING)
		return false;
	if (k->deadline && k->deadline <= v->now) {
		handle_deadline(k);
		return false;
	}
	if (k->stage == VSOCK_LIVE && k->fd < 0)
		virtio_vsock_host_retry(k);
	else if (k->stage == VSOCK_LIVE && k->watched)
		virtio_vsock_link_watch(k);
	else
		return k->deadline;
	return true;
}

static void handle_tick(struct loop_op *op, int res)
{
	struct vsock *v = container_of(op, struct vsock, tick);
	struct vsock_link *k, *next;
	bool more = false;

	(void)res;
	v->now++;
	for (k = v->links.next; k != &v->links; k = next) {
		next = k->next;
		more |= tick_link(v, k);
	}
	if (v->accept_again && v->accept_again <= v->now) {
		v->accept_again = 0;
		virtio_vsock_host_accept(v);
	}
	if (more || v->accept_again)
		virtio_vsock_start_clock(v);
	virtio_vsock_serve(v);
}

/* The device */

static void vsock_kick(struct virtio_dev *d, uint16_t q)
{
	struct vsock *v = to_vsock(d);

	if (q == QUEUE_TX)
		serve_tx(v);
	if (q != QUEUE_EVENT)
		virtio_vsock_serve(v);
}

static int vsock_activate(struct virtio_dev *d)
{
	struct vsock *v = to_vsock(d);

	v->active = true;
	virtio_vsock_host_accept(v);
	return 0;
}

/* Clients that come from here on wait for the next driver. */
static void vsock_reset(struct virtio_dev *d)
{
	struct vsock *v = to_vsock(d);
	struct vsock_link *k, *next;

	v->active = false;
	for (k = v->links.next; k != &v->links; k = next) {
		next = k->next;
		virtio_vsock_link_kill(k);
	}
	v->nr_replies = 0;
	v->tx_waits = false;
	loop_cancel(d->loop, &v->accept);
	if (!v->rx_held)
		return;
	v->rx_held = false;
	virtio_dev_push(d, QUEUE_RX, &v->rx, 0);
}

static uint64_t vsock_features(struct virtio_dev *d)
{
	(void)d;
	return VSOCK_F_STREAM;
}

static void vsock_config_read(struct virtio_dev *d, size_t off, void *buf,
			      size_t len)
{
	const le64 cid = le64_put(to_vsock(d)->cid);

	memcpy(buf, (const char *)&cid + off, len);
}

static void vsock_destroy(struct virtio_dev *d)
{
	struct vsock *v = to_vsock(d);

	while (v->links.next != &v->links)
		virtio_vsock_link_free(v->links.next);
	fd_unix_close(&v->listener);
	virtio_dev_fini(d);
	free(v);
}

static const struct virtio_dev_ops vsock_ops = {
	.name = "vsock",
	.type = 19, /* virtio 1.2 §5.10.1 */
	.queue_max = QUEUE_MAX,
	.config_len = sizeof(le64),
	.features = vsock_features,
	.config_read = vsock_config_read,
	.activate = vsock_activate,
	.reset = vsock_reset,
	.queue_kick = vsock_kick,
	.destroy = vsock_destroy,
};

static int open_listener(struct vsock *v, const char *path, char *why,
			 size_t len)
{
	int err = -ENAMETOOLONG;

	v->listener.fd = -1;
	if (strlen(path) <= VIRTIO_VSOCK_PATH_MAX)
		err = fd_unix_listen(&v->listener, path, SOCK_STREAM, BACKLOG);
	if (err == -ENAMETOOLONG)
		snprintf(why, len, "%s: expected a path of at most %d bytes",
			 path, VIRTIO_VSOCK_PATH_MAX);
	else if (err == -EEXIST)
		snprintf(why, len, "%s is there, and no socket", path);
	else if (err == -EADDRINUSE)
		snprintf(why, len, "%s is in use by another program", path);
	else if (err)
		snprintf(why, len, "%s: %s", path, strerror(-err));
	return err;
}

int virtio_vsock_create(struct virtio_dev **out, struct ram *ram,
			struct loop *loop, const struct virtio_vsock_params *p,
			char *why, size_t why_len)
{
	struct vsock *v;
	int err = -ENOMEM;

	*out = NULL;
	snprintf(why, why_len, "out of memory");
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	err = virtio_dev_init(&v->dev, &vsock_ops, p->name, ram, loop, QUEUES);
	if (err)
		goto free_vsock;
	v->cid = p->cid;
	v->next_port = VSOCK_FIRST_PORT;
	v->links.next = &v->links;
	v->links.prev = &v->links;
	v->ready_last = &v->ready_first;
	v->task.fn = handle_task;
	v->accept.name = "vsock accept";
	v->accept.done = virtio_vsock_host_accepted;
	v->tick.name = "vsock tick";
	v->tick.done = handle_tick;
	err = open_listener(v, p->path, why, why_len);
	if (err)
		goto fini_dev;
	*out = &v->dev;
	return 0;

fini_dev:
	virtio_dev_fini(&v->dev);
free_vsock:
	free(v);
	return err;
}
