// SPDX-License-Identifier: MIT
/*
 * exceptions.c - vectors, error codes and saved state of exceptions at CPL 0
 * (SDM 3A, chapter 6).
 */
#include "tests/guest/lib/traps.h"

#define RF   0x10000ul
#define NONC 0x800000000000ul /* not canonical */

static void faults(void)
{
	TRY("xor %%ecx, %%ecx; xor %%edx, %%edx; mov $1, %%eax; .byte 0x90");
	expect_none("nothing raised");
	TRY("ud2");
	expect_trap(UD, 0, "UD2");
	expect_equal(trap.cs, SEL_KCODE, "CS of a fault");
	expect_equal(trap.rflags & RF, RF, "RF of a fault");
	expect_equal(trap.rsp, trap.sp, "RSP of a fault at the same CPL");
	expect_equal(trap.ss, SEL_KDATA, "SS of a fault at the same CPL");
	TRY_RAX("divb %%ah", 1);
	expect_trap(DE, 0, "division by zero");
	TRY_RAX("mov (%%rax), %%rcx", NONC);
	expect_trap(GP, 0, "a non-canonical read");
	TRY_RAX("mov (%%rsp, %%rax), %%rcx", NONC);
	expect_trap(SS, 0, "a non-canonical read of the stack");
	TRY(".byte 0xf0, 0xff, 0xc0"); /* LOCK INC EAX */
	expect_trap(UD, 0, "LOCK on a register");
	TRY(".fill 15, 1, 0x66; nop");
	expect_trap(GP, 0, "an instruction of 16 bytes");
}

static void traps(void)
{
	TRY("int3");
	expect_equal(trap.vector, BP, "INT3");
	expect_equal(trap.rip, trap.insn + 1, "RIP behind INT3");
	expect_equal(trap.rflags & RF, 0, "no RF behind INT3");
	TRY("int $0x80");
	expect_equal(trap.vector, VEC_SYSCALL, "INT 80");
	expect_equal(trap.rip, trap.insn + 2, "RIP behind INT");
	/* IDT bit 1, EXT 0 */
	trap_gate(0x81, 0x0e, 0);
	TRY("int $0x81");
	expect_trap(NP, 0x81 * 8 + 2, "INT through an absent gate");
	trap_gate(0x81, 0x82, 0);
	TRY("int $0x81");
	expect_trap(GP, 0x81 * 8 + 2, "INT through no gate");
	trap_gate(0x81, 0x8f, 0);
	asm volatile("sti");
	TRY("int $0x81");
	asm volatile("cli");
	expect_equal(trap.vector, 0x81, "INT through a trap gate");
}

static void system_registers(void)
{
	TRY_RAX("mov %%rax, %%cr4", read_cr4() | 1ul << 63);
	expect_trap(GP, 0, "a reserved bit of CR4");
	TRY_RAX("mov %%rax, %%cr4", read_cr4() & ~0x20ul);
	expect_trap(GP, 0, "PAE off in long mode");
	TRY_RAX("mov %%rax, %%cr0", read_cr0() & ~1ul);
	expect_trap(GP, 0, "PE off with PG");
	TRY_RAX("mov %%rax, %%cr0", (read_cr0() | 0x20000000) & ~0x40000000ul);
	expect_trap(GP, 0, "NW without CD");
	TRY_RAX("mov $0xc0000080, %%ecx; mov $0xffffffff, %%edx; wrmsr",
		0xffffffff);
	expect_equal(trap.vector, GP, "reserved bits of EFER");
	TRY_RAX("mov $0xc0000101, %%ecx; mov $0x8000, %%edx; wrmsr", 0);
	expect_equal(trap.vector, GP, "a non-canonical GS base");
}

static void coprocessor(void)
{
	uint64_t cr0 = read_cr0();

	write_cr4(read_cr4() | 0x600); /* OSFXSR, OSXMMEXCPT */
	write_cr0(cr0 | 8);	       /* TS */
	TRY("fnop");
	expect_trap(NM, 0, "x87 with TS");
	TRY("movups %%xmm0, %%xmm1");
	expect_trap(NM, 0, "SSE with TS");
	asm volatile("clts");
	TRY("fnop");
	expect_none("x87 after CLTS");
	write_cr0(cr0 | 4); /* EM */
	TRY("movups %%xmm0, %%xmm1");
	expect_trap(UD, 0, "SSE with EM");
	TRY("fnop");
	expect_trap(NM, 0, "x87 with EM");
	write_cr0((cr0 | 0x22) & ~0xcul); /* NE, MP */
	write_cr4(read_cr4() & ~0x600ul);
	TRY("movups %%xmm0, %%xmm1");
	expect_trap(UD, 0, "SSE without OSFXSR");
	write_cr4(read_cr4() | 0x600);
	TRY("fninit; push $0x340; fldcw (%%rsp); fldz; fld1; fdivp; fnop");
	expect_equal(trap.vector, MF, "an unmasked division by zero");
	TRY("fninit; push $0x1d80; ldmxcsr (%%rsp); xorps %%xmm0, %%xmm0; "
	    "mov $1, %%eax; cvtsi2ss %%eax, %%xmm1; divss %%xmm0, %%xmm1");
	expect_equal(trap.vector, XM, "an unmasked SSE division by zero");
	TRY("push $0x1f80; ldmxcsr (%%rsp)");
	expect_none("MXCSR restored");
}

/* A fault during the delivery of a fault (SDM 3A, table 6-5). */
static void double_fault(void)
{
	static uint8_t stack[1024] __attribute__((aligned(16)));

	tss.ist[0] = (uint64_t)(stack + sizeof(stack));
	trap_gate(DF, 0x8e, 1);
	trap_gate(GP, 0x0e, 0); /* absent: #NP, contributory */
	TRY_RAX("mov (%%rax), %%rcx", NONC);
	expect_trap(DF, 0, "#NP while #GP is delivered");
	expect_equal(trap.frame + 8, tss.ist[0], "IST of the double fault");
	trap_gate(GP, 0x8e, 0);
	trap_gate(UD, 0x0e, 0); /* benign first: #NP, EXT set */
	TRY("ud2");
	expect_trap(NP, UD * 8 + 3, "#NP while #UD is delivered");
	trap_gate(UD, 0x8e, 0);
}

static void interrupt_stack(void)
{
	static uint8_t stack[1024] __attribute__((aligned(16)));

	tss.ist[6] = (uint64_t)(stack + sizeof(stack) - 8); /* misaligned */
	trap_gate(UD, 0x8e, 7);
	TRY("ud2");
	expect_trap(UD, 0, "#UD on an IST stack");
	expect_equal(trap.frame + 8, tss.ist[6] & ~15ul, "a frame is aligned");
	trap_gate(UD, 0x8e, 0);
	TRY("sub $8, %%rsp; and $-16, %%rsp; sub $8, %%rsp; ud2");
	expect_equal((trap.frame + 8) & 15, 0, "also on the same stack");
}

int guest_main(void)
{
	traps_setup();
	faults();
	traps();
	system_registers();
	coprocessor();
	double_fault();
	interrupt_stack();
	put_text("done\n");
	return 0;
}
