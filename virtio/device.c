// SPDX-License-Identifier: MIT
/*
 * device.c - what every virtio device is: features, status, queues, config.
 *
 * The picture is in device.h.
 */
#include "virtio/device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/checked.h"
#include "base/log.h"

/* Bits of d->wants; the low ones ask to stop a queue. */
#define WANT_STOP(q)  (1u << (q))
#define WANT_RESET    (1u << 30)
#define WANT_ACTIVATE (1u << 31)

/* A thread that waits for the loop looks that often whether it still runs. */
#define WAIT_SLICE_NS 50000000

static void handle_task(struct loop_task *t);

/* Life */

static int init_cond(pthread_cond_t *c)
{
	pthread_condattr_t attr;
	int err;

	err = pthread_condattr_init(&attr);
	if (err)
		return -err;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	err = pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
	return -err;
}

int virtio_dev_init(struct virtio_dev *d, const struct virtio_dev_ops *ops,
		    const char *name, struct ram *ram, struct loop *loop,
		    uint16_t nr_queues)
{
	uint16_t q;
	int err;

	if (!nr_queues || nr_queues > VIRTIO_QUEUES_MAX)
		return -EINVAL;

	memset(d, 0, sizeof(*d));
	err = init_cond(&d->changed);
	if (err)
		return err;
	pthread_mutex_init(&d->lock, NULL);
	d->ops = ops;
	d->ram = ram;
	d->loop = loop;
	d->nr_queues = nr_queues;
	d->task.fn = handle_task;
	d->budget = UINT32_MAX;
	snprintf(d->name, sizeof(d->name), "%s", name);
	for (q = 0; q < nr_queues; q++)
		vq_init(&d->queues[q], ram);
	return 0;
}

void virtio_dev_fini(struct virtio_dev *d)
{
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
}

void virtio_dev_destroy(struct virtio_dev *d)
{
	if (d)
		d->ops->destroy(d);
}

void virtio_dev_attach(struct virtio_dev *d,
		       const struct virtio_transport_ops *ops, void *ctx)
{
	d->transport_ctx = ctx;
	d->transport = ops;
}

/* Wishes */

static uint32_t read_wants(struct virtio_dev *d)
{
	uint32_t wants;

	pthread_mutex_lock(&d->lock);
	wants = d->wants;
	pthread_mutex_unlock(&d->lock);
	return wants;
}

/* Caller holds d->lock. */
static void fulfil_locked(struct virtio_dev *d, uint32_t wants)
{
	d->wants &= ~wants;
	pthread_cond_broadcast(&d->changed);
}

/* False when the loop has stopped. */
static bool post_unlocked(struct virtio_dev *d)
{
	bool ok;

	pthread_mutex_unlock(&d->lock);
	ok = loop_post(d->loop, &d->task);
	pthread_mutex_lock(&d->lock);
	return ok;
}

/*
 * Leave a wish and wait until it is fulfilled, or nobody is left to do so.
 * Caller holds d->lock, which is released meanwhile.
 */
static void wish_locked(struct virtio_dev *d, uint32_t want)
{
	struct timespec until;

	d->wants |= want;
	while ((d->wants & want) && post_unlocked(d) && (d->wants & want)) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += WAIT_SLICE_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&d->changed, &d->lock, &until);
	}
}

/* Features */

static uint64_t offered_locked(struct virtio_dev *d)
{
	uint64_t f = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC |
		     VIRTIO_F_EVENT_IDX;

	return d->ops->features ? f | d->ops->features(d) : f;
}

uint32_t virtio_dev_features(struct virtio_dev *d, uint32_t sel)
{
	uint64_t f;

	if (sel > 1)
		return 0;
	pthread_mutex_lock(&d->lock);
	f = offered_locked(d);
	pthread_mutex_unlock(&d->lock);
	return (uint32_t)(f >> (32 * sel));
}

void virtio_dev_accept_features(struct virtio_dev *d, uint32_t sel,
				uint32_t bits)
{
	pthread_mutex_lock(&d->lock);
	/* Renegotiation only by a reset: virtio 1.2 §2.2. */
	if (d->status & VIRTIO_STATUS_FEATURES_OK)
		log_once(&d->said_odd, "%s: features after FEATURES_OK",
			 d->name);
	else if (sel > 1)
		d->bad_features |= bits != 0;
	else
		d->driver_features =
			(d->driver_features & ~(0xffffffffull << (32 * sel))) |
			(uint64_t)bits << (32 * sel);
	pthread_mutex_unlock(&d->lock);
}

bool virtio_dev_has(const struct virtio_dev *d, uint64_t f)
{
	return (d->driver_features & f) == f;
}

/* virtio 1.2 §2.2.2, and §6.2: VERSION_1 may be insisted on. */
static bool features_ok_locked(struct virtio_dev *d)
{
	return !d->bad_features && !(d->driver_features & ~offered_locked(d)) &&
	       (d->driver_features & VIRTIO_F_VERSION_1);
}

/* Status */

uint8_t virtio_dev_get_status(struct virtio_dev *d)
{
	uint8_t status;

	pthread_mutex_lock(&d->lock);
	status = d->status;
	pthread_mutex_unlock(&d->lock);
	return status;
}

/* virtio 1.2 §2.4.1 and §4.2.2.1. */
static void reset_done_locked(struct virtio_dev *d)
{
	d->status = 0;
	d->with_loop = false;
	d->bad_features = false;
	d->driver_features = 0;
	memset(d->regs, 0, sizeof(d->regs));
	if (d->transport->reset)
		d->transport->reset(d);
	fulfil_locked(d, UINT32_MAX);
}

static void reset_locked(struct virtio_dev *d)
{
	if (d->with_loop)
		wish_locked(d, WANT_RESET);
	else
		reset_done_locked(d);
}

/* Caller has checked that no reset is under way. */
static void advance_locked(struct virtio_dev *d, uint8_t bits)
{
	if ((bits & VIRTIO_STATUS_FEATURES_OK) &&
	    !(d->status & VIRTIO_STATUS_FEATURES_OK) &&
	    !features_ok_locked(d)) {
		/* The driver reads it back: virtio 1.2 §3.1.1, step 6. */
		bits &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
		log_once(&d->said_odd, "%s: features %#llx refused", d->name,
			 (unsigned long long)d->driver_features);
	}
	if (bits & VIRTIO_STATUS_DRIVER_OK &&
	    !((d->status | bits) & VIRTIO_STATUS_FEATURES_OK)) {
		bits &= (uint8_t)~VIRTIO_STATUS_DRIVER_OK;
		log_once(&d->said_odd, "%s: DRIVER_OK without FEATURES_OK",
			 d->name);
	}

	d->status |= bits & (uint8_t)~VIRTIO_STATUS_NEEDS_RESET;
	if ((d->status & VIRTIO_STATUS_DRIVER_OK) && !d->with_loop) {
		/*
		 * No need to wait: a doorbell that overtakes this is made
		 * good by the kicks of activate().
		 */
		d->with_loop = true;
		d->wants |= WANT_ACTIVATE;
		post_unlocked(d);
	}
}

void virtio_dev_set_status(struct virtio_dev *d, uint8_t status)
{
	pthread_mutex_lock(&d->lock);
	if (!status)
		reset_locked(d);
	else if (!(d->wants & WANT_RESET))
		advance_locked(d, status);
	pthread_mutex_unlock(&d->lock);
}

void virtio_dev_broken(struct virtio_dev *d, const char *why)
{
	bool tell;

	d->broken = true;
	log_once(&d->said_broken, "%s: %s: stopped until the driver resets it",
		 d->name, why);

	pthread_mutex_lock(&d->lock);
	d->status |= VIRTIO_STATUS_NEEDS_RESET;
	tell = d->status & VIRTIO_STATUS_DRIVER_OK;
	pthread_mutex_unlock(&d->lock);
	if (tell)
		d->transport->config_interrupt(d);
}

/* What the loop does about wishes */

/*
 * The registers are read without the lock: nobody changes them while the
 * device is the loop's.
 */
static int setup_queues(struct virtio_dev *d)
{
	uint16_t q;
	int err;

	for (q = 0; q < d->nr_queues; q++) {
		const struct virtio_queue_regs *r = &d->regs[q];

		if (!r->enabled)
			continue;
		if (r->size > d->ops->queue_max)
			return -EINVAL;
		err = vq_setup(&d->queues[q], r->size,
			       r->addr[VIRTIO_QUEUE_DESC],
			       r->addr[VIRTIO_QUEUE_DRIVER],
			       r->addr[VIRTIO_QUEUE_DEVICE],
			       d->driver_features);
		if (err)
			return err;
	}
	return 0;
}

static void activate(struct virtio_dev *d)
{
	int err = setup_queues(d);

	d->active = !err;
	if (!err && d->ops->activate)
		err = d->ops->activate(d);

	pthread_mutex_lock(&d->lock);
	fulfil_locked(d, WANT_ACTIVATE);
	pthread_mutex_unlock(&d->lock);

	if (err)
		virtio_dev_broken(d, "queues cannot be set up");
	else
		d->again = UINT32_MAX;
}

static void start_reset(struct virtio_dev *d)
{
	bool was_active = d->active;

	if (d->resetting)
		return;
	d->resetting = true;
	d->active = false;
	if (was_active && d->ops->reset)
		d->ops->reset(d);
}

static bool chains_out(const struct virtio_dev *d)
{
	uint16_t q;

	for (q = 0; q < d->nr_queues; q++)
		if (d->queues[q].inuse)
			return true;
	return false;
}

static void end_reset(struct virtio_dev *d)
{
	uint16_t q;

	if (!d->resetting || chains_out(d))
		return;
	d->resetting = false;
	d->broken = false;
	d->again = 0;
	for (q = 0; q < d->nr_queues; q++)
		vq_reset(&d->queues[q]);

	pthread_mutex_lock(&d->lock);
	reset_done_locked(d);
	pthread_mutex_unlock(&d->lock);
}

/* A model that gives its chains back may end the stop in here. */
static void begin_stop(struct virtio_dev *d, uint16_t q)
{
	bool was_ready = d->queues[q].ready;

	d->queues[q].ready = false;
	if (was_ready && d->queues[q].inuse && d->ops->queue_stop)
		d->ops->queue_stop(d, q);
}

/*
 * virtio 1.2 §4.2.2.1: no access to a queue whose ready register is zero. So
 * it is zero only when no chain is out.
 */
static void stop_queues(struct virtio_dev *d, uint32_t wants)
{
	uint16_t q;

	for (q = 0; q < d->nr_queues; q++) {
		if (!(wants & WANT_STOP(q)))
			continue;
		begin_stop(d, q);
		if (d->queues[q].inuse || !(read_wants(d) & WANT_STOP(q)))
			continue;
		vq_reset(&d->queues[q]);

		pthread_mutex_lock(&d->lock);
		d->regs[q].enabled = false;
		fulfil_locked(d, WANT_STOP(q));
		pthread_mutex_unlock(&d->lock);
	}
}

static void kick_again(struct virtio_dev *d)
{
	uint32_t again = d->again;
	uint16_t q;

	d->again = 0;
	for (q = 0; q < d->nr_queues; q++)
		if (again & (1u << q))
			virtio_dev_kick(d, q);
}

static void handle_task(struct loop_task *t)
{
	struct virtio_dev *d = container_of(t, struct virtio_dev, task);
	uint32_t wants = read_wants(d);

	if (wants & WANT_RESET) {
		start_reset(d);
		end_reset(d);
		return;
	}
	if (wants & WANT_ACTIVATE)
		activate(d);
	stop_queues(d, wants);
	kick_again(d);
}

/* Queues, for models */

void virtio_dev_kick(struct virtio_dev *d, uint16_t q)
{
	if (!d->active || q >= d->nr_queues || !d->queues[q].ready)
		return;
	d->budget = d->queues[q].size;
	d->ops->queue_kick(d, q);
	d->budget = UINT32_MAX;
	virtio_dev_notify(d, q);
}

/* Nothing to pop, or no turn any more: true when the loop shall come back. */
static bool pause_queue(struct virtio_dev *d, uint16_t q)
{
	if (!vq_enable_notify(&d->queues[q]))
		return false;
	if (d->budget)
		return true;
	d->again |= 1u << q;
	loop_post(d->loop, &d->task);
	return false;
}

bool virtio_dev_pop(struct virtio_dev *d, uint16_t q, struct vq_chain *c)
{
	struct vq *vq = &d->queues[q];
	int ret;

	if (!d->active || d->broken)
		return false;
	do {
		ret = d->budget ? vq_pop(vq, c) : 0;
		if (ret > 0) {
			d->budget--;
			vq_disable_notify(vq);
			return true;
		}
		if (ret < 0) {
			virtio_dev_broken(d, "the driver's ring is damaged");
			return false;
		}
	} while (pause_queue(d, q));
	return false;
}

/* Does what is given back reach the driver's used ring? */
static bool gives_back(const struct virtio_dev *d, uint16_t q)
{
	return d->active && !d->broken && d->queues[q].ready;
}

void virtio_dev_show(struct virtio_dev *d, uint16_t q)
{
	if (gives_back(d, q))
		vq_show(&d->queues[q]);
}

void virtio_dev_unpop(struct virtio_dev *d, uint16_t q, uint16_t nr)
{
	vq_unpop(&d->queues[q], nr);
	/* Only inside a kick there is a budget. */
	d->budget = (uint32_t)min_u64((uint64_t)d->budget + nr, UINT32_MAX);
}

void virtio_dev_push(struct virtio_dev *d, uint16_t q, const struct vq_chain *c,
		     uint32_t written)
{
	virtio_dev_fill(d, q, c, written);
	virtio_dev_show(d, q);
}

void virtio_dev_fill(struct virtio_dev *d, uint16_t q, const struct vq_chain *c,
		     uint32_t written)
{
	struct vq *vq = &d->queues[q];

	if (gives_back(d, q)) {
		vq_fill(vq, c, written);
		return;
	}

	/* The used ring is no longer ours, but the data was written. */
	vq_chain_report(d->ram, c, 0, written);
	vq_drop(vq);
	if (d->resetting)
		end_reset(d);
	else if (!vq->ready)
		stop_queues(d, read_wants(d));
}

void virtio_dev_notify(struct virtio_dev *d, uint16_t q)
{
	if (d->active && !d->broken && vq_needs_interrupt(&d->queues[q]))
		d->transport->queue_interrupt(d, q);
}

/* Queues, for transports */

uint16_t virtio_dev_queue_max(const struct virtio_dev *d, uint32_t q)
{
	return q < d->nr_queues ? d->ops->queue_max : 0;
}

bool virtio_dev_queue_enabled(struct virtio_dev *d, uint32_t q)
{
	bool on;

	if (q >= d->nr_queues)
		return false;
	pthread_mutex_lock(&d->lock);
	on = d->regs[q].enabled;
	pthread_mutex_unlock(&d->lock);
	return on;
}

/* virtio 1.2 §4.2.2.2: not while the queue is ready; here also not later. */
static bool may_change_locked(const struct virtio_dev *d, uint32_t q)
{
	return !d->with_loop && !d->regs[q].enabled;
}

void virtio_dev_queue_set_size(struct virtio_dev *d, uint32_t q, uint32_t size)
{
	if (q >= d->nr_queues)
		return;
	pthread_mutex_lock(&d->lock);
	/* 0 is refused by vq_setup(), as is what does not fit. */
	if (may_change_locked(d, q))
		d->regs[q].size = size > UINT16_MAX ? 0 : (uint16_t)size;
	pthread_mutex_unlock(&d->lock);
}

void virtio_dev_queue_set_addr(struct virtio_dev *d, uint32_t q,
			       enum virtio_queue_part part, bool high,
			       uint32_t val)
{
	gpa_t *a;

	if (q >= d->nr_queues)
		return;
	pthread_mutex_lock(&d->lock);
	a = &d->regs[q].addr[part];
	if (!may_change_locked(d, q))
		log_once(&d->said_odd, "%s: address of an active queue",
			 d->name);
	else if (high)
		*a = (*a & 0xffffffffull) | (uint64_t)val << 32;
	else
		*a = (*a & ~0xffffffffull) | val;
	pthread_mutex_unlock(&d->lock);
}

void virtio_dev_queue_enable(struct virtio_dev *d, uint32_t q, bool on)
{
	if (q >= d->nr_queues)
		return;
	pthread_mutex_lock(&d->lock);
	if (!d->with_loop)
		d->regs[q].enabled = on;
	else if (!on && d->regs[q].enabled)
		wish_locked(d, WANT_STOP(q));
	pthread_mutex_unlock(&d->lock);
}

/* Configuration space (virtio 1.2 §2.5) */

void virtio_dev_config_changed(struct virtio_dev *d)
{
	bool tell;

	pthread_mutex_lock(&d->lock);
	d->config_generation++;
	tell = d->status & VIRTIO_STATUS_DRIVER_OK;
	pthread_mutex_unlock(&d->lock);
	if (tell)
		d->transport->config_interrupt(d);
}

uint32_t virtio_dev_config_generation(struct virtio_dev *d)
{
	uint32_t generation;

	pthread_mutex_lock(&d->lock);
	generation = d->config_generation;
	pthread_mutex_unlock(&d->lock);
	return generation;
}

void virtio_dev_config_read(struct virtio_dev *d, uint64_t off, void *buf,
			    size_t len)
{
	size_t size = d->ops->config_len;

	memset(buf, 0, len);
	if (off >= size || !d->ops->config_read)
		return;
	pthread_mutex_lock(&d->lock);
	d->ops->config_read(d, off, buf, min_u64(len, size - off));
	pthread_mutex_unlock(&d->lock);
}

void virtio_dev_config_write(struct virtio_dev *d, uint64_t off,
			     const void *buf, size_t len)
{
	if (!d->ops->config_write || !range_fits(off, len, d->ops->config_len))
		return;
	pthread_mutex_lock(&d->lock);
	d->ops->config_write(d, off, buf, len);
	pthread_mutex_unlock(&d->lock);
}
