/* SPDX-License-Identifier: MIT */
/*
 * zero_page.h - struct boot_params of Linux, as far as a loader writes it.
 *
 * Names and offsets are those of the kernel's documents
 * Documentation/arch/x86/boot.rst and zero-page.rst.
 */
#ifndef MINIVMM_MEMORY_BOOT_ZERO_PAGE_H
#define MINIVMM_MEMORY_BOOT_ZERO_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/le.h"

enum {
	ZP_HEADER_MAGIC = 0x53726448, /* "HdrS" */
	ZP_BOOT_FLAG = 0xaa55,
	ZP_VERSION_64BIT = 0x020c, /* the first with xloadflags */
	ZP_VERSION_OURS = 0x020f,
	ZP_LOADER_UNDEFINED = 0xff,
	ZP_VID_MODE_NORMAL = 0xffff,
	ZP_HEADER_AT = 0x1f1,	    /* in the file and in the page */
	ZP_HEADER_END_BASE = 0x202, /* + the byte at 0x201: end of header */
	ZP_ENTRY_64 = 0x200,	    /* in the loaded kernel */
	ZP_SECTOR = 512,
	ZP_SETUP_SECTS_DEFAULT = 4,
};

/* loadflags */
enum {
	ZP_LOADED_HIGH = 1 << 0,
	ZP_CAN_USE_HEAP = 1 << 7,
};

/* xloadflags */
enum {
	ZP_XLF_KERNEL_64 = 1 << 0,
};

/* setup_data types */
enum {
	ZP_SETUP_DTB = 2,
	ZP_SETUP_RNG_SEED = 9,
};

struct zp_setup_header {
	uint8_t setup_sects;
	le16 root_flags;
	le32 syssize; /* in 16-byte units */
	le16 ram_size;
	le16 vid_mode;
	le16 root_dev;
	le16 boot_flag;
	uint8_t jump;
	uint8_t jump_len;
	le32 header;
	le16 version;
	le32 realmode_swtch;
	le16 start_sys_seg;
	le16 kernel_version;
	uint8_t type_of_loader;
	uint8_t loadflags;
	le16 setup_move_size;
	le32 code32_start;
	le32 ramdisk_image;
	le32 ramdisk_size;
	le32 bootsect_kludge;
	le16 heap_end_ptr;
	uint8_t ext_loader_ver;
	uint8_t ext_loader_type;
	le32 cmd_line_ptr;
	le32 initrd_addr_max;
	le32 kernel_alignment;
	uint8_t relocatable_kernel;
	uint8_t min_alignment;
	le16 xloadflags;
	le32 cmdline_size;
	le32 hardware_subarch;
	le64 hardware_subarch_data;
	le32 payload_offset;
	le32 payload_length;
	le64 setup_data;
	le64 pref_address;
	le32 init_size;
	le32 handover_offset;
	le32 kernel_info_offset;
	uint8_t newer[0x290 - 0x26c]; /* fields of later protocols */
} __attribute__((packed));

struct zp_e820 {
	le64 addr;
	le64 size;
	le32 type;
} __attribute__((packed));

struct zp_page {
	uint8_t screen_info[0x70];
	le64 acpi_rsdp_addr;
	uint8_t pad1[0xc0 - 0x78];
	le32 ext_ramdisk_image;
	le32 ext_ramdisk_size;
	le32 ext_cmd_line_ptr;
	uint8_t pad2[0x1e8 - 0xcc];
	uint8_t e820_entries;
	uint8_t pad3[0x1f1 - 0x1e9]; /* sentinel included: must be 0 */
	struct zp_setup_header hdr;
	uint8_t pad4[0x2d0 - 0x290];
	struct zp_e820 e820[128];
	uint8_t pad5[0x1000 - 0xcd0];
} __attribute__((packed));

_Static_assert(offsetof(struct zp_page, hdr.header) == 0x202, "header");
_Static_assert(offsetof(struct zp_page, hdr.init_size) == 0x260, "init_size");
_Static_assert(offsetof(struct zp_page, e820) == 0x2d0, "e820");
_Static_assert(sizeof(struct zp_page) == 0x1000, "zero page");

struct zp_setup_data {
	le64 next; /* address of the next node, 0: the last one */
	le32 type;
	le32 len; /* of what follows */
};

#endif
