// SPDX-License-Identifier: MIT
/*
 * debug.c - single step and hardware breakpoints (SDM 3B, chapter 17).
 */
#include "tests/guest/lib/traps.h"

#define TF 0x100ul
#define BS 0x4000ul

static void set_dr(uint64_t dr0, uint64_t dr7)
{
	asm volatile("mov %0, %%dr6" : : "r"(0xffff0ff0ul));
	asm volatile("mov %0, %%dr0\n\tmov %1, %%dr7" : : "r"(dr0), "r"(dr7));
}

static void single_step(void)
{
	set_dr(0, 0x400);
	/* POPF's TF counts from the instruction after it */
	TRY("pushf; orl $0x100, (%%rsp); popf; nop; nop; nop");
	expect_equal(trap.vector, DB, "#DB by TF");
	expect_equal(trap.dr6 & 0xe00f, BS, "DR6.BS");
	expect_equal(trap.rflags & TF, TF, "TF saved");
	expect_equal(*(uint8_t *)(trap.rip - 1), 0x90, "RIP behind a NOP");
	expect_equal(*(uint8_t *)(trap.rip - 2), 0x9d, "the one behind POPF");
	/* a repetition traps after each element */
	set_dr(0, 0x400);
	TRY("cld; lea trap(%%rip), %%rsi; mov $5, %%ecx; pushf; "
	    "orl $0x100, (%%rsp); popf; rep lodsb; nop");
	expect_equal(trap.vector, DB, "#DB in a repetition");
	expect_equal(*(uint8_t *)trap.rip, 0xf3, "RIP at the repetition");
}

static void data_breakpoint(void)
{
	static volatile uint32_t word = 1;

	set_dr((uint64_t)&word, 0x402 | 0xdul << 16); /* 4 bytes, writes */
	TRY_RAX("mov (%%rax), %%ecx; nop", (uint64_t)&word);
	expect_none("a read under a write breakpoint");
	TRY_RAX("movl $7, (%%rax)", (uint64_t)&word);
	expect_equal(trap.vector, DB, "#DB by a write");
	expect_equal(trap.dr6 & 0xe00f, 1, "DR6.B0");
	expect_equal(trap.rip, trap.resume, "a trap: RIP behind the write");
	expect_equal(word, 7, "the write took place");
	set_dr((uint64_t)&word, 0x400);
}

static void code_breakpoint(void)
{
	extern char debug_here[];

	set_dr((uint64_t)debug_here, 0x402);
	TRY("nop; debug_here: nop");
	set_dr(0, 0x400);
	expect_equal(trap.vector, DB, "#DB by an instruction");
	expect_equal(trap.rip, (uint64_t)debug_here, "a fault: RIP at it");
	expect_equal(trap.dr6 & 0xe00f, 1, "DR6.B0");
}

int guest_main(void)
{
	traps_setup();
	single_step();
	data_breakpoint();
	code_breakpoint();
	put_text("done\n");
	return 0;
}
