// SPDX-License-Identifier: MIT
/*
 * balloon.c - the virtio memory balloon device (virtio 1.2 §5.5).
 *
 * How it works. The driver names pages in two ways: as numbers of pages in a
 * buffer (inflate queue, to make the balloon as large as num_pages says), or
 * as a buffer that is the pages themselves (free page reporting). Either is a
 * job: a chain whose pages are discarded range by range, and which goes back
 * when that is done. Giving memory back takes time, so a turn of the loop ends
 * after a slice and the job goes on in the next.
 *
 *   pop -> [sort page numbers] -> discard, discard ... -> push
 *
 * Pages come back by being touched: the deflate queue is only emptied.
 *
 * Statistics, hints and poison are not offered. So the queue that follows the
 * first two is free page reporting, for drivers that count the queues there
 * are, such as Linux; number 4 is the same, for those that count as the
 * standard does.
 */
#include "virtio/balloon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/iov.h"
#include "base/le.h"
#include "base/log.h"
#include "memory/ram.h"
#include "virtio/device.h"

/* virtio 1.2 §5.5.3 */
#define BALLOON_F_DEFLATE_ON_OOM (1ull << 2)
#define BALLOON_F_PAGE_REPORTING (1ull << 5)

/* virtio 1.2 §5.5.2 */
enum balloon_queue {
	QUEUE_INFLATE = 0,
	QUEUE_DEFLATE = 1,
	QUEUE_REPORT = 2, /* the first of those */
	QUEUES = 5,
};

#define BALLOON_QUEUE_MAX 128
#define BATCH		  256 /* page numbers that are sorted at a time */

/* What one turn of the loop gives back: some 0.2 ms. */
#define SLICE_BYTES (1ull << 20)
#define SLICE_CALLS 32

/* virtio 1.2 §5.5.6: of page numbers, whatever the guest's pages are. */
#define BALLOON_PAGE 4096ull

struct balloon_config {
	le32 num_pages;
	le32 actual;
	le32 free_page_hint_cmd_id;
	le32 poison_val;
};

_Static_assert(sizeof(struct balloon_config) == 16, "virtio 1.2 §5.5.4");
_Static_assert(BALLOON_PAGE == RAM_PAGE, "what ram_discard() takes");

struct range {
	gpa_t gpa;
	uint64_t len;
};

/* A chain whose pages are being given back. */
struct job {
	bool busy;
	struct vq_chain chain;
	/* Of page numbers: the bytes read, and those at hand, in order. */
	uint64_t read;
	uint32_t page[BATCH];
	unsigned int nr_pages, next_page;
	/* Of the pages themselves. */
	unsigned int piece;
	uint64_t off; /* in that piece */
};

struct balloon {
	struct virtio_dev dev;
	bool deflate_on_oom, report_free;
	struct balloon_config config;
	struct job job[QUEUES];
	struct loop_task task; /* goes on with the jobs */
	atomic_bool said_odd, said_refused;
};

static struct balloon *to_balloon(struct virtio_dev *d)
{
	return container_of(d, struct balloon, dev);
}

/* The next range of a job */

static int compare_pages(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool read_batch(struct job *j)
{
	le32 raw[BATCH];
	size_t n = iov_read(j->chain.readable, j->chain.nr_readable, j->read,
			    raw, sizeof(raw));

	j->read += n;
	j->nr_pages = (unsigned int)(n / sizeof(raw[0]));
	j->next_page = 0;
	for (unsigned int i = 0; i < j->nr_pages; i++)
		j->page[i] = le32_get(raw[i]);
	qsort(j->page, j->nr_pages, sizeof(j->page[0]), compare_pages);
	return j->nr_pages;
}

/* Neighbours go together; one that is named twice is one. */
static bool next_of_numbers(struct job *j, struct range *r)
{
	uint64_t end;

	if (j->next_page == j->nr_pages && !read_batch(j))
		return false;
	end = j->page[j->next_page];
	r->gpa = end * BALLOON_PAGE;
	for (; j->next_page < j->nr_pages; j->next_page++) {
		if (j->page[j->next_page] > end)
			break;
		end = j->page[j->next_page] + 1ull;
	}
	r->len = end * BALLOON_PAGE - r->gpa;
	return true;
}

static bool next_of_pieces(const struct ram *ram, struct job *j,
			   struct range *r)
{
	const struct iovec *v;

	if (j->piece == j->chain.nr_writable)
		return false;
	v = &j->chain.writable[j->piece];
	if (!ram_gpa(ram, (const char *)v->iov_base + j->off, &r->gpa))
		return false;
	r->len = min_u64(v->iov_len - j->off, SLICE_BYTES);
	j->off += r->len;
	if (j->off == v->iov_len) {
		j->piece++;
		j->off = 0;
	}
	return true;
}

/* Giving back */

static void discard(struct balloon *b, const struct range *r)
{
	int err = ram_discard(b->dev.ram, r->gpa, r->len);

	if (err == -EINVAL || err == -EFAULT)
		log_once(&b->said_odd, "%s: no whole pages of RAM: %#llx",
			 b->dev.name, (unsigned long long)r->gpa);
	else if (err)
		log_once(&b->said_refused,
			 "%s: the host does not take memory back: %s",
			 b->dev.name, strerror(-err));
}

static bool begin_job(struct balloon *b, uint16_t q)
{
	struct job *j = &b->job[q];

	if (j->busy)
		return true;
	j->busy = virtio_dev_pop(&b->dev, q, &j->chain);
	j->read = 0;
	j->nr_pages = 0;
	j->next_page = 0;
	j->piece = 0;
	j->off = 0;
	return j->busy;
}

static void end_job(struct balloon *b, uint16_t q)
{
	b->job[q].busy = false;
	virtio_dev_push(&b->dev, q, &b->job[q].chain, 0);
}

static bool next_range(struct balloon *b, uint16_t q, struct range *r)
{
	if (q == QUEUE_INFLATE)
		return next_of_numbers(&b->job[q], r);
	return next_of_pieces(b->dev.ram, &b->job[q], r);
}

/* One slice of queue @q; the rest is for the task. */
static void serve(struct balloon *b, uint16_t q)
{
	unsigned int calls = 0;
	uint64_t bytes = 0;
	struct range r;

	while (begin_job(b, q)) {
		if (!next_range(b, q, &r)) {
			end_job(b, q);
			continue;
		}
		discard(b, &r);
		bytes += r.len;
		if (++calls == SLICE_CALLS || bytes >= SLICE_BYTES) {
			loop_post(b->dev.loop, &b->task);
			break;
		}
	}
}

static void handle_task(struct loop_task *t)
{
	struct balloon *b = container_of(t, struct balloon, task);
	uint16_t q;

	for (q = 0; q < QUEUES; q++) {
		if (!b->job[q].busy)
			continue;
		serve(b, q);
		virtio_dev_notify(&b->dev, q);
	}
}

/* The device */

static void balloon_kick(struct virtio_dev *d, uint16_t q)
{
	struct balloon *b = to_balloon(d);
	struct vq_chain *c = &b->job[QUEUE_DEFLATE].chain;

	if (q == QUEUE_DEFLATE)
		while (virtio_dev_pop(d, q, c))
			virtio_dev_push(d, q, c, 0);
	else if (q == QUEUE_INFLATE || b->report_free)
		serve(b, q);
}

static void balloon_reset(struct virtio_dev *d)
{
	struct balloon *b = to_balloon(d);
	uint16_t q;

	for (q = 0; q < QUEUES; q++)
		if (b->job[q].busy)
			end_job(b, q);
}

static uint64_t balloon_features(struct virtio_dev *d)
{
	const struct balloon *b = to_balloon(d);

	return (b->deflate_on_oom ? BALLOON_F_DEFLATE_ON_OOM : 0) |
	       (b->report_free ? BALLOON_F_PAGE_REPORTING : 0);
}

static void balloon_config_read(struct virtio_dev *d, size_t off, void *buf,
				size_t len)
{
	memcpy(buf, (const char *)&to_balloon(d)->config + off, len);
}

/* Only what the driver has reached is its to write (§5.5.6). */
static void balloon_config_write(struct virtio_dev *d, size_t off,
				 const void *buf, size_t len)
{
	struct balloon_config *c = &to_balloon(d)->config;

	if (off != offsetof(struct balloon_config, actual) ||
	    len != sizeof(c->actual))
		return;
	memcpy(&c->actual, buf, len);
}

static void balloon_destroy(struct virtio_dev *d)
{
	virtio_dev_fini(d);
	free(to_balloon(d));
}

static const struct virtio_dev_ops balloon_ops = {
	.name = "balloon",
	.type = 5, /* virtio 1.2 §5.5.1 */
	.queue_max = BALLOON_QUEUE_MAX,
	.config_len = sizeof(struct balloon_config),
	.features = balloon_features,
	.config_read = balloon_config_read,
	.config_write = balloon_config_write,
	.reset = balloon_reset,
	.queue_kick = balloon_kick,
	.destroy = balloon_destroy,
};

int virtio_balloon_create(struct virtio_dev **out, struct ram *ram,
			  struct loop *loop,
			  const struct virtio_balloon_params *p)
{
	struct balloon *b;
	int err;

	*out = NULL;
	if (p->size % BALLOON_PAGE || p->size / BALLOON_PAGE > UINT32_MAX)
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	err = virtio_dev_init(&b->dev, &balloon_ops, p->name, ram, loop,
			      QUEUES);
	if (err) {
		free(b);
		return err;
	}
	b->deflate_on_oom = p->deflate_on_oom;
	b->report_free = p->report_free;
	b->config.num_pages = le32_put((uint32_t)(p->size / BALLOON_PAGE));
	b->task.fn = handle_task;
	*out = &b->dev;
	return 0;
}
