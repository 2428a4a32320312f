// SPDX-License-Identifier: MIT
/*
 * bzimage.c - a Linux bzImage by the 64-bit or 32-bit boot protocol.
 *
 * How it works. The file is a real-mode part of setup_sects + 1 sectors,
 * which is not needed, and the kernel behind it. The kernel goes where it
 * likes to be (pref_address) and unpacks itself there; until init_size bytes
 * above that nothing else may lie. A 64-bit kernel is entered in 64-bit mode,
 * ZP_ENTRY_64 bytes above its start, a 32-bit one at its start. See the
 * kernel's Documentation/arch/x86/boot.rst.
 */
#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "memory/boot/loader.h"
#include "memory/boot/zero_page.h"

static int read_header(const struct boot_loader *l, struct zp_setup_header *h)
{
	const struct boot_file *f = &l->kernel;
	uint8_t jump[2];
	size_t len;
	int err;

	memset(h, 0, sizeof(*h));
	/* The header ends where the jump at its start leads. */
	err = boot_file_read(l, f, 0x200, jump, sizeof(jump));
	if (err)
		return err;
	len = ZP_HEADER_END_BASE + jump[1] - ZP_HEADER_AT;
	if (len > sizeof(*h))
		len = sizeof(*h);
	return boot_file_read(l, f, ZP_HEADER_AT, h, len);
}

static bool is_64bit(const struct zp_setup_header *h)
{
	return le16_get(h->xloadflags) & ZP_XLF_KERNEL_64;
}

static int check_protocol(const struct boot_loader *l,
			  const struct zp_setup_header *h)
{
	const char *name = l->kernel.name;
	unsigned int v = le16_get(h->version);
	unsigned int end = ZP_HEADER_END_BASE + h->jump_len;

	if (v < ZP_VERSION_64BIT)
		return boot_fail(l, name, -ENOEXEC,
				 "boot protocol %u.%02u is too old, expected "
				 "2.12 (Linux 3.8) or later",
				 v >> 8, v & 0xff);
	if (!(h->loadflags & ZP_LOADED_HIGH))
		return boot_fail(l, name, -ENOEXEC,
				 "is a zImage, expected a bzImage");
	if (end < offsetof(struct zp_page, hdr.handover_offset))
		return boot_fail(l, name, -ENOEXEC,
				 "damaged: its setup header ends at 0x%x", end);
	return 0;
}

/* The file has all the header promises: *off and *len of the kernel in it. */
static int find_code(const struct boot_loader *l,
		     const struct zp_setup_header *h, uint64_t *off,
		     uint64_t *len)
{
	const struct boot_file *f = &l->kernel;
	unsigned int sects = h->setup_sects;
	uint64_t code, need;

	if (!sects)
		sects = ZP_SETUP_SECTS_DEFAULT;
	code = (sects + 1ull) * ZP_SECTOR;
	/* syssize is rounded up, the file need not be. */
	need = code + le32_get(h->syssize) * 16ull;
	need = max_u64(need, code + (is_64bit(h) ? ZP_ENTRY_64 : 0) + 16);
	need = max_u64(need, code + le32_get(h->payload_offset) +
				     le32_get(h->payload_length));
	if (f->size + 15 < need)
		return boot_fail(l, f->name, -ENOEXEC,
				 "truncated: %llu bytes expected, the file has "
				 "%llu",
				 (unsigned long long)need,
				 (unsigned long long)f->size);
	*off = code;
	*len = f->size - code;
	return 0;
}

static int choose_address(const struct boot_loader *l,
			  const struct zp_setup_header *h, gpa_t *load)
{
	const char *name = l->kernel.name;
	uint64_t align = le32_get(h->kernel_alignment);
	uint64_t pref = le64_get(h->pref_address);

	if (!h->relocatable_kernel) {
		if (pref < LAYOUT_KERNEL)
			return boot_fail(l, name, -ENOEXEC,
					 "wants to be loaded at 0x%llx, "
					 "expected 1 MiB or above",
					 (unsigned long long)pref);
		*load = pref;
		return 0;
	}
	if (!align || align & (align - 1))
		return boot_fail(l, name, -ENOEXEC,
				 "damaged: kernel_alignment is 0x%llx, "
				 "expected a power of two",
				 (unsigned long long)align);
	/* Lower would not do: it unpacks at pref_address at the lowest. */
	*load = checked_round_up(max_u64(pref, LAYOUT_KERNEL), align);
	return 0;
}

static int load_code(struct boot_loader *l, const struct zp_setup_header *h,
		     gpa_t *load)
{
	uint64_t off = 0, len = 0, need, end;
	int err;

	err = find_code(l, h, &off, &len);
	if (err)
		return err;
	err = choose_address(l, h, load);
	if (err)
		return err;
	need = max_u64(le32_get(h->init_size), len);
	if (!checked_add_u64(*load, need, &end))
		end = UINT64_MAX;
	if (end > l->low_end)
		return boot_fail_memory(l, l->kernel.name, end);
	l->kernel_end = end;
	return boot_file_load(l, &l->kernel, off, *load, len);
}

int boot_bzimage_load(struct boot_loader *l, struct boot_entry *out)
{
	struct zp_setup_header h;
	gpa_t load = 0;
	int err;

	err = read_header(l, &h);
	if (err)
		return err;
	err = check_protocol(l, &h);
	if (err)
		return err;
	err = load_code(l, &h, &load);
	if (err)
		return err;
	err = boot_initrd_load(l, le32_get(h.initrd_addr_max) + 1ull);
	if (err)
		return err;
	err = boot_cmdline_write(l, le32_get(h.cmdline_size));
	if (err)
		return err;
	h.code32_start = le32_put((uint32_t)load);
	err = boot_zero_page_write(l, &h);
	if (err)
		return err;

	*out = (struct boot_entry){
		.mode = is_64bit(&h) ? BOOT_MODE_LONG64 : BOOT_MODE_LINUX32,
		.entry = is_64bit(&h) ? load + ZP_ENTRY_64 : load,
		.info = LAYOUT_ZERO_PAGE,
	};
	return 0;
}
