// SPDX-License-Identifier: MIT
/*
 * shadow.c - when an interrupt is taken: behind STI's shadow, by priority,
 * out of HLT (SDM 3A §6.8, §10.8).
 */
#include "tests/guest/lib/traps.h"

#define VECTOR	  0x60
#define LAPIC_EOI 0xb0
#define LAPIC_ICR 0x300

/* A fixed interrupt to this CPU itself. */
static void send_self(uint8_t vector)
{
	mmio_write(LAPIC + LAPIC_ICR, 0x44000u | vector);
}

static void expect_interrupt(uint8_t vector, const char *what)
{
	mmio_write(LAPIC + LAPIC_EOI, 0);
	expect_equal(trap.vector, vector, what);
}

static void sti_shadow(void)
{
	send_self(VECTOR);
	TRY("sti; nop; nop; nop; cli");
	expect_interrupt(VECTOR, "an interrupt after STI");
	expect_equal(trap.rip, trap.insn + 2, "one instruction behind STI");
	send_self(VECTOR);
	TRY("sti; cli; nop; nop");
	expect_none("STI, CLI lets none in");
	TRY("sti; mov $0x10, %%eax; mov %%eax, %%ss; nop; cli");
	expect_interrupt(VECTOR, "and the next STI does");
	send_self(VECTOR);
	TRY("pushf; orl $0x200, (%%rsp); popf; nop; nop; cli");
	expect_interrupt(VECTOR, "an interrupt after POPF");
	expect_equal(*(uint8_t *)(trap.rip - 1), 0x9d, "POPF has no shadow");
}

static void priority(void)
{
	asm volatile("mov %0, %%cr8" : : "r"((uint64_t)VECTOR >> 4));
	send_self(VECTOR);
	TRY("sti; nop; nop; cli");
	expect_none("CR8 holds an interrupt off");
	asm volatile("mov %0, %%cr8" : : "r"(0ul));
	send_self(VECTOR + 0x10);
	TRY("sti; nop; nop; cli");
	expect_equal(trap.vector, VECTOR + 0x10, "the higher vector first");
	TRY("sti; nop; nop; cli");
	expect_none("the lower one waits for EOI");
	mmio_write(LAPIC + LAPIC_EOI, 0);
	TRY("sti; nop; nop; cli");
	expect_interrupt(VECTOR, "and comes then");
}

static void halted(void)
{
	send_self(VECTOR);
	TRY("sti; hlt; nop; cli");
	expect_interrupt(VECTOR, "an interrupt ends HLT");
	expect_equal(*(uint8_t *)(trap.rip - 1), 0xf4, "RIP behind HLT");
}

/* A program's interrupt goes to RSP0, with its CS. */
extern const char shadow_user[];
asm(".text\nshadow_user: jmp shadow_user");

static void from_user(void)
{
	static uint8_t stack[256] __attribute__((aligned(16)));

	send_self(VECTOR);
	user_run(shadow_user, (uint64_t)stack + sizeof(stack), 0x202, 0);
	expect_interrupt(VECTOR, "an interrupt at CPL 3");
	expect_equal(trap.cs, SEL_UCODE, "its CS");
	expect_equal(trap.rip, (uint64_t)shadow_user, "its RIP");
	expect_equal(trap.frame + 8, tss.rsp[0], "its stack");
}

int guest_main(void)
{
	traps_setup();
	lapic_enable();
	sti_shadow();
	priority();
	halted();
	from_user();
	put_text("done\n");
	return 0;
}
