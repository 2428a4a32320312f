/* SPDX-License-Identifier: MIT */
/*
 * fake_chr.h - a stream whose other end is the test.
 *
 * One thread.
 */
#ifndef MINIVMM_TESTS_UNIT_FAKE_CHR_H
#define MINIVMM_TESTS_UNIT_FAKE_CHR_H

#include <string.h>

#include "base/checked.h"
#include "virtio/backend/chr_int.h"

enum {
	FAKE_CHR_MAX = 1 << 16
};

struct fake_chr {
	struct chr chr;
	uint8_t out[FAKE_CHR_MAX]; /* the last of what was sent */
	size_t nr_out;		   /* ever */
	size_t room;		   /* how much more send() takes */
	bool fell_short;
	unsigned int nr_reads; /* how often more was asked for */
};

static inline void fake_chr_start(struct chr *c)
{
	(void)c;
}

static inline size_t fake_chr_send(struct chr *c, const uint8_t *buf,
				   size_t len)
{
	struct fake_chr *f = container_of(c, struct fake_chr, chr);
	size_t n = min_u64(len, f->room);

	f->fell_short = n < len;
	f->room -= n;
	for (size_t i = 0; i < n; i++)
		f->out[(f->nr_out + i) % FAKE_CHR_MAX] = buf[i];
	f->nr_out += n;
	return n;
}

static inline void fake_chr_read_more(struct chr *c)
{
	container_of(c, struct fake_chr, chr)->nr_reads++;
}

static const struct chr_ops fake_chr_ops = {
	.kind = "fake",
	.start = fake_chr_start,
	.send = fake_chr_send,
	.read_more = fake_chr_read_more,
};

/* With room for all that comes. */
static inline void fake_chr_init(struct fake_chr *f, struct loop *loop)
{
	memset(f, 0, sizeof(*f));
	chr_init(&f->chr, &fake_chr_ops, loop);
	f->room = SIZE_MAX;
}

/* There is room for @room bytes now. */
static inline void fake_chr_drain(struct fake_chr *f, size_t room)
{
	f->room = room;
	if (!f->fell_short || !room)
		return;
	f->fell_short = false;
	f->chr.events.writable(f->chr.events.ctx);
}

/* The client types, when nothing waits from before. */
static inline void fake_chr_type(struct fake_chr *f, const void *text,
				 size_t len)
{
	memcpy(f->chr.input, text, len);
	f->chr.input_len = len;
	chr_deliver(&f->chr);
}

static inline size_t fake_chr_waiting(const struct fake_chr *f)
{
	return f->chr.input_len - f->chr.input_used;
}

#endif
