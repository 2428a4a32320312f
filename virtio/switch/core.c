// SPDX-License-Identifier: MIT
/*
 * core.c - what a switch does with a frame.
 */
#include "virtio/switch/core.h"

#include <errno.h>
#include <stdlib.h>

#include "base/checked.h"
#include "virtio/switch/table.h"

#define TABLE_SIZE (SWITCH_QUOTA_UP + (SWITCH_PORTS_MAX - 1) * SWITCH_QUOTA)

#define GROUP_BIT 0x010000000000ull

/* 01-80-C2-00-00-0X: between neighbours, not forwarded (802.1Q, 8.6.3). */
#define RESERVED      0x0180c2000000ull
#define RESERVED_MASK 0xfffffffffff0ull

/* Floods that a port may cause: thousandths of a frame, so that ms count. */
struct bucket {
	uint64_t tokens;
	uint64_t filled; /* ms */
};

struct port {
	bool used;
	struct bucket floods;
	struct switch_counters counters;
};

struct switch_core {
	struct switch_core_params p;
	struct switch_table *table;
	struct port ports[SWITCH_PORTS_MAX];
};

int switch_core_create(struct switch_core **out,
		       const struct switch_core_params *p)
{
	struct switch_core *c = calloc(1, sizeof(*c));
	int err;

	*out = NULL;
	if (!c)
		return -ENOMEM;
	c->p = *p;
	err = switch_table_create(&c->table, TABLE_SIZE, SWITCH_PORTS_MAX,
				  p->age_s * 1000ull, p->key);
	if (err) {
		free(c);
		return err;
	}
	*out = c;
	return 0;
}

void switch_core_destroy(struct switch_core *c)
{
	if (!c)
		return;
	switch_table_destroy(c->table);
	free(c);
}

/* Ports */

int switch_core_add_port(struct switch_core *c, bool is_uplink)
{
	unsigned int first = is_uplink ? SWITCH_UPLINK : SWITCH_UPLINK + 1;
	unsigned int end = is_uplink ? SWITCH_UPLINK + 1 : SWITCH_PORTS_MAX;

	for (unsigned int i = first; i < end; i++) {
		if (c->ports[i].used)
			continue;
		c->ports[i] = (struct port){ .used = true };
		/* Full, whatever time it is. */
		c->ports[i].floods.tokens = c->p.flood_rate * 1000ull;
		return (int)i;
	}
	return -ENOSPC;
}

void switch_core_del_port(struct switch_core *c, unsigned int port)
{
	c->ports[port].used = false;
	switch_table_forget_port(c->table, port);
}

/* Judging */

static uint64_t address_at(const uint8_t *at)
{
	uint64_t mac = 0;

	for (unsigned int i = 0; i < 6; i++)
		mac = mac << 8 | at[i];
	return mac;
}

/* One frame's worth, unless there is none: a rate of N is N a second. */
static bool take_flood(struct switch_core *c, struct port *p, uint64_t now_ms)
{
	struct bucket *b = &p->floods;
	uint64_t full = c->p.flood_rate * 1000ull;
	uint64_t passed = min_u64(now_ms - b->filled, 1000);

	if (!full)
		return true;
	b->filled = now_ms;
	b->tokens = min_u64(b->tokens + passed * c->p.flood_rate, full);
	if (b->tokens < 1000)
		return false;
	b->tokens -= 1000;
	return true;
}

static void learn(struct switch_core *c, unsigned int in, uint64_t mac,
		  uint64_t now_ms)
{
	uint32_t quota = in == SWITCH_UPLINK ? SWITCH_QUOTA_UP : SWITCH_QUOTA;
	bool pinned = c->p.isolate && in != SWITCH_UPLINK;

	if (switch_table_learn(c->table, mac, in, quota, pinned, now_ms))
		c->ports[in].counters.unlearnt++;
}

bool switch_core_floods_to(const struct switch_core *c, unsigned int in,
			   unsigned int out)
{
	if (in == out || !c->ports[out].used)
		return false;
	return !c->p.isolate || in == SWITCH_UPLINK || out == SWITCH_UPLINK;
}

static enum switch_verdict judge_group(struct switch_core *c, struct port *p,
				       uint64_t now_ms)
{
	if (take_flood(c, p, now_ms))
		return SWITCH_FLOOD;
	p->counters.flood_drops++;
	return SWITCH_DROP;
}

static enum switch_verdict refuse(struct port *p)
{
	p->counters.refused++;
	return SWITCH_DROP;
}

enum switch_verdict switch_core_judge(struct switch_core *c, unsigned int in,
				      const uint8_t header[SWITCH_HEADER_LEN],
				      uint32_t len, uint64_t now_ms,
				      unsigned int *to)
{
	uint64_t destination = address_at(header);
	uint64_t source = address_at(header + 6);
	struct port *p = &c->ports[in];
	int port;

	p->counters.rx_frames++;
	p->counters.rx_bytes += len;
	if (!source || source & GROUP_BIT ||
	    (destination & RESERVED_MASK) == RESERVED)
		return refuse(p);
	learn(c, in, source, now_ms);
	if (destination & GROUP_BIT)
		return judge_group(c, p, now_ms);
	port = switch_table_lookup(c->table, destination, now_ms);
	if (port < 0)
		return judge_group(c, p, now_ms);
	if (!switch_core_floods_to(c, in, (unsigned int)port))
		return refuse(p);
	*to = (unsigned int)port;
	return SWITCH_ONE;
}

/* Counting */

void switch_core_count_tx(struct switch_core *c, unsigned int out,
			  unsigned int frames, uint64_t bytes)
{
	c->ports[out].counters.tx_frames += frames;
	c->ports[out].counters.tx_bytes += bytes;
}

void switch_core_count_drop(struct switch_core *c, unsigned int out,
			    unsigned int frames)
{
	c->ports[out].counters.drops += frames;
}

void switch_core_expire(struct switch_core *c, uint64_t now_ms)
{
	switch_table_expire(c->table, now_ms);
}

const struct switch_counters *switch_core_counters(const struct switch_core *c,
						   unsigned int port)
{
	return &c->ports[port].counters;
}

uint32_t switch_core_macs(const struct switch_core *c, unsigned int port)
{
	return switch_table_count(c->table, port);
}
