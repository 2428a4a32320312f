// SPDX-License-Identifier: MIT
/*
 * string.c - string instructions (SDM 2, "MOVS" ..., "REP").
 *
 * How it works. Each iteration commits RSI, RDI and RCX, so a fault in the
 * middle leaves the registers of the element that faulted, and an interrupt
 * is taken between two elements: the instruction ends with RIP still at
 * itself. MOVS and STOS upwards do all elements that lie in one page of RAM
 * on both sides at once; the result is that of one by one.
 */
#include <string.h>

#include "base/checked.h"
#include "memory/bus.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"

/* Elements before the engine is asked whether something is pending. */
#define BATCH 1024

static bool has_rep(const struct x86_insn *in)
{
	return in->pfx & (X86_PFX_REP | X86_PFX_REPNE);
}

static uint64_t count(const struct x86_cpu *cpu, const struct x86_insn *in)
{
	return has_rep(in) ? x86_zext(cpu->reg[CPU_RCX], in->asize) : 1;
}

/* Linear address of the element at RSI (in in->seg) or RDI (in ES). */
static uint64_t source(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t off = x86_zext(cpu->reg[CPU_RSI], in->asize);

	if (!(in->flags & X86_F_LEGACY))
		return off + cpu->seg_base[in->seg];
	return x86_seg_lin(cpu, in->seg, off, in->size, false);
}

static uint64_t target(struct x86_cpu *cpu, const struct x86_insn *in,
		       bool write)
{
	uint64_t off = x86_zext(cpu->reg[CPU_RDI], in->asize);

	if (!(in->flags & X86_F_LEGACY))
		return off;
	return x86_seg_lin(cpu, CPU_ES, off, in->size, write);
}

static void advance(struct x86_cpu *cpu, const struct x86_insn *in,
		    unsigned int reg, uint64_t elements)
{
	uint64_t by = elements * in->size;

	if (cpu->rflags & X86_FL_DF)
		by = -by;
	x86_reg_set(cpu, reg, cpu->reg[reg] + by, in->asize);
}

static void count_down(struct x86_cpu *cpu, const struct x86_insn *in,
		       uint64_t elements)
{
	if (!has_rep(in))
		return;
	x86_reg_set(cpu, CPU_RCX, cpu->reg[CPU_RCX] - elements, in->asize);
	cpu->repeated += elements;
}

/* One step: at most @n elements; returns those done. */
typedef uint64_t step_fn(struct x86_cpu *cpu, const struct x86_insn *in,
			 uint64_t n);

/* Should the repetition stop so that the engine can look around? */
static bool interrupted(const struct x86_cpu *cpu)
{
	return atomic_load_explicit(cpu->attention, memory_order_relaxed) ||
	       cpu->rflags & X86_FL_TF;
}

static void end(struct x86_cpu *cpu, const struct x86_insn *in, bool finished)
{
	cpu->rip = finished ? x86_next_ip(cpu, in) : x86_ip(cpu, in);
}

static void repeat(struct x86_cpu *cpu, const struct x86_insn *in,
		   step_fn *step)
{
	uint64_t all = count(cpu, in), left = min_u64(all, cpu->repeat_max);
	bool finished = left == all;
	uint64_t batch = BATCH;

	while (left && batch) {
		left -= step(cpu, in, left);
		batch--;
		if (left && interrupted(cpu))
			break;
	}
	end(cpu, in, finished && !left);
}

/* Whole elements from @lin to the end of its page, at most @n. */
static uint64_t in_page(uint64_t lin, uint64_t n, unsigned int size)
{
	uint64_t fit = (X86_PAGE - lin % X86_PAGE) / size;

	return n < fit ? n : fit;
}

/* Many elements at once are for flat upward copies only. */
static bool can_batch(const struct x86_cpu *cpu, const struct x86_insn *in,
		      uint64_t n)
{
	return n > 1 && !(cpu->rflags & (X86_FL_DF | X86_FL_TF)) &&
	       !cpu->watch &&
	       (in->asize == 8 ||
		(cpu->flat >> CPU_ES & 1 && cpu->flat >> in->seg & 1));
}

/* Host address for reading, or NULL when the TLB does not have it. */
static const void *read_ptr(const struct x86_cpu *cpu, uint64_t lin)
{
	const struct x86_tlb_entry *e = x86_tlb_slot(cpu, lin);

	return e->tag_r == x86_tlb_want(cpu, lin, 1) ? x86_host(e, lin) : NULL;
}

/* Forward copy of overlapping areas as the hardware does: by elements. */
static void copy_up(char *to, const char *from, uint64_t len, unsigned int size)
{
	uint64_t i;

	if (to + len <= from || from + len <= to || to <= from) {
		memmove(to, from, len);
		return;
	}
	for (i = 0; i < len; i += size)
		memmove(to + i, from + i, size);
}

static uint64_t movs_step(struct x86_cpu *cpu, const struct x86_insn *in,
			  uint64_t n)
{
	uint64_t from = source(cpu, in), to, k = 1;
	const void *src;
	void *dst;
	uint64_t v;

	v = x86_read(cpu, from, in->size);
	to = target(cpu, in, true);
	dst = can_batch(cpu, in, n) ? x86_write_ptr(cpu, to, in->size) : NULL;
	src = dst ? read_ptr(cpu, from) : NULL;
	if (src && in_page(from, n, in->size) && in_page(to, n, in->size)) {
		k = in_page(from, in_page(to, n, in->size), in->size);
		copy_up(dst, src, k * in->size, in->size);
	} else {
		x86_write(cpu, to, in->size, v);
	}
	advance(cpu, in, CPU_RSI, k);
	advance(cpu, in, CPU_RDI, k);
	count_down(cpu, in, k);
	return k;
}

static void fill(char *to, uint64_t v, uint64_t elements, unsigned int size)
{
	uint64_t i;

	if (size == 1 || v == 0) {
		memset(to, (int)v, elements * size);
		return;
	}
	for (i = 0; i < elements; i++)
		x86_store(to + i * size, v, size);
}

static uint64_t stos_step(struct x86_cpu *cpu, const struct x86_insn *in,
			  uint64_t n)
{
	uint64_t v = x86_zext(cpu->reg[CPU_RAX], in->size), k = 1;
	uint64_t to = target(cpu, in, true);
	void *dst =
		can_batch(cpu, in, n) ? x86_write_ptr(cpu, to, in->size) : NULL;

	if (dst && in_page(to, n, in->size)) {
		k = in_page(to, n, in->size);
		fill(dst, v, k, in->size);
	} else {
		x86_write(cpu, to, in->size, v);
	}
	advance(cpu, in, CPU_RDI, k);
	count_down(cpu, in, k);
	return k;
}

static uint64_t lods_step(struct x86_cpu *cpu, const struct x86_insn *in,
			  uint64_t n)
{
	uint64_t v = x86_read(cpu, source(cpu, in), in->size);

	(void)n;
	x86_reg_set(cpu, CPU_RAX, v, in->size);
	advance(cpu, in, CPU_RSI, 1);
	count_down(cpu, in, 1);
	return 1;
}

/* A device is written before the registers move: it happens once. */
static uint64_t outs_step(struct x86_cpu *cpu, const struct x86_insn *in,
			  uint64_t n)
{
	uint64_t v = x86_read(cpu, source(cpu, in), in->size);

	(void)n;
	bus_write(cpu->bus, BUS_PIO, (uint16_t)cpu->reg[CPU_RDX], in->size, v);
	advance(cpu, in, CPU_RSI, 1);
	count_down(cpu, in, 1);
	return 1;
}

static uint64_t ins_step(struct x86_cpu *cpu, const struct x86_insn *in,
			 uint64_t n)
{
	uint64_t to = target(cpu, in, true);

	(void)n;
	x86_need_align(cpu, to, in->size);
	x86_probe_write(cpu, to, in->size);
	x86_write(cpu, to, in->size,
		  bus_read(cpu->bus, BUS_PIO, (uint16_t)cpu->reg[CPU_RDX],
			   in->size));
	advance(cpu, in, CPU_RDI, 1);
	count_down(cpu, in, 1);
	return 1;
}

void x86_do_movs(struct x86_cpu *cpu, const struct x86_insn *in)
{
	repeat(cpu, in, movs_step);
}

void x86_do_stos(struct x86_cpu *cpu, const struct x86_insn *in)
{
	repeat(cpu, in, stos_step);
}

void x86_do_lods(struct x86_cpu *cpu, const struct x86_insn *in)
{
	repeat(cpu, in, lods_step);
}

void x86_do_outs(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_check_port(cpu, (uint16_t)cpu->reg[CPU_RDX], in->size);
	repeat(cpu, in, outs_step);
}

void x86_do_ins(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_check_port(cpu, (uint16_t)cpu->reg[CPU_RDX], in->size);
	repeat(cpu, in, ins_step);
}

static void compare(struct x86_cpu *cpu, uint64_t a, uint64_t b,
		    unsigned int size)
{
	x86_flags_sub(cpu, a, b, a - b, size);
}

static uint64_t cmps_step(struct x86_cpu *cpu, const struct x86_insn *in,
			  uint64_t n)
{
	/* RDI first: the order in which hosts fault. */
	uint64_t b = x86_read(cpu, target(cpu, in, false), in->size);
	uint64_t a = x86_read(cpu, source(cpu, in), in->size);

	(void)n;
	compare(cpu, a, b, in->size);
	advance(cpu, in, CPU_RSI, 1);
	advance(cpu, in, CPU_RDI, 1);
	count_down(cpu, in, 1);
	return 1;
}

static uint64_t scas_step(struct x86_cpu *cpu, const struct x86_insn *in,
			  uint64_t n)
{
	uint64_t b = x86_read(cpu, target(cpu, in, false), in->size);

	(void)n;
	compare(cpu, x86_zext(cpu->reg[CPU_RAX], in->size), b, in->size);
	advance(cpu, in, CPU_RDI, 1);
	count_down(cpu, in, 1);
	return 1;
}

/* REPE goes on while ZF is 1, REPNE while it is 0. */
static void repeat_while(struct x86_cpu *cpu, const struct x86_insn *in,
			 step_fn *step)
{
	bool want = !(in->pfx & X86_PFX_REPNE);
	uint64_t all = count(cpu, in), left = min_u64(all, cpu->repeat_max);
	bool finished = left == all;
	uint64_t batch = BATCH;

	while (left && batch) {
		left -= step(cpu, in, left);
		batch--;
		if (has_rep(in) && x86_zf(cpu) != want) {
			finished = true;
			left = 0;
		}
		if (left && interrupted(cpu))
			break;
	}
	end(cpu, in, finished && !left);
}

void x86_do_cmps(struct x86_cpu *cpu, const struct x86_insn *in)
{
	repeat_while(cpu, in, cmps_step);
}

void x86_do_scas(struct x86_cpu *cpu, const struct x86_insn *in)
{
	repeat_while(cpu, in, scas_step);
}
