// SPDX-License-Identifier: MIT
/*
 * test_fdt.c - the device tree of the machine, read back with libfdt and with
 * dtc.
 */
#include "tests/unit/unit.h"

#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory/boot/boot.h"
#include "memory/boot/loader.h"

#define GIB (1ull << 30)

static struct boot_virtio_slot slots[LAYOUT_VIRTIO_SLOTS];

static struct boot_params params(unsigned int cpus, size_t nr_slots)
{
	for (size_t i = 0; i < nr_slots; i++) {
		slots[i].base = LAYOUT_VIRTIO_BASE + i * LAYOUT_VIRTIO_SIZE;
		slots[i].gsi = LAYOUT_GSI_VIRTIO + (unsigned int)i;
	}
	return (struct boot_params){
		.cmdline = "console=ttyS0 quiet",
		.nr_cpus = cpus,
		.slots = slots,
		.nr_slots = nr_slots,
	};
}

static void *build(const struct boot_params *p, uint64_t ram)
{
	void *fdt;
	size_t size;

	assert_int_equal(fdt_build(p, ram, &fdt, &size), 0);
	assert_int_equal(fdt_check_full(fdt, size), 0);
	return fdt;
}

/* Cell @n of property @name of the node at @path */
static uint32_t cell(const void *fdt, const char *path, const char *name, int n)
{
	int node = fdt_path_offset(fdt, path), len;
	const fdt32_t *v;

	if (node < 0)
		fail_msg("no node %s", path);
	v = fdt_getprop(fdt, node, name, &len);
	if (!v)
		fail_msg("no %s in %s", name, path);
	assert_true((n + 1) * 4 <= len);
	return fdt32_to_cpu(v[n]);
}

static void device_tree_has_cpus_by_their_apic_ids(void **state)
{
	struct boot_params p = params(3, 0);
	void *fdt = build(&p, GIB);

	(void)state;
	assert_int_equal(cell(fdt, "/cpus/cpu@0", "reg", 0), 0);
	assert_int_equal(cell(fdt, "/cpus/cpu@2", "reg", 0), 2);
	assert_true(fdt_path_offset(fdt, "/cpus/cpu@3") < 0);
	free(fdt);
}

static void device_tree_has_memory_around_the_hole(void **state)
{
	struct boot_params p = params(1, 0);
	void *fdt = build(&p, 5 * GIB);

	(void)state;
	assert_int_equal(cell(fdt, "/memory@0", "reg", 3), 0xc0000000);
	assert_int_equal(cell(fdt, "/memory@100000000", "reg", 0), 1);
	assert_int_equal(cell(fdt, "/memory@100000000", "reg", 3), 2 * GIB);
	free(fdt);
	fdt = build(&p, GIB);
	assert_int_equal(cell(fdt, "/memory@0", "reg", 3), GIB);
	assert_true(fdt_path_offset(fdt, "/memory@100000000") < 0);
	free(fdt);
}

static void device_tree_has_a_node_per_virtio_window(void **state)
{
	static const char last[] = "/soc/virtio@d0027000";
	struct boot_params p = params(1, 40);
	void *fdt = build(&p, GIB);
	int node = fdt_path_offset(fdt, last);

	(void)state;
	assert_true(node >= 0);
	assert_int_equal(fdt_node_check_compatible(fdt, node, "virtio,mmio"),
			 0);
	assert_int_equal(cell(fdt, last, "reg", 1), 0xd0027000);
	assert_int_equal(cell(fdt, last, "reg", 3), 0x1000);
	assert_int_equal(cell(fdt, last, "interrupts", 0), 63);
	assert_int_equal(cell(fdt, last, "interrupt-parent", 0),
			 cell(fdt, "/soc/interrupt-controller@fec00000",
			      "phandle", 0));
	free(fdt);
}

static void device_tree_chooses_command_line_and_console(void **state)
{
	struct boot_params p = params(1, 0);
	void *fdt = build(&p, GIB);
	int node = fdt_path_offset(fdt, "/chosen");
	const char *path;

	(void)state;
	assert_string_equal(fdt_getprop(fdt, node, "bootargs", NULL),
			    "console=ttyS0 quiet");
	assert_null(fdt_getprop(fdt, node, "linux,initrd-start", NULL));
	path = fdt_getprop(fdt, node, "stdout-path", NULL);
	assert_non_null(path);
	assert_int_equal(cell(fdt, path, "reg", 1), LAYOUT_PORT_COM1);
	free(fdt);
}

static void device_tree_of_a_loaded_guest_names_its_initrd(void **state)
{
	struct boot_params p = params(1, 0);
	void *fdt;
	size_t size;

	(void)state;
	assert_int_equal(
		fdt_build_initrd(&p, GIB, 0x3fff0000, 0x1234, &fdt, &size), 0);
	assert_int_equal(cell(fdt, "/chosen", "linux,initrd-start", 1),
			 0x3fff0000);
	assert_int_equal(cell(fdt, "/chosen", "linux,initrd-end", 1),
			 0x3fff1234);
	free(fdt);
}

static void device_tree_holds_the_longest_command_line(void **state)
{
	struct boot_params p = params(64, 40);
	char *text = malloc(LAYOUT_CMDLINE_MAX);
	void *fdt;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', LAYOUT_CMDLINE_MAX - 1);
	text[LAYOUT_CMDLINE_MAX - 1] = 0;
	p.cmdline = text;
	fdt = build(&p, 64 * GIB);
	assert_true(fdt_totalsize(fdt) < LAYOUT_SETUP_END - LAYOUT_SETUP_DATA);
	free(fdt);
	free(text);
}

static void dtc_reads_the_device_tree_without_complaint(void **state)
{
	struct boot_params p = params(64, 40);
	void *fdt;
	FILE *dtc;

	(void)state;
	if (system("command -v dtc >/dev/null 2>&1"))
		skip();
	fdt = build(&p, 5 * GIB);
	dtc = popen("! dtc -I dtb -O dts -o /dev/null - 2>&1 | grep .", "w");
	assert_non_null(dtc);
	assert_int_equal(fwrite(fdt, fdt_totalsize(fdt), 1, dtc), 1);
	assert_int_equal(pclose(dtc), 0);
	free(fdt);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(device_tree_has_cpus_by_their_apic_ids),
	cmocka_unit_test(device_tree_has_memory_around_the_hole),
	cmocka_unit_test(device_tree_has_a_node_per_virtio_window),
	cmocka_unit_test(device_tree_chooses_command_line_and_console),
	cmocka_unit_test(device_tree_of_a_loaded_guest_names_its_initrd),
	cmocka_unit_test(device_tree_holds_the_longest_command_line),
	cmocka_unit_test(dtc_reads_the_device_tree_without_complaint),
};

UNIT_MAIN(tests)
