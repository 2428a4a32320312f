// SPDX-License-Identifier: MIT
/*
 * test_x86_tasks.c - what 32-bit protected mode has and 64-bit mode has not:
 * call gates with parameters, tasks, virtual-8086 mode.
 *
 * Paging is off. Every vector's handler is a HLT at HANDLER + 16 * vector, so
 * where the CPU halts tells what was delivered, and its stack what was pushed.
 * Expected values are the manual's.
 */
#include "tests/unit/x86_bench.h"

enum {
	GDT = 0x5000,
	IDT = 0x6000,
	TSS = 0x7000,
	TSS_B = 0x7100,
	HANDLER = 0x8000,
	CODE = 0xa000,
	CODE_B = 0xa800,
	STACK = 0xc000,
	ESP0 = 0xd000,
	STACK_B = 0xe000,
	USER_CODE = 0x20000,
	USER_STACK = 0x22000,

	SEL_CODE = 0x08,
	SEL_DATA = 0x10,
	SEL_UCODE = 0x1b,
	SEL_UDATA = 0x23,
	SEL_TSS = 0x28,
	SEL_TSS_B = 0x30,
	SEL_GATE = 0x38,	/* to SEL_CODE, DPL 3, two parameters */
	SEL_TASK_GATE = 0x40,	/* to SEL_TSS_B, DPL 3 */
	SEL_GATE0 = 0x48,	/* DPL 0 */
	SEL_GATE_ABSENT = 0x50, /* DPL 3 */
	SEL_GATE16 = 0x58,
	GDT_END = 0x60,

	TSS_ESP0 = 4,
	TSS_SS0 = 8,
	TSS_EIP = 0x20,
	TSS_EFLAGS = 0x24,
	TSS_EAX = 0x28,
	TSS_ESP = 0x38,
	TSS_ES = 0x48,
	TSS_CS = 0x4c,
	TSS_SS = 0x50,
	TSS_DS = 0x54,

	BUSY = 2,
};

static void put32(struct bench *b, gpa_t at, uint32_t v)
{
	assert_int_equal(ram_write(b->ram, at, &v, 4), 0);
}

static uint32_t get32(struct bench *b, gpa_t at)
{
	uint32_t v;

	assert_int_equal(ram_read(b->ram, at, &v, 4), 0);
	return v;
}

static uint64_t gate(unsigned int sel, uint32_t to, unsigned int type,
		     unsigned int count)
{
	return (to & 0xffff) | (uint64_t)sel << 16 | (uint64_t)count << 32 |
	       (uint64_t)type << 40 | (uint64_t)(to >> 16) << 48;
}

static void put_gdt(struct bench *b)
{
	static const uint64_t desc[GDT_END / 8] = {
		[SEL_CODE / 8] = 0x00cf9b000000ffff,
		[SEL_DATA / 8] = 0x00cf93000000ffff,
		[SEL_UCODE / 8] = 0x00cffb000000ffff,
		[SEL_UDATA / 8] = 0x00cff3000000ffff,
		[SEL_TSS / 8] = 0x00008b0000000067 | (uint64_t)TSS << 16,
		[SEL_TSS_B / 8] = 0x0000890000000067 | (uint64_t)TSS_B << 16,
	};

	assert_int_equal(ram_write(b->ram, GDT, desc, sizeof(desc)), 0);
	put(b, GDT + SEL_GATE, gate(SEL_CODE, CODE, 0xec, 2));
	put(b, GDT + SEL_TASK_GATE, gate(SEL_TSS_B, 0, 0xe5, 0));
	put(b, GDT + SEL_GATE0, gate(SEL_CODE, CODE, 0x8c, 0));
	put(b, GDT + SEL_GATE_ABSENT, gate(SEL_CODE, CODE, 0x6c, 0));
	put(b, GDT + SEL_GATE16, gate(SEL_CODE, CODE, 0xe4, 0));
}

static void put_task_b(struct bench *b)
{
	put32(b, TSS_B + TSS_EIP, CODE_B);
	put32(b, TSS_B + TSS_EFLAGS, X86_FL_ONE | X86_FL_CF);
	put32(b, TSS_B + TSS_EAX, 0xbbbb);
	put32(b, TSS_B + TSS_ESP, STACK_B);
	put32(b, TSS_B + TSS_ES, SEL_DATA);
	put32(b, TSS_B + TSS_CS, SEL_CODE);
	put32(b, TSS_B + TSS_SS, SEL_DATA);
	put32(b, TSS_B + TSS_DS, SEL_UDATA);
}

static struct cpu_segment flat(uint16_t sel, uint16_t access)
{
	return (struct cpu_segment){
		.selector = sel,
		.limit = UINT32_MAX,
		.access = access,
	};
}

static void to_ring(struct bench *b, unsigned int ring)
{
	struct cpu_state *st = calloc(1, sizeof(*st));
	bool user = ring == 3;

	st->seg[CPU_CS] =
		flat(user ? SEL_UCODE : SEL_CODE, user ? 0xc0fb : 0xc09b);
	st->seg[CPU_SS] =
		flat(user ? SEL_UDATA : SEL_DATA, user ? 0xc0f3 : 0xc093);
	st->seg[CPU_DS] = st->seg[CPU_ES] = st->seg[CPU_SS];
	st->seg[CPU_TR] = (struct cpu_segment){
		.selector = SEL_TSS, .base = TSS, .limit = 0x67, .access = 0x8b
	};
	st->gdtr = (struct cpu_table){ GDT, GDT_END - 1 };
	st->idtr = (struct cpu_table){ IDT, 0x7ff };
	st->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE;
	st->dr[6] = 0xffff0ff0;
	st->dr[7] = 0x400;
	st->gpr[CPU_RSP] = user ? USER_STACK : STACK;
	st->gpr[CPU_RAX] = 0xaaaa;
	st->rflags = X86_FL_ONE;
	st->rip = user ? USER_CODE : CODE;
	x86_cpu_load(b->cpu, st);
	free(st);
}

static int setup(void **state)
{
	struct bench *b = bench_create();
	unsigned int i;

	*state = b;
	if (!b)
		return -1;
	put_gdt(b);
	for (i = 0; i < 256; i++) {
		put(b, IDT + 8 * i, gate(SEL_CODE, HANDLER + 16 * i, 0x8e, 0));
		put(b, HANDLER + 16 * i, 0xf4);
	}
	put32(b, TSS + TSS_ESP0, ESP0);
	put32(b, TSS + TSS_SS0, SEL_DATA);
	put32(b, TSS + 0x64, 0x680000); /* no map of ports */
	put_task_b(b);
	to_ring(b, 0);
	return 0;
}

/* Until HLT; the vector whose handler it is, or -1. */
static int run(struct bench *b)
{
	struct x86_cpu *cpu = b->cpu;

	bench_run(b, 100);
	if (cpu->shutdown || cpu->rip < HANDLER || cpu->rip >= HANDLER + 4096)
		return -1;
	return (int)(cpu->rip - HANDLER) / 16;
}

/* The error code on top of the handler's stack, with the vector above it. */
static uint32_t fault(struct bench *b)
{
	int vector = run(b);

	assert_true(vector >= 0);
	return (uint32_t)vector << 16 | get32(b, b->cpu->reg[CPU_RSP]);
}

#define FAULT(vector, error) ((uint32_t)(vector) << 16 | (error))

static void halts_at(struct bench *b, uint32_t at)
{
	assert_int_equal(run(b), -1);
	assert_true(b->cpu->halted);
	assert_int_equal(b->cpu->rip, at + 1);
}

/* Of a TSS in the GDT. */
static bool is_busy(struct bench *b, unsigned int sel)
{
	return get(b, GDT + sel) >> 40 & BUSY;
}

static void call_gate_switches_stacks_and_copies_parameters(void **state)
{
	struct bench *b = *state;
	struct x86_cpu *cpu = b->cpu;

	ram_write(b->ram, CODE, "\xf4", 1);
	to_ring(b, 3);
	put32(b, USER_STACK, 0x1111);
	put32(b, USER_STACK + 4, 0x2222);
	/* call 0x3b:0 */
	CODE_IS(b, "\x9a\x00\x00\x00\x00\x3b\x00");
	halts_at(b, CODE);
	assert_int_equal(cpu->cpl, 0);
	assert_int_equal(cpu->st.seg[CPU_CS].selector, SEL_CODE);
	assert_int_equal(cpu->st.seg[CPU_SS].selector, SEL_DATA);
	assert_int_equal(cpu->reg[CPU_RSP], ESP0 - 24);
	assert_int_equal(get32(b, ESP0 - 24), USER_CODE + 7);
	assert_int_equal(get32(b, ESP0 - 20), SEL_UCODE);
	assert_int_equal(get32(b, ESP0 - 16), 0x1111);
	assert_int_equal(get32(b, ESP0 - 12), 0x2222);
	assert_int_equal(get32(b, ESP0 - 8), USER_STACK);
	assert_int_equal(get32(b, ESP0 - 4), SEL_UDATA);
}

static void far_return_through_the_gate_releases_parameters(void **state)
{
	struct bench *b = *state;
	struct x86_cpu *cpu = b->cpu;

	ram_write(b->ram, CODE, "\xca\x08\x00", 3); /* retf 8 */
	to_ring(b, 3);
	/* call 0x3b:0; ud2 */
	CODE_IS(b, "\x9a\x00\x00\x00\x00\x3b\x00\x0f\x0b");
	assert_int_equal(run(b), X86_UD);
	assert_int_equal(get32(b, cpu->reg[CPU_RSP]), USER_CODE + 7);
	assert_int_equal(get32(b, cpu->reg[CPU_RSP] + 4), SEL_UCODE);
	assert_int_equal(get32(b, cpu->reg[CPU_RSP] + 12), USER_STACK + 8);
}

static void call_gate_within_a_ring_keeps_the_stack(void **state)
{
	struct bench *b = *state;

	put(b, GDT + SEL_GATE, gate(SEL_CODE, CODE_B, 0xec, 2));
	ram_write(b->ram, CODE_B, "\xf4", 1);
	CODE_IS(b, "\x9a\x00\x00\x00\x00\x38\x00");
	halts_at(b, CODE_B);
	assert_int_equal(b->cpu->reg[CPU_RSP], STACK - 8);
	assert_int_equal(get32(b, STACK - 8), CODE + 7);
	assert_int_equal(get32(b, STACK - 4), SEL_CODE);
}

static void call_gate_of_16_bits_pushes_words(void **state)
{
	struct bench *b = *state;

	ram_write(b->ram, CODE, "\xf4", 1);
	to_ring(b, 3);
	CODE_IS(b, "\x9a\x00\x00\x00\x00\x5b\x00");
	halts_at(b, CODE);
	assert_int_equal(b->cpu->reg[CPU_RSP], ESP0 - 8);
	assert_true(get(b, ESP0 - 8) ==
		    ((uint64_t)SEL_UDATA << 48 |
		     (uint64_t)(USER_STACK & 0xffff) << 32 | SEL_UCODE << 16 |
		     ((USER_CODE + 7) & 0xffff)));
}

static void gates_refuse_with_their_own_selector(void **state)
{
	static const struct {
		char code[7];
		uint32_t fault;
	} cases[] = {
		/* call of DPL 0, of one that is absent; jmp inwards */
		{ "\x9a\0\0\0\0\x4b", FAULT(X86_GP, SEL_GATE0) },
		{ "\x9a\0\0\0\0\x53", FAULT(X86_NP, SEL_GATE_ABSENT) },
		{ "\xea\0\0\0\0\x3b", FAULT(X86_GP, SEL_CODE) },
		/* the TSS of DPL 0, the LDT bit, past the end */
		{ "\x9a\0\0\0\0\x33", FAULT(X86_GP, SEL_TSS_B) },
		{ "\x9a\0\0\0\0\x3f", FAULT(X86_GP, 0x3c) },
		{ "\x9a\0\0\0\0\x63", FAULT(X86_GP, GDT_END) },
		{ "\x9a\0\0\0\0\x03", FAULT(X86_GP, 0) },
	};
	struct bench *b = *state;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		to_ring(b, 3);
		code(b, cases[i].code, sizeof(cases[i].code));
		assert_int_equal(fault(b), cases[i].fault);
		assert_int_equal(get32(b, ESP0 - 20), USER_CODE);
	}
}

static void gate_without_an_inner_stack_raises_ts_or_ss(void **state)
{
	struct bench *b = *state;

	put32(b, TSS + TSS_SS0, SEL_UDATA);
	put(b, IDT + 8 * X86_TS, gate(SEL_TSS_B, 0, 0x85, 0));
	ram_write(b->ram, CODE_B, "\xf4", 1);
	to_ring(b, 3);
	CODE_IS(b, "\x9a\x00\x00\x00\x00\x3b\x00");
	halts_at(b, CODE_B); /* #TS, in a task of its own */
	assert_int_equal(get32(b, STACK_B - 4), SEL_UDATA & ~3);
	assert_int_equal(get32(b, TSS + TSS_EIP), USER_CODE);
}

static void call_of_a_task_nests_it(void **state)
{
	struct bench *b = *state;
	struct x86_cpu *cpu = b->cpu;

	ram_write(b->ram, CODE_B, "\xf4", 1);
	CODE_IS(b, "\x9a\x00\x00\x00\x00\x30\x00");
	halts_at(b, CODE_B);
	assert_int_equal(cpu->st.seg[CPU_TR].selector, SEL_TSS_B);
	assert_int_equal(cpu->st.seg[CPU_TR].access, 0x8b);
	assert_int_equal(cpu->reg[CPU_RAX], 0xbbbb);
	assert_int_equal(cpu->reg[CPU_RSP], STACK_B);
	assert_int_equal(cpu->st.seg[CPU_DS].selector, SEL_UDATA);
	assert_int_equal(cpu->st.seg[CPU_FS].selector, 0);
	assert_int_equal(x86_get_rflags(cpu),
			 X86_FL_ONE | X86_FL_CF | X86_FL_NT);
	assert_true(cpu->st.cr0 & X86_CR0_TS);
	assert_int_equal(get32(b, TSS_B), SEL_TSS);
	assert_true(is_busy(b, SEL_TSS));
	assert_true(is_busy(b, SEL_TSS_B));
	assert_int_equal(get32(b, TSS + TSS_EIP), CODE + 7);
	assert_int_equal(get32(b, TSS + TSS_EAX), 0xaaaa);
	assert_int_equal(get32(b, TSS + TSS_CS), SEL_CODE);
	assert_int_equal(get32(b, TSS + TSS_EFLAGS), X86_FL_ONE);
}

static void iret_of_a_nested_task_returns_to_its_caller(void **state)
{
	struct bench *b = *state;
	struct x86_cpu *cpu = b->cpu;

	ram_write(b->ram, CODE_B, "\xcf", 1);
	/* call 0x40:0 (a task gate); hlt */
	CODE_IS(b, "\x9a\x00\x00\x00\x00\x40\x00\xf4");
	halts_at(b, CODE + 7);
	assert_int_equal(cpu->st.seg[CPU_TR].selector, SEL_TSS);
	assert_int_equal(cpu->reg[CPU_RAX], 0xaaaa);
	assert_int_equal(x86_get_rflags(cpu), X86_FL_ONE);
	assert_true(is_busy(b, SEL_TSS));
	assert_false(is_busy(b, SEL_TSS_B));
	assert_int_equal(get32(b, TSS_B + TSS_EIP), CODE_B + 1);
	assert_int_equal(get32(b, TSS_B + TSS_EFLAGS), X86_FL_ONE | X86_FL_CF);
}

static void jump_to_a_task_leaves_the_old_one(void **state)
{
	struct bench *b = *state;

	ram_write(b->ram, CODE_B, "\xf4", 1);
	CODE_IS(b, "\xea\x00\x00\x00\x00\x30\x00");
	halts_at(b, CODE_B);
	assert_false(is_busy(b, SEL_TSS));
	assert_true(is_busy(b, SEL_TSS_B));
	assert_false(b->cpu->rflags & X86_FL_NT);
	assert_int_equal(get32(b, TSS_B), 0);
}

static void double_fault_through_a_task_gate_has_a_stack(void **state)
{
	struct bench *b = *state;

	put(b, IDT + 8 * X86_DF, gate(SEL_TSS_B, 0, 0x85, 0));
	put(b, IDT + 8 * X86_GP, 0);
	ram_write(b->ram, CODE_B, "\xf4", 1);
	b->cpu->reg[CPU_RAX] = 0x1000;
	/* mov ds, ax: #GP, not present, #DF */
	CODE_IS(b, "\x8e\xd8");
	halts_at(b, CODE_B);
	assert_int_equal(b->cpu->reg[CPU_RSP], STACK_B - 4);
	assert_int_equal(get32(b, STACK_B - 4), 0);
	assert_int_equal(get32(b, TSS + TSS_EIP), CODE);
	assert_int_equal(get32(b, TSS_B), SEL_TSS);
}

static void bad_tasks_are_refused_by_the_old_one(void **state)
{
	static const struct {
		uint64_t desc;
		uint32_t fault;
	} cases[] = {
		{ 0x00008b0071000067, FAULT(X86_GP, SEL_TSS_B) }, /* busy */
		{ 0x0000090071000067, FAULT(X86_NP, SEL_TSS_B) },
		{ 0x0000890071000066, FAULT(X86_TS, SEL_TSS_B) }, /* short */
		{ 0x000082007100ffff, FAULT(X86_GP, SEL_TSS_B) }, /* an LDT */
	};
	struct bench *b = *state;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		to_ring(b, 0);
		put(b, GDT + SEL_TSS_B, cases[i].desc);
		CODE_IS(b, "\x9a\x00\x00\x00\x00\x30\x00");
		assert_int_equal(fault(b), cases[i].fault);
		assert_int_equal(b->cpu->st.seg[CPU_TR].selector, SEL_TSS);
		assert_int_equal(get32(b, STACK - 12), CODE);
	}
}

static void bad_segments_are_the_new_tasks_fault(void **state)
{
	static const struct {
		uint32_t at, sel, fault;
	} cases[] = {
		{ TSS_DS, SEL_CODE | 3, FAULT(X86_TS, SEL_CODE) },
		{ TSS_ES, 0x100, FAULT(X86_TS, 0x100) },
		{ TSS_CS, SEL_DATA, FAULT(X86_TS, SEL_DATA) },
	};
	struct bench *b = *state;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		to_ring(b, 0);
		put_gdt(b);
		put_task_b(b);
		put32(b, TSS_B + cases[i].at, cases[i].sel);
		CODE_IS(b, "\xea\x00\x00\x00\x00\x30\x00");
		assert_int_equal(fault(b), cases[i].fault);
		assert_int_equal(b->cpu->st.seg[CPU_TR].selector, SEL_TSS_B);
		assert_int_equal(get32(b, STACK_B - 12), CODE_B);
	}
}

/* IRET to 2000:0010 with @fl, stack 3000:fff0; code there. */
static void to_v86(struct bench *b, uint32_t fl, const char *bytes, size_t len)
{
	const uint32_t frame[] = { 0x10,   0x2000, fl | X86_FL_VM | X86_FL_ONE,
				   0xfff0, 0x3000, 0x4000, /* ES */
				   0x5000, 0x6000, 0x7000 };

	to_ring(b, 0);
	b->cpu->reg[CPU_RSP] = STACK - sizeof(frame);
	ram_write(b->ram, STACK - sizeof(frame), frame, sizeof(frame));
	ram_write(b->ram, 0x20010, bytes, len);
	CODE_IS(b, "\xcf");
}

static void iret_enters_virtual_8086_mode_and_interrupts_leave_it(void **state)
{
	static const uint16_t words[] = { 0x3000, 0x4000, 0x5000, 0x6000,
					  0x7000 };
	struct bench *b = *state;
	struct x86_cpu *cpu = b->cpu;
	unsigned int i;

	/* mov ax, ds; ud2 */
	to_v86(b, X86_FL_IF, "\x8c\xd8\x0f\x0b", 4);
	assert_int_equal(run(b), X86_UD);
	assert_int_equal(cpu->reg[CPU_RAX] & 0xffff, 0x5000);
	assert_int_equal(cpu->cpl, 0);
	assert_false(x86_v86(cpu));
	assert_int_equal(cpu->reg[CPU_RSP], ESP0 - 36);
	assert_int_equal(get32(b, ESP0 - 36), 0x12);
	assert_int_equal(get32(b, ESP0 - 32), 0x2000);
	assert_int_equal(get32(b, ESP0 - 28),
			 X86_FL_ONE | X86_FL_VM | X86_FL_IF | X86_FL_RF);
	assert_int_equal(get32(b, ESP0 - 24), 0xfff0);
	for (i = 0; i < 5; i++)
		assert_int_equal(get32(b, ESP0 - 20 + 4 * i), words[i]);
	assert_int_equal(cpu->st.seg[CPU_DS].selector, 0);
	assert_int_equal(cpu->st.seg[CPU_GS].selector, 0);
}

static void sensitive_instructions_need_iopl_3_in_v86_mode(void **state)
{
	static const struct {
		char code[4];
		int alone; /* vector when IOPL is 3 */
	} cases[] = {
		{ "\xfa\x0f\x0b", X86_UD },	/* cli */
		{ "\xfb\x90\x0f\x0b", X86_UD }, /* sti */
		{ "\x9c\x0f\x0b", X86_UD },	/* pushf */
		{ "\x9d\x0f\x0b", X86_UD },	/* popf */
		{ "\xcd\x40", 0x40 },		/* int 40h */
	};
	struct bench *b = *state;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		to_v86(b, 0, cases[i].code, sizeof(cases[i].code));
		assert_int_equal(fault(b), FAULT(X86_GP, 0));
		assert_int_equal(get32(b, ESP0 - 36), 0x10);
		to_v86(b, X86_FL_IOPL, cases[i].code, sizeof(cases[i].code));
		put32(b, 0x3fff0, 2);
		put(b, IDT + 8 * 0x40,
		    gate(SEL_CODE, HANDLER + 16 * 0x40, 0xee, 0));
		assert_int_equal(run(b), cases[i].alone);
	}
}

static void v86_mode_has_neither_privilege_nor_ports(void **state)
{
	static const char cases[][4] = {
		"\xf4",		/* hlt */
		"\x0f\x20\xc0", /* mov eax, cr0 */
		"\xe4\x80",	/* in al, 80h: whatever the IOPL */
		"\x0f\x01\x16", /* lgdt */
	};
	struct bench *b = *state;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		to_v86(b, X86_FL_IOPL, cases[i], sizeof(cases[i]));
		assert_int_equal(fault(b), FAULT(X86_GP, 0));
	}
	to_v86(b, X86_FL_IOPL, "\x0f\x00\xd0", 3); /* lldt ax */
	assert_int_equal(run(b), X86_UD);
}

static void popf_of_v86_mode_keeps_iopl_and_vm(void **state)
{
	struct bench *b = *state;

	/* popf; ud2 */
	to_v86(b, X86_FL_IOPL, "\x9d\x0f\x0b", 3);
	put32(b, 0x3fff0, 0x0ad7); /* IOPL 0, IF, OF and others */
	assert_int_equal(run(b), X86_UD);
	assert_int_equal(get32(b, ESP0 - 28),
			 0x0ad7 | X86_FL_IOPL | X86_FL_VM | X86_FL_RF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bench_destroy)

static const struct CMUnitTest tests[] = {
	TEST(call_gate_switches_stacks_and_copies_parameters),
	TEST(far_return_through_the_gate_releases_parameters),
	TEST(call_gate_within_a_ring_keeps_the_stack),
	TEST(call_gate_of_16_bits_pushes_words),
	TEST(gates_refuse_with_their_own_selector),
	TEST(gate_without_an_inner_stack_raises_ts_or_ss),
	TEST(call_of_a_task_nests_it),
	TEST(iret_of_a_nested_task_returns_to_its_caller),
	TEST(jump_to_a_task_leaves_the_old_one),
	TEST(double_fault_through_a_task_gate_has_a_stack),
	TEST(bad_tasks_are_refused_by_the_old_one),
	TEST(bad_segments_are_the_new_tasks_fault),
	TEST(iret_enters_virtual_8086_mode_and_interrupts_leave_it),
	TEST(sensitive_instructions_need_iopl_3_in_v86_mode),
	TEST(v86_mode_has_neither_privilege_nor_ports),
	TEST(popf_of_v86_mode_keeps_iopl_and_vm),
};

UNIT_MAIN(tests)
