// SPDX-License-Identifier: MIT
/*
 * validate_disk.c - do the settings of the disks fit together?
 */
#include <string.h>

#include "base/checked.h"
#include "config/set.h"
#include "config/validate.h"

static bool is_raw_part(const struct config_disk *d)
{
	return d->offset || d->size;
}

static bool share_bytes(const struct config_disk *a,
			const struct config_disk *b)
{
	if (a->partition && b->partition)
		return strcmp(a->partition, b->partition) == 0;
	if (is_raw_part(a) && is_raw_part(b))
		return ranges_overlap(a->offset, a->size ? a->size : UINT64_MAX,
				      b->offset,
				      b->size ? b->size : UINT64_MAX);
	/* Where a partition lies is known when it is opened. */
	if (a->partition || b->partition)
		return !is_raw_part(a) && !is_raw_part(b);
	return true;
}

static bool writes(const struct config_disk *d)
{
	return !d->readonly && !d->ephemeral;
}

bool config_disks_clash(const struct config_disk *a,
			const struct config_disk *b)
{
	return (writes(a) || writes(b)) && share_bytes(a, b);
}

static int check_pair(const struct config_disk *a, const struct config_disk *b,
		      struct config_error *e)
{
	if (strcmp(a->path, b->path) != 0 || !config_disks_clash(a, b))
		return 0;
	if (a->partition && b->partition)
		return config_error_set(e,
					"disk %s and disk %s: both are "
					"partition %s of %.300s; expected "
					"readonly=on for both, or two "
					"partitions",
					a->name, b->name, a->partition,
					a->path);
	return config_error_set(e,
				"disk %s and disk %s: both are %.300s; "
				"expected readonly=on for both, or two files",
				a->name, b->name, a->path);
}

static int check_disk(const struct config_disk *d, struct config_error *e)
{
	if (!d->path)
		return config_error_set(e,
					"disk %s: no file: expected "
					"'file = FILE' in [disk %s]",
					d->name, d->name);
	if (d->partition && is_raw_part(d))
		return config_error_set(e,
					"disk %s: partition and %s; expected "
					"one of them",
					d->name, d->offset ? "offset" : "size");
	if (d->ephemeral && (d->readonly || d->direct))
		return config_error_set(e,
					"disk %s: ephemeral and %s; expected "
					"one of them",
					d->name,
					d->readonly ? "readonly" : "direct");
	return 0;
}

int config_validate_disks(const struct vm_config *c, struct config_error *e)
{
	int err = 0;

	for (size_t i = 0; !err && i < c->nr_disks; i++) {
		err = check_disk(&c->disks[i], e);
		for (size_t j = 0; !err && j < i; j++)
			err = check_pair(&c->disks[j], &c->disks[i], e);
	}
	return err;
}
