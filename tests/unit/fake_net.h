/* SPDX-License-Identifier: MIT */
/*
 * fake_net.h - a network backend for tests: frames that the test puts in come
 * out of recv(), what is sent is kept, and settings are remembered.
 *
 * One thread.
 */
#ifndef MINIVMM_TESTS_UNIT_FAKE_NET_H
#define MINIVMM_TESTS_UNIT_FAKE_NET_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/backend/net.h"
#include "base/iov.h"

enum {
	FAKE_FRAMES = 512,
	FAKE_FRAME_MAX = NET_HDR_LEN + NET_FRAME_MAX
};

struct fake_frame {
	size_t len; /* with the header */
	unsigned int q;
	char *bytes;
};

struct fake_net {
	struct net_backend backend;
	unsigned int can; /* offloads */
	unsigned int offloads, queues;
	int fail_set;		 /* what set_offloads and set_queues return */
	int fail_send;		 /* what send returns, when not 0, */
	unsigned int fail_after; /* from this frame on */
	int fail_recv; /* what recv returns when it has no frame; 0: -EAGAIN */
	struct fake_frame in[FAKE_FRAMES], out[FAKE_FRAMES];
	unsigned int nr_in, nr_out;
	unsigned int nr_recv, nr_lost;
	bool endless; /* the first frame of in[] comes again and again */
	bool *gone;   /* set when destroyed */
};

static inline struct fake_net *to_fake_net(struct net_backend *b)
{
	return (struct fake_net *)b;
}

static inline unsigned int fake_net_offloads(const struct net_backend *b)
{
	return ((const struct fake_net *)b)->can;
}

static inline int fake_net_set_offloads(struct net_backend *b,
					unsigned int offloads)
{
	if (to_fake_net(b)->fail_set)
		return to_fake_net(b)->fail_set;
	to_fake_net(b)->offloads = offloads;
	return 0;
}

static inline int fake_net_set_queues(struct net_backend *b, unsigned int nr)
{
	if (to_fake_net(b)->fail_set)
		return to_fake_net(b)->fail_set;
	to_fake_net(b)->queues = nr;
	return 0;
}

static inline int fake_net_send(struct net_backend *b, unsigned int q,
				const struct iovec *iov, unsigned int nr)
{
	struct fake_net *f = to_fake_net(b);
	struct fake_frame *out = &f->out[f->nr_out % FAKE_FRAMES];

	if (q >= f->queues)
		abort();
	if (f->fail_send && f->nr_out >= f->fail_after)
		return f->fail_send;
	free(out->bytes);
	out->q = q;
	out->len = iov_size(iov, nr);
	if (out->len < NET_HDR_LEN + 14 || out->len > FAKE_FRAME_MAX)
		abort();
	out->bytes = malloc(out->len);
	iov_read(iov, nr, 0, out->bytes, out->len);
	f->nr_out++;
	return 0;
}

static inline ssize_t fake_net_recv(struct net_backend *b, unsigned int q,
				    const struct iovec *iov, unsigned int nr)
{
	struct fake_net *f = to_fake_net(b);
	struct fake_frame frame;
	unsigned int i;

	if (q >= f->queues || nr > 1023)
		abort();
	f->nr_recv++;
	for (i = 0; i < f->nr_in && f->in[i].q != q; i++)
		;
	if (i == f->nr_in)
		return f->fail_recv ? f->fail_recv : -EAGAIN;
	frame = f->in[i];
	if (!f->endless) {
		f->nr_in--;
		memmove(f->in + i, f->in + i + 1,
			(f->nr_in - i) * sizeof(frame));
	}
	iov_write(iov, nr, 0, frame.bytes, frame.len);
	if (!f->endless)
		free(frame.bytes);
	if (frame.len <= iov_size(iov, nr))
		return (ssize_t)frame.len;
	f->nr_lost++;
	return -EMSGSIZE;
}

static inline void fake_net_destroy(struct net_backend *b)
{
	struct fake_net *f = to_fake_net(b);

	if (f->gone)
		*f->gone = true;
	for (unsigned int i = 0; i < f->nr_in; i++)
		free(f->in[i].bytes);
	for (unsigned int i = 0; i < FAKE_FRAMES; i++)
		free(f->out[i].bytes);
	free(f);
}

static const struct net_backend_ops fake_net_ops = {
	.kind = "fake",
	.offloads = fake_net_offloads,
	.set_offloads = fake_net_set_offloads,
	.set_queues = fake_net_set_queues,
	.send = fake_net_send,
	.recv = fake_net_recv,
	.destroy = fake_net_destroy,
};

static inline struct fake_net *fake_net_create(unsigned int queues,
					       unsigned int can)
{
	struct fake_net *f = calloc(1, sizeof(*f));

	f->backend.ops = &fake_net_ops;
	f->backend.nr_queues = queues;
	f->can = can;
	f->queues = 1;
	return f;
}

/* A frame of @len bytes with the header in front arrives at queue @q. */
static inline void fake_net_arrive(struct fake_net *f, unsigned int q,
				   const void *frame, size_t len)
{
	struct fake_frame *in = &f->in[f->nr_in];

	if (f->nr_in == FAKE_FRAMES)
		abort();
	in->q = q;
	in->len = len;
	in->bytes = malloc(len);
	memcpy(in->bytes, frame, len);
	f->nr_in++;
}

#endif
