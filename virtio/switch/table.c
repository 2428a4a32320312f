// SPDX-License-Identifier: MIT
/*
 * table.c - which Ethernet address was last seen behind which port.
 */
#include "virtio/switch/table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/checked.h"

#define NONE UINT32_MAX

struct entry {
	uint64_t mac;
	uint64_t seen; /* ms */
	uint32_t next; /* in its chain, or in the free ones */
	uint32_t port;
};

struct switch_table {
	uint64_t key;
	uint64_t age;
	uint32_t mask; /* of the heads */
	uint32_t free; /* the first of the free ones */
	uint32_t *heads;
	struct entry *entries;
	uint32_t *count; /* of each port */
	unsigned int nr_ports;
};

/* The smallest power of two that is not below @n. */
static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

int switch_table_create(struct switch_table **out, uint32_t size,
			unsigned int nr_ports, uint64_t age_ms, uint64_t key)
{
	uint32_t nr_heads = power_of_two(size);
	struct switch_table *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (!t)
		return -ENOMEM;
	t->heads = calloc(nr_heads, sizeof(*t->heads));
	t->entries = calloc(size, sizeof(*t->entries));
	t->count = calloc(nr_ports, sizeof(*t->count));
	if (!t->heads || !t->entries || !t->count) {
		switch_table_destroy(t);
		return -ENOMEM;
	}
	t->key = key;
	t->age = age_ms;
	t->mask = nr_heads - 1;
	t->nr_ports = nr_ports;
	for (uint32_t i = 0; i < nr_heads; i++)
		t->heads[i] = NONE;
	for (uint32_t i = 0; i < size; i++)
		t->entries[i].next = i + 1 < size ? i + 1 : NONE;
	*out = t;
	return 0;
}

void switch_table_destroy(struct switch_table *t)
{
	if (!t)
		return;
	free(t->heads);
	free(t->entries);
	free(t->count);
	free(t);
}

/* The finalizer of splitmix64: each bit of the address moves each of it. */
static uint32_t *head_of(const struct switch_table *t, uint64_t mac)
{
	uint64_t h = mac ^ t->key;

	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ull;
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebull;
	return &t->heads[(h ^ (h >> 31)) & t->mask];
}

static bool is_old(const struct switch_table *t, const struct entry *e,
		   uint64_t now_ms)
{
	return now_ms - e->seen > t->age;
}

/* Where the index of @mac's entry is, or of the end of its chain. */
static uint32_t *find(const struct switch_table *t, uint64_t mac)
{
	uint32_t *at = head_of(t, mac);

	while (*at != NONE && t->entries[*at].mac != mac)
		at = &t->entries[*at].next;
	return at;
}

static void remove_at(struct switch_table *t, uint32_t *at)
{
	uint32_t i = *at;
	struct entry *e = &t->entries[i];

	t->count[e->port]--;
	*at = e->next;
	e->next = t->free;
	t->free = i;
}

static int insert(struct switch_table *t, uint32_t *at, uint64_t mac,
		  unsigned int port, uint64_t now_ms)
{
	uint32_t i = t->free;

	if (i == NONE)
		return -ENOSPC;
	t->free = t->entries[i].next;
	t->entries[i] = (struct entry){
		.mac = mac,
		.seen = now_ms,
		.next = *at,
		.port = port,
	};
	*at = i;
	t->count[port]++;
	return 0;
}

int switch_table_learn(struct switch_table *t, uint64_t mac, unsigned int port,
		       uint32_t quota, bool pinned, uint64_t now_ms)
{
	uint32_t *at = find(t, mac);

	if (*at != NONE) {
		struct entry *e = &t->entries[*at];

		if (e->port == port) {
			e->seen = now_ms;
			return 0;
		}
		if (pinned && !is_old(t, e, now_ms))
			return -EPERM;
		if (t->count[port] >= quota)
			return -ENOSPC;
		remove_at(t, at);
	}
	if (t->count[port] >= quota)
		return -ENOSPC;
	return insert(t, at, mac, port, now_ms);
}

int switch_table_lookup(const struct switch_table *t, uint64_t mac,
			uint64_t now_ms)
{
	uint32_t i = *find(t, mac);

	if (i == NONE || is_old(t, &t->entries[i], now_ms))
		return -ENOENT;
	return (int)t->entries[i].port;
}

/* Remove those that are behind @port, or, if that is < 0, too old. */
static void remove_all(struct switch_table *t, int port, uint64_t now_ms)
{
	for (uint32_t h = 0; h <= t->mask; h++) {
		uint32_t *at = &t->heads[h];

		while (*at != NONE) {
			struct entry *e = &t->entries[*at];

			if (port < 0 ? is_old(t, e, now_ms)
				     : e->port == (unsigned int)port)
				remove_at(t, at);
			else
				at = &e->next;
		}
	}
}

void switch_table_forget_port(struct switch_table *t, unsigned int port)
{
	if (t->count[port])
		remove_all(t, (int)port, 0);
}

void switch_table_expire(struct switch_table *t, uint64_t now_ms)
{
	remove_all(t, -1, now_ms);
}

uint32_t switch_table_count(const struct switch_table *t, unsigned int port)
{
	return t->count[port];
}
