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
 * Threads: ops->features and config_read: any thread, caller holds d->lock.
 * activate, queue_kick and reset: loop thread only. Requests of a model that
 * are in flight in the loop count as d->inflight; a reset completes when the
 * count is 0, and only then does the driver read status 0.
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

#define VIRTIO_QUEUES_MAX 16

/* virtio 1.2 §2.1 */
enum virtio_status {
	VIRTIO_STATUS_ACKNOWLEDGE = 1,
	VIRTIO_STATUS_DRIVER = 2,
	VIRTIO_STATUS_DRIVER_OK = 4,
	VIRTIO_STATUS_FEATURES_OK = 8,
	VIRTIO_STATUS_NEEDS_RESET = 64,
	VIRTIO_STATUS_FAILED = 128,
};

/* virtio 1.2 §6 */
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX     (1ull << 29)
#define VIRTIO_F_VERSION_1     (1ull << 32)

struct virtio_dev;

struct virtio_dev_ops {
	const char *name;
	uint16_t type; /* virtio 1.2 §5, "Device ID" */
	uint16_t queue_max;
	size_t config_len;

	/* Device feature bits; device.c adds the ones of ring and version. */
	uint64_t (*features)(struct virtio_dev *d);
	/* [off, off + len) lies inside config_len. */
	void (*config_read)(struct virtio_dev *d, size_t off, void *buf,
			    size_t len);
	/* NULL: config writes are ignored. */
	void (*config_write)(struct virtio_dev *d, size_t off, const void *buf,
			     size_t len);
	/* After DRIVER_OK; negotiated features in d->driver_features. */
	int (*activate)(struct virtio_dev *d);
	/* Cancel what can be; NULL: nothing to do. */
	void (*reset)(struct virtio_dev *d);
	void (*queue_kick)(struct virtio_dev *d, uint16_t q);
	void (*destroy)(struct virtio_dev *d);
};

/* How a device reaches its driver; the transport's. */
struct virtio_transport_ops {
	/* Used buffer notification for queue @q. Any thread. */
	void (*queue_interrupt)(struct virtio_dev *d, uint16_t q);
	/* Configuration change notification. Any thread. */
	void (*config_interrupt)(struct virtio_dev *d);
};

struct virtio_queue_regs {
	uint16_t size;
	bool enabled;
	gpa_t desc, avail, used;
};

struct virtio_dev {
	const struct virtio_dev_ops *ops;
	char name[32]; /* "blk0", for logs */
	struct ram *ram;
	struct loop *loop;
	uint16_t nr_queues;
	struct vq queues[VIRTIO_QUEUES_MAX];

	pthread_mutex_t lock; /* the members below */
	uint8_t status;
	uint64_t driver_features;
	struct virtio_queue_regs regs[VIRTIO_QUEUES_MAX];
	uint32_t config_generation;

	unsigned int inflight; /* loop thread only */
	bool active;	       /* between activate and reset; loop thread */
	bool resetting;
	pthread_cond_t reset_done;
	struct loop_task task;
	const struct virtio_transport_ops *transport;
	void *transport_ctx;
	atomic_bool said_broken;
};

/* For models */

int virtio_dev_init(struct virtio_dev *d, const struct virtio_dev_ops *ops,
		    const char *name, struct ram *ram, struct loop *loop,
		    uint16_t nr_queues);
void virtio_dev_fini(struct virtio_dev *d);

/* Calls ops->destroy. NULL is allowed. */
void virtio_dev_destroy(struct virtio_dev *d);

/* True when feature bit(s) @f are negotiated. Loop thread, when active. */
bool virtio_dev_has(const struct virtio_dev *d, uint64_t f);

/* Interrupt for queue @q if the driver wants one. Loop thread only. */
void virtio_dev_notify(struct virtio_dev *d, uint16_t q);

/*
 * The driver broke the rules: log once, set DEVICE_NEEDS_RESET, tell the
 * driver by a configuration interrupt, serve no queue until the reset
 * (virtio 1.2 §2.1.2). Loop thread only.
 */
void virtio_dev_broken(struct virtio_dev *d, const char *why);

/* A request of the model starts, or ends, being in flight in the loop. */
void virtio_dev_get(struct virtio_dev *d);
void virtio_dev_put(struct virtio_dev *d);

/* For transports */

uint64_t virtio_dev_features(struct virtio_dev *d);
void virtio_dev_set_driver_features(struct virtio_dev *d, uint64_t f);
uint8_t virtio_dev_get_status(struct virtio_dev *d);
/* Any thread but the loop's; waits for the loop on DRIVER_OK and on reset. */
void virtio_dev_set_status(struct virtio_dev *d, uint8_t status);
void virtio_dev_config_read(struct virtio_dev *d, uint64_t off, void *buf,
			    size_t len);
void virtio_dev_config_write(struct virtio_dev *d, uint64_t off,
			     const void *buf, size_t len);
/* The doorbell of queue @q rang. Loop thread only. */
void virtio_dev_kick(struct virtio_dev *d, uint16_t q);

#endif
