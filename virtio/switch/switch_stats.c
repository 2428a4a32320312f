// SPDX-License-Identifier: MIT
/*
 * switch_stats.c - says what a switch has counted, in one message.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/switch/switch_int.h"

_Static_assert(SWITCH_STATS_PORTS >= SWITCH_PORTS_MAX, "all of them fit");

static enum switch_state state_of_uplink(const struct uplink *u)
{
	if (u->down || u->over)
		return SWITCH_STATE_DOWN;
	return u->full ? SWITCH_STATE_FULL : SWITCH_STATE_UP;
}

/* What counts is the next frame of a common size. */
static enum switch_state state_of_port(struct switch_port *p)
{
	uint8_t *at;

	if (switch_ring_reserve(&p->link.to_port, 1518, &at) == -EAGAIN)
		return SWITCH_STATE_FULL;
	return SWITCH_STATE_UP;
}

static void fill_port(const struct switch_server *s, unsigned int number,
		      const char *name, enum switch_state state,
		      struct switch_stats_port *st)
{
	const struct switch_counters *c = switch_core_counters(s->core, number);

	*st = (struct switch_stats_port){
		.number = le32_put(number),
		.state = le32_put(state),
		.macs = le32_put(switch_core_macs(s->core, number)),
		.rx_frames = le64_put(c->rx_frames),
		.rx_bytes = le64_put(c->rx_bytes),
		.tx_frames = le64_put(c->tx_frames),
		.tx_bytes = le64_put(c->tx_bytes),
		.drops = le64_put(c->drops),
		.flood_drops = le64_put(c->flood_drops),
		.refused = le64_put(c->refused),
		.unlearnt = le64_put(c->unlearnt),
	};
	memcpy(st->name, name, strnlen(name, sizeof(st->name)));
}

/* The uplink first, then by number. */
static uint32_t fill_ports(struct switch_server *s,
			   struct switch_stats_port *st)
{
	uint32_t n = 0;

	if (s->uplink.backend)
		fill_port(s, SWITCH_UPLINK, "uplink",
			  state_of_uplink(&s->uplink), &st[n++]);
	for (unsigned int i = 0; i < SWITCH_PORTS_MAX; i++) {
		struct switch_port *p = s->by_number[i];

		if (p)
			fill_port(s, i, p->name, state_of_port(p), &st[n++]);
	}
	return n;
}

void switch_stats_send(struct switch_server *s, int sock)
{
	struct switch_stats *st = calloc(1, SWITCH_STATS_BYTES);
	struct switch_stats_port *ports;
	uint32_t n;

	if (!st)
		return;
	ports = (struct switch_stats_port *)(st + 1);
	n = fill_ports(s, ports);
	switch_link_fill_stats(st, n);
	/* Who asks and does not listen gets nothing. */
	(void)switch_link_send(sock, st, sizeof(*st) + n * sizeof(*ports), -1);
	free(st);
}
