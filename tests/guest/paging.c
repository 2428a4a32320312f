// SPDX-License-Identifier: MIT
/*
 * paging.c - page faults, and accessed and dirty bits (SDM 3A, chapter 4).
 */
#include "tests/guest/lib/traps.h"

/* Error code bits (SDM 3A §4.7) */
#define E_P 1
#define E_W 2
#define E_U 4
#define E_R 8
#define E_I 16

#define CR0_WP	 0x10000ul
#define CR4_SMEP 0x100000ul

#define AT(n) (ARENA + (n)*PAGE)

/* Code for CPL 3 in a page of the arena */
static void put_code(unsigned int n, const char *bytes, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		arena_ram(n)[i] = (uint8_t)bytes[i];
}

static void expect_pf(uint64_t error, uint64_t cr2, const char *what)
{
	expect_equal(trap.vector, PF, what);
	expect_equal(trap.error, error, what);
	expect_equal(trap.cr2, cr2, what);
}

static void supervisor(void)
{
	arena_map(0, 0);
	TRY_RAX("mov (%%rax), %%cl", AT(0) + 5);
	expect_pf(0, AT(0) + 5, "a read of an absent page");
	TRY_RAX("movb $1, (%%rax)", AT(0));
	expect_pf(E_W, AT(0), "a write of an absent page");
	arena_map(0, PTE_P);
	TRY_RAX("mov (%%rax), %%cl", AT(0));
	expect_none("a read of a present page");
	TRY_RAX("movb $1, (%%rax)", AT(0));
	expect_pf(E_P | E_W, AT(0), "a write of a read-only page");
	TRY_RAX("incl (%%rax)", AT(0));
	expect_pf(E_P | E_W, AT(0), "a read-modify-write faults as a write");
	write_cr0(read_cr0() & ~CR0_WP);
	TRY_RAX("movb $1, (%%rax)", AT(0));
	expect_none("a write of a read-only page without WP");
	write_cr0(read_cr0() | CR0_WP);
	arena_map(0, 0);
	TRY_RAX("call *%%rax", AT(0));
	expect_pf(E_I, AT(0), "a fetch from an absent page");
	arena_map(0, PTE_P | PTE_NX);
	TRY_RAX("call *%%rax", AT(0));
	expect_pf(E_P | E_I, AT(0), "a fetch from a NX page");
	pt[0] |= 1ul << 51;
	invlpg(AT(0));
	TRY_RAX("mov (%%rax), %%cl", AT(0));
	expect_pf(E_P | E_R, AT(0), "a reserved bit");
}

static void crossing(void)
{
	arena_map(0, PTE_P | PTE_W);
	arena_map(1, 0);
	arena_ram(0)[PAGE - 1] = 0x5a;
	TRY_RAX("movl $-1, (%%rax)", AT(1) - 1);
	expect_pf(E_W, AT(1), "a write into an absent second page");
	expect_equal(arena_ram(0)[PAGE - 1], 0x5a, "wrote nothing");
	arena_map(1, PTE_P);
	TRY_RAX("movl $-1, (%%rax)", AT(1) - 2);
	expect_pf(E_P | E_W, AT(1), "a write into a read-only second page");
	expect_equal(arena_ram(0)[PAGE - 1], 0x5a, "wrote nothing");
	arena_map(1, PTE_P | PTE_W);
	TRY_RAX("movl $0x01020304, (%%rax)", AT(1) - 2);
	expect_none("a write over two pages");
	expect_equal(arena_ram(0)[PAGE - 1], 3, "its low part");
	expect_equal(arena_ram(1)[0], 2, "its high part");
}

static void accessed_and_dirty(void)
{
	uint64_t bits = PTE_P | PTE_W | PTE_U;

	pd_arena[0] &= ~PTE_A;
	pdpt[1] &= ~PTE_A;
	arena_map(2, bits);
	TRY_RAX("nop", AT(2));
	expect_equal(pt[2] & (PTE_A | PTE_D), 0, "untouched: neither A nor D");
	TRY_RAX("mov (%%rax), %%cl", AT(2));
	expect_equal(pt[2] & (PTE_A | PTE_D), PTE_A, "read: A");
	expect_equal(pd_arena[0] & PTE_A, PTE_A, "A of the directory");
	expect_equal(pdpt[1] & PTE_A, PTE_A, "A of its parent");
	expect_equal(pd_arena[0] & PTE_D, 0, "no D in the directory");
	TRY_RAX("movb $1, (%%rax)", AT(2));
	expect_equal(pt[2] & (PTE_A | PTE_D), PTE_A | PTE_D,
		     "written after a read: D");
	arena_map(2, PTE_P | PTE_U);
	TRY_RAX("movb $1, (%%rax)", AT(2));
	expect_equal(pt[2] & PTE_D, 0, "a write that faults: no D");
}

static void large_page(void)
{
	pd_arena[1] = 0x200000ul | PTE_P | PTE_W | PTE_PS;
	invlpg(ARENA + 0x200000);
	TRY_RAX("mov 0x1234(%%rax), %%cl", ARENA + 0x200000);
	expect_none("a read of a 2 MiB page");
	expect_equal(pd_arena[1] & (PTE_A | PTE_D), PTE_A, "its A");
	TRY_RAX("lock orb $0, 0x1234(%%rax)", ARENA + 0x200000);
	expect_equal(pd_arena[1] & (PTE_A | PTE_D), PTE_A | PTE_D, "its D");
	pd_arena[1] |= 1 << 13;
	invlpg(ARENA + 0x200000);
	TRY_RAX("mov (%%rax), %%cl", ARENA + 0x200000);
	expect_pf(E_P | E_R, ARENA + 0x200000, "bit 13 of a 2 MiB page");
	pd_arena[1] = 0;
	if (!(cpuid_edx(0x80000001) & 1u << 26))
		return;
	pdpt[2] = PTE_P | PTE_W | PTE_PS;
	invlpg(0x80000000);
	TRY_RAX("mov 0x201000(%%rax), %%cl", 0x80000000);
	expect_none("a read of a 1 GiB page");
	pdpt[2] = 0;
	invlpg(0x80000000);
}

/* mov (%rax), %cl; movb $1, (%rax); int $0x80 */
static void user(void)
{
	const uint64_t stack = AT(5) + PAGE;

	arena_map(5, PTE_P | PTE_W | PTE_U | PTE_NX);
	arena_map(6, PTE_P | PTE_U);
	put_code(6, "\x8a\x08\xc6\x00\x01\xcd\x80", 7);
	arena_map(7, PTE_P | PTE_W | PTE_U);
	user_run((void *)AT(6), stack, 2, AT(7));
	expect_equal(trap.vector, VEC_SYSCALL, "a program reads and writes");
	arena_map(7, PTE_P | PTE_W);
	user_run((void *)AT(6), stack, 2, AT(7));
	expect_pf(E_P | E_U, AT(7), "a program reads the kernel's page");
	arena_map(7, PTE_P | PTE_U);
	user_run((void *)AT(6), stack, 2, AT(7));
	expect_pf(E_P | E_W | E_U, AT(7), "a program writes a read-only page");
	arena_map(7, 0);
	user_run((void *)AT(6), stack, 2, AT(7));
	expect_pf(E_U, AT(7), "a program reads an absent page");
	user_run((void *)AT(5), stack, 2, 0);
	expect_pf(E_P | E_U | E_I, AT(5), "a program runs a NX page");
	arena_map(6, PTE_P);
	user_run((void *)AT(6), stack, 2, 0);
	expect_pf(E_P | E_U | E_I, AT(6), "a program runs the kernel's page");
	/* The directory's U counts as well */
	arena_map(6, PTE_P | PTE_U);
	arena_map(7, PTE_P | PTE_W | PTE_U);
	pd_arena[0] &= ~PTE_W;
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax");
	user_run((void *)AT(6), stack, 2, AT(7));
	expect_pf(E_P | E_W | E_U, AT(7), "W of the directory counts");
	pd_arena[0] |= PTE_W;
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax");
}

static void smep(void)
{
	if (!(cpuid7_ebx() & 1u << 7))
		return;
	arena_map(8, PTE_P | PTE_U);
	put_code(8, "\xc3", 1);
	TRY_RAX("call *%%rax", AT(8));
	expect_none("the kernel runs a user page");
	/* The guest itself lies in user pages. */
	pd_low[0] &= ~PTE_U;
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax");
	write_cr4(read_cr4() | CR4_SMEP);
	TRY_RAX("call *%%rax", AT(8));
	expect_pf(E_P | E_I, AT(8), "the kernel runs a user page under SMEP");
	write_cr4(read_cr4() & ~CR4_SMEP);
	pd_low[0] |= PTE_U;
}

int guest_main(void)
{
	traps_setup();
	supervisor();
	crossing();
	accessed_and_dirty();
	large_page();
	user();
	smep();
	put_text("done\n");
	return 0;
}
