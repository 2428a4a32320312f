/* SPDX-License-Identifier: MIT */
/*
 * tiny_machine.h - a whole machine in a unit test: a configuration, and a
 * 64-bit guest of a few instructions that are written here.
 *
 * The guest's image is one ELF segment at TINY_BASE: a page of code, and the
 * virtqueue of a block device with requests in it, so that code alone can
 * start them.
 */
#ifndef MINIVMM_TESTS_UNIT_TINY_MACHINE_H
#define MINIVMM_TESTS_UNIT_TINY_MACHINE_H

#include "tests/unit/unit.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cmd/machine.h"
#include "cmd/machine_error.h"
#include "config/config.h"
#include "memory/layout_x86.h"
#include "vcpu/engine.h"

#define TINY_BASE	0x100000u
#define TINY_QUEUE	256u
#define TINY_SECTORS	8u   /* read by each request */
#define TINY_DISK	4096 /* bytes */
#define TINY_WINDOW(n)	(0xd0000000u + 0x1000u * (n))
#define TINY_AT(member) (TINY_BASE + (uint32_t)offsetof(struct tiny, member))
#define TINY_PATH_LEN	64

/* The image, as it lies in guest RAM */
struct tiny {
	uint8_t code[4096];
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} desc[TINY_QUEUE];
	struct {
		uint16_t flags, idx, ring[TINY_QUEUE], event;
	} avail;
	struct {
		uint16_t flags, idx;
		uint64_t ring[TINY_QUEUE];
		uint16_t event;
	} used __attribute__((aligned(8)));
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header;
	uint8_t status;
	uint8_t data[512 * TINY_SECTORS];
	/* Not loaded: */
	size_t n; /* bytes of code */
};

static inline void tiny_emit(struct tiny *t, const void *bytes, size_t len)
{
	assert_true(t->n + len <= sizeof(t->code));
	memcpy(t->code + t->n, bytes, len);
	t->n += len;
}

static inline void tiny_out(struct tiny *t, uint16_t port, uint8_t val)
{
	/* mov $port, %dx; mov $val, %al; out %al, %dx */
	const uint8_t code[] = {
		0x66, 0xba, (uint8_t)port, (uint8_t)(port >> 8),
		0xb0, val,  0xee,
	};

	tiny_emit(t, code, sizeof(code));
}

static inline void tiny_mmio(struct tiny *t, uint32_t addr, uint32_t val)
{
	/* mov $addr, %edi; movl $val, (%rdi) */
	tiny_emit(t, "\xbf", 1);
	tiny_emit(t, &addr, sizeof(addr));
	tiny_emit(t, "\xc7\x07", 2);
	tiny_emit(t, &val, sizeof(val));
}

/* Go on at byte @to of the code. */
static inline void tiny_jump(struct tiny *t, size_t to)
{
	int32_t off = (int32_t)to - (int32_t)t->n - 5;

	tiny_emit(t, "\xe9", 1);
	tiny_emit(t, &off, sizeof(off));
}

static inline void tiny_exit(struct tiny *t, uint8_t status)
{
	tiny_out(t, LAYOUT_PORT_DEBUG_EXIT, status);
	tiny_jump(t, t->n);
}

/*
 * Reset the device in window @n, start it with the queue of the image and
 * ring. Requests of the image are as many as avail.idx says.
 */
static inline void tiny_start(struct tiny *t, unsigned int n)
{
	const uint32_t steps[][2] = {
		{ 0x70, 0 },
		{ 0x70, 1 },
		{ 0x70, 3 },
		{ 0x24, 0 },
		{ 0x20, 0 },
		{ 0x24, 1 },
		{ 0x20, 1 }, /* VERSION_1 */
		{ 0x70, 11 },
		{ 0x30, 0 },
		{ 0x38, TINY_QUEUE },
		{ 0x80, TINY_AT(desc) },
		{ 0x90, TINY_AT(avail) },
		{ 0xa0, TINY_AT(used) },
		{ 0x44, 1 },
		{ 0x70, 15 },
		{ 0x50, 0 },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		tiny_mmio(t, TINY_WINDOW(n) + steps[i][0], steps[i][1]);
}

/* An image without code, whose queue has @requests reads of the disk. */
static inline struct tiny *tiny_new(uint16_t requests)
{
	struct tiny *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->desc[0].addr = TINY_AT(header);
	t->desc[0].len = sizeof(t->header);
	t->desc[0].flags = 1;
	t->desc[0].next = 1;
	t->desc[1].addr = TINY_AT(data);
	t->desc[1].len = sizeof(t->data);
	t->desc[1].flags = 3;
	t->desc[1].next = 2;
	t->desc[2].addr = TINY_AT(status);
	t->desc[2].len = 1;
	t->desc[2].flags = 2;
	t->avail.idx = requests; /* all of them are chain 0 */
	return t;
}

static inline void tiny_temp(char path[TINY_PATH_LEN], const void *bytes,
			     size_t len)
{
	int fd;

	snprintf(path, TINY_PATH_LEN, "/tmp/minivmm-tiny-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, bytes, len), 0);
	close(fd);
}

/* Write the image as an ELF file to a new @path, and free it. */
static inline void tiny_write(struct tiny *t, char path[TINY_PATH_LEN])
{
	const size_t size = offsetof(struct tiny, n);
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr ph;
	} elf = {
		.h = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
				     ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_entry = TINY_BASE,
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1,
		},
		.ph = {
			.p_type = PT_LOAD,
			.p_offset = sizeof(elf),
			.p_vaddr = TINY_BASE,
			.p_paddr = TINY_BASE,
			.p_filesz = size,
			.p_memsz = size,
		},
	};
	char *file = malloc(sizeof(elf) + size);

	assert_non_null(file);
	memcpy(file, &elf, sizeof(elf));
	memcpy(file + sizeof(elf), t, size);
	tiny_temp(path, file, sizeof(elf) + size);
	free(file);
	free(t);
}

static inline void tiny_set(struct vm_config *c, const char *option,
			    const char *value)
{
	struct config_error e;

	if (config_set_option(c, option, value, &e))
		fail_msg("%s", e.text);
}

/* The defaults, but little memory, no input, and 20 s for everything. */
static inline void tiny_config(struct vm_config *c, const char *kernel,
			       const char *accel)
{
	assert_int_equal(config_init(c), 0);
	tiny_set(c, "accel", accel);
	tiny_set(c, "kernel", kernel);
	tiny_set(c, "memory", "2M");
	tiny_set(c, "serial", "off");
	tiny_set(c, "timeout", "20");
}

/* False, and it is said why, when the engine @accel does not run here. */
static inline bool tiny_engine(const char *accel)
{
	const struct engine_ops *ops;
	char why[256];

	log_set_level(LOG_LEVEL_ERR);
	if (!engine_select(accel, false, &ops, why, sizeof(why)))
		return true;
	print_message("# %s: %s\n", accel, why);
	return false;
}

#endif
