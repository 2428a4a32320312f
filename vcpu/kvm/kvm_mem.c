// SPDX-License-Identifier: MIT
/*
 * kvm_mem.c - RAM regions as KVM memory slots, and the dirty log.
 */
#include "vcpu/kvm/kvm_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/log.h"

static struct kvm_engine *of_ram(struct ram_listener *l)
{
	return container_of(l, struct kvm_engine, ram_listener);
}

/* Slot n is region n; a size of 0 takes the slot away. */
static int set_slot(struct kvm_engine *k, const struct ram_region *r,
		    uint64_t size, uint32_t flags)
{
	const struct kvm_userspace_memory_region slot = {
		.slot = r->index,
		.flags = flags,
		.guest_phys_addr = r->base,
		.memory_size = size,
		.userspace_addr = (uint64_t)(uintptr_t)r->host,
	};
	int err = kvm_ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot);

	if (err)
		log_err("kvm: memory slot at %#llx: %s",
			(unsigned long long)r->base, strerror(-err));
	return err;
}

static int region_added(struct ram_listener *l, const struct ram_region *r)
{
	return set_slot(of_ram(l), r, r->size, 0);
}

static void region_removed(struct ram_listener *l, const struct ram_region *r)
{
	set_slot(of_ram(l), r, 0, 0);
}

static int dirty_log(struct ram_listener *l, const struct ram_region *r,
		     bool on)
{
	return set_slot(of_ram(l), r, r->size,
			on ? KVM_MEM_LOG_DIRTY_PAGES : 0);
}

static int dirty_fetch(struct ram_listener *l, const struct ram_region *r,
		       uint64_t *bitmap)
{
	struct kvm_engine *k = of_ram(l);
	size_t w, words = ram_dirty_words(k->ram, r->index);
	struct kvm_dirty_log log = { .slot = r->index };
	uint64_t *own;
	int err;

	own = calloc(words, sizeof(*own));
	if (!own)
		return -ENOMEM;
	log.dirty_bitmap = own;
	err = kvm_ioctl(k->vm_fd, KVM_GET_DIRTY_LOG, &log);
	for (w = 0; !err && w < words; w++)
		bitmap[w] |= own[w];
	free(own);
	return err;
}

int kvm_mem_init(struct kvm_engine *k)
{
	k->ram_listener = (struct ram_listener){
		.region_added = region_added,
		.region_removed = region_removed,
		.dirty_log = dirty_log,
		.dirty_fetch = dirty_fetch,
	};
	return ram_add_listener(k->ram, &k->ram_listener);
}

void kvm_mem_fini(struct kvm_engine *k)
{
	ram_del_listener(k->ram, &k->ram_listener);
}
