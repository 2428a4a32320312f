// SPDX-License-Identifier: MIT
/*
 * acpi.c - the ACPI tables of the machine (ACPI 6.4).
 *
 * How it works. The tables lie behind one another from LAYOUT_ACPI:
 *
 *   RSDP -> XSDT -> FADT -> DSDT
 *               '-> MADT
 *
 * The machine is hardware-reduced (§4.1): no SCI, no PM timer, no fixed
 * buttons, sleep and reset are one port each. The DSDT names what a kernel
 * cannot find by itself: COM1, the RTC, pvpanic and the virtio-mmio windows.
 */
#include "memory/boot/acpi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/le.h"
#include "memory/boot/aml.h"
#include "memory/boot/boot.h"

struct acpi_rsdp { /* §5.2.5.3 */
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	le32 rsdt;
	le32 length;
	le64 xsdt;
	uint8_t extended_checksum; /* of all */
	uint8_t reserved[3];
} __attribute__((packed));

struct acpi_header { /* §5.2.6 */
	char signature[4];
	le32 length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	le32 oem_revision;
	char creator_id[4];
	le32 creator_revision;
} __attribute__((packed));

struct acpi_gas { /* generic address structure, §5.2.3.2 */
	uint8_t space;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size;
	le64 address;
} __attribute__((packed));

enum {
	GAS_SYSTEM_IO = 1,
	GAS_ACCESS_BYTE = 1,
};

struct acpi_fadt { /* §5.2.9; what a hardware-reduced machine lacks is pad */
	struct acpi_header h;
	le32 facs;
	le32 dsdt;
	uint8_t pad1[109 - 44];
	le16 iapc_boot_arch;
	uint8_t pad2;
	le32 flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	le16 arm_boot_arch;
	uint8_t minor_version;
	le64 x_facs;
	le64 x_dsdt;
	uint8_t pad3[244 - 148];
	struct acpi_gas sleep_control;
	struct acpi_gas sleep_status;
	le64 hypervisor_id;
} __attribute__((packed));

_Static_assert(sizeof(struct acpi_header) == 36, "header");
_Static_assert(offsetof(struct acpi_fadt, flags) == 112, "FADT flags");
_Static_assert(offsetof(struct acpi_fadt, sleep_control) == 244, "FADT sleep");
_Static_assert(sizeof(struct acpi_fadt) == 276, "FADT");

/* FADT flags, table 5.10, and IA-PC boot architecture flags, table 5.11 */
enum {
	FADT_WBINVD = 1 << 0,
	FADT_PROC_C1 = 1 << 2,
	FADT_PWR_BUTTON = 1 << 4, /* not a fixed feature */
	FADT_SLP_BUTTON = 1 << 5, /* likewise */
	FADT_FIX_RTC = 1 << 6,	  /* no RTC wake in fixed registers */
	FADT_RESET_REG_SUP = 1 << 10,
	FADT_HEADLESS = 1 << 12,
	FADT_HW_REDUCED = 1 << 20,

	IAPC_LEGACY_DEVICES = 1 << 0,
	IAPC_8042 = 1 << 1, /* ours only resets: better not looked for */
	IAPC_VGA_NOT_PRESENT = 1 << 2,
};

/* MADT structure types, §5.2.12 */
enum {
	MADT_LOCAL_APIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LOCAL_APIC_NMI = 4,

	MADT_PCAT_COMPAT = 1 << 0, /* there are 8259s too */
	MADT_CPU_ENABLED = 1 << 0,
	MADT_ALL_CPUS = 0xff,
	MADT_LINT1 = 1,
	/* GSI 0, the PIT's, is wired to this IO-APIC pin as on a PC. */
	MADT_PIT_PIN = 2,
};

static const char oem_id[6] = { 'M', 'I', 'N', 'I', 'V', 'M' };

static uint8_t checksum(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

static gpa_t address(size_t at)
{
	return LAYOUT_ACPI + at;
}

/* Start a table; its body is appended, then end_table() completes it. */
static size_t begin_table(struct acpi_buf *b, const char *sig, uint8_t rev)
{
	struct acpi_header h = {
		.revision = rev,
		.oem_revision = le32_put(1),
		.creator_revision = le32_put(1),
	};
	size_t at;

	memcpy(h.signature, sig, sizeof(h.signature));
	memcpy(h.oem_id, oem_id, sizeof(h.oem_id));
	memcpy(h.oem_table_id, "MINIVMM ", sizeof(h.oem_table_id));
	memcpy(h.creator_id, "MVMM", sizeof(h.creator_id));
	acpi_align(b, 16);
	at = b->len;
	acpi_put(b, &h, sizeof(h));
	return at;
}

static void end_table(struct acpi_buf *b, size_t at)
{
	struct acpi_header h;

	if (b->full)
		return;
	memcpy(&h, b->bytes + at, sizeof(h));
	h.length = le32_put((uint32_t)(b->len - at));
	memcpy(b->bytes + at, &h, sizeof(h));
	h.checksum = checksum(b->bytes + at, b->len - at);
	memcpy(b->bytes + at, &h, sizeof(h));
}

/* \_S5: the value that sleep control takes to power off. */
static void put_s5(struct acpi_buf *b)
{
	size_t pkg;

	acpi_aml_name(b, "_S5_");
	pkg = acpi_aml_begin_package(b, 4);
	acpi_aml_int(b, 5);
	acpi_aml_int(b, 0);
	acpi_aml_int(b, 0);
	acpi_aml_int(b, 0);
	acpi_aml_end(b, pkg);
}

static void put_isa_device(struct acpi_buf *b, const char *name, const char *id,
			   uint16_t port, uint8_t len, unsigned int gsi)
{
	size_t dev = acpi_aml_begin_device(b, name), crs;

	acpi_aml_name(b, "_HID");
	acpi_aml_eisa_id(b, id);
	acpi_aml_name(b, "_UID");
	acpi_aml_int(b, 1);
	crs = acpi_aml_begin_resources(b);
	acpi_aml_io(b, port, len);
	acpi_aml_interrupt(b, gsi);
	acpi_aml_end_resources(b, crs);
	acpi_aml_end(b, dev);
}

static void put_pvpanic(struct acpi_buf *b)
{
	size_t dev = acpi_aml_begin_device(b, "PEVT"), crs;

	acpi_aml_name(b, "_HID");
	acpi_aml_string(b, "QEMU0001");
	crs = acpi_aml_begin_resources(b);
	acpi_aml_io(b, LAYOUT_PORT_PVPANIC, 1);
	acpi_aml_end_resources(b, crs);
	acpi_aml_end(b, dev);
}

static void put_virtio(struct acpi_buf *b, unsigned int n,
		       const struct boot_virtio_slot *slot)
{
	size_t dev, crs;
	char name[8];

	snprintf(name, sizeof(name), "V%03X", n & 0xfff);
	dev = acpi_aml_begin_device(b, name);
	acpi_aml_name(b, "_HID");
	acpi_aml_string(b, "LNRO0005");
	acpi_aml_name(b, "_UID");
	acpi_aml_int(b, n);
	acpi_aml_name(b, "_CCA");
	acpi_aml_int(b, 1);
	crs = acpi_aml_begin_resources(b);
	acpi_aml_memory32(b, (uint32_t)slot->base, LAYOUT_VIRTIO_SIZE);
	acpi_aml_interrupt(b, slot->gsi);
	acpi_aml_end_resources(b, crs);
	acpi_aml_end(b, dev);
}

static size_t put_dsdt(struct acpi_buf *b, const struct boot_params *p)
{
	/* Revision 2: integers have 64 bits. */
	size_t at = begin_table(b, "DSDT", 2), scope;

	put_s5(b);
	scope = acpi_aml_begin_scope(b, "\\_SB_");
	put_isa_device(b, "COM1", "PNP0501", LAYOUT_PORT_COM1, 8,
		       LAYOUT_GSI_COM1);
	put_isa_device(b, "RTC_", "PNP0B00", LAYOUT_PORT_RTC, 2,
		       LAYOUT_GSI_RTC);
	put_pvpanic(b);
	for (size_t i = 0; i < p->nr_slots; i++)
		put_virtio(b, (unsigned int)i, &p->slots[i]);
	acpi_aml_end(b, scope);
	end_table(b, at);
	return at;
}

static struct acpi_gas port_register(uint16_t port)
{
	return (struct acpi_gas){
		.space = GAS_SYSTEM_IO,
		.bit_width = 8,
		.access_size = GAS_ACCESS_BYTE,
		.address = le64_put(port),
	};
}

static size_t put_fadt(struct acpi_buf *b, gpa_t dsdt)
{
	struct acpi_fadt f = {
		.dsdt = le32_put((uint32_t)dsdt),
		.iapc_boot_arch =
			le16_put(IAPC_LEGACY_DEVICES | IAPC_VGA_NOT_PRESENT),
		.flags = le32_put(FADT_WBINVD | FADT_PROC_C1 | FADT_PWR_BUTTON |
				  FADT_SLP_BUTTON | FADT_FIX_RTC |
				  FADT_RESET_REG_SUP | FADT_HEADLESS |
				  FADT_HW_REDUCED),
		.reset_reg = port_register(LAYOUT_PORT_ACPI_RESET),
		.reset_value = 1,
		.minor_version = 4,
		.x_dsdt = le64_put(dsdt),
		.sleep_control = port_register(LAYOUT_PORT_ACPI_SLEEP),
		.sleep_status = port_register(LAYOUT_PORT_ACPI_SLEEP + 1),
	};
	size_t at = begin_table(b, "FACP", 6);

	memcpy(&f.hypervisor_id, "minivmm", 8);
	acpi_put(b, (uint8_t *)&f + sizeof(f.h), sizeof(f) - sizeof(f.h));
	end_table(b, at);
	return at;
}

static void put_local_apics(struct acpi_buf *b, unsigned int nr_cpus)
{
	for (unsigned int id = 0; id < nr_cpus; id++) {
		struct {
			uint8_t type, len, uid, apic_id;
			le32 flags;
		} __attribute__((packed)) cpu = {
			MADT_LOCAL_APIC,
			sizeof(cpu),
			(uint8_t)id,
			(uint8_t)id,
			le32_put(MADT_CPU_ENABLED),
		};

		acpi_put(b, &cpu, sizeof(cpu));
	}
}

static void put_irq_wiring(struct acpi_buf *b)
{
	struct {
		uint8_t type, len, id, reserved;
		le32 address, gsi_base;
	} __attribute__((packed)) ioapic = {
		MADT_IOAPIC,
		sizeof(ioapic),
		LAYOUT_IOAPIC_ID,
		0,
		le32_put((uint32_t)LAYOUT_IOAPIC),
		le32_put(0),
	};
	struct {
		uint8_t type, len, bus, irq;
		le32 gsi;
		le16 flags;
	} __attribute__((packed)) pit = {
		MADT_OVERRIDE,		sizeof(pit), 0, LAYOUT_GSI_PIT,
		le32_put(MADT_PIT_PIN), le16_put(0),
	};
	struct {
		uint8_t type, len, uid;
		le16 flags;
		uint8_t lint;
	} __attribute__((packed)) nmi = {
		MADT_LOCAL_APIC_NMI, sizeof(nmi), MADT_ALL_CPUS,
		le16_put(0),	     MADT_LINT1,
	};

	acpi_put(b, &ioapic, sizeof(ioapic));
	acpi_put(b, &pit, sizeof(pit));
	acpi_put(b, &nmi, sizeof(nmi));
}

static size_t put_madt(struct acpi_buf *b, unsigned int nr_cpus)
{
	size_t at = begin_table(b, "APIC", 5);
	le32 lapic = le32_put((uint32_t)LAYOUT_LAPIC);
	le32 flags = le32_put(MADT_PCAT_COMPAT);

	acpi_put(b, &lapic, sizeof(lapic));
	acpi_put(b, &flags, sizeof(flags));
	put_local_apics(b, nr_cpus);
	put_irq_wiring(b);
	end_table(b, at);
	return at;
}

static size_t put_xsdt(struct acpi_buf *b, gpa_t fadt, gpa_t madt)
{
	size_t at = begin_table(b, "XSDT", 1);
	le64 tables[2] = { le64_put(fadt), le64_put(madt) };

	acpi_put(b, tables, sizeof(tables));
	end_table(b, at);
	return at;
}

static void fill_rsdp(struct acpi_buf *b, gpa_t xsdt)
{
	struct acpi_rsdp r = {
		.revision = 2,
		.length = le32_put(sizeof(r)),
		.xsdt = le64_put(xsdt),
	};

	memcpy(r.signature, "RSD PTR ", sizeof(r.signature));
	memcpy(r.oem_id, oem_id, sizeof(r.oem_id));
	r.checksum = checksum(&r, offsetof(struct acpi_rsdp, length));
	r.extended_checksum = checksum(&r, sizeof(r));
	memcpy(b->bytes, &r, sizeof(r));
}

int acpi_build(const struct boot_params *p, void *buf, size_t cap, size_t *len)
{
	struct acpi_buf b = { .bytes = buf, .cap = cap };
	struct acpi_rsdp place = { 0 };
	size_t dsdt, fadt, madt, xsdt;

	acpi_put(&b, &place, sizeof(place));
	dsdt = put_dsdt(&b, p);
	fadt = put_fadt(&b, address(dsdt));
	madt = put_madt(&b, p->nr_cpus);
	xsdt = put_xsdt(&b, address(fadt), address(madt));
	if (b.full)
		return -ENOSPC;
	fill_rsdp(&b, address(xsdt));
	*len = b.len;
	return 0;
}
