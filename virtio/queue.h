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
 * Loop thread only, except vq_init() and vq_setup().
 */
#ifndef MINIVMM_VIRTIO_QUEUE_H
#define MINIVMM_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "memory/layout_x86.h"

struct ram;

#define VQ_SIZE_MAX  1024 /* entries of one queue */
#define VQ_CHAIN_MAX 256  /* pieces of one chain, both directions */

/* One buffer of the driver: validated, every piece inside guest RAM. */
struct vq_chain {
	uint16_t head;
	uint16_t nr_readable;
	uint16_t nr_writable;
	struct iovec *readable; /* into iov[] */
	struct iovec *writable; /* into iov[], after the readable ones */
	struct iovec iov[VQ_CHAIN_MAX];
};

/* Public because devices embed it; members belong to queue.c. */
struct vq {
	struct ram *ram;
	uint16_t size; /* a power of two, 1 .. VQ_SIZE_MAX */
	bool ready;
	bool event_idx; /* VIRTIO_F_EVENT_IDX was negotiated */
	bool indirect;	/* VIRTIO_F_INDIRECT_DESC was negotiated */
	gpa_t desc, avail, used;
	uint16_t next_avail; /* free running */
	uint16_t next_used;
	uint16_t signalled_used; /* used index at the last interrupt */
	bool signalled_valid;
};

void vq_init(struct vq *q, struct ram *ram);

/*
 * Check the addresses the driver gave (alignment, inside RAM, no overlap
 * with the end of the address space) and make the queue ready. -EINVAL when
 * they are no queue.
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
 * A filled chain holds at most VQ_CHAIN_MAX pieces, each inside guest RAM;
 * a piece that spans two regions of RAM is two pieces.
 */
int vq_pop(struct vq *q, struct vq_chain *c)
	__attribute__((warn_unused_result));

/*
 * Give chain @head back; @written bytes of its writable part are new (and are
 * reported to ram_written() here, from the @iov of the chain).
 */
void vq_push(struct vq *q, const struct vq_chain *c, uint32_t written);

/* True when the driver wants an interrupt for what was pushed since the last. */
bool vq_needs_interrupt(struct vq *q);

/*
 * Ask the driver not to notify (while draining), or to notify again. After
 * enabling, true means that more chains came in between: drain again.
 */
void vq_disable_notify(struct vq *q);
bool vq_enable_notify(struct vq *q);

#endif
