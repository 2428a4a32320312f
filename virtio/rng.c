// SPDX-License-Identifier: MIT
/*
 * rng.c - the virtio entropy device (virtio 1.2 §5.4), fed by getrandom(2)
 * or from a seed.
 *
 * @syscalls: getrandom
 */
#include "virtio/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/checked.h"
#include "base/log.h"
#include "base/seed.h"
#include "virtio/device.h"

#define RNG_QUEUE_MAX 64

/*
 * Bytes given to one request. The device may fill less than the buffer
 * (virtio 1.2 §5.4.6.2), and so a turn of the loop stays short.
 */
#define RNG_REQUEST_MAX 4096

struct rng {
	struct virtio_dev dev;
	struct vq_chain chain;
	bool seeded;
	struct seed seed;
};

/* How many bytes there were. */
static size_t draw(struct rng *r, void *buf, size_t len)
{
	ssize_t n;

	if (r->seeded) {
		seed_fill(&r->seed, buf, len);
		return len;
	}
	n = getrandom(buf, len, GRND_NONBLOCK);
	return n > 0 ? (size_t)n : 0;
}

/*
 * The pool of the host is ready (see create) and then stays so: this neither
 * blocks nor fails. It fills guest RAM directly; virtio_dev_push() reports it.
 */
static uint32_t fill(struct rng *r)
{
	const struct vq_chain *c = &r->chain;
	size_t done = 0;
	unsigned int i;

	for (i = 0; i < c->nr_writable && done < RNG_REQUEST_MAX; i++) {
		const struct iovec *v = &c->writable[i];
		size_t want = min_u64(v->iov_len, RNG_REQUEST_MAX - done);
		size_t n = draw(r, v->iov_base, want);

		done += n;
		/* What follows a gap would not count as written. */
		if (n != want)
			break;
	}
	return (uint32_t)done;
}

static void rng_kick(struct virtio_dev *d, uint16_t q)
{
	struct rng *r = container_of(d, struct rng, dev);

	while (virtio_dev_pop(d, q, &r->chain))
		virtio_dev_push(d, q, &r->chain, fill(r));
}

static void rng_destroy(struct virtio_dev *d)
{
	struct rng *r = container_of(d, struct rng, dev);

	virtio_dev_fini(d);
	free(r);
}

static const struct virtio_dev_ops rng_ops = {
	.name = "rng",
	.type = 4, /* virtio 1.2 §5.4.1 */
	.queue_max = RNG_QUEUE_MAX,
	.queue_kick = rng_kick,
	.destroy = rng_destroy,
};

static int probe_host(void)
{
	char byte;

	if (getrandom(&byte, 1, GRND_NONBLOCK) == 1)
		return 0;
	log_err("rng: the host has no entropy yet");
	return -EAGAIN;
}

int virtio_rng_create(struct virtio_dev **out, struct ram *ram,
		      struct loop *loop, const char *name, const uint64_t *seed)
{
	struct rng *r;
	int err;

	*out = NULL;
	err = seed ? 0 : probe_host();
	if (err)
		return err;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	if (seed) {
		r->seeded = true;
		seed_init(&r->seed, *seed, SEED_DEVICE);
	}
	err = virtio_dev_init(&r->dev, &rng_ops, name, ram, loop, 1);
	if (err) {
		free(r);
		return err;
	}
	*out = &r->dev;
	return 0;
}
