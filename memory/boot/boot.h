/* SPDX-License-Identifier: MIT */
/*
 * boot.h - from a kernel file to RAM that a CPU can start in.
 *
 * boot_load() recognises the kernel, loads it with its initrd, writes the
 * structures its protocol asks for (zero page, start info, ACPI tables, page
 * tables, device tree) and says in what state the first CPU starts.
 *
 * One thread, before any vCPU runs.
 */
#ifndef MINIVMM_MEMORY_BOOT_BOOT_H
#define MINIVMM_MEMORY_BOOT_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/layout_x86.h"

struct ram;

enum boot_protocol {
	/*
	 * bzImage -> linux; ELF -> pvh with a PVH note and no device tree to
	 * hand over, else linux
	 */
	BOOT_AUTO,
	BOOT_LINUX, /* entry with a zero page: bzImage or 64-bit ELF vmlinux */
	BOOT_PVH,   /* 32-bit entry with an hvm_start_info: ELF with the note */
	BOOT_FLAT,  /* raw image at LAYOUT_FLAT_IMAGE, started in real mode */
};

/* One virtio-mmio window, for the DSDT and the device tree. */
struct boot_virtio_slot {
	gpa_t base;
	unsigned int gsi;
};

struct boot_params {
	int kernel_fd;
	const char *kernel_name; /* for messages */
	int initrd_fd;		 /* -1: none */
	const char *initrd_name;
	const char *cmdline; /* never NULL */
	enum boot_protocol protocol;
	unsigned int nr_cpus;
	bool device_tree; /* hand the blob over as SETUP_DTB */
	const uint64_t
		*seed; /* of the kernel's seed; NULL: the host's entropy */
	const struct boot_virtio_slot *slots;
	size_t nr_slots;
};

enum boot_mode {
	BOOT_MODE_REAL,	   /* CS = entry >> 4, IP = 0, DS..SS = CS */
	BOOT_MODE_PROT32,  /* flat 32-bit, paging off (PVH): info in EBX */
	BOOT_MODE_LINUX32, /* the same, Linux's way: info in ESI */
	BOOT_MODE_LONG64,  /* flat 64-bit, identity-mapped first 4 GiB */
};

/*
 * Selectors of the GDT at LAYOUT_BOOT_GDT: flat segments that fit the mode,
 * where the boot protocols want __BOOT_CS and __BOOT_DS, and a busy
 * TSS. Not there in BOOT_MODE_REAL.
 */
enum {
	BOOT_SEL_CODE = 0x10,
	BOOT_SEL_DATA = 0x18,
	BOOT_SEL_TSS = 0x20,
	BOOT_GDT_SIZE = 0x30, /* a TSS takes two slots in long mode */
};

/* How the first CPU starts; vcpu/x86/entry.c makes a cpu_state of it. */
struct boot_entry {
	enum boot_mode mode;
	gpa_t entry;
	gpa_t info; /* zero page or hvm_start_info; 0 for flat */
};

/*
 * Load everything into @ram, which must be as ram_create() made it: what has
 * to be zero is not written. 0, or -errno with one clear line in @why (what
 * is wrong with which file, and what was expected).
 */
int boot_load(struct ram *ram, const struct boot_params *p,
	      struct boot_entry *out, char *why, size_t why_len);

/*
 * The device tree of the machine (Devicetree Specification v0.4), in a
 * buffer from malloc that is the caller's; *size in bytes. @ram_size decides
 * the memory nodes. Also used by `minivmm check --dump-dtb`. 0 or -errno.
 */
int fdt_build(const struct boot_params *p, uint64_t ram_size, void **out,
	      size_t *size);

#endif
