// SPDX-License-Identifier: MIT
/*
 * flat.c - a raw image that starts in real mode, for tests and tiny guests.
 */
#include <errno.h>

#include "memory/boot/loader.h"

int boot_flat_load(struct boot_loader *l, struct boot_entry *out)
{
	const uint64_t room = LAYOUT_EBDA - LAYOUT_FLAT_IMAGE;
	const struct boot_file *f = &l->kernel;
	int err;

	if (l->p->initrd_fd >= 0)
		return boot_fail(l, f->name, -EINVAL,
				 "a flat image takes no initrd");
	if (l->p->device_tree)
		return boot_fail(l, f->name, -EINVAL,
				 "a flat image takes no device tree");
	if (f->size > room)
		return boot_fail(l, f->name, -EFBIG,
				 "flat image of %llu bytes, expected %llu at "
				 "most",
				 (unsigned long long)f->size,
				 (unsigned long long)room);
	err = boot_file_load(l, f, 0, LAYOUT_FLAT_IMAGE, f->size);
	if (err)
		return err;
	*out = (struct boot_entry){
		.mode = BOOT_MODE_REAL,
		.entry = LAYOUT_FLAT_IMAGE,
	};
	return 0;
}
