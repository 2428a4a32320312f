// SPDX-License-Identifier: MIT
/*
 * vector.c - MMX and SSE instructions: operands in and out of thunks.
 */
#include "vcpu/x86/vector.h"

#include <string.h>

#include "vcpu/x86/fpu.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"
#include "vcpu/x86/thunk.h"

unsigned int x86_vec_prefix(const struct x86_insn *in)
{
	return in->pfx & X86_PFX_REPNE ? 3
	       : in->pfx & X86_PFX_REP ? 2
	       : in->pfx & X86_PFX_66  ? 1
				       : 0;
}

static bool wide(const struct x86_insn *in)
{
	return in->pfx & X86_PFX_REXW;
}

/* What one execution works with. */
struct job {
	struct x86_cpu *cpu;
	const struct x86_insn *in;
	const struct x86_vec *v;
	struct x86_thunk_key key;
	struct x86_thunk_args *args;
	unsigned int mem; /* bytes of the memory operand, 0: a register */
	uint64_t lin;
	bool fx;
};

static void find_memory(struct job *j)
{
	const struct x86_vec *v = j->v;
	bool store = v->flags & X86_VEC_STORE;

	if (!x86_is_mem(j->in))
		return;
	j->mem = v->mem != 0xff ? v->mem : wide(j->in) ? 8 : 4;
	j->lin = x86_lin(j->cpu, j->in, j->mem, store);
	if (v->flags & X86_VEC_ALIGN && j->mem == 16 && j->lin & 15)
		x86_raise_error(j->cpu, X86_GP, 0);
	x86_need_align(j->cpu, j->lin, j->mem);
	if (!store)
		x86_read_bytes(j->cpu, j->lin, j->args->mem, j->mem);
}

static void make_key(struct job *j)
{
	static const uint8_t prefix[] = { 0, 0x66, 0xf3, 0xf2 };
	const struct x86_insn *in = j->in;
	const struct x86_vec *v = j->v;
	unsigned int reg = v->reg == X86_VEC_XMM ? 1 : 0;
	unsigned int rm = v->rm == X86_VEC_XMM ? 2 : 1;
	struct x86_thunk_key *k = &j->key;

	k->map = in->map;
	k->opcode = in->opcode;
	k->prefix = prefix[x86_vec_prefix(in)];
	k->rex = wide(in) ? 0x48 : 0;
	if (j->fx && v->reg != X86_VEC_GPR) {
		reg = in->reg & 7;
		k->rex |= in->reg & 8 ? 0x44 : 0;
	}
	if (j->fx && v->rm != X86_VEC_GPR) {
		rm = in->rm & 7;
		k->rex |= in->rm & 8 && !j->mem ? 0x41 : 0;
	}
	if (v->reg == X86_VEC_NONE)
		reg = in->modrm >> 3 & 7;
	k->modrm = (uint8_t)((j->mem ? 0 : 0xc0 | rm) | reg << 3);
	if (v->flags & X86_VEC_IMM) {
		k->imm = (uint8_t)in->imm;
		k->flags |= X86_THUNK_IMM;
	}
}

static void add_state(struct job *j)
{
	const struct x86_vec *v = j->v;
	struct x86_thunk_key *k = &j->key;

	if (v->reg == X86_VEC_GPR || v->rm == X86_VEC_GPR ||
	    v->flags & X86_VEC_ACDX)
		k->flags |= X86_THUNK_GPR;
	if (v->flags & X86_VEC_FLAGS)
		k->flags |= X86_THUNK_FLAGS;
	if (j->fx) {
		k->flags |= X86_THUNK_FX;
		return;
	}
	if (v->flags & X86_VEC_FP)
		k->flags |= X86_THUNK_MXCSR;
	if (v->flags & X86_VEC_XMM0)
		k->flags |= X86_THUNK_XMM0;
	if (v->reg == X86_VEC_XMM)
		k->flags |= X86_THUNK_REG;
	if (v->rm == X86_VEC_XMM && !j->mem)
		k->flags |= X86_THUNK_RM;
}

#define MXCSR_UE  0x10u
#define MXCSR_UM  0x800u
#define MXCSR_FTZ 0x8000u

static void load_operands(struct job *j)
{
	const struct x86_insn *in = j->in;
	struct x86_cpu *cpu = j->cpu;
	struct x86_thunk_args *a = j->args;

	a->flags = X86_FL_ONE;
	if (j->v->flags & X86_VEC_ACDX) {
		a->rax = cpu->reg[CPU_RAX];
		a->rcx = cpu->reg[CPU_RCX];
		a->rdx = cpu->reg[CPU_RDX];
	} else {
		a->rax = cpu->reg[in->reg];
		a->rcx = cpu->reg[in->rm & 15];
	}
	a->mxcsr = (*x86_mxcsr(cpu) | X86_MXCSR_MASKS) & ~X86_MXCSR_FLAGS;
	/* It does not count while underflow is not masked. */
	if (!(*x86_mxcsr(cpu) & MXCSR_UM))
		a->mxcsr &= ~MXCSR_FTZ;
	if (j->fx) {
		memcpy(a->fx, cpu->st.xsave, X86_FXSAVE_SIZE);
		memcpy(a->fx + X86_FX_MXCSR, &a->mxcsr, 4);
		return;
	}
	memcpy(a->xmm0, x86_xmm(cpu, 0), 16);
	memcpy(a->reg, x86_xmm(cpu, in->reg), 16);
	if (!j->mem)
		memcpy(a->rm, x86_xmm(cpu, in->rm), 16);
}

/* Bytes of the results of @in when they may be tiny, or 0. */
static unsigned int tiny_size(const struct x86_insn *in)
{
	unsigned int pfx = x86_vec_prefix(in);

	if (in->map != 1)
		return 0;
	switch (in->opcode) {
	case 0x58: /* ADD, MUL, SUB, DIV */
	case 0x59:
	case 0x5c:
	case 0x5e:
		return pfx & 1 ? 8 : 4;
	case 0x5a: /* CVTPD2PS, CVTSD2SS */
		return pfx & 1 ? 4 : 0;
	case 0x7c: /* HADD, HSUB, ADDSUB */
	case 0x7d:
	case 0xd0:
		return pfx == 1 ? 8 : 4;
	}
	return 0;
}

static bool is_denormal(const uint8_t *p, unsigned int size)
{
	uint64_t v = x86_load(p, size) << 1;

	/* The sign is gone; the exponent is at the top of 4 or 8 bytes. */
	return size == 4 ? (uint32_t)v && !((uint32_t)v >> 24)
			 : v && !(v >> 53);
}

/*
 * An unmasked underflow needs a tiny result only, a masked one, which is what
 * the host looked for, an inexact one as well (SDM 1 §4.9.1.5).
 */
static bool is_exact_underflow(const struct job *j, uint32_t mxcsr)
{
	unsigned int size = tiny_size(j->in), end, i;

	if (mxcsr & MXCSR_UM || !size || j->fx)
		return false;
	/* One for F3 and F2 but with HADD and its like; CVTPD2PS has two. */
	end = j->in->opcode == 0x5a && x86_vec_prefix(j->in) == 1 ? 8 : 16;
	if (x86_vec_prefix(j->in) > 1 && j->in->opcode < 0x60)
		end = size;
	for (i = 0; i < end; i += size)
		if (is_denormal(j->args->reg + i, size))
			return true;
	return false;
}

/*
 * Exceptions were masked while the host ran it; one that the guest has
 * unmasked is raised now, with nothing written (SDM 1 §11.5.2).
 */
static void check_exceptions(struct job *j)
{
	uint32_t *mxcsr = x86_mxcsr(j->cpu), got = j->args->mxcsr;

	if (!(j->v->flags & X86_VEC_FP))
		return;
	if (j->fx)
		memcpy(&got, j->args->fx + X86_FX_MXCSR, 4);
	got &= X86_MXCSR_FLAGS;
	if (is_exact_underflow(j, *mxcsr))
		got |= MXCSR_UE;
	/* #I, #D and #Z come before there is a result: no #O, #U, #P then. */
	if (got & ~(*mxcsr >> 7) & X86_MXCSR_EARLY)
		got &= X86_MXCSR_EARLY;
	*mxcsr |= got;
	if (!(got & ~(*mxcsr >> 7)))
		return;
	if (j->fx && (j->v->reg == X86_VEC_MM || !j->mem))
		x86_enter_mmx(j->cpu);
	x86_raise(j->cpu, j->cpu->st.cr4 & X86_CR4_OSXMM ? X86_XM : X86_UD);
}

static void store_gprs(struct job *j)
{
	const struct x86_insn *in = j->in;
	const struct x86_vec *v = j->v;
	struct x86_cpu *cpu = j->cpu;
	unsigned int size = wide(in) ? 8 : 4;
	bool store = v->flags & X86_VEC_STORE;

	/* PCMPxSTRI have ECX as their result, PCMPxSTRM have XMM0. */
	if (v->flags & X86_VEC_ACDX && in->opcode & 1)
		x86_reg_set(cpu, CPU_RCX, j->args->rcx, 4);
	else if (v->reg == X86_VEC_GPR && !store)
		x86_reg_set(cpu, in->reg, j->args->rax, size);
	else if (v->rm == X86_VEC_GPR && store && !j->mem)
		x86_reg_set(cpu, in->rm, j->args->rcx, size);
}

static void store_operands(struct job *j)
{
	const struct x86_insn *in = j->in;
	const struct x86_vec *v = j->v;
	struct x86_cpu *cpu = j->cpu;
	struct x86_thunk_args *a = j->args;

	store_gprs(j);
	if (v->flags & X86_VEC_FLAGS)
		x86_set_status_flags(cpu, a->flags);
	if (j->fx) {
		x86_fx_commit(cpu, a->fx);
		return;
	}
	if (v->flags & X86_VEC_XMM0)
		memcpy(x86_xmm(cpu, 0), a->xmm0, 16);
	if (v->flags & X86_VEC_ACDX)
		return; /* reg is no destination */
	if (v->flags & X86_VEC_STORE) {
		if (v->rm == X86_VEC_XMM && !j->mem)
			memcpy(x86_xmm(cpu, in->rm), a->rm, 16);
	} else if (v->reg == X86_VEC_XMM) {
		memcpy(x86_xmm(cpu, in->reg), a->reg, 16);
	}
}

/* Plain 16-byte moves are too common for a thunk. */
static bool is_move(const struct x86_insn *in)
{
	switch (in->opcode) {
	case 0x10:
	case 0x11:
	case 0x28:
	case 0x29:
		return in->map == 1 && x86_vec_prefix(in) < 2;
	case 0x6f:
	case 0x7f:
		return in->map == 1 && x86_vec_prefix(in);
	}
	return false;
}

static void move16(struct x86_cpu *cpu, const struct x86_insn *in,
		   const struct x86_vec *v)
{
	bool store = v->flags & X86_VEC_STORE;
	uint8_t *reg = x86_xmm(cpu, in->reg);
	uint64_t lin, word[2];

	if (!x86_is_mem(in)) {
		memcpy(store ? x86_xmm(cpu, in->rm) : reg,
		       store ? reg : x86_xmm(cpu, in->rm), 16);
		return;
	}
	lin = x86_lin(cpu, in, 16, store);
	if (v->flags & X86_VEC_ALIGN && lin & 15)
		x86_raise_error(cpu, X86_GP, 0);
	x86_need_align(cpu, lin, 16);
	if (store) {
		memcpy(word, reg, 16);
		/* The second half may lie in a page that faults. */
		if (lin % X86_PAGE > X86_PAGE - 16)
			x86_probe_write(cpu, lin, 16);
		x86_write(cpu, lin, 8, word[0]);
		x86_write(cpu, lin + 8, 8, word[1]);
		return;
	}
	word[0] = x86_read(cpu, lin, 8);
	word[1] = x86_read(cpu, lin + 8, 8);
	memcpy(reg, word, 16);
}

/* CVTPI2PD from memory has no MMX register: x87 state does not matter. */
static bool uses_mmx(const struct x86_insn *in, const struct x86_vec *v)
{
	if (in->opcode == 0x2a && x86_vec_prefix(in) == 1 && x86_is_mem(in))
		return false;
	return v->reg == X86_VEC_MM || v->rm == X86_VEC_MM;
}

void x86_do_sse(struct x86_cpu *cpu, const struct x86_insn *in)
{
	struct x86_thunk_args args;
	struct job j = {
		.cpu = cpu,
		.in = in,
		.v = x86_vec_find(in->map, in->opcode, x86_vec_prefix(in),
				  in->modrm >> 3 & 7),
		.args = &args,
	};

	/* The host's #UD would be ours, not the guest's. */
	if (x86_vec_needs(in->map, in->opcode, x86_vec_prefix(in)) &
	    ~cpu->vec_features)
		x86_raise(cpu, X86_UD);
	j.fx = uses_mmx(in, j.v);
	if (j.fx)
		x86_need_mmx(cpu);
	else
		x86_need_sse(cpu);
	if (is_move(in) && !j.fx) {
		move16(cpu, in, j.v);
		return;
	}
	find_memory(&j);
	make_key(&j);
	add_state(&j);
	load_operands(&j);
	x86_thunk_run(cpu->thunks, &j.key, &args);
	check_exceptions(&j);
	if (j.mem && j.v->flags & X86_VEC_STORE)
		x86_write_bytes(cpu, j.lin, args.mem, j.mem);
	store_operands(&j);
}

/*
 * MASKMOVQ, MASKMOVDQU: bytes of reg whose mask byte's top bit is set. Faults
 * come even if none is (SDM 2: up to the implementation).
 */
void x86_do_maskmov(struct x86_cpu *cpu, const struct x86_insn *in)
{
	bool xmm = in->pfx & X86_PFX_66;
	unsigned int n = xmm ? 16 : 8, i;
	const uint8_t *data, *mask;
	struct x86_insn at = *in;

	if (xmm)
		x86_need_sse(cpu);
	else
		x86_need_mmx(cpu);
	/* Hosts go to MMX state even if the store faults. */
	if (!xmm)
		x86_enter_mmx(cpu);
	data = xmm ? x86_xmm(cpu, in->reg) : x86_mmx(cpu, in->reg & 7);
	mask = xmm ? x86_xmm(cpu, in->rm) : x86_mmx(cpu, in->rm & 7);
	at.base = CPU_RDI;
	x86_need_align(cpu, x86_lin(cpu, &at, n, true), 8);
	x86_probe_write(cpu, x86_lin(cpu, &at, n, true), n);
	for (i = 0; i < n; i++, at.disp++)
		if (mask[i] & 0x80)
			x86_write(cpu, x86_lin(cpu, &at, 1, true), 1, data[i]);
}
