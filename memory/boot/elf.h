/* SPDX-License-Identifier: MIT */
/*
 * elf.h - an ELF file's segments in one form for both classes, all checked
 * against the file.
 */
#ifndef MINIVMM_MEMORY_BOOT_ELF_H
#define MINIVMM_MEMORY_BOOT_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_loader;

#define BOOT_ELF_SEGMENTS_MAX 64

struct boot_elf_segment {
	uint32_t type;
	uint64_t offset;
	uint64_t vaddr;
	uint64_t paddr;
	uint64_t filesz;
	uint64_t memsz;
	uint64_t align;
};

struct boot_elf {
	bool is64;
	uint64_t entry;
	size_t nr;
	struct boot_elf_segment seg[BOOT_ELF_SEGMENTS_MAX];
};

/*
 * Read the headers of the kernel of @l into *@e: an x86 executable, its
 * segments inside the file. 0 or -errno with the reason in the loader's line.
 */
int boot_elf_read(const struct boot_loader *l, struct boot_elf *e);

/*
 * Look for the PVH note (XEN_ELFNOTE_PHYS32_ENTRY). 1 and *entry when there
 * is one, 0 when not, -errno with the reason in the loader's line.
 */
int boot_elf_pvh_entry(const struct boot_loader *l, const struct boot_elf *e,
		       uint64_t *entry);

#endif
