/* SPDX-License-Identifier: MIT */
/*
 * tiny_kernels.h - kernels that boot nowhere but are complete, to be loaded,
 * or damaged and refused.
 */
#ifndef MINIVMM_TESTS_UNIT_TINY_KERNELS_H
#define MINIVMM_TESTS_UNIT_TINY_KERNELS_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "memory/boot/zero_page.h"

#define MIB (1ull << 20)

/* A 64-bit bzImage */
#define TINY_CODE_BYTES 2048
struct tiny_bzimage {
	uint8_t boot_sector[ZP_HEADER_AT];
	struct zp_setup_header h;
	uint8_t setup[2 * ZP_SECTOR - 0x290];
	uint8_t code[TINY_CODE_BYTES];
} __attribute__((packed));

static inline void tiny_bzimage_init(struct tiny_bzimage *b)
{
	memset(b, 0, sizeof(*b));
	b->h.setup_sects = 1;
	b->h.syssize = le32_put(TINY_CODE_BYTES / 16);
	b->h.boot_flag = le16_put(ZP_BOOT_FLAG);
	b->h.jump = 0xeb;
	b->h.jump_len = 0x6a;
	b->h.header = le32_put(ZP_HEADER_MAGIC);
	b->h.version = le16_put(0x20f);
	b->h.loadflags = ZP_LOADED_HIGH;
	b->h.initrd_addr_max = le32_put(0x7fffffff);
	b->h.kernel_alignment = le32_put(2 << 20);
	b->h.relocatable_kernel = 1;
	b->h.xloadflags = le16_put(ZP_XLF_KERNEL_64);
	b->h.cmdline_size = le32_put(2047);
	b->h.pref_address = le64_put(16 * MIB);
	b->h.init_size = le32_put(8 * MIB);
	for (size_t i = 0; i < sizeof(b->code); i++)
		b->code[i] = (uint8_t)(i * 7);
}

/* An ELF vmlinux: two segments, and a PVH note that may be hidden. */
struct tiny_elf {
	Elf64_Ehdr h;
	Elf64_Phdr ph[3]; /* text, data with bss, note */
	struct {
		Elf64_Nhdr n;
		char owner[4];
		uint32_t entry;
	} note;
	uint8_t text[256];
	uint8_t data[64];
};

static inline void tiny_elf_init(struct tiny_elf *e)
{
	memset(e, 0, sizeof(*e));
	memcpy(e->h.e_ident, ELFMAG, SELFMAG);
	e->h.e_ident[EI_CLASS] = ELFCLASS64;
	e->h.e_ident[EI_DATA] = ELFDATA2LSB;
	e->h.e_ident[EI_VERSION] = EV_CURRENT;
	e->h.e_type = ET_EXEC;
	e->h.e_machine = EM_X86_64;
	e->h.e_version = EV_CURRENT;
	e->h.e_entry = 0x100010;
	e->h.e_phoff = offsetof(struct tiny_elf, ph);
	e->h.e_ehsize = sizeof(e->h);
	e->h.e_phentsize = sizeof(e->ph[0]);
	e->h.e_phnum = 3;
	e->ph[0] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = offsetof(struct tiny_elf, text),
		.p_vaddr = 0xffffffff80100000,
		.p_paddr = 0x100000,
		.p_filesz = sizeof(e->text),
		.p_memsz = sizeof(e->text),
	};
	e->ph[1] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = offsetof(struct tiny_elf, data),
		.p_vaddr = 0xffffffff80101000,
		.p_paddr = 0x101000,
		.p_filesz = sizeof(e->data),
		.p_memsz = 0x1000,
	};
	e->ph[2] = (Elf64_Phdr){
		.p_type = PT_NOTE,
		.p_offset = offsetof(struct tiny_elf, note),
		.p_filesz = sizeof(e->note),
		.p_memsz = sizeof(e->note),
		.p_align = 4,
	};
	e->note.n = (Elf64_Nhdr){ 4, 4, 18 };
	memcpy(e->note.owner, "Xen", 4);
	e->note.entry = 0x100020;
	memset(e->text, 0x90, sizeof(e->text));
	memset(e->data, 0xda, sizeof(e->data));
}

/* The same for 32 bits */
struct tiny_elf32 {
	Elf32_Ehdr h;
	Elf32_Phdr ph[2];
	uint32_t note[5];
	uint8_t text[64];
};

static inline void tiny_elf32_init(struct tiny_elf32 *e)
{
	*e = (struct tiny_elf32){
		.h = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32,
				     ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_386,
			.e_entry = 0x100000,
			.e_phoff = offsetof(struct tiny_elf32, ph),
			.e_phentsize = sizeof(Elf32_Phdr),
			.e_phnum = 2,
		},
		.ph = {
			{ .p_type = PT_LOAD,
			  .p_offset = offsetof(struct tiny_elf32, text),
			  .p_paddr = 0x100000, .p_filesz = 64,
			  .p_memsz = 64 },
			{ .p_type = PT_NOTE,
			  .p_offset = offsetof(struct tiny_elf32, note),
			  .p_filesz = 20, .p_memsz = 20 },
		},
		.note = { 4, 4, 18, 0x006e6558, 0x100008 },
	};
}

#endif
