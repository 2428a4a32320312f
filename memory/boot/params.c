// SPDX-License-Identifier: MIT
/*
 * params.c - what Linux is told at its entry point: zero page, memory map,
 * command line.
 */
#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "memory/boot/loader.h"
#include "memory/boot/zero_page.h"
#include "memory/ram.h"

size_t boot_mem_map(const struct ram *ram, struct boot_mem_range *map)
{
	size_t n = 0;

	map[n++] = (struct boot_mem_range){ 0, LAYOUT_EBDA, BOOT_MEM_RAM };
	map[n++] = (struct boot_mem_range){ LAYOUT_EBDA,
					    LAYOUT_KERNEL - LAYOUT_EBDA,
					    BOOT_MEM_RESERVED };
	for (size_t i = 0; i < ram_nr_regions(ram); i++) {
		const struct ram_region *r = ram_region(ram, i);
		gpa_t from = max_u64(r->base, LAYOUT_KERNEL);

		if (r->base + r->size > from)
			map[n++] = (struct boot_mem_range){
				from, r->base + r->size - from, BOOT_MEM_RAM
			};
	}
	return n;
}

int boot_cmdline_write(const struct boot_loader *l, uint64_t max)
{
	size_t len = strlen(l->p->cmdline);

	max = min_u64(max, LAYOUT_CMDLINE_MAX - 1);
	if (len > max)
		return boot_fail(l, l->kernel.name, -E2BIG,
				 "takes a command line of %llu bytes, it has "
				 "%zu",
				 (unsigned long long)max, len);
	return ram_write(l->ram, LAYOUT_CMDLINE, l->p->cmdline, len + 1);
}

static void fill_header(const struct boot_loader *l, struct zp_setup_header *h)
{
	h->vid_mode = le16_put(ZP_VID_MODE_NORMAL);
	h->type_of_loader = ZP_LOADER_UNDEFINED;
	h->loadflags |= ZP_CAN_USE_HEAP;
	/* Unused at the entry points, but a loader has to set it. */
	h->heap_end_ptr = le16_put(0xfe00);
	h->ramdisk_image = le32_put((uint32_t)l->initrd);
	h->ramdisk_size = le32_put((uint32_t)l->initrd_size);
	h->cmd_line_ptr = le32_put(LAYOUT_CMDLINE);
}

int boot_zero_page_write(const struct boot_loader *l, struct zp_setup_header *h)
{
	struct boot_mem_range map[BOOT_MEM_RANGES_MAX];
	size_t n = boot_mem_map(l->ram, map);
	struct zp_page page = { 0 };
	gpa_t setup_data;
	int err;

	err = boot_setup_data_write(l, &setup_data);
	if (err)
		return err;
	fill_header(l, h);
	h->setup_data = le64_put(setup_data);

	page.hdr = *h;
	page.acpi_rsdp_addr = le64_put(LAYOUT_ACPI);
	/* Everything lies below 4 GiB. */
	page.ext_ramdisk_image = le32_put((uint32_t)(l->initrd >> 32));
	page.ext_ramdisk_size = le32_put((uint32_t)(l->initrd_size >> 32));
	page.ext_cmd_line_ptr = le32_put(LAYOUT_CMDLINE >> 32);
	page.e820_entries = (uint8_t)n;
	for (size_t i = 0; i < n; i++)
		page.e820[i] = (struct zp_e820){
			.addr = le64_put(map[i].base),
			.size = le64_put(map[i].size),
			.type = le32_put(map[i].type),
		};
	return ram_write(l->ram, LAYOUT_ZERO_PAGE, &page, sizeof(page));
}
