// SPDX-License-Identifier: MIT
/*
 * pvh.c - what a kernel is told at its PVH entry point.
 *
 * Layouts are those of Xen's public header arch-x86/hvm/start_info.h, version
 * 1; the ABI is docs/misc/pvh.pandoc there.
 */
#include "base/checked.h"
#include "base/le.h"
#include "memory/boot/loader.h"
#include "memory/ram.h"

enum {
	PVH_MAGIC = 0x336ec578,
	PVH_VERSION = 1, /* the first with a memory map */
};

struct pvh_module {
	le64 addr;
	le64 size;
	le64 cmdline;
	le64 reserved;
};

struct pvh_mem_range {
	le64 addr;
	le64 size;
	le32 type; /* as in e820 */
	le32 reserved;
};

/* The start info and, behind it, what it points to */
struct pvh_info {
	le32 magic;
	le32 version;
	le32 flags;
	le32 nr_modules;
	le64 modules;
	le64 cmdline;
	le64 rsdp;
	le64 mem_map;
	le32 mem_map_entries;
	le32 reserved;

	struct pvh_module module[1];
	struct pvh_mem_range map[BOOT_MEM_RANGES_MAX];
};

_Static_assert(offsetof(struct pvh_info, module) == 56, "hvm_start_info");
_Static_assert(LAYOUT_PVH_INFO + sizeof(struct pvh_info) <= LAYOUT_PAGE_TABLES,
	       "PVH info fits its page");

static le64 address_of(size_t offset)
{
	return le64_put(LAYOUT_PVH_INFO + offset);
}

static void fill_mem_map(const struct boot_loader *l, struct pvh_info *info)
{
	struct boot_mem_range map[BOOT_MEM_RANGES_MAX];
	size_t n = boot_mem_map(l->ram, map);

	info->mem_map = address_of(offsetof(struct pvh_info, map));
	info->mem_map_entries = le32_put((uint32_t)n);
	for (size_t i = 0; i < n; i++)
		info->map[i] = (struct pvh_mem_range){
			.addr = le64_put(map[i].base),
			.size = le64_put(map[i].size),
			.type = le32_put(map[i].type),
		};
}

int boot_pvh_write(const struct boot_loader *l)
{
	struct pvh_info info = {
		.magic = le32_put(PVH_MAGIC),
		.version = le32_put(PVH_VERSION),
		.cmdline = le64_put(LAYOUT_CMDLINE),
		.rsdp = le64_put(LAYOUT_ACPI),
	};

	fill_mem_map(l, &info);
	if (l->initrd_size) {
		info.nr_modules = le32_put(1);
		info.modules = address_of(offsetof(struct pvh_info, module));
		info.module[0].addr = le64_put(l->initrd);
		info.module[0].size = le64_put(l->initrd_size);
	}
	return ram_write(l->ram, LAYOUT_PVH_INFO, &info, sizeof(info));
}
