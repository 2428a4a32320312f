/* SPDX-License-Identifier: MIT */
/*
 * x86_bench.h - one CPU of vcpu/x86 with RAM, for tests that make its tables,
 * put code where it is, and let it run into a HLT.
 */
#ifndef MINIVMM_TESTS_UNIT_X86_BENCH_H
#define MINIVMM_TESTS_UNIT_X86_BENCH_H

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "memory/bus.h"
#include "memory/ram.h"
#include "vcpu/x86/exception.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/mmu.h"
#include "vcpu/x86/semantics.h"

struct bench {
	struct ram *ram;
	struct bus *bus;
	struct x86_cpu *cpu;
	atomic_uint attention;
};

static inline void bench_nothing(struct x86_cpu *cpu)
{
	(void)cpu;
}

static inline void bench_write_page(struct x86_cpu *cpu, gpa_t gpa)
{
	(void)cpu;
	(void)gpa;
}

static inline int bench_no_rdmsr(struct x86_cpu *cpu, uint32_t index,
				 uint64_t *v)
{
	(void)cpu;
	(void)index;
	(void)v;
	return -1;
}

static inline int bench_no_wrmsr(struct x86_cpu *cpu, uint32_t index,
				 uint64_t v)
{
	(void)cpu;
	(void)index;
	(void)v;
	return -1;
}

static const struct x86_env_ops bench_env = {
	.write_page = bench_write_page,
	.flush_code = bench_nothing,
	.pause = bench_nothing,
	.rdmsr = bench_no_rdmsr,
	.wrmsr = bench_no_wrmsr,
};

static inline void put(struct bench *b, gpa_t at, uint64_t v)
{
	assert_int_equal(ram_write(b->ram, at, &v, 8), 0);
}

static inline uint64_t get(struct bench *b, gpa_t at)
{
	uint64_t v;

	assert_int_equal(ram_read(b->ram, at, &v, 8), 0);
	return v;
}

/* NULL: no memory. Tables and registers are the caller's. */
static inline struct bench *bench_create(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	if (!b || ram_create(&b->ram, 4u << 20) || bus_create(&b->bus) ||
	    posix_memalign((void **)&b->cpu, 64, sizeof(*b->cpu)))
		return NULL;
	x86_cpu_init(b->cpu, b->ram, b->bus, &bench_env, b);
	b->cpu->attention = &b->attention;
	return b;
}

static inline int bench_destroy(void **state)
{
	struct bench *b = *state;

	free(b->cpu);
	bus_destroy(b->bus);
	ram_destroy(b->ram);
	free(b);
	return 0;
}

static inline void code(struct bench *b, const char *bytes, size_t len)
{
	assert_int_equal(ram_write(b->ram, b->cpu->rip, bytes, len), 0);
}

#define CODE_IS(b, bytes) code(b, bytes, sizeof(bytes) - 1)

static inline void bench_step(struct bench *b)
{
	struct x86_cpu *cpu = b->cpu;
	static struct x86_insn in;
	const uint8_t *p;
	gpa_t gpa;

	p = x86_fetch_ptr(cpu, cpu->seg_base[CPU_CS] + cpu->rip, &gpa);
	x86_decode(&in, p, X86_INSN_MAX, cpu->mode);
	x86_insn_set_off(&in, 0);
	x86_bind(&in);
	cpu->reg[X86_REG_IP] = cpu->rip;
	cpu->cur = &in;
	in.fn(cpu, &in);
	cpu->cur = NULL;
	if (!(in.flags & X86_F_END))
		cpu->rip = x86_next_ip(cpu, &in);
}

/* Until HLT or shutdown, at most @left instructions. */
static inline void bench_run(struct bench *b, int left)
{
	struct x86_cpu *cpu = b->cpu;
	volatile int n = left;

	if (setjmp(cpu->unwind))
		x86_handle_fault(cpu);
	while (!cpu->halted && !cpu->shutdown && n-- > 0)
		bench_step(b);
}

#endif
