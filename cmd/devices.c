// SPDX-License-Identifier: MIT
/*
 * devices.c - opens what the virtio devices of a machine need, and plugs them
 * into their windows.
 */
#include "cmd/devices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/checked.h"
#include "cmd/consoles.h"
#include "cmd/machine_error.h"
#include "cmd/nets.h"
#include "config/config.h"
#include "memory/boot/boot.h"
#include "memory/layout_x86.h"
#include "vcpu/irqchip/irqchip.h"
#include "virtio/backend/disk.h"
#include "virtio/balloon.h"
#include "virtio/blk.h"
#include "virtio/device.h"
#include "virtio/limit.h"
#include "virtio/net.h"
#include "virtio/rng.h"
#include "virtio/transport/mmio.h"
#include "virtio/vsock.h"

/* One virtio window: a device and its transport. */
struct slot {
	struct virtio_dev *dev;
	struct virtio_mmio *mmio;
};

struct devices {
	struct devices_params p;
	struct slot slot[LAYOUT_VIRTIO_SLOTS];
	size_t nr_slots;
	struct consoles *consoles;
};

/* Put @dev into the next window; it is ours from here on. */
static int plug_in(struct devices *d, struct virtio_dev *dev)
{
	unsigned int n = (unsigned int)d->nr_slots;
	const struct virtio_mmio_params p = {
		.dev = dev,
		.bus = d->p.bus,
		.loop = d->p.loop,
		.irq = irqchip_line(d->p.chip, LAYOUT_GSI_VIRTIO + n),
		.base = LAYOUT_VIRTIO_BASE + n * LAYOUT_VIRTIO_SIZE,
	};

	if (n == LAYOUT_VIRTIO_SLOTS) {
		virtio_dev_destroy(dev);
		return -ENOSPC;
	}
	d->slot[n].dev = dev;
	d->nr_slots++;
	return virtio_mmio_create(&d->slot[n].mmio, &p);
}

/* Not /tmp: that is RAM in many places. */
static const char *temporary_folder(void)
{
	const char *tmp = getenv("TMPDIR");

	return tmp && *tmp ? tmp : "/var/tmp";
}

static struct virtio_limit_params limit_of(const struct config_limit *l)
{
	return (struct virtio_limit_params){
		.bandwidth = l->bandwidth,
		.bandwidth_burst = l->bandwidth_burst,
		.ops = l->ops,
		.ops_burst = l->ops_burst,
	};
}

static int add_disk(struct devices *d, size_t i, struct machine_error *e)
{
	const struct config_disk *cfg = &d->p.cfg->disks[i];
	const struct disk_params params = {
		.path = cfg->path,
		.readonly = cfg->readonly,
		.direct = cfg->direct,
		.partition = cfg->partition,
		.offset = cfg->offset,
		.size = cfg->size,
		.layer = cfg->ephemeral ? temporary_folder() : NULL,
	};
	const struct virtio_limit_params limit = limit_of(&cfg->limit);
	struct virtio_blk_params blk = {
		.serial = cfg->serial,
		.limit = &limit,
		.nr_queues = (uint16_t)cfg->queues,
	};
	char why[384], name[32];
	struct virtio_dev *dev;
	int err;

	err = disk_open(&blk.disk, &params, d->p.loop, why, sizeof(why));
	if (err) {
		machine_explain(e, "disk %s: %s", cfg->name, why);
		return err;
	}
	snprintf(name, sizeof(name), "blk%zu", i);
	blk.name = name;
	err = virtio_blk_create(&dev, d->p.ram, d->p.loop, &blk);
	return err ? err : plug_in(d, dev);
}

static int add_disks(struct devices *d, struct machine_error *e)
{
	int err = 0;

	for (size_t i = 0; !err && i < d->p.cfg->nr_disks; i++)
		err = add_disk(d, i, e);
	return err;
}

static int add_net(struct devices *d, size_t i, struct machine_error *e)
{
	const struct config_net *cfg = &d->p.cfg->nets[i];
	uint8_t mac[CONFIG_MAC_LEN];
	const struct virtio_limit_params limit = limit_of(&cfg->limit);
	struct virtio_net_params net = {
		.mac = mac,
		.limit = &limit,
		.mtu = (uint16_t)cfg->mtu,
	};
	char why[384], name[32];
	struct virtio_dev *dev;
	int err;

	err = nets_mac(cfg, mac);
	if (err)
		return err;
	err = nets_open(&net.backend, cfg, d->p.cfg->name, d->p.loop, why,
			sizeof(why));
	if (err) {
		machine_explain(e, "net %s: %s", cfg->name, why);
		return err;
	}
	snprintf(name, sizeof(name), "net%zu", i);
	net.name = name;
	err = virtio_net_create(&dev, d->p.ram, d->p.loop, &net);
	return err ? err : plug_in(d, dev);
}

static int add_nets(struct devices *d, struct machine_error *e)
{
	int err = 0;

	for (size_t i = 0; !err && i < d->p.cfg->nr_nets; i++)
		err = add_net(d, i, e);
	return err;
}

static int add_rng(struct devices *d, struct machine_error *e)
{
	struct virtio_dev *dev;
	int err;

	(void)e;
	if (!d->p.cfg->rng)
		return 0;
	err = virtio_rng_create(&dev, d->p.ram, d->p.loop, "rng0", d->p.seed);
	return err ? err : plug_in(d, dev);
}

static int add_vsock(struct devices *d, struct machine_error *e)
{
	const struct config_vsock *cfg = d->p.cfg->vsock;
	struct virtio_vsock_params p = { .name = "vsock0" };
	struct virtio_dev *dev;
	char why[384];
	int err;

	if (!d->p.cfg->nr_vsocks)
		return 0;
	p.cid = cfg->cid;
	p.path = cfg->socket;
	err = virtio_vsock_create(&dev, d->p.ram, d->p.loop, &p, why,
				  sizeof(why));
	if (err) {
		machine_explain(e, "vsock: %s", why);
		return err;
	}
	return plug_in(d, dev);
}

static int add_balloon(struct devices *d, struct machine_error *e)
{
	const struct config_balloon *cfg = d->p.cfg->balloon;
	struct virtio_balloon_params p = { .name = "balloon0" };
	struct virtio_dev *dev;
	int err;

	(void)e;
	if (!d->p.cfg->nr_balloons)
		return 0;
	p.size = cfg->size;
	p.deflate_on_oom = cfg->deflate_on_oom;
	p.report_free = cfg->free_page_reporting;
	err = virtio_balloon_create(&dev, d->p.ram, d->p.loop, &p);
	return err ? err : plug_in(d, dev);
}

static int add_consoles(struct devices *d, struct machine_error *e)
{
	const struct consoles_params p = {
		.cfg = d->p.cfg,
		.ram = d->p.ram,
		.loop = d->p.loop,
		.quit = d->p.quit,
		.ctx = d->p.ctx,
	};
	struct virtio_dev *dev;
	int err;

	if (!d->p.cfg->nr_consoles)
		return 0;
	err = consoles_create(&d->consoles, &dev, &p, e);
	return err ? err : plug_in(d, dev);
}

static int add_all(struct devices *d, struct machine_error *e)
{
	static int (*const add[])(struct devices * d,
				  struct machine_error * e) = {
		add_disks, add_nets,	add_rng,
		add_vsock, add_balloon, add_consoles,
	};
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(add); i++)
		err = add[i](d, e);
	return err;
}

int devices_create(struct devices **out, const struct devices_params *p,
		   struct machine_error *e)
{
	struct devices *d;
	int err;

	*out = NULL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->p = *p;
	err = add_all(d, e);
	if (err) {
		/* What the devices began is still in the loop. */
		loop_drain(p->loop);
		devices_destroy(d);
		return err;
	}
	*out = d;
	return 0;
}

void devices_start(struct devices *d)
{
	if (d->consoles)
		consoles_start(d->consoles);
}

void devices_destroy(struct devices *d)
{
	if (!d)
		return;
	for (size_t i = d->nr_slots; i-- > 0;) {
		virtio_mmio_destroy(d->slot[i].mmio);
		virtio_dev_destroy(d->slot[i].dev);
	}
	consoles_destroy(d->consoles);
	free(d);
}

size_t devices_describe(const struct devices *d, struct boot_virtio_slot *slots)
{
	for (size_t i = 0; i < d->nr_slots; i++)
		slots[i] = (struct boot_virtio_slot){
			.base = LAYOUT_VIRTIO_BASE + i * LAYOUT_VIRTIO_SIZE,
			.gsi = LAYOUT_GSI_VIRTIO + (unsigned int)i,
		};
	return d->nr_slots;
}
