/* SPDX-License-Identifier: MIT */
/*
 * disk_int.h - what the files of the disk backend share.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_DISK_INT_H
#define MINIVMM_VIRTIO_BACKEND_DISK_INT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtio/backend/disk.h"

#define DISK_ZERO_PAGE	4096u
#define DISK_ZERO_PAGES 64u

#define DISK_LAYER_BLOCK 4096u

#define DISK_BOUNCES_MAX 16 /* requests with a bounce buffer at a time */

enum disk_req_kind {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH,
	DISK_DISCARD,
	DISK_ZEROES,
};

/* disk_gate.c's. */
struct disk_gate {
	unsigned int writes;  /* admitted and not over */
	unsigned int bounces; /* the same, with a bounce buffer */
	bool partial;	      /* one of them writes parts of units */
	bool opening;	      /* letting in those that waited */
	struct disk_req *first;
	struct disk_req **last;
};

/* disk_layer.c's; without one, fd is -1. */
struct disk_layer {
	int fd;
	uint64_t *bits; /* one per block: it is here, not in the image */
	size_t bits_len;
};

/* Where bytes of a disk are. */
struct disk_place {
	int fd;
	uint64_t off;
	uint64_t len; /* that are there, one after the other */
};

struct disk {
	struct loop *loop;
	char *path;
	int fd;
	uint64_t base; /* where the disk begins in its file */
	uint64_t size; /* of the disk */
	uint64_t file_size;
	bool readonly;
	bool shares; /* the file is only read, whatever the guest may do */
	bool direct;
	bool is_block;
	bool said_lock;
	unsigned int block_size; /* of a block device: its logical blocks */
	unsigned int mem_align;	 /* of buffers; 1 without O_DIRECT */
	unsigned int unit;	 /* of offsets and lengths; the same */
	bool can_discard;
	bool no_punch; /* the host said that it cannot */
	bool no_zero_range;
	atomic_bool said_error;
	struct disk_layer layer;
	struct disk_gate gate;
	void *bounce[DISK_BOUNCES_MAX]; /* made when first needed, and kept */
	uint32_t bounces_used;		/* a bit for each */
	struct iovec
		zeroes[DISK_ZERO_PAGES]; /* the same page again and again */
};

/* disk.c */

/* What @r is about may begin: the gate let it in. Never ends it at once. */
void disk_run(struct disk_req *r);
/* Move the whole of @r between its iov and the file. */
void disk_transfer(struct disk_req *r);
/* @n bytes of @r's iov are done. */
void disk_advance(struct disk_req *r, uint64_t n);
/* @r is over: from a completion. */
void disk_end(struct disk_req *r, int err);
/* The same from a starter: done() runs in a moment. */
void disk_end_later(struct disk_req *r, int err);

/* disk_gate.c */

void disk_gate_init(struct disk_gate *g);
/* Run @r now, or when the others allow it. */
void disk_gate_enter(struct disk_req *r);
void disk_gate_leave(struct disk_req *r);

/* disk_bounce.c: disk_transfer() by way of an aligned buffer. */
void disk_bounce(struct disk_req *r);
void disk_bounce_end(struct disk_req *r);
/* Free the buffers, also those of requests that never ended. */
void disk_bounce_fini(struct disk *d);
/* Whether @r needs it. */
bool disk_must_bounce(const struct disk_req *r);

/* disk_zero.c */
void disk_zero_init(struct disk *d);
void disk_zero_run(struct disk_req *r);

/* disk_layer.c */

/* Give @d, whose size is known, a layer in @folder. 0 or -errno. */
int disk_layer_open(struct disk *d, const char *folder);
void disk_layer_close(struct disk *d);
struct disk_place disk_layer_place(const struct disk *d, bool write,
				   uint64_t off, uint64_t len);
/* These bytes are in the layer now. */
void disk_layer_wrote(struct disk *d, uint64_t off, uint64_t len);

static inline bool disk_has_layer(const struct disk *d)
{
	return d->layer.fd >= 0;
}

/* Where to read from or write to for as much of the range as is there. */
static inline struct disk_place disk_place(const struct disk *d, bool write,
					   uint64_t off, uint64_t len)
{
	if (disk_has_layer(d))
		return disk_layer_place(d, write, off, len);
	return (struct disk_place){ d->fd, d->base + off, len };
}

static inline bool disk_in_units(const struct disk *d, uint64_t off,
				 uint64_t len)
{
	return !((off | len) & (d->unit - 1));
}

/*
 * A read or write of @r ended with @res: end the request on an error, at the
 * end of the file or when nothing is left, otherwise call @more for the rest.
 */
void disk_moved(struct disk_req *r, int res, void (*more)(struct disk_req *r));

#endif
