// SPDX-License-Identifier: MIT
/*
 * initrd.c - the initial RAM disk, as high in low RAM as the kernel allows.
 */
#include <errno.h>

#include "base/checked.h"
#include "memory/boot/loader.h"
#include "memory/ram.h"

int boot_initrd_load(struct boot_loader *l, uint64_t limit)
{
	const struct boot_params *p = l->p;
	uint64_t floor = max_u64(l->kernel_end, LAYOUT_KERNEL);
	struct boot_file f;
	gpa_t gpa;
	int err;

	if (p->initrd_fd < 0)
		return 0;
	err = boot_file_open(l, p->initrd_fd, p->initrd_name, "an initrd", &f);
	if (err)
		return err;

	limit = min_u64(limit, l->low_end);
	floor = checked_round_up(floor, RAM_PAGE);
	if (f.size > limit || ((limit - f.size) & ~(RAM_PAGE - 1)) < floor)
		return boot_fail(l, f.name, -ENOMEM,
				 "initrd of %llu KiB does not fit between the "
				 "kernel's end at %llu MiB and %llu MiB",
				 (unsigned long long)(f.size >> 10),
				 (unsigned long long)(floor >> 20),
				 (unsigned long long)(limit >> 20));
	gpa = (limit - f.size) & ~(RAM_PAGE - 1);
	err = boot_file_load(l, &f, 0, gpa, f.size);
	if (err)
		return err;
	l->initrd = gpa;
	l->initrd_size = f.size;
	return 0;
}
