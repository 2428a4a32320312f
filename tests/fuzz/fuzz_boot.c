// SPDX-License-Identifier: MIT
/*
 * fuzz_boot.c - foreign bytes as a kernel file.
 *
 * The first byte chooses a protocol and options, the second a file: a complete
 * bzImage, ELF64 or ELF32 kernel, which the rest of the input patches and
 * prolongs, or the rest of the input as it is. So most files are nearly valid
 * and come as far as the last check.
 *
 *   patch: offset (2 bytes), length 0..8, that many bytes; length 0: what
 *   follows is appended to the file
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "memory/boot/boot.h"
#include "memory/ram.h"
#include "tests/unit/tiny_kernels.h"

#define FILE_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *bytes;
	size_t left;
};

static uint8_t take(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->bytes++;
}

static void require(bool claim)
{
	if (!claim)
		abort();
}

static size_t template_file(uint8_t choice, uint8_t *file)
{
	struct tiny_bzimage bz;
	struct tiny_elf32 e32;
	struct tiny_elf e64;

	switch (choice & 3) {
	case 0:
		tiny_bzimage_init(&bz);
		bz.h.pref_address = le64_put(2 * MIB);
		bz.h.init_size = le32_put(MIB);
		memcpy(file, &bz, sizeof(bz));
		return sizeof(bz);
	case 1:
		tiny_elf_init(&e64);
		memcpy(file, &e64, sizeof(e64));
		return sizeof(e64);
	case 2:
		tiny_elf32_init(&e32);
		memcpy(file, &e32, sizeof(e32));
		return sizeof(e32);
	default:
		return 0;
	}
}

static size_t patch_file(struct input *in, uint8_t *file, size_t len)
{
	while (len && in->left >= 3) {
		size_t at = take(in);
		size_t n;

		at |= (size_t)take(in) << 8;
		n = take(in) % 9;
		if (!n)
			break;
		for (; n; n--, at++) {
			uint8_t b = take(in);

			if (at < len)
				file[at] = b;
		}
	}
	if (in->left > FILE_MAX - len)
		in->left = FILE_MAX - len;
	memcpy(file + len, in->bytes, in->left);
	return len + in->left;
}

/* The same file and RAM every time: a run is then the parser, not mmap(). */
static void set_file(int *fd, const uint8_t *bytes, size_t len)
{
	if (*fd < 0)
		*fd = memfd_create("fuzz", MFD_CLOEXEC);
	require(*fd >= 0);
	require(!ftruncate(*fd, 0));
	require(!fd_pwrite_all(*fd, bytes, len, 0));
}

static void check_result(const struct ram *ram, const struct boot_entry *e,
			 int err, const char *why)
{
	if (err) {
		require(err < 0);
		require(!strncmp(why, "foo: ", 5) || !strncmp(why, "bar: ", 5));
		require(!strchr(why, '\n'));
		return;
	}
	require(ram_ptr(ram, e->entry, 1));
	require(e->mode == BOOT_MODE_REAL || ram_ptr(ram, e->info, 4096));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct boot_virtio_slot slot = { LAYOUT_VIRTIO_BASE, 24 };
	static int kernel_fd = -1, initrd_fd = -1;
	static struct ram *ram;
	struct input in = { data, size };
	uint8_t options = take(&in);
	struct boot_params p = {
		.kernel_name = "foo",
		.initrd_fd = -1,
		.initrd_name = "bar",
		.cmdline = "console=ttyS0",
		.protocol = options & 3,
		.nr_cpus = 1,
		.device_tree = options & 4,
		.slots = &slot,
		.nr_slots = 1,
	};
	uint8_t file[FILE_MAX];
	struct boot_entry e;
	char why[256] = "";
	size_t len;
	int err;

	if (!ram)
		require(!ram_create(&ram, 4 * MIB));
	len = template_file(take(&in), file);
	len = patch_file(&in, file, len);
	set_file(&kernel_fd, file, len);
	p.kernel_fd = kernel_fd;
	if (options & 8) {
		set_file(&initrd_fd, file, min_u64(len, 5000));
		p.initrd_fd = initrd_fd;
	}
	err = boot_load(ram, &p, &e, why, sizeof(why));
	check_result(ram, &e, err, why);
	return 0;
}
