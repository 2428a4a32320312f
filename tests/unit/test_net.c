// SPDX-License-Identifier: MIT
/*
 * test_net.c - the network adapter: frames both ways, offloads, the control
 * queue, and drivers that break the rules.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include <linux/if_tun.h>

#include "base/checked.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/fake_net.h"
#include "tests/unit/fake_transport.h"
#include "virtio/net.h"
#include "virtio/net_int.h"

#define RAM_SIZE (4ull << 20)
#define RINGS_AT 0x1000
#define RING_LEN 0x3000 /* room for 256 entries */
#define RX_AT	 0x40000
#define TX_AT	 0x200000
#define CTRL_AT	 0x300000
#define PAIRS	 2
#define ENTRIES	 256
#define ALL_TUN \
	(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO)

static const uint8_t mac[NET_MAC_LEN] = { 0x52, 0x54, 0, 1, 2, 3 };

struct fixture {
	struct ram *ram;
	struct loop *loop;
	struct virtio_dev *dev;
	struct fake_net *net;
	struct fake_transport t;
	struct ring r[2 * PAIRS + 1];
	struct ring *rx, *tx, *ctrl;
	uint16_t control; /* queue number */
	uint16_t entries; /* of the driver's queues */
	bool gone;
};

static void create(struct fixture *f, unsigned int queues, unsigned int can,
		   uint16_t mtu)
{
	struct virtio_net_params p = { .name = "net0", .mac = mac, .mtu = mtu };

	f->net = fake_net_create(queues, can);
	f->net->gone = &f->gone;
	p.backend = &f->net->backend;
	assert_int_equal(virtio_net_create(&f->dev, f->ram, f->loop, &p), 0);
	fake_attach(&f->t, f->dev);
}

/* Driver up to DRIVER_OK. The control queue is where @features put it. */
static void start(struct fixture *f, uint64_t features)
{
	bool mq = features & NET_F_MQ;

	f->control = mq ? 2 * PAIRS : 2;
	fake_negotiate(f->dev, features | VIRTIO_F_VERSION_1);
	assert_true(virtio_dev_get_status(f->dev) & 8);
	for (uint16_t q = 0; q <= f->control; q++) {
		ring_init(&f->r[q], f->ram, RINGS_AT + q * RING_LEN,
			  f->entries);
		fake_set_queue(f->dev, q, &f->r[q]);
	}
	f->rx = &f->r[0];
	f->tx = &f->r[1];
	f->ctrl = &f->r[f->control];
	virtio_dev_set_status(f->dev, 1 | 2 | 8 | 4);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || ram_create(&f->ram, RAM_SIZE) ||
	    loop_create(&f->loop, LOOP_AUTO, 1))
		return -1;
	f->entries = ENTRIES;
	create(f, PAIRS, ALL_TUN, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fake_teardown(f->dev, f->loop, f->ram);
	free(f);
	return 0;
}

static void recreate(struct fixture *f, unsigned int queues, unsigned int can,
		     uint16_t mtu)
{
	virtio_dev_destroy(f->dev);
	create(f, queues, can, mtu);
}

/* Offer a receive buffer of @len bytes; where it is. */
static gpa_t offer_rx(struct fixture *f, unsigned int pair, uint32_t len)
{
	struct ring *r = &f->r[2 * pair];
	uint16_t head = r->avail_idx % r->size;
	gpa_t at = RX_AT + head * 0x1000ull;

	ring_desc(r, head, at, len, RING_WRITE, 0);
	ring_offer(r, head);
	return at;
}

/* As the loop does it: what is posted meanwhile runs later. */
static void kick(struct fixture *f, uint16_t q)
{
	f->loop->inside = true;
	virtio_dev_kick(f->dev, q);
	f->loop->inside = false;
	if (!f->loop->hold)
		fake_loop_run_tasks(f->loop);
}

/* A frame to @to of @len bytes, without its header; bytes count up. */
static void make_frame(uint8_t *frame, const uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		frame[NET_HDR_LEN + i] = (uint8_t)i;
	memset(frame, 0, NET_HDR_LEN);
	memcpy(frame + NET_HDR_LEN, to, NET_MAC_LEN);
	memcpy(frame + NET_HDR_LEN + 12, "\x08", 2);
}

/* It arrives at the backend of @pair; nobody is told. */
static void arrive(struct fixture *f, unsigned int pair, const uint8_t *to,
		   size_t len)
{
	static uint8_t frame[FAKE_FRAME_MAX + 100];

	make_frame(frame, to, len);
	fake_net_arrive(f->net, pair, frame, NET_HDR_LEN + len);
}

static void readable(struct fixture *f, unsigned int pair)
{
	f->net->backend.events.readable(f->dev, pair);
}

static void writable(struct fixture *f, unsigned int pair)
{
	f->net->backend.events.writable(f->dev, pair);
}

/* Lengths of what came back on @r, in order; 0 at the end. */
static uint32_t took(struct ring *r)
{
	struct ring_used u;

	return ring_take(r, &u) ? u.len : 0;
}

static struct net_hdr header_at(struct fixture *f, gpa_t at)
{
	struct net_hdr h;

	ram_read(f->ram, at, &h, sizeof(h));
	return h;
}

/* Put a frame of @len bytes with the header @h into queue @q. */
static void offer_tx(struct fixture *f, uint16_t q, const struct net_hdr *h,
		     uint32_t len)
{
	struct ring *r = &f->r[q];
	uint16_t head = r->avail_idx % r->size;
	gpa_t at = TX_AT + head * 0x400ull;

	ram_write(f->ram, at, h, sizeof(*h));
	ring_desc(r, head, at, (uint32_t)sizeof(*h) + len, 0, 0);
	ring_offer(r, head);
}

static void send_frame(struct fixture *f, const struct net_hdr *h, uint32_t len)
{
	offer_tx(f, 1, h, len);
	kick(f, 1);
}

/* Until what was sent is shown. */
static void time_passes(struct fixture *f)
{
	fake_loop_run(f->loop);
}

/* Life and configuration space */

static void device_is_a_network_card_with_pairs_and_control(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->dev->ops->type, 1);
	assert_int_equal(f->dev->nr_queues, 2 * PAIRS + 1);
}

static void config_space_has_address_status_pairs_and_mtu(void **state)
{
	static const uint8_t want[] = { 0x52, 0x54, 0, 1, 2,	3,
					1,    0,    2, 0, 0xdc, 5 };
	struct fixture *f = *state;
	uint8_t c[16];

	recreate(f, PAIRS, ALL_TUN, 1500);
	virtio_dev_config_read(f->dev, 0, c, sizeof(c));
	assert_memory_equal(c, want, sizeof(want));
	assert_int_equal(virtio_dev_features(f->dev, 0) & NET_F_MTU, NET_F_MTU);
}

static void features_follow_the_backend(void **state)
{
	const uint32_t sums = NET_F_CSUM | NET_F_GUEST_CSUM;
	const uint32_t gso = NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 |
			     NET_F_GUEST_ECN | NET_F_GUEST_UFO |
			     NET_F_HOST_TSO4 | NET_F_HOST_TSO6 |
			     NET_F_HOST_ECN | NET_F_HOST_UFO;
	struct fixture *f = *state;
	uint32_t all = virtio_dev_features(f->dev, 0);

	assert_int_equal(all & (sums | gso), sums | gso);
	assert_true(all & NET_F_MQ);
	assert_true(all & NET_F_CTRL_GUEST_OFFLOADS);
	assert_false(all & NET_F_MTU);
	recreate(f, 1, 0, 0);
	all = virtio_dev_features(f->dev, 0);
	assert_int_equal(all & (sums | gso), 0);
	assert_false(all & (NET_F_MQ | NET_F_CTRL_GUEST_OFFLOADS));
	recreate(f, 1, TUN_F_CSUM, 0);
	all = virtio_dev_features(f->dev, 0);
	assert_int_equal(all & (sums | gso), sums);
}

static void a_backend_goes_with_its_adapter(void **state)
{
	struct fixture *f = *state;

	recreate(f, 1, 0, 0);
	assert_true(f->gone);
}

static void too_many_queues_are_refused(void **state)
{
	struct fixture *f = *state;
	struct fake_net *net = fake_net_create(NET_QUEUES_MAX + 1, 0);
	struct virtio_net_params p = { .name = "n", .mac = mac };
	struct virtio_dev *dev;
	bool gone = false;

	net->gone = &gone;
	p.backend = &net->backend;
	assert_int_equal(virtio_net_create(&dev, f->ram, f->loop, &p), -EINVAL);
	assert_null(dev);
	assert_true(gone);
}

static void offloads_in_force_are_those_negotiated(void **state)
{
	struct fixture *f = *state;

	start(f, NET_F_GUEST_CSUM | NET_F_GUEST_TSO4);
	assert_int_equal(f->net->offloads, TUN_F_CSUM | TUN_F_TSO4);
	virtio_dev_set_status(f->dev, 0);
	assert_int_equal(f->net->offloads, 0);
	/* Segments without checksums cannot be. */
	start(f, NET_F_GUEST_TSO4);
	assert_int_equal(f->net->offloads, 0);
}

static void a_backend_that_refuses_offloads_breaks_the_device(void **state)
{
	struct fixture *f = *state;

	f->net->fail_set = -EIO;
	start(f, NET_F_GUEST_CSUM);
	assert_true(virtio_dev_get_status(f->dev) & VIRTIO_STATUS_NEEDS_RESET);
}

/* Frames for the guest */

static void frames_go_into_the_buffers_in_order(void **state)
{
	struct fixture *f = *state;
	gpa_t a, b;
	uint8_t byte;

	start(f, 0);
	a = offer_rx(f, 0, 0x800);
	b = offer_rx(f, 0, 0x800);
	kick(f, 0);
	assert_int_equal(took(f->rx), 0);
	arrive(f, 0, mac, 60);
	arrive(f, 0, mac, 1514);
	readable(f, 0);
	assert_int_equal(took(f->rx), NET_HDR_LEN + 60);
	assert_int_equal(took(f->rx), NET_HDR_LEN + 1514);
	assert_int_equal(took(f->rx), 0);
	assert_int_equal(le16_get(header_at(f, a).num_buffers), 1);
	assert_int_equal(le16_get(header_at(f, b).num_buffers), 1);
	ram_read(f->ram, b + NET_HDR_LEN + 1513, &byte, 1);
	assert_int_equal(byte, 1513 & 0xff);
	assert_int_equal(f->t.interrupts[0], 1);
}

static void without_an_event_the_backend_is_left_alone(void **state)
{
	struct fixture *f = *state;

	start(f, 0);
	offer_rx(f, 0, 0x800);
	kick(f, 0);
	assert_int_equal(f->net->nr_recv, 1);
	offer_rx(f, 0, 0x800);
	kick(f, 0);
	assert_int_equal(f->net->nr_recv, 1);
	readable(f, 0);
	assert_int_equal(f->net->nr_recv, 2);
}

static void without_buffers_frames_wait(void **state)
{
	struct fixture *f = *state;

	start(f, 0);
	arrive(f, 0, mac, 60);
	kick(f, 0);
	assert_int_equal(f->net->nr_recv, 0);
	offer_rx(f, 0, 0x800);
	kick(f, 0);
	assert_int_equal(took(f->rx), NET_HDR_LEN + 60);
}

static void buffers_in_pieces_are_filled_to_the_end(void **state)
{
	struct fixture *f = *state;
	uint8_t byte;

	start(f, 0);
	ring_desc(f->rx, 0, RX_AT, 12, RING_WRITE | RING_NEXT, 1);
	ring_desc(f->rx, 1, RX_AT + 0x1000, 20, RING_WRITE | RING_NEXT, 2);
	ring_desc(f->rx, 2, RX_AT + 0x2000, 2000, RING_WRITE, 0);
	ring_offer(f->rx, 0);
	arrive(f, 0, mac, 100);
	kick(f, 0);
	assert_int_equal(took(f->rx), NET_HDR_LEN + 100);
	ram_read(f->ram, RX_AT + 0x2000, &byte, 1);
	assert_int_equal(byte, 20);
	ram_read(f->ram, RX_AT + 0x2000 + 79, &byte, 1);
	assert_int_equal(byte, 99);
}

static void
a_frame_that_does_not_fit_is_lost_and_the_buffer_is_not(void **state)
{
	struct fixture *f = *state;

	start(f, 0);
	offer_rx(f, 0, 100);
	arrive(f, 0, mac, 200);
	arrive(f, 0, mac, 60);
	kick(f, 0);
	assert_int_equal(f->net->nr_lost, 1);
	assert_int_equal(took(f->rx), NET_HDR_LEN + 60);
	assert_int_equal(took(f->rx), 0);
}

static void a_frame_spans_mergeable_buffers(void **state)
{
	struct fixture *f = *state;
	gpa_t a;

	start(f, NET_F_MRG_RXBUF | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4);
	a = offer_rx(f, 0, 1000);
	for (int i = 0; i < 199; i++)
		offer_rx(f, 0, 1000);
	arrive(f, 0, mac, 65000);
	arrive(f, 0, mac, 988);
	arrive(f, 0, mac, 989);
	kick(f, 0);
	assert_int_equal(le16_get(header_at(f, a).num_buffers), 66);
	for (int i = 0; i < 65; i++)
		assert_int_equal(took(f->rx), 1000);
	assert_int_equal(took(f->rx), 12);
	assert_int_equal(
		le16_get(header_at(f, RX_AT + 66 * 0x1000).num_buffers), 1);
	assert_int_equal(took(f->rx), 1000);
	assert_int_equal(
		le16_get(header_at(f, RX_AT + 67 * 0x1000).num_buffers), 2);
	assert_int_equal(took(f->rx), 1000);
	assert_int_equal(took(f->rx), 1);
	assert_int_equal(took(f->rx), 0);
}

static void what_a_turn_leaves_over_goes_back(void **state)
{
	struct fixture *f = *state;

	start(f, NET_F_MRG_RXBUF | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4);
	for (int i = 0; i < 100; i++)
		offer_rx(f, 0, 1000);
	arrive(f, 0, mac, 60);
	kick(f, 0);
	assert_int_equal(f->dev->queues[0].inuse, 0);
	assert_int_equal(f->dev->queues[0].next_avail, 1);
	arrive(f, 0, mac, 60);
	readable(f, 0);
	assert_int_equal(took(f->rx), NET_HDR_LEN + 60);
	assert_int_equal(took(f->rx), NET_HDR_LEN + 60);
}

/* All buffers of a frame in one go, or a driver sees a frame without end. */
static void used_index_moves_once_per_frame(void **state)
{
	struct fixture *f = *state;

	start(f, NET_F_MRG_RXBUF);
	for (int i = 0; i < 4; i++)
		offer_rx(f, 0, 600);
	arrive(f, 0, mac, 1500);
	kick(f, 0);
	assert_int_equal(ring_used_idx(f->rx), 3);
}

static void a_large_frame_waits_once_for_more_buffers(void **state)
{
	struct fixture *f = *state;

	start(f, NET_F_MRG_RXBUF | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4);
	for (int i = 0; i < 80; i++)
		offer_rx(f, 0, 1000);
	for (int i = 0; i < 70; i++)
		arrive(f, 0, mac, 60);
	arrive(f, 0, mac, 30000);
	kick(f, 0);
	/* Less than before, and less than the largest frame: wait. */
	assert_int_equal(f->net->nr_in, 71 - 15);
	for (int i = 0; i < 100; i++)
		offer_rx(f, 0, 1000);
	kick(f, 0);
	assert_int_equal(f->net->nr_in, 0);
	assert_int_equal(f->net->nr_lost, 0);
}

static void a_driver_that_has_no_more_buffers_is_not_waited_for(void **state)
{
	struct fixture *f = *state;

	start(f, NET_F_MRG_RXBUF | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4);
	for (int i = 0; i < 70; i++)
		offer_rx(f, 0, 1000);
	for (int i = 0; i < 30; i++)
		arrive(f, 0, mac, 60);
	kick(f, 0);
	/* 65 of them take the largest frame. */
	assert_int_equal(f->net->nr_in, 30 - 5);
	/* It may be one that waits for frames before it gives more. */
	time_passes(f);
	assert_int_equal(f->net->nr_in, 0);
	arrive(f, 0, mac, 60);
	readable(f, 0);
	assert_int_equal(f->net->nr_in, 0);

	/* One that has given more is waited for again. */
	for (int i = 0; i < 10; i++)
		offer_rx(f, 0, 1000);
	kick(f, 0);
	arrive(f, 0, mac, 60);
	readable(f, 0);
	assert_int_equal(f->net->nr_in, 1);
	kick(f, 0);
	assert_int_equal(f->net->nr_in, 0);
}

static void a_jumbo_frame_is_lost_once_where_nobody_knew_of_them(void **state)
{
	struct fixture *f = *state;

	start(f, NET_F_MRG_RXBUF);
	for (int i = 0; i < 100; i++)
		offer_rx(f, 0, 1000);
	arrive(f, 0, mac, 9000);
	arrive(f, 0, mac, 9000);
	kick(f, 0);
	assert_int_equal(f->net->nr_lost, 1);
	assert_int_equal(ring_used_idx(f->rx), 10);
}

static void
offloads_that_were_not_negotiated_do_not_reach_the_guest(void **state)
{
	static const struct net_hdr bad[] = {
		{ .flags = NET_HDR_NEEDS_CSUM },
		{ .gso_type = NET_GSO_TCPV4 },
		{ .gso_type = NET_GSO_UDP },
		{ .gso_type = 77 },
	};
	struct fixture *f = *state;
	uint8_t frame[NET_HDR_LEN + 60];

	start(f, 0);
	offer_rx(f, 0, 1000);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		make_frame(frame, mac, 60);
		memcpy(frame, &bad[i], sizeof(bad[i]));
		fake_net_arrive(f->net, 0, frame, sizeof(frame));
	}
	arrive(f, 0, mac, 61);
	kick(f, 0);
	assert_int_equal(took(f->rx), NET_HDR_LEN + 61);
	assert_int_equal(took(f->rx), 0);
}

static void offloads_that_were_negotiated_do(void **state)
{
	struct net_hdr h = { .flags = NET_HDR_NEEDS_CSUM,
			     .gso_type = NET_GSO_TCPV6,
			     .gso_size = le16_put(1000) };
	struct fixture *f = *state;
	uint8_t frame[NET_HDR_LEN + 60];
	gpa_t at;

	start(f, NET_F_GUEST_CSUM | NET_F_GUEST_TSO6);
	at = offer_rx(f, 0, 0xfff);
	make_frame(frame, mac, 60);
	memcpy(frame, &h, sizeof(h));
	fake_net_arrive(f->net, 0, frame, sizeof(frame));
	kick(f, 0);
	assert_int_equal(took(f->rx), NET_HDR_LEN + 60);
	h = header_at(f, at);
	assert_int_equal(h.gso_type, NET_GSO_TCPV6);
	assert_int_equal(le16_get(h.gso_size), 1000);
	assert_int_equal(h.flags, NET_HDR_NEEDS_CSUM);
}

static void a_frame_without_ethernet_header_is_dropped(void **state)
{
	struct fixture *f = *state;

	start(f, 0);
	offer_rx(f, 0, 1000);
	arrive(f, 0, mac, 13);
	arrive(f, 0, mac, 14);
	kick(f, 0);
	assert_int_equal(took(f->rx), NET_HDR_LEN + 14);
	assert_int_equal(took(f->rx), 0);
}

static void a_buffer_without_room_for_the_header_breaks_the_device(void **state)
{
	struct fixture *f = *state;

	start(f, 0);
	offer_rx(f, 0, NET_HDR_LEN - 1);
	arrive(f, 0, mac, 60);
	kick(f, 0);
	assert_true(virtio_dev_get_status(f->dev) & VIRTIO_STATUS_NEEDS_RESET);
	virtio_dev_set_status(f->dev, 0);
	assert_int_equal(virtio_dev_get_status(f->dev), 0);
	start(f, 0);
	offer_rx(f, 0, 1000);
	kick(f, 0);
	assert_int_equal(took(f->rx), NET_HDR_LEN + 60);
}

static void readable_buffers_are_no_receive_buffers(void **state)
{
	struct fixture *f = *state;

	start(f, 0);
	ring_desc(f->rx, 0, RX_AT, 1000, 0, 0);
	ring_offer(f->rx, 0);
	kick(f, 0);
	assert_true(virtio_dev_get_status(f->dev) & VIRTIO_STATUS_NEEDS_RESET);
}

static void a_backend_that_fails_is_asked_no_more(void **state)
{
	struct fixture *f = *state;

	start(f, 0);
	f->net->fail_recv = -EBADFD;
	offer_rx(f, 0, 1000);
	kick(f, 0);
	kick(f, 0);
	assert_int_equal(f->net->nr_recv, 1);
	assert_false(virtio_dev_get_status(f->dev) & VIRTIO_STATUS_NEEDS_RESET);
}

/* Frames that nobody wants use no buffers: the turn ends all the same. */
static void a_flood_of_unwanted_frames_leaves_the_loop_its_turns(void **state)
{
	struct fixture *f = *state;

	start(f, 0);
	offer_rx(f, 0, 1000);
	arrive(f, 0, mac, 5);
	f->net->endless = true;
	f->loop->hold = true;
	kick(f, 0);
	assert_in_range(f->net->nr_recv, 1, 1000);
	fake_loop_turn(f->loop);
	assert_in_range(f->net->nr_recv, 2, 2000);
	f->net->endless = false;
	fake_loop_run(f->loop);
}

/* Frames of the guest */

static void frames_leave_with_a_clean_header(void **state)
{
	static const uint8_t zero[NET_HDR_LEN];
	const struct net_hdr h = { .flags = NET_HDR_DATA_VALID | 0x80,
				   .hdr_len = le16_put(77),
				   .gso_size = le16_put(1),
				   .csum_start = le16_put(9),
				   .csum_offset = le16_put(9),
				   .num_buffers = le16_put(9) };
	struct fixture *f = *state;

	start(f, 0);
	send_frame(f, &h, 60);
	assert_int_equal(f->net->nr_out, 1);
	assert_int_equal(f->net->out[0].len, NET_HDR_LEN + 60);
	assert_memory_equal(f->net->out[0].bytes, zero, sizeof(zero));
	assert_int_equal(ring_used_idx(f->tx), 1);
}

static void frames_in_pieces_leave_in_one(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[100];

	start(f, 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	ram_write(f->ram, TX_AT + 0x1000, bytes, sizeof(bytes));
	ring_desc(f->tx, 0, TX_AT, 5, RING_NEXT, 1);
	ring_desc(f->tx, 1, TX_AT + 5, 7, RING_NEXT, 2);
	ring_desc(f->tx, 2, TX_AT + 0x1000, 30, RING_NEXT, 3);
	ring_desc(f->tx, 3, TX_AT + 0x1000 + 30, 70, 0, 0);
	ring_offer(f->tx, 0);
	kick(f, 1);
	assert_int_equal(f->net->nr_out, 1);
	assert_int_equal(f->net->out[0].len, NET_HDR_LEN + 100);
	assert_memory_equal(f->net->out[0].bytes + NET_HDR_LEN, bytes, 100);
}

static void a_full_backend_leaves_frames_in_the_queue(void **state)
{
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;

	start(f, 0);
	f->net->fail_send = -EAGAIN;
	send_frame(f, &h, 60);
	send_frame(f, &h, 61);
	assert_int_equal(ring_used_idx(f->tx), 0);
	assert_int_equal(f->dev->queues[1].inuse, 0);
	f->net->fail_send = 0;
	writable(f, 0);
	assert_int_equal(f->net->nr_out, 2);
	assert_int_equal(f->net->out[0].len, NET_HDR_LEN + 60);
	assert_int_equal(f->net->out[1].len, NET_HDR_LEN + 61);
	assert_int_equal(ring_used_idx(f->tx), 2);
}

static void a_frame_after_a_while_is_shown_at_once(void **state)
{
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;

	start(f, 0);
	for (unsigned int i = 1; i < 4; i++) {
		send_frame(f, &h, 60);
		assert_int_equal(ring_used_idx(f->tx), i);
		assert_int_equal(f->t.interrupts[1], i);
		time_passes(f);
	}
}

static void frames_that_follow_are_shown_together(void **state)
{
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;

	start(f, 0);
	for (unsigned int i = 0; i < 4; i++)
		send_frame(f, &h, 60);
	assert_int_equal(f->net->nr_out, 4);
	assert_int_equal(ring_used_idx(f->tx), 1);
	assert_int_equal(f->t.interrupts[1], 1);
	time_passes(f);
	assert_int_equal(ring_used_idx(f->tx), 4);
	assert_int_equal(f->t.interrupts[1], 2);
	time_passes(f);
	assert_int_equal(f->t.interrupts[1], 2);
}

static void frames_of_one_turn_are_shown_with_it(void **state)
{
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;

	start(f, 0);
	for (unsigned int i = 0; i < 40; i++)
		offer_tx(f, 1, &h, 60);
	kick(f, 1);
	assert_int_equal(ring_used_idx(f->tx), 40);
	assert_int_equal(f->t.interrupts[1], 1);
}

static void many_frames_do_not_wait_to_be_shown(void **state)
{
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;

	start(f, 0);
	for (unsigned int i = 0; i < 41; i++)
		send_frame(f, &h, 60);
	assert_int_equal(ring_used_idx(f->tx), 33);
	assert_int_equal(f->t.interrupts[1], 3);
	time_passes(f);
	assert_int_equal(ring_used_idx(f->tx), 41);
	assert_int_equal(f->t.interrupts[1], 4);
}

static void a_large_frame_does_not_wait_to_be_shown(void **state)
{
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;

	start(f, 0);
	send_frame(f, &h, 60);
	send_frame(f, &h, 60);
	assert_int_equal(ring_used_idx(f->tx), 1);
	send_frame(f, &h, 60000);
	assert_int_equal(ring_used_idx(f->tx), 3);
	assert_int_equal(f->t.interrupts[1], 2);
}

static void a_small_queue_is_not_kept_waiting(void **state)
{
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;

	f->entries = 4;
	start(f, 0);
	for (unsigned int i = 1; i < 4; i++) {
		send_frame(f, &h, 60);
		assert_int_equal(ring_used_idx(f->tx), i);
		assert_int_equal(f->t.interrupts[1], i);
	}
}

static void queues_of_all_pairs_are_shown(void **state)
{
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;

	start(f, NET_F_MQ);
	send_frame(f, &h, 60);
	send_frame(f, &h, 60);
	offer_tx(f, 3, &h, 60);
	kick(f, 3);
	assert_int_equal(ring_used_idx(&f->r[3]), 0);
	time_passes(f);
	assert_int_equal(ring_used_idx(f->tx), 2);
	assert_int_equal(ring_used_idx(&f->r[3]), 1);
	assert_int_equal(f->t.interrupts[3], 1);
}

static void a_reset_forgets_what_was_not_shown(void **state)
{
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;

	start(f, 0);
	send_frame(f, &h, 60);
	send_frame(f, &h, 60);
	virtio_dev_set_status(f->dev, 0);
	assert_int_equal(virtio_dev_get_status(f->dev), 0);
	start(f, 0);
	time_passes(f);
	assert_int_equal(ring_used_idx(f->tx), 0);
	assert_int_equal(f->t.interrupts[1], 1);
}

static void a_reset_does_not_wait_for_a_full_backend(void **state)
{
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;

	start(f, 0);
	f->net->fail_send = -EAGAIN;
	send_frame(f, &h, 60);
	offer_rx(f, 0, 1000);
	kick(f, 0);
	virtio_dev_set_status(f->dev, 0);
	assert_int_equal(virtio_dev_get_status(f->dev), 0);
	/* What was due comes all the same. */
	writable(f, 0);
	readable(f, 0);
	f->net->fail_send = 0;
	start(f, 0);
	send_frame(f, &h, 61);
	assert_int_equal(f->net->nr_out, 1);
	assert_int_equal(f->net->out[0].len, NET_HDR_LEN + 61);
}

static void a_queue_stops_while_frames_wait(void **state)
{
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;

	start(f, 0);
	f->net->fail_send = -EAGAIN;
	send_frame(f, &h, 60);
	virtio_dev_queue_enable(f->dev, 1, false);
	assert_false(virtio_dev_queue_enabled(f->dev, 1));
	f->net->fail_send = 0;
	writable(f, 0);
	assert_int_equal(f->net->nr_out, 0);
	virtio_dev_queue_enable(f->dev, 0, false);
	assert_false(virtio_dev_queue_enabled(f->dev, 0));
}

static void a_frame_that_the_backend_refuses_is_lost(void **state)
{
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;

	start(f, 0);
	f->net->fail_send = -EINVAL;
	send_frame(f, &h, 60);
	assert_int_equal(ring_used_idx(f->tx), 1);
	f->net->fail_send = 0;
	send_frame(f, &h, 60);
	assert_int_equal(f->net->nr_out, 1);
}

static void frames_of_impossible_length_are_dropped(void **state)
{
	static const uint32_t bad[] = { 0, 1, 13, NET_FRAME_MAX + 1, 100000 };
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;

	start(f, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		send_frame(f, &h, bad[i]);
	ring_desc(f->tx, 100, TX_AT, 5, 0, 0);
	ring_offer(f->tx, 100);
	ring_desc(f->tx, 101, TX_AT, 500, RING_WRITE, 0);
	ring_offer(f->tx, 101);
	kick(f, 1);
	assert_int_equal(f->net->nr_out, 0);
	time_passes(f);
	assert_int_equal(ring_used_idx(f->tx), ARRAY_SIZE(bad) + 2);
	send_frame(f, &h, 14);
	send_frame(f, &h, NET_FRAME_MAX);
	assert_int_equal(f->net->nr_out, 2);
}

/* The header of a guest */

static const struct net_hdr tso4 = {
	.flags = NET_HDR_NEEDS_CSUM,
	.gso_type = NET_GSO_TCPV4,
	.hdr_len = { 54 },
	.gso_size = { 1448 },
	.csum_start = { 34 },
	.csum_offset = { 16 },
};

#define F_ALL                                                              \
	(NET_F_CSUM | NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_HOST_ECN | \
	 NET_F_HOST_UFO)

static bool cleans(struct net_hdr h, uint64_t len, uint64_t features)
{
	return virtio_net_hdr_clean(&h, len, features);
}

static void segments_need_what_was_negotiated(void **state)
{
	struct net_hdr h = tso4;

	(void)state;
	assert_true(cleans(h, 3000, F_ALL));
	assert_false(cleans(h, 3000, F_ALL & ~NET_F_HOST_TSO4));
	assert_false(cleans(h, 3000, F_ALL & ~NET_F_CSUM));
	h.gso_type = NET_GSO_TCPV4 | NET_GSO_ECN;
	assert_true(cleans(h, 3000, F_ALL));
	assert_false(cleans(h, 3000, F_ALL & ~NET_F_HOST_ECN));
	h.gso_type = NET_GSO_TCPV6;
	assert_true(cleans(h, 3000, F_ALL));
	assert_false(cleans(h, 3000, F_ALL & ~NET_F_HOST_TSO6));
	h.gso_type = NET_GSO_UDP;
	assert_true(cleans(h, 3000, F_ALL));
	assert_false(cleans(h, 3000, F_ALL & ~NET_F_HOST_UFO));
}

static void segments_of_unknown_kinds_are_refused(void **state)
{
	struct net_hdr h = tso4;

	(void)state;
	for (unsigned int type = 0; type < 256; type++) {
		bool known = type == 0 || type == 1 || type == 3 || type == 4;

		h.gso_type = (uint8_t)type;
		known = known || type == 0x81 || type == 0x83 || type == 0x84;
		assert_int_equal(cleans(h, 3000, F_ALL), known);
	}
}

static void segments_need_a_size_and_a_checksum(void **state)
{
	struct net_hdr h = tso4;

	(void)state;
	h.gso_size = le16_put(0);
	assert_false(cleans(h, 3000, F_ALL));
	h = tso4;
	h.flags = 0;
	assert_false(cleans(h, 3000, F_ALL));
	h = tso4;
	h.gso_size = le16_put(65535);
	assert_true(cleans(h, 3000, F_ALL));
}

static void checksums_lie_inside_the_frame(void **state)
{
	static const struct {
		uint16_t start, offset;
		uint64_t len;
		bool fine;
	} cases[] = {
		{ 34, 16, 54, true },	   { 34, 16, 52, true },
		{ 34, 16, 51, false },	   { 34, 65535, 3000, false },
		{ 65535, 0, 3000, false }, { 65535, 65535, 65553, false },
		{ 14, 0, 16, true },	   { 13, 0, 60, false },
		{ 0, 0, 60, false },	   { 58, 0, 60, true },
		{ 59, 0, 60, false },	   { 60, 0, 60, false },
		{ 65535, 0, 65537, true },
	};
	struct net_hdr h = { .flags = NET_HDR_NEEDS_CSUM };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		h.csum_start = le16_put(cases[i].start);
		h.csum_offset = le16_put(cases[i].offset);
		assert_int_equal(cleans(h, cases[i].len, F_ALL), cases[i].fine);
	}
}

static void segments_have_room_for_their_headers(void **state)
{
	struct net_hdr h = tso4;

	(void)state;
	assert_true(cleans(h, 54, F_ALL));
	assert_false(cleans(h, 53, F_ALL));
	h.gso_type = NET_GSO_UDP;
	h.csum_offset = le16_put(6);
	assert_true(cleans(h, 42, F_ALL));
	assert_false(cleans(h, 41, F_ALL));
}

static void the_length_of_headers_is_a_hint(void **state)
{
	struct net_hdr h = tso4;

	(void)state;
	h.hdr_len = le16_put(65535);
	assert_true(virtio_net_hdr_clean(&h, 3000, F_ALL));
	assert_int_equal(le16_get(h.hdr_len), 3000);
}

static void a_negotiated_header_leaves_as_it_is(void **state)
{
	struct fixture *f = *state;

	start(f, NET_F_CSUM | NET_F_HOST_TSO4);
	send_frame(f, &tso4, 900);
	assert_int_equal(f->net->nr_out, 1);
	assert_memory_equal(f->net->out[0].bytes, &tso4, sizeof(tso4));
}

static void a_header_that_was_not_negotiated_drops_the_frame(void **state)
{
	struct fixture *f = *state;

	start(f, 0);
	send_frame(f, &tso4, 900);
	assert_int_equal(f->net->nr_out, 0);
	assert_int_equal(ring_used_idx(f->tx), 1);
}

/* The control queue */

/* Run a command; its answer, or -1 when there was none. */
static int command(struct fixture *f, uint8_t class, uint8_t cmd,
		   const void *data, uint32_t len)
{
	const uint8_t head[] = { class, cmd };
	struct ring *r = f->ctrl;
	struct ring_used u;
	uint8_t ack = 0xee;

	ram_write(f->ram, CTRL_AT, head, sizeof(head));
	if (len)
		ram_write(f->ram, CTRL_AT + 0x10, data, len);
	ram_write(f->ram, CTRL_AT + 8, &ack, 1);
	ring_desc(r, 0, CTRL_AT, 2, RING_NEXT, len ? 1 : 2);
	ring_desc(r, 1, CTRL_AT + 0x10, len, RING_NEXT, 2);
	ring_desc(r, 2, CTRL_AT + 8, 1, RING_WRITE, 0);
	ring_offer(r, 0);
	kick(f, f->control);
	if (!ring_take(r, &u))
		return -1;
	assert_int_equal(u.len, 1);
	ram_read(f->ram, CTRL_AT + 8, &ack, 1);
	return ack;
}

#define CTRL (NET_F_CTRL_VQ | NET_F_CTRL_RX | NET_F_CTRL_MAC_ADDR)

static int set_mode(struct fixture *f, uint8_t mode, uint8_t on)
{
	return command(f, 0, mode, &on, 1);
}

/* Does a frame to @to reach the guest? */
static bool reaches(struct fixture *f, const uint8_t *to)
{
	uint32_t len;

	if (f->net->nr_in)
		abort();
	offer_rx(f, 0, 1000);
	arrive(f, 0, to, 60);
	readable(f, 0);
	len = took(f->rx);
	return len == NET_HDR_LEN + 60;
}

static const uint8_t other[] = { 0x52, 0x54, 0, 9, 9, 9 };
static const uint8_t group[] = { 0x01, 0, 0x5e, 0, 0, 1 };
static const uint8_t everyone[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static void a_driver_that_says_nothing_gets_everything(void **state)
{
	struct fixture *f = *state;

	start(f, CTRL);
	assert_true(reaches(f, mac));
	assert_true(reaches(f, other));
	assert_true(reaches(f, group));
	assert_true(reaches(f, everyone));
}

static void without_promiscuous_mode_only_what_is_meant_comes(void **state)
{
	struct fixture *f = *state;

	start(f, CTRL);
	assert_int_equal(set_mode(f, 0, 0), 0);
	assert_true(reaches(f, mac));
	assert_true(reaches(f, everyone));
	assert_false(reaches(f, other));
	assert_false(reaches(f, group));
	assert_int_equal(set_mode(f, 1, 1), 0);
	assert_true(reaches(f, group));
	assert_false(reaches(f, other));
	assert_int_equal(set_mode(f, 0, 1), 0);
	assert_true(reaches(f, other));
}

static void extra_modes_need_their_feature(void **state)
{
	struct fixture *f = *state;

	start(f, CTRL);
	assert_int_equal(set_mode(f, 2, 1), 1);
	start(f, CTRL | NET_F_CTRL_RX_EXTRA);
	assert_int_equal(set_mode(f, 0, 0), 0);
	assert_int_equal(set_mode(f, 2, 1), 0);
	assert_true(reaches(f, other));
	assert_int_equal(set_mode(f, 4, 1), 0);
	assert_false(reaches(f, mac));
	assert_int_equal(set_mode(f, 5, 1), 0);
	assert_false(reaches(f, everyone));
	assert_int_equal(set_mode(f, 1, 1), 0);
	assert_int_equal(set_mode(f, 3, 1), 0);
	assert_false(reaches(f, group));
	assert_int_equal(set_mode(f, 6, 1), 1);
}

/* Both tables in @buf, @nr addresses each that end in 0, 1...; the length. */
static uint32_t make_tables(uint8_t *buf, uint32_t nr_uni, uint32_t nr_multi)
{
	const uint32_t nr[] = { nr_uni, nr_multi };
	uint8_t *p = buf;

	for (int t = 0; t < 2; t++) {
		memcpy(p, &nr[t], 4);
		p += 4;
		for (uint32_t i = 0; i < nr[t]; i++, p += 6) {
			memset(p, 0, 6);
			p[0] = (uint8_t)(2 | t);
			p[5] = (uint8_t)i;
		}
	}
	return (uint32_t)(p - buf);
}

static void tables_say_which_addresses_come(void **state)
{
	static const uint8_t uni0[] = { 2, 0, 0, 0, 0, 0 };
	static const uint8_t uni2[] = { 2, 0, 0, 0, 0, 2 };
	static const uint8_t multi1[] = { 3, 0, 0, 0, 0, 1 };
	static const uint8_t multi3[] = { 3, 0, 0, 0, 0, 3 };
	struct fixture *f = *state;
	uint8_t buf[64];

	start(f, CTRL);
	set_mode(f, 0, 0);
	assert_int_equal(command(f, 1, 0, buf, make_tables(buf, 2, 3)), 0);
	assert_true(reaches(f, uni0));
	assert_false(reaches(f, uni2));
	assert_true(reaches(f, multi1));
	assert_false(reaches(f, multi3));
	assert_true(reaches(f, mac));
	assert_int_equal(command(f, 1, 0, buf, make_tables(buf, 0, 0)), 0);
	assert_false(reaches(f, uni0));
}

static void
tables_that_are_too_long_let_everything_of_their_kind_in(void **state)
{
	static uint8_t buf[4096];
	struct fixture *f = *state;

	start(f, CTRL);
	set_mode(f, 0, 0);
	assert_int_equal(command(f, 1, 0, buf, make_tables(buf, 100, 1)), 0);
	assert_true(reaches(f, other));
	assert_false(reaches(f, group));
	assert_int_equal(command(f, 1, 0, buf, make_tables(buf, 1, 65)), 0);
	assert_false(reaches(f, other));
	assert_true(reaches(f, group));
}

static void tables_that_lie_about_their_length_change_nothing(void **state)
{
	static const uint8_t uni0[] = { 2, 0, 0, 0, 0, 0 };
	struct fixture *f = *state;
	uint8_t buf[64];
	uint32_t len = make_tables(buf, 1, 1);
	static const uint32_t lies[] = { 3, 65, 100, 0x2aaaaaab, UINT32_MAX };

	start(f, CTRL);
	set_mode(f, 0, 0);
	assert_int_equal(command(f, 1, 0, buf, len), 0);
	for (uint32_t short_by = 1; short_by < len; short_by++)
		assert_int_equal(command(f, 1, 0, buf, len - short_by), 1);
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		memcpy(buf, &lies[i], 4);
		assert_int_equal(command(f, 1, 0, buf, len), 1);
	}
	assert_true(reaches(f, uni0));
}

static void the_guest_sets_its_address_until_the_reset(void **state)
{
	struct fixture *f = *state;
	uint8_t c[6];

	start(f, CTRL);
	set_mode(f, 0, 0);
	assert_int_equal(command(f, 1, 1, other, 5), 1);
	assert_int_equal(command(f, 1, 1, other, 6), 0);
	assert_true(reaches(f, other));
	assert_false(reaches(f, mac));
	virtio_dev_config_read(f->dev, 0, c, 6);
	assert_memory_equal(c, other, 6);
	virtio_dev_set_status(f->dev, 0);
	virtio_dev_config_read(f->dev, 0, c, 6);
	assert_memory_equal(c, mac, 6);
}

static bool vlan_reaches(struct fixture *f, uint16_t id)
{
	uint8_t frame[NET_HDR_LEN + 60];

	offer_rx(f, 0, 1000);
	make_frame(frame, mac, 60);
	frame[NET_HDR_LEN + 12] = 0x81;
	frame[NET_HDR_LEN + 13] = 0;
	frame[NET_HDR_LEN + 14] = (uint8_t)(0xe0 | id >> 8);
	frame[NET_HDR_LEN + 15] = (uint8_t)id;
	fake_net_arrive(f->net, 0, frame, sizeof(frame));
	readable(f, 0);
	return took(f->rx) == NET_HDR_LEN + 60;
}

static void vlans_are_filtered_where_that_was_negotiated(void **state)
{
	struct fixture *f = *state;
	uint16_t id = 4095;

	start(f, CTRL);
	set_mode(f, 0, 0);
	assert_true(vlan_reaches(f, 4095));
	assert_int_equal(command(f, 2, 0, &id, 2), 1);
	start(f, CTRL | NET_F_CTRL_VLAN);
	set_mode(f, 0, 0);
	assert_false(vlan_reaches(f, 4095));
	assert_int_equal(command(f, 2, 0, &id, 2), 0);
	assert_true(vlan_reaches(f, 4095));
	assert_false(vlan_reaches(f, 4094));
	assert_int_equal(command(f, 2, 1, &id, 2), 0);
	assert_false(vlan_reaches(f, 4095));
	id = 4096;
	assert_int_equal(command(f, 2, 0, &id, 2), 1);
	assert_int_equal(command(f, 2, 2, &id, 2), 1);
	assert_true(reaches(f, mac));
}

static void pairs_are_used_when_the_guest_says_so(void **state)
{
	const struct net_hdr h = { 0 };
	struct fixture *f = *state;
	uint16_t nr = 2;

	start(f, CTRL | NET_F_MQ);
	offer_rx(f, 1, 1000);
	arrive(f, 1, mac, 60);
	kick(f, 2);
	assert_int_equal(f->net->nr_recv, 0);
	/* Sent all the same, by the queue that is in use. */
	offer_tx(f, 3, &h, 60);
	kick(f, 3);
	assert_int_equal(f->net->out[0].q, 0);

	assert_int_equal(command(f, 4, 0, &nr, 2), 0);
	assert_int_equal(f->net->queues, 2);
	assert_int_equal(took(&f->r[2]), NET_HDR_LEN + 60);
	offer_tx(f, 3, &h, 60);
	kick(f, 3);
	assert_int_equal(f->net->out[1].q, 1);
	nr = 1;
	assert_int_equal(command(f, 4, 0, &nr, 2), 0);
	assert_int_equal(f->net->queues, 1);
	readable(f, 1);
	virtio_dev_set_status(f->dev, 0);
	assert_int_equal(f->net->queues, 1);
}

static void pairs_that_are_not_there_are_refused(void **state)
{
	static const uint16_t bad[] = { 0, 3, 0x8000, 65535 };
	struct fixture *f = *state;
	uint16_t nr = 2;

	start(f, CTRL | NET_F_MQ);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(command(f, 4, 0, &bad[i], 2), 1);
	assert_int_equal(command(f, 4, 0, &nr, 1), 1);
	f->net->fail_set = -EIO;
	assert_int_equal(command(f, 4, 0, &nr, 2), 1);
	f->net->fail_set = 0;
	start(f, CTRL);
	assert_int_equal(command(f, 4, 0, &nr, 2), 1);
}

static void queues_past_the_control_queue_do_nothing(void **state)
{
	struct fixture *f = *state;

	start(f, CTRL);
	virtio_dev_set_status(f->dev, 0);
	fake_negotiate(f->dev, CTRL | VIRTIO_F_VERSION_1);
	for (uint16_t q = 0; q <= 2 * PAIRS; q++) {
		ring_init(&f->r[q], f->ram, RINGS_AT + q * RING_LEN,
			  f->entries);
		fake_set_queue(f->dev, q, &f->r[q]);
	}
	virtio_dev_set_status(f->dev, 1 | 2 | 8 | 4);
	for (uint16_t q = 3; q <= 2 * PAIRS; q++) {
		ring_desc(&f->r[q], 0, CTRL_AT, 2, RING_NEXT, 1);
		ring_desc(&f->r[q], 1, CTRL_AT + 8, 1, RING_WRITE, 0);
		ring_offer(&f->r[q], 0);
		kick(f, q);
		assert_int_equal(ring_used_idx(&f->r[q]), 0);
	}
}

static void offloads_can_be_switched_later(void **state)
{
	struct fixture *f = *state;
	uint64_t want = NET_F_GUEST_CSUM;

	start(f, CTRL | NET_F_CTRL_GUEST_OFFLOADS | NET_F_GUEST_CSUM |
			 NET_F_GUEST_TSO4);
	assert_int_equal(command(f, 5, 0, &want, 8), 0);
	assert_int_equal(f->net->offloads, TUN_F_CSUM);
	want = NET_F_GUEST_CSUM | NET_F_GUEST_TSO6;
	assert_int_equal(command(f, 5, 0, &want, 8), 1);
	want = NET_F_GUEST_CSUM | NET_F_MRG_RXBUF;
	assert_int_equal(command(f, 5, 0, &want, 8), 1);
	want = 0;
	assert_int_equal(command(f, 5, 0, &want, 7), 1);
	assert_int_equal(command(f, 5, 1, &want, 8), 1);
	assert_int_equal(command(f, 5, 0, &want, 8), 0);
	assert_int_equal(f->net->offloads, 0);
}

static void unknown_commands_are_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t data[16] = { 0 };

	start(f, CTRL);
	for (unsigned int class = 0; class < 256; class += 3)
		assert_int_equal(command(f, (uint8_t) class, 77, data, 16), 1);
	assert_int_equal(command(f, 1, 2, data, 16), 1);
	assert_int_equal(command(f, 6, 0, data, 16), 1);
}

static void commands_without_features_are_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t data[16] = { 0 };

	start(f, NET_F_CTRL_VQ);
	for (uint8_t class = 0; class < 6; class ++)
		for (uint8_t cmd = 0; cmd < 2; cmd++)
			assert_int_equal(command(f, class, cmd, data, 16), 1);
}

static void
a_command_without_room_for_the_answer_breaks_the_device(void **state)
{
	struct fixture *f = *state;

	start(f, CTRL);
	ring_desc(f->ctrl, 0, CTRL_AT, 3, 0, 0);
	ring_offer(f->ctrl, 0);
	kick(f, f->control);
	assert_true(virtio_dev_get_status(f->dev) & VIRTIO_STATUS_NEEDS_RESET);
}

static void an_empty_command_is_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t ack;

	start(f, CTRL);
	ring_desc(f->ctrl, 0, CTRL_AT, 1, RING_WRITE, 0);
	ring_offer(f->ctrl, 0);
	kick(f, f->control);
	ram_read(f->ram, CTRL_AT, &ack, 1);
	assert_int_equal(ack, 1);
}

/* The link */

static uint16_t link_status(struct fixture *f)
{
	uint16_t status;

	virtio_dev_config_read(f->dev, 6, &status, 2);
	return status;
}

static void set_link(struct fixture *f, bool up)
{
	f->net->backend.events.link(f->dev, up);
}

static void the_link_goes_down_and_up(void **state)
{
	struct fixture *f = *state;

	start(f, NET_F_STATUS);
	assert_int_equal(link_status(f), NET_S_LINK_UP);
	set_link(f, true);
	assert_int_equal(f->t.config_interrupts, 0);
	set_link(f, false);
	assert_int_equal(link_status(f), 0);
	assert_int_equal(f->t.config_interrupts, 1);
	set_link(f, true);
	assert_int_equal(link_status(f), NET_S_LINK_UP);
	assert_int_equal(f->t.config_interrupts, 2);
}

static void a_link_that_comes_back_asks_for_an_announcement(void **state)
{
	struct fixture *f = *state;

	start(f, CTRL | NET_F_STATUS | NET_F_GUEST_ANNOUNCE);
	set_link(f, false);
	set_link(f, true);
	assert_int_equal(link_status(f), NET_S_LINK_UP | NET_S_ANNOUNCE);
	assert_int_equal(command(f, 3, 1, NULL, 0), 1);
	assert_int_equal(command(f, 3, 0, NULL, 0), 0);
	assert_int_equal(link_status(f), NET_S_LINK_UP);
	set_link(f, false);
	set_link(f, true);
	virtio_dev_set_status(f->dev, 0);
	assert_int_equal(link_status(f), NET_S_LINK_UP);
}

/* The dirty log */

struct hearing {
	struct ram_listener listener;
	uint64_t bytes;
	gpa_t low, high;
};

static void hear(struct ram_listener *l, gpa_t gpa, uint64_t len)
{
	struct hearing *h = container_of(l, struct hearing, listener);

	if (gpa < h->low || gpa >= h->high)
		return;
	h->bytes += len;
}

/* What a frame wrote, and what one wrote that nobody wanted. */
static void every_byte_written_is_reported(void **state)
{
	struct hearing h = { .listener.written = hear,
			     .low = RX_AT,
			     .high = TX_AT };
	struct fixture *f = *state;

	start(f, CTRL);
	set_mode(f, 0, 0);
	ram_add_listener(f->ram, &h.listener);
	offer_rx(f, 0, 100);
	arrive(f, 0, mac, 60);
	kick(f, 0);
	assert_int_equal(h.bytes, NET_HDR_LEN + 60);
	h.bytes = 0;
	offer_rx(f, 0, 100);
	arrive(f, 0, other, 50);
	readable(f, 0);
	assert_int_equal(h.bytes, NET_HDR_LEN + 50);
	h.bytes = 0;
	arrive(f, 0, mac, 200);
	readable(f, 0);
	assert_int_equal(h.bytes, 100);
	ram_del_listener(f->ram, &h.listener);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	T(device_is_a_network_card_with_pairs_and_control),
	T(config_space_has_address_status_pairs_and_mtu),
	T(features_follow_the_backend),
	T(a_backend_goes_with_its_adapter),
	T(too_many_queues_are_refused),
	T(offloads_in_force_are_those_negotiated),
	T(a_backend_that_refuses_offloads_breaks_the_device),
	T(frames_go_into_the_buffers_in_order),
	T(without_an_event_the_backend_is_left_alone),
	T(without_buffers_frames_wait),
	T(buffers_in_pieces_are_filled_to_the_end),
	T(a_frame_that_does_not_fit_is_lost_and_the_buffer_is_not),
	T(a_frame_spans_mergeable_buffers),
	T(what_a_turn_leaves_over_goes_back),
	T(used_index_moves_once_per_frame),
	T(a_large_frame_waits_once_for_more_buffers),
	T(a_driver_that_has_no_more_buffers_is_not_waited_for),
	T(a_jumbo_frame_is_lost_once_where_nobody_knew_of_them),
	T(offloads_that_were_not_negotiated_do_not_reach_the_guest),
	T(offloads_that_were_negotiated_do),
	T(a_frame_without_ethernet_header_is_dropped),
	T(a_buffer_without_room_for_the_header_breaks_the_device),
	T(readable_buffers_are_no_receive_buffers),
	T(a_backend_that_fails_is_asked_no_more),
	T(a_flood_of_unwanted_frames_leaves_the_loop_its_turns),
	T(every_byte_written_is_reported),
	T(frames_leave_with_a_clean_header),
	T(frames_in_pieces_leave_in_one),
	T(a_full_backend_leaves_frames_in_the_queue),
	T(a_frame_after_a_while_is_shown_at_once),
	T(frames_that_follow_are_shown_together),
	T(frames_of_one_turn_are_shown_with_it),
	T(many_frames_do_not_wait_to_be_shown),
	T(a_large_frame_does_not_wait_to_be_shown),
	T(a_small_queue_is_not_kept_waiting),
	T(queues_of_all_pairs_are_shown),
	T(a_reset_forgets_what_was_not_shown),
	T(a_reset_does_not_wait_for_a_full_backend),
	T(a_queue_stops_while_frames_wait),
	T(a_frame_that_the_backend_refuses_is_lost),
	T(frames_of_impossible_length_are_dropped),
	T(segments_need_what_was_negotiated),
	T(segments_of_unknown_kinds_are_refused),
	T(segments_need_a_size_and_a_checksum),
	T(checksums_lie_inside_the_frame),
	T(segments_have_room_for_their_headers),
	T(the_length_of_headers_is_a_hint),
	T(a_negotiated_header_leaves_as_it_is),
	T(a_header_that_was_not_negotiated_drops_the_frame),
	T(a_driver_that_says_nothing_gets_everything),
	T(without_promiscuous_mode_only_what_is_meant_comes),
	T(extra_modes_need_their_feature),
	T(tables_say_which_addresses_come),
	T(tables_that_are_too_long_let_everything_of_their_kind_in),
	T(tables_that_lie_about_their_length_change_nothing),
	T(the_guest_sets_its_address_until_the_reset),
	T(vlans_are_filtered_where_that_was_negotiated),
	T(pairs_are_used_when_the_guest_says_so),
	T(pairs_that_are_not_there_are_refused),
	T(queues_past_the_control_queue_do_nothing),
	T(offloads_can_be_switched_later),
	T(unknown_commands_are_refused),
	T(commands_without_features_are_refused),
	T(a_command_without_room_for_the_answer_breaks_the_device),
	T(an_empty_command_is_refused),
	T(the_link_goes_down_and_up),
	T(a_link_that_comes_back_asks_for_an_announcement),
};

UNIT_MAIN(tests)
