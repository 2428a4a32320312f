// SPDX-License-Identifier: MIT
/*
 * traps.c - the tables behind traps.h.
 */
#include "tests/guest/lib/traps.h"

#define MSR_EFER 0xc0000080u

struct gate {
	uint16_t offset_lo, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_hi, reserved;
};

struct table {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

extern char trap_entry[]; /* traps.S: vector v at 16 * v */

volatile struct trap trap;
struct tss tss;
static struct gate idt[256];
static uint8_t stack0[4096] __attribute__((aligned(16)));
static uint8_t ram[ARENA_PAGES][PAGE] __attribute__((aligned(4096)));

#define TABLE __attribute__((aligned(4096)))
uint64_t pml4[512] TABLE, pdpt[512] TABLE, pd_low[512] TABLE;
uint64_t pd_arena[512] TABLE, pt[512] TABLE;
static uint64_t pd_high[512] TABLE;

uint64_t gdt[GDT_ENTRIES] __attribute__((aligned(16))) = {
	[SEL_KCODE / 8] = 0x00af9a000000ffff,
	[SEL_KDATA / 8] = 0x00cf92000000ffff,
	[SEL_UCODE32 / 8] = 0x00cffa000000ffff,
	[SEL_UDATA / 8] = 0x00cff2000000ffff,
	[SEL_UCODE / 8] = 0x00affa000000ffff,
	[SEL_ABSENT / 8] = 0x00cf12000000ffff,
	[SEL_LIMITED / 8] = 0x0040920000000fff,
	[SEL_KCODE32 / 8] = 0x00cf9a000000ffff,
	[SEL_READONLY / 8] = 0x00cf90000000ffff,
	[SEL_UABSENT / 8] = 0x00cf72000000ffff,
	[SEL_UXONLY / 8] = 0x00aff8000000ffff,
};

static void setup_gdt(void)
{
	struct table t = { sizeof(gdt) - 1, (uint64_t)gdt };
	uint64_t base = (uint64_t)&tss;

	gdt[SEL_TSS / 8] = 0x67 | (base & 0xffffff) << 16 | 0x89ull << 40 |
			   (base >> 24 & 0xff) << 56;
	gdt[SEL_TSS / 8 + 1] = base >> 32;
	tss.rsp[0] = (uint64_t)(stack0 + sizeof(stack0));
	tss.io_map = 0x68;
	asm volatile("lgdt %0\n\t"
		     "push %1\n\t"
		     "lea 1f(%%rip), %%rax\n\t"
		     "push %%rax\n\t"
		     "lretq\n"
		     "1:\tmov %2, %%ss\n\t"
		     "mov %2, %%ds\n\t"
		     "mov %2, %%es\n\t"
		     "ltr %w3"
		     :
		     : "m"(t), "i"(SEL_KCODE), "r"(SEL_KDATA), "r"(SEL_TSS)
		     : "rax", "memory");
}

void trap_gate(unsigned int vector, uint8_t type, uint8_t ist)
{
	uint64_t entry = (uint64_t)trap_entry + 16u * vector;

	idt[vector] = (struct gate){
		.offset_lo = (uint16_t)entry,
		.selector = SEL_KCODE,
		.ist = ist,
		.type = type,
		.offset_mid = (uint16_t)(entry >> 16),
		.offset_hi = (uint32_t)(entry >> 32),
	};
}

static void setup_idt(void)
{
	struct table t = { sizeof(idt) - 1, (uint64_t)idt };
	unsigned int v;

	for (v = 0; v < 256; v++)
		trap_gate(v,
			  v == BP || v == OF || v == VEC_SYSCALL ? 0xee : 0x8e,
			  0);
	asm volatile("lidt %0" : : "m"(t));
}

static void setup_paging(void)
{
	const uint64_t all = PTE_P | PTE_W | PTE_U;
	unsigned int i;

	pml4[0] = (uint64_t)pdpt | all;
	pdpt[0] = (uint64_t)pd_low | all;
	pdpt[1] = (uint64_t)pd_arena | all;
	pdpt[3] = (uint64_t)pd_high | all;
	for (i = 0; i < 8; i++)
		pd_low[i] = i * 0x200000ul | all | PTE_PS;
	pd_high[LAPIC >> 21 & 511] = LAPIC | all | PTE_PS;
	pd_arena[0] = (uint64_t)pt | all;
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 0x800); /* NXE */
	asm volatile("mov %0, %%cr3" : : "r"(pml4) : "memory");
}

void traps_setup(void)
{
	setup_gdt();
	setup_idt();
	setup_paging();
	write_cr0(read_cr0() | 0x10000); /* WP */
}

uint8_t *arena_ram(unsigned int n)
{
	return ram[n];
}

void arena_map(unsigned int n, uint64_t bits)
{
	pt[n] = bits ? (uint64_t)ram[n] | bits : 0;
	invlpg(ARENA + n * PAGE);
}

static void put_field(const char *name, uint64_t v)
{
	put_text(name);
	put_hex(v);
}

static void show_trap(void)
{
	put_field("vector ", trap.vector);
	put_field(" error ", trap.error);
	put_field(" rip ", trap.rip);
	put_field(" (insn ", trap.insn);
	put_field(") cs ", trap.cs);
	put_field(" rflags ", trap.rflags);
	put_field(" cr2 ", trap.cr2);
	put_field(" dr6 ", trap.dr6);
	put_char('\n');
}

void expect_trap(unsigned int vector, uint64_t error, const char *what)
{
	bool ok = trap.vector == vector && trap.error == error &&
		  trap.rip == trap.insn;

	if (!ok)
		show_trap();
	expect(ok, what);
}

void expect_none(const char *what)
{
	if (trap.vector != NO_TRAP)
		show_trap();
	expect(trap.vector == NO_TRAP, what);
}

void expect_equal(uint64_t got, uint64_t want, const char *what)
{
	if (got != want) {
		put_field("got ", got);
		put_field(" want ", want);
		put_char('\n');
	}
	expect(got == want, what);
}
