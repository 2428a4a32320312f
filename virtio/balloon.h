/* SPDX-License-Identifier: MIT */
/*
 * balloon.h - the virtio memory balloon device (virtio 1.2 §5.5): memory that
 * the guest does without goes back to the host.
 */
#ifndef MINIVMM_VIRTIO_BALLOON_H
#define MINIVMM_VIRTIO_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct ram;
struct virtio_dev;

struct virtio_balloon_params {
	const char *name;    /* for logs; copied */
	uint64_t size;	     /* bytes the guest is asked for; whole pages */
	bool deflate_on_oom; /* the guest may take them back in need */
	bool report_free;    /* the guest tells of pages that it freed */
};

/*
 * Create a balloon in *out; destroy it with virtio_dev_destroy(). No memory of
 * @ram may be pinned by the host kernel: see ram_discard(). -EINVAL for a size
 * that is not of whole pages, or more of them than fit 32 bits.
 */
int virtio_balloon_create(struct virtio_dev **out, struct ram *ram,
			  struct loop *loop,
			  const struct virtio_balloon_params *p);

#endif
