/* SPDX-License-Identifier: MIT */
/*
 * acpi.h - the ACPI tables of the machine.
 */
#ifndef MINIVMM_MEMORY_BOOT_ACPI_H
#define MINIVMM_MEMORY_BOOT_ACPI_H

#include <stddef.h>

struct boot_params;

/*
 * Build all tables in @buf of @cap bytes, for the address LAYOUT_ACPI; the
 * RSDP comes first. *len: bytes used. -ENOSPC when @buf is too small. Any
 * thread.
 */
int acpi_build(const struct boot_params *p, void *buf, size_t cap, size_t *len);

#endif
