// SPDX-License-Identifier: MIT
/*
 * test_net_switch.c - the backend that is a port: against a switch, against
 * none, and against one that the test plays and that lies.
 *
 * A test is a list of steps. The loop calls the step at hand every
 * millisecond until it says that it is done.
 */
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <sys/mman.h>
#include <time.h>

#include "base/checked.h"
#include "base/fd.h"
#include "tests/unit/switch_rig.h"
#include "virtio/backend/net_switch.h"

#define BROADCAST 0xffffffffffffull
#define GUEST	  0x525400000001ull
#define PEER	  0x525400000002ull
#define TICK_NS	  1000000ull
#define PATIENCE  20000 /* ticks */

struct rig;
typedef bool step_fn(struct rig *r);

struct rig {
	struct switch_rig s; /* the switch, where there is one */
	struct switch_server_params params;
	struct rig_port peer;
	struct loop *loop;
	struct net_backend *net;
	struct loop_op tick;
	step_fn *const *steps;
	unsigned int ticks;
	unsigned int readable, writable, ups, downs;
	/* A switch that the test plays. */
	struct fd_unix listener;
	int sock;
	struct switch_link k;
	unsigned int n;
};

static void on_readable(void *ctx, unsigned int q)
{
	struct rig *r = ctx;

	assert_int_equal(q, 0);
	r->readable++;
}

static void on_writable(void *ctx, unsigned int q)
{
	struct rig *r = ctx;

	assert_int_equal(q, 0);
	r->writable++;
}

static void on_link(void *ctx, bool up)
{
	struct rig *r = ctx;

	if (up)
		r->ups++;
	else
		r->downs++;
}

static void on_tick(struct loop_op *op, int res)
{
	struct rig *r = container_of(op, struct rig, tick);

	assert_int_equal(res, 0);
	r->ticks++;
	while (*r->steps && (*r->steps)(r))
		r->steps++;
	if (*r->steps && r->ticks < PATIENCE)
		loop_timeout(r->loop, &r->tick, TICK_NS);
	else
		loop_stop(r->loop);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	const struct net_events ev = {
		.readable = on_readable,
		.writable = on_writable,
		.link = on_link,
		.ctx = r,
	};

	assert_non_null(r);
	log_set_level(LOG_LEVEL_ERR);
	r->listener.fd = -1;
	r->sock = -1;
	strcpy(r->s.folder, "/tmp/switch-XXXXXX");
	assert_non_null(mkdtemp(r->s.folder));
	snprintf(r->s.path, sizeof(r->s.path), "%s/sw", r->s.folder);
	assert_int_equal(loop_create(&r->loop, LOOP_AUTO, 16), 0);
	r->tick.done = on_tick;
	assert_int_equal(netb_switch_open(&r->net, r->loop, r->s.path, "guest"),
			 0);
	net_attach(r->net, &ev);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	loop_drain(r->loop);
	net_destroy(r->net);
	loop_destroy(r->loop);
	switch_link_unmap(&r->k);
	fd_close(&r->sock);
	fd_unix_close(&r->listener);
	rig_remove(&r->s);
	free(r);
	return 0;
}

static void run(struct rig *r, step_fn *const *steps)
{
	r->steps = steps;
	loop_timeout(r->loop, &r->tick, TICK_NS);
	assert_int_equal(loop_run(r->loop), 0);
	if (*r->steps)
		fail_msg("stuck in step %d", (int)(r->steps - steps));
}

/* The owner's calls */

static int send_frame(struct rig *r, uint32_t len, uint8_t fill)
{
	uint8_t header[NET_HDR_LEN] = { 0 }, frame[2000];
	/* num_buffers is not the backend's business. */
	const struct iovec iov[] = {
		{ header, 5 },
		{ header + 5, NET_HDR_LEN - 5 },
		{ frame, 7 },
		{ frame + 7, len - 7 },
	};

	header[10] = 1;
	memset(frame, fill, sizeof(frame));
	rig_address(frame, BROADCAST);
	rig_address(frame + 6, GUEST);
	return r->net->ops->send(r->net, 0, iov, 4);
}

static ssize_t recv_frame(struct rig *r, uint32_t room, uint8_t *last)
{
	uint8_t header[NET_HDR_LEN], frame[2000];
	const struct iovec iov[] = {
		{ header, NET_HDR_LEN },
		{ frame, room },
	};
	ssize_t n;

	memset(header, 0xee, sizeof(header));
	n = r->net->ops->recv(r->net, 0, iov, 2);
	if (n > NET_HDR_LEN) {
		*last = frame[n - NET_HDR_LEN - 1];
		for (int i = 0; i < 10; i++)
			assert_int_equal(header[i], 0);
		assert_int_equal(header[10], 0xee);
	}
	return n;
}

/* With a switch */

static bool switch_starts(struct rig *r)
{
	rig_start(&r->s, &r->params);
	return true;
}

static bool peer_plugs(struct rig *r)
{
	rig_plug(&r->s, &r->peer, "peer");
	return true;
}

static bool peer_and_switch_end(struct rig *r)
{
	rig_unplug(&r->peer);
	rig_end(&r->s);
	return true;
}

static bool peer_hears_the_guest(struct rig *r)
{
	uint8_t fill = 0;

	if (r->net && send_frame(r, 100, 5))
		return false;
	assert_int_equal(rig_recv(&r->peer, 10000, &fill), 100);
	assert_int_equal(fill, 5);
	return true;
}

static bool guest_hears_the_peer(struct rig *r)
{
	uint8_t last = 0;

	if (!r->n++) {
		assert_int_equal(recv_frame(r, 2000, &last), -EAGAIN);
		assert_true(rig_send(&r->peer, PEER, GUEST, 200, 9));
	}
	if (!r->readable)
		return false;
	assert_int_equal(recv_frame(r, 2000, &last), NET_HDR_LEN + 200);
	assert_int_equal(last, 9);
	assert_int_equal(recv_frame(r, 2000, &last), -EAGAIN);
	assert_int_equal(r->readable, 1);
	return true;
}

static bool guest_has_no_room(struct rig *r)
{
	uint8_t last = 0;

	assert_true(rig_send(&r->peer, PEER, GUEST, 200, 1));
	assert_true(rig_send(&r->peer, PEER, GUEST, 60, 2));
	for (int i = 0; i < 1000 && r->readable < 2; i++) {
		ssize_t n = recv_frame(r, 199, &last);

		if (n == -EAGAIN) {
			usleep(1000);
			continue;
		}
		assert_int_equal(n, -EMSGSIZE);
		break;
	}
	for (int i = 0; i < 1000; i++) {
		if (recv_frame(r, 199, &last) == NET_HDR_LEN + 60)
			return true;
		usleep(1000);
	}
	fail();
	return false;
}

static void frames_go_both_ways(void **state)
{
	static step_fn *const steps[] = { switch_starts,
					  peer_plugs,
					  peer_hears_the_guest,
					  guest_hears_the_peer,
					  guest_has_no_room,
					  peer_and_switch_end,
					  NULL };

	run(*state, steps);
}

static bool guest_is_refused_offloads(struct rig *r)
{
	struct virtio_net_hdr_v1 h = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 };
	uint8_t frame[70000] = { 0 };
	struct iovec iov[] = { { &h, sizeof(h) }, { frame, 60 } };
	const struct net_backend_ops *ops = r->net->ops;

	assert_int_equal(ops->send(r->net, 0, iov, 2), -EINVAL);
	h = (struct virtio_net_hdr_v1){ .flags = 1 };
	assert_int_equal(ops->send(r->net, 0, iov, 2), -EINVAL);
	h = (struct virtio_net_hdr_v1){ 0 };
	iov[1].iov_len = 13;
	assert_int_equal(ops->send(r->net, 0, iov, 2), -EINVAL);
	iov[1].iov_len = NET_FRAME_MAX + 1;
	assert_int_equal(ops->send(r->net, 0, iov, 2), -EINVAL);
	assert_int_equal(ops->send(r->net, 0, iov, 0), -EINVAL);
	return true;
}

static void frames_that_are_not_plain_are_refused(void **state)
{
	static step_fn *const steps[] = {
		switch_starts,
		peer_plugs,
		peer_hears_the_guest,
		guest_is_refused_offloads,
		peer_hears_the_guest,
		peer_and_switch_end,
		NULL,
	};

	run(*state, steps);
}

/* Without one, and with one that comes and goes */

static bool link_goes_down(struct rig *r)
{
	if (!r->downs)
		return false;
	assert_int_equal(r->downs, 1);
	assert_int_equal(send_frame(r, 100, 1), -ENETDOWN);
	r->downs = 0;
	return true;
}

static bool link_comes_up(struct rig *r)
{
	if (!r->ups)
		return false;
	assert_int_equal(r->ups, 1);
	assert_int_equal(r->downs, 0);
	r->ups = 0;
	return true;
}

static void the_link_follows_the_switch(void **state)
{
	static step_fn *const steps[] = {
		link_goes_down,	      switch_starts,
		link_comes_up,	      peer_plugs,
		peer_hears_the_guest, peer_and_switch_end,
		link_goes_down,	      switch_starts,
		link_comes_up,	      peer_plugs,
		peer_hears_the_guest, peer_and_switch_end,
		link_goes_down,	      NULL,
	};

	run(*state, steps);
}

static bool what_waited_is_lost(struct rig *r)
{
	assert_int_equal(r->writable, 1);
	return true;
}

static void a_frame_sent_before_the_first_attempt_is_not_stuck(void **state)
{
	static step_fn *const steps[] = { link_goes_down, what_waited_is_lost,
					  NULL };
	struct rig *r = *state;

	assert_int_equal(send_frame(r, 100, 1), -EAGAIN);
	assert_int_equal(r->writable, 0);
	run(r, steps);
}

/* A switch that the test plays */

static bool fake_listens(struct rig *r)
{
	assert_int_equal(switch_listen(&r->listener, r->s.path), 0);
	return true;
}

static bool fake_accepts(struct rig *r)
{
	struct switch_hello h;

	fd_close(&r->sock);
	r->sock = accept4(r->listener.fd, NULL, NULL, SOCK_CLOEXEC);
	if (r->sock < 0)
		return false;
	assert_int_equal(rig_wait(r->sock, 10000), 1);
	assert_int_equal(recv(r->sock, &h, sizeof(h), 0), sizeof(h));
	assert_int_equal(switch_link_check_hello(&h, sizeof(h)), 0);
	assert_string_equal(h.name, "guest");
	return true;
}

static bool fake_welcomes(struct rig *r)
{
	struct switch_welcome w;
	int memfd;

	switch_link_unmap(&r->k);
	assert_int_equal(switch_link_create(&r->k, RIG_RING, &memfd), 0);
	switch_link_fill_welcome(&w, 1, RIG_RING, 0);
	assert_int_equal(switch_link_send(r->sock, &w, sizeof(w), memfd), 0);
	close(memfd);
	return true;
}

static bool guest_fills_the_ring(struct rig *r)
{
	int err;

	do {
		err = send_frame(r, 1000, 1);
	} while (!err);
	assert_int_equal(err, -EAGAIN);
	return true;
}

static bool some_time_passes(struct rig *r)
{
	return r->n++ > 20;
}

static bool fake_empties_the_ring(struct rig *r)
{
	struct switch_ring *ring = &r->k.to_switch;
	const uint8_t *at;
	uint32_t len;
	bool bell = false;

	assert_int_equal(r->writable, 0);
	while (switch_ring_peek(ring, &at, &len) == 1) {
		switch_ring_pop(ring, len);
		bell |= switch_ring_release(ring);
	}
	assert_true(bell);
	switch_link_ring_bell(r->sock);
	return true;
}

static bool guest_is_told_once(struct rig *r)
{
	if (!r->writable)
		return false;
	assert_int_equal(r->writable, 1);
	assert_int_equal(send_frame(r, 1000, 1), 0);
	return true;
}

static void a_guest_that_is_too_fast_waits_and_is_told(void **state)
{
	/* Down first, so that coming up is heard. */
	static step_fn *const steps[] = {
		link_goes_down,	    fake_listens,
		fake_accepts,	    fake_welcomes,
		link_comes_up,	    guest_fills_the_ring,
		some_time_passes,   fake_empties_the_ring,
		guest_is_told_once, NULL
	};

	run(*state, steps);
}

static bool fake_lies_about_its_head(struct rig *r)
{
	uint8_t last;

	r->k.to_port.shared->head = 1u << 30;
	switch_link_ring_bell(r->sock);
	(void)recv_frame(r, 2000, &last);
	return true;
}

static bool fake_lies_about_its_tail(struct rig *r)
{
	int err = 0;

	r->k.to_switch.shared->tail = 1u << 30;
	while (!err)
		err = send_frame(r, 1000, 1);
	assert_int_equal(err, -ENETDOWN);
	return true;
}

static void a_switch_that_lies_is_left_and_tried_again(void **state)
{
	static step_fn *const steps[] = {
		link_goes_down,
		fake_listens,
		fake_accepts,
		fake_welcomes,
		link_comes_up,
		fake_lies_about_its_head,
		link_goes_down,
		fake_accepts,
		fake_welcomes,
		link_comes_up,
		fake_lies_about_its_tail,
		link_goes_down,
		fake_accepts,
		fake_welcomes,
		link_comes_up,
		NULL,
	};

	run(*state, steps);
}

static bool fake_refuses(struct rig *r)
{
	struct switch_welcome w;

	switch_link_fill_welcome(&w, 0, 0, ENOSPC);
	assert_int_equal(switch_link_send(r->sock, &w, sizeof(w), -1), 0);
	return true;
}

static bool fake_talks_nonsense(struct rig *r)
{
	assert_int_equal(switch_link_send(r->sock, "what?", 5, r->sock), 0);
	return true;
}

static bool fake_sends_memory_that_shrinks(struct rig *r)
{
	int memfd = memfd_create("bad", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct switch_welcome w;

	assert_int_equal(ftruncate(memfd, 4096 + 2 * RIG_RING), 0);
	switch_link_fill_welcome(&w, 1, RIG_RING, 0);
	assert_int_equal(switch_link_send(r->sock, &w, sizeof(w), memfd), 0);
	close(memfd);
	return true;
}

static bool link_stays_down(struct rig *r)
{
	assert_int_equal(r->ups, 0);
	assert_int_equal(r->downs, 0);
	return true;
}

static void an_answer_that_is_none_is_not_taken(void **state)
{
	static step_fn *const steps[] = {
		link_goes_down, fake_listens,
		fake_accepts,	fake_refuses,
		fake_accepts,	fake_talks_nonsense,
		fake_accepts,	fake_sends_memory_that_shrinks,
		fake_accepts,	link_stays_down,
		fake_welcomes,	link_comes_up,
		NULL,
	};

	run(*state, steps);
}

/* The end, at any time */

static bool guest_goes(struct rig *r)
{
	net_destroy(r->net);
	r->net = NULL;
	r->n = 0;
	return true;
}

static void a_port_can_go_at_any_time(void **state)
{
	static step_fn *const idle[] = { link_goes_down, guest_goes,
					 some_time_passes, NULL };

	run(*state, idle);
}

static void a_port_can_go_before_it_is_welcome(void **state)
{
	static step_fn *const asked[] = { fake_listens, fake_accepts,
					  guest_goes, some_time_passes, NULL };

	run(*state, asked);
}

static void a_port_can_go_while_it_is_up(void **state)
{
	static step_fn *const up[] = { fake_listens,	 fake_accepts,
				       fake_welcomes,	 some_time_passes,
				       guest_goes,	 some_time_passes,
				       some_time_passes, NULL };

	run(*state, up);
}

static void a_path_that_is_no_socket_name_is_refused(void **state)
{
	struct net_backend *b;
	struct rig *r = *state;
	char path[200];

	memset(path, 'x', sizeof(path));
	path[199] = 0;
	assert_int_equal(netb_switch_open(&b, r->loop, path, "x"),
			 -ENAMETOOLONG);
	assert_null(b);
	assert_int_equal(netb_switch_open(&b, r->loop, "", "x"), -ENAMETOOLONG);
}

#define PORT_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		PORT_TEST(frames_go_both_ways),
		PORT_TEST(frames_that_are_not_plain_are_refused),
		PORT_TEST(the_link_follows_the_switch),
		PORT_TEST(a_frame_sent_before_the_first_attempt_is_not_stuck),
		PORT_TEST(a_guest_that_is_too_fast_waits_and_is_told),
		PORT_TEST(a_switch_that_lies_is_left_and_tried_again),
		PORT_TEST(an_answer_that_is_none_is_not_taken),
		PORT_TEST(a_port_can_go_at_any_time),
		PORT_TEST(a_port_can_go_before_it_is_welcome),
		PORT_TEST(a_port_can_go_while_it_is_up),
		PORT_TEST(a_path_that_is_no_socket_name_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
