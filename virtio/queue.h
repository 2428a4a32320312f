/* SPDX-License-Identifier: MIT */
/*
 * queue.h - one split virtqueue, from the device's side.
 *
 * How it works (virtio 1.2 §2.7). The driver puts chains of descriptors into
 * the available ring; vq_pop() reads each once, checks it against guest RAM
 * and hands it out as two iovec arrays; vq_push() puts it into the used ring.
 * Only queue.c knows the layout of the rings and uses memory barriers.
 *
 *   struct vq_chain   head, readable iov (driver -> device), writable iov
 *
 * Models use only the chains: device.h has pop and push with the rules of a
 * whole device.
 *
 * Loop thread only.
 */
#ifndef MINIVMM_VIRTIO_QUEUE_H
#define MINIVMM_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "memory/layout_x86.h"

struct ram;
struct virtq_avail;
struct virtq_desc;
struct virtq_used;

/* The reserved feature bits that shape a ring (virtio 1.2 §6). */
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX     (1ull << 29)

#define VQ_SIZE_MAX  1024 /* entries of one queue */
#define VQ_CHAIN_MAX 256  /* pieces of one chain, both directions */

/* One buffer of the driver: validated, every piece inside guest RAM. */
struct vq_chain {
	uint16_t head;
	uint16_t nr_readable;
	uint16_t nr_writable;
	uint64_t readable_len; /* bytes; at most 2^32 in both directions */
	uint64_t writable_len;
	const struct iovec *readable; /* into iov[] */
	const struct iovec *writable; /* into iov[], after the readable ones */
	struct iovec iov[VQ_CHAIN_MAX];
};

/* Public because devices embed it; members belong to queue.c. */
struct vq {
	struct ram *ram;
	uint16_t size; /* a power of two, 1 .. VQ_SIZE_MAX */
	bool ready;
	bool event_idx;	     /* VIRTIO_F_EVENT_IDX was negotiated */
	bool indirect;	     /* VIRTIO_F_INDIRECT_DESC was negotiated */
	bool notify;	     /* the driver was last asked to notify */
	uint16_t next_avail; /* free running, as are the next four */
	uint16_t avail_idx;  /* as last read from the driver */
	uint16_t next_used;
	uint16_t shown_used;	 /* how much of it the driver was shown */
	uint16_t signalled_used; /* shown_used at the last interrupt */
	uint16_t inuse;		 /* popped and not pushed yet */
	gpa_t used_gpa;
	const struct virtq_desc *desc; /* the three parts, in guest RAM */
	const struct virtq_avail *avail;
	struct virtq_used *used;
};

void vq_init(struct vq *q, struct ram *ram);

/*
 * Check size and addresses that the driver gave (virtio 1.2 §2.7: alignment,
 * inside RAM) and make the queue ready. @features: the negotiated ones.
 * -EINVAL when this is no queue.
 */
int vq_setup(struct vq *q, uint16_t size, gpa_t desc, gpa_t avail, gpa_t used,
	     uint64_t features);

/* Back to the state after vq_init(). */
void vq_reset(struct vq *q);

/*
 * Take the next chain the driver made available.
 *
 * Returns 1 with *c filled, 0 when the queue is empty, -EPROTO when the
 * driver broke the rules; the caller then calls virtio_dev_broken().
 * A filled chain holds at most VQ_CHAIN_MAX pieces, each inside guest RAM and
 * none empty. At most q->size chains are out at a time.
 */
int vq_pop(struct vq *q, struct vq_chain *c)
	__attribute__((warn_unused_result));

/*
 * Give the chain back; the first @written bytes of its writable part are new
 * (and are reported as by vq_chain_report()).
 */
void vq_push(struct vq *q, const struct vq_chain *c, uint32_t written);

/*
 * The same in two steps, for chains that the driver must see together: fill
 * one entry of the used ring after the other, then show all of them.
 */
void vq_fill(struct vq *q, const struct vq_chain *c, uint32_t written);
void vq_show(struct vq *q);

/*
 * As if the last @nr chains had never been popped. They were not given back,
 * and none that was popped before them is popped again by this.
 */
void vq_unpop(struct vq *q, uint16_t nr);

/* Forget one chain without telling the driver: the queue is being stopped. */
void vq_drop(struct vq *q);

/*
 * Copy @buf to offset @off of the writable part of @c, and report it; returns
 * the bytes copied.
 */
size_t vq_chain_write(struct ram *ram, const struct vq_chain *c, size_t off,
		      const void *buf, size_t len);

/*
 * The host kernel wrote, or may have written, [off, off + len) of the
 * writable part: tell ram_written(). Bytes past its end are ignored.
 */
void vq_chain_report(struct ram *ram, const struct vq_chain *c, uint64_t off,
		     uint64_t len);

/* True when the driver wants an interrupt for what was shown since the last. */
bool vq_needs_interrupt(struct vq *q);

/*
 * Ask the driver not to notify (while draining), or to notify again. After
 * enabling, true means that more chains came in between: drain again.
 */
void vq_disable_notify(struct vq *q);
bool vq_enable_notify(struct vq *q);

#endif
