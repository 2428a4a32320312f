// SPDX-License-Identifier: MIT
/*
 * test_boot_bzimage.c - bzImage, zero page, initrd, and files that are none.
 */
#include "tests/unit/boot_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/checked.h"

static struct tiny_bzimage image(void)
{
	struct tiny_bzimage b;

	tiny_bzimage_init(&b);
	return b;
}

static struct boot_guest guest(uint64_t ram, const struct tiny_bzimage *b)
{
	return guest_with(ram, b, sizeof(*b));
}

static struct zp_page zero_page(const struct boot_guest *g)
{
	struct zp_page z;

	assert_int_equal(ram_read(g->ram, LAYOUT_ZERO_PAGE, &z, sizeof(z)), 0);
	return z;
}

static void bzimage_loads_where_it_prefers_and_enters_at_0x200(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(64 * MIB, &b);

	(void)state;
	guest_loads(&g);
	assert_int_equal(g.entry.mode, BOOT_MODE_LONG64);
	assert_int_equal(g.entry.entry, 16 * MIB + 0x200);
	assert_int_equal(g.entry.info, LAYOUT_ZERO_PAGE);
	assert_memory_equal(ram_ptr(g.ram, 16 * MIB, sizeof(b.code)), b.code,
			    sizeof(b.code));
	guest_free(&g);
}

static void bzimage_of_a_32_bit_kernel_is_entered_at_its_start(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g;

	(void)state;
	b.h.xloadflags = le16_put(0);
	g = guest(64 * MIB, &b);
	guest_loads(&g);
	assert_int_equal(g.entry.mode, BOOT_MODE_LINUX32);
	assert_int_equal(g.entry.entry, 16 * MIB);
	assert_int_equal(g.entry.info, LAYOUT_ZERO_PAGE);
	guest_free(&g);
}

static void bzimage_with_low_preference_is_moved_above_1_mib(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g;

	(void)state;
	b.h.pref_address = le64_put(0);
	g = guest(64 * MIB, &b);
	guest_loads(&g);
	assert_int_equal(g.entry.entry, 2 * MIB + 0x200);
	guest_free(&g);
}

static void zero_page_has_what_the_protocol_asks_for(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(64 * MIB, &b);
	struct zp_page z;

	(void)state;
	guest_loads(&g);
	z = zero_page(&g);
	assert_int_equal(z.hdr.type_of_loader, 0xff);
	assert_int_equal(z.hdr.loadflags, ZP_LOADED_HIGH | ZP_CAN_USE_HEAP);
	assert_int_equal(le32_get(z.hdr.header), ZP_HEADER_MAGIC);
	assert_int_equal(le16_get(z.hdr.version), 0x20f);
	assert_int_equal(le32_get(z.hdr.cmd_line_ptr), LAYOUT_CMDLINE);
	assert_int_equal(le32_get(z.hdr.code32_start), 16 * MIB);
	assert_int_equal(le32_get(z.hdr.ramdisk_size), 0);
	assert_int_equal(le64_get(z.acpi_rsdp_addr), LAYOUT_ACPI);
	assert_int_equal(le32_get(z.hdr.init_size), 8 * MIB);
	assert_string_equal(ram_ptr(g.ram, LAYOUT_CMDLINE, 16),
			    "console=ttyS0");
	guest_free(&g);
}

static void e820_of(uint64_t ram, struct zp_page *z)
{
	struct tiny_bzimage b = image();
	struct boot_guest g;

	b.h.pref_address = le64_put(MIB);
	b.h.kernel_alignment = le32_put(MIB);
	b.h.init_size = le32_put(4096);
	g = guest(ram, &b);
	guest_loads(&g);
	*z = zero_page(&g);
	guest_free(&g);
}

static void assert_e820(const struct zp_page *z, size_t i, uint64_t addr,
			uint64_t size, uint32_t type)
{
	assert_true(i < z->e820_entries);
	assert_int_equal(le64_get(z->e820[i].addr), addr);
	assert_int_equal(le64_get(z->e820[i].size), size);
	assert_int_equal(le32_get(z->e820[i].type), type);
}

static void e820_of_a_small_guest_has_three_ranges(void **state)
{
	struct zp_page z;

	(void)state;
	e820_of(2 * MIB, &z);
	assert_int_equal(z.e820_entries, 3);
	assert_e820(&z, 0, 0, 0x9fc00, 1);
	assert_e820(&z, 1, 0x9fc00, 0x60400, 2);
	assert_e820(&z, 2, MIB, MIB, 1);
}

static void e820_of_64_gib_goes_on_above_4_gib(void **state)
{
	struct zp_page z;

	(void)state;
	e820_of(64 * 1024 * MIB, &z);
	assert_int_equal(z.e820_entries, 4);
	assert_e820(&z, 2, MIB, 3071 * MIB, 1);
	assert_e820(&z, 3, 4096 * MIB, 61 * 1024 * MIB, 1);
}

static uint64_t entry_at(const struct boot_guest *g, gpa_t gpa)
{
	le64 v;

	assert_int_equal(ram_read(g->ram, gpa, &v, sizeof(v)), 0);
	return le64_get(v);
}

/* SDM 3A §4.5: the address that @va maps to, by 2 MiB pages. */
static uint64_t walk(const struct boot_guest *g, uint64_t va)
{
	const uint64_t frame = 0xffffffffff000;
	uint64_t e = entry_at(g, LAYOUT_PAGE_TABLES + (va >> 39) * 8);

	assert_int_equal(e & 0xfff, 3);
	e = entry_at(g, (e & frame) + (va >> 30 & 511) * 8);
	assert_int_equal(e & 0xfff, 3);
	e = entry_at(g, (e & frame) + (va >> 21 & 511) * 8);
	assert_int_equal(e & 0xfff, 0x83);
	return (e & frame) + (va & 0x1fffff);
}

static void page_tables_map_4_gib_one_to_one(void **state)
{
	const uint64_t vas[] = { 0,	     0x7000,	 2 * MIB,   0x3fffffff,
				 0x40000000, 0xfee00000, 0xffffffff };
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(64 * MIB, &b);
	size_t i;

	(void)state;
	guest_loads(&g);
	for (i = 0; i < ARRAY_SIZE(vas); i++)
		assert_int_equal(walk(&g, vas[i]), vas[i]);
	assert_int_equal(entry_at(&g, LAYOUT_PAGE_TABLES + 0x1000 + 4 * 8), 0);
	guest_free(&g);
}

static void gdt_has_the_selectors_of_the_64_bit_protocol(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(64 * MIB, &b);

	(void)state;
	guest_loads(&g);
	assert_int_equal(entry_at(&g, LAYOUT_BOOT_GDT), 0);
	assert_true(entry_at(&g, LAYOUT_BOOT_GDT + 0x10) == 0x00af9b000000ffff);
	assert_true(entry_at(&g, LAYOUT_BOOT_GDT + 0x18) == 0x00cf93000000ffff);
	guest_free(&g);
}

static void gdt_of_a_32_bit_kernel_has_32_bit_code(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g;

	(void)state;
	b.h.xloadflags = le16_put(0);
	g = guest(64 * MIB, &b);
	guest_loads(&g);
	assert_true(entry_at(&g, LAYOUT_BOOT_GDT + 0x10) == 0x00cf9b000000ffff);
	assert_int_equal(entry_at(&g, LAYOUT_PAGE_TABLES), 0);
	guest_free(&g);
}

static void initrd_lies_page_aligned_at_the_end_of_low_ram(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(64 * MIB, &b);
	char initrd[5000];
	struct zp_page z;

	(void)state;
	memset(initrd, 'i', sizeof(initrd));
	g.p.initrd_fd = guest_file(initrd, sizeof(initrd));
	guest_loads(&g);
	z = zero_page(&g);
	assert_int_equal(le32_get(z.hdr.ramdisk_image), 64 * MIB - 8192);
	assert_int_equal(le32_get(z.hdr.ramdisk_size), sizeof(initrd));
	assert_int_equal(le32_get(z.ext_ramdisk_image), 0);
	assert_memory_equal(ram_ptr(g.ram, 64 * MIB - 8192, sizeof(initrd)),
			    initrd, sizeof(initrd));
	guest_free(&g);
}

static void initrd_stays_below_initrd_addr_max(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g;

	(void)state;
	b.h.initrd_addr_max = le32_put(0x37ffffff);
	g = guest(2048 * MIB, &b);
	g.p.initrd_fd = guest_file("x", 1);
	guest_loads(&g);
	assert_int_equal(le32_get(zero_page(&g).hdr.ramdisk_image), 0x37fff000);
	guest_free(&g);
}

static void initrd_that_does_not_fit_above_the_kernel_is_refused(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(25 * MIB, &b);

	(void)state;
	g.p.initrd_fd = guest_file("x", 1);
	assert_int_equal(ftruncate(g.p.initrd_fd, MIB + 1), 0);
	guest_refuses(&g, "bar: initrd of 1024 KiB does not fit between the "
			  "kernel's end at 24 MiB and 25 MiB");
}

static void initrd_that_is_empty_is_refused(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(64 * MIB, &b);

	(void)state;
	g.p.initrd_fd = guest_file("", 0);
	guest_refuses(&g, "bar: is an empty file, expected an initrd");
}

static void initrd_that_is_a_directory_is_refused(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(64 * MIB, &b);

	(void)state;
	g.p.initrd_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	guest_refuses(&g, "bar: is a directory, expected an initrd");
}

static struct zp_setup_data node_at(const struct boot_guest *g, gpa_t gpa)
{
	struct zp_setup_data n;

	assert_int_equal(ram_read(g->ram, gpa, &n, sizeof(n)), 0);
	return n;
}

static void setup_data_has_a_random_seed(void **state)
{
	static const uint8_t zeroes[32];
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(64 * MIB, &b);
	struct zp_setup_data n;
	gpa_t at;

	(void)state;
	guest_loads(&g);
	at = le64_get(zero_page(&g).hdr.setup_data);
	n = node_at(&g, at);
	assert_int_equal(le32_get(n.type), ZP_SETUP_RNG_SEED);
	assert_int_equal(le32_get(n.len), 32);
	assert_int_equal(le64_get(n.next), 0);
	assert_memory_not_equal(ram_ptr(g.ram, at + sizeof(n), 32), zeroes, 32);
	guest_free(&g);
}

static void setup_data_has_the_device_tree_on_request(void **state)
{
	static const uint8_t magic[] = { 0xd0, 0x0d, 0xfe, 0xed };
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(64 * MIB, &b);
	struct zp_setup_data n;
	gpa_t at;

	(void)state;
	g.p.device_tree = true;
	guest_loads(&g);
	at = le64_get(zero_page(&g).hdr.setup_data);
	at = le64_get(node_at(&g, at).next);
	n = node_at(&g, at);
	assert_int_equal(le32_get(n.type), ZP_SETUP_DTB);
	assert_int_equal(le64_get(n.next), 0);
	assert_memory_equal(ram_ptr(g.ram, at + sizeof(n), 4), magic, 4);
	guest_free(&g);
}

static void command_line_longer_than_the_kernel_takes_is_refused(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(64 * MIB, &b);
	char text[2049];

	(void)state;
	memset(text, 'a', 2048);
	text[2048] = 0;
	g.p.cmdline = text;
	guest_refuses(&g, "foo: takes a command line of 2047 bytes, it has "
			  "2048");
}

static void kernel_that_needs_more_memory_says_how_much(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(16 * MIB, &b);

	(void)state;
	guest_refuses(&g, "foo: needs 24 MiB of memory, the guest has 16");
}

static void kernel_that_no_guest_can_hold_is_refused(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g;

	(void)state;
	b.h.init_size = le32_put(0xffffffff);
	g = guest(4096 * MIB, &b);
	guest_refuses(&g, "foo: needs 4112 MiB of memory in one piece, a guest "
			  "has 3072 at most");
}

/* One wrong thing in a good image, and what is said of it */
static void assert_damage(void (*damage)(struct tiny_bzimage *b),
			  const char *text)
{
	struct tiny_bzimage b = image();
	struct boot_guest g;

	damage(&b);
	g = guest(64 * MIB, &b);
	guest_refuses(&g, text);
}

static void make_old(struct tiny_bzimage *b)
{
	b->h.version = le16_put(0x20b);
}

static void make_zimage(struct tiny_bzimage *b)
{
	b->h.loadflags = 0;
}

static void shorten_header(struct tiny_bzimage *b)
{
	b->h.jump_len = 0x40;
}

static void promise_more(struct tiny_bzimage *b)
{
	b->h.syssize = le32_put(TINY_CODE_BYTES / 16 + 1);
}

static void promise_payload(struct tiny_bzimage *b)
{
	b->h.payload_offset = le32_put(0xffffffff);
	b->h.payload_length = le32_put(0xffffffff);
}

static void misalign(struct tiny_bzimage *b)
{
	b->h.kernel_alignment = le32_put(3 << 20);
}

static void want_low(struct tiny_bzimage *b)
{
	b->h.relocatable_kernel = 0;
	b->h.pref_address = le64_put(0x10000);
}

static void want_the_moon(struct tiny_bzimage *b)
{
	b->h.pref_address = le64_put(UINT64_MAX - 4096);
}

static void bzimage_that_is_wrong_is_refused_in_words(void **state)
{
	(void)state;
	assert_damage(make_old, "boot protocol 2.11 is too old, expected 2.12");
	assert_damage(make_zimage, "foo: is a zImage, expected a bzImage");
	assert_damage(shorten_header, "its setup header ends at 0x242");
	assert_damage(promise_more,
		      "truncated: 3088 bytes expected, the file has 3072");
	assert_damage(promise_payload, "truncated: 8589935614 bytes");
	assert_damage(misalign, "kernel_alignment is 0x300000");
	assert_damage(want_low, "wants to be loaded at 0x10000");
	assert_damage(want_the_moon, "needs ");
}

static void bzimage_cut_anywhere_is_refused(void **state)
{
	struct tiny_bzimage b = image();
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(b) - 15; len += 1 + len / 16) {
		struct boot_guest g = guest_with(64 * MIB, &b, len);

		guest_refuses(&g, "foo: ");
	}
}

static void bzimage_is_refused_as_pvh(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(64 * MIB, &b);

	(void)state;
	g.p.protocol = BOOT_PVH;
	guest_refuses(&g, "foo: is a bzImage, PVH needs an ELF file");
}

static void files_that_are_no_kernel_are_called_by_their_name(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *text;
	} files[] = {
		{ "", 0, "foo: is an empty file, expected a kernel" },
		{ "hello", 5,
		  "foo: not a kernel: neither a bzImage (no HdrS at 0x202) nor "
		  "an ELF file" },
		{ "\x1f\x8b\x08", 3, "not a kernel: gzip-compressed" },
		{ "\xfd"
		  "7zXZ\0",
		  6, "xz-compressed" },
		{ "\x28\xb5\x2f\xfd", 4, "zstd-compressed" },
		{ "070701", 6, "a cpio archive" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		struct boot_guest g =
			guest_with(MIB, files[i].bytes, files[i].len);

		guest_refuses(&g, files[i].text);
	}
}

static void kernel_that_is_no_regular_file_is_refused(void **state)
{
	struct boot_guest g = guest_with(MIB, "", 0);

	(void)state;
	fd_close(&g.p.kernel_fd);
	g.p.kernel_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	guest_refuses(&g, "foo: not a regular file, expected a kernel");
}

static void too_many_cpus_or_devices_are_refused(void **state)
{
	struct tiny_bzimage b = image();
	struct boot_guest g = guest(64 * MIB, &b);

	(void)state;
	g.p.nr_cpus = 65;
	assert_int_equal(guest_load(&g), -EINVAL);
	g.p.nr_cpus = 1;
	g.p.nr_slots = LAYOUT_VIRTIO_SLOTS + 1;
	assert_int_equal(guest_load(&g), -EINVAL);
	guest_free(&g);
}

/* What a full-size kernel from a distribution looks like */
static void kernel_of_a_distribution_loads(void **state)
{
	const char *path = getenv("MINIVMM_TEST_KERNEL");
	struct boot_guest g;
	struct zp_page z;

	(void)state;
	if (!path)
		skip();
	g = guest_with(256 * MIB, "", 0);
	fd_close(&g.p.kernel_fd);
	g.p.kernel_fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(g.p.kernel_fd >= 0);
	guest_loads(&g);
	z = zero_page(&g);
	assert_int_equal(g.entry.entry, le64_get(z.hdr.pref_address) + 0x200);
	assert_int_equal(g.entry.mode, BOOT_MODE_LONG64);
	guest_free(&g);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(bzimage_loads_where_it_prefers_and_enters_at_0x200),
	cmocka_unit_test(bzimage_of_a_32_bit_kernel_is_entered_at_its_start),
	cmocka_unit_test(bzimage_with_low_preference_is_moved_above_1_mib),
	cmocka_unit_test(zero_page_has_what_the_protocol_asks_for),
	cmocka_unit_test(e820_of_a_small_guest_has_three_ranges),
	cmocka_unit_test(e820_of_64_gib_goes_on_above_4_gib),
	cmocka_unit_test(page_tables_map_4_gib_one_to_one),
	cmocka_unit_test(gdt_has_the_selectors_of_the_64_bit_protocol),
	cmocka_unit_test(gdt_of_a_32_bit_kernel_has_32_bit_code),
	cmocka_unit_test(initrd_lies_page_aligned_at_the_end_of_low_ram),
	cmocka_unit_test(initrd_stays_below_initrd_addr_max),
	cmocka_unit_test(initrd_that_does_not_fit_above_the_kernel_is_refused),
	cmocka_unit_test(initrd_that_is_empty_is_refused),
	cmocka_unit_test(initrd_that_is_a_directory_is_refused),
	cmocka_unit_test(setup_data_has_a_random_seed),
	cmocka_unit_test(setup_data_has_the_device_tree_on_request),
	cmocka_unit_test(command_line_longer_than_the_kernel_takes_is_refused),
	cmocka_unit_test(kernel_that_needs_more_memory_says_how_much),
	cmocka_unit_test(kernel_that_no_guest_can_hold_is_refused),
	cmocka_unit_test(bzimage_that_is_wrong_is_refused_in_words),
	cmocka_unit_test(bzimage_cut_anywhere_is_refused),
	cmocka_unit_test(bzimage_is_refused_as_pvh),
	cmocka_unit_test(files_that_are_no_kernel_are_called_by_their_name),
	cmocka_unit_test(kernel_that_is_no_regular_file_is_refused),
	cmocka_unit_test(too_many_cpus_or_devices_are_refused),
	cmocka_unit_test(kernel_of_a_distribution_loads),
};

UNIT_MAIN(tests)
