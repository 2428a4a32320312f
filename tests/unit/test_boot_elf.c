// SPDX-License-Identifier: MIT
/*
 * test_boot_elf.c - ELF kernels by the Linux and the PVH protocol, and flat
 * images.
 */
#include "tests/unit/boot_guest.h"

#include <errno.h>
#include <unistd.h>

#include "base/checked.h"

static struct tiny_elf elf(void)
{
	struct tiny_elf e;

	tiny_elf_init(&e);
	return e;
}

static struct boot_guest guest(uint64_t ram, const struct tiny_elf *e)
{
	return guest_with(ram, e, sizeof(*e));
}

static void hide_note(struct tiny_elf *e)
{
	e->note.n.n_type = 17;
}

static void elf_with_the_note_starts_with_pvh(void **state)
{
	struct tiny_elf e = elf();
	struct boot_guest g = guest(2 * MIB, &e);

	(void)state;
	guest_loads(&g);
	assert_int_equal(g.entry.mode, BOOT_MODE_PROT32);
	assert_int_equal(g.entry.entry, 0x100020);
	assert_int_equal(g.entry.info, LAYOUT_PVH_INFO);
	guest_free(&g);
}

static void elf_segments_lie_at_their_physical_addresses(void **state)
{
	static const uint8_t zeroes[0xfc0];
	struct tiny_elf e = elf();
	struct boot_guest g = guest(2 * MIB, &e);

	(void)state;
	guest_loads(&g);
	assert_memory_equal(ram_ptr(g.ram, 0x100000, sizeof(e.text)), e.text,
			    sizeof(e.text));
	assert_memory_equal(ram_ptr(g.ram, 0x101000, sizeof(e.data)), e.data,
			    sizeof(e.data));
	assert_memory_equal(ram_ptr(g.ram, 0x101040, sizeof(zeroes)), zeroes,
			    sizeof(zeroes));
	guest_free(&g);
}

static void elf_without_the_note_starts_at_its_64_bit_entry(void **state)
{
	struct tiny_elf e = elf();
	struct boot_guest g;
	const struct zp_page *z;

	(void)state;
	hide_note(&e);
	g = guest(2 * MIB, &e);
	guest_loads(&g);
	assert_int_equal(g.entry.mode, BOOT_MODE_LONG64);
	assert_int_equal(g.entry.entry, 0x100010);
	assert_int_equal(g.entry.info, LAYOUT_ZERO_PAGE);
	z = ram_ptr(g.ram, LAYOUT_ZERO_PAGE, sizeof(*z));
	assert_int_equal(le32_get(z->hdr.header), ZP_HEADER_MAGIC);
	assert_int_equal(z->hdr.type_of_loader, 0xff);
	guest_free(&g);
}

static void elf_with_a_virtual_entry_is_entered_physically(void **state)
{
	struct tiny_elf e = elf();
	struct boot_guest g;

	(void)state;
	e.h.e_entry = 0xffffffff80101008;
	g = guest(2 * MIB, &e);
	g.p.protocol = BOOT_LINUX;
	guest_loads(&g);
	assert_int_equal(g.entry.entry, 0x101008);
	guest_free(&g);
}

static void elf_note_of_8_bytes_is_an_entry_too(void **state)
{
	struct {
		struct tiny_elf e;
		uint32_t note[6];
	} f = { .e = elf(), .note = { 4, 8, 18, 0x006e6558, 0x100030, 0 } };
	struct boot_guest g;

	(void)state;
	f.e.ph[2].p_offset = offsetof(typeof(f), note);
	f.e.ph[2].p_filesz = sizeof(f.note);
	g = guest_with(2 * MIB, &f, sizeof(f));
	guest_loads(&g);
	assert_int_equal(g.entry.entry, 0x100030);
	guest_free(&g);
}

static void elf_note_behind_others_is_found(void **state)
{
	struct {
		struct tiny_elf e;
		uint32_t note[11];
	} f = { .e = elf(),
		/* "GNU", then one of Xen's of another type, odd sizes */
		.note = { 4, 3, 1, 0x00554e47, 0x00aaaaaa, 4, 4, 18, 0x006e6558,
			  0x100040 } };
	struct boot_guest g;

	(void)state;
	f.e.ph[2].p_offset = offsetof(typeof(f), note);
	f.e.ph[2].p_filesz = sizeof(f.note);
	g = guest_with(2 * MIB, &f, sizeof(f));
	guest_loads(&g);
	assert_int_equal(g.entry.entry, 0x100040);
	guest_free(&g);
}

static uint32_t info32(const struct boot_guest *g, unsigned int off)
{
	le32 v;

	assert_int_equal(ram_read(g->ram, LAYOUT_PVH_INFO + off, &v, 4), 0);
	return le32_get(v);
}

static uint64_t mem64(const struct boot_guest *g, gpa_t at)
{
	le64 v;

	assert_int_equal(ram_read(g->ram, at, &v, 8), 0);
	return le64_get(v);
}

static void pvh_start_info_names_everything(void **state)
{
	struct tiny_elf e = elf();
	struct boot_guest g = guest(2 * MIB, &e);
	uint64_t modules, map;

	(void)state;
	g.p.initrd_fd = guest_file("initrd", 6);
	guest_loads(&g);
	assert_int_equal(info32(&g, 0), 0x336ec578);
	assert_int_equal(info32(&g, 4), 1);
	assert_int_equal(info32(&g, 12), 1);
	modules = mem64(&g, LAYOUT_PVH_INFO + 16);
	assert_int_equal(mem64(&g, modules), 2 * MIB - 4096);
	assert_int_equal(mem64(&g, modules + 8), 6);
	assert_memory_equal(ram_ptr(g.ram, 2 * MIB - 4096, 6), "initrd", 6);
	assert_string_equal(ram_ptr(g.ram, mem64(&g, LAYOUT_PVH_INFO + 24), 16),
			    "console=ttyS0");
	assert_int_equal(mem64(&g, LAYOUT_PVH_INFO + 32), LAYOUT_ACPI);
	map = mem64(&g, LAYOUT_PVH_INFO + 40);
	assert_int_equal(info32(&g, 48), 3);
	assert_int_equal(mem64(&g, map + 8), 0x9fc00);
	assert_int_equal(mem64(&g, map + 48), MIB);
	assert_int_equal(mem64(&g, map + 56), MIB);
	guest_free(&g);
}

static void pvh_without_initrd_has_no_module(void **state)
{
	struct tiny_elf e = elf();
	struct boot_guest g = guest(2 * MIB, &e);

	(void)state;
	guest_loads(&g);
	assert_int_equal(info32(&g, 12), 0);
	assert_int_equal(mem64(&g, LAYOUT_PVH_INFO + 16), 0);
	guest_free(&g);
}

static void pvh_without_the_note_is_refused(void **state)
{
	struct tiny_elf e = elf();
	struct boot_guest g;

	(void)state;
	hide_note(&e);
	g = guest(2 * MIB, &e);
	g.p.protocol = BOOT_PVH;
	guest_refuses(&g, "foo: has no PVH note");
}

static void pvh_with_a_device_tree_is_refused(void **state)
{
	struct tiny_elf e = elf();
	struct boot_guest g = guest(2 * MIB, &e);

	(void)state;
	g.p.protocol = BOOT_PVH;
	g.p.device_tree = true;
	guest_refuses(&g, "PVH cannot hand over a device tree");
}

static void auto_takes_the_linux_entry_for_a_device_tree(void **state)
{
	struct tiny_elf e = elf();
	struct boot_guest g = guest(2 * MIB, &e);

	(void)state;
	g.p.device_tree = true;
	guest_loads(&g);
	assert_int_equal(g.entry.mode, BOOT_MODE_LONG64);
	guest_free(&g);
}

static struct tiny_elf32 elf32(void)
{
	struct tiny_elf32 e;

	tiny_elf32_init(&e);
	return e;
}

static void elf32_starts_with_pvh(void **state)
{
	struct tiny_elf32 e = elf32();
	struct boot_guest g = guest_with(2 * MIB, &e, sizeof(e));

	(void)state;
	guest_loads(&g);
	assert_int_equal(g.entry.mode, BOOT_MODE_PROT32);
	assert_int_equal(g.entry.entry, 0x100008);
	guest_free(&g);
}

static void elf32_without_the_note_is_refused(void **state)
{
	struct tiny_elf32 e = elf32();
	struct boot_guest g;

	(void)state;
	e.note[2] = 1;
	g = guest_with(2 * MIB, &e, sizeof(e));
	guest_refuses(&g, "foo: ELF for i386, expected x86-64");
}

/* One wrong thing in a good file, and what is said of it */
static void assert_damage(void (*damage)(struct tiny_elf *e), const char *text)
{
	struct tiny_elf e = elf();
	struct boot_guest g;

	damage(&e);
	g = guest(2 * MIB, &e);
	guest_refuses(&g, text);
}

static void make_aarch64(struct tiny_elf *e)
{
	e->h.e_machine = EM_AARCH64;
}

static void make_x32(struct tiny_elf *e)
{
	e->h.e_ident[EI_CLASS] = ELFCLASS32;
}

static void make_big_endian(struct tiny_elf *e)
{
	e->h.e_ident[EI_DATA] = ELFDATA2MSB;
}

static void make_classless(struct tiny_elf *e)
{
	e->h.e_ident[EI_CLASS] = 7;
}

static void make_object(struct tiny_elf *e)
{
	e->h.e_type = ET_REL;
}

static void take_headers_away(struct tiny_elf *e)
{
	e->h.e_phnum = 0;
}

static void claim_many_headers(struct tiny_elf *e)
{
	e->h.e_phnum = 65;
}

static void move_headers_out(struct tiny_elf *e)
{
	e->h.e_phoff = UINT64_MAX - 8;
}

static void shrink_header_entries(struct tiny_elf *e)
{
	e->h.e_phentsize = 32;
}

static void run_past_the_file(struct tiny_elf *e)
{
	e->ph[0].p_filesz = sizeof(*e);
	e->ph[0].p_memsz = sizeof(*e);
}

static void wrap_offset(struct tiny_elf *e)
{
	e->ph[0].p_offset = UINT64_MAX;
}

static void fill_more_than_memory(struct tiny_elf *e)
{
	e->ph[0].p_memsz = 1;
}

static void leave_ram(struct tiny_elf *e)
{
	e->ph[1].p_memsz = 4 * MIB;
}

static void leave_the_address_space(struct tiny_elf *e)
{
	e->ph[1].p_paddr = UINT64_MAX - 16;
}

static void go_virtual(struct tiny_elf *e)
{
	e->ph[0].p_paddr = e->ph[0].p_vaddr;
}

static void cover_the_zero_page(struct tiny_elf *e)
{
	e->ph[0].p_paddr = 0x7fff;
}

static void cover_acpi(struct tiny_elf *e)
{
	e->ph[0].p_paddr = 0xfff80;
}

static void overlap(struct tiny_elf *e)
{
	e->ph[0].p_paddr = 0x101f80;
}

static void enter_nowhere(struct tiny_elf *e)
{
	e->note.entry = 0x1ff000;
}

static void load_nothing(struct tiny_elf *e)
{
	e->ph[0].p_type = e->ph[1].p_type = PT_NULL;
}

static void elf_that_is_wrong_is_refused_in_words(void **state)
{
	(void)state;
	assert_damage(make_aarch64, "foo: ELF for aarch64, expected x86-64");
	assert_damage(make_x32, "ELF for x86-64 in 32 bits (x32)");
	assert_damage(make_big_endian, "ELF for a big-endian machine");
	assert_damage(make_classless, "ELF class is 7");
	assert_damage(make_object, "is not an executable (e_type 1");
	assert_damage(take_headers_away, "no program headers");
	assert_damage(claim_many_headers, "65 program headers");
	assert_damage(move_headers_out, "truncated: ");
	assert_damage(shrink_header_entries,
		      "headers of 32 bytes, expected 56");
	assert_damage(run_past_the_file, "truncated: segment 0");
	assert_damage(wrap_offset, "truncated: segment 0");
	assert_damage(fill_more_than_memory, "segment 0 is larger in the file");
	assert_damage(leave_ram, "foo: needs 6 MiB of memory");
	assert_damage(leave_the_address_space, "segment 1 at 0xfff");
	assert_damage(go_virtual, "segment 0 at 0xffffffff80100000, expected a "
				  "physical address below 3 GiB");
	assert_damage(cover_the_zero_page, "overlaps the zero page");
	assert_damage(cover_acpi, "overlaps the ACPI tables");
	assert_damage(overlap, "segments 0 and 1 overlap");
	assert_damage(enter_nowhere, "entry point 0x1ff000 is in no segment");
	assert_damage(load_nothing, "no PT_LOAD segment");
}

static void elf_cut_anywhere_is_refused(void **state)
{
	struct tiny_elf e = elf();
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(e); len += 1 + len / 16) {
		struct boot_guest g = guest_with(2 * MIB, &e, len);

		guest_refuses(&g, "foo: ");
	}
}

static void elf_segment_in_free_low_memory_is_loaded(void **state)
{
	struct tiny_elf e = elf();
	struct boot_guest g;

	(void)state;
	e.ph[1].p_paddr = 0x1000;
	g = guest(2 * MIB, &e);
	guest_loads(&g);
	assert_memory_equal(ram_ptr(g.ram, 0x1000, 64), e.data, 64);
	guest_free(&g);
}

static void flat_image_starts_in_real_mode_at_its_address(void **state)
{
	struct boot_guest g = guest_with(MIB, "\xf4\xeb\xfd", 3);

	(void)state;
	g.p.protocol = BOOT_FLAT;
	guest_loads(&g);
	assert_int_equal(g.entry.mode, BOOT_MODE_REAL);
	assert_int_equal(g.entry.entry, LAYOUT_FLAT_IMAGE);
	assert_int_equal(g.entry.info, 0);
	assert_memory_equal(ram_ptr(g.ram, LAYOUT_FLAT_IMAGE, 3),
			    "\xf4\xeb\xfd", 3);
	guest_free(&g);
}

static void flat_image_too_big_for_low_memory_is_refused(void **state)
{
	struct boot_guest g = guest_with(MIB, "x", 1);

	(void)state;
	g.p.protocol = BOOT_FLAT;
	assert_int_equal(ftruncate(g.p.kernel_fd, 0x8fc01), 0);
	guest_refuses(&g, "foo: flat image of 588801 bytes, expected 588800");
}

static void flat_image_with_an_initrd_is_refused(void **state)
{
	struct boot_guest g = guest_with(MIB, "x", 1);

	(void)state;
	g.p.protocol = BOOT_FLAT;
	g.p.initrd_fd = guest_file("x", 1);
	guest_refuses(&g, "foo: a flat image takes no initrd");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(elf_with_the_note_starts_with_pvh),
	cmocka_unit_test(elf_segments_lie_at_their_physical_addresses),
	cmocka_unit_test(elf_without_the_note_starts_at_its_64_bit_entry),
	cmocka_unit_test(elf_with_a_virtual_entry_is_entered_physically),
	cmocka_unit_test(elf_note_of_8_bytes_is_an_entry_too),
	cmocka_unit_test(elf_note_behind_others_is_found),
	cmocka_unit_test(pvh_start_info_names_everything),
	cmocka_unit_test(pvh_without_initrd_has_no_module),
	cmocka_unit_test(pvh_without_the_note_is_refused),
	cmocka_unit_test(pvh_with_a_device_tree_is_refused),
	cmocka_unit_test(auto_takes_the_linux_entry_for_a_device_tree),
	cmocka_unit_test(elf32_starts_with_pvh),
	cmocka_unit_test(elf32_without_the_note_is_refused),
	cmocka_unit_test(elf_that_is_wrong_is_refused_in_words),
	cmocka_unit_test(elf_cut_anywhere_is_refused),
	cmocka_unit_test(elf_segment_in_free_low_memory_is_loaded),
	cmocka_unit_test(flat_image_starts_in_real_mode_at_its_address),
	cmocka_unit_test(flat_image_too_big_for_low_memory_is_refused),
	cmocka_unit_test(flat_image_with_an_initrd_is_refused),
};

UNIT_MAIN(tests)
