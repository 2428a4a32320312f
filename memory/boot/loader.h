/* SPDX-License-Identifier: MIT */
/*
 * loader.h - what the files of memory/boot/ share: the load in progress, its
 * files and its one line of complaint.
 *
 * How it works. boot_load() opens the kernel, asks recognise() what it is and
 * calls one loader. A loader checks the file, reads it straight into guest
 * RAM, sets kernel_end, places the initrd and writes what its protocol hands
 * over. ACPI tables are the same for all of them.
 *
 * All functions return 0 or -errno with the reason in the loader's line.
 */
#ifndef MINIVMM_MEMORY_BOOT_LOADER_H
#define MINIVMM_MEMORY_BOOT_LOADER_H

#include <stddef.h>
#include <stdint.h>

#include "memory/boot/boot.h"
#include "memory/layout_x86.h"

struct ram;
struct zp_setup_header;

struct boot_file {
	int fd;
	const char *name;
	uint64_t size;
};

struct boot_loader {
	struct ram *ram;
	const struct boot_params *p;
	struct boot_file kernel;
	uint64_t low_end;     /* RAM below the hole ends here */
	gpa_t kernel_end;     /* first byte above all the kernel needs */
	gpa_t initrd;	      /* 0: none */
	uint64_t initrd_size; /* in bytes */
	char *why;
	size_t why_len;
};

/* A piece of the memory map, in e820's numbers. */
enum boot_mem_type {
	BOOT_MEM_RAM = 1,
	BOOT_MEM_RESERVED = 2,
};

struct boot_mem_range {
	gpa_t base;
	uint64_t size;
	enum boot_mem_type type;
};

#define BOOT_MEM_RANGES_MAX 4

/* file.c: write "@name: ..." as the reason and return @err. */
int boot_fail(const struct boot_loader *l, const char *name, int err,
	      const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The reason every "not enough RAM" gives: bytes needed from address 0. */
int boot_fail_memory(const struct boot_loader *l, const char *name,
		     uint64_t needed);
/* @what ("a kernel") is named when the file is empty. */
int boot_file_open(const struct boot_loader *l, int fd, const char *name,
		   const char *what, struct boot_file *out);
/* All of [off, off + len), or the file is truncated. */
int boot_file_read(const struct boot_loader *l, const struct boot_file *f,
		   uint64_t off, void *buf, size_t len);
/* The same, straight into guest RAM. */
int boot_file_load(const struct boot_loader *l, const struct boot_file *f,
		   uint64_t off, gpa_t gpa, uint64_t len);

/* One loader per kind of file */
int boot_bzimage_load(struct boot_loader *l, struct boot_entry *out);
int boot_elf_load(struct boot_loader *l, struct boot_entry *out);
int boot_flat_load(struct boot_loader *l, struct boot_entry *out);

/*
 * initrd.c: place the initrd, if there is one, as high as it fits between
 * kernel_end and @limit (exclusive); sets initrd and initrd_size.
 */
int boot_initrd_load(struct boot_loader *l, uint64_t limit);

/* params.c: fills @map in ascending order, returns how many. */
size_t boot_mem_map(const struct ram *ram, struct boot_mem_range *map);
/* At most @max bytes without the NUL. */
int boot_cmdline_write(const struct boot_loader *l, uint64_t max);
/*
 * The zero page around the setup header @h, in which the loader's fields are
 * filled in, and setup_data.
 */
int boot_zero_page_write(const struct boot_loader *l,
			 struct zp_setup_header *h);

/* setup_data.c: the list of setup_data; *first is its first node's address. */
int boot_setup_data_write(const struct boot_loader *l, gpa_t *first);

/* pvh.c: hvm_start_info with modules and memory map at LAYOUT_PVH_INFO. */
int boot_pvh_write(const struct boot_loader *l);

/* cpu_tables.c: the GDT for @mode, and page tables if it is a 64-bit mode. */
int boot_cpu_tables_write(const struct boot_loader *l, enum boot_mode mode);

/*
 * fdt.c: like fdt_build(), and /chosen names the initrd at [@initrd,
 * @initrd + @initrd_size), if @initrd_size is not 0.
 */
int fdt_build_initrd(const struct boot_params *p, uint64_t ram_size,
		     gpa_t initrd, uint64_t initrd_size, void **out,
		     size_t *size);

#endif
