// SPDX-License-Identifier: MIT
/*
 * elf.c - an ELF kernel, started at its PVH entry point or, as vmlinux, at
 * the 64-bit one.
 *
 * How it works. Each PT_LOAD segment goes to its physical address, at 1 MiB
 * or above or where low memory is free. What the file does not fill stays as
 * it is: fresh RAM is zero, and so segments must not overlap.
 */
#include "memory/boot/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "memory/boot/loader.h"
#include "memory/boot/zero_page.h"

/* Linux's COMMAND_LINE_SIZE on x86, without the NUL */
enum {
	LINUX_CMDLINE_MAX = 2047
};

/* Where a kernel must not be, because boot structures are there */
static const struct {
	gpa_t start, end;
	const char *what;
} occupied[] = {
	{ LAYOUT_BOOT_GDT, LAYOUT_BOOT_GDT + BOOT_GDT_SIZE, "the GDT" },
	{ LAYOUT_BOOT_STACK - 0xff0, LAYOUT_ZERO_PAGE, "the stack" },
	{ LAYOUT_ZERO_PAGE, LAYOUT_PVH_INFO, "the zero page" },
	{ LAYOUT_PVH_INFO, LAYOUT_PAGE_TABLES, "the PVH start info" },
	{ LAYOUT_PAGE_TABLES, LAYOUT_PAGE_TABLES + 6 * 0x1000,
	  "the page tables" },
	{ LAYOUT_CMDLINE, LAYOUT_CMDLINE + LAYOUT_CMDLINE_MAX,
	  "the command line" },
	{ LAYOUT_SETUP_DATA, LAYOUT_SETUP_END, "the setup data" },
	{ LAYOUT_EBDA, LAYOUT_KERNEL, "the ACPI tables" },
};

static int refuse_occupied(const struct boot_loader *l, size_t i,
			   const struct boot_elf_segment *s)
{
	for (size_t k = 0; k < ARRAY_SIZE(occupied); k++)
		if (ranges_overlap(s->paddr, s->memsz, occupied[k].start,
				   occupied[k].end - occupied[k].start))
			return boot_fail(l, l->kernel.name, -ENOEXEC,
					 "segment %zu at 0x%llx overlaps %s, "
					 "expected 1 MiB or above",
					 i, (unsigned long long)s->paddr,
					 occupied[k].what);
	return 0;
}

static int refuse_overlap(const struct boot_loader *l, const struct boot_elf *e,
			  size_t i)
{
	const struct boot_elf_segment *s = &e->seg[i];

	for (size_t k = 0; k < i; k++)
		if (e->seg[k].type == PT_LOAD &&
		    ranges_overlap(s->paddr, s->memsz, e->seg[k].paddr,
				   e->seg[k].memsz))
			return boot_fail(
				l, l->kernel.name, -ENOEXEC,
				"damaged: segments %zu and %zu overlap "
				"in memory",
				k, i);
	return 0;
}

static int place_segment(struct boot_loader *l, const struct boot_elf *e,
			 size_t i)
{
	const struct boot_elf_segment *s = &e->seg[i];
	uint64_t end;
	int err;

	if (!checked_add_u64(s->paddr, s->memsz, &end) ||
	    end > LAYOUT_HOLE_BASE)
		return boot_fail(l, l->kernel.name, -ENOEXEC,
				 "segment %zu at 0x%llx, expected a physical "
				 "address below 3 GiB",
				 i, (unsigned long long)s->paddr);
	if (end > l->low_end)
		return boot_fail_memory(l, l->kernel.name, end);
	err = refuse_occupied(l, i, s);
	if (err)
		return err;
	err = refuse_overlap(l, e, i);
	if (err)
		return err;
	l->kernel_end = max_u64(l->kernel_end, end);
	return boot_file_load(l, &l->kernel, s->offset, s->paddr, s->filesz);
}

static int load_segments(struct boot_loader *l, const struct boot_elf *e)
{
	int err;

	for (size_t i = 0; i < e->nr; i++) {
		if (e->seg[i].type != PT_LOAD || !e->seg[i].memsz)
			continue;
		err = place_segment(l, e, i);
		if (err)
			return err;
	}
	if (!l->kernel_end)
		return boot_fail(l, l->kernel.name, -ENOEXEC,
				 "ELF file has no PT_LOAD segment: nothing to "
				 "load");
	return 0;
}

/* @entry as a physical address: it may be one already, or be virtual. */
static int find_entry(const struct boot_loader *l, const struct boot_elf *e,
		      uint64_t entry, gpa_t *out)
{
	const struct boot_elf_segment *s;
	size_t i;

	for (i = 0, s = e->seg; i < e->nr; i++, s++)
		if (s->type == PT_LOAD && entry - s->paddr < s->memsz) {
			*out = entry;
			return 0;
		}
	for (i = 0, s = e->seg; i < e->nr; i++, s++)
		if (s->type == PT_LOAD && entry - s->vaddr < s->memsz) {
			*out = s->paddr + (entry - s->vaddr);
			return 0;
		}
	return boot_fail(l, l->kernel.name, -ENOEXEC,
			 "entry point 0x%llx is in no segment",
			 (unsigned long long)entry);
}

/* What both protocols need before they write what they hand over. */
static int prepare(struct boot_loader *l, const struct boot_elf *e,
		   uint64_t entry, uint64_t cmdline_max, struct boot_entry *out)
{
	int err;

	err = find_entry(l, e, entry, &out->entry);
	if (err)
		return err;
	err = boot_initrd_load(l, UINT64_MAX);
	if (err)
		return err;
	return boot_cmdline_write(l, cmdline_max);
}

static int start_pvh(struct boot_loader *l, const struct boot_elf *e,
		     uint64_t entry, struct boot_entry *out)
{
	int err;

	err = prepare(l, e, entry, UINT64_MAX, out);
	if (err)
		return err;
	out->mode = BOOT_MODE_PROT32;
	out->info = LAYOUT_PVH_INFO;
	return boot_pvh_write(l);
}

static int start_linux(struct boot_loader *l, const struct boot_elf *e,
		       struct boot_entry *out)
{
	/* vmlinux has lost its setup header: the part that Linux looks at */
	struct zp_setup_header h = {
		.boot_flag = le16_put(ZP_BOOT_FLAG),
		.header = le32_put(ZP_HEADER_MAGIC),
		.version = le16_put(ZP_VERSION_OURS),
		.loadflags = ZP_LOADED_HIGH,
		.kernel_alignment = le32_put(16 << 20),
	};
	int err;

	err = prepare(l, e, e->entry, LINUX_CMDLINE_MAX, out);
	if (err)
		return err;
	out->mode = BOOT_MODE_LONG64;
	out->info = LAYOUT_ZERO_PAGE;
	return boot_zero_page_write(l, &h);
}

/* Whether to take the PVH entry point, given whether there is one. */
static int choose_pvh(const struct boot_loader *l, const struct boot_elf *e,
		      bool has_note, bool *pvh)
{
	enum boot_protocol protocol = l->p->protocol;
	const char *name = l->kernel.name;

	/* PVH has no way to hand a device tree over. */
	*pvh = protocol == BOOT_PVH ||
	       (protocol == BOOT_AUTO && has_note && !l->p->device_tree);
	if (*pvh && !has_note)
		return boot_fail(l, name, -ENOEXEC,
				 "has no PVH note (XEN_ELFNOTE_PHYS32_ENTRY): "
				 "it cannot be started with PVH");
	if (*pvh && l->p->device_tree)
		return boot_fail(l, name, -EINVAL,
				 "PVH cannot hand over a device tree, the "
				 "Linux protocol can");
	if (!*pvh && !e->is64)
		return boot_fail(l, name, -ENOEXEC,
				 "ELF for i386, expected x86-64 (32-bit "
				 "kernels start with PVH only)");
	return 0;
}

int boot_elf_load(struct boot_loader *l, struct boot_entry *out)
{
	uint64_t pvh_entry;
	struct boot_elf e;
	int err, has_note;
	bool pvh;

	err = boot_elf_read(l, &e);
	if (err)
		return err;
	has_note = boot_elf_pvh_entry(l, &e, &pvh_entry);
	if (has_note < 0)
		return has_note;
	err = choose_pvh(l, &e, has_note, &pvh);
	if (err)
		return err;
	err = load_segments(l, &e);
	if (err)
		return err;
	if (pvh)
		return start_pvh(l, &e, pvh_entry, out);
	return start_linux(l, &e, out);
}
