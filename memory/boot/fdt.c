// SPDX-License-Identifier: MIT
/*
 * fdt.c - the machine as a flattened device tree.
 *
 * Bindings: the Devicetree Specification v0.4, and for what a PC has Linux's
 * bindings x86/ce4100.txt, interrupt-controller/intel,ce4100-ioapic.yaml and
 * -lapic.yaml, virtio/mmio.yaml, serial/8250.yaml, rtc/rtc-cmos.yaml.
 */
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "memory/boot/loader.h"

enum {
	FDT_ROOM = 64 << 10, /* 64 CPUs and 40 devices take 9 KiB */
	PHANDLE_IOAPIC = 1,
	PHANDLE_LAPIC = 2,
	IOAPIC_EDGE_HIGH = 0, /* second cell of an interrupt */
	ISA_IO = 1,	      /* first cell of an ISA address */
};

/*
 * libfdt's sequential writer with the first error kept, so that a tree reads
 * as a list of properties.
 */
struct tree {
	void *fdt;
	int err;
};

static void note(struct tree *t, int err)
{
	if (!t->err)
		t->err = err;
}

static void begin(struct tree *t, const char *name)
{
	note(t, fdt_begin_node(t->fdt, name));
}

static void begin_at(struct tree *t, const char *name, uint64_t unit)
{
	char full[48];

	snprintf(full, sizeof(full), "%s@%llx", name, (unsigned long long)unit);
	begin(t, full);
}

static void end(struct tree *t)
{
	note(t, fdt_end_node(t->fdt));
}

static void put_string(struct tree *t, const char *name, const char *s)
{
	note(t, fdt_property(t->fdt, name, s, (int)strlen(s) + 1));
}

static void put_u32(struct tree *t, const char *name, uint32_t v)
{
	note(t, fdt_property_u32(t->fdt, name, v));
}

static void put_u64(struct tree *t, const char *name, uint64_t v)
{
	note(t, fdt_property_u64(t->fdt, name, v));
}

static void put_flag(struct tree *t, const char *name)
{
	note(t, fdt_property(t->fdt, name, NULL, 0));
}

static void put_cells(struct tree *t, const char *name, const uint32_t *cells,
		      size_t n)
{
	fdt32_t be[8];

	for (size_t i = 0; i < n; i++)
		be[i] = cpu_to_fdt32(cells[i]);
	note(t, fdt_property(t->fdt, name, be, (int)(n * sizeof(be[0]))));
}

/* reg of a node under two address and two size cells */
static void put_reg(struct tree *t, uint64_t base, uint64_t size)
{
	const uint32_t cells[] = { (uint32_t)(base >> 32), (uint32_t)base,
				   (uint32_t)(size >> 32), (uint32_t)size };

	put_cells(t, "reg", cells, ARRAY_SIZE(cells));
}

static void put_cell_sizes(struct tree *t, uint32_t address, uint32_t size)
{
	put_u32(t, "#address-cells", address);
	put_u32(t, "#size-cells", size);
}

static void put_interrupt(struct tree *t, unsigned int gsi)
{
	const uint32_t cells[] = { gsi, IOAPIC_EDGE_HIGH };

	put_u32(t, "interrupt-parent", PHANDLE_IOAPIC);
	put_cells(t, "interrupts", cells, ARRAY_SIZE(cells));
}

static void put_cpus(struct tree *t, unsigned int nr_cpus)
{
	begin(t, "cpus");
	put_cell_sizes(t, 1, 0);
	for (unsigned int i = 0; i < nr_cpus; i++) {
		begin_at(t, "cpu", i);
		put_string(t, "device_type", "cpu");
		put_string(t, "compatible", "intel,ce4100");
		put_u32(t, "reg", i); /* the local APIC id */
		put_u32(t, "lapic", PHANDLE_LAPIC);
		end(t);
	}
	end(t);
}

static void put_memory_node(struct tree *t, uint64_t base, uint64_t size)
{
	begin_at(t, "memory", base);
	put_string(t, "device_type", "memory");
	put_reg(t, base, size);
	end(t);
}

static void put_memory(struct tree *t, uint64_t ram_size)
{
	uint64_t low = min_u64(ram_size, LAYOUT_HOLE_BASE);

	put_memory_node(t, 0, low);
	if (ram_size > low)
		put_memory_node(t, LAYOUT_HIGH_BASE, ram_size - low);
}

static void put_chosen(struct tree *t, const struct boot_params *p,
		       gpa_t initrd, uint64_t initrd_size)
{
	char stdout_path[64];

	snprintf(stdout_path, sizeof(stdout_path), "/soc/isa@0/serial@1,%x",
		 LAYOUT_PORT_COM1);
	begin(t, "chosen");
	put_string(t, "bootargs", p->cmdline);
	put_string(t, "stdout-path", stdout_path);
	if (initrd_size) {
		put_u64(t, "linux,initrd-start", initrd);
		put_u64(t, "linux,initrd-end", initrd + initrd_size);
	}
	end(t);
}

static void put_interrupt_controller(struct tree *t, const char *compatible,
				     gpa_t base, uint32_t phandle)
{
	begin_at(t, "interrupt-controller", base);
	put_string(t, "compatible", compatible);
	put_reg(t, base, 0x1000);
	put_flag(t, "interrupt-controller");
	put_u32(t, "#address-cells", 0);
	put_u32(t, "#interrupt-cells", 2);
	put_u32(t, "phandle", phandle);
	end(t);
}

static void put_isa_node(struct tree *t, const char *name,
			 const char *compatible, uint32_t port, uint32_t len,
			 unsigned int gsi)
{
	const uint32_t reg[] = { ISA_IO, port, len };
	char full[48];

	snprintf(full, sizeof(full), "%s@%x,%x", name, ISA_IO, port);
	begin(t, full);
	put_string(t, "compatible", compatible);
	put_cells(t, "reg", reg, ARRAY_SIZE(reg));
	put_interrupt(t, gsi);
}

/* Ports of the ISA bus are ports of the CPU. */
static void put_isa(struct tree *t)
{
	const uint32_t ranges[] = { ISA_IO, 0, 0, 0, 0x1000 };

	begin_at(t, "isa", 0);
	put_string(t, "compatible", "isa");
	put_cell_sizes(t, 2, 1);
	put_cells(t, "ranges", ranges, ARRAY_SIZE(ranges));

	put_isa_node(t, "serial", "ns16550a", LAYOUT_PORT_COM1, 8,
		     LAYOUT_GSI_COM1);
	put_u32(t, "clock-frequency", 1843200);
	end(t);
	put_isa_node(t, "rtc", "motorola,mc146818", LAYOUT_PORT_RTC, 2,
		     LAYOUT_GSI_RTC);
	end(t);
	end(t);
}

static void put_virtio(struct tree *t, const struct boot_virtio_slot *slot)
{
	begin_at(t, "virtio", slot->base);
	put_string(t, "compatible", "virtio,mmio");
	put_reg(t, slot->base, LAYOUT_VIRTIO_SIZE);
	put_interrupt(t, slot->gsi);
	put_flag(t, "dma-coherent");
	end(t);
}

static void put_soc(struct tree *t, const struct boot_params *p)
{
	static const char compatible[] = "intel,ce4100-cp\0simple-bus";

	begin(t, "soc");
	note(t, fdt_property(t->fdt, "compatible", compatible,
			     sizeof(compatible)));
	put_cell_sizes(t, 2, 2);
	put_flag(t, "ranges");
	put_interrupt_controller(t, "intel,ce4100-ioapic", LAYOUT_IOAPIC,
				 PHANDLE_IOAPIC);
	put_interrupt_controller(t, "intel,ce4100-lapic", LAYOUT_LAPIC,
				 PHANDLE_LAPIC);
	put_isa(t);
	for (size_t i = 0; i < p->nr_slots; i++)
		put_virtio(t, &p->slots[i]);
	end(t);
}

static void put_tree(struct tree *t, const struct boot_params *p,
		     uint64_t ram_size, gpa_t initrd, uint64_t initrd_size)
{
	note(t, fdt_finish_reservemap(t->fdt));
	begin(t, "");
	put_string(t, "model", "minivmm");
	put_string(t, "compatible", "minivmm,x86-64");
	put_cell_sizes(t, 2, 2);
	put_chosen(t, p, initrd, initrd_size);
	put_cpus(t, p->nr_cpus);
	put_memory(t, ram_size);
	put_soc(t, p);
	end(t);
	note(t, fdt_finish(t->fdt));
}

int fdt_build_initrd(const struct boot_params *p, uint64_t ram_size,
		     gpa_t initrd, uint64_t initrd_size, void **out,
		     size_t *size)
{
	struct tree t = { 0 };
	int room = FDT_ROOM + (int)LAYOUT_CMDLINE_MAX;

	*out = NULL;
	t.fdt = malloc((size_t)room);
	if (!t.fdt)
		return -ENOMEM;
	note(&t, fdt_create(t.fdt, room));
	put_tree(&t, p, ram_size, initrd, initrd_size);
	if (t.err) {
		free(t.fdt);
		return t.err == -FDT_ERR_NOSPACE ? -ENOSPC : -EINVAL;
	}
	*out = t.fdt;
	*size = fdt_totalsize(t.fdt);
	return 0;
}

int fdt_build(const struct boot_params *p, uint64_t ram_size, void **out,
	      size_t *size)
{
	return fdt_build_initrd(p, ram_size, 0, 0, out, size);
}
