// SPDX-License-Identifier: MIT
/*
 * test_acpi.c - the ACPI tables: pointers, lengths, checksums, contents, and
 * what ACPICA's own disassembler thinks of them.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "memory/boot/acpi.h"
#include "memory/boot/aml.h"
#include "memory/boot/boot.h"

#define ROOM (LAYOUT_ACPI_END - LAYOUT_ACPI)

static struct boot_virtio_slot slots[LAYOUT_VIRTIO_SLOTS];
static uint8_t mem[ROOM];

static size_t build(unsigned int cpus, size_t nr_slots)
{
	struct boot_params p = {
		.nr_cpus = cpus,
		.slots = slots,
		.nr_slots = nr_slots,
	};
	size_t len, i;

	for (i = 0; i < nr_slots; i++) {
		slots[i].base = LAYOUT_VIRTIO_BASE + i * LAYOUT_VIRTIO_SIZE;
		slots[i].gsi = LAYOUT_GSI_VIRTIO + (unsigned int)i;
	}
	memset(mem, 0, sizeof(mem));
	assert_int_equal(acpi_build(&p, mem, sizeof(mem), &len), 0);
	return len;
}

static uint64_t get(size_t at, size_t len)
{
	uint64_t v = 0;

	assert_true(at + len <= sizeof(mem));
	memcpy(&v, mem + at, len);
	return v;
}

static uint8_t sum(size_t at, size_t len)
{
	uint8_t s = 0;

	assert_true(at + len <= sizeof(mem));
	while (len--)
		s = (uint8_t)(s + mem[at++]);
	return s;
}

/* The offset of the table at guest address @gpa, which must be @sig. */
static size_t table(uint64_t gpa, const char *sig)
{
	size_t at;

	assert_in_range(gpa, LAYOUT_ACPI, LAYOUT_ACPI_END - 36);
	at = gpa - LAYOUT_ACPI;
	assert_memory_equal(mem + at, sig, 4);
	assert_int_equal(sum(at, get(at + 4, 4)), 0);
	return at;
}

static size_t xsdt(void)
{
	return table(get(24, 8), "XSDT");
}

static size_t fadt(void)
{
	return table(get(xsdt() + 36, 8), "FACP");
}

static size_t madt(void)
{
	return table(get(xsdt() + 44, 8), "APIC");
}

static size_t dsdt(void)
{
	return table(get(fadt() + 140, 8), "DSDT");
}

static void rsdp_of_revision_2_leads_to_every_table(void **state)
{
	(void)state;
	build(2, 3);
	assert_memory_equal(mem, "RSD PTR ", 8);
	assert_int_equal(get(15, 1), 2);
	assert_int_equal(get(20, 4), 36);
	assert_int_equal(sum(0, 20), 0);
	assert_int_equal(sum(0, 36), 0);
	assert_int_equal(get(xsdt() + 4, 4), 36 + 2 * 8);
	fadt();
	madt();
	dsdt();
}

static void fadt_describes_a_hardware_reduced_machine(void **state)
{
	size_t f;

	(void)state;
	build(1, 0);
	f = fadt();
	assert_int_equal(get(f + 4, 4), 276);
	assert_int_equal(get(f + 8, 1), 6);
	assert_int_equal(get(f + 40, 4), get(f + 140, 8));
	/* legacy devices, no 8042, no VGA, and there is an RTC */
	assert_int_equal(get(f + 109, 2), 1 << 0 | 1 << 2);
	assert_true(get(f + 112, 4) & 1 << 20);
	assert_true(get(f + 112, 4) & 1 << 10);
	/* System I/O, 8 bits wide, accessed as a byte */
	assert_int_equal(get(f + 116, 4), 0x01000801);
	assert_int_equal(get(f + 120, 8), LAYOUT_PORT_ACPI_RESET);
	assert_int_equal(get(f + 128, 1), 1);
	assert_int_equal(get(f + 244, 4), 0x01000801);
	assert_int_equal(get(f + 248, 8), LAYOUT_PORT_ACPI_SLEEP);
	assert_int_equal(get(f + 256, 4), 0x01000801);
	assert_int_equal(get(f + 260, 8), LAYOUT_PORT_ACPI_SLEEP + 1);
}

static void madt_lists_cpus_ioapic_override_and_nmi(void **state)
{
	size_t at, end, seen[5] = { 0 };

	(void)state;
	build(64, 0);
	at = madt();
	assert_int_equal(get(at + 36, 4), LAYOUT_LAPIC);
	end = at + get(at + 4, 4);
	for (at += 44; at < end; at += get(at + 1, 1)) {
		uint64_t type = get(at, 1);

		assert_in_range(type, 0, 4);
		assert_in_range(get(at + 1, 1), 6, 12);
		if (type == 0) {
			assert_int_equal(get(at + 3, 1), seen[0]);
			assert_int_equal(get(at + 4, 4), 1);
		} else if (type == 1) {
			assert_int_equal(get(at + 4, 4), LAYOUT_IOAPIC);
			assert_int_equal(get(at + 8, 4), 0);
		} else if (type == 2) {
			assert_int_equal(get(at + 3, 1), 0);
			assert_int_equal(get(at + 4, 4), 2);
		} else if (type == 4) {
			assert_int_equal(get(at + 2, 1), 0xff);
			assert_int_equal(get(at + 5, 1), 1);
		}
		seen[type]++;
	}
	assert_int_equal(at, end);
	assert_int_equal(seen[0], 64);
	assert_int_equal(seen[1], 1);
	assert_int_equal(seen[2], 1);
	assert_int_equal(seen[4], 1);
}

/* Whether the DSDT has these bytes */
static bool dsdt_has(const char *bytes, size_t len)
{
	size_t at = dsdt();

	return memmem(mem + at, get(at + 4, 4), bytes, len) != NULL;
}

/* Encoded by hand after ACPI 6.4 §6.4 and §20.2 */
static void dsdt_has_power_off_and_every_device(void **state)
{
	static const char s5[] = "\x08_S5_\x12\x07\x04\x0a\x05\0\0\0";
	static const char com1[] = "\x47\x01\xf8\x03\xf8\x03\x01\x08"
				   "\x89\x06\x00\x03\x01\x04\0\0\0\x79";
	static const char rtc[] = "\x47\x01\x70\x00\x70\x00\x01\x02"
				  "\x89\x06\x00\x03\x01\x08\0\0\0\x79";
	static const char pvpanic[] = "QEMU0001\0\x08_CRS\x11\x0d\x0a\x0a"
				      "\x47\x01\x05\x05\x05\x05\x01\x01\x79";
	static const char virtio1[] =
		"LNRO0005\0\x08_UID\x01\x08_CCA\x01\x08_CRS\x11\x1a\x0a\x17"
		"\x86\x09\x00\x01\x00\x10\x00\xd0\x00\x10\x00\x00"
		"\x89\x06\x00\x03\x01\x19\0\0\0\x79";

	(void)state;
	build(1, 2);
	assert_true(dsdt_has(s5, sizeof(s5) - 1));
	assert_true(dsdt_has(com1, sizeof(com1) - 1));
	assert_true(dsdt_has(rtc, sizeof(rtc) - 1));
	assert_true(dsdt_has(pvpanic, sizeof(pvpanic) - 1));
	assert_true(dsdt_has(virtio1, sizeof(virtio1) - 1));
	assert_true(dsdt_has("V001", 4));
	assert_false(dsdt_has("V002", 4));
}

static void tables_of_the_largest_machine_fit(void **state)
{
	struct boot_params p = {
		.nr_cpus = LAYOUT_CPUS_MAX,
		.slots = slots,
		.nr_slots = LAYOUT_VIRTIO_SLOTS,
	};
	size_t len = build(LAYOUT_CPUS_MAX, LAYOUT_VIRTIO_SLOTS), out;

	(void)state;
	assert_in_range(len, 3000, 16384);
	assert_int_equal(acpi_build(&p, mem, len, &out), 0);
	assert_int_equal(out, len);
}

static void tables_that_do_not_fit_are_refused(void **state)
{
	struct boot_params p = { .nr_cpus = 1, .slots = slots, .nr_slots = 2 };
	size_t len = build(1, 2), cap, out;

	(void)state;
	for (cap = 0; cap < len; cap++) {
		uint8_t *small = malloc(cap ? cap : 1);

		assert_non_null(small);
		assert_int_equal(acpi_build(&p, small, cap, &out), -ENOSPC);
		free(small);
	}
}

static void assert_aml(const struct acpi_buf *b, const void *bytes, size_t len)
{
	assert_false(b->full);
	assert_int_equal(b->len, len);
	assert_memory_equal(b->bytes, bytes, len);
}

static void aml_integers_take_their_shortest_form(void **state)
{
	uint8_t room[64];
	struct acpi_buf b = { .bytes = room, .cap = sizeof(room) };

	(void)state;
	acpi_aml_int(&b, 0);
	acpi_aml_int(&b, 1);
	acpi_aml_int(&b, 0xff);
	acpi_aml_int(&b, 0x100);
	acpi_aml_int(&b, 0x12345678);
	acpi_aml_int(&b, 0x123456789);
	assert_aml(&b,
		   "\x00\x01\x0a\xff\x0b\x00\x01\x0c\x78\x56\x34\x12"
		   "\x0e\x89\x67\x45\x23\x01\x00\x00\x00",
		   21);
}

static void aml_eisa_id_is_packed_as_the_spec_says(void **state)
{
	uint8_t room[8];
	struct acpi_buf b = { .bytes = room, .cap = sizeof(room) };

	(void)state;
	acpi_aml_eisa_id(&b, "PNP0B00");
	assert_aml(&b, "\x0c\x41\xd0\x0b\x00", 5);
}

/* A scope of @content bytes: what its length bytes are */
static void assert_pkg_length(size_t content, const char *bytes, size_t len)
{
	static uint8_t room[70000], zeroes[70000];
	struct acpi_buf b = { .bytes = room, .cap = sizeof(room) };
	size_t begin;

	begin = acpi_aml_begin_scope(&b, "\\AAA_");
	acpi_put(&b, zeroes, content - 5);
	acpi_aml_end(&b, begin);
	assert_false(b.full);
	assert_int_equal(b.len, 1 + len + content);
	assert_memory_equal(room + 1, bytes, len);
	assert_memory_equal(room + 1 + len, "\\AAA_", 5);
}

static void aml_package_lengths_grow_at_their_bounds(void **state)
{
	(void)state;
	assert_pkg_length(62, "\x3f", 1);
	assert_pkg_length(63, "\x41\x04", 2);
	assert_pkg_length(4093, "\x4f\xff", 2);
	assert_pkg_length(4094, "\x81\x00\x01", 3);
	assert_pkg_length(65536, "\x83\x00\x10", 3);
}

/* Run iasl on the table at @at, called @name. Its exit status. */
static int disassemble(const char *dir, size_t at, const char *name)
{
	char path[128], cmd[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.aml", dir, name);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(mem + at, get(at + 4, 4), 1, f), 1);
	fclose(f);
	/* Disassemble, and let the compiler check what came out. */
	snprintf(cmd, sizeof(cmd),
		 "cd %s && iasl -d %s.aml >%s.log 2>&1 && "
		 "! grep -Ei 'error|warning|invalid|unknown' %s.log && "
		 "iasl %s.dsl >>%s.log 2>&1 && "
		 "grep -q '0 Errors' %s.log",
		 dir, name, name, name, name, name, name);
	return system(cmd);
}

static void iasl_reads_every_table_without_complaint(void **state)
{
	char dir[] = "/tmp/acpi-XXXXXX", cmd[64];

	(void)state;
	if (system("command -v iasl >/dev/null 2>&1"))
		skip();
	build(64, LAYOUT_VIRTIO_SLOTS);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(disassemble(dir, dsdt(), "dsdt"), 0);
	assert_int_equal(disassemble(dir, fadt(), "fadt"), 0);
	assert_int_equal(disassemble(dir, madt(), "madt"), 0);
	assert_int_equal(disassemble(dir, xsdt(), "xsdt"), 0);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(rsdp_of_revision_2_leads_to_every_table),
	cmocka_unit_test(fadt_describes_a_hardware_reduced_machine),
	cmocka_unit_test(madt_lists_cpus_ioapic_override_and_nmi),
	cmocka_unit_test(dsdt_has_power_off_and_every_device),
	cmocka_unit_test(tables_of_the_largest_machine_fit),
	cmocka_unit_test(tables_that_do_not_fit_are_refused),
	cmocka_unit_test(aml_integers_take_their_shortest_form),
	cmocka_unit_test(aml_eisa_id_is_packed_as_the_spec_says),
	cmocka_unit_test(aml_package_lengths_grow_at_their_bounds),
	cmocka_unit_test(iasl_reads_every_table_without_complaint),
};

UNIT_MAIN(tests)
