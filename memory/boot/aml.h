/* SPDX-License-Identifier: MIT */
/*
 * aml.h - a writer of ACPI bytes: a bounded buffer, and the few AML terms
 * that a DSDT of fixed devices needs (ACPI 6.4 §20.2).
 *
 * How it works. Terms are appended in order. Those that contain others come
 * as begin and end; end inserts the package length, which is only known then,
 * behind the opcode. When the buffer is too small, `full` is set and nothing
 * more is written: look at it once, at the end.
 */
#ifndef MINIVMM_MEMORY_BOOT_AML_H
#define MINIVMM_MEMORY_BOOT_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct acpi_buf {
	uint8_t *bytes; /* the caller's */
	size_t cap;
	size_t len;
	bool full;
};

void acpi_put(struct acpi_buf *b, const void *bytes, size_t len);
/* Zero bytes until len is a multiple of @to. */
void acpi_align(struct acpi_buf *b, size_t to);

/* Constants: the shortest form of an integer, a string, an EISA id. */
void acpi_aml_int(struct acpi_buf *b, uint64_t v);
void acpi_aml_string(struct acpi_buf *b, const char *s);
/* @id is three letters and four hexadecimal digits, such as "PNP0501". */
void acpi_aml_eisa_id(struct acpi_buf *b, const char *id);

/* Name (@name, ...): the value is the next term. @name has 4 characters. */
void acpi_aml_name(struct acpi_buf *b, const char *name);

/* Each begin returns what its acpi_aml_end() takes. */
size_t acpi_aml_begin_scope(struct acpi_buf *b, const char *path);
size_t acpi_aml_begin_device(struct acpi_buf *b, const char *name);
size_t acpi_aml_begin_package(struct acpi_buf *b, uint8_t elements);
void acpi_aml_end(struct acpi_buf *b, size_t begin);

/* ResourceTemplate () { ... } and the descriptors in it (ACPI 6.4 §6.4) */
size_t acpi_aml_begin_resources(struct acpi_buf *b);
void acpi_aml_end_resources(struct acpi_buf *b, size_t begin);
void acpi_aml_io(struct acpi_buf *b, uint16_t port, uint8_t len);
void acpi_aml_memory32(struct acpi_buf *b, uint32_t base, uint32_t len);
/* Edge, active high, exclusive: as every line of this machine is. */
void acpi_aml_interrupt(struct acpi_buf *b, uint32_t gsi);

#endif
