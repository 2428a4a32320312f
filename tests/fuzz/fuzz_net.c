// SPDX-License-Identifier: MIT
/*
 * fuzz_net.c - the network adapter under a driver that does anything: chains
 * of any shape in any queue, headers, commands, stops and resets, while frames
 * come and the backend is full or not.
 *
 * What must hold: a header that reaches the backend asks for nothing that was
 * not negotiated and for nothing outside of its frame; no chain is out when a
 * turn is over.
 */
#include <string.h>

#include <linux/if_tun.h>

#include "base/checked.h"
#include "base/log.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/fake_net.h"
#include "tests/unit/fake_transport.h"
#include "virtio/net.h"
#include "virtio/net_int.h"

#define RAM_SIZE  (1ull << 20)
#define RINGS_AT  0x0ull
#define RING_LEN  0x1000
#define RING_SIZE 64
#define PIECES_AT 0x10000ull
#define PAIRS	  2
#define QUEUES	  (2 * PAIRS + 1)

struct fuzz {
	struct fuzz_input in;
	struct ram *ram;
	struct loop *loop;
	struct virtio_dev *dev;
	struct fake_net *net;
	struct fake_transport t;
	struct ring r[QUEUES];
	gpa_t next_piece;
};

/* The backend's view */

static void check_header(const struct virtio_dev *d, const struct net_hdr *h,
			 size_t len)
{
	size_t start = le16_get(h->csum_start);

	require(!(h->flags & ~NET_HDR_NEEDS_CSUM));
	if (h->flags) {
		require(virtio_dev_has(d, NET_F_CSUM));
		require(start + le16_get(h->csum_offset) + 2 <= len);
	}
	if (h->gso_type == NET_GSO_NONE)
		return;
	require(h->flags && le16_get(h->gso_size));
	require(le16_get(h->hdr_len) <= len);
	if (h->gso_type & NET_GSO_ECN)
		require(virtio_dev_has(d, NET_F_HOST_ECN));
	switch (h->gso_type & ~NET_GSO_ECN) {
	case NET_GSO_TCPV4:
		require(virtio_dev_has(d, NET_F_HOST_TSO4));
		break;
	case NET_GSO_TCPV6:
		require(virtio_dev_has(d, NET_F_HOST_TSO6));
		break;
	default:
		require(h->gso_type != NET_GSO_ECN);
		require(virtio_dev_has(d, NET_F_HOST_UFO));
	}
}

static int checked_send(struct net_backend *b, unsigned int q,
			const struct iovec *iov, unsigned int nr)
{
	struct virtio_dev *d = b->events.ctx;
	struct net_hdr h;

	require(iov_read(iov, nr, 0, &h, sizeof(h)) == sizeof(h));
	check_header(d, &h, iov_size(iov, nr) - sizeof(h));
	return fake_net_send(b, q, iov, nr);
}

static const struct net_backend_ops checked_ops = {
	.kind = "fuzz",
	.offloads = fake_net_offloads,
	.set_offloads = fake_net_set_offloads,
	.set_queues = fake_net_set_queues,
	.send = checked_send,
	.recv = fake_net_recv,
	.destroy = fake_net_destroy,
};

/* The driver */

static void negotiate(struct fuzz *f)
{
	uint64_t offered = virtio_dev_features(f->dev, 0);
	uint64_t want = take32(&f->in);

	if (take8(&f->in) & 1)
		want = UINT64_MAX;
	fake_negotiate(f->dev, (want & offered) | VIRTIO_F_VERSION_1);
	for (uint16_t q = 0; q < QUEUES; q++) {
		ring_init(&f->r[q], f->ram, RINGS_AT + q * RING_LEN, RING_SIZE);
		fake_set_queue(f->dev, q, &f->r[q]);
	}
	virtio_dev_set_status(f->dev, 1 | 2 | 8 | 4);
}

static gpa_t some_piece(struct fuzz *f, uint32_t len)
{
	gpa_t at = PIECES_AT + f->next_piece % (RAM_SIZE - PIECES_AT);

	f->next_piece += len;
	/* Sometimes across the end of RAM. */
	return at;
}

static uint32_t some_length(struct fuzz *f)
{
	uint8_t how = take8(&f->in);

	if (how < 0x80)
		return how;
	if (how < 0xf0)
		return (how & 0x7fu) * 64;
	return how == 0xff ? UINT32_MAX : (how & 15u) * 5000;
}

/* A chain of up to eight pieces; the bytes of the first come from the input. */
static void offer(struct fuzz *f, uint16_t q, bool write)
{
	uint8_t how = take8(&f->in);
	unsigned int nr = 1 + (how & 7);
	struct ring *r = &f->r[q];
	uint16_t head = (uint16_t)(8 * (r->avail_idx % (RING_SIZE / 8)));
	uint8_t bytes[64];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = how & 0x10 ? take8(&f->in) : 0;
	for (unsigned int i = 0; i < nr; i++) {
		uint32_t len = some_length(f);
		gpa_t at = some_piece(f, len);
		uint16_t flags = write ? RING_WRITE : 0;

		if (!i && !write && range_fits(at, sizeof(bytes), RAM_SIZE))
			ram_write(f->ram, at, bytes, sizeof(bytes));
		if (i + 1 == nr && (how & 0x20))
			flags ^= RING_WRITE;
		if (i + 1 < nr || how == 0xff)
			flags |= RING_NEXT;
		ring_desc(r, (uint16_t)(head + i), at, len, flags,
			  (uint16_t)(head + i + 1));
	}
	ring_offer(r, head);
}

/* A command that is mostly well formed. */
static void command(struct fuzz *f)
{
	bool mq = virtio_dev_has(f->dev, NET_F_MQ);
	uint16_t q = mq ? 2 * PAIRS : 2;
	struct ring *r = &f->r[q];
	uint8_t bytes[600];
	uint32_t len = 2 + take8(&f->in) * 2u;
	gpa_t at = some_piece(f, sizeof(bytes));

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = take8(&f->in);
	bytes[0] &= 7;
	bytes[1] &= 7;
	if (!range_fits(at, sizeof(bytes), RAM_SIZE))
		return;
	ram_write(f->ram, at, bytes, len);
	ring_desc(r, 0, at, len, RING_NEXT, 1);
	ring_desc(r, 1, at + len, 1, RING_WRITE, 0);
	ring_offer(r, 0);
	virtio_dev_kick(f->dev, q);
}

/* The world */

static void arrive(struct fuzz *f)
{
	static uint8_t frame[FAKE_FRAME_MAX];
	size_t len = some_length(f);

	if (len > sizeof(frame) || f->net->nr_in == FAKE_FRAMES)
		return;
	memset(frame, 0, 32);
	for (size_t i = 0; i < NET_HDR_LEN + 18; i++)
		frame[i] = take8(&f->in);
	if (frame[0] & 1)
		memset(frame, 0, NET_HDR_LEN);
	fake_net_arrive(f->net, take8(&f->in) % PAIRS, frame, len);
}

static void step(struct fuzz *f)
{
	const struct net_events *ev = &f->net->backend.events;
	uint8_t op = take8(&f->in);
	uint16_t q = (op >> 4) % QUEUES;
	unsigned int pair = (op >> 4) % PAIRS;

	switch (op & 15) {
	case 0 ... 2:
		offer(f, (uint16_t)(2 * pair), true);
		break;
	case 3 ... 5:
		offer(f, (uint16_t)(2 * pair + 1), false);
		break;
	case 6:
		offer(f, q, take8(&f->in) & 1);
		break;
	case 7:
		command(f);
		break;
	case 8:
		virtio_dev_kick(f->dev, q);
		break;
	case 9:
		arrive(f);
		break;
	case 10:
		ev->readable(ev->ctx, pair);
		break;
	case 11:
		f->net->fail_send = op & 0x40 ? -EAGAIN : 0;
		ev->writable(ev->ctx, pair);
		break;
	case 12:
		ev->link(ev->ctx, op & 0x10);
		break;
	case 13:
		/* A vCPU, which waits for the loop */
		f->loop->inside = false;
		virtio_dev_queue_enable(f->dev, q, false);
		require(!virtio_dev_queue_enabled(f->dev, q));
		break;
	case 14:
		f->net->fail_recv = op & 0x80 ? -EBADFD : 0;
		f->net->fail_set = op & 0x40 ? -EIO : 0;
		break;
	default:
		f->loop->inside = false;
		virtio_dev_set_status(f->dev, 0);
		require(virtio_dev_get_status(f->dev) == 0);
		negotiate(f);
	}
}

/* As the loop does it: what is posted runs when the handler is back. */
static void turn(struct fuzz *f)
{
	f->loop->inside = true;
	step(f);
	f->loop->inside = false;
	fake_loop_run_tasks(f->loop);
	for (uint16_t q = 0; q < QUEUES; q++)
		require(!f->dev->queues[q].inuse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t mac[] = { 2, 0, 0, 0, 0, 1 };
	struct virtio_net_params p = { .name = "net0", .mac = mac };
	struct fuzz f = { .in = { data, size } };
	uint8_t how = take8(&f.in);

	log_set_level(LOG_LEVEL_ERR);
	f.net = fake_net_create(PAIRS, how & 0x1f);
	f.net->backend.ops = &checked_ops;
	p.backend = &f.net->backend;
	p.mtu = how & 0x20 ? 1500 : 0;
	if (ram_create(&f.ram, RAM_SIZE) || loop_create(&f.loop, LOOP_AUTO, 1))
		return 0;
	require(!virtio_net_create(&f.dev, f.ram, f.loop, &p));
	fake_attach(&f.t, f.dev);
	negotiate(&f);
	while (f.in.left)
		turn(&f);
	virtio_dev_set_status(f.dev, 0);
	virtio_dev_destroy(f.dev);
	loop_destroy(f.loop);
	ram_destroy(f.ram);
	return 0;
}
