// SPDX-License-Identifier: MIT
/*
 * net_user.c - a network inside the process, through libslirp.
 *
 * How it works. libslirp is a library without a loop of its own: it is fed
 * with the guest's frames, hands out its own through a callback, and wants a
 * turn when one of its sockets is ready or some time has passed.
 *
 *   send() -> slirp_input() --+
 *   sockets, timers, recv() --+--> task: turn()
 *                                    slirp_pollfds_poll()  what is ready
 *                                    slirp_pollfds_fill()  what to wait for
 *                                    readable()            if there is more
 *   slirp's send_packet() -> fifo -> recv()
 *
 * Frames for the guest wait in a fifo with a bound. When it is half full,
 * libslirp's sockets are not read any more, so TCP slows its peers down; what
 * does not fit at all is dropped, as a network does.
 *
 * libslirp asks to be called after a time that is one of few; each has its own
 * operation, which is left to run out when nothing is due any more.
 */
#include "virtio/backend/net_user.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/checked.h"
#include "base/iov.h"
#include "base/log.h"
#include "virtio/backend/net_fifo.h"
#include "virtio/backend/net_slirp.h"
#include "virtio/backend/net_user_int.h"
#include "virtio/loop.h"

#define FIFO_SIZE   (512u << 10)
#define MTU_DEFAULT 1500u
#define ETH_LEN	    14u
#define TAG_LEN	    4u
#define NS_PER_MS   1000000ull
/* What slirp_pollfds_fill() says when it waits for nothing. */
#define NOTHING_DUE_MS 1000u
/* Until then it is a delayed acknowledgement, from there on a slow timer. */
#define SOON_MS 100u

struct netb_user {
	struct net_backend base;
	struct loop *loop;
	struct netb_slirp lib;
	Slirp *slirp;
	uint32_t mtu;
	uint32_t frame_max; /* without the header */
	uint8_t *frame;	    /* the guest's, copied */
	bool running;	    /* had a turn */
	bool destroyed;

	struct netb_user_polls polls;
	struct loop_task turn;
	struct loop_op soon, later;

	/* Towards the guest */
	struct netb_fifo fifo;
	bool starved; /* recv() found nothing */
	bool full;    /* sockets are not read */

	/* Router advertisements, the only timer of libslirp's own */
	struct loop_op ra;
	SlirpTimerCb ra_fn;
	void *ra_ctx;
	int64_t ra_due_ms; /* 0: none */

	atomic_bool said_error, said_crowded;
};

static struct netb_user *to_user(struct net_backend *b)
{
	return container_of(b, struct netb_user, base);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void post_turn(struct netb_user *u)
{
	loop_post(u->loop, &u->turn);
}

/* Life's end: when nothing of ours is with the loop any more. */

static bool is_idle(const struct netb_user *u)
{
	return netb_user_polls_idle(&u->polls) && !loop_op_busy(&u->soon) &&
	       !loop_op_busy(&u->later) && !loop_op_busy(&u->ra) &&
	       (!u->turn.queued || loop_stopped(u->loop));
}

static void free_user(struct netb_user *u)
{
	netb_user_polls_fini(&u->polls);
	netb_fifo_fini(&u->fifo);
	free(u->frame);
	free(u);
}

static void free_if_idle(struct netb_user *u)
{
	if (is_idle(u))
		free_user(u);
}

/* Timers */

static void on_timer(struct netb_user *u)
{
	if (u->destroyed)
		free_if_idle(u);
	else
		post_turn(u);
}

static void on_soon(struct loop_op *op, int res)
{
	(void)res;
	on_timer(container_of(op, struct netb_user, soon));
}

static void on_later(struct loop_op *op, int res)
{
	(void)res;
	on_timer(container_of(op, struct netb_user, later));
}

static void arm_timer(struct netb_user *u, uint32_t ms)
{
	struct loop_op *op = ms < SOON_MS ? &u->soon : &u->later;

	if (ms < NOTHING_DUE_MS && !loop_op_busy(op))
		loop_timeout(u->loop, op, ms * NS_PER_MS);
}

static void arm_ra(struct netb_user *u)
{
	int64_t left = u->ra_due_ms * (int64_t)NS_PER_MS - now_ns();

	if (u->ra_due_ms && u->running && !loop_op_busy(&u->ra))
		loop_timeout(u->loop, &u->ra, left > 0 ? (uint64_t)left : 0);
}

static void on_ra(struct loop_op *op, int res)
{
	struct netb_user *u = container_of(op, struct netb_user, ra);

	if (u->destroyed) {
		free_if_idle(u);
		return;
	}
	if (!res && u->ra_due_ms * (int64_t)NS_PER_MS <= now_ns()) {
		u->ra_due_ms = 0;
		u->ra_fn(u->ra_ctx);
		post_turn(u);
	}
	arm_ra(u);
}

/* What libslirp calls */

static ssize_t handle_packet(const void *buf, size_t len, void *opaque)
{
	struct netb_user *u = opaque;

	netb_fifo_push(&u->fifo, buf, len);
	return (ssize_t)len;
}

static void handle_error(const char *msg, void *opaque)
{
	struct netb_user *u = opaque;

	log_once(&u->said_error, "user net: the guest: %s", msg);
}

static int64_t handle_clock(void *opaque)
{
	(void)opaque;
	return now_ns();
}

static void *handle_timer_new(SlirpTimerCb cb, void *cb_opaque, void *opaque)
{
	struct netb_user *u = opaque;

	u->ra_fn = cb;
	u->ra_ctx = cb_opaque;
	return &u->ra;
}

static void handle_timer_free(void *timer, void *opaque)
{
	struct netb_user *u = opaque;

	u->ra_due_ms = 0;
	loop_cancel(u->loop, timer);
}

static void handle_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
	struct netb_user *u = opaque;

	u->ra_due_ms = expire_ms;
	loop_cancel(u->loop, timer); /* on_ra() arms it again */
	arm_ra(u);
}

static void handle_register(int fd, void *opaque)
{
	struct netb_user *u = opaque;

	netb_user_polls_new(&u->polls, fd);
}

static void handle_unregister(int fd, void *opaque)
{
	struct netb_user *u = opaque;

	netb_user_polls_del(&u->polls, fd);
}

static void handle_notify(void *opaque)
{
	post_turn(opaque);
}

static const SlirpCb callbacks = {
	.send_packet = handle_packet,
	.guest_error = handle_error,
	.clock_get_ns = handle_clock,
	.timer_new = handle_timer_new,
	.timer_free = handle_timer_free,
	.timer_mod = handle_timer_mod,
	.register_poll_fd = handle_register,
	.unregister_poll_fd = handle_unregister,
	.notify = handle_notify,
};

/* The descriptor is the index. */
static int handle_add_poll(int fd, int events, void *opaque)
{
	struct netb_user *u = opaque;

	netb_user_polls_add(&u->polls, fd, events, u->full);
	return fd;
}

static int handle_get_revents(int fd, void *opaque)
{
	struct netb_user *u = opaque;

	return netb_user_polls_take(&u->polls, fd);
}

/* The turn */

static void tell_owner(struct netb_user *u)
{
	if (!u->starved || netb_fifo_empty(&u->fifo))
		return;
	u->starved = false;
	if (u->base.events.readable)
		u->base.events.readable(u->base.events.ctx, 0);
}

static void turn(struct loop_task *t)
{
	struct netb_user *u = container_of(t, struct netb_user, turn);
	uint32_t ms = NOTHING_DUE_MS;

	if (u->destroyed) {
		free_if_idle(u);
		return;
	}
	if (!u->running) {
		u->running = true;
		arm_ra(u);
	}
	u->lib.pollfds_poll(u->slirp, 0, handle_get_revents, u);
	u->full = u->fifo.used > FIFO_SIZE / 2;
	u->lib.pollfds_fill(u->slirp, &ms, handle_add_poll, u);
	arm_timer(u, ms);
	tell_owner(u);
}

/* Frames */

static int user_send(struct net_backend *b, unsigned int q,
		     const struct iovec *iov, unsigned int nr)
{
	struct netb_user *u = to_user(b);
	size_t len = iov_size(iov, nr);
	enum netb_user_frame kind;

	(void)q;
	if (len < NET_HDR_LEN || len - NET_HDR_LEN > NET_FRAME_MAX)
		return -EINVAL;
	len -= NET_HDR_LEN;
	/* A copy: the guest may go on writing. */
	iov_read(iov, nr, NET_HDR_LEN, u->frame, len);
	kind = netb_user_frame_kind(u->frame, len);
	if (kind == NETB_USER_FRAME_BAD ||
	    (len > u->frame_max && kind != NETB_USER_FRAME_PLAIN))
		return -EINVAL;
	if (kind == NETB_USER_FRAME_OPENS &&
	    netb_user_polls_crowded(&u->polls)) {
		log_once(&u->said_crowded,
			 "user net: %u connections are open; the guest gets "
			 "no more",
			 u->polls.nr);
		return -EMFILE;
	}
	u->lib.input(u->slirp, u->frame, (int)len);
	post_turn(u);
	return 0;
}

static ssize_t user_recv(struct net_backend *b, unsigned int q,
			 const struct iovec *iov, unsigned int nr)
{
	static const uint8_t header[NET_HDR_LEN];
	struct netb_user *u = to_user(b);
	ssize_t len = netb_fifo_pop(&u->fifo, iov, nr, NET_HDR_LEN);

	(void)q;
	if (u->full && u->fifo.used <= FIFO_SIZE / 2)
		post_turn(u);
	if (len == -EAGAIN)
		u->starved = true;
	if (len < 0)
		return len;
	iov_write(iov, nr, 0, header, sizeof(header));
	return len + NET_HDR_LEN;
}

static void user_destroy(struct net_backend *b)
{
	struct netb_user *u = to_user(b);

	if (u->fifo.dropped)
		log_info("user net: %llu frames were dropped",
			 (unsigned long long)u->fifo.dropped);
	u->destroyed = true;
	if (u->slirp)
		u->lib.cleanup(u->slirp);
	netb_user_polls_del_all(&u->polls);
	loop_cancel(u->loop, &u->soon);
	loop_cancel(u->loop, &u->later);
	loop_cancel(u->loop, &u->ra);
	free_if_idle(u);
}

static const struct net_backend_ops user_ops = {
	.kind = "user",
	.send = user_send,
	.recv = user_recv,
	.destroy = user_destroy,
};

/* Life */

/* The IPv4 network, in host order. */
struct subnet {
	uint32_t first, mask;
	unsigned int prefix;
};

static struct subnet subnet_of(const struct netb_user_params *p)
{
	unsigned int prefix = p->prefix ? p->prefix : NETB_USER_PREFIX;

	return (struct subnet){
		.first = p->net.s_addr ? ntohl(p->net.s_addr) : NETB_USER_NET,
		.mask = ~0u << (32 - prefix),
		.prefix = prefix,
	};
}

static bool is_inside(const struct subnet *n, struct in_addr a)
{
	return (ntohl(a.s_addr) & n->mask) == n->first;
}

static struct in_addr address(const struct subnet *n, uint32_t host)
{
	return (struct in_addr){ htonl(n->first + host) };
}

static int check_params(const struct netb_user_params *p,
			const struct subnet *n, char *why, size_t why_len)
{
	uint32_t dns = ntohl(p->dns.s_addr);

	if (n->prefix < NETB_USER_PREFIX_MIN ||
	    n->prefix > NETB_USER_PREFIX_MAX)
		snprintf(why, why_len, "net: a prefix from /%u to /%u",
			 NETB_USER_PREFIX_MIN, NETB_USER_PREFIX_MAX);
	else if (n->first & ~n->mask)
		snprintf(why, why_len, "net: not the first address of a /%u",
			 n->prefix);
	else if (dns && !is_inside(n, p->dns))
		snprintf(why, why_len, "dns: not an address of the network");
	else if (dns == n->first + 2 || dns == n->first + 15)
		snprintf(why, why_len,
			 "dns: .2 is the host's and .15 the guest's address");
	else if (p->mtu > NETB_USER_MTU_MAX)
		snprintf(why, why_len, "mtu: at most %u", NETB_USER_MTU_MAX);
	else
		return 0;
	return -EINVAL;
}

static int create_slirp(struct netb_user *u, const struct netb_user_params *p,
			const struct subnet *n, char *why, size_t why_len)
{
	const SlirpConfig cfg = {
		.version = 1,
		.restricted = p->restricted,
		.in_enabled = true,
		.vnetwork = address(n, 0),
		.vnetmask = { htonl(n->mask) },
		.vhost = address(n, 2),
		.vdhcp_start = address(n, 15),
		.vnameserver = p->dns.s_addr ? p->dns : address(n, 3),
		.in6_enabled = !p->no_ipv6,
		.vprefix_addr6.s6_addr = { 0xfe, 0xc0 },
		.vprefix_len = 64,
		.vhost6.s6_addr = { 0xfe, 0xc0, [15] = 2 },
		.vnameserver6.s6_addr = { 0xfe, 0xc0, [15] = 3 },
		.vhostname = p->hostname,
		.if_mtu = u->mtu,
		.if_mru = u->mtu,
	};
	int err = check_params(p, n, why, why_len);

	if (err)
		return err;
	u->slirp = u->lib.new(&cfg, &callbacks, u);
	return u->slirp ? 0 : -ENOMEM;
}

static int add_forward(struct netb_user *u, const struct subnet *n,
		       const struct netb_forward *f, char *why, size_t why_len)
{
	char text[NETB_FORWARD_TEXT];
	int err;

	netb_forward_text(f, text);
	if (f->guest.s_addr && !is_inside(n, f->guest)) {
		snprintf(why, why_len,
			 "hostfwd=%s: the guest's address is not one of the "
			 "network",
			 text);
		return -EINVAL;
	}
	errno = 0;
	if (!u->lib.add_hostfwd(u->slirp, f->udp, f->host, f->host_port,
				f->guest, f->guest_port))
		return 0;
	err = errno ? -errno : -EIO;
	snprintf(why, why_len, "hostfwd=%s: %s", text, strerror(-err));
	return err;
}

static int start(struct netb_user *u, const struct netb_user_params *p,
		 char *why, size_t why_len)
{
	const struct subnet n = subnet_of(p);
	int err;

	err = netb_slirp_load(&u->lib, why, why_len);
	if (err)
		return err;
	err = netb_fifo_init(&u->fifo, FIFO_SIZE);
	if (err)
		return err;
	u->mtu = p->mtu ? p->mtu : MTU_DEFAULT;
	u->frame_max = u->mtu + ETH_LEN + TAG_LEN;
	u->frame = malloc(NET_FRAME_MAX);
	if (!u->frame)
		return -ENOMEM;
	err = create_slirp(u, p, &n, why, why_len);
	for (size_t i = 0; !err && i < p->nr_forwards; i++)
		err = add_forward(u, &n, &p->forwards[i], why, why_len);
	return err;
}

int netb_user_open(struct net_backend **out, const struct netb_user_params *p,
		   struct loop *loop, char *why, size_t why_len)
{
	struct netb_user *u = calloc(1, sizeof(*u));
	int err;

	*out = NULL;
	snprintf(why, why_len, "%s", strerror(ENOMEM));
	if (!u)
		return -ENOMEM;
	u->base.ops = &user_ops;
	u->base.nr_queues = 1;
	/* It compares with the MTU what is IPv6, and nothing else. */
	u->base.takes.tcp4 = NET_FRAME_MAX;
	u->loop = loop;
	u->turn.fn = turn;
	u->soon.name = "user net soon";
	u->soon.done = on_soon;
	u->later.name = "user net later";
	u->later.done = on_later;
	u->ra.name = "user net advertisement";
	u->ra.done = on_ra;
	netb_user_polls_init(&u->polls, loop, &u->turn);

	err = start(u, p, why, why_len);
	if (err) {
		user_destroy(&u->base);
		return err;
	}
	post_turn(u);
	*out = &u->base;
	return 0;
}
