// SPDX-License-Identifier: MIT
/*
 * disk_gate.c - which requests may run at the same time: of a disk with
 * O_DIRECT or a layer.
 *
 * How it works. Two things need an order:
 *
 * - A write of parts of a unit reads the unit, changes it and writes it back
 *   (disk_bounce.c). Another write to the rest of the unit in between would be
 *   lost. So such a "partial" write waits until no write runs, and no write
 *   begins while it runs.
 * - Bounce buffers are the host's memory, and a guest can have thousands of
 *   requests in flight: only DISK_BOUNCES_MAX have one, the others wait.
 *
 * Who must wait queues up, and who comes later queues behind, so that nobody
 * waits for ever. Reads that need no buffer, and flushes, pass by: they do
 * not harm anyone. On other disks everything passes by: the page cache keeps
 * the order.
 */
#include <stddef.h>

#include "virtio/backend/disk_int.h"

void disk_gate_init(struct disk_gate *g)
{
	g->first = NULL;
	g->last = &g->first;
}

static void classify(struct disk_req *r)
{
	r->writes = r->kind != DISK_READ;
	r->bounces = disk_must_bounce(r);
	r->partial = r->kind == DISK_WRITE &&
		     !disk_in_units(r->disk, r->off, r->len);
	r->gated = r->writes || r->bounces;
}

static bool may_enter(const struct disk_gate *g, const struct disk_req *r)
{
	if (r->bounces && g->bounces == DISK_BOUNCES_MAX)
		return false;
	if (r->partial && g->writes)
		return false;
	return !r->writes || !g->partial;
}

static void let_in(struct disk_gate *g, struct disk_req *r)
{
	g->writes += r->writes;
	g->bounces += r->bounces;
	g->partial |= r->partial;
	disk_run(r);
}

void disk_gate_enter(struct disk_req *r)
{
	struct disk_gate *g = &r->disk->gate;

	r->bounces = false;
	if ((r->disk->direct || disk_has_layer(r->disk)) &&
	    r->kind != DISK_FLUSH)
		classify(r);

	if (!r->gated) {
		disk_run(r);
	} else if (!g->first && may_enter(g, r)) {
		let_in(g, r);
	} else {
		r->next = NULL;
		*g->last = r;
		g->last = &r->next;
	}
}

static struct disk_req *pop(struct disk_gate *g)
{
	struct disk_req *r = g->first;

	g->first = r->next;
	if (!g->first)
		g->last = &g->first;
	return r;
}

void disk_gate_leave(struct disk_req *r)
{
	struct disk_gate *g = &r->disk->gate;

	if (!r->gated)
		return;
	r->gated = false;
	g->writes -= r->writes;
	g->bounces -= r->bounces;
	if (r->partial)
		g->partial = false;
	/* Who is let in can leave again at once: no recursion over all. */
	if (g->opening)
		return;
	g->opening = true;
	while (g->first && may_enter(g, g->first))
		let_in(g, pop(g));
	g->opening = false;
}
