// SPDX-License-Identifier: MIT
/*
 * pit.c - the 8254 interval timer, and port 0x61 beside it.
 *
 * How it works. No counter counts: a channel knows when its count began
 * (start_ns) and computes counter and output from the clock when asked. A
 * gate that stops a channel turns start_ns into the ticks that had passed.
 *
 *   unloaded -> (count written) -> counting <-> held (gate low)
 *
 * Only channel 0 interrupts, so only it needs a timer: next_ns is when its
 * output rises next, and arm() asks the machine for a call at that time.
 * Nothing is armed until the guest has written a count to channel 0, and no
 * longer than its mode lasts. A period below PIT_PERIOD_MIN_NS is stretched,
 * and periods that passed unseen are skipped: no burst of interrupts, ever.
 *
 * Simplified: a new count in modes 2 and 3 starts at once rather than after
 * the running period; BCD counts are taken as binary.
 *
 * References: Intel 8254 datasheet (231164), "8254 p."; port 0x61 is the
 * NMI status and control register of the ICH datasheets.
 */
#include "vcpu/irqchip/pit.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/checked.h"
#include "memory/bus.h"
#include "memory/irq.h"
#include "memory/layout_x86.h"
#include "vcpu/board/byteio.h"

#define NSEC_PER_SEC	1000000000ull
#define PIT_NR_CHANNELS 3
#define PIT_SPEAKER	2 /* the channel behind port 0x61 */

enum pit_port {
	PIT_PORT_CONTROL = 3, /* 0 to 2 are the counters */
	PIT_NR_PORTS = 4,
};

/* Control word, 8254 p. 6 */
enum pit_control {
	PIT_CTL_BCD = 0x01,
	PIT_CTL_MODE_SHIFT = 1,
	PIT_CTL_RW_SHIFT = 4,
	PIT_CTL_CHANNEL_SHIFT = 6,
	PIT_CTL_READ_BACK = 3, /* as a channel */
};

/* Read-back command, 8254 p. 8: active low */
enum pit_read_back {
	PIT_RB_NO_STATUS = 0x10,
	PIT_RB_NO_COUNT = 0x20,
};

/* Status byte, 8254 p. 8; the other bits are the control word's */
enum pit_status {
	PIT_STATUS_NULL_COUNT = 0x40,
	PIT_STATUS_OUT = 0x80,
};

enum pit_rw {
	PIT_RW_LATCH,
	PIT_RW_LOW,
	PIT_RW_HIGH,
	PIT_RW_BOTH,
};

enum pit_mode {
	PIT_TERMINAL_COUNT,
	PIT_ONE_SHOT,
	PIT_RATE,
	PIT_SQUARE,
	PIT_SOFT_STROBE,
	PIT_HARD_STROBE,
};

/* NMI status and control register */
enum pit_port61 {
	PIT_61_GATE2 = 0x01,
	PIT_61_SPEAKER = 0x02,
	PIT_61_WRITABLE = 0x0f,
	PIT_61_REFRESH = 0x10, /* toggles with every refresh of DRAM */
	PIT_61_OUT2 = 0x20,
};

#define PIT_REFRESH_NS 15085u

struct pit_channel {
	uint8_t control; /* rw, mode and BCD bits of the control word */
	uint8_t mode;	 /* enum pit_mode */
	uint8_t rw;	 /* enum pit_rw */
	bool gate;
	bool loaded;	/* a count was written since the control word */
	bool counting;	/* start_ns counts, otherwise held_ticks */
	uint32_t count; /* 1 .. 0x10000 */
	uint64_t start_ns;
	uint64_t held_ticks;
	/* Halves and latches, 8254 p. 7 */
	bool write_high_next;
	bool read_high_next;
	uint8_t low_written;
	bool count_latched;
	uint16_t latched_count;
	bool status_latched;
	uint8_t latched_status;
};

struct pit {
	struct bus_dev dev;
	struct bus_dev port61_dev;
	struct bus *bus;
	struct pit_params p;
	pthread_mutex_t lock; /* all below; irqchip locks are taken inside */
	struct pit_channel channels[PIT_NR_CHANNELS];
	uint8_t port61;
	uint64_t next_ns; /* channel 0's output rises; UINT64_MAX: never */
	bool out0;	  /* level of the line, in mode 0 */
};

static uint64_t pit_now(const struct pit *t)
{
	struct timespec ts;

	if (t->p.now)
		return t->p.now(t->p.ctx);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t ns_to_ticks(uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * PIT_HZ / NSEC_PER_SEC);
}

/* The first nanosecond at which ns_to_ticks() gives @ticks. */
static uint64_t ticks_to_ns(uint64_t ticks)
{
	return (uint64_t)(((unsigned __int128)ticks * NSEC_PER_SEC + PIT_HZ -
			   1) /
			  PIT_HZ);
}

static bool mode_is_periodic(const struct pit_channel *c)
{
	return c->mode == PIT_RATE || c->mode == PIT_SQUARE;
}

/* Modes 1 and 5 start with the gate's edge, not with the count. */
static bool mode_is_triggered(const struct pit_channel *c)
{
	return c->mode == PIT_ONE_SHOT || c->mode == PIT_HARD_STROBE;
}

/* Ticks since the count began, time that the gate took away not counted. */
static uint64_t channel_ticks(const struct pit_channel *c, uint64_t now)
{
	if (!c->counting)
		return c->held_ticks;
	return now > c->start_ns ? ns_to_ticks(now - c->start_ns) : 0;
}

/* The counting element, 8254 p. 9 to 14. */
static uint16_t channel_counter(const struct pit_channel *c, uint64_t now)
{
	uint64_t ticks = channel_ticks(c, now);

	switch ((enum pit_mode)c->mode) {
	case PIT_RATE:
		return (uint16_t)(c->count - ticks % c->count);
	case PIT_SQUARE:
		return (uint16_t)(c->count - 2 * ticks % c->count);
	default:
		return (uint16_t)(c->count - ticks);
	}
}

/* The OUT pin, 8254 p. 9 to 14. */
static bool channel_out(const struct pit_channel *c, uint64_t now)
{
	uint64_t ticks = channel_ticks(c, now);

	if (!c->loaded)
		return c->mode != PIT_TERMINAL_COUNT;
	/* A low gate forces the output of these high. */
	if (mode_is_periodic(c) && !c->gate)
		return true;

	switch ((enum pit_mode)c->mode) {
	case PIT_TERMINAL_COUNT:
		return ticks >= c->count;
	case PIT_ONE_SHOT:
		return !c->counting || ticks >= c->count;
	case PIT_RATE:
		return ticks % c->count != c->count - 1;
	case PIT_SQUARE:
		return ticks % c->count < (c->count + 1) / 2;
	case PIT_SOFT_STROBE:
	case PIT_HARD_STROBE:
		return ticks != c->count;
	}
	return true;
}

static void channel_start(struct pit_channel *c, uint64_t now)
{
	c->counting = true;
	c->start_ns = now;
}

static void channel_hold(struct pit_channel *c, uint64_t now)
{
	c->held_ticks = channel_ticks(c, now);
	c->counting = false;
}

static void channel_load(struct pit_channel *c, uint16_t count, uint64_t now)
{
	c->count = count ? count : 0x10000;
	c->loaded = true;
	c->held_ticks = 0;
	if (mode_is_triggered(c))
		return;
	c->counting = false;
	if (c->gate)
		channel_start(c, now);
}

/* 8254 p. 14, "gate pin operations summary" */
static void channel_set_gate(struct pit_channel *c, bool gate, uint64_t now)
{
	if (gate == c->gate)
		return;
	c->gate = gate;
	if (!c->loaded)
		return;
	if (!gate) {
		if (!mode_is_triggered(c))
			channel_hold(c, now);
		return;
	}
	channel_start(c, now);
	/* These go on where they stopped; the others start again. */
	if (c->mode == PIT_TERMINAL_COUNT || c->mode == PIT_SOFT_STROBE)
		c->start_ns -= min_u64(ticks_to_ns(c->held_ticks), now);
}

/* When the output of channel 0 rises for the first time. */
static uint64_t channel_first_rise(const struct pit_channel *c)
{
	if (!c->loaded || !c->counting)
		return UINT64_MAX;
	return c->start_ns +
	       max_u64(ticks_to_ns(c->count),
		       mode_is_periodic(c) ? PIT_PERIOD_MIN_NS : 0);
}

static void pit_set_next(struct pit *t, uint64_t next)
{
	if (next == UINT64_MAX && t->next_ns == UINT64_MAX)
		return;
	t->next_ns = next;
	t->p.arm(t->p.ctx, next);
}

/* Channel 0 was programmed. Caller holds the lock. */
static void pit_restart(struct pit *t)
{
	if (t->out0)
		irq_set(t->p.irq, false);
	t->out0 = false;
	pit_set_next(t, channel_first_rise(&t->channels[0]));
}

/* The output rose. Caller holds the lock. */
static void pit_fire(struct pit *t, uint64_t now)
{
	const struct pit_channel *c = &t->channels[0];
	uint64_t period;

	if (!mode_is_periodic(c)) {
		t->out0 = true;
		irq_set(t->p.irq, true);
		pit_set_next(t, UINT64_MAX);
		return;
	}
	irq_pulse(t->p.irq);
	period = max_u64(ticks_to_ns(c->count), PIT_PERIOD_MIN_NS);
	/* What the loop was too late for is skipped. */
	pit_set_next(t,
		     t->next_ns + ((now - t->next_ns) / period + 1) * period);
}

void pit_expired(struct pit *t)
{
	uint64_t now;

	pthread_mutex_lock(&t->lock);
	now = pit_now(t);
	if (t->next_ns != UINT64_MAX && now >= t->next_ns)
		pit_fire(t, now);
	else if (t->next_ns != UINT64_MAX)
		t->p.arm(t->p.ctx, t->next_ns);
	pthread_mutex_unlock(&t->lock);
}

static void latch_count(struct pit_channel *c, uint64_t now)
{
	if (c->count_latched)
		return;
	c->count_latched = true;
	c->latched_count = channel_counter(c, now);
}

static void latch_status(struct pit_channel *c, uint64_t now)
{
	if (c->status_latched)
		return;
	c->status_latched = true;
	c->latched_status = c->control;
	if (channel_out(c, now))
		c->latched_status |= PIT_STATUS_OUT;
	if (!c->loaded)
		c->latched_status |= PIT_STATUS_NULL_COUNT;
}

static void read_back(struct pit *t, uint8_t val, uint64_t now)
{
	unsigned int i;

	for (i = 0; i < PIT_NR_CHANNELS; i++) {
		if (!(val & 2u << i))
			continue;
		if (!(val & PIT_RB_NO_COUNT))
			latch_count(&t->channels[i], now);
		if (!(val & PIT_RB_NO_STATUS))
			latch_status(&t->channels[i], now);
	}
}

/* A control word stops the channel until a count comes. */
static void channel_control(struct pit_channel *c, uint8_t val)
{
	bool gate = c->gate;
	uint8_t mode = (val >> PIT_CTL_MODE_SHIFT) & 7;

	*c = (struct pit_channel){ .gate = gate, .count = 0x10000 };
	c->control = val & 0x3f;
	c->rw = (val >> PIT_CTL_RW_SHIFT) & 3;
	/* Modes 6 and 7 are 2 and 3. */
	c->mode = mode > PIT_HARD_STROBE ? mode & 3 : mode;
}

static void pit_control(struct pit *t, uint8_t val)
{
	unsigned int i = val >> PIT_CTL_CHANNEL_SHIFT;
	uint64_t now = pit_now(t);

	if (i == PIT_CTL_READ_BACK) {
		read_back(t, val, now);
		return;
	}
	if (((val >> PIT_CTL_RW_SHIFT) & 3) == PIT_RW_LATCH) {
		latch_count(&t->channels[i], now);
		return;
	}
	channel_control(&t->channels[i], val);
	if (i == 0)
		pit_restart(t);
}

static void pit_load(struct pit *t, unsigned int i, unsigned int count)
{
	channel_load(&t->channels[i], (uint16_t)count, pit_now(t));
	if (i == 0)
		pit_restart(t);
}

static void pit_write_count(struct pit *t, unsigned int i, uint8_t val)
{
	struct pit_channel *c = &t->channels[i];

	switch ((enum pit_rw)c->rw) {
	case PIT_RW_LATCH: /* no control word yet */
		return;
	case PIT_RW_LOW:
		pit_load(t, i, val);
		return;
	case PIT_RW_HIGH:
		pit_load(t, i, (unsigned int)val << 8);
		return;
	case PIT_RW_BOTH:
		c->write_high_next = !c->write_high_next;
		if (c->write_high_next)
			c->low_written = val;
		else
			pit_load(t, i, c->low_written | (unsigned int)val << 8);
		return;
	}
}

static uint8_t pit_read_count(struct pit *t, unsigned int i)
{
	struct pit_channel *c = &t->channels[i];
	uint16_t count;
	bool high;

	if (c->status_latched) {
		c->status_latched = false;
		return c->latched_status;
	}
	count = c->count_latched ? c->latched_count
				 : channel_counter(c, pit_now(t));
	high = c->rw == PIT_RW_HIGH ||
	       (c->rw == PIT_RW_BOTH && c->read_high_next);
	if (c->rw == PIT_RW_BOTH)
		c->read_high_next = !high;
	/* A latch lasts until all of it was read. */
	if (high || c->rw != PIT_RW_BOTH)
		c->count_latched = false;
	return (uint8_t)(high ? count >> 8 : count);
}

static uint8_t pit_get(struct bus_dev *d, uint64_t off)
{
	struct pit *t = container_of(d, struct pit, dev);
	uint8_t val;

	if (off >= PIT_PORT_CONTROL)
		return 0xff; /* write-only */
	pthread_mutex_lock(&t->lock);
	val = pit_read_count(t, (unsigned int)off);
	pthread_mutex_unlock(&t->lock);
	return val;
}

static void pit_put(struct bus_dev *d, uint64_t off, uint8_t val)
{
	struct pit *t = container_of(d, struct pit, dev);

	pthread_mutex_lock(&t->lock);
	if (off >= PIT_PORT_CONTROL)
		pit_control(t, val);
	else
		pit_write_count(t, (unsigned int)off, val);
	pthread_mutex_unlock(&t->lock);
}

static uint64_t pit_read(struct bus_dev *d, uint64_t off, unsigned int len)
{
	return byteio_read(d, off, len, pit_get);
}

static void pit_write(struct bus_dev *d, uint64_t off, unsigned int len,
		      uint64_t val)
{
	byteio_write(d, off, len, val, pit_put);
}

static uint64_t port61_read(struct bus_dev *d, uint64_t off, unsigned int len)
{
	struct pit *t = container_of(d, struct pit, port61_dev);
	uint64_t now;
	uint8_t val;

	(void)off;
	(void)len;
	pthread_mutex_lock(&t->lock);
	now = pit_now(t);
	val = t->port61;
	if (now / PIT_REFRESH_NS & 1)
		val |= PIT_61_REFRESH;
	if (channel_out(&t->channels[PIT_SPEAKER], now))
		val |= PIT_61_OUT2;
	pthread_mutex_unlock(&t->lock);
	return val;
}

static void port61_write(struct bus_dev *d, uint64_t off, unsigned int len,
			 uint64_t val)
{
	struct pit *t = container_of(d, struct pit, port61_dev);

	(void)off;
	(void)len;
	pthread_mutex_lock(&t->lock);
	t->port61 = val & PIT_61_WRITABLE;
	channel_set_gate(&t->channels[PIT_SPEAKER], val & PIT_61_GATE2,
			 pit_now(t));
	pthread_mutex_unlock(&t->lock);
}

static const struct bus_ops pit_ops = { pit_read, pit_write };
static const struct bus_ops port61_ops = { port61_read, port61_write };

static void pit_init(struct pit *t, struct bus *bus, const struct pit_params *p)
{
	unsigned int i;

	t->dev = (struct bus_dev){ "pit", LAYOUT_PORT_PIT, PIT_NR_PORTS,
				   &pit_ops };
	t->port61_dev = (struct bus_dev){ "port 61", LAYOUT_PORT_SPEAKER, 1,
					  &port61_ops };
	t->bus = bus;
	t->p = *p;
	t->next_ns = UINT64_MAX;
	for (i = 0; i < PIT_NR_CHANNELS; i++) {
		t->channels[i].count = 0x10000;
		t->channels[i].gate = i != PIT_SPEAKER;
	}
	pthread_mutex_init(&t->lock, NULL);
}

int pit_create(struct pit **out, struct bus *bus, const struct pit_params *p)
{
	struct pit *t;
	int err;

	*out = NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	pit_init(t, bus, p);

	err = bus_add(bus, BUS_PIO, &t->dev);
	if (err)
		goto free_pit;
	err = bus_add(bus, BUS_PIO, &t->port61_dev);
	if (err)
		goto del_dev;
	*out = t;
	return 0;

del_dev:
	bus_del(bus, BUS_PIO, &t->dev);
free_pit:
	free(t);
	return err;
}

void pit_destroy(struct pit *t)
{
	if (!t)
		return;
	bus_del(t->bus, BUS_PIO, &t->port61_dev);
	bus_del(t->bus, BUS_PIO, &t->dev);
	free(t);
}
