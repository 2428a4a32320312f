// SPDX-License-Identifier: MIT
/*
 * elf_read.c - the headers and notes of an ELF file, every number checked
 * (System V ABI, chapters 4 and 5).
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "memory/boot/elf.h"
#include "memory/boot/loader.h"

enum {
	NOTE_PHYS32_ENTRY = 18, /* XEN_ELFNOTE_PHYS32_ENTRY, owner "Xen" */
	NOTES_BYTES_MAX = 1 << 20,
};

static const struct {
	uint16_t machine;
	const char *name;
} machines[] = {
	{ EM_AARCH64, "aarch64" },
	{ EM_ARM, "arm" },
	{ EM_RISCV, "riscv" },
	{ EM_PPC64, "ppc64" },
	{ EM_S390, "s390" },
	{ EM_MIPS, "mips" },
	{ EM_SPARCV9, "sparc64" },
	{ EM_386, "i386" },
	{ EM_X86_64, "x86-64 in 32 bits (x32)" },
};

static const char *machine_name(uint16_t machine)
{
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (machines[i].machine == machine)
			return machines[i].name;
	return "another machine";
}

static int check_ident(const struct boot_loader *l, const uint8_t *ident)
{
	const char *name = l->kernel.name;

	if (ident[EI_CLASS] != ELFCLASS64 && ident[EI_CLASS] != ELFCLASS32)
		return boot_fail(
			l, name, -ENOEXEC,
			"damaged: ELF class is %u, expected 2 (64 bit)",
			ident[EI_CLASS]);
	if (ident[EI_DATA] != ELFDATA2LSB)
		return boot_fail(l, name, -ENOEXEC,
				 "ELF for a big-endian machine, expected "
				 "x86-64");
	return 0;
}

/* What of the file header counts, in one form for both classes */
struct header {
	bool is64;
	uint16_t type, machine;
	uint64_t entry, phoff;
	uint16_t phnum, phentsize;
};

static int read_header(const struct boot_loader *l, struct header *out)
{
	union {
		uint8_t ident[EI_NIDENT];
		Elf64_Ehdr h64;
		Elf32_Ehdr h32;
	} h;
	int err;

	/* The shorter one first: a 32-bit file may end behind it. */
	err = boot_file_read(l, &l->kernel, 0, &h.h32, sizeof(h.h32));
	if (err)
		return err;
	err = check_ident(l, h.ident);
	if (err)
		return err;
	if (h.ident[EI_CLASS] == ELFCLASS32) {
		*out = (struct header){
			.type = h.h32.e_type,
			.machine = h.h32.e_machine,
			.entry = h.h32.e_entry,
			.phoff = h.h32.e_phoff,
			.phnum = h.h32.e_phnum,
			.phentsize = h.h32.e_phentsize,
		};
		return 0;
	}
	err = boot_file_read(l, &l->kernel, 0, &h.h64, sizeof(h.h64));
	if (err)
		return err;
	*out = (struct header){
		.is64 = true,
		.type = h.h64.e_type,
		.machine = h.h64.e_machine,
		.entry = h.h64.e_entry,
		.phoff = h.h64.e_phoff,
		.phnum = h.h64.e_phnum,
		.phentsize = h.h64.e_phentsize,
	};
	return 0;
}

static int check_header(const struct boot_loader *l, const struct header *h)
{
	size_t entry = h->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	const char *name = l->kernel.name;

	if (h->machine != (h->is64 ? EM_X86_64 : EM_386))
		return boot_fail(l, name, -ENOEXEC,
				 "ELF for %s, expected x86-64",
				 machine_name(h->machine));
	if (h->type != ET_EXEC && h->type != ET_DYN)
		return boot_fail(l, name, -ENOEXEC,
				 "ELF file is not an executable (e_type %u, "
				 "expected 2 or 3)",
				 h->type);
	if (!h->phnum)
		return boot_fail(l, name, -ENOEXEC,
				 "ELF file has no program headers: nothing to "
				 "load");
	if (h->phnum > BOOT_ELF_SEGMENTS_MAX)
		return boot_fail(l, name, -ENOEXEC,
				 "ELF file has %u program headers, expected %d "
				 "at most",
				 h->phnum, BOOT_ELF_SEGMENTS_MAX);
	if (h->phentsize != entry)
		return boot_fail(l, name, -ENOEXEC,
				 "damaged: ELF program headers of %u bytes, "
				 "expected %zu",
				 h->phentsize, entry);
	return 0;
}

static struct boot_elf_segment segment64(const Elf64_Phdr *p)
{
	return (struct boot_elf_segment){
		p->p_type,   p->p_offset, p->p_vaddr, p->p_paddr,
		p->p_filesz, p->p_memsz,  p->p_align,
	};
}

static struct boot_elf_segment segment32(const Elf32_Phdr *p)
{
	return (struct boot_elf_segment){
		p->p_type,   p->p_offset, p->p_vaddr, p->p_paddr,
		p->p_filesz, p->p_memsz,  p->p_align,
	};
}

static int read_segments(const struct boot_loader *l, const struct header *h,
			 struct boot_elf *e)
{
	union {
		Elf64_Phdr p64[BOOT_ELF_SEGMENTS_MAX];
		Elf32_Phdr p32[BOOT_ELF_SEGMENTS_MAX];
	} table;
	int err;

	err = boot_file_read(l, &l->kernel, h->phoff, &table,
			     (size_t)h->phnum * h->phentsize);
	if (err)
		return err;
	e->is64 = h->is64;
	e->entry = h->entry;
	e->nr = h->phnum;
	for (size_t i = 0; i < e->nr; i++)
		e->seg[i] = h->is64 ? segment64(&table.p64[i])
				    : segment32(&table.p32[i]);
	return 0;
}

static int check_segments(const struct boot_loader *l, const struct boot_elf *e)
{
	const struct boot_file *f = &l->kernel;

	for (size_t i = 0; i < e->nr; i++) {
		const struct boot_elf_segment *s = &e->seg[i];

		if (s->type != PT_LOAD && s->type != PT_NOTE)
			continue;
		if (!range_fits(s->offset, s->filesz, f->size))
			return boot_fail(
				l, f->name, -ENOEXEC,
				"truncated: segment %zu has 0x%llx bytes at "
				"0x%llx, the file has 0x%llx",
				i, (unsigned long long)s->filesz,
				(unsigned long long)s->offset,
				(unsigned long long)f->size);
		if (s->type == PT_LOAD && s->filesz > s->memsz)
			return boot_fail(
				l, f->name, -ENOEXEC,
				"damaged: segment %zu is larger in the "
				"file than in memory",
				i);
	}
	return 0;
}

int boot_elf_read(const struct boot_loader *l, struct boot_elf *e)
{
	struct header h;
	int err;

	err = read_header(l, &h);
	if (err)
		return err;
	err = check_header(l, &h);
	if (err)
		return err;
	err = read_segments(l, &h, e);
	if (err)
		return err;
	return check_segments(l, e);
}

/* 1 and *entry when the note at @n with @desc is the one. */
static int match_pvh(const Elf64_Nhdr *n, const uint8_t *name,
		     const uint8_t *desc, uint64_t *entry)
{
	*entry = 0;
	if (n->n_type != NOTE_PHYS32_ENTRY || n->n_namesz != 4 ||
	    memcmp(name, "Xen", 4))
		return 0;
	if (n->n_descsz != 4 && n->n_descsz != 8)
		return 0;
	memcpy(entry, desc, n->n_descsz);
	return 1;
}

static int scan_notes(const uint8_t *notes, uint64_t size, uint64_t align,
		      uint64_t *entry)
{
	uint64_t at = 0;

	while (range_fits(at, sizeof(Elf64_Nhdr), size)) {
		uint64_t name, desc;
		Elf64_Nhdr n;

		memcpy(&n, notes + at, sizeof(n));
		name = at + sizeof(n);
		desc = checked_round_up(name + n.n_namesz, align);
		if (!range_fits(desc, n.n_descsz, size))
			return 0;
		if (match_pvh(&n, notes + name, notes + desc, entry))
			return 1;
		at = checked_round_up(desc + n.n_descsz, align);
	}
	return 0;
}

static int read_notes(const struct boot_loader *l,
		      const struct boot_elf_segment *s, uint64_t *entry)
{
	/* Only GNU properties are padded to 8 in a file of that alignment. */
	uint64_t align = s->align == 8 ? 8 : 4;
	uint8_t *notes;
	int ret;

	if (s->filesz > NOTES_BYTES_MAX)
		return 0;
	notes = malloc(s->filesz);
	if (!notes)
		return boot_fail(l, l->kernel.name, -ENOMEM, "out of memory");
	ret = boot_file_read(l, &l->kernel, s->offset, notes, s->filesz);
	if (!ret)
		ret = scan_notes(notes, s->filesz, align, entry);
	free(notes);
	return ret;
}

int boot_elf_pvh_entry(const struct boot_loader *l, const struct boot_elf *e,
		       uint64_t *entry)
{
	for (size_t i = 0; i < e->nr; i++) {
		int ret;

		if (e->seg[i].type != PT_NOTE || !e->seg[i].filesz)
			continue;
		ret = read_notes(l, &e->seg[i], entry);
		if (ret)
			return ret;
	}
	return 0;
}
