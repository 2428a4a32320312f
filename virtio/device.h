/* SPDX-License-Identifier: MIT */
/*
 * device.h - what every virtio device is: features, status, queues, config.
 *
 * How it works. A model (blk.c, rng.c) embeds struct virtio_dev and gives a
 * const virtio_dev_ops. A transport (transport/mmio.c) turns register
 * accesses into the calls under "For transports". The status machine of
 * virtio 1.2 §3.1 lives here:
 *
 *   0 -> ACKNOWLEDGE -> DRIVER -> FEATURES_OK -> DRIVER_OK   (or FAILED)
 *        writing 0: reset, from anywhere
 *        rules broken: DEVICE_NEEDS_RESET, queues stop until the reset
 *
 * From DRIVER_OK to the reset the device belongs to the loop thread; vCPU
 * threads leave wishes (d->wants) and the loop fulfils them:
 *
 *   vCPU thread                        loop thread
 *   DRIVER_OK: WANT_ACTIVATE  ----->   set up the queues, ops->activate, kick
 *   status 0: WANT_RESET, waits ---->  ops->reset; chains that are out come
 *             <---------------------   back and are dropped; then status 0
 *   queue disabled: WANT_STOP(q), waits: the same for one queue
 *
 * So a reset completes when no chain is out any more, and only then does the
 * driver read status 0: nothing writes into its memory afterwards. A thread
 * that waits looks up now and then and goes on when the loop has stopped.
 *
 * Models see a queue through virtio_dev_pop() and virtio_dev_push(), which
 * take care of notifications, broken rules and stopping queues:
 *
 *   static void kick(struct virtio_dev *d, uint16_t q)
 *   {
 *           while (virtio_dev_pop(d, q, &chain))
 *                   start or do the request; virtio_dev_push() ends it
 *   }
 *
 * Threads: ops->features, config_read and config_write: any thread, caller
 * holds d->lock. activate, reset, queue_stop and queue_kick: loop thread only.
 */
#ifndef MINIVMM_VIRTIO_DEVICE_H
#define MINIVMM_VIRTIO_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/loop.h"
#include "virtio/queue.h"

#define VIRTIO_QUEUES_MAX 18 /* of 8 console ports, and their control */

/* virtio 1.2 §2.1 */
enum virtio_status {
	VIRTIO_STATUS_ACKNOWLEDGE = 1,
	VIRTIO_STATUS_DRIVER = 2,
	VIRTIO_STATUS_DRIVER_OK = 4,
	VIRTIO_STATUS_FEATURES_OK = 8,
	VIRTIO_STATUS_NEEDS_RESET = 64,
	VIRTIO_STATUS_FAILED = 128,
};

/* virtio 1.2 §6; those of the ring are in queue.h. */
#define VIRTIO_F_VERSION_1 (1ull << 32)

struct virtio_dev;

struct virtio_dev_ops {
	const char *name;
	uint16_t type; /* virtio 1.2 §5, "Device ID" */
	uint16_t queue_max;
	size_t config_len;

	/*
	 * Device feature bits; device.c adds the ones of ring and version.
	 * NULL: none.
	 */
	uint64_t (*features)(struct virtio_dev *d);
	/* [off, off + len) lies inside config_len. NULL: reads as zero. */
	void (*config_read)(struct virtio_dev *d, size_t off, void *buf,
			    size_t len);
	/* NULL: config writes are ignored. */
	void (*config_write)(struct virtio_dev *d, size_t off, const void *buf,
			     size_t len);
	/*
	 * After DRIVER_OK. 0, or -errno: the device is broken. A kick of every
	 * ready queue follows. NULL: nothing to do.
	 */
	int (*activate)(struct virtio_dev *d);
	/*
	 * Cancel what can be, push chains that wait for something outside; the
	 * others come back by themselves. NULL: nothing to do.
	 */
	void (*reset)(struct virtio_dev *d);
	/* The same for one queue. NULL: nothing to do. */
	void (*queue_stop)(struct virtio_dev *d, uint16_t q);
	void (*queue_kick)(struct virtio_dev *d, uint16_t q);
	/* Free the model; the loop is drained and no transport is left. */
	void (*destroy)(struct virtio_dev *d);
};

/* How a device reaches its driver; the transport's. */
struct virtio_transport_ops {
	/* Used buffer notification for queue @q. Any thread. */
	void (*queue_interrupt)(struct virtio_dev *d, uint16_t q);
	/* Configuration change notification. Any thread. */
	void (*config_interrupt)(struct virtio_dev *d);
	/*
	 * The device was reset: forget pending interrupts. Any thread, caller
	 * holds d->lock. NULL: nothing to do.
	 */
	void (*reset)(struct virtio_dev *d);
};

/* The three parts of a queue (virtio 1.2 §2.6). */
enum virtio_queue_part {
	VIRTIO_QUEUE_DESC,
	VIRTIO_QUEUE_DRIVER, /* available ring */
	VIRTIO_QUEUE_DEVICE, /* used ring */
	VIRTIO_QUEUE_PARTS,
};

struct virtio_queue_regs {
	uint16_t size;
	bool enabled;
	gpa_t addr[VIRTIO_QUEUE_PARTS];
};

/* Public because models embed it; members belong to device.c. */
struct virtio_dev {
	const struct virtio_dev_ops *ops;
	char name[32]; /* "blk0", for logs */
	struct ram *ram;
	struct loop *loop;
	uint16_t nr_queues;
	const struct virtio_transport_ops *transport;
	void *transport_ctx;
	atomic_bool said_broken, said_odd;

	pthread_mutex_t lock;	/* the members below */
	pthread_cond_t changed; /* a wish was fulfilled */
	uint32_t wants;		/* the wishes */
	bool with_loop;		/* since DRIVER_OK: the loop thread's */
	uint8_t status;
	bool bad_features; /* accepted bits past 63 */
	uint64_t driver_features;
	uint32_t config_generation;
	struct virtio_queue_regs regs[VIRTIO_QUEUES_MAX];

	/* Loop thread only */
	struct vq queues[VIRTIO_QUEUES_MAX];
	bool active; /* DRIVER_OK was served, no reset since */
	bool broken;
	bool resetting;
	uint32_t again; /* queues to kick in the loop's next turn */
	uint32_t budget;
	struct loop_task task;
};

/* For models */

/*
 * @name: "blk0", for logs; copied. @nr_queues: 1 .. VIRTIO_QUEUES_MAX, or
 * -EINVAL. 0 or -errno.
 */
int virtio_dev_init(struct virtio_dev *d, const struct virtio_dev_ops *ops,
		    const char *name, struct ram *ram, struct loop *loop,
		    uint16_t nr_queues);
void virtio_dev_fini(struct virtio_dev *d);

/* Calls ops->destroy. NULL is allowed. */
void virtio_dev_destroy(struct virtio_dev *d);

/* True when feature bit(s) @f are negotiated. Loop thread, when active. */
bool virtio_dev_has(const struct virtio_dev *d, uint64_t f);

/*
 * Take the next chain of queue @q. False when there is none: the driver was
 * then asked to notify, or the loop will kick again (one kick hands out no
 * more chains than the queue has entries, so that no guest can keep the loop
 * to itself), or the driver broke the rules, or the queue stops.
 * Loop thread only.
 */
bool virtio_dev_pop(struct virtio_dev *d, uint16_t q, struct vq_chain *c)
	__attribute__((warn_unused_result));

/*
 * Give a chain back, exactly once for each that was popped: @written bytes of
 * its writable part are new. May end a reset. Loop thread only.
 */
void virtio_dev_push(struct virtio_dev *d, uint16_t q, const struct vq_chain *c,
		     uint32_t written);

/*
 * Give chains back that the driver is to see together: fill them one by one,
 * then show them. A stop or reset of the queue does not wait for that, and
 * what was not shown before it never is. Loop thread only.
 */
void virtio_dev_fill(struct virtio_dev *d, uint16_t q, const struct vq_chain *c,
		     uint32_t written);
void virtio_dev_show(struct virtio_dev *d, uint16_t q);

/* Entries of queue @q, which is in use. Loop thread only. */
static inline uint16_t virtio_dev_queue_size(const struct virtio_dev *d,
					     uint16_t q)
{
	return d->queues[q].size;
}

/*
 * As if the last @nr chains of queue @q had not been popped: the next pop
 * hands them out again, read anew. For chains popped in this turn that have
 * to wait, so that no stop or reset of the queue waits for them. Loop thread
 * only.
 */
void virtio_dev_unpop(struct virtio_dev *d, uint16_t q, uint16_t nr);

/*
 * Interrupt for queue @q if the driver wants one for what was shown; after
 * queue_kick this happens by itself. Loop thread only.
 */
void virtio_dev_notify(struct virtio_dev *d, uint16_t q);

/* The configuration space reads differently now. Any thread. */
void virtio_dev_config_changed(struct virtio_dev *d);

/*
 * The driver broke the rules: log once, set DEVICE_NEEDS_RESET, tell the
 * driver by a configuration interrupt, serve no queue until the reset
 * (virtio 1.2 §2.1.2). Loop thread only.
 */
void virtio_dev_broken(struct virtio_dev *d, const char *why);

/*
 * For transports. Any thread but the loop's, several at once; what the driver
 * may not do now is ignored. Queue numbers need not exist.
 */

/* Before any other call below; @ops outlives the device. */
void virtio_dev_attach(struct virtio_dev *d,
		       const struct virtio_transport_ops *ops, void *ctx);

/* Feature bits 32 * @sel and up. */
uint32_t virtio_dev_features(struct virtio_dev *d, uint32_t sel);
void virtio_dev_accept_features(struct virtio_dev *d, uint32_t sel,
				uint32_t bits);

uint8_t virtio_dev_get_status(struct virtio_dev *d);
/* Adds bits; 0 resets and waits until that is done. */
void virtio_dev_set_status(struct virtio_dev *d, uint8_t status);

/* Most entries of queue @q; 0 when there is no such queue. */
uint16_t virtio_dev_queue_max(const struct virtio_dev *d, uint32_t q);
bool virtio_dev_queue_enabled(struct virtio_dev *d, uint32_t q);
void virtio_dev_queue_set_size(struct virtio_dev *d, uint32_t q, uint32_t size);
/* The low or @high half of an address. */
void virtio_dev_queue_set_addr(struct virtio_dev *d, uint32_t q,
			       enum virtio_queue_part part, bool high,
			       uint32_t val);
/* Takes effect at DRIVER_OK; disabling an active queue waits for its chains. */
void virtio_dev_queue_enable(struct virtio_dev *d, uint32_t q, bool on);

uint32_t virtio_dev_config_generation(struct virtio_dev *d);
/* Bytes outside the configuration space read as zero. */
void virtio_dev_config_read(struct virtio_dev *d, uint64_t off, void *buf,
			    size_t len);
void virtio_dev_config_write(struct virtio_dev *d, uint64_t off,
			     const void *buf, size_t len);

/* The doorbell of queue @q rang. Loop thread only. */
void virtio_dev_kick(struct virtio_dev *d, uint16_t q);

#endif
