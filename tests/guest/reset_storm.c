// SPDX-License-Identifier: MIT
/*
 * reset_storm.c - four CPUs write whatever they like to the registers of a
 * disk and of the entropy device, with requests in flight, and reset them in
 * between. Afterwards both work as if nothing had happened.
 *
 * For which CPU what happens is up to chance; the numbers are not.
 */
#include "tests/guest/lib/guest.h"
#include "tests/guest/lib/virtio.h"

#define CPUS   4
#define ROUNDS 60

static struct queue storm_q, q;
static uint8_t buf[4096], sector[512];
static struct {
	uint32_t type, reserved;
	uint64_t sector;
} header;
static volatile uint8_t status;
static uintptr_t blk, rng;
static volatile uint32_t finished;

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* A queue full of reads, all of them chain 0, for whoever is given it. */
static void fill_queue(void)
{
	uint16_t i;

	storm_q.desc[0] = (struct desc){ (uintptr_t)&header, sizeof(header),
					 DESC_NEXT, 1 };
	storm_q.desc[1] = (struct desc){ (uintptr_t)buf, sizeof(buf),
					 DESC_NEXT | DESC_WRITE, 2 };
	storm_q.desc[2] = (struct desc){ (uintptr_t)&status, 1, DESC_WRITE, 0 };
	for (i = 0; i < QUEUE_SIZE; i++)
		storm_q.avail.ring[i] = 0;
	storm_q.avail.idx = QUEUE_SIZE;
}

static const uint16_t registers[] = {
	REG_FEATURES_SEL, REG_DRIVER_FEATURES, REG_DRIVER_FEATURES_SEL,
	REG_QUEUE_SEL,	  REG_QUEUE_NUM,       REG_QUEUE_READY,
	REG_QUEUE_NOTIFY, REG_IRQ_ACK,	       REG_STATUS,
	REG_QUEUE_DESC,	  REG_QUEUE_AVAIL,     REG_QUEUE_USED,
	REG_CONFIG,	  REG_STATUS,
};

static void storm(uint32_t n)
{
	uint32_t seed = n + 1;
	uint32_t i, k;

	for (i = 0; i < ROUNDS; i++) {
		uintptr_t dev = next(&seed) & 3 ? blk : rng;

		/* A device that works, as often as the others allow ... */
		if (next(&seed) & 1)
			virtio_start(dev, &storm_q, 0);
		mmio_write(dev + REG_QUEUE_NOTIFY, 0);
		/* ... and then anything. */
		k = next(&seed) % (sizeof(registers) / sizeof(registers[0]));
		mmio_write(dev + registers[k], next(&seed) & 15);
		if (next(&seed) & 1)
			mmio_write(dev + REG_STATUS, 0);
	}
	__atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
}

int guest_main(void)
{
	uint64_t until;

	blk = virtio_find(BLK_ID);
	rng = virtio_find(RNG_ID);
	expect(blk && rng, "a disk and the entropy device");
	fill_queue();
	expect(ap_start(storm, CPUS - 1) == CPUS - 1, "four CPUs");
	storm(CPUS);
	until = rdtsc() + 16000000000ull;
	while (finished < CPUS && rdtsc() < until)
		asm volatile("pause");
	expect(finished == CPUS, "the end of the storm");

	expect(virtio_start(blk, &q, 0), "a disk that starts");
	sector[0] = 0x5a;
	expect(!blk_request(blk, &q, BLK_OUT, 3, sector, 512), "a write");
	sector[0] = 0;
	expect(!blk_request(blk, &q, BLK_IN, 3, sector, 512), "a read");
	expect(sector[0] == 0x5a, "the data");
	mmio_write(blk + REG_STATUS, 0);
	expect(!mmio_read(blk + REG_STATUS), "a disk that is reset");
	return 0;
}
