/* SPDX-License-Identifier: MIT */
/*
 * boot_guest.h - a guest to boot in a unit test: RAM, crafted files, and what
 * boot_load() made of them.
 */
#ifndef MINIVMM_TESTS_UNIT_BOOT_GUEST_H
#define MINIVMM_TESTS_UNIT_BOOT_GUEST_H

#include "tests/unit/unit.h"

#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "memory/boot/boot.h"
#include "memory/ram.h"
#include "tests/unit/tiny_kernels.h"

struct boot_guest {
	struct ram *ram;
	struct boot_params p;
	struct boot_entry entry;
	char why[256];
};

static inline int guest_file(const void *bytes, size_t len)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_pwrite_all(fd, bytes, len, 0), 0);
	return fd;
}

/* A guest with @bytes as its kernel. */
static inline struct boot_guest guest_with(uint64_t ram, const void *bytes,
					   size_t len)
{
	struct boot_guest g = {
		.p = {
			.kernel_fd = guest_file(bytes, len),
			.kernel_name = "foo",
			.initrd_fd = -1,
			.initrd_name = "bar",
			.cmdline = "console=ttyS0",
			.nr_cpus = 1,
		},
	};

	assert_int_equal(ram_create(&g.ram, ram), 0);
	return g;
}

static inline int guest_load(struct boot_guest *g)
{
	return boot_load(g->ram, &g->p, &g->entry, g->why, sizeof(g->why));
}

static inline void guest_free(struct boot_guest *g)
{
	fd_close(&g->p.kernel_fd);
	fd_close(&g->p.initrd_fd);
	ram_destroy(g->ram);
}

/* Load fails and the line has @text in it; the guest is freed. */
static inline void guest_refuses(struct boot_guest *g, const char *text)
{
	assert_true(guest_load(g) < 0);
	if (!strstr(g->why, text))
		fail_msg("expected \"%s\" in \"%s\"", text, g->why);
	assert_null(strchr(g->why, '\n'));
	guest_free(g);
}

static inline void guest_loads(struct boot_guest *g)
{
	if (guest_load(g))
		fail_msg("refused: %s", g->why);
}

#endif
