// SPDX-License-Identifier: MIT
/*
 * soft.c - a case on vcpu/x86: decode, execute, deliver.
 *
 * How it works. A guest with four levels of page tables, a GDT and an IDT as
 * Linux has them, and nothing else: a program at CPL 3 whose window is at
 * the host's addresses, its pages scattered in guest RAM. Exceptions go
 * through the IDT to entry points that are told apart by their address; the
 * frame on the stack says what was delivered, so that delivery is under test
 * as well.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory/ram.h"
#include "tests/engines/diff.h"
#include "vcpu/x86/cpu.h"
#include "vcpu/x86/exception.h"
#include "vcpu/x86/fpu.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"
#include "vcpu/x86/thunk.h"

/* Guest-physical addresses; the first 2 MiB are also at HIGH. */
#define PML4	  0x1000u
#define PDPT_LOW  0x2000u
#define PD_LOW	  0x3000u
#define PT_LOW	  0x4000u
#define PDPT_HIGH 0x5000u
#define PD_HIGH	  0x6000u
#define GDT	  0x10000u
#define IDT	  0x11000u
#define TSS	  0x12000u
#define STACK_TOP 0x15000u
#define RAM_SIZE  (4u << 20)

#define HIGH  0xffff900000000000ull
#define ENTRY (HIGH + 0x16000) /* of vector 0; 16 bytes each */

#define PTE_P  1ull
#define PTE_W  2ull
#define PTE_U  4ull
#define PTE_PS 0x80ull
#define PTE_NX (1ull << 63)

#define SEL_CS	 0x33
#define SEL_CS32 0x23
#define SEL_SS	 0x2b

/* Where the pages of the window are; 0: not present. */
static const uint32_t page_gpa[] = { 0x20000, 0, 0x28000, 0x24000, 0x2c000 };

struct soft {
	struct x86_cpu cpu;
	struct ram *ram;
	struct x86_thunks *thunks;
	atomic_uint attention;
	bool delivered, crashed;
	bool fast; /* with the variants of vcpu/x86/fast.c */
	struct cpu_state init, out;
};

static uint64_t no_tsc(struct x86_cpu *cpu)
{
	(void)cpu;
	return 0;
}

static void no_value(struct x86_cpu *cpu, uint64_t v)
{
	(void)cpu;
	(void)v;
}

static uint64_t no_mmio(struct x86_cpu *cpu, gpa_t gpa, unsigned int len)
{
	(void)cpu;
	(void)gpa;
	(void)len;
	return ~0ull;
}

static void drop_mmio(struct x86_cpu *cpu, gpa_t gpa, unsigned int len,
		      uint64_t v)
{
	(void)cpu;
	(void)gpa;
	(void)len;
	(void)v;
}

static int no_rdmsr(struct x86_cpu *cpu, uint32_t index, uint64_t *v)
{
	(void)cpu;
	(void)index;
	(void)v;
	return -1;
}

static int no_wrmsr(struct x86_cpu *cpu, uint32_t index, uint64_t v)
{
	(void)cpu;
	(void)index;
	(void)v;
	return -1;
}

static void nothing(struct x86_cpu *cpu)
{
	(void)cpu;
}

static bool no_random(struct x86_cpu *cpu, uint64_t *v)
{
	(void)cpu;
	*v = 0;
	return false;
}

static uint64_t no_hypercall(struct x86_cpu *cpu, uint64_t nr)
{
	(void)cpu;
	return nr;
}

static const struct x86_env_ops env = {
	.tsc = no_tsc,
	.set_tsc = no_value,
	.mmio_read = no_mmio,
	.mmio_write = drop_mmio,
	.rdmsr = no_rdmsr,
	.wrmsr = no_wrmsr,
	.get_cr8 = no_tsc,
	.set_cr8 = no_value,
	.write_page = no_value,
	.flush_code = nothing,
	.hypercall = no_hypercall,
	.random = no_random,
	.pause = nothing,
};

static void put(const struct soft *s, uint32_t gpa, uint64_t v)
{
	memcpy(ram_ptr(s->ram, gpa, 8), &v, 8);
}

static void make_page_tables(const struct soft *s)
{
	const uint64_t all = PTE_P | PTE_W | PTE_U;
	unsigned int i, first = DIFF_CODE / DIFF_PAGE % 512;

	put(s, PML4, PDPT_LOW | all);
	put(s, PML4 + 8 * (HIGH >> 39 & 511), PDPT_HIGH | all);
	put(s, PDPT_LOW, PD_LOW | all);
	put(s, PD_LOW + 8 * (DIFF_CODE >> 21 & 511), PT_LOW | all);
	put(s, PDPT_HIGH, PD_HIGH | all);
	put(s, PD_HIGH, PTE_P | PTE_W | PTE_PS);
	for (i = 0; i < 5; i++) {
		uint64_t bits = PTE_P | PTE_U;

		if (!page_gpa[i])
			continue;
		if (i >= 1)
			bits |= PTE_NX;
		if (i == 2 || i == 3)
			bits |= PTE_W;
		put(s, PT_LOW + 8 * (first + i), page_gpa[i] | bits);
	}
}

/* Linux's order of descriptors; LDT and TLS slots are empty. */
static void make_gdt(const struct soft *s)
{
	static const uint64_t desc[16] = {
		[1] = 0x00cf9b000000ffff, /* kernel, 32-bit code */
		[2] = 0x00af9b000000ffff, /* kernel, 64-bit code */
		[3] = 0x00cf93000000ffff, /* kernel, data */
		[4] = 0x00cffb000000ffff, /* user, 32-bit code */
		[5] = 0x00cff3000000ffff, /* user, data */
		[6] = 0x00affb000000ffff, /* user, 64-bit code */
	};
	unsigned int i;

	for (i = 0; i < 16; i++)
		put(s, GDT + 8 * i, desc[i]);
}

/* As Linux: programs may raise #BP and #OF. */
static void make_idt(const struct soft *s)
{
	unsigned int v;

	for (v = 0; v < 256; v++) {
		uint64_t at = ENTRY + 16 * v, dpl = v == 3 || v == 4 ? 3 : 0;

		put(s, IDT + 16 * v,
		    (at & 0xffff) | 0x10 << 16 | (0x8e00 | dpl << 13) << 32 |
			    (at >> 16 & 0xffff) << 48);
		put(s, IDT + 16 * v + 8, at >> 32);
	}
	put(s, TSS + 4, HIGH + STACK_TOP);
	put(s, TSS + 0x60, 0x68ull << 48); /* no I/O bitmap */
}

static void make_state(struct soft *s)
{
	struct cpu_state *st = &s->init;

	st->cr0 = X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE |
		  X86_CR0_WP | X86_CR0_AM | X86_CR0_PG;
	st->cr3 = PML4;
	st->cr4 = X86_CR4_PAE | X86_CR4_PGE | X86_CR4_OSFXSR | X86_CR4_OSXMM |
		  X86_CR4_OSXSAVE;
	if (native_has_fsgsbase())
		st->cr4 |= X86_CR4_FSGS;
	st->efer = X86_EFER_SCE | X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE;
	st->xcr0 = 3;
	st->dr[6] = 0xffff0ff0;
	st->dr[7] = 0x400;
	st->gdtr = (struct cpu_table){ HIGH + GDT, 0x7f };
	st->idtr = (struct cpu_table){ HIGH + IDT, 0xfff };
	st->seg[CPU_SS] = (struct cpu_segment){
		.limit = ~0u,
		.selector = SEL_SS,
		.access = 0xf3 | CPU_SEG_DB | CPU_SEG_G,
	};
	st->seg[CPU_TR] = (struct cpu_segment){
		.base = HIGH + TSS,
		.limit = 0x67,
		.selector = 0x40,
		.access = 0x8b,
	};
	st->mp_state = CPU_MP_RUNNABLE;
}

int soft_create(struct soft **out)
{
	struct soft *s = calloc(1, sizeof(*s));
	int err;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	err = ram_create(&s->ram, RAM_SIZE);
	if (err)
		goto free_soft;
	err = x86_thunks_create(&s->thunks);
	if (err)
		goto destroy_ram;
	x86_cpu_init(&s->cpu, s->ram, NULL, &env, s);
	s->cpu.thunks = s->thunks;
	s->cpu.attention = &s->attention;
	make_page_tables(s);
	make_gdt(s);
	make_idt(s);
	make_state(s);
	*out = s;
	return 0;

destroy_ram:
	ram_destroy(s->ram);
free_soft:
	free(s);
	return err;
}

void soft_destroy(struct soft *s)
{
	if (!s)
		return;
	x86_thunks_destroy(s->thunks);
	ram_destroy(s->ram);
	free(s);
}

const struct x86_cpu *soft_cpu(const struct soft *s)
{
	return &s->cpu;
}

static void *page(const struct soft *s, unsigned int i)
{
	return ram_ptr(s->ram, page_gpa[i], DIFF_PAGE);
}

void soft_load_code(struct soft *s, const struct diff_case *c)
{
	memcpy(page(s, 0), c->code, DIFF_PAGE);
}

/* CS, and what C code has in DS and ES on the host. */
static void load_segments(struct cpu_state *st, enum x86_mode mode)
{
	bool code64 = mode == X86_MODE_64;

	st->seg[CPU_CS] = (struct cpu_segment){
		.limit = ~0u,
		.selector = code64 ? SEL_CS : SEL_CS32,
		.access = 0xfb | CPU_SEG_G | (code64 ? CPU_SEG_L : CPU_SEG_DB),
	};
	st->seg[CPU_DS] = st->seg[CPU_ES] = st->seg[CPU_SS];
	if (code64)
		st->seg[CPU_DS] = st->seg[CPU_ES] = (struct cpu_segment){ 0 };
}

void soft_load(struct soft *s, const struct diff_case *c)
{
	struct cpu_state *st = &s->init;

	memcpy(st->gpr, c->regs.gpr, sizeof(st->gpr));
	st->rip = c->regs.rip;
	st->rflags = c->regs.rflags;
	load_segments(st, c->mode);
	st->seg[CPU_FS].base = c->regs.fs_base;
	st->seg[CPU_GS].base = c->regs.gs_base;
	memcpy(st->xsave, c->regs.fx, DIFF_FX_SIZE);
	x86_cpu_load(&s->cpu, st);
	soft_load_code(s, c);
	memcpy(page(s, 2), c->data, DIFF_PAGE);
	memcpy(page(s, 3), c->data + DIFF_PAGE, DIFF_PAGE);
	memcpy(page(s, 4), c->ro, DIFF_PAGE);
	s->delivered = s->crashed = false;
	s->fast = c->seed & 1;
}

/* Bytes of the window that are mapped, for the generator. */
uint64_t soft_peek(const struct soft *s, uint64_t addr, unsigned int size)
{
	uint64_t v = 0, at;
	unsigned int i, p;

	for (i = 0; i < size; i++) {
		at = addr + i;
		p = (unsigned int)((at - DIFF_CODE) / DIFF_PAGE);
		if (at < DIFF_CODE || at >= DIFF_END || !page_gpa[p])
			continue;
		v |= (uint64_t)((uint8_t *)page(s, p))[at % DIFF_PAGE]
		     << (8 * i);
	}
	return v;
}

/* The bytes at RIP, over a page boundary too; raises #PF. */
static void fetch(struct x86_cpu *cpu, struct x86_insn *in)
{
	uint64_t left = DIFF_PAGE - cpu->rip % DIFF_PAGE;
	uint8_t bytes[X86_INSN_MAX];
	const uint8_t *p;
	gpa_t gpa;
	int err;

	p = x86_fetch_ptr(cpu, cpu->rip, &gpa);
	if (left >= X86_INSN_MAX) {
		err = x86_decode(in, p, X86_INSN_MAX, cpu->mode);
	} else {
		memcpy(bytes, p, left);
		err = x86_decode(in, bytes, left, cpu->mode);
		if (err == -ENODATA) {
			p = x86_fetch_ptr(cpu, cpu->rip + left, &gpa);
			memcpy(bytes + left, p, X86_INSN_MAX - left);
			err = x86_decode(in, bytes, X86_INSN_MAX, cpu->mode);
		}
	}
	if (err == -E2BIG)
		x86_raise_error(cpu, X86_GP, 0);
	if (err)
		x86_raise(cpu, X86_UD);
}

static void execute(struct soft *s)
{
	struct x86_cpu *cpu = &s->cpu;
	struct x86_insn in;
	bool trap = cpu->rflags & X86_FL_TF;

	cpu->cur = NULL;
	cpu->reg[X86_REG_IP] = cpu->rip;
	fetch(cpu, &in);
	x86_insn_set_off(&in, 0);
	if (s->fast)
		x86_bind_fast(&in);
	else
		x86_bind(&in);
	cpu->cur = &in;
	in.fn(cpu, &in);
	if (!(in.flags & X86_F_END))
		cpu->rip = x86_next_ip(cpu, &in);
	if (trap && cpu->cpl == 3) {
		cpu->cur = NULL;
		x86_trap_debug(cpu, 0x4000);
	}
}

bool soft_step(struct soft *s)
{
	struct x86_cpu *cpu = &s->cpu;
	sigjmp_buf rescue;

	if (sigsetjmp(rescue, 0)) {
		native_rescued();
		native_guard(NULL);
		s->crashed = s->delivered = true;
		return false;
	}
	native_guard(&rescue);
	if (setjmp(cpu->unwind)) {
		cpu->reg[X86_REG_IP] = cpu->rip;
		x86_handle_fault(cpu);
	} else {
		execute(s);
	}
	native_guard(NULL);
	s->delivered = cpu->cpl != 3 || cpu->shutdown;
	return !s->delivered;
}

bool soft_run(struct soft *s, unsigned int steps)
{
	while (steps--)
		if (!soft_step(s))
			return true;
	return false;
}

/* Error codes are pushed for these (SDM 3A, table 6-1). */
static bool has_error(unsigned int vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

static uint64_t frame_word(const struct soft *s, unsigned int i)
{
	uint64_t at = s->cpu.reg[CPU_RSP] - HIGH + 8 * i, v = 0;

	if (at < RAM_SIZE - 8)
		memcpy(&v, ram_ptr(s->ram, at, 8), 8);
	return v;
}

void soft_result(struct soft *s, struct diff_result *r)
{
	struct cpu_state *st = &s->out;
	unsigned int at;

	x86_cpu_store(&s->cpu, st);
	memcpy(r->regs.gpr, st->gpr, sizeof(st->gpr));
	memcpy(r->regs.fx, st->xsave, DIFF_FX_SIZE);
	r->regs.fs_base = st->seg[CPU_FS].base;
	r->regs.gs_base = st->seg[CPU_GS].base;
	memcpy(r->data, page(s, 2), DIFF_PAGE);
	memcpy(r->data + DIFF_PAGE, page(s, 3), DIFF_PAGE);
	r->cr2 = st->cr2;
	r->vector = s->crashed	      ? DIFF_CRASHED
		    : s->cpu.shutdown ? DIFF_SHUTDOWN
				      : DIFF_RUNNING;
	r->error = 0;
	if (!s->delivered || s->crashed || s->cpu.shutdown)
		goto out;
	r->vector = (unsigned int)((st->rip - ENTRY) / 16);
	at = has_error(r->vector);
	if (at)
		r->error = frame_word(s, 0);
	r->regs.rip = frame_word(s, at);
	r->regs.rflags = frame_word(s, at + 2);
	r->regs.gpr[CPU_RSP] = frame_word(s, at + 3);
out:
	s->cpu.shutdown = false;
}
