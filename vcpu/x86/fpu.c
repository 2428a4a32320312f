// SPDX-License-Identifier: MIT
/*
 * fpu.c - x87 instructions, and the state that FXSAVE and XSAVE move.
 */
#include "vcpu/x86/fpu.h"

#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"
#include "vcpu/x86/thunk.h"
#include "vcpu/x86/vector.h"

#define FSW_ES 0x80u
#define FSW_B  0x8000u

#define XSAVE_LEGACY 512u
#define XSAVE_HEADER 64u
#define XCR0_X87     1ull
#define XCR0_SSE     2ull
#define XCR0_ALL     (XCR0_X87 | XCR0_SSE)

void x86_need_sse(struct x86_cpu *cpu)
{
	if (X86_UNLIKELY(cpu->st.cr0 & (X86_CR0_EM | X86_CR0_TS) ||
			 !(cpu->st.cr4 & X86_CR4_OSFXSR)))
		x86_raise(cpu, cpu->st.cr0 & X86_CR0_EM ||
					       !(cpu->st.cr4 & X86_CR4_OSFXSR)
				       ? X86_UD
				       : X86_NM);
}

static void need_no_pending(struct x86_cpu *cpu)
{
	if (x86_fsw(cpu) & FSW_ES)
		x86_raise(cpu, X86_MF);
}

void x86_need_mmx(struct x86_cpu *cpu)
{
	if (cpu->st.cr0 & X86_CR0_EM)
		x86_raise(cpu, X86_UD);
	if (cpu->st.cr0 & X86_CR0_TS)
		x86_raise(cpu, X86_NM);
	need_no_pending(cpu);
}

static void need_x87(struct x86_cpu *cpu)
{
	if (cpu->st.cr0 & (X86_CR0_EM | X86_CR0_TS))
		x86_raise(cpu, X86_NM);
}

/* ST0 of the image becomes physical register 0. */
void x86_enter_mmx(struct x86_cpu *cpu)
{
	uint8_t mm[8][16];
	uint16_t fsw = x86_fsw(cpu) & ~0x3800;
	unsigned int i;

	for (i = 0; i < 8; i++)
		memcpy(mm[i], x86_mmx(cpu, i), 16);
	memcpy(cpu->st.xsave + X86_FX_ST, mm, sizeof(mm));
	memcpy(cpu->st.xsave + X86_FX_FSW, &fsw, 2);
	cpu->st.xsave[X86_FX_FTW] = 0xff;
}

void x86_fx_commit(struct x86_cpu *cpu, const uint8_t *fx)
{
	uint8_t *to = cpu->st.xsave;

	/* Not FOP, FIP, FDP: those are the thunk's; not MXCSR. */
	memcpy(to, fx, X86_FX_FOP);
	memcpy(to + X86_FX_ST, fx + X86_FX_ST, X86_FX_END - X86_FX_ST);
}

/*
 * What FXRSTOR makes of bits that do not exist or follow from others: the
 * host does the same when a thunk loads this, and a pending exception that
 * only the host knew of would be the host's.
 */
void x86_fx_normalize(uint8_t *fx)
{
	uint16_t fcw, fsw, fop;

	memcpy(&fcw, fx, 2);
	memcpy(&fsw, fx + X86_FX_FSW, 2);
	memcpy(&fop, fx + X86_FX_FOP, 2);
	fcw = (uint16_t)((fcw & 0x1f3f) | 0x40);
	fsw &= (uint16_t) ~(FSW_ES | FSW_B);
	if (fsw & ~fcw & 0x3f)
		fsw |= FSW_ES | FSW_B;
	fop &= 0x7ff;
	memcpy(fx, &fcw, 2);
	memcpy(fx + X86_FX_FSW, &fsw, 2);
	memcpy(fx + X86_FX_FOP, &fop, 2);
}

/* Memory operands: bytes, and whether they are written. */
struct x87_mem {
	uint8_t size;
	bool store;
};

static struct x87_mem x87_mem(const struct x86_insn *in)
{
	/* clang-format off */
	static const struct x87_mem table[8][8] = {
		[0] = { {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0},
			{4, 0}, {4, 0} },
		[1] = { {4, 0}, {0, 0}, {4, 1}, {4, 1}, {28, 0}, {2, 0},
			{28, 1}, {2, 1} },
		[2] = { {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0},
			{4, 0}, {4, 0} },
		[3] = { {4, 0}, {4, 1}, {4, 1}, {4, 1}, {0, 0}, {10, 0},
			{0, 0}, {10, 1} },
		[4] = { {8, 0}, {8, 0}, {8, 0}, {8, 0}, {8, 0}, {8, 0},
			{8, 0}, {8, 0} },
		[5] = { {8, 0}, {8, 1}, {8, 1}, {8, 1}, {108, 0}, {0, 0}, {108, 1},
			{2, 1} },
		[6] = { {2, 0}, {2, 0}, {2, 0}, {2, 0}, {2, 0}, {2, 0},
			{2, 0}, {2, 0} },
		[7] = { {2, 0}, {2, 1}, {2, 1}, {2, 1}, {10, 0}, {8, 0}, {10, 1},
			{8, 1} },
	};
	/* clang-format on */
	struct x87_mem m = table[in->opcode & 7][in->modrm >> 3 & 7];

	/* 16-bit FLDENV, FSTENV: 14; FRSTOR, FSAVE: 94 */
	if (in->size == 2 && m.size >= 28)
		m.size -= 14;
	return m;
}

/* FNINIT, FNCLEX, FNSTCW, FNSTSW, FNSTENV, FNSAVE do not wait for #MF. */
static bool is_waiting(const struct x86_insn *in)
{
	unsigned int esc = in->opcode & 7, reg = in->modrm >> 3 & 7;

	if (x86_is_mem(in))
		return !(esc == 1 && reg >= 6) && !(esc == 5 && reg >= 6);
	return !(esc == 3 && reg == 4) && !(esc == 7 && in->modrm == 0xe0);
}

/* Those, FLDCW, FLDENV, FRSTOR and FNOP leave the pointers alone. */
static bool is_control(const struct x86_insn *in)
{
	unsigned int esc = in->opcode & 7, reg = in->modrm >> 3 & 7;

	if (!is_waiting(in))
		return true;
	if (x86_is_mem(in))
		return (esc == 1 && reg >= 4) || (esc == 5 && reg >= 4);
	return false;
}

/* FIP, FDP and FOP of the guest's instruction (SDM 1 §8.1.8). */
static void set_pointers(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t ip = x86_ip(cpu, in);
	uint64_t data = x86_is_mem(in) ? x86_ea(cpu, in) : 0;
	uint16_t fop = (uint16_t)((in->opcode & 7) << 8 | in->modrm);

	if (is_control(in))
		return;
	memcpy(cpu->st.xsave + X86_FX_FOP, &fop, 2);
	memcpy(cpu->st.xsave + X86_FX_FIP, &ip, 8);
	memcpy(cpu->st.xsave + X86_FX_FDP, &data, 8);
}

static bool loads_pointers(const struct x86_insn *in)
{
	unsigned int reg = in->modrm >> 3 & 7;

	return x86_is_mem(in) && reg == 4 &&
	       (in->opcode == 0xd9 || in->opcode == 0xdd);
}

/*
 * FIP, FDP and FOP of an environment (SDM 1, figures 8-9 to 8-12): some hosts
 * hide them as long as no exception is pending. 16 bits: there is no FOP.
 */
static void load_pointers(struct x86_cpu *cpu, const uint8_t *env, bool narrow)
{
	uint8_t *fx = cpu->st.xsave;
	unsigned int word = narrow ? 2 : 4;
	uint16_t fop = 0;

	memset(fx + X86_FX_FIP, 0, 16);
	memcpy(fx + X86_FX_FIP, env + 3 * word, word);
	memcpy(fx + X86_FX_FDP, env + 5 * word, word);
	if (!narrow)
		memcpy(&fop, env + 18, 2);
	fop &= 0x7ff;
	memcpy(fx + X86_FX_FOP, &fop, 2);
}

/* An unmasked exception does, but for #P, which comes after the result. */
static bool keeps_from_storing(const struct x86_cpu *cpu)
{
	uint16_t fcw;

	memcpy(&fcw, cpu->st.xsave, 2);
	return x86_fsw(cpu) & ~fcw & 0x1f;
}

/* DB /1, DD /1, DF /1 came with SSE3. */
static bool is_fisttp(const struct x86_insn *in)
{
	return x86_is_mem(in) && (in->modrm >> 3 & 7) == 1 &&
	       in->opcode > 0xda && in->opcode & 1;
}

/* SDM 3A, table 6-7 */
static unsigned int alignment(const struct x86_insn *in, unsigned int size)
{
	return size == 10 ? 8 : size < 14 ? size : in->size == 2 ? 2 : 4;
}

void x86_do_x87(struct x86_cpu *cpu, const struct x86_insn *in)
{
	struct x86_thunk_args a;
	struct x86_thunk_key k = {
		.opcode = in->opcode,
		.modrm = in->modrm,
		.flags = X86_THUNK_FX | X86_THUNK_FLAGS | X86_THUNK_GPR,
	};
	struct x87_mem m = { 0 };
	uint64_t lin = 0;

	if (is_fisttp(in) && !(cpu->vec_features & X86_VEC_SSE3))
		x86_raise(cpu, X86_UD);
	need_x87(cpu);
	if (is_waiting(in))
		need_no_pending(cpu);
	if (x86_is_mem(in)) {
		m = x87_mem(in);
		k.modrm &= 0x38;
		k.prefix = in->size == 2 && m.size >= 14 ? 0x66 : 0;
		lin = x86_lin(cpu, in, m.size, m.store);
		x86_need_align(cpu, lin, alignment(in, m.size));
		if (m.store)
			x86_probe_write(cpu, lin, m.size);
		else
			x86_read_bytes(cpu, lin, a.mem, m.size);
	}
	memcpy(a.fx, cpu->st.xsave, X86_FXSAVE_SIZE);
	a.flags = x86_status_flags(cpu) | X86_FL_ONE;
	a.rax = cpu->reg[CPU_RAX];
	a.rcx = a.rdx = 0;
	x86_thunk_run(cpu->thunks, &k, &a);

	x86_fx_commit(cpu, a.fx);
	set_pointers(cpu, in);
	if (loads_pointers(in))
		load_pointers(cpu, a.mem, in->size == 2);
	if (!x86_is_mem(in) && in->opcode == 0xdf && in->modrm == 0xe0)
		x86_reg_set(cpu, CPU_RAX, a.rax, 2); /* FNSTSW AX */
	x86_set_status_flags(cpu, a.flags);
	if (m.store && (!is_waiting(in) || !keeps_from_storing(cpu)))
		x86_write_bytes(cpu, lin, a.mem, m.size);
}

void x86_do_fwait(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	if (cpu->st.cr0 & X86_CR0_MP && cpu->st.cr0 & X86_CR0_TS)
		x86_raise(cpu, X86_NM);
	need_no_pending(cpu);
}

void x86_do_emms(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	x86_need_mmx(cpu);
	x86_enter_mmx(cpu);
	cpu->st.xsave[X86_FX_FTW] = 0;
}

void x86_do_ldmxcsr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint32_t v;

	x86_need_sse(cpu);
	v = (uint32_t)x86_read(cpu, x86_lin(cpu, in, 4, false), 4);
	if (v & ~0xffffu)
		x86_raise_error(cpu, X86_GP, 0);
	*x86_mxcsr(cpu) = v;
}

void x86_do_stmxcsr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_need_sse(cpu);
	x86_write(cpu, x86_lin(cpu, in, 4, true), 4, *x86_mxcsr(cpu));
}

static uint64_t state_lin(struct x86_cpu *cpu, const struct x86_insn *in,
			  unsigned int size, unsigned int align, bool write)
{
	uint64_t lin = x86_lin(cpu, in, size, write);

	/* SDM 2A, "FXSAVE": which of the two it is, is the CPU's choice. */
	if (align == 16)
		x86_need_align(cpu, lin, 4);
	if (lin & (align - 1))
		x86_raise_error(cpu, X86_GP, 0);
	return lin;
}

/* XMM8 to XMM15 exist in 64-bit mode only. */
static unsigned int xmm_end(const struct x86_insn *in)
{
	return in->flags & X86_F_CODE64 ? X86_FX_END : X86_FX_XMM + 8 * 16;
}

void x86_do_fxsave(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint32_t mask = 0xffff;
	uint64_t lin;

	need_x87(cpu);
	lin = state_lin(cpu, in, XSAVE_LEGACY, 16, true);
	memcpy(cpu->st.xsave + X86_FX_MXCSR + 4, &mask, 4);
	x86_probe_write(cpu, lin, XSAVE_LEGACY);
	x86_write_bytes(cpu, lin, cpu->st.xsave, xmm_end(in));
}

void x86_do_fxrstor(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint8_t fx[XSAVE_LEGACY];
	uint32_t mxcsr;
	uint64_t lin;

	need_x87(cpu);
	lin = state_lin(cpu, in, XSAVE_LEGACY, 16, false);
	x86_read_bytes(cpu, lin, fx, XSAVE_LEGACY);
	memcpy(&mxcsr, fx + X86_FX_MXCSR, 4);
	if (mxcsr & ~0xffffu)
		x86_raise_error(cpu, X86_GP, 0);
	x86_fx_normalize(fx);
	/* The short form has 32 bits of FIP and FDP (SDM 1 §10.5.1.2). */
	if (!(in->pfx & X86_PFX_REXW)) {
		memset(fx + X86_FX_FIP + 4, 0, 4);
		memset(fx + X86_FX_FDP + 4, 0, 4);
	}
	memcpy(cpu->st.xsave, fx, xmm_end(in));
}

static void need_xsave(struct x86_cpu *cpu)
{
	if (!(cpu->st.cr4 & X86_CR4_OSXSAVE))
		x86_raise(cpu, X86_UD);
	if (cpu->st.cr0 & X86_CR0_TS)
		x86_raise(cpu, X86_NM);
}

static uint64_t requested(const struct x86_cpu *cpu)
{
	return (cpu->reg[CPU_RDX] << 32 | (uint32_t)cpu->reg[CPU_RAX]) &
	       cpu->st.xcr0;
}

/* Is component in its initial state? SDM 1 §13.6 */
static bool in_use(const struct x86_cpu *cpu, uint64_t part)
{
	static const uint8_t zero[X86_FX_END];
	const uint8_t *fx = cpu->st.xsave;

	if (part == XCR0_SSE)
		return memcmp(fx + X86_FX_XMM, zero, X86_FX_END - X86_FX_XMM);
	return fx[0] != 0x7f || fx[1] != 3 ||
	       memcmp(fx + X86_FX_FSW, zero, X86_FX_MXCSR - X86_FX_FSW) ||
	       memcmp(fx + X86_FX_ST, zero, X86_FX_XMM - X86_FX_ST);
}

/* XSAVE, XSAVEOPT: saving more than must be is allowed to the latter. */
void x86_do_xsave(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t lin, rfbm, bv;
	uint8_t *fx = cpu->st.xsave;
	uint32_t mask = 0xffff;

	need_xsave(cpu);
	lin = state_lin(cpu, in, XSAVE_LEGACY + XSAVE_HEADER, 64, true);
	rfbm = requested(cpu);
	x86_probe_write(cpu, lin, XSAVE_LEGACY + XSAVE_HEADER);
	bv = x86_read(cpu, lin + XSAVE_LEGACY, 8) & ~rfbm;
	memcpy(fx + X86_FX_MXCSR + 4, &mask, 4);
	if (rfbm & XCR0_X87) {
		x86_write_bytes(cpu, lin, fx, X86_FX_MXCSR);
		x86_write_bytes(cpu, lin + X86_FX_ST, fx + X86_FX_ST,
				X86_FX_XMM - X86_FX_ST);
		bv |= in_use(cpu, XCR0_X87) ? XCR0_X87 : 0;
	}
	if (rfbm & XCR0_SSE) {
		x86_write_bytes(cpu, lin + X86_FX_MXCSR, fx + X86_FX_MXCSR, 8);
		x86_write_bytes(cpu, lin + X86_FX_XMM, fx + X86_FX_XMM,
				xmm_end(in) - X86_FX_XMM);
		bv |= in_use(cpu, XCR0_SSE) ? XCR0_SSE : 0;
	}
	x86_write(cpu, lin + XSAVE_LEGACY, 8, bv);
}

/* SDM 1 §13.8.1: standard form only; what XSTATE_BV lacks is initialised. */
static void check_header(struct x86_cpu *cpu, uint64_t lin, uint64_t bv)
{
	if (bv & ~cpu->st.xcr0 || x86_read(cpu, lin + XSAVE_LEGACY + 8, 8) ||
	    x86_read(cpu, lin + XSAVE_LEGACY + 16, 8))
		x86_raise_error(cpu, X86_GP, 0);
}

static void restore_x87(struct x86_cpu *cpu, const uint8_t *fx, bool present)
{
	static const uint8_t init[X86_FX_MXCSR] = { 0x7f, 0x03 };
	uint8_t *to = cpu->st.xsave;

	memcpy(to, present ? fx : init, X86_FX_MXCSR);
	if (present)
		memcpy(to + X86_FX_ST, fx + X86_FX_ST, X86_FX_XMM - X86_FX_ST);
	else
		memset(to + X86_FX_ST, 0, X86_FX_XMM - X86_FX_ST);
	x86_fx_normalize(to);
}

void x86_do_xrstor(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint8_t fx[XSAVE_LEGACY] = { 0 };
	uint64_t lin, rfbm, bv;
	uint32_t mxcsr;

	need_xsave(cpu);
	lin = state_lin(cpu, in, XSAVE_LEGACY + XSAVE_HEADER, 64, false);
	rfbm = requested(cpu);
	bv = x86_read(cpu, lin + XSAVE_LEGACY, 8);
	check_header(cpu, lin, bv);
	x86_read_bytes(cpu, lin, fx, xmm_end(in));
	memcpy(&mxcsr, fx + X86_FX_MXCSR, 4);
	if (rfbm & XCR0_SSE && mxcsr & ~0xffffu)
		x86_raise_error(cpu, X86_GP, 0);

	if (rfbm & XCR0_X87)
		restore_x87(cpu, fx, bv & XCR0_X87);
	if (!(rfbm & XCR0_SSE))
		return;
	*x86_mxcsr(cpu) = mxcsr;
	if (!(bv & XCR0_SSE))
		memset(fx + X86_FX_XMM, 0, X86_FX_END - X86_FX_XMM);
	memcpy(cpu->st.xsave + X86_FX_XMM, fx + X86_FX_XMM,
	       xmm_end(in) - X86_FX_XMM);
}

void x86_do_xgetbv(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	if (!(cpu->st.cr4 & X86_CR4_OSXSAVE))
		x86_raise(cpu, X86_UD);
	if ((uint32_t)cpu->reg[CPU_RCX])
		x86_raise_error(cpu, X86_GP, 0);
	cpu->reg[CPU_RAX] = (uint32_t)cpu->st.xcr0;
	cpu->reg[CPU_RDX] = cpu->st.xcr0 >> 32;
}

void x86_do_xsetbv(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t v = cpu->reg[CPU_RDX] << 32 | (uint32_t)cpu->reg[CPU_RAX];

	if (!(cpu->st.cr4 & X86_CR4_OSXSAVE))
		x86_raise(cpu, X86_UD);
	x86_need_cpl0(cpu);
	if ((uint32_t)cpu->reg[CPU_RCX] || !(v & XCR0_X87) || v & ~XCR0_ALL)
		x86_raise_error(cpu, X86_GP, 0);
	cpu->st.xcr0 = v;
	cpu->rip = x86_next_ip(cpu, in);
}

/* Not in CPUID: AVX and what follows it. */
void x86_do_avx(struct x86_cpu *cpu, const struct x86_insn *in)
{
	(void)in;
	x86_raise(cpu, X86_UD);
}
