// SPDX-License-Identifier: MIT
/*
 * split_lock.c - locked operations over the end of a page are atomic (SDM 3A
 * §8.1.2.2), also where the next page is elsewhere in RAM.
 */
#include "tests/guest/lib/guest.h"

#define CPUS  3
#define TURNS 20000

/* Behind what is mapped already: pages 7, 3, 4 of the memory at RAM */
#define WINDOW 0x140000000ul /* 5 GiB */
#define RAM    0x400000ul
#define PTE    3ul

static uint64_t *const pd = (uint64_t *)0x3fe000;
static uint64_t *const pt = (uint64_t *)0x3ff000;

/* 8 bytes, of which 4 are in the next page: far away, and right behind */
#define APART	 (WINDOW + 0x1000 - 4)
#define TOGETHER (WINDOW + 0x2000 - 4)

static volatile uint32_t done;

static void map_window(void)
{
	uint64_t *pml4, *pdpt;

	asm volatile("mov %%cr3, %0" : "=r"(pml4));
	pdpt = (uint64_t *)(pml4[0] & ~0xffful);
	pdpt[WINDOW >> 30] = (uint64_t)pd | PTE;
	pd[0] = (uint64_t)pt | PTE;
	pt[0] = (RAM + 0x7000) | PTE;
	pt[1] = (RAM + 0x3000) | PTE;
	pt[2] = (RAM + 0x4000) | PTE;
}

/* All add 1 to the whole, then one of them to its upper half alone. */
static void add(uintptr_t at, uint32_t n)
{
	uint64_t one = 1;

	asm volatile("lock addq $1, (%0)" : : "r"(at) : "memory");
	asm volatile("lock xaddq %0, (%1)" : "+r"(one) : "r"(at) : "memory");
	if (n == 0)
		asm volatile("lock incl 4(%0)" : : "r"(at) : "memory");
	if (n == 1)
		asm volatile("lock incl (%0)" : : "r"(at) : "memory");
}

static void work(uint32_t n)
{
	unsigned int i;

	for (i = 0; i < TURNS; i++) {
		add(APART, n);
		add(TOGETHER, n);
	}
	asm volatile("lock incl %0" : "+m"(done));
}

static void expect_sum(uintptr_t at, const char *what)
{
	uint64_t want = TURNS * (2ul * CPUS + 1) + ((uint64_t)TURNS << 32);
	uint64_t got = *(volatile uint64_t *)at;

	put_hex(got);
	put_text(" of ");
	put_hex(want);
	put_text("\n");
	expect(got == want, what);
}

int guest_main(void)
{
	uint64_t until;

	map_window();
	lapic_enable();
	expect(ap_start(work, CPUS - 1) == CPUS - 1, "the other CPUs start");
	work(CPUS - 1);
	until = rdtsc() + 40000000000ul;
	while (done < CPUS && rdtsc() < until)
		asm volatile("pause");
	expect_sum(APART, "pages that are apart");
	expect_sum(TOGETHER, "pages that are neighbours");
	return 0;
}
