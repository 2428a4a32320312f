// SPDX-License-Identifier: MIT
/*
 * segments.c - descriptors, their checks, and 32-bit code beside 64-bit code
 * (SDM 3A, chapters 3 and 5).
 */
#include "tests/guest/lib/traps.h"

#define ZF	 0x40ul
#define ACCESSED (1ull << 40)
#define BUSY	 (2ull << 40)

static void loads(void)
{
	gdt[SEL_LIMITED / 8] &= ~ACCESSED;
	TRY_RAX("mov %%eax, %%fs", SEL_LIMITED);
	expect_none("FS loaded");
	expect_equal(gdt[SEL_LIMITED / 8] & ACCESSED, ACCESSED, "its A bit");
	TRY_RAX("mov %%eax, %%ds", SEL_ABSENT);
	expect_trap(NP, SEL_ABSENT, "an absent DS");
	TRY_RAX("mov %%eax, %%ss", SEL_ABSENT);
	expect_trap(SS, SEL_ABSENT, "an absent SS");
	TRY_RAX("mov %%eax, %%ss", SEL_READONLY);
	expect_trap(GP, SEL_READONLY, "a read-only SS");
	TRY_RAX("mov %%eax, %%ss", SEL_UDATA);
	expect_trap(GP, SEL_UDATA & ~3, "SS of DPL 3");
	TRY_RAX("mov %%eax, %%ds", 0x4000 | 4);
	expect_trap(GP, 0x4004, "a selector of no LDT");
	TRY_RAX("mov %%eax, %%ds; mov %%eax, %%es", 0);
	expect_none("null DS and ES");
	TRY_RAX("mov %%ax, %%ss; nop", 0);
	expect_none("SS may be null at CPL 0 in 64-bit mode");
	TRY_RAX("mov %%ax, %%ss; nop", SEL_KDATA);
	TRY(".byte 0x8e, 0xc8"); /* MOV CS */
	expect_trap(UD, 0, "MOV to CS");
	expect_equal(gdt[SEL_TSS / 8] & BUSY, BUSY, "LTR made the TSS busy");
	TRY_RAX("ltr %%ax", SEL_TSS);
	expect_trap(GP, SEL_TSS, "LTR of a busy TSS");
	TRY_RAX("lldt %%ax", SEL_KDATA);
	expect_trap(GP, SEL_KDATA, "LLDT of data");
}

static bool zf_after(uint64_t (*f)(uint64_t sel, uint64_t *flags), uint64_t sel,
		     uint64_t *value)
{
	uint64_t flags;

	*value = f(sel, &flags);
	return flags & ZF;
}

static uint64_t do_lar(uint64_t sel, uint64_t *flags)
{
	uint64_t v = 0x5555;

	asm volatile("lar %w2, %k0; pushf; pop %1"
		     : "+r"(v), "=r"(*flags)
		     : "r"(sel));
	return v;
}

static uint64_t do_lsl(uint64_t sel, uint64_t *flags)
{
	uint64_t v = 0x5555;

	asm volatile("lsl %w2, %k0; pushf; pop %1"
		     : "+r"(v), "=r"(*flags)
		     : "r"(sel));
	return v;
}

static uint64_t do_verr(uint64_t sel, uint64_t *flags)
{
	asm volatile("verr %w1; pushf; pop %0" : "=r"(*flags) : "r"(sel));
	return 0;
}

static uint64_t do_verw(uint64_t sel, uint64_t *flags)
{
	asm volatile("verw %w1; pushf; pop %0" : "=r"(*flags) : "r"(sel));
	return 0;
}

static void inspect(void)
{
	uint64_t v;

	expect(zf_after(do_lar, SEL_KCODE, &v), "LAR of code");
	/* Limit 19:16 is undefined there; A may be set. */
	expect_equal(v & 0xf0fe00, 0xa09a00, "LAR of code");
	expect(zf_after(do_lsl, SEL_KDATA, &v), "LSL of data");
	expect_equal(v, 0xffffffff, "LSL of pages");
	expect(zf_after(do_lsl, SEL_LIMITED, &v), "LSL of bytes");
	expect_equal(v, 0xfff, "LSL of bytes");
	expect(!zf_after(do_lar, 0, &v), "LAR of null");
	expect_equal(v, 0x5555, "LAR of null changes nothing");
	expect(!zf_after(do_lsl, 0x1000, &v), "LSL past the GDT");
	expect(zf_after(do_verr, SEL_KCODE, &v), "VERR of code");
	expect(!zf_after(do_verw, SEL_KCODE, &v), "VERW of code");
	expect(zf_after(do_verw, SEL_KDATA, &v), "VERW of data");
	expect(!zf_after(do_verw, SEL_READONLY, &v), "VERW of read-only data");
	expect(!zf_after(do_verr, SEL_UXONLY, &v), "VERR of unreadable code");
}

static void stores(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) t;
	uint64_t v = ~0ul;

	asm volatile("sgdt %0" : "=m"(t));
	expect_equal(t.base, (uint64_t)gdt, "SGDT");
	expect_equal(t.limit, sizeof(gdt) - 1, "SGDT");
	asm volatile("str %k0" : "+r"(v));
	expect_equal(v, SEL_TSS, "STR to 32 bits");
	v = ~0ul;
	asm volatile("mov %%cs, %0" : "+r"(v));
	expect_equal(v, SEL_KCODE, "MOV from CS to 64 bits");
	v = ~0ul;
	asm volatile("mov %%cs, %w0" : "+r"(v));
	expect_equal(v, 0xffffffffffff0000 | SEL_KCODE, "and to 16 bits");
}

/* FS and GS have a base in 64-bit mode; a limit nobody checks. */
static void bases(void)
{
	static volatile uint64_t word = 0x1234567890;
	uint64_t v;

	wrmsr(0xc0000100, (uint64_t)&word - 0x100000);
	v = TRY_RAX("mov %%fs:0x100000, %%rax", 0);
	expect_equal(v, 0x1234567890, "a read through FS");
	TRY_RAX("mov %%eax, %%fs", SEL_LIMITED);
	expect_equal(rdmsr(0xc0000100), 0, "the base after a load of FS");
}

/* INC EAX is 40 in 32-bit code only. */
extern const char segments_code32[];
asm(".text\n.code32\n"
    "segments_code32: .byte 0x40\n"
    "mov $0x10, %ecx; mov %ecx, %ss; mov %ecx, %ds\n"
    "mov $0x48, %ecx; mov %ecx, %es\n"
    "cmp $2, %eax; je 2f; cmp $3, %eax; je 3f\n"
    "lret\n"
    "2: mov %es:0xffd, %ecx\n" /* past the limit */
    "lret\n"
    "3: mov %ecx, %cs:0\n" /* code is not written */
    "lret\n"
    ".code64\n");

uint32_t segments_far[2];

static uint64_t run32(uint64_t eax)
{
	segments_far[0] = (uint32_t)(uint64_t)segments_code32;
	segments_far[1] = SEL_KCODE32;
	return TRY_RAX("lcall *segments_far(%%rip)", eax);
}

static void compatibility(void)
{
	expect_equal(run32(0xffffffff), 0, "32-bit code runs, and returns");
	expect_none("32-bit code runs, and returns");
	run32(1);
	expect_equal(trap.vector, GP, "a read past the limit");
	expect_equal(trap.error, 0, "a read past the limit");
	expect_equal(trap.cs, SEL_KCODE32, "CS of 32-bit code");
	run32(2);
	expect_equal(trap.vector, GP, "a write to code");
}

int guest_main(void)
{
	traps_setup();
	loads();
	inspect();
	stores();
	bases();
	compatibility();
	put_text("done\n");
	return 0;
}
