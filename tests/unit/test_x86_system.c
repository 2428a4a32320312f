// SPDX-License-Identifier: MIT
/*
 * test_x86_system - paging, exceptions and privilege changes of vcpu/x86.
 *
 * A CPU in long mode with its tables in RAM; every vector's handler is a HLT
 * at HANDLER + 16 * vector, so where the CPU halts tells what was delivered,
 * and its stack what was pushed. Expected values are the manual's.
 */
#include "tests/unit/x86_bench.h"

#include "vcpu/x86/exception.h"
#include "vcpu/x86/mem.h"

enum {
	PML4 = 0x1000,
	PDPT = 0x2000,
	PD = 0x3000,
	PT = 0x4000, /* of the first 2 MiB */
	GDT = 0x5000,
	IDT = 0x6000,
	TSS = 0x7000,
	HANDLER = 0x8000,
	CODE = 0xa000,
	STACK = 0xc000, /* of ring 0 before anything happens */
	RSP0 = 0xd000,
	IST1 = 0xe000,
	USER_CODE = 0x100000, /* pages that ring 3 may use */
	USER_STACK = 0x102000,

	KERNEL_CS = 0x08,
	KERNEL_DS = 0x10,
	USER_DS = 0x1b, /* as SYSRET wants them: data, then code */
	USER_CS = 0x23,
	TSS_SEL = 0x28,
};

#define P   1u
#define W   2u
#define U   4u
#define A   0x20u
#define D   0x40u
#define NX  (1ull << 63)
#define RSV (1ull << 45)

static void put_gate(struct bench *b, unsigned int vector, unsigned int dpl,
		     unsigned int ist, bool present)
{
	uint64_t to = HANDLER + 16 * vector;

	put(b, IDT + 16 * vector,
	    to | KERNEL_CS << 16 | (uint64_t)ist << 32 | 0xeull << 40 |
		    (uint64_t)dpl << 45 | (uint64_t)present << 47);
	put(b, IDT + 16 * vector + 8, 0);
}

static void put_tables(struct bench *b)
{
	unsigned int i;

	put(b, PML4, PDPT | P | W | U);
	put(b, PDPT, PD | P | W | U);
	put(b, PD, PT | P | W | U);
	for (i = 0; i < 512; i++)
		put(b, PT + 8 * i, i * 4096ull | P | W | (i >= 0x100 ? U : 0));
	put(b, GDT + KERNEL_CS, 0x00af9b000000ffff);
	put(b, GDT + KERNEL_DS, 0x00cf93000000ffff);
	put(b, GDT + (USER_DS & ~7), 0x00cff3000000ffff);
	put(b, GDT + (USER_CS & ~7), 0x00affb000000ffff);
	put(b, GDT + TSS_SEL, 0x0000890000000067 | (uint64_t)TSS << 16);
	put(b, TSS + 4, RSP0);
	put(b, TSS + 36, IST1);
	put(b, TSS + 0x60, 0x68ull << 48); /* no map of ports */
	for (i = 0; i < 256; i++) {
		put_gate(b, i, 0, 0, true);
		put(b, HANDLER + 16 * i, 0xf4);
	}
}

static void reset_cpu(struct bench *b)
{
	struct cpu_state *st = calloc(1, sizeof(*st));

	st->seg[CPU_CS] = (struct cpu_segment){ .selector = KERNEL_CS,
						.limit = UINT32_MAX,
						.access = 0xa09b };
	st->seg[CPU_SS] = (struct cpu_segment){ .selector = KERNEL_DS,
						.limit = UINT32_MAX,
						.access = 0xc093 };
	st->seg[CPU_TR] = (struct cpu_segment){
		.selector = TSS_SEL, .base = TSS, .limit = 0x67, .access = 0x8b
	};
	st->gdtr = (struct cpu_table){ GDT, 0x37 };
	st->idtr = (struct cpu_table){ IDT, 0xfff };
	st->cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP | X86_CR0_NE;
	st->cr3 = PML4;
	st->cr4 = X86_CR4_PAE | X86_CR4_OSFXSR;
	st->efer = X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE | X86_EFER_SCE;
	st->dr[6] = 0xffff0ff0;
	st->dr[7] = 0x400;
	st->gpr[CPU_RSP] = STACK;
	st->rflags = 2;
	st->rip = CODE;
	x86_cpu_load(b->cpu, st);
	free(st);
}

static int setup(void **state)
{
	struct bench *b = bench_create();

	*state = b;
	if (!b)
		return -1;
	put_tables(b);
	reset_cpu(b);
	return 0;
}

static void to_user(struct bench *b)
{
	struct cpu_state *st = calloc(1, sizeof(*st));

	x86_cpu_store(b->cpu, st);
	st->seg[CPU_CS].selector = USER_CS;
	st->seg[CPU_CS].access = 0xa0fb;
	st->seg[CPU_SS].selector = USER_DS;
	st->seg[CPU_SS].access = 0xc0f3;
	st->gpr[CPU_RSP] = USER_STACK;
	st->rip = USER_CODE;
	x86_cpu_load(b->cpu, st);
	free(st);
}

/* Until HLT or shutdown; the vector whose handler halted, or -1. */
static int run(struct bench *b)
{
	struct x86_cpu *cpu = b->cpu;

	bench_run(b, 100);
	if (cpu->shutdown || cpu->rip < HANDLER || cpu->rip >= HANDLER + 4096)
		return -1;
	return (int)(cpu->rip - HANDLER) / 16;
}

/* --- Page walks --- */

static int translate(struct bench *b, uint64_t lin, unsigned int access)
{
	uint32_t error = 0;
	gpa_t gpa;

	if (x86_translate(b->cpu, lin, access, &gpa, &error))
		return (int)error;
	assert_int_equal(gpa & 0xfff, lin & 0xfff);
	return -1;
}

static void pages_fault_with_the_manuals_error_codes(void **state)
{
	static const struct {
		uint64_t pte;
		unsigned int access;
		int error; /* -1: allowed */
	} cases[] = {
		{ 0, 0, 0 },
		{ 0, X86_ACC_WRITE, 2 },
		{ 0, X86_ACC_USER, 4 },
		{ 0, X86_ACC_USER | X86_ACC_WRITE, 6 },
		{ 0, X86_ACC_FETCH, 0x10 },
		{ P | W, 0, -1 },
		{ P | W, X86_ACC_WRITE, -1 },
		{ P | W, X86_ACC_USER, 5 },
		{ P, X86_ACC_WRITE, 3 },
		{ P | U, X86_ACC_USER, -1 },
		{ P | U, X86_ACC_USER | X86_ACC_WRITE, 7 },
		{ P | U | W, X86_ACC_USER | X86_ACC_WRITE, -1 },
		{ P | U | NX, X86_ACC_USER | X86_ACC_FETCH, 0x15 },
		{ P | U | NX, X86_ACC_USER, -1 },
		{ P | NX, X86_ACC_FETCH, 0x11 },
		{ P | W | RSV, 0, 9 },
		{ P | W | RSV, X86_ACC_WRITE | X86_ACC_USER, 0xf },
	};
	struct bench *b = *state;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put(b, PT + 8 * 0x50, cases[i].pte | 0x50000);
		assert_int_equal(translate(b, 0x50123, cases[i].access),
				 cases[i].error);
	}
}

static void pages_become_accessed_and_dirty_when_allowed(void **state)
{
	struct bench *b = *state;

	put(b, PT + 8 * 0x50, 0x50000 | P | W);
	translate(b, 0x50000, X86_ACC_USER); /* refused */
	assert_int_equal(get(b, PT + 8 * 0x50) & (A | D), 0);
	translate(b, 0x50000, 0);
	assert_int_equal(get(b, PT + 8 * 0x50) & (A | D), A);
	translate(b, 0x50000, X86_ACC_WRITE);
	assert_int_equal(get(b, PT + 8 * 0x50) & (A | D), A | D);
	assert_int_equal(get(b, PD) & (A | D), A);
}

static void pages_obey_wp_and_smep(void **state)
{
	struct bench *b = *state;

	put(b, PT + 8 * 0x50, 0x50000 | P | U);
	b->cpu->st.cr0 &= ~X86_CR0_WP;
	assert_int_equal(translate(b, 0x50000, X86_ACC_WRITE), -1);
	assert_int_equal(translate(b, 0x50000, X86_ACC_WRITE | X86_ACC_USER),
			 7);
	assert_int_equal(translate(b, 0x50000, X86_ACC_FETCH), -1);
	b->cpu->st.cr4 |= X86_CR4_SMEP;
	assert_int_equal(translate(b, 0x50000, X86_ACC_FETCH), 0x11);
}

static void pages_of_2m_and_1g_map_all_of_themselves(void **state)
{
	struct bench *b = *state;
	uint32_t error;
	gpa_t gpa;

	put(b, PD + 8, 0x200000 | P | W | 0x80);
	assert_int_equal(x86_translate(b->cpu, 0x3abcde, 0, &gpa, &error), 0);
	assert_int_equal(gpa, 0x3abcde);
	put(b, PDPT + 8, P | W | 0x80);
	assert_int_equal(x86_translate(b->cpu, 0x40123456, 0, &gpa, &error), 0);
	assert_int_equal(gpa, 0x123456);
	put(b, PD + 8, 0x202000 | P | W | 0x80); /* reserved address bit */
	assert_int_equal(translate(b, 0x200000, 0), 9);
}

static void pages_without_pae_have_two_levels(void **state)
{
	struct bench *b = *state;
	uint32_t pde = 0x20000 | P | W | U, pte = 0x30000 | P | W | U;
	uint32_t big = 0x400000 | P | W | U | 0x80, error;
	gpa_t gpa;

	b->cpu->st.cr3 = 0x10000;
	b->cpu->st.cr4 = X86_CR4_PSE;
	b->cpu->st.efer = 0;
	x86_update_mode(b->cpu);
	ram_write(b->ram, 0x10000 + 4 * 3, &pde, 4);
	ram_write(b->ram, 0x20000 + 4 * 5, &pte, 4);
	ram_write(b->ram, 0x10000 + 4 * 4, &big, 4);
	assert_int_equal(
		x86_translate(b->cpu, 0xc05678, X86_ACC_USER, &gpa, &error), 0);
	assert_int_equal(gpa, 0x30678);
	assert_int_equal(x86_translate(b->cpu, 0x1012345, 0, &gpa, &error), 0);
	assert_int_equal(gpa, 0x412345);
}

static void pages_with_pae_have_three_levels(void **state)
{
	struct bench *b = *state;
	uint32_t error;
	gpa_t gpa;

	b->cpu->st.cr3 = 0x10020; /* 32-byte aligned */
	b->cpu->st.efer = X86_EFER_NXE;
	x86_update_mode(b->cpu);
	put(b, 0x10020 + 8 * 3, 0x20000 | P);
	put(b, 0x20000 + 8 * 1, 0x30000 | P | W | U);
	put(b, 0x30000 + 8 * 2, 0x50000 | P | W | U | NX);
	assert_int_equal(x86_translate(b->cpu, 0xc0202345,
				       X86_ACC_USER | X86_ACC_WRITE, &gpa,
				       &error),
			 0);
	assert_int_equal(gpa, 0x50345);
	assert_int_equal(translate(b, 0xc0202000, X86_ACC_FETCH), 0x11);
}

/* --- Delivery --- */

struct frame {
	uint64_t rip, cs, rflags, rsp, ss;
};

static struct frame frame_at(struct bench *b, uint64_t at)
{
	return (struct frame){ get(b, at), get(b, at + 8), get(b, at + 16),
			       get(b, at + 24), get(b, at + 32) };
}

static void fault_in_ring_0_keeps_the_stack(void **state)
{
	struct bench *b = *state;
	struct frame f;

	b->cpu->reg[CPU_RSP] = STACK - 8; /* delivery aligns it */
	CODE_IS(b, "\x0f\x0b");
	assert_int_equal(run(b), X86_UD);
	assert_int_equal(b->cpu->reg[CPU_RSP], STACK - 16 - 40);
	f = frame_at(b, b->cpu->reg[CPU_RSP]);
	assert_int_equal(f.rip, CODE);
	assert_int_equal(f.cs, KERNEL_CS);
	assert_int_equal(f.rsp, STACK - 8);
	assert_int_equal(f.ss, KERNEL_DS);
	assert_int_equal(f.rflags, 2 | X86_FL_RF);
}

static void fault_in_ring_3_takes_rsp0_and_a_null_ss(void **state)
{
	struct bench *b = *state;
	struct frame f;

	to_user(b);
	b->cpu->rflags |= X86_FL_IF;
	CODE_IS(b, "\x0f\x0b");
	assert_int_equal(run(b), X86_UD);
	assert_int_equal(b->cpu->reg[CPU_RSP], RSP0 - 40);
	f = frame_at(b, RSP0 - 40);
	assert_int_equal(f.cs, USER_CS);
	assert_int_equal(f.ss, USER_DS);
	assert_int_equal(f.rsp, USER_STACK);
	assert_int_equal(b->cpu->cpl, 0);
	assert_int_equal(b->cpu->st.seg[CPU_SS].selector, 0);
	assert_false(b->cpu->rflags & X86_FL_IF);
}

static void fault_with_an_ist_takes_its_stack(void **state)
{
	struct bench *b = *state;

	put_gate(b, X86_UD, 0, 1, true);
	CODE_IS(b, "\x0f\x0b");
	assert_int_equal(run(b), X86_UD);
	assert_int_equal(b->cpu->reg[CPU_RSP], IST1 - 40);
}

static void page_fault_sets_cr2_and_pushes_its_error(void **state)
{
	struct bench *b = *state;

	to_user(b);
	b->cpu->reg[CPU_RAX] = 0x50008;
	CODE_IS(b, "\x48\x89\x18"); /* mov [rax], rbx */
	assert_int_equal(run(b), X86_PF);
	assert_int_equal(b->cpu->st.cr2, 0x50008);
	assert_int_equal(get(b, b->cpu->reg[CPU_RSP]), 7);
}

static void write_over_two_pages_is_all_or_nothing(void **state)
{
	struct bench *b = *state;

	put(b, PT + 8 * 0x51, 0);
	put(b, 0x50ff8, 0x1122334455667788);
	b->cpu->reg[CPU_RAX] = 0x50ffc;
	b->cpu->reg[CPU_RBX] = UINT64_MAX;
	CODE_IS(b, "\x48\x89\x18");
	assert_int_equal(run(b), X86_PF);
	assert_int_equal(b->cpu->st.cr2, 0x51000);
	assert_true(get(b, 0x50ff8) == 0x1122334455667788);
}

static void page_fault_on_the_handlers_stack_is_a_double_fault(void **state)
{
	struct bench *b = *state;

	to_user(b);
	put(b, TSS + 4, 0x400000); /* not mapped */
	put_gate(b, X86_DF, 0, 1, true);
	b->cpu->reg[CPU_RAX] = 0x400000;
	CODE_IS(b, "\x48\x8b\x18");
	assert_int_equal(run(b), X86_DF);
	assert_int_equal(b->cpu->reg[CPU_RSP], IST1 - 48);
	assert_int_equal(get(b, IST1 - 48), 0);
}

static void missing_gate_is_another_fault_with_its_number(void **state)
{
	struct bench *b = *state;

	/* #UD is benign: the #NP of its delivery is delivered alone. */
	put_gate(b, X86_UD, 0, 0, false);
	CODE_IS(b, "\x0f\x0b");
	assert_int_equal(run(b), X86_NP);
	assert_int_equal(get(b, b->cpu->reg[CPU_RSP]), X86_UD * 8 + 3);
}

static void third_fault_shuts_the_cpu_down(void **state)
{
	struct bench *b = *state;

	b->cpu->st.idtr.limit = 0;
	CODE_IS(b, "\x0f\x0b");
	assert_int_equal(run(b), -1);
	assert_true(b->cpu->shutdown);
}

static void int_n_needs_the_gates_privilege(void **state)
{
	struct bench *b = *state;

	to_user(b);
	CODE_IS(b, "\xcd\x80");
	assert_int_equal(run(b), X86_GP);
	assert_int_equal(get(b, b->cpu->reg[CPU_RSP]), 0x80 * 8 + 2);
}

static void int_n_returns_behind_itself(void **state)
{
	struct bench *b = *state;

	put_gate(b, 0x80, 3, 0, true);
	to_user(b);
	CODE_IS(b, "\xcd\x80");
	assert_int_equal(run(b), 0x80);
	assert_int_equal(get(b, b->cpu->reg[CPU_RSP]), USER_CODE + 2);
}

/* --- Changes of privilege --- */

static void iret_to_ring_3_and_syscall_back(void **state)
{
	static const uint64_t frame[5] = { USER_CODE, USER_CS, 0x202,
					   USER_STACK, USER_DS };
	struct bench *b = *state;
	struct x86_cpu *cpu = b->cpu;

	cpu->st.msr.star = (uint64_t)KERNEL_CS << 32 | (uint64_t)(USER_DS - 8)
							       << 48;
	cpu->st.msr.lstar = HANDLER + 16 * 200;
	cpu->st.msr.fmask = X86_FL_IF;
	ram_write(b->ram, STACK, frame, sizeof(frame));
	CODE_IS(b, "\x48\xcf");
	ram_write(b->ram, USER_CODE, "\x0f\x05", 2);
	assert_int_equal(run(b), 200);
	assert_int_equal(cpu->reg[CPU_RCX], USER_CODE + 2);
	assert_int_equal(cpu->reg[CPU_R11] & X86_FL_IF, X86_FL_IF);
	assert_int_equal(cpu->reg[CPU_RSP], USER_STACK);
	assert_int_equal(cpu->cpl, 0);
	assert_false(cpu->rflags & X86_FL_IF);
}

static void sysret_goes_to_the_users_segments(void **state)
{
	struct bench *b = *state;
	struct x86_cpu *cpu = b->cpu;

	cpu->st.msr.star = (uint64_t)(USER_DS - 8) << 48;
	cpu->reg[CPU_RCX] = USER_CODE;
	cpu->reg[CPU_R11] = 0x202;
	CODE_IS(b, "\x48\x0f\x07");
	ram_write(b->ram, USER_CODE, "\xf4", 1); /* hlt: #GP in ring 3 */
	assert_int_equal(run(b), X86_GP);
	assert_int_equal(get(b, RSP0 - 48), 0);
	assert_int_equal(get(b, RSP0 - 32), USER_CS);
	assert_int_equal(get(b, RSP0 - 8), USER_DS);
}

#define GATE_SEL 0x38

/* From ring 3, call far [USER_STACK + 0x100] through a gate to CODE. */
static void call_through_gate(struct bench *b, uint64_t low, uint64_t high)
{
	reset_cpu(b);
	to_user(b);
	b->cpu->st.gdtr.limit = GATE_SEL + 15;
	put(b, GDT + GATE_SEL, low);
	put(b, GDT + GATE_SEL + 8, high);
	put(b, USER_STACK + 0x100, (GATE_SEL | 3ull) << 32);
	ram_write(b->ram, CODE, "\xf4", 1);
	b->cpu->reg[CPU_RBX] = USER_STACK + 0x100;
	CODE_IS(b, "\xff\x1b\x0f\x0b"); /* and ud2 */
}

static void call_gate_of_64_bits_takes_rsp0_and_a_null_ss(void **state)
{
	const uint64_t gate = 0x0000ec0000000000ull | KERNEL_CS << 16 | CODE;
	struct bench *b = *state;
	struct x86_cpu *cpu = b->cpu;

	call_through_gate(b, gate | 3ull << 32, 0); /* no parameters there */
	run(b);
	assert_true(cpu->halted);
	assert_int_equal(cpu->rip, CODE + 1);
	assert_int_equal(cpu->reg[CPU_RSP], RSP0 - 32);
	assert_int_equal(cpu->st.seg[CPU_SS].selector, 0);
	assert_int_equal(cpu->cpl, 0);
	assert_int_equal(get(b, RSP0 - 32), USER_CODE + 2);
	assert_int_equal(get(b, RSP0 - 24), USER_CS);
	assert_int_equal(get(b, RSP0 - 16), USER_STACK);
	assert_int_equal(get(b, RSP0 - 8), USER_DS);
	ram_write(b->ram, CODE, "\x48\xcb", 2); /* retfq, to the ud2 */
	cpu->halted = false;
	cpu->rip = CODE;
	assert_int_equal(run(b), X86_UD);
	assert_int_equal(frame_at(b, RSP0 - 40).rip, USER_CODE + 2);
	assert_int_equal(frame_at(b, RSP0 - 40).rsp, USER_STACK);
}

static void call_gates_of_64_bits_refuse_what_is_not_in_them(void **state)
{
	const uint64_t gate = 0x0000ec0000000000ull | KERNEL_CS << 16 | CODE;
	static const struct {
		uint64_t low, high;
		unsigned int vector, error;
	} cases[] = {
		{ 0, 0x0c0000000000, X86_GP, GATE_SEL }, /* the upper type */
		{ 0x600000000000, 0, X86_GP, GATE_SEL }, /* DPL 0 */
		{ 0x800000000000, 0, X86_NP, GATE_SEL },
		{ 0x080000000000, 0, X86_GP, GATE_SEL }, /* of 16 bits */
		{ 0x090000000000, 0, X86_GP, GATE_SEL }, /* a task gate */
		{ KERNEL_CS << 16, 0, X86_GP, 0 },
		{ (KERNEL_CS ^ KERNEL_DS) << 16, 0, X86_GP, KERNEL_DS },
		{ 0, 0x800000, X86_GP, 0 }, /* not canonical */
	};
	struct bench *b = *state;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		call_through_gate(b, gate ^ cases[i].low, cases[i].high);
		assert_int_equal(run(b), cases[i].vector);
		assert_int_equal(get(b, RSP0 - 48), cases[i].error);
		assert_int_equal(get(b, RSP0 - 40), USER_CODE);
	}
}

static void iret_with_nt_is_refused_in_long_mode(void **state)
{
	struct bench *b = *state;

	b->cpu->rflags |= X86_FL_NT;
	CODE_IS(b, "\x48\xcf");
	assert_int_equal(run(b), X86_GP);
}

static void iret_refuses_bad_selectors(void **state)
{
	static const struct {
		uint64_t cs, ss, error;
	} cases[] = {
		{ 0, USER_DS, 0 },
		{ KERNEL_DS, KERNEL_DS, KERNEL_DS },
		{ USER_CS, KERNEL_DS, KERNEL_DS },
		{ 0x103, USER_DS, 0x100 },
		{ USER_CS, 0, 0 },
	};
	struct bench *b = *state;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t frame[5] = { USER_CODE, cases[i].cs, 2, USER_STACK,
				      cases[i].ss };

		reset_cpu(b);
		ram_write(b->ram, STACK, frame, sizeof(frame));
		CODE_IS(b, "\x48\xcf");
		assert_int_equal(run(b), X86_GP);
		assert_int_equal(get(b, b->cpu->reg[CPU_RSP]), cases[i].error);
	}
}

/* Each is #GP(0) and changes nothing. */
static void privileged_instructions_refuse_ring_3(void **state)
{
	static const char insns[][4] = {
		"\xf4",		"\xfa",		"\xfb",	    "\x0f\x22\xc0",
		"\x0f\x20\xd8", "\x0f\x30",	"\x0f\x32", "\x0f\x01\x38",
		"\x0f\x06",	"\x0f\x01\xf8", "\xe4\x60", "\x0f\x09",
	};
	struct bench *b = *state;
	unsigned int i;

	for (i = 0; i < sizeof(insns) / sizeof(insns[0]); i++) {
		reset_cpu(b);
		to_user(b);
		ram_write(b->ram, USER_CODE, insns[i], 3);
		assert_int_equal(run(b), X86_GP);
		assert_int_equal(get(b, RSP0 - 48), 0);
		assert_int_equal(get(b, RSP0 - 40), USER_CODE);
	}
}

static void control_registers_refuse_what_is_reserved(void **state)
{
	static const struct {
		const char *insn;
		uint64_t rax;
	} cases[] = {
		{ "\x0f\x22\xc0", X86_CR0_PG },		     /* PG, no PE */
		{ "\x0f\x22\xc0", 1ull << 32 },		     /* upper half */
		{ "\x0f\x22\xc0", X86_CR0_PE | X86_CR0_NW }, /* NW, no CD */
		{ "\x0f\x22\xc0", X86_CR0_PE }, /* PG off in 64-bit mode */
		{ "\x0f\x22\xe0", 0 },		/* PAE off */
		{ "\x0f\x22\xe0", 1ull << 5 | 1ull << 31 },
		{ "\x0f\x22\xe0", 1ull << 5 | X86_CR4_SMAP },
		{ "\x0f\x22\xd8", 1ull << 50 },
	};
	struct bench *b = *state;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		reset_cpu(b);
		b->cpu->reg[CPU_RAX] = cases[i].rax;
		ram_write(b->ram, CODE, cases[i].insn, 3);
		assert_int_equal(run(b), X86_GP);
		assert_int_equal(b->cpu->st.cr3, PML4);
	}
}

static void msrs_refuse_bad_values_and_unknown_names(void **state)
{
	static const struct {
		uint32_t index;
		uint64_t value;
	} cases[] = {
		{ 0xc0000080, 1ull << 20 },	    /* EFER */
		{ 0xc0000080, 0 },		    /* LME off while paging */
		{ 0xc0000082, 0x8000000000000000 }, /* LSTAR not canonical */
		{ 0x277, 0x0202020202020202 },	    /* PAT type 2 */
		{ 0x12345678, 0 },
	};
	struct bench *b = *state;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		reset_cpu(b);
		b->cpu->reg[CPU_RCX] = cases[i].index;
		b->cpu->reg[CPU_RAX] = (uint32_t)cases[i].value;
		b->cpu->reg[CPU_RDX] = cases[i].value >> 32;
		ram_write(b->ram, CODE, "\x0f\x30", 2);
		assert_int_equal(run(b), X86_GP);
	}
}

static void stack_faults_are_ss_and_others_gp(void **state)
{
	struct bench *b = *state;

	b->cpu->reg[CPU_RBX] = 0x8000000000000000;
	CODE_IS(b, "\x48\x8b\x03"); /* mov rax, [rbx] */
	assert_int_equal(run(b), X86_GP);
	reset_cpu(b);
	put_gate(b, X86_SS, 0, 1, true);
	b->cpu->reg[CPU_RSP] = 0x8000000000000000;
	CODE_IS(b, "\x58"); /* pop rax */
	assert_int_equal(run(b), X86_SS);
}

/* invpcid rax, [rbx]; ud2 */
static int invpcid(struct bench *b, uint64_t cr4, uint64_t type, uint64_t pcid,
		   uint64_t lin)
{
	reset_cpu(b);
	b->cpu->st.cr4 |= cr4;
	b->cpu->reg[CPU_RAX] = type;
	b->cpu->reg[CPU_RBX] = 0x50000;
	put(b, 0x50000, pcid);
	put(b, 0x50008, lin);
	CODE_IS(b, "\x66\x0f\x38\x82\x03\x0f\x0b");
	return run(b);
}

static void invpcid_refuses_what_the_manual_lists(void **state)
{
	const uint64_t on = X86_CR4_PCIDE;
	struct bench *b = *state;

	assert_int_equal(invpcid(b, on, 0, 0xfff, 0x1000), X86_UD);
	assert_int_equal(invpcid(b, on, 1, 0xfff, 1ull << 63), X86_UD);
	assert_int_equal(invpcid(b, on, 3, 0, 0), X86_UD);
	assert_int_equal(invpcid(b, 0, 2, 0xfff, 0), X86_UD);
	assert_int_equal(invpcid(b, 0, 0, 0, 0), X86_UD);
	assert_int_equal(invpcid(b, on, 4, 0, 0), X86_GP);
	assert_int_equal(invpcid(b, on, 2, 0x1000, 0), X86_GP);
	assert_int_equal(invpcid(b, on, 0, 0, 1ull << 63), X86_GP);
	assert_int_equal(invpcid(b, 0, 0, 1, 0), X86_GP);
	assert_int_equal(invpcid(b, 0, 1, 1, 0), X86_GP);
}

static int set_cr(struct bench *b, unsigned int cr, uint64_t v)
{
	char bytes[] = "\x0f\x22\xc0\x0f\x0b"; /* mov crN, rax; ud2 */

	bytes[2] = (char)(0xc0 | cr << 3);
	b->cpu->reg[CPU_RAX] = v;
	x86_update_mode(b->cpu);
	code(b, bytes, sizeof(bytes) - 1);
	return run(b);
}

static void pcids_need_long_mode_and_a_cr3_without_one(void **state)
{
	struct bench *b = *state;
	uint64_t cr4 = b->cpu->st.cr4;

	b->cpu->st.cr3 = PML4 | 0x18;
	assert_int_equal(set_cr(b, 4, cr4 | X86_CR4_PCIDE), X86_GP);
	reset_cpu(b);
	assert_int_equal(set_cr(b, 4, cr4 | X86_CR4_PCIDE), X86_UD);
	/* Then CR3 has one, and bit 63; without, that is reserved. */
	reset_cpu(b);
	b->cpu->st.cr4 |= X86_CR4_PCIDE;
	assert_int_equal(set_cr(b, 3, PML4 | 0xabc | 1ull << 63), X86_UD);
	assert_int_equal(b->cpu->st.cr3, PML4 | 0xabc);
	reset_cpu(b);
	assert_int_equal(set_cr(b, 3, PML4 | 1ull << 63), X86_GP);
	/* Paging cannot go off before it. */
	reset_cpu(b);
	b->cpu->st.cr4 |= X86_CR4_PCIDE;
	b->cpu->st.seg[CPU_CS].access = 0xc09b; /* compatibility mode */
	assert_int_equal(set_cr(b, 0, X86_CR0_PE), X86_GP);
}

/* mov eax, [rbx] at @at with these bits; the vector, or -1. */
static int load_unaligned(struct bench *b, uint64_t at, uint64_t cr0,
			  uint64_t rflags, bool user)
{
	reset_cpu(b);
	b->cpu->st.cr0 |= cr0;
	b->cpu->rflags |= rflags;
	b->cpu->reg[CPU_RBX] = at;
	if (user)
		to_user(b);
	else
		x86_update_mode(b->cpu);
	CODE_IS(b, "\x8b\x03\x0f\x0b"); /* and ud2 */
	return run(b);
}

static void misaligned_loads_raise_ac_at_cpl_3_with_am_and_ac(void **state)
{
	const uint64_t at = USER_STACK + 0x101;
	struct bench *b = *state;

	assert_int_equal(load_unaligned(b, at, X86_CR0_AM, X86_FL_AC, true),
			 X86_AC);
	assert_int_equal(frame_at(b, RSP0 - 48).rip, 0); /* the error code */
	assert_int_equal(frame_at(b, RSP0 - 40).rip, USER_CODE);
	assert_int_equal(load_unaligned(b, at + 3, X86_CR0_AM, X86_FL_AC, true),
			 X86_UD);
	assert_int_equal(load_unaligned(b, at, 0, X86_FL_AC, true), X86_UD);
	assert_int_equal(load_unaligned(b, at, X86_CR0_AM, 0, true), X86_UD);
	assert_int_equal(load_unaligned(b, at, X86_CR0_AM, X86_FL_AC, false),
			 X86_UD);
}

static void popf_switches_alignment_checks(void **state)
{
	struct bench *b = *state;

	b->cpu->st.cr0 |= X86_CR0_AM;
	to_user(b);
	b->cpu->reg[CPU_RBX] = USER_STACK + 1;
	put(b, USER_STACK, X86_FL_AC | 2);
	put(b, USER_STACK + 8, 2);
	/* mov eax, [rbx]; popf; mov eax, [rbx] */
	CODE_IS(b, "\x8b\x03\x9d\x8b\x03");
	assert_int_equal(run(b), X86_AC);
	assert_int_equal(frame_at(b, RSP0 - 40).rip, USER_CODE + 3);

	reset_cpu(b);
	b->cpu->st.cr0 |= X86_CR0_AM;
	to_user(b);
	b->cpu->reg[CPU_RBX] = USER_STACK + 1;
	/* popf; popf; mov eax, [rbx]; ud2 */
	CODE_IS(b, "\x9d\x9d\x8b\x03\x0f\x0b");
	assert_int_equal(run(b), X86_UD);
}

static void tlb_forgets_what_invlpg_and_cr3_say(void **state)
{
	struct bench *b = *state;
	struct x86_cpu *cpu = b->cpu;

	put(b, 0x50000, 1);
	put(b, 0x51000, 2);
	cpu->reg[CPU_RBX] = 0x50000;
	assert_int_equal(x86_read(cpu, 0x50000, 8), 1);
	put(b, PT + 8 * 0x50, 0x51000 | P | W);
	assert_int_equal(x86_read(cpu, 0x50000, 8), 1); /* still there */
	CODE_IS(b, "\x0f\x01\x3b\xf4");			/* invlpg [rbx]; hlt */
	run(b);
	assert_int_equal(x86_read(cpu, 0x50000, 8), 2);

	put(b, PT + 8 * 0x50, 0x50000 | P | W);
	reset_cpu(b);
	cpu->reg[CPU_RAX] = PML4;
	CODE_IS(b, "\x0f\x22\xd8\xf4"); /* mov cr3, rax; hlt */
	run(b);
	assert_int_equal(x86_read(cpu, 0x50000, 8), 1);
}

static void state_survives_a_round_trip(void **state)
{
	struct bench *b = *state;
	struct cpu_state *st = calloc(2, sizeof(*st));
	uint64_t fl;

	for (fl = 0; fl < 0x1000; fl++) {
		x86_cpu_store(b->cpu, &st[0]);
		st[0].rflags = (fl & (X86_FL_STATUS | 0x700)) | 2;
		x86_cpu_load(b->cpu, &st[0]);
		x86_cpu_store(b->cpu, &st[1]);
		assert_memory_equal(&st[0], &st[1], sizeof(*st));
	}
	free(st);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bench_destroy)

static const struct CMUnitTest tests[] = {
	TEST(pages_fault_with_the_manuals_error_codes),
	TEST(pages_become_accessed_and_dirty_when_allowed),
	TEST(pages_obey_wp_and_smep),
	TEST(pages_of_2m_and_1g_map_all_of_themselves),
	TEST(pages_without_pae_have_two_levels),
	TEST(pages_with_pae_have_three_levels),
	TEST(fault_in_ring_0_keeps_the_stack),
	TEST(fault_in_ring_3_takes_rsp0_and_a_null_ss),
	TEST(fault_with_an_ist_takes_its_stack),
	TEST(page_fault_sets_cr2_and_pushes_its_error),
	TEST(write_over_two_pages_is_all_or_nothing),
	TEST(page_fault_on_the_handlers_stack_is_a_double_fault),
	TEST(missing_gate_is_another_fault_with_its_number),
	TEST(third_fault_shuts_the_cpu_down),
	TEST(int_n_needs_the_gates_privilege),
	TEST(int_n_returns_behind_itself),
	TEST(iret_to_ring_3_and_syscall_back),
	TEST(sysret_goes_to_the_users_segments),
	TEST(call_gate_of_64_bits_takes_rsp0_and_a_null_ss),
	TEST(call_gates_of_64_bits_refuse_what_is_not_in_them),
	TEST(iret_with_nt_is_refused_in_long_mode),
	TEST(iret_refuses_bad_selectors),
	TEST(privileged_instructions_refuse_ring_3),
	TEST(control_registers_refuse_what_is_reserved),
	TEST(msrs_refuse_bad_values_and_unknown_names),
	TEST(stack_faults_are_ss_and_others_gp),
	TEST(invpcid_refuses_what_the_manual_lists),
	TEST(pcids_need_long_mode_and_a_cr3_without_one),
	TEST(misaligned_loads_raise_ac_at_cpl_3_with_am_and_ac),
	TEST(popf_switches_alignment_checks),
	TEST(tlb_forgets_what_invlpg_and_cr3_say),
	TEST(state_survives_a_round_trip),
};

UNIT_MAIN(tests)
