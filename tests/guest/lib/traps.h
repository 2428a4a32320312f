/* SPDX-License-Identifier: MIT */
/*
 * traps.h - exceptions that a test guest provokes on purpose: its own GDT,
 * TSS, IDT and page tables, and what the last exception said.
 *
 * How it works. TRY() notes where to go on, and runs one instruction. Any
 * exception or software interrupt fills `trap` from its frame and goes on
 * there at CPL 0, also when it came from CPL 3. Expectations are the SDM's.
 */
#ifndef MINIVMM_TESTS_GUEST_LIB_TRAPS_H
#define MINIVMM_TESTS_GUEST_LIB_TRAPS_H

#include "tests/guest/lib/guest.h"

/* SYSCALL and SYSRET want this order (SDM 2B, "SYSRET") */
#define SEL_KCODE    0x08
#define SEL_KDATA    0x10
#define SEL_UCODE32  0x1b
#define SEL_UDATA    0x23
#define SEL_UCODE    0x2b
#define SEL_TSS	     0x30 /* two slots */
#define SEL_ABSENT   0x40 /* data, not present */
#define SEL_LIMITED  0x48 /* data, limit 0xfff */
#define SEL_KCODE32  0x50
#define SEL_READONLY 0x58
#define SEL_UABSENT  0x63 /* user data, not present */
#define SEL_UXONLY   0x6b /* user code, not readable */
#define GDT_ENTRIES  16

#define VEC_SYSCALL 0x80 /* a gate of DPL 3 */

enum {
	DE,
	DB,
	NMI,
	BP,
	OF,
	BR,
	UD,
	NM,
	DF,
	TS = 10,
	NP,
	SS,
	GP,
	PF,
	MF = 16,
	AC,
	XM = 19,
	NO_TRAP = 0x1000,
};

struct trap {
	uint64_t vector; /* NO_TRAP: none since TRY() */
	uint64_t error, rip, cs, rflags, rsp, ss;
	uint64_t cr2, dr6;
	uint64_t insn;	     /* address of the instruction under TRY() */
	uint64_t resume, sp; /* where to go on */
	uint64_t frame;	     /* address of SS, the frame's last word */
};

extern volatile struct trap trap;
extern uint64_t gdt[GDT_ENTRIES];

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_map;
	uint8_t io_bitmap[33];
} __attribute__((packed));

extern struct tss tss;

/* GDT, TSS, IDT; page tables: 16 MiB and the APICs as they are, for CPL 3. */
void traps_setup(void);
/* Gate of @vector: @type as 0x8e, 0xee (DPL 3), 0x0e (absent); IST @ist. */
void trap_gate(unsigned int vector, uint8_t type, uint8_t ist);
/* End the guest unless the last TRY() raised @vector with @error at insn. */
void expect_trap(unsigned int vector, uint64_t error, const char *what);
void expect_none(const char *what);
void expect_equal(uint64_t got, uint64_t want, const char *what);

/* 4 KiB pages at ARENA, all absent at first. */
#define ARENA	    0x40000000ul
#define ARENA_PAGES 16
#define PAGE	    4096ul
#define PTE_P	    0x1ul
#define PTE_W	    0x2ul
#define PTE_U	    0x4ul
#define PTE_A	    0x20ul
#define PTE_D	    0x40ul
#define PTE_PS	    0x80ul
#define PTE_G	    0x100ul
#define PTE_NX	    (1ul << 63)

extern uint64_t pml4[512], pdpt[512], pd_low[512], pd_arena[512], pt[512];
/* RAM behind page @n of the arena, also when it is not mapped. */
uint8_t *arena_ram(unsigned int n);
/* Map page @n with @bits and forget its translation. */
void arena_map(unsigned int n, uint64_t bits);

/* Run at CPL 3 until a trap: RAX, RCX, RDX and RDI on entry are @arg. */
void user_run(const void *code, uint64_t stack, uint64_t rflags, uint64_t arg);

static inline uint64_t read_cr0(void)
{
	uint64_t v;

	asm volatile("mov %%cr0, %0" : "=r"(v));
	return v;
}

static inline void write_cr0(uint64_t v)
{
	asm volatile("mov %0, %%cr0" : : "r"(v) : "memory");
}

static inline uint64_t read_cr4(void)
{
	uint64_t v;

	asm volatile("mov %%cr4, %0" : "=r"(v));
	return v;
}

static inline void write_cr4(uint64_t v)
{
	asm volatile("mov %0, %%cr4" : : "r"(v) : "memory");
}

static inline void invlpg(uint64_t addr)
{
	asm volatile("invlpg (%0)" : : "r"(addr) : "memory");
}

static inline uint32_t cpuid_edx(uint32_t leaf)
{
	uint32_t a = leaf, b, c = 0, d;

	asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return d;
}

static inline uint32_t cpuid7_ebx(void)
{
	uint32_t a = 7, b, c = 0, d;

	asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return b;
}

/* Run @text; RAX is %0, and in and out is @rax. */
#define TRY_RAX(text, rax)                                                    \
	({                                                                    \
		uint64_t rax_ = (rax);                                        \
		trap.vector = NO_TRAP;                                        \
		asm volatile("lea 7771f(%%rip), %%r11\n\t"                    \
			     "mov %%r11, trap+72(%%rip)\n\t"                  \
			     "lea 7772f(%%rip), %%r11\n\t"                    \
			     "mov %%r11, trap+80(%%rip)\n\t"                  \
			     "mov %%rsp, trap+88(%%rip)\n\t"                  \
			     "7771: " text "\n\t"                             \
			     "7772:\tmov trap+88(%%rip), %%rsp\n\t"           \
			     : "+a"(rax_)                                     \
			     :                                                \
			     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", \
			       "r11", "r12", "r13", "memory", "cc");          \
		rax_;                                                         \
	})
#define TRY(text) TRY_RAX(text, 0)

#endif
