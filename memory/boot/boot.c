// SPDX-License-Identifier: MIT
/*
 * boot.c - from a kernel file to RAM that a CPU can start in.
 */
#include "memory/boot/boot.h"

#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "base/fd.h"
#include "memory/boot/acpi.h"
#include "memory/boot/loader.h"
#include "memory/boot/zero_page.h"
#include "memory/ram.h"

/* What people hand in instead of a kernel, by its first bytes */
static const struct {
	unsigned int at, len;
	const char *magic;
	const char *what;
} strangers[] = {
	{ 0, 2, "\x1f\x8b", "gzip-compressed: unpack it first" },
	{ 0, 6,
	  "\xfd"
	  "7zXZ",
	  "xz-compressed: unpack it first" },
	{ 0, 4, "\x28\xb5\x2f\xfd", "zstd-compressed: unpack it first" },
	{ 0, 3, "BZh", "bzip2-compressed: unpack it first" },
	{ 0, 4, "\x04\x22\x4d\x18", "lz4-compressed: unpack it first" },
	{ 0, 4, "\x02\x21\x4c\x18", "lz4-compressed: unpack it first" },
	{ 0x38, 4, "ARM\x64", "Image for arm64, expected x86-64" },
	{ 0x38, 4, "RSC\x05", "Image for RISC-V, expected x86-64" },
	{ 0, 6, "070701", "a cpio archive: meant as the initrd?" },
	{ 0, 4, "QFI\xfb", "a qcow2 image: meant as a disk?" },
};

enum {
	PROBE_BYTES = 0x210
};

static int refuse_stranger(const struct boot_loader *l, const uint8_t *head)
{
	for (size_t i = 0; i < ARRAY_SIZE(strangers); i++)
		if (!memcmp(head + strangers[i].at, strangers[i].magic,
			    strangers[i].len))
			return boot_fail(l, l->kernel.name, -ENOEXEC,
					 "not a kernel: %s", strangers[i].what);
	return boot_fail(l, l->kernel.name, -ENOEXEC,
			 "not a kernel: neither a bzImage (no HdrS at 0x202) "
			 "nor an ELF file");
}

static int load_bzimage(struct boot_loader *l, struct boot_entry *out)
{
	if (l->p->protocol == BOOT_PVH)
		return boot_fail(l, l->kernel.name, -ENOEXEC,
				 "is a bzImage, PVH needs an ELF file with the "
				 "PVH note (vmlinux)");
	return boot_bzimage_load(l, out);
}

/* Look at the file and call the loader for what it is. */
static int load_recognised(struct boot_loader *l, struct boot_entry *out)
{
	uint8_t head[PROBE_BYTES] = { 0 };
	uint32_t hdrs = ZP_HEADER_MAGIC;
	ssize_t n;

	if (l->p->protocol == BOOT_FLAT)
		return boot_flat_load(l, out);

	n = fd_pread_all(l->kernel.fd, head, sizeof(head), 0);
	if (n < 0)
		return boot_fail(l, l->kernel.name, (int)n, "read: %s",
				 strerror((int)-n));
	if (!memcmp(head,
		    "\x7f"
		    "ELF",
		    4))
		return boot_elf_load(l, out);
	if (!memcmp(head + 0x202, &hdrs, sizeof(hdrs)))
		return load_bzimage(l, out);
	return refuse_stranger(l, head);
}

static int check_params(const struct boot_loader *l)
{
	const struct boot_params *p = l->p;

	if (!p->nr_cpus || p->nr_cpus > LAYOUT_CPUS_MAX)
		return boot_fail(l, p->kernel_name, -EINVAL,
				 "%u CPUs, expected 1 to %d", p->nr_cpus,
				 LAYOUT_CPUS_MAX);
	if (p->nr_slots > LAYOUT_VIRTIO_SLOTS)
		return boot_fail(l, p->kernel_name, -EINVAL,
				 "%zu virtio devices, expected %d at most",
				 p->nr_slots, LAYOUT_VIRTIO_SLOTS);
	return 0;
}

static int write_acpi(const struct boot_loader *l)
{
	const size_t cap = LAYOUT_ACPI_END - LAYOUT_ACPI;
	void *host = ram_ptr(l->ram, LAYOUT_ACPI, cap);
	size_t len;
	int err;

	if (!host)
		return -EFAULT;
	err = acpi_build(l->p, host, cap, &len);
	if (err)
		return boot_fail(l, l->kernel.name, err,
				 "ACPI tables do not fit below 1 MiB");
	ram_written(l->ram, LAYOUT_ACPI, len);
	return 0;
}

int boot_load(struct ram *ram, const struct boot_params *p,
	      struct boot_entry *out, char *why, size_t why_len)
{
	struct boot_loader l = {
		.ram = ram,
		.p = p,
		.low_end = ram_region(ram, 0)->size,
		.why = why,
		.why_len = why_len,
	};
	int err;

	err = check_params(&l);
	if (err)
		return err;
	err = boot_file_open(&l, p->kernel_fd, p->kernel_name, "a kernel",
			     &l.kernel);
	if (err)
		return err;
	err = load_recognised(&l, out);
	if (err)
		return err;
	err = boot_cpu_tables_write(&l, out->mode);
	if (err)
		return err;
	return write_acpi(&l);
}
