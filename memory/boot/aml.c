// SPDX-License-Identifier: MIT
/*
 * aml.c - a writer of ACPI bytes.
 */
#include "memory/boot/aml.h"

#include <string.h>

#include "base/checked.h"
#include "base/le.h"

/* Opcodes (ACPI 6.4 §20.3) */
enum {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_STRING = 0x0d,
	AML_QWORD = 0x0e,
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_EXT = 0x5b,
	AML_EXT_DEVICE = 0x82,
};

/* Resource descriptor tags and bits (ACPI 6.4 §6.4.2, §6.4.3) */
enum {
	RES_IO = 0x47,
	RES_IO_DECODE16 = 1,
	RES_END = 0x79,
	RES_MEMORY32_FIXED = 0x86,
	RES_MEMORY_WRITABLE = 1,
	RES_INTERRUPT = 0x89,
	RES_IRQ_CONSUMER = 1 << 0,
	RES_IRQ_EDGE = 1 << 1,
};

void acpi_put(struct acpi_buf *b, const void *bytes, size_t len)
{
	if (b->full || !range_fits(b->len, len, b->cap)) {
		b->full = true;
		return;
	}
	memcpy(b->bytes + b->len, bytes, len);
	b->len += len;
}

void acpi_align(struct acpi_buf *b, size_t to)
{
	while (b->len % to && !b->full)
		acpi_put(b, "", 1);
}

static void put8(struct acpi_buf *b, uint8_t v)
{
	acpi_put(b, &v, 1);
}

/* Make room for and write @bytes at @at, moving what follows. */
static void insert(struct acpi_buf *b, size_t at, const uint8_t *bytes,
		   size_t len)
{
	size_t tail = b->len - at;

	acpi_put(b, bytes, len);
	if (b->full)
		return;
	memmove(b->bytes + at + len, b->bytes + at, tail);
	memcpy(b->bytes + at, bytes, len);
}

/* The shortest ComputationalData for @v; returns its length. */
static size_t encode_int(uint8_t out[9], uint64_t v)
{
	le64 le = le64_put(v);
	size_t len = 8;

	if (v <= 1) {
		out[0] = v ? AML_ONE : AML_ZERO;
		return 1;
	}
	out[0] = AML_QWORD;
	if (v <= UINT8_MAX) {
		out[0] = AML_BYTE;
		len = 1;
	} else if (v <= UINT16_MAX) {
		out[0] = AML_WORD;
		len = 2;
	} else if (v <= UINT32_MAX) {
		out[0] = AML_DWORD;
		len = 4;
	}
	memcpy(out + 1, &le, len);
	return len + 1;
}

void acpi_aml_int(struct acpi_buf *b, uint64_t v)
{
	uint8_t code[9];
	size_t len = encode_int(code, v);

	acpi_put(b, code, len);
}

void acpi_aml_string(struct acpi_buf *b, const char *s)
{
	put8(b, AML_STRING);
	acpi_put(b, s, strlen(s) + 1);
}

static uint32_t hex_digit(char c)
{
	return (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* ACPI 6.4 §19.3.4: five bits a letter, four a digit, big-endian. */
void acpi_aml_eisa_id(struct acpi_buf *b, const char *id)
{
	uint32_t v = 0;

	for (size_t i = 0; i < 3; i++)
		v = v << 5 | (uint32_t)(id[i] - '@');
	for (size_t i = 3; i < 7; i++)
		v = v << 4 | hex_digit(id[i]);
	acpi_aml_int(b, __builtin_bswap32(v));
}

void acpi_aml_name(struct acpi_buf *b, const char *name)
{
	put8(b, AML_NAME);
	acpi_put(b, name, 4);
}

size_t acpi_aml_begin_scope(struct acpi_buf *b, const char *path)
{
	size_t begin;

	put8(b, AML_SCOPE);
	begin = b->len;
	acpi_put(b, path, strlen(path));
	return begin;
}

size_t acpi_aml_begin_device(struct acpi_buf *b, const char *name)
{
	size_t begin;

	put8(b, AML_EXT);
	put8(b, AML_EXT_DEVICE);
	begin = b->len;
	acpi_put(b, name, 4);
	return begin;
}

size_t acpi_aml_begin_package(struct acpi_buf *b, uint8_t elements)
{
	size_t begin;

	put8(b, AML_PACKAGE);
	begin = b->len;
	put8(b, elements);
	return begin;
}

/*
 * ACPI 6.4 §20.2.4: up to 63 in one byte; above, four bits and a count of the
 * bytes that follow. The length includes its own bytes.
 */
static size_t encode_pkg_length(uint8_t out[4], size_t content)
{
	size_t extra = 0, v;

	if (content + 1 > 0x3f)
		for (extra = 1; (content + 1 + extra) >> (4 + 8 * extra);)
			extra++;
	v = content + 1 + extra;
	if (!extra) {
		out[0] = (uint8_t)v;
		return 1;
	}
	out[0] = (uint8_t)(extra << 6 | (v & 0xf));
	for (size_t i = 0; i < extra; i++)
		out[1 + i] = (uint8_t)(v >> (4 + 8 * i));
	return 1 + extra;
}

void acpi_aml_end(struct acpi_buf *b, size_t begin)
{
	uint8_t len[4];

	if (b->full)
		return;
	insert(b, begin, len, encode_pkg_length(len, b->len - begin));
}

size_t acpi_aml_begin_resources(struct acpi_buf *b)
{
	acpi_aml_name(b, "_CRS");
	put8(b, AML_BUFFER);
	return b->len;
}

void acpi_aml_end_resources(struct acpi_buf *b, size_t begin)
{
	static const uint8_t end_tag[2] = { RES_END, 0 /* no checksum */ };
	uint8_t size[9];

	acpi_put(b, end_tag, sizeof(end_tag));
	if (b->full)
		return;
	insert(b, begin, size, encode_int(size, b->len - begin));
	acpi_aml_end(b, begin);
}

void acpi_aml_io(struct acpi_buf *b, uint16_t port, uint8_t len)
{
	struct {
		uint8_t tag, decode;
		le16 min, max;
		uint8_t align, len;
	} __attribute__((packed))
	d = { RES_IO, RES_IO_DECODE16, le16_put(port), le16_put(port), 1, len };

	acpi_put(b, &d, sizeof(d));
}

void acpi_aml_memory32(struct acpi_buf *b, uint32_t base, uint32_t len)
{
	struct {
		uint8_t tag;
		le16 size;
		uint8_t info;
		le32 base, len;
	} __attribute__((packed)) d = {
		RES_MEMORY32_FIXED, le16_put(9),   RES_MEMORY_WRITABLE,
		le32_put(base),	    le32_put(len),
	};

	acpi_put(b, &d, sizeof(d));
}

void acpi_aml_interrupt(struct acpi_buf *b, uint32_t gsi)
{
	struct {
		uint8_t tag;
		le16 size;
		uint8_t flags, count;
		le32 gsi;
	} __attribute__((packed)) d = {
		RES_INTERRUPT, le16_put(6), RES_IRQ_CONSUMER | RES_IRQ_EDGE, 1,
		le32_put(gsi),
	};

	acpi_put(b, &d, sizeof(d));
}
