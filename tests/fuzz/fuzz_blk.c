// SPDX-License-Identifier: MIT
/*
 * fuzz_blk.c - block requests of any kind and layout, against a model.
 *
 * The input is a list of requests, one after the other: type, sector, length,
 * and how header, data and status are cut into descriptors. The model knows
 * what the status must be and what the disk holds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"
#include "base/log.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/blk_names.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/fake_transport.h"
#include "virtio/backend/disk.h"
#include "virtio/blk.h"

#define RAM_SIZE  (1ull << 20)
#define RING_AT	  0x0ull
#define RING_SIZE 64
#define PIECES_AT 0x2000ull
#define PIECES	  0x20000ull /* bytes there for one request */
#define DISK_SIZE (32u << 10)
#define SECTORS	  (DISK_SIZE / 512)
#define F_FLUSH	  (1u << 9)

struct fuzz {
	struct fuzz_input in;
	struct ram *ram;
	struct loop *loop;
	struct virtio_dev *dev;
	struct fake_transport t;
	struct ring r;
	int fd;
	bool readonly;
	uint8_t shadow[DISK_SIZE]; /* what the disk shall hold */

	/* The request that is being made */
	gpa_t next_piece;
	uint16_t nr_desc;
	uint8_t out[PIECES]; /* header and data, in order */
	uint32_t out_len;
	uint32_t in_len;
	gpa_t in_gpa[RING_SIZE];
	uint32_t in_piece[RING_SIZE];
	unsigned int nr_in;
};

/* Making a request */

static void add_piece(struct fuzz *f, uint32_t len, bool write)
{
	uint16_t i = f->nr_desc++;

	ring_desc(&f->r, i, f->next_piece, len,
		  RING_NEXT | (write ? RING_WRITE : 0), i + 1);
	if (write) {
		f->in_gpa[f->nr_in] = f->next_piece;
		f->in_piece[f->nr_in++] = len;
		f->in_len += len;
		ram_zero(f->ram, f->next_piece, len);
	} else {
		ram_write(f->ram, f->next_piece, f->out + f->out_len, len);
		f->out_len += len;
	}
	f->next_piece += len + 1;
}

/* @len bytes in pieces as the input says. */
static void add_pieces(struct fuzz *f, uint32_t len, bool write)
{
	uint8_t cuts = take8(&f->in) & 15;

	while (cuts-- && len) {
		uint32_t n = (uint32_t)min_u64(len, 8u * take8(&f->in) + 1);

		add_piece(f, n, write);
		len -= n;
	}
	if (len)
		add_piece(f, len, write);
}

static uint32_t some_length(struct fuzz *f, uint8_t type)
{
	uint8_t how = take8(&f->in);

	if (how & 0x80)
		return how & 0x7f;
	if (type == T_DISCARD || type == T_ZERO)
		return 16u * (how & 0x1f);
	if (type == T_ID)
		return 20;
	return 512u * (how & 0x3f);
}

static uint64_t some_sector(struct fuzz *f)
{
	uint8_t how = take8(&f->in);

	if (how == 0xff)
		return UINT64_MAX - take8(&f->in);
	if (how == 0xfe)
		return UINT64_MAX / 512 + take8(&f->in);
	return how % (SECTORS + 8);
}

static void fill_ranges(struct fuzz *f, uint8_t *at, uint32_t len)
{
	for (; len >= 16; at += 16, len -= 16) {
		uint64_t sector = some_sector(f);
		uint8_t how = take8(&f->in);
		uint32_t num = how == 0xff ? UINT32_MAX : how & 15;
		uint32_t flags = how & 0x10 ? how >> 5 : 0;

		memcpy(at, &sector, 8);
		memcpy(at + 8, &num, 4);
		memcpy(at + 12, &flags, 4);
	}
}

static uint8_t in_byte(struct fuzz *f, uint32_t off)
{
	unsigned int i;

	for (i = 0; off >= f->in_piece[i]; i++)
		off -= f->in_piece[i];
	return *(uint8_t *)ram_ptr(f->ram, f->in_gpa[i] + off, 1);
}

/* The model */

static bool fits(uint64_t sector, uint64_t sectors)
{
	return sectors <= SECTORS && sector <= SECTORS - sectors;
}

static uint8_t model_io(struct fuzz *f, bool in, uint64_t sector)
{
	uint32_t len = in ? f->in_len - 1 : f->out_len - 16;
	uint32_t i;

	if (!in && f->readonly)
		return S_IOERR;
	if (len % 512 || !fits(sector, len / 512))
		return S_IOERR;
	if (!in)
		memcpy(f->shadow + sector * 512, f->out + 16, len);
	for (i = 0; in && i < len; i++)
		require(in_byte(f, i) == f->shadow[sector * 512 + i]);
	return S_OK;
}

static uint8_t model_ranges(struct fuzz *f, uint8_t type)
{
	uint32_t len = f->out_len - 16, at;

	if (f->readonly)
		return S_IOERR;
	if (!len || len % 16 || len > 16 * 16)
		return S_IOERR;
	for (at = 16; at < f->out_len; at += 16) {
		uint64_t sector;
		uint32_t num, flags;

		memcpy(&sector, f->out + at, 8);
		memcpy(&num, f->out + at + 8, 4);
		memcpy(&flags, f->out + at + 12, 4);
		if (flags & ~(type == T_ZERO ? 1u : 0u))
			return S_UNSUPP;
		if (!fits(sector, num))
			return S_IOERR;
	}
	for (at = 16; type == T_ZERO && at < f->out_len; at += 16) {
		uint64_t sector;
		uint32_t num;

		memcpy(&sector, f->out + at, 8);
		memcpy(&num, f->out + at + 8, 4);
		memset(f->shadow + sector * 512, 0, num * 512ull);
	}
	return S_OK;
}

static uint8_t model(struct fuzz *f, uint8_t type, uint64_t sector)
{
	if (f->out_len < 16)
		return S_IOERR;
	switch (type) {
	case T_IN:
	case T_OUT:
		return model_io(f, type == T_IN, sector);
	case T_FLUSH:
	case T_ID:
		return S_OK;
	case T_DISCARD:
	case T_ZERO:
		return model_ranges(f, type);
	default:
		return S_UNSUPP;
	}
}

static void check_disk(struct fuzz *f, bool discarded)
{
	static uint8_t now[DISK_SIZE];

	require(pread(f->fd, now, DISK_SIZE, 0) == DISK_SIZE);
	if (discarded)
		memcpy(f->shadow, now, DISK_SIZE);
	require(!memcmp(now, f->shadow, DISK_SIZE));
}

static void check_answer(struct fuzz *f, uint8_t type, uint64_t sector)
{
	struct ring_used u;

	require(ring_take(&f->r, &u));
	require(u.id == 0 && u.len <= f->in_len);
	require(in_byte(f, f->in_len - 1) == model(f, type, sector));
	check_disk(f, type == T_DISCARD);
}

static void run_request(struct fuzz *f)
{
	uint8_t type = take8(&f->in) & 15;
	uint64_t sector = some_sector(f);
	uint32_t len = some_length(f, type), short_header = take8(&f->in);
	bool in = type == T_IN || type == T_ID;

	f->next_piece = PIECES_AT;
	f->nr_desc = 0;
	f->out_len = 0;
	f->in_len = 0;
	f->nr_in = 0;
	memset(f->out, short_header, 16 + len);
	memset(f->out, 0, 16);
	f->out[0] = type;
	memcpy(f->out + 8, &sector, 8);
	if (type == T_DISCARD || type == T_ZERO)
		fill_ranges(f, f->out + 16, len);

	/* The header may go with the data, the status with it, or not. */
	if (short_header == 0xff)
		add_pieces(f, 15, false);
	else
		add_pieces(f, in ? 16 : 16 + len, false);
	add_pieces(f, in ? len + 1 : 1, true);
	ring_desc(&f->r, f->nr_desc - 1, f->in_gpa[f->nr_in - 1],
		  f->in_piece[f->nr_in - 1], RING_WRITE, 0);

	ring_offer(&f->r, 0);
	virtio_dev_kick(f->dev, 0);
	fake_loop_run(f->loop);
	check_answer(f, type, sector);
}

/*
 * Life: a device for all runs, and one that is read-only; making them costs
 * more than a run does, and a reset forgets what a run did.
 */

static struct disk *open_disk(struct fuzz *f)
{
	char path[64], why[200];
	struct disk_params p = { .path = path, .readonly = f->readonly };
	struct disk *d = NULL;

	f->fd = memfd_create("disk", MFD_CLOEXEC);
	require(f->fd >= 0 && ftruncate(f->fd, DISK_SIZE) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	require(disk_open(&d, &p, f->loop, why, sizeof(why)) == 0);
	return d;
}

static void create(struct fuzz *f)
{
	struct virtio_blk_params p = { .name = "blk", .nr_queues = 1 };

	log_set_level(LOG_LEVEL_ERR);
	require(!ram_create(&f->ram, RAM_SIZE));
	require(!loop_create(&f->loop, LOOP_AUTO, 1));
	p.disk = open_disk(f);
	require(!virtio_blk_create(&f->dev, f->ram, f->loop, &p));
	fake_attach(&f->t, f->dev);
}

static struct fuzz *get_device(bool readonly)
{
	static struct fuzz devices[2];
	struct fuzz *f = &devices[readonly];

	f->readonly = readonly;
	if (!f->dev)
		create(f);
	memset(f->shadow, 0, DISK_SIZE);
	require(pwrite(f->fd, f->shadow, DISK_SIZE, 0) == DISK_SIZE);
	return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	uint8_t how = take8(&in);
	struct fuzz *f = get_device((how & 3) == 3);

	f->in = in;
	ring_init(&f->r, f->ram, RING_AT, RING_SIZE);
	fake_start_device(f->dev, how & 4 ? F_FLUSH : 0, &f->r);
	while (f->in.left)
		run_request(f);
	virtio_dev_set_status(f->dev, 0);
	require(virtio_dev_get_status(f->dev) == 0);
	return 0;
}
