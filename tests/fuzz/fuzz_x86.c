// SPDX-License-Identifier: MIT
/*
 * fuzz_x86 - a hostile guest's code: whatever it executes, in any mode, must
 * stay inside its RAM and must not stop the VMM.
 *
 * The input is registers, then code. The CPU runs at most a few hundred
 * instructions of it, through faults, in the mode that the first byte names.
 */
#include <stdlib.h>
#include <string.h>

#include "memory/bus.h"
#include "memory/ram.h"
#include "vcpu/x86/exception.h"
#include "vcpu/x86/fetch.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"
#include "vcpu/x86/thunk.h"

#define RAM_SIZE  (1u << 20)
#define MAX_STEPS 300
#define CODE	  0x8000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t zero(struct x86_cpu *cpu)
{
	(void)cpu;
	return 0;
}

static void ignore64(struct x86_cpu *cpu, uint64_t v)
{
	(void)cpu;
	(void)v;
}

static int rdmsr(struct x86_cpu *cpu, uint32_t index, uint64_t *v)
{
	(void)cpu;
	*v = index;
	return index & 1 ? 0 : -1;
}

static int wrmsr(struct x86_cpu *cpu, uint32_t index, uint64_t v)
{
	(void)cpu;
	(void)v;
	return index & 1 ? 0 : -1;
}

static void write_page(struct x86_cpu *cpu, gpa_t gpa)
{
	(void)cpu;
	(void)gpa;
}

static void nothing(struct x86_cpu *cpu)
{
	(void)cpu;
}

static uint64_t hypercall(struct x86_cpu *cpu, uint64_t nr)
{
	(void)cpu;
	return nr;
}

static bool no_random(struct x86_cpu *cpu, uint64_t *v)
{
	(void)cpu;
	(void)v;
	return false;
}

static const struct x86_env_ops env = {
	.tsc = zero,
	.set_tsc = ignore64,
	.mmio_read = x86_bus_read,
	.mmio_write = x86_bus_write,
	.rdmsr = rdmsr,
	.wrmsr = wrmsr,
	.get_cr8 = zero,
	.set_cr8 = ignore64,
	.write_page = write_page,
	.flush_code = nothing,
	.hypercall = hypercall,
	.random = no_random,
	.pause = nothing,
};

static void put(struct ram *ram, gpa_t at, uint64_t v)
{
	ram_write(ram, at, &v, 8);
}

/* 64-bit: one identity-mapped GiB, a user page here and there. */
static void enter_long_mode(struct ram *ram, struct cpu_state *st, bool user)
{
	unsigned int i;

	put(ram, 0x1000, 0x2007);
	put(ram, 0x2000, 0x3007);
	put(ram, 0x3000, 0x4007);
	for (i = 0; i < 512; i++)
		put(ram, 0x4000 + 8 * i, i * 4096ull | (i % 5 ? 7 : 3));
	put(ram, 0x5008, 0x00af9b000000ffff);
	put(ram, 0x5010, 0x00cf93000000ffff);
	put(ram, 0x5018, 0x00cff3000000ffff);
	put(ram, 0x5020, 0x00affb000000ffff);
	st->cr0 |= X86_CR0_PG | X86_CR0_PE | X86_CR0_WP;
	st->cr3 = 0x1000;
	st->cr4 |= X86_CR4_PAE;
	st->efer = X86_EFER_LMA | X86_EFER_LME | X86_EFER_SCE | X86_EFER_NXE;
	st->seg[CPU_CS].access = user ? 0xa0fb : 0xa09b;
	st->seg[CPU_SS].access = user ? 0xc0f3 : 0xc093;
}

static void make_state(struct ram *ram, struct cpu_state *st,
		       const uint8_t *data, size_t size)
{
	unsigned int i, mode = data[0] & 3;

	memset(st, 0, sizeof(*st));
	for (i = 0; i < 16 && 8 * i + 9 < size; i++)
		memcpy(&st->gpr[i], data + 1 + 8 * i, 8);
	for (i = 0; i < CPU_NR_SEGS; i++)
		st->seg[i] = (struct cpu_segment){ .limit = UINT32_MAX,
						   .access = 0xc093 };
	st->seg[CPU_CS].access = 0xc09b;
	st->seg[CPU_TR].access = 0x8b;
	st->gdtr = (struct cpu_table){ 0x5000, 0xff };
	st->idtr = (struct cpu_table){ 0x6000, 0xfff };
	st->cr0 = mode ? X86_CR0_PE : 0;
	st->cr4 = data[0] & 0x80 ? X86_CR4_OSFXSR | X86_CR4_OSXSAVE : 0;
	st->xcr0 = 3;
	st->rflags = 2;
	st->rip = CODE;
	st->xsave[0] = data[0];
	if (mode >= 2)
		enter_long_mode(ram, st, mode == 3);
}

static void step(struct x86_cpu *cpu, struct x86_insn *in)
{
	x86_fetch_insn(cpu, in);
	x86_insn_set_off(in, 0);
	x86_bind_fast(in);
	cpu->reg[X86_REG_IP] = cpu->rip;
	cpu->cur = in;
	in->fn(cpu, in);
	cpu->cur = NULL;
	if (!(in->flags & X86_F_END))
		cpu->rip = x86_next_ip(cpu, in);
}

static void run(struct x86_cpu *cpu)
{
	static struct x86_insn in;
	volatile int left = MAX_STEPS;

	if (setjmp(cpu->unwind)) {
		if (left-- <= 0)
			return;
		x86_handle_fault(cpu);
	}
	while (!cpu->shutdown && left-- > 0) {
		cpu->halted = false;
		step(cpu, &in);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct x86_thunks *thunks;
	static struct ram *ram;
	static struct bus *bus;
	static struct x86_cpu *cpu;
	static struct cpu_state st;
	static atomic_uint attention;
	size_t code;

	if (size < 2)
		return 0;
	if (!ram && (ram_create(&ram, RAM_SIZE) || bus_create(&bus) ||
		     x86_thunks_create(&thunks) ||
		     posix_memalign((void **)&cpu, 64, sizeof(*cpu))))
		abort();
	ram_zero(ram, 0, RAM_SIZE);
	x86_cpu_init(cpu, ram, bus, &env, NULL);
	cpu->thunks = thunks;
	cpu->attention = &attention;
	make_state(ram, &st, data, size);
	code = size > 129 ? 129 : 1;
	if (size - code > 4096)
		size = code + 4096;
	ram_write(ram, CODE, data + code, size - code);
	x86_cpu_load(cpu, &st);
	run(cpu);
	return 0;
}
