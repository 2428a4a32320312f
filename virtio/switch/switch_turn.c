// SPDX-License-Identifier: MIT
/*
 * switch_turn.c - moves frames: a batch from each port and from the uplink,
 * again and again while there are some.
 */
#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "base/log.h"
#include "virtio/switch/switch_int.h"

/*
 * What one port may send in a turn. Some hundred frames are enough for the
 * cost of a turn to vanish; bytes, so that long frames are no privilege.
 */
#define BATCH_FRAMES 256
#define BATCH_BYTES  (256u << 10)

void switch_turn_soon(struct switch_server *s)
{
	loop_post(s->loop, &s->turn);
}

/* Out */

static void send_to(struct switch_server *s, struct switch_port *p,
		    const struct switch_frame *f)
{
	uint8_t *at;
	int err = switch_ring_reserve(&p->link.to_port, f->len, &at);

	if (err) {
		p->broken |= err == -EPROTO;
		switch_core_count_drop(s->core, p->number, 1);
		return;
	}
	memcpy(at, f->header, SWITCH_HEADER_LEN);
	memcpy(at + SWITCH_HEADER_LEN, f->rest, f->len - SWITCH_HEADER_LEN);
	switch_ring_push(&p->link.to_port, f->len);
	p->dirty = true;
	switch_core_count_tx(s->core, p->number, 1, f->len);
}

static void flood(struct switch_server *s, unsigned int in,
		  const struct switch_frame *f)
{
	if (s->uplink.backend &&
	    switch_core_floods_to(s->core, in, SWITCH_UPLINK))
		switch_uplink_send(s, f);
	for (unsigned int i = 0; i < s->nr_up; i++)
		if (switch_core_floods_to(s->core, in, s->up[i]->number))
			send_to(s, s->up[i], f);
}

void switch_forward(struct switch_server *s, unsigned int in,
		    const uint8_t *frame, uint32_t len)
{
	struct switch_frame f = { .rest = frame + SWITCH_HEADER_LEN,
				  .len = len };
	unsigned int to = 0;

	memcpy(f.header, frame, SWITCH_HEADER_LEN);
	switch (switch_core_judge(s->core, in, f.header, len, s->now_ms, &to)) {
	case SWITCH_DROP:
		break;
	case SWITCH_FLOOD:
		flood(s, in, &f);
		break;
	case SWITCH_ONE:
		if (to == SWITCH_UPLINK)
			switch_uplink_send(s, &f);
		else
			send_to(s, s->by_number[to], &f);
		break;
	}
}

/* In */

/* What @p has, but not more than a batch; the number of frames, or -EPROTO. */
static int take_batch(struct switch_server *s, struct switch_port *p)
{
	struct switch_ring *r = &p->link.to_switch;
	uint32_t bytes = 0, len;
	const uint8_t *at;
	int n = 0, got;

	while (n < BATCH_FRAMES && bytes < BATCH_BYTES) {
		got = switch_ring_peek(r, &at, &len);
		if (got < 0)
			return got;
		if (!got)
			break;
		switch_forward(s, p->number, at, len);
		switch_ring_pop(r, len);
		bytes += len;
		n++;
	}
	return n;
}

static void serve_port(struct switch_server *s, struct switch_port *p)
{
	int n = take_batch(s, p);

	if (n < 0) {
		p->broken = true;
		return;
	}
	if (n && switch_ring_release(&p->link.to_switch))
		switch_link_ring_bell(p->sock);
	/* Quiet for a whole turn: more may come by the next one. */
	if (!n)
		p->runnable = !switch_ring_want_frames(&p->link.to_switch);
}

/* Turns */

static void tell_ports(struct switch_server *s)
{
	for (unsigned int i = 0; i < s->nr_up; i++) {
		struct switch_port *p = s->up[i];

		if (!p->dirty)
			continue;
		p->dirty = false;
		if (switch_ring_publish(&p->link.to_port))
			switch_link_ring_bell(p->sock);
	}
}

static void close_broken(struct switch_server *s)
{
	for (unsigned int i = s->nr_up; i-- > 0;) {
		struct switch_port *p = s->up[i];

		if (!p->broken)
			continue;
		log_warn("switch: port %u (%s) broke the rules: closed",
			 p->number, p->name);
		switch_port_close(p);
	}
}

static bool is_work_left(const struct switch_server *s)
{
	for (unsigned int i = 0; i < s->nr_up; i++)
		if (s->up[i]->runnable)
			return true;
	return s->uplink.runnable;
}

void switch_turn_run(struct loop_task *t)
{
	struct switch_server *s = container_of(t, struct switch_server, turn);

	s->now_ms = switch_now_ms();
	for (unsigned int i = 0; i < s->nr_up; i++) {
		struct switch_port *p = s->up[(s->first + i) % s->nr_up];

		if (p->runnable)
			serve_port(s, p);
	}
	switch_uplink_flush(s);
	s->first = s->nr_up ? (s->first + 1) % s->nr_up : 0;
	if (s->uplink.runnable)
		switch_uplink_serve(s, BATCH_FRAMES);
	tell_ports(s);
	close_broken(s);
	if (is_work_left(s))
		switch_turn_soon(s);
}
