// SPDX-License-Identifier: MIT
/*
 * cpu_tables.c - the GDT and the page tables that a kernel starts on.
 */
#include "base/checked.h"
#include "base/le.h"
#include "memory/boot/loader.h"
#include "memory/ram.h"

/* Descriptors (SDM 3A §3.4.5): present, accessed, DPL 0, base 0 */
#define GDT_CODE32 0x00cf9b000000ffffull /* execute/read, 4 GiB */
#define GDT_CODE64 0x00af9b000000ffffull /* the same with L */
#define GDT_DATA   0x00cf93000000ffffull /* read/write, 4 GiB */
#define GDT_TSS	   0x00008b0000000067ull /* busy, limit 0x67 */

/* Page table entries (SDM 3A §4.5) */
#define PTE_TABLE  0x3ull  /* present, writable */
#define PTE_2M	   0x83ull /* and a page */
#define PT_ENTRIES 512
#define PT_DIRS	   4 /* page directories: 1 GiB each */

static int write_gdt(const struct boot_loader *l, enum boot_mode mode)
{
	le64 gdt[BOOT_GDT_SIZE / sizeof(le64)] = { 0 };

	gdt[BOOT_SEL_CODE / 8] =
		le64_put(mode == BOOT_MODE_LONG64 ? GDT_CODE64 : GDT_CODE32);
	gdt[BOOT_SEL_DATA / 8] = le64_put(GDT_DATA);
	gdt[BOOT_SEL_TSS / 8] = le64_put(GDT_TSS);
	return ram_write(l->ram, LAYOUT_BOOT_GDT, gdt, sizeof(gdt));
}

/* PML4, PDPT and four page directories, one page after the other. */
static int write_page_tables(const struct boot_loader *l)
{
	const gpa_t pdpt = LAYOUT_PAGE_TABLES + RAM_PAGE;
	const gpa_t dirs = pdpt + RAM_PAGE;
	le64 pml4 = le64_put(pdpt | PTE_TABLE);
	le64 ptr[PT_DIRS], dir[PT_ENTRIES];
	int err;

	err = ram_write(l->ram, LAYOUT_PAGE_TABLES, &pml4, sizeof(pml4));
	if (err)
		return err;
	for (uint64_t i = 0; i < PT_DIRS; i++) {
		ptr[i] = le64_put((dirs + i * RAM_PAGE) | PTE_TABLE);
		for (uint64_t j = 0; j < PT_ENTRIES; j++)
			dir[j] = le64_put(i << 30 | j << 21 | PTE_2M);
		err = ram_write(l->ram, dirs + i * RAM_PAGE, dir, sizeof(dir));
		if (err)
			return err;
	}
	return ram_write(l->ram, pdpt, ptr, sizeof(ptr));
}

int boot_cpu_tables_write(const struct boot_loader *l, enum boot_mode mode)
{
	int err;

	if (mode == BOOT_MODE_REAL)
		return 0;
	err = write_gdt(l, mode);
	if (err || mode != BOOT_MODE_LONG64)
		return err;
	return write_page_tables(l);
}
