// SPDX-License-Identifier: MIT
/*
 * mmio.c - virtio over MMIO (virtio 1.2 §4.2): registers, doorbells, interrupt.
 *
 * How it works. Registers turn into calls of device.h; the transport itself
 * holds only selectors and the interrupt status, all atomics, because several
 * vCPUs may be in here at once. QueueNotify does not come here: it is a
 * doorbell of the bus, an eventfd per queue that the loop reads.
 *
 * Interrupts are edges. The status bit is set first and then the line is
 * pulsed, for each notification: a driver that acknowledges in between has
 * seen the used ring with our entry or will be interrupted once more.
 */
#include "virtio/transport/mmio.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "memory/bus.h"
#include "memory/irq.h"
#include "virtio/device.h"
#include "virtio/loop.h"

/* virtio 1.2 §4.2.2 */
enum mmio_reg {
	REG_MAGIC = 0x000,
	REG_VERSION = 0x004,
	REG_DEVICE_ID = 0x008,
	REG_VENDOR_ID = 0x00c,
	REG_DEVICE_FEATURES = 0x010,
	REG_DEVICE_FEATURES_SEL = 0x014,
	REG_DRIVER_FEATURES = 0x020,
	REG_DRIVER_FEATURES_SEL = 0x024,
	REG_QUEUE_SEL = 0x030,
	REG_QUEUE_NUM_MAX = 0x034,
	REG_QUEUE_NUM = 0x038,
	REG_QUEUE_READY = 0x044,
	REG_QUEUE_NOTIFY = 0x050,
	REG_INTERRUPT_STATUS = 0x060,
	REG_INTERRUPT_ACK = 0x064,
	REG_STATUS = 0x070,
	REG_QUEUE_DESC_LOW = 0x080,
	REG_QUEUE_DESC_HIGH = 0x084,
	REG_QUEUE_DRIVER_LOW = 0x090,
	REG_QUEUE_DRIVER_HIGH = 0x094,
	REG_QUEUE_DEVICE_LOW = 0x0a0,
	REG_QUEUE_DEVICE_HIGH = 0x0a4,
	REG_SHM_SEL = 0x0ac,
	REG_SHM_LEN_LOW = 0x0b0,
	REG_SHM_LEN_HIGH = 0x0b4,
	REG_SHM_BASE_LOW = 0x0b8,
	REG_SHM_BASE_HIGH = 0x0bc,
	REG_CONFIG_GENERATION = 0x0fc,
	REG_CONFIG = 0x100,
};

enum mmio_interrupt {
	INTERRUPT_USED = 1,
	INTERRUPT_CONFIG = 2,
};

#define MMIO_MAGIC   0x74726976 /* "virt" */
#define MMIO_VERSION 2
#define MMIO_VENDOR  0x4d4d564d /* "MVMM"; says who, means nothing */

struct doorbell {
	struct virtio_mmio *mmio;
	struct bus_doorbell bell;
	struct loop_op op;
	uint64_t count; /* where op reads to */
	bool added;
};

struct virtio_mmio {
	struct bus_dev window;
	struct virtio_dev *dev;
	struct bus *bus;
	struct loop *loop;
	struct irq_line *irq;
	_Atomic uint32_t interrupts;
	_Atomic uint32_t device_features_sel;
	_Atomic uint32_t driver_features_sel;
	_Atomic uint32_t queue_sel;
	atomic_bool said_odd;
	struct loop_task listen;
	struct doorbell bells[VIRTIO_QUEUES_MAX];
};

/* Interrupts */

static void raise_interrupt(struct virtio_dev *d, uint32_t bit)
{
	struct virtio_mmio *t = d->transport_ctx;

	atomic_fetch_or(&t->interrupts, bit);
	irq_pulse(t->irq);
}

static void queue_interrupt(struct virtio_dev *d, uint16_t q)
{
	(void)q;
	raise_interrupt(d, INTERRUPT_USED);
}

static void config_interrupt(struct virtio_dev *d)
{
	raise_interrupt(d, INTERRUPT_CONFIG);
}

/* virtio 1.2 §4.2.2.1: a reset clears all bits. */
static void forget_interrupts(struct virtio_dev *d)
{
	struct virtio_mmio *t = d->transport_ctx;

	atomic_store(&t->interrupts, 0);
}

static const struct virtio_transport_ops mmio_transport_ops = {
	.queue_interrupt = queue_interrupt,
	.config_interrupt = config_interrupt,
	.reset = forget_interrupts,
};

/* Registers */

static uint32_t read_reg(struct virtio_mmio *t, uint64_t reg)
{
	struct virtio_dev *d = t->dev;

	switch (reg) {
	case REG_MAGIC:
		return MMIO_MAGIC;
	case REG_VERSION:
		return MMIO_VERSION;
	case REG_DEVICE_ID:
		return d->ops->type;
	case REG_VENDOR_ID:
		return MMIO_VENDOR;
	case REG_DEVICE_FEATURES:
		return virtio_dev_features(d, t->device_features_sel);
	case REG_QUEUE_NUM_MAX:
		return virtio_dev_queue_max(d, t->queue_sel);
	case REG_QUEUE_READY:
		return virtio_dev_queue_enabled(d, t->queue_sel);
	case REG_INTERRUPT_STATUS:
		return t->interrupts;
	case REG_STATUS:
		return virtio_dev_get_status(d);
	case REG_SHM_LEN_LOW:
	case REG_SHM_LEN_HIGH:
	case REG_SHM_BASE_LOW:
	case REG_SHM_BASE_HIGH:
		/* No shared memory: length and base are -1. */
		return UINT32_MAX;
	case REG_CONFIG_GENERATION:
		return virtio_dev_config_generation(d);
	default:
		log_once(&t->said_odd, "%s: read of register %#llx", d->name,
			 (unsigned long long)reg);
		return 0;
	}
}

static void write_addr(struct virtio_mmio *t, enum virtio_queue_part part,
		       bool high, uint32_t val)
{
	virtio_dev_queue_set_addr(t->dev, t->queue_sel, part, high, val);
}

static void write_reg(struct virtio_mmio *t, uint64_t reg, uint32_t val)
{
	struct virtio_dev *d = t->dev;

	switch (reg) {
	case REG_DEVICE_FEATURES_SEL:
		t->device_features_sel = val;
		break;
	case REG_DRIVER_FEATURES_SEL:
		t->driver_features_sel = val;
		break;
	case REG_DRIVER_FEATURES:
		virtio_dev_accept_features(d, t->driver_features_sel, val);
		break;
	case REG_QUEUE_SEL:
		t->queue_sel = val;
		break;
	case REG_QUEUE_NUM:
		virtio_dev_queue_set_size(d, t->queue_sel, val);
		break;
	case REG_QUEUE_READY:
		virtio_dev_queue_enable(d, t->queue_sel, val == 1);
		break;
	case REG_QUEUE_DESC_LOW:
	case REG_QUEUE_DESC_HIGH:
		write_addr(t, VIRTIO_QUEUE_DESC, reg == REG_QUEUE_DESC_HIGH,
			   val);
		break;
	case REG_QUEUE_DRIVER_LOW:
	case REG_QUEUE_DRIVER_HIGH:
		write_addr(t, VIRTIO_QUEUE_DRIVER, reg == REG_QUEUE_DRIVER_HIGH,
			   val);
		break;
	case REG_QUEUE_DEVICE_LOW:
	case REG_QUEUE_DEVICE_HIGH:
		write_addr(t, VIRTIO_QUEUE_DEVICE, reg == REG_QUEUE_DEVICE_HIGH,
			   val);
		break;
	case REG_INTERRUPT_ACK:
		atomic_fetch_and(&t->interrupts, ~val);
		break;
	case REG_STATUS:
		virtio_dev_set_status(d, (uint8_t)val);
		break;
	case REG_SHM_SEL:
		break;
	case REG_QUEUE_NOTIFY:
		/* Not rung by the bus: there is no such queue. */
	default:
		log_once(&t->said_odd, "%s: write of %#x to register %#llx",
			 d->name, val, (unsigned long long)reg);
		break;
	}
}

/* virtio 1.2 §4.2.2.2: control registers are 32 bits wide, aligned. */
static bool is_reg(uint64_t off, unsigned int len)
{
	return off < REG_CONFIG && len == 4 && off % 4 == 0;
}

static uint64_t window_read(struct bus_dev *b, uint64_t off, unsigned int len)
{
	struct virtio_mmio *t = container_of(b, struct virtio_mmio, window);
	uint64_t val = 0;

	if (is_reg(off, len))
		return read_reg(t, off);
	if (off >= REG_CONFIG)
		virtio_dev_config_read(t->dev, off - REG_CONFIG, &val, len);
	return le64toh(val);
}

static void window_write(struct bus_dev *b, uint64_t off, unsigned int len,
			 uint64_t val)
{
	struct virtio_mmio *t = container_of(b, struct virtio_mmio, window);
	uint64_t le = htole64(val);

	if (is_reg(off, len))
		write_reg(t, off, (uint32_t)val);
	else if (off >= REG_CONFIG)
		virtio_dev_config_write(t->dev, off - REG_CONFIG, &le, len);
}

static const struct bus_ops window_ops = {
	.read = window_read,
	.write = window_write,
};

/* Doorbells */

static void handle_ring(struct loop_op *op, int res);

static void listen_to(struct doorbell *b)
{
	b->op.name = "virtio doorbell";
	b->op.done = handle_ring;
	loop_read(b->mmio->loop, &b->op, b->bell.fd, &b->count,
		  sizeof(b->count), -1);
}

static void handle_ring(struct loop_op *op, int res)
{
	struct doorbell *b = container_of(op, struct doorbell, op);

	if (res < 0 && res != -EINTR && res != -EAGAIN) {
		log_err("%s: doorbell: %s", b->mmio->dev->name, strerror(-res));
		return;
	}
	/*
	 * Listen first: what rings from here on is another kick, and the
	 * reading goes out with the requests that this kick starts.
	 */
	listen_to(b);
	virtio_dev_kick(b->mmio->dev, (uint16_t)b->bell.value);
}

/*
 * From a task, so that the loop holds operations of the transport only once
 * it runs: one that never did lets go of everything.
 */
static void handle_listen(struct loop_task *task)
{
	struct virtio_mmio *t = container_of(task, struct virtio_mmio, listen);
	uint16_t q;

	for (q = 0; q < t->dev->nr_queues; q++)
		listen_to(&t->bells[q]);
}

static int add_doorbell(struct virtio_mmio *t, uint16_t q)
{
	struct doorbell *b = &t->bells[q];
	int err;

	b->mmio = t;
	/* Blocking, so that the loop's read waits for it in the kernel. */
	b->bell.fd = eventfd(0, EFD_CLOEXEC);
	if (b->bell.fd < 0)
		return -errno;
	b->bell.addr = t->window.base + REG_QUEUE_NOTIFY;
	b->bell.len = 4;
	b->bell.value = q;

	err = bus_add_doorbell(t->bus, &b->bell);
	b->added = !err;
	return err;
}

/* Life */

int virtio_mmio_create(struct virtio_mmio **out,
		       const struct virtio_mmio_params *p)
{
	struct virtio_mmio *t;
	uint16_t q;
	int err;

	*out = NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->window = (struct bus_dev){
		.name = p->dev->name,
		.base = p->base,
		.size = LAYOUT_VIRTIO_SIZE,
		.ops = &window_ops,
	};
	t->dev = p->dev;
	t->bus = p->bus;
	t->loop = p->loop;
	t->irq = p->irq;
	for (q = 0; q < VIRTIO_QUEUES_MAX; q++)
		t->bells[q].bell.fd = -1;

	err = bus_add(t->bus, BUS_MMIO, &t->window);
	if (err)
		goto free_mmio;
	for (q = 0; q < t->dev->nr_queues; q++) {
		err = add_doorbell(t, q);
		if (err)
			goto destroy_mmio;
	}
	virtio_dev_attach(t->dev, &mmio_transport_ops, t);
	t->listen.fn = handle_listen;
	loop_post(t->loop, &t->listen);
	*out = t;
	return 0;

destroy_mmio:
	virtio_mmio_destroy(t);
	return err;
free_mmio:
	free(t);
	return err;
}

void virtio_mmio_destroy(struct virtio_mmio *t)
{
	uint16_t q;

	if (!t)
		return;
	for (q = 0; q < VIRTIO_QUEUES_MAX; q++) {
		if (t->bells[q].added)
			bus_del_doorbell(t->bus, &t->bells[q].bell);
		fd_close(&t->bells[q].bell.fd);
	}
	bus_del(t->bus, BUS_MMIO, &t->window);
	free(t);
}
