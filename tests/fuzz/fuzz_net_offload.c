// SPDX-License-Identifier: MIT
/*
 * fuzz_net_offload - offloads in software between a guest that asks for
 * anything and a network that sends anything.
 *
 * Most frames are TCP over IP as it should be, so that they are cut and joined;
 * then some of their bytes are changed. What must hold: the backend gets
 * complete frames with right checksums, of no more bytes than there were; the
 * owner gets frames that fit, whose header asks for nothing outside of them.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/fake_net.h"
#include "tests/unit/net_packets.h"
#include "virtio/backend/net_offload.h"

#define ETH 14
#define TCP 20

struct fuzz {
	struct fuzz_input in;
	struct fake_net *fake;
	struct net_backend *net;
	uint32_t seq; /* of what arrives */
	uint8_t frame[NET_HDR_LEN + NET_FRAME_MAX];
};

/* A frame with TCP in f->frame, behind room for a header; its length. */
static size_t make(struct fuzz *f, bool v6, uint32_t seq, size_t payload)
{
	uint8_t *p = f->frame + NET_HDR_LEN;
	uint8_t *ip = p + ETH, *tcp = ip + (v6 ? 40 : 20);
	size_t len = TCP + payload;
	uint32_t sum;

	memset(f->frame, 0, (size_t)(tcp + TCP - f->frame));
	memset(tcp + TCP, (int)seq, payload);
	packet_put16(p + 12, v6 ? 0x86dd : 0x0800);
	ip[0] = v6 ? 0x60 : 0x45;
	if (v6) {
		packet_put16(ip + 4, (unsigned int)len);
		ip[6] = 6;
	} else {
		packet_put16(ip + 2, (unsigned int)(20 + len));
		ip[9] = 6;
		packet_put16(ip + 10, packet_fold(packet_sum(ip, 20, 0)));
	}
	packet_put32(tcp + 4, seq);
	tcp[12] = 0x50;
	tcp[13] = PACKET_ACK;
	/* All addresses are 0: what is left of the pseudo-header. */
	sum = packet_sum(tcp, len, 6 + (uint32_t)len);
	packet_put16(tcp + 16, packet_fold(sum));
	return (size_t)(tcp - p) + len;
}

/* Some bytes of its headers become others. */
static void spoil(struct fuzz *f)
{
	for (unsigned int n = take8(&f->in) & 3; n; n--)
		f->frame[NET_HDR_LEN + take8(&f->in) % 96] = take8(&f->in);
}

static bool sum_is_right(const uint8_t *p, size_t len)
{
	bool v6 = p[12] == 0x86;
	const uint8_t *ip = p + ETH, *tcp = ip + (v6 ? 40 : (ip[0] & 15) * 4);
	size_t n = len - (size_t)(tcp - p);
	uint32_t sum = 6 + (uint32_t)n;

	sum = packet_sum(ip + (v6 ? 8 : 12), v6 ? 32 : 8, sum);
	return packet_fold(packet_sum(tcp, n, sum)) == 0;
}

/* Frames that were cut: each complete, and no longer than the whole. */
static void check_cut(const struct fuzz *f, size_t len, bool spoilt)
{
	static const uint8_t plain[NET_HDR_LEN];

	for (unsigned int i = 0; i < f->fake->nr_out && i < FAKE_FRAMES; i++) {
		const struct fake_frame *o = &f->fake->out[i];
		const uint8_t *p = (const uint8_t *)o->bytes + NET_HDR_LEN;

		require(!memcmp(o->bytes, plain, NET_HDR_LEN));
		require(o->len <= len + NET_HDR_LEN);
		require(spoilt || sum_is_right(p, o->len - NET_HDR_LEN));
	}
}

static void send_one(struct fuzz *f)
{
	bool v6 = take8(&f->in) & 1;
	size_t len = make(f, v6, take32(&f->in), take16(&f->in) % 65000);
	bool spoilt = f->in.left && (f->in.data[0] & 3);
	/* In two pieces, anywhere */
	size_t at = NET_HDR_LEN + take16(&f->in) % len;
	const struct iovec iov[] = {
		{ f->frame, at },
		{ f->frame + at, NET_HDR_LEN + len - at },
	};
	struct virtio_net_hdr_v1 v = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = htole16(v6 ? 54 : 34),
		.csum_offset = htole16(16),
	};

	spoil(f);
	if (take8(&f->in) & 1) {
		v.gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6
				: VIRTIO_NET_HDR_GSO_TCPV4;
		v.gso_size = htole16(take16(&f->in));
	} else {
		/* Anything, and no promise of a right sum */
		v.csum_start = htole16(take16(&f->in));
		v.csum_offset = htole16(take8(&f->in));
		spoilt = true;
	}
	memcpy(f->frame, &v, sizeof(v));
	f->fake->nr_out = 0;
	if (!f->net->ops->send(f->net, 0, iov, 2))
		check_cut(f, len, spoilt);
}

static void arrive_some(struct fuzz *f)
{
	unsigned int nr = take8(&f->in) % 64;
	bool v6 = take8(&f->in) & 1;
	size_t each = 1 + take16(&f->in) % 9000;

	for (; nr && f->fake->nr_in < 64; nr--) {
		size_t len = make(f, v6, f->seq, each);

		f->seq += (uint32_t)each;
		if (f->in.left && (f->in.data[0] & 15) == 1)
			spoil(f);
		fake_net_arrive(f->fake, 0, f->frame, NET_HDR_LEN + len);
	}
	f->fake->backend.events.readable(f->fake->backend.events.ctx, 0);
}

static void check_received(const uint8_t *frame, size_t len, size_t room)
{
	struct virtio_net_hdr_v1 v;

	require(len >= NET_HDR_LEN && len <= room);
	memcpy(&v, frame, sizeof(v));
	if (!(v.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) {
		require(v.gso_type == VIRTIO_NET_HDR_GSO_NONE);
		return;
	}
	len -= NET_HDR_LEN;
	require(v.gso_type != VIRTIO_NET_HDR_GSO_NONE && le16toh(v.gso_size));
	require(le16toh(v.csum_start) + 18u <= len);
	require(le16toh(v.hdr_len) + le16toh(v.gso_size) < len);
	require(len <= NET_FRAME_MAX);
}

static void receive_one(struct fuzz *f)
{
	static uint8_t buf[NET_HDR_LEN + NET_FRAME_MAX];
	size_t room = take8(&f->in) & 7 ? sizeof(buf) : take16(&f->in) + 12u;
	const struct iovec iov[] = { { buf, 11 }, { buf + 11, room - 11 } };
	ssize_t len = f->net->ops->recv(f->net, 0, iov, 2);

	if (len == -EAGAIN || len == -EMSGSIZE)
		return;
	require(len > 0);
	check_received(buf, (size_t)len, room);
}

static void step(struct fuzz *f)
{
	switch (take8(&f->in) % 8) {
	case 0:
	case 1:
		send_one(f);
		break;
	case 2:
		arrive_some(f);
		break;
	case 3:
	case 4:
		receive_one(f);
		break;
	case 5:
		f->net->ops->set_offloads(f->net, take8(&f->in) & 0x1f);
		break;
	case 6:
		f->fake->fail_send = take8(&f->in) & 1 ? -EAGAIN : -EIO;
		f->fake->fail_after = take8(&f->in);
		break;
	case 7:
		f->fake->fail_send = 0;
		f->fake->backend.events.writable(f->fake->backend.events.ctx,
						 0);
		break;
	}
}

static const struct net_backend_ops bare_ops = {
	.kind = "bare",
	.send = fake_net_send,
	.recv = fake_net_recv,
	.destroy = fake_net_destroy,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct net_events none;
	struct fuzz *f = calloc(1, sizeof(*f));

	if (!f)
		return 0;
	f->in = (struct fuzz_input){ data, size };
	f->fake = fake_net_create(1, 0);
	f->fake->backend.ops = &bare_ops;
	f->fake->backend.takes.tcp4 = take8(&f->in) & 1 ? take16(&f->in) : 0;
	f->net = &f->fake->backend;
	require(!netb_offload_add(&f->net));
	net_attach(f->net, &none);
	f->net->ops->set_offloads(f->net, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
	while (f->in.left)
		step(f);
	net_destroy(f->net);
	free(f);
	return 0;
}
