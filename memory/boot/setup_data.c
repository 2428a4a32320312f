// SPDX-License-Identifier: MIT
/*
 * setup_data.c - the list of things the zero page has no field for: a seed
 * for the kernel's random generator and, on request, the device tree.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/checked.h"
#include "base/seed.h"
#include "memory/boot/loader.h"
#include "memory/boot/zero_page.h"
#include "memory/ram.h"

enum {
	RNG_SEED_BYTES = 32
};

/* Write one node at *@at, @last if none follows, and move *@at behind it. */
static int write_node(const struct boot_loader *l, gpa_t *at, uint32_t type,
		      const void *data, size_t len, bool last)
{
	gpa_t next =
		checked_round_up(*at + sizeof(struct zp_setup_data) + len, 8);
	struct zp_setup_data head = {
		.next = le64_put(last ? 0 : next),
		.type = le32_put(type),
		.len = le32_put((uint32_t)len),
	};
	int err;

	if (next > LAYOUT_SETUP_END)
		return boot_fail(l, l->kernel.name, -E2BIG,
				 "device tree of %zu bytes is too big", len);
	err = ram_write(l->ram, *at, &head, sizeof(head));
	if (err)
		return err;
	err = ram_write(l->ram, *at + sizeof(head), data, len);
	if (err)
		return err;
	*at = next;
	return 0;
}

static int write_device_tree(const struct boot_loader *l, gpa_t *at)
{
	void *blob;
	size_t size;
	int err;

	err = fdt_build_initrd(l->p, ram_size(l->ram), l->initrd,
			       l->initrd_size, &blob, &size);
	if (err)
		return boot_fail(l, l->kernel.name, err,
				 "device tree: libfdt refused");
	err = write_node(l, at, ZP_SETUP_DTB, blob, size, true);
	free(blob);
	return err;
}

static int draw_seed(const struct boot_loader *l, void *buf, size_t len)
{
	struct seed s;

	if (l->p->seed) {
		seed_init(&s, *l->p->seed, SEED_BOOT);
		seed_fill(&s, buf, len);
		return 0;
	}
	if (getrandom(buf, len, 0) != (ssize_t)len)
		return boot_fail(l, l->kernel.name, -EIO,
				 "no random bytes from the host");
	return 0;
}

int boot_setup_data_write(const struct boot_loader *l, gpa_t *first)
{
	uint8_t seed[RNG_SEED_BYTES];
	gpa_t at = LAYOUT_SETUP_DATA;
	int err;

	*first = at;
	err = draw_seed(l, seed, sizeof(seed));
	if (err)
		return err;
	err = write_node(l, &at, ZP_SETUP_RNG_SEED, seed, sizeof(seed),
			 !l->p->device_tree);
	explicit_bzero(seed, sizeof(seed));
	if (err || !l->p->device_tree)
		return err;
	return write_device_tree(l, &at);
}
