/* SPDX-License-Identifier: MIT */
/*
 * vsock_rig.h - a socket device with a driver that says what a test wants, and
 * a folder for the sockets of the host. On the fake loop.
 */
#ifndef MINIVMM_TESTS_UNIT_VSOCK_RIG_H
#define MINIVMM_TESTS_UNIT_VSOCK_RIG_H

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd_unix.h"
#include "base/le.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/fake_transport.h"
#include "virtio/vsock.h"
#include "virtio/vsock_conn.h"

#define RIG_CID	     77
#define RIG_RAM	     (8ull << 20)
#define RIG_RX	     64 /* entries */
#define RIG_TX	     32
#define RIG_RX_STEP  0x2000ull
#define RIG_TX_STEP  0x20000ull
#define RIG_RX_AT    0x100000ull
#define RIG_TX_AT    0x200000ull
#define RIG_PACKET   (44 + 4096)
#define RIG_TX_BYTES (RIG_TX_STEP - 64)

enum {
	RIG_Q_RX,
	RIG_Q_TX,
	RIG_Q_EVENT
};

struct rig {
	struct ram *ram;
	struct loop *loop;
	struct virtio_dev *dev;
	struct fake_transport t;
	struct ring rx, tx, event;
	char dir[32], path[64];
	uint16_t next_tx;
	uint32_t alloc, passed_on; /* what the driver says of its credit */
};

/* §5.10.6, as it lies in memory. */
struct rig_header {
	le64 src_cid, dst_cid;
	le32 src_port, dst_port, len;
	le16 type, op;
	le32 flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

static inline void rig_start(struct rig *r)
{
	fake_negotiate(r->dev, VIRTIO_F_VERSION_1);
	ring_init(&r->rx, r->ram, 0x1000, RIG_RX);
	ring_init(&r->tx, r->ram, 0x3000, RIG_TX);
	ring_init(&r->event, r->ram, 0x5000, 8);
	fake_set_queue(r->dev, RIG_Q_RX, &r->rx);
	fake_set_queue(r->dev, RIG_Q_TX, &r->tx);
	fake_set_queue(r->dev, RIG_Q_EVENT, &r->event);
	virtio_dev_set_status(r->dev, 1 | 2 | 8 | 4);
	r->next_tx = 0;
}

static inline int rig_accept(int fd)
{
	return accept4(fd, NULL, NULL, SOCK_CLOEXEC);
}

/* 0 or -errno; the folder is there in any case. */
static inline int rig_plug(struct rig *r, const char *path)
{
	const struct virtio_vsock_params p = { "vsock0", RIG_CID, path };
	char why[200];
	int err;

	err = virtio_vsock_create(&r->dev, r->ram, r->loop, &p, why,
				  sizeof(why));
	if (!err)
		fake_attach(&r->t, r->dev);
	return err;
}

static inline int rig_create(struct rig *r)
{
	*r = (struct rig){ .alloc = 65536, .dir = "/tmp/vsock-XXXXXX" };
	if (!mkdtemp(r->dir) || ram_create(&r->ram, RIG_RAM) ||
	    loop_create(&r->loop, LOOP_AUTO, 1))
		return -ENOMEM;
	r->loop->no_time = true;
	r->loop->accept = rig_accept;
	snprintf(r->path, sizeof(r->path), "%s/s", r->dir);
	return rig_plug(r, r->path);
}

static inline void rig_destroy(struct rig *r)
{
	virtio_dev_destroy(r->dev);
	loop_destroy(r->loop);
	ram_destroy(r->ram);
	rmdir(r->dir);
}

/* Buffer @i for a packet of the device. */
static inline void rig_give(struct rig *r, uint16_t i, uint32_t len)
{
	ring_desc(&r->rx, i, RIG_RX_AT + i * RIG_RX_STEP, len, RING_WRITE, 0);
	ring_offer(&r->rx, i);
}

static inline void rig_give_many(struct rig *r, uint16_t nr)
{
	for (uint16_t i = 0; i < nr; i++)
		rig_give(r, i, RIG_PACKET);
	virtio_dev_kick(r->dev, RIG_Q_RX);
	fake_loop_run(r->loop);
}

static inline void rig_run(struct rig *r)
{
	fake_loop_run(r->loop);
}

/* @h as it is, with @len bytes behind it. Not run yet. */
static inline void rig_put(struct rig *r, const struct vsock_header *h,
			   const void *data, uint32_t len)
{
	const struct rig_header w = {
		le64_put(h->src_cid),	le64_put(h->dst_cid),
		le32_put(h->src_port),	le32_put(h->dst_port),
		le32_put(h->len),	le16_put(h->type),
		le16_put(h->op),	le32_put(h->flags),
		le32_put(h->buf_alloc), le32_put(h->fwd_cnt),
	};
	uint16_t i = r->next_tx++ % RIG_TX;
	gpa_t at = RIG_TX_AT + i % 16 * RIG_TX_STEP;

	ram_write(r->ram, at, &w, sizeof(w));
	if (len)
		ram_write(r->ram, at + sizeof(w), data, len);
	ring_desc(&r->tx, i, at, (uint32_t)sizeof(w) + len, 0, 0);
	ring_offer(&r->tx, i);
	virtio_dev_kick(r->dev, RIG_Q_TX);
}

static inline struct vsock_header
rig_header(const struct rig *r, enum vsock_op op, uint32_t from, uint32_t to)
{
	return (struct vsock_header){
		.src_cid = RIG_CID,
		.dst_cid = 2,
		.src_port = from,
		.dst_port = to,
		.type = 1,
		.op = (uint16_t)op,
		.buf_alloc = r->alloc,
		.fwd_cnt = r->passed_on,
	};
}

/* The guest's port @from says @op to the host's @to. */
static inline void rig_say(struct rig *r, enum vsock_op op, uint32_t from,
			   uint32_t to)
{
	struct vsock_header h = rig_header(r, op, from, to);

	rig_put(r, &h, NULL, 0);
	rig_run(r);
}

static inline void rig_shut(struct rig *r, uint32_t from, uint32_t to,
			    uint32_t flags)
{
	struct vsock_header h = rig_header(r, VSOCK_OP_SHUTDOWN, from, to);

	h.flags = flags;
	rig_put(r, &h, NULL, 0);
	rig_run(r);
}

static inline void rig_send(struct rig *r, uint32_t from, uint32_t to,
			    const void *data, uint32_t len)
{
	struct vsock_header h = rig_header(r, VSOCK_OP_RW, from, to);

	h.len = len;
	rig_put(r, &h, data, len);
	rig_run(r);
}

/*
 * The next packet of the device, its payload in @data if that is not NULL;
 * its buffer is given again. False: there is none.
 */
static inline bool rig_hear(struct rig *r, struct vsock_header *h, void *data)
{
	struct rig_header w;
	struct ring_used u;
	gpa_t at;

	rig_run(r);
	if (!ring_take(&r->rx, &u))
		return false;
	at = RIG_RX_AT + u.id * RIG_RX_STEP;
	ram_read(r->ram, at, &w, sizeof(w));
	*h = (struct vsock_header){
		le64_get(w.src_cid),   le64_get(w.dst_cid),
		le32_get(w.src_port),  le32_get(w.dst_port),
		le32_get(w.len),       le16_get(w.type),
		le16_get(w.op),	       le32_get(w.flags),
		le32_get(w.buf_alloc), le32_get(w.fwd_cnt),
	};
	if (u.len != sizeof(w) + h->len)
		abort();
	if (data)
		ram_read(r->ram, at + sizeof(w), data, h->len);
	ring_offer(&r->rx, (uint16_t)u.id);
	virtio_dev_kick(r->dev, RIG_Q_RX);
	return true;
}

/* A client of the host at the device's socket. */
static inline int rig_client(const struct rig *r)
{
	return fd_unix_connect(r->path, SOCK_STREAM);
}

/* A server of the host for the guest. */
static inline void rig_listen(const struct rig *r, struct fd_unix *u,
			      uint32_t port, int backlog)
{
	char path[100];

	snprintf(path, sizeof(path), "%s_%u", r->path, port);
	if (fd_unix_listen(u, path, SOCK_STREAM, backlog))
		abort();
}

#endif
