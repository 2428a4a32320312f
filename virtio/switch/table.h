/* SPDX-License-Identifier: MIT */
/*
 * table.h - which Ethernet address was last seen behind which port of a
 * switch. No I/O: who calls says what time it is.
 *
 * How it works. A hash table with chains and a fixed number of entries. An
 * address that was not heard of for a while is as good as gone. Nothing that
 * a port sends takes an entry from another port: each has a quota, the sum of
 * the quotas is the size of the table, and an address beyond it is not learnt
 * (IEEE 802.1Q, 8.8.1 leaves that to us), which floods its own traffic only.
 * The hash is keyed, so that nobody can choose addresses that share a chain.
 *
 * An address is the 48 bits in the order of the wire, as a number.
 *
 * One thread.
 */
#ifndef MINIVMM_VIRTIO_SWITCH_TABLE_H
#define MINIVMM_VIRTIO_SWITCH_TABLE_H

#include <stdbool.h>
#include <stdint.h>

struct switch_table;

/*
 * Room for @size addresses, behind ports 0 .. @nr_ports - 1, which are
 * forgotten @age_ms after they were last learnt. 0 or -ENOMEM.
 */
int switch_table_create(struct switch_table **out, uint32_t size,
			unsigned int nr_ports, uint64_t age_ms, uint64_t key);
void switch_table_destroy(struct switch_table *t);

/*
 * @mac was seen behind @port at @now_ms. 0; -ENOSPC when @port knows @quota
 * already or the table is full; -EPERM when it is @pinned to another port,
 * where it is until it ages.
 */
int switch_table_learn(struct switch_table *t, uint64_t mac, unsigned int port,
		       uint32_t quota, bool pinned, uint64_t now_ms);

/* The port that @mac is behind, or -ENOENT. */
int switch_table_lookup(const struct switch_table *t, uint64_t mac,
			uint64_t now_ms);

/* Nothing is behind @port any more. */
void switch_table_forget_port(struct switch_table *t, unsigned int port);

/* Free the entries that are too old. Learning does it for what it meets. */
void switch_table_expire(struct switch_table *t, uint64_t now_ms);

/* Entries of @port, those that wait to be expired included. */
uint32_t switch_table_count(const struct switch_table *t, unsigned int port);

#endif
