/* SPDX-License-Identifier: MIT */
/*
 * fpu.h - x87 and SSE state in the FXSAVE layout of x86_cpu.st.xsave (SDM 1
 * §10.5.1).
 */
#ifndef MINIVMM_VCPU_X86_FPU_H
#define MINIVMM_VCPU_X86_FPU_H

#include <string.h>

#include "vcpu/x86/cpu.h"

#define X86_FX_FCW   0
#define X86_FX_FSW   2
#define X86_FX_FTW   4
#define X86_FX_FOP   6
#define X86_FX_FIP   8
#define X86_FX_FDP   16
#define X86_FX_MXCSR 24
#define X86_FX_ST    32
#define X86_FX_XMM   160
#define X86_FX_END   416 /* what follows is not the CPU's */

#define X86_MXCSR_MASKS 0x1f80u
#define X86_MXCSR_FLAGS 0x3fu
#define X86_MXCSR_EARLY 0x07u /* IE DE ZE: raised before the operation */

static inline uint8_t *x86_xmm(struct x86_cpu *cpu, unsigned int n)
{
	return cpu->st.xsave + X86_FX_XMM + 16 * (n & 15);
}

static inline uint32_t *x86_mxcsr(struct x86_cpu *cpu)
{
	return (uint32_t *)(void *)(cpu->st.xsave + X86_FX_MXCSR);
}

static inline uint16_t x86_fsw(const struct x86_cpu *cpu)
{
	uint16_t fsw;

	memcpy(&fsw, cpu->st.xsave + X86_FX_FSW, 2);
	return fsw;
}

/* MMn is the mantissa of physical register n: ST moves by TOP. */
static inline uint8_t *x86_mmx(struct x86_cpu *cpu, unsigned int n)
{
	unsigned int top = x86_fsw(cpu) >> 11 & 7;

	return cpu->st.xsave + X86_FX_ST + 16 * ((n - top) & 7);
}

/* #UD or #NM when such instructions are off (SDM 3A §2.5, §13.1). */
void x86_need_sse(struct x86_cpu *cpu);
void x86_need_mmx(struct x86_cpu *cpu);

/* What any MMX instruction does: TOP = 0, all registers valid. */
void x86_enter_mmx(struct x86_cpu *cpu);

/* Make control, status and opcode words of @fx such as FXRSTOR would. */
void x86_fx_normalize(uint8_t *fx);

/* Take over what a thunk left in its FXSAVE image, but host addresses. */
void x86_fx_commit(struct x86_cpu *cpu, const uint8_t *fx);

#endif
