// SPDX-License-Identifier: MIT
/*
 * test_x86_decode - the decoder against Zydis: lengths, and what exists.
 *
 * Code of libc and libcrypto is walked with linear disassembly; random bytes
 * cover what compilers do not write. Without Zydis (libzydis-dev) the
 * comparison is skipped, the fixed cases stay.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "tests/unit/unit.h"
#include "vcpu/state.h"
#include "vcpu/x86/insn.h"

#if __has_include(<Zydis/Zydis.h>)
#include <Zydis/Zydis.h>
#define HAVE_ZYDIS 1
#else
#define HAVE_ZYDIS 0
#endif

static struct x86_insn decoded(enum x86_mode mode, const char *bytes,
			       size_t len)
{
	struct x86_insn in;

	assert_int_equal(x86_decode(&in, (const uint8_t *)bytes, len, mode), 0);
	assert_int_equal(in.len, len);
	return in;
}

#define DECODED(mode, bytes) decoded(mode, bytes, sizeof(bytes) - 1)

static void refused(enum x86_mode mode, const char *bytes, size_t len, int err)
{
	struct x86_insn in;

	assert_int_equal(x86_decode(&in, (const uint8_t *)bytes, len, mode),
			 err);
}

#define REFUSED(mode, bytes, err) refused(mode, bytes, sizeof(bytes) - 1, err)

static void decode_knows_high_byte_registers_from_rex(void **state)
{
	struct x86_insn in;

	(void)state;
	in = DECODED(X86_MODE_64, "\x88\xe0"); /* mov al, ah */
	assert_int_equal(in.reg, 1);
	assert_int_equal(in.rm, 0);
	in = DECODED(X86_MODE_64, "\x40\x88\xe0"); /* mov al, spl */
	assert_int_equal(in.reg, CPU_RSP * 8);
}

static void decode_makes_rip_relative_sums(void **state)
{
	struct x86_insn in;

	(void)state;
	in = DECODED(X86_MODE_64, "\x8b\x05\x10\x00\x00\x00");
	x86_insn_set_off(&in, 0x100);
	assert_int_equal(in.base, X86_REG_IP);
	assert_int_equal(in.disp, 0x116);
}

static void decode_takes_segments_of_rbp_and_overrides(void **state)
{
	(void)state;
	assert_int_equal(DECODED(X86_MODE_32, "\x8b\x45\x00").seg, CPU_SS);
	assert_int_equal(DECODED(X86_MODE_16, "\x8b\x46\x00").seg, CPU_SS);
	assert_int_equal(DECODED(X86_MODE_32, "\x26\x8b\x45\x00").seg, CPU_ES);
	assert_int_equal(DECODED(X86_MODE_64, "\x26\x8b\x45\x00").seg,
			 X86_SEG_FLAT);
	assert_int_equal(DECODED(X86_MODE_64, "\x65\x8b\x45\x00").seg, CPU_GS);
}

static void decode_sizes_operands_by_mode_and_prefix(void **state)
{
	(void)state;
	assert_int_equal(DECODED(X86_MODE_16, "\x01\xc0").size, 2);
	assert_int_equal(DECODED(X86_MODE_16, "\x66\x01\xc0").size, 4);
	assert_int_equal(DECODED(X86_MODE_32, "\x66\x01\xc0").size, 2);
	assert_int_equal(DECODED(X86_MODE_64, "\x66\x48\x01\xc0").size, 8);
	assert_int_equal(DECODED(X86_MODE_64, "\x50").size, 8);
	assert_int_equal(DECODED(X86_MODE_64, "\x66\x50").size, 2);
}

static void decode_ignores_the_top_of_vvvv_in_32_bit_code(void **state)
{
	(void)state;
	/* sarx eax, ecx, esi; in 64-bit code it is r14d */
	assert_int_equal(DECODED(X86_MODE_32, "\xc4\xe2\x0a\xf7\xc1").vvvv,
			 CPU_RSI);
	assert_int_equal(DECODED(X86_MODE_64, "\xc4\xe2\x0a\xf7\xc1").vvvv,
			 CPU_R14);
}

static void decode_refuses_what_does_not_exist(void **state)
{
	(void)state;
	REFUSED(X86_MODE_64, "\x06", -EILSEQ);	       /* push es */
	REFUSED(X86_MODE_64, "\x0f\x0b", 0);	       /* ud2: #UD later */
	REFUSED(X86_MODE_64, "\xf0\x01\xc0", -EILSEQ); /* lock, register */
	REFUSED(X86_MODE_64, "\xf0\x8b\x00", -EILSEQ); /* lock mov */
	REFUSED(X86_MODE_64, "\x0f\x22\xc8", -EILSEQ); /* mov cr1 */
	REFUSED(X86_MODE_64, "\x8e\xc8", -EILSEQ);     /* mov cs */
	REFUSED(X86_MODE_64, "\xd9\xd1", -EILSEQ);     /* x87 hole */
	REFUSED(X86_MODE_64, "\x66\xc5\xf8\x28\xc0", -EILSEQ);
}

static void decode_says_when_bytes_are_missing(void **state)
{
	(void)state;
	REFUSED(X86_MODE_64, "", -ENODATA);
	REFUSED(X86_MODE_64, "\x66", -ENODATA);
	REFUSED(X86_MODE_64, "\x48\xb8\x01\x02", -ENODATA);
	REFUSED(X86_MODE_64, "\x8b\x05\x00\x00\x00", -ENODATA);
}

static void decode_refuses_more_than_15_bytes(void **state)
{
	(void)state;
	DECODED(X86_MODE_64, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66"
			     "\x66\x66\x66\x90");
	REFUSED(X86_MODE_64,
		"\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66"
		"\x66\x66\x66\x66\x90",
		-E2BIG);
}

#if HAVE_ZYDIS

struct tally {
	unsigned long same, only_zydis, wrong;
};

static void zydis_init(ZydisDecoder *z, enum x86_mode mode)
{
	static const ZydisMachineMode machine[] = {
		ZYDIS_MACHINE_MODE_LEGACY_16,
		ZYDIS_MACHINE_MODE_LEGACY_32,
		ZYDIS_MACHINE_MODE_LONG_64,
	};
	static const ZydisStackWidth width[] = {
		ZYDIS_STACK_WIDTH_16,
		ZYDIS_STACK_WIDTH_32,
		ZYDIS_STACK_WIDTH_64,
	};

	ZydisDecoderInit(z, machine[mode], width[mode]);
}

static void complain(const uint8_t *p, const char *what, unsigned int zlen,
		     const struct x86_insn *in)
{
	int i;

	print_message("# %s: zydis %u, ours %u (%s):", what, zlen, in->len,
		      x86_op_name(in->op));
	for (i = 0; i < 15; i++)
		print_message(" %02x", p[i]);
	print_message("\n");
}

/*
 * What hardware decodes and Zydis does not, or the other way round, and what
 * we leave undecided because it is #UD all the same.
 */
static bool known_difference(const struct x86_insn *in)
{
	switch (in->op) {
	case X86_OP_avx: /* #UD whatever it is */
	case X86_OP_ud:	 /* likewise */
		return true;
	case X86_OP_nop: /* hint space: Zydis knows some as CET, MPX */
	case X86_OP_prefetch:
		return true;
	}
	return false;
}

/* Compare at @p (15 bytes readable); returns bytes to go on by. */
static size_t compare(const ZydisDecoder *z, enum x86_mode mode,
		      const uint8_t *p, size_t avail, struct tally *t)
{
	ZydisDecodedInstruction zi;
	struct x86_insn in;
	bool zok = ZYAN_SUCCESS(
		ZydisDecoderDecodeInstruction(z, NULL, p, avail, &zi));
	int err = x86_decode(&in, p, avail, mode);

	if (zok && !err && zi.length == in.len) {
		t->same++;
	} else if (zok && !err && in.op == X86_OP_avx && in.map == 1 &&
		   (in.opcode & 0xfe) == 0x84) {
		t->only_zydis++; /* a jump of Knights Corner */
	} else if (zok && !err) {
		t->wrong++;
		complain(p, "length", zi.length, &in);
	} else if (zok && err == -ENODATA) {
		t->wrong++;
		complain(p, "wants more", zi.length, &in);
	} else if (zok) {
		t->only_zydis++;
	} else if (!err && !known_difference(&in)) {
		t->wrong++;
		complain(p, "zydis refuses", 0, &in);
	}
	return zok ? zi.length : 1;
}

/* Whole file into *out; its length, or 0. */
static size_t slurp(const char *path, uint8_t **out)
{
	FILE *f = fopen(path, "rb");
	long len;

	if (!f)
		return 0;
	fseek(f, 0, SEEK_END);
	len = ftell(f);
	rewind(f);
	*out = malloc((size_t)len + 16);
	if (!*out || fread(*out, 1, (size_t)len, f) != (size_t)len)
		len = 0;
	fclose(f);
	return (size_t)len;
}

static void walk_text(const uint8_t *elf, size_t len, struct tally *t)
{
	const Elf64_Ehdr *eh = (const void *)elf;
	const Elf64_Shdr *sh = (const void *)(elf + eh->e_shoff);
	ZydisDecoder z;
	unsigned int i;

	zydis_init(&z, X86_MODE_64);
	for (i = 0; i < eh->e_shnum; i++) {
		size_t at = sh[i].sh_offset, end = at + sh[i].sh_size;

		if (!(sh[i].sh_flags & SHF_EXECINSTR) ||
		    sh[i].sh_type != SHT_PROGBITS || end > len)
			continue;
		while (at < end)
			at += compare(&z, X86_MODE_64, elf + at, end - at, t);
	}
}

static void compare_file(const char *path)
{
	struct tally t = { 0 };
	uint8_t *elf = NULL;
	size_t len = slurp(path, &elf);

	if (!len) {
		print_message("# SKIP: no %s here\n", path);
		return;
	}
	walk_text(elf, len, &t);
	free(elf);
	print_message("# %s: %lu same, %lu not offered, %lu wrong\n", path,
		      t.same, t.only_zydis, t.wrong);
	assert_int_equal(t.wrong, 0);
	assert_true(t.same > 100000);
	assert_true(t.only_zydis < t.same / 500);
}

static void decode_equals_zydis_over_libc(void **state)
{
	(void)state;
	compare_file("/lib/x86_64-linux-gnu/libc.so.6");
}

static void decode_equals_zydis_over_libcrypto(void **state)
{
	(void)state;
	compare_file("/usr/lib/x86_64-linux-gnu/libcrypto.so.3");
}

/* vmlinux is no file of any package: name one in X86_DECODE_ELF. */
static void decode_equals_zydis_over_a_named_file(void **state)
{
	const char *path = getenv("X86_DECODE_ELF");

	(void)state;
	if (path)
		compare_file(path);
}

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static unsigned long compare_random(enum x86_mode mode, unsigned long rounds)
{
	struct tally t = { 0 };
	uint64_t seed = 0x9e3779b97f4a7c15ull + mode;
	ZydisDecoder z;
	unsigned long i;

	zydis_init(&z, mode);
	for (i = 0; i < rounds; i++) {
		uint64_t b[2] = { next_random(&seed), next_random(&seed) };

		/* Half of the bytes are two-byte opcodes. */
		if (i & 1)
			((uint8_t *)b)[i >> 1 & 1] = 0x0f;
		compare(&z, mode, (uint8_t *)b, 15, &t);
	}
	print_message("# mode %d: %lu same, %lu not offered, %lu wrong\n", mode,
		      t.same, t.only_zydis, t.wrong);
	return t.wrong;
}

static void decode_equals_zydis_over_random_bytes(void **state)
{
	(void)state;
	assert_int_equal(compare_random(X86_MODE_64, 1000000), 0);
	assert_int_equal(compare_random(X86_MODE_32, 1000000), 0);
	assert_int_equal(compare_random(X86_MODE_16, 1000000), 0);
}
#endif

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(decode_knows_high_byte_registers_from_rex),
	cmocka_unit_test(decode_makes_rip_relative_sums),
	cmocka_unit_test(decode_takes_segments_of_rbp_and_overrides),
	cmocka_unit_test(decode_sizes_operands_by_mode_and_prefix),
	cmocka_unit_test(decode_ignores_the_top_of_vvvv_in_32_bit_code),
	cmocka_unit_test(decode_refuses_what_does_not_exist),
	cmocka_unit_test(decode_says_when_bytes_are_missing),
	cmocka_unit_test(decode_refuses_more_than_15_bytes),
#if HAVE_ZYDIS
	cmocka_unit_test(decode_equals_zydis_over_libc),
	cmocka_unit_test(decode_equals_zydis_over_libcrypto),
	cmocka_unit_test(decode_equals_zydis_over_a_named_file),
	cmocka_unit_test(decode_equals_zydis_over_random_bytes),
#endif
};

UNIT_MAIN(tests)
