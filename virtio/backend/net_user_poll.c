// SPDX-License-Identifier: MIT
/*
 * net_user_poll.c - libslirp's sockets as operations of the loop.
 *
 * How it works. Before it would sleep, libslirp names its sockets and what it
 * waits for: each gets an operation per direction, unless one is in flight
 * already. What ends one is kept until libslirp asks, all at once, in the
 * task that the first to end posts. An operation that came early, because
 * libslirp lost its interest meanwhile, is just not started again, so nothing
 * is ever cancelled while its socket lives.
 *
 * A socket is known by its descriptor until libslirp says that it closes it;
 * then the number may come back for another one at once, while operations of
 * the old socket are still on their way out.
 */
#include <poll.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/checked.h"
#include "base/fd.h"
#include "virtio/backend/net_user_int.h"

/* For the rest of the process: disks, consoles, other devices. */
#define SOCKETS_MAX 4096
#define BACKLOG	    128

struct netb_user_socket {
	struct netb_user_polls *polls;
	struct netb_user_socket *next, *prev;
	struct loop_op in, out;
	int fd;	     /* -1: closed, or about to be */
	int asked;   /* what libslirp waits for */
	int revents; /* what came, be it asked for or not */
	bool listens;
};

/* Descriptors and sockets */

void netb_user_polls_init(struct netb_user_polls *p, struct loop *loop,
			  struct loop_task *changed)
{
	struct rlimit limit;

	*p = (struct netb_user_polls){
		.loop = loop,
		.changed = changed,
		.max = SOCKETS_MAX,
	};
	if (!getrlimit(RLIMIT_NOFILE, &limit))
		p->max = (unsigned int)min_u64(limit.rlim_cur / 2, p->max);
}

static struct netb_user_socket *find(const struct netb_user_polls *p, int fd)
{
	return fd >= 0 && fd < p->nr_of ? p->of[fd] : NULL;
}

static bool grow(struct netb_user_polls *p, int fd)
{
	struct netb_user_socket **of;
	int nr = (fd | 63) + 1;

	if (fd < p->nr_of)
		return true;
	of = realloc(p->of, (size_t)nr * sizeof(*of));
	if (!of)
		return false;
	for (int i = p->nr_of; i < nr; i++)
		of[i] = NULL;
	p->of = of;
	p->nr_of = nr;
	return true;
}

static bool is_idle(const struct netb_user_socket *s)
{
	return !loop_op_busy(&s->in) && !loop_op_busy(&s->out);
}

static void free_socket(struct netb_user_socket *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		s->polls->first = s->next;
	if (s->next)
		s->next->prev = s->prev;
	free(s);
}

/* Operations */

static int from_poll(int res)
{
	int events = 0;

	if (res < 0)
		return SLIRP_POLL_ERR;
	events |= res & POLLIN ? SLIRP_POLL_IN : 0;
	events |= res & POLLOUT ? SLIRP_POLL_OUT : 0;
	events |= res & POLLERR ? SLIRP_POLL_ERR : 0;
	events |= res & POLLHUP ? SLIRP_POLL_HUP : 0;
	return events;
}

static void end_op(struct netb_user_socket *s, int res)
{
	struct netb_user_polls *p = s->polls;

	if (s->fd >= 0)
		s->revents |= from_poll(res);
	else if (is_idle(s))
		free_socket(s);
	loop_post(p->loop, p->changed);
}

static void on_in(struct loop_op *op, int res)
{
	end_op(container_of(op, struct netb_user_socket, in), res);
}

static void on_out(struct loop_op *op, int res)
{
	end_op(container_of(op, struct netb_user_socket, out), res);
}

static bool is_listening(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) && on;
}

static struct netb_user_socket *new_socket(struct netb_user_polls *p, int fd)
{
	struct netb_user_socket *s;

	if (fd < 0 || !grow(p, fd))
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->polls = p;
	s->fd = fd;
	s->in.name = "user net in";
	s->in.done = on_in;
	s->out.name = "user net out";
	s->out.done = on_out;
	s->listens = is_listening(fd);
	/* libslirp lets one wait, and others try again a second later. */
	if (s->listens)
		(void)listen(fd, BACKLOG);
	/*
	 * libslirp leaves those of UDP blocking and reads when told that it
	 * can; but what was to be read may be gone when its turn comes.
	 */
	(void)fd_set_nonblock(fd);
	s->next = p->first;
	if (s->next)
		s->next->prev = s;
	p->first = s;
	p->of[fd] = s;
	p->nr++;
	return s;
}

static void start(struct netb_user_socket *s, struct loop_op *op,
		  uint32_t events)
{
	if (events && !loop_op_busy(op))
		loop_poll(s->polls->loop, op, s->fd, events);
}

/* For the turn of libslirp */

void netb_user_polls_new(struct netb_user_polls *p, int fd)
{
	netb_user_polls_del(p, fd);
	new_socket(p, fd);
}

bool netb_user_polls_crowded(const struct netb_user_polls *p)
{
	return p->nr >= p->max;
}

void netb_user_polls_add(struct netb_user_polls *p, int fd, int events,
			 bool full)
{
	struct netb_user_socket *s = find(p, fd);

	if (!s)
		s = new_socket(p, fd);
	if (!s)
		return;
	if (full || (s->listens && netb_user_polls_crowded(p)))
		events &= ~SLIRP_POLL_IN;
	s->asked = events;
	/* What libslirp did not ask for last time is asked for anew. */
	s->revents = 0;
	start(s, &s->in, events & SLIRP_POLL_IN ? POLLIN : 0);
	start(s, &s->out, events & SLIRP_POLL_OUT ? POLLOUT : 0);
}

int netb_user_polls_take(struct netb_user_polls *p, int fd)
{
	struct netb_user_socket *s = find(p, fd);
	int revents;

	if (!s)
		return 0;
	revents = s->revents;
	s->revents = 0;
	if (s->asked & SLIRP_POLL_IN)
		return revents;
	/*
	 * To libslirp an error is something to read, and it ends the process
	 * when it reads without having asked: there is no room then. Writing
	 * meets the error as well.
	 */
	return revents & ~SLIRP_POLL_IN ? SLIRP_POLL_OUT : 0;
}

void netb_user_polls_del(struct netb_user_polls *p, int fd)
{
	struct netb_user_socket *s = find(p, fd);

	if (!s)
		return;
	p->of[fd] = NULL;
	p->nr--;
	s->fd = -1;
	loop_cancel(p->loop, &s->in);
	loop_cancel(p->loop, &s->out);
	if (is_idle(s))
		free_socket(s);
}

void netb_user_polls_del_all(struct netb_user_polls *p)
{
	for (int fd = 0; fd < p->nr_of; fd++)
		netb_user_polls_del(p, fd);
}

bool netb_user_polls_idle(const struct netb_user_polls *p)
{
	const struct netb_user_socket *s;

	for (s = p->first; s; s = s->next)
		if (!is_idle(s))
			return false;
	return true;
}

void netb_user_polls_fini(struct netb_user_polls *p)
{
	while (p->first)
		free_socket(p->first);
	free(p->of);
}
