// SPDX-License-Identifier: MIT
/*
 * decode_table.c - the opcode maps (SDM 2D, appendix A).
 *
 * One row per opcode; groups, and opcodes that a prefix changes, continue in
 * x86_decode_sub.
 */
#include "vcpu/x86/decode_int.h"

#define R(name, flags)                                   \
	{                                                \
		.op = X86_OP_##name, .f = (flags) | D_OK \
	}
#define SUB(first, flags)                                            \
	{                                                            \
		.op = X86_OP_ud, .sub = (first), .f = (flags) | D_OK \
	}
#define NONE                            \
	{                               \
		.op = X86_OP_ud, .f = 0 \
	}

/* clang-format off */

/* Where groups start in x86_decode_sub */
enum {
	G_80 = 0, G_81 = 8, G_83 = 16, G_8F = 24, G_C0 = 32, G_C1 = 40,
	G_D0 = 48, G_D1 = 56, G_D2 = 64, G_D3 = 72, G_F6 = 80, G_F7 = 88,
	G_FE = 96, G_FF = 104, G_C6 = 112, G_C7 = 120,
	G_0F00 = 128, G_0F01 = 136 /* 16 */, G_0FBA = 152, G_0FC7 = 160 /* 16 */,
	G_0FAE = 176 /* 16 */, G_0F18 = 192, G_0F0D = 200, G_01_0 = 208,
	G_01_1 = 216, G_01_2 = 224, G_01_3 = 232, G_01_7 = 240,
	G_AE_F3 = 256 /* 16 */, P_90 = 272, P_0FAE = 276, P_0FB8 = 280,
	P_0FBC = 284, P_0FBD = 288, P_38F0 = 292, P_38F1 = 296, P_3882 = 300,
	P_C7_6 = 304, P_C7_7 = 308,
	P_0F09 = 320, P_0FC3 = 324, P_0F77 = 328, P_0FF7 = 332,
	P_0F1E = 336, G_AE_66 = 340 /* 16 */,
};

/* The eight arithmetic operations have six encodings each. */
#define ALU(op, lock)						\
	R(op, D_M | D_B | (lock)), R(op, D_M | (lock)),		\
	R(op, D_M | D_B | D_R), R(op, D_M | D_R),		\
	R(op, D_B | D_ACC | D_IB | D_I), R(op, D_ACC | D_IZ | D_I)

#define EIGHT(row) row, row, row, row, row, row, row, row

const struct x86_row x86_decode_map0[256] = {
	/* 00 */ ALU(add, D_LOCK),
	R(push_sreg, D_X64 | D_D64 | D_STK),
	R(pop_sreg, D_X64 | D_D64 | D_STK),
	/* 08 */ ALU(or, D_LOCK), R(push_sreg, D_X64 | D_D64 | D_STK), NONE,
	/* 10 */ ALU(adc, D_LOCK), R(push_sreg, D_X64 | D_D64 | D_STK),
	R(pop_sreg, D_X64 | D_D64 | D_STK | D_END),
	/* 18 */ ALU(sbb, D_LOCK), R(push_sreg, D_X64 | D_D64 | D_STK),
	R(pop_sreg, D_X64 | D_D64 | D_STK),
	/* 20 */ ALU(and, D_LOCK), NONE, R(daa, D_X64),
	/* 28 */ ALU(sub, D_LOCK), NONE, R(das, D_X64),
	/* 30 */ ALU(xor, D_LOCK), NONE, R(aaa, D_X64),
	/* 38 */ ALU(cmp, 0), NONE, R(aas, D_X64),
	/* 40: REX in 64-bit mode */
	EIGHT(R(inc, D_OR | D_X64)), EIGHT(R(dec, D_OR | D_X64)),
	/* 50 */ EIGHT(R(push, D_OR | D_D64 | D_STK)),
	EIGHT(R(pop, D_OR | D_D64 | D_STK)),
	/* 60 */ R(pusha, D_X64 | D_STK), R(popa, D_X64 | D_STK),
	R(bound, D_M | D_R | D_X64 | D_MEM), /* 63: decode.c */ NONE,
	NONE, NONE, NONE, NONE,
	R(push_imm, D_IZ | D_D64 | D_STK), R(imul3, D_M | D_R | D_IZ),
	R(push_imm, D_IB | D_D64 | D_STK), R(imul3, D_M | D_R | D_IB),
	R(ins, D_B | D_STR), R(ins, D_STR), R(outs, D_B | D_STR),
	R(outs, D_STR),
	/* 70 */ EIGHT(R(jcc, D_IB | D_F64 | D_END)),
	EIGHT(R(jcc, D_IB | D_F64 | D_END)),
	/* 80 */ SUB(G_80, D_M | D_GRP), SUB(G_81, D_M | D_GRP),
	SUB(G_80, D_M | D_GRP | D_X64), SUB(G_83, D_M | D_GRP),
	R(test, D_M | D_B), R(test, D_M),
	R(xchg, D_M | D_B | D_LOCK), R(xchg, D_M | D_LOCK),
	/* 88 */ R(mov, D_M | D_B), R(mov, D_M), R(mov, D_M | D_B | D_R),
	R(mov, D_M | D_R), R(mov_from_sreg, D_M), R(lea, D_M | D_R | D_MEM),
	R(mov_to_sreg, D_M | D_RMW | D_END), SUB(G_8F, D_M | D_GRP),
	/* 90 */ SUB(P_90, D_PFX),
	R(xchg, D_OR), R(xchg, D_OR), R(xchg, D_OR), R(xchg, D_OR),
	R(xchg, D_OR), R(xchg, D_OR), R(xchg, D_OR),
	/* 98 */ R(cbw, 0), R(cwd, 0), R(call_far, D_AP | D_X64 | D_STK | D_END),
	R(fwait, 0), R(pushf, D_D64 | D_STK), R(popf, D_D64 | D_STK | D_END),
	R(sahf, 0), R(lahf, 0),
	/* a0 */ R(mov_moffs_load, D_B | D_MO), R(mov_moffs_load, D_MO),
	R(mov_moffs_store, D_B | D_MO), R(mov_moffs_store, D_MO),
	R(movs, D_B | D_STR), R(movs, D_STR), R(cmps, D_B | D_STR),
	R(cmps, D_STR),
	/* a8 */ R(test, D_B | D_ACC | D_IB | D_I), R(test, D_ACC | D_IZ | D_I),
	R(stos, D_B | D_STR), R(stos, D_STR), R(lods, D_B | D_STR),
	R(lods, D_STR), R(scas, D_B | D_STR), R(scas, D_STR),
	/* b0 */ EIGHT(R(mov, D_B | D_OR | D_IB | D_I)),
	EIGHT(R(mov, D_OR | D_IV | D_I)),
	/* c0 */ SUB(G_C0, D_M | D_GRP), SUB(G_C1, D_M | D_GRP),
	R(ret, D_IW | D_F64 | D_STK | D_END), R(ret, D_F64 | D_STK | D_END),
	R(lds, D_M | D_R | D_X64 | D_MEM), R(lds, D_M | D_R | D_X64 | D_MEM),
	SUB(G_C6, D_M | D_GRP), SUB(G_C7, D_M | D_GRP),
	/* c8 */ R(enter, D_ENTER | D_D64 | D_STK), R(leave, D_D64 | D_STK),
	R(ret_far, D_IW | D_STK | D_END), R(ret_far, D_STK | D_END),
	R(int3, D_END), R(int, D_UB | D_END), R(into, D_X64 | D_END),
	R(iret, D_STK | D_END),
	/* d0 */ SUB(G_D0, D_M | D_GRP), SUB(G_D1, D_M | D_GRP),
	SUB(G_D2, D_M | D_GRP), SUB(G_D3, D_M | D_GRP),
	R(aam, D_X64 | D_UB), R(aad, D_X64 | D_UB), R(salc, D_X64), R(xlat, 0),
	/* d8 */ EIGHT(R(x87, D_M)),
	/* e0 */ R(loopne, D_IB | D_F64 | D_END), R(loope, D_IB | D_F64 | D_END),
	R(loop, D_IB | D_F64 | D_END), R(jrcxz, D_IB | D_F64 | D_END),
	R(in, D_B | D_UB), R(in, D_UB), R(out, D_B | D_UB | D_END),
	R(out, D_UB | D_END),
	/* e8 */ R(call, D_IZ | D_F64 | D_STK | D_END), R(jmp, D_IZ | D_F64 | D_END),
	R(jmp_far, D_AP | D_X64 | D_END), R(jmp, D_IB | D_F64 | D_END),
	R(in, D_B), R(in, 0), R(out, D_B | D_END), R(out, D_END),
	/* f0 */ NONE, R(int1, D_END), NONE, NONE, R(hlt, D_END), R(cmc, 0),
	SUB(G_F6, D_M | D_GRP), SUB(G_F7, D_M | D_GRP),
	/* f8 */ R(clc, 0), R(stc, 0), R(cli, 0), R(sti, D_END), R(cld, 0),
	R(std, 0), SUB(G_FE, D_M | D_GRP), SUB(G_FF, D_M | D_GRP),
};

#define NOPM R(nop, D_M)
#define VEC  R(sse, D_M | D_VEC)
#define VEC8 EIGHT(VEC)

const struct x86_row x86_decode_map1[256] = {
	/* 00 */ SUB(G_0F00, D_M | D_GRP), SUB(G_0F01, D_M | D_GRPM),
	R(lar, D_M | D_R | D_RMW), R(lsl, D_M | D_R | D_RMW), NONE,
	R(syscall, D_END), R(clts, D_END), R(sysret, D_END),
	/* 08 */ R(invd, 0), SUB(P_0F09, D_PFX), NONE, R(ud, 0), NONE,
	SUB(G_0F0D, D_M | D_GRP), NONE, NONE,
	/* 10 */ VEC8,
	/* 18 */ SUB(G_0F18, D_M | D_GRP), NOPM, NOPM, NOPM, NOPM, NOPM,
	SUB(P_0F1E, D_M | D_PFX), NOPM,
	/* 20 */ R(mov_from_cr, D_M | D_NAT), R(mov_from_dr, D_M | D_NAT),
	R(mov_to_cr, D_M | D_NAT | D_END), R(mov_to_dr, D_M | D_NAT | D_END),
	NONE, NONE, NONE, NONE,
	/* 28 */ VEC8,
	/* 30 */ R(wrmsr, D_END), R(rdtsc, 0), R(rdmsr, 0), R(rdpmc, 0),
	R(sysenter, D_END), R(sysexit, D_END), NONE, NONE,
	/* 38 */ NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
	/* 40 */ EIGHT(R(cmovcc, D_M | D_R)), EIGHT(R(cmovcc, D_M | D_R)),
	/* 50 */ VEC8, VEC8, VEC8, VEC8,
	/* 70 */ VEC, VEC, VEC, VEC, VEC, VEC, VEC, SUB(P_0F77, D_PFX),
	/* 78 */ NONE, NONE, NONE, NONE, VEC, VEC, VEC, VEC,
	/* 80 */ EIGHT(R(jcc, D_IZ | D_F64 | D_END)),
	EIGHT(R(jcc, D_IZ | D_F64 | D_END)),
	/* 90 */ EIGHT(R(setcc, D_M | D_B)), EIGHT(R(setcc, D_M | D_B)),
	/* a0 */ R(push_sreg, D_D64 | D_STK), R(pop_sreg, D_D64 | D_STK),
	R(cpuid, 0), R(bt, D_M), R(shld, D_M | D_UB), R(shld, D_M), NONE, NONE,
	/* a8 */ R(push_sreg, D_D64 | D_STK), R(pop_sreg, D_D64 | D_STK), NONE,
	R(bts, D_M | D_LOCK), R(shrd, D_M | D_UB), R(shrd, D_M),
	SUB(P_0FAE, D_M | D_PFX), R(imul2, D_M | D_R),
	/* b0 */ R(cmpxchg, D_M | D_B | D_LOCK), R(cmpxchg, D_M | D_LOCK),
	R(lds, D_M | D_R | D_MEM | D_END), R(btr, D_M | D_LOCK),
	R(lds, D_M | D_R | D_MEM), R(lds, D_M | D_R | D_MEM),
	R(movzx, D_M | D_R | D_RMB), R(movzx, D_M | D_R | D_RMW),
	/* b8 */ SUB(P_0FB8, D_M | D_PFX), R(ud, D_M),
	SUB(G_0FBA, D_M | D_GRP), R(btc, D_M | D_LOCK),
	SUB(P_0FBC, D_M | D_PFX), SUB(P_0FBD, D_M | D_PFX),
	R(movsx, D_M | D_R | D_RMB), R(movsx, D_M | D_R | D_RMW),
	/* c0 */ R(xadd, D_M | D_B | D_LOCK), R(xadd, D_M | D_LOCK), VEC,
	SUB(P_0FC3, D_M | D_PFX), VEC, VEC, VEC, SUB(G_0FC7, D_M | D_GRPM),
	/* c8 */ EIGHT(R(bswap, D_OR)),
	/* d0 */ VEC8, VEC8, VEC8, VEC8,
	/* f0 */ VEC, VEC, VEC, VEC, VEC, VEC, VEC, SUB(P_0FF7, D_M | D_PFX),
	/* f8 */ VEC, VEC, VEC, VEC, VEC, VEC, VEC, R(ud, D_M),
};

/* 0F38 and 0F3A are vector maps but for a few. */
const struct x86_row x86_decode_map2[256] = {
	[0x00] = VEC8, [0x08] = VEC, [0x09] = VEC, [0x0a] = VEC, [0x0b] = VEC,
	[0x10] = VEC, [0x14] = VEC, [0x15] = VEC, [0x17] = VEC,
	[0x1c] = VEC, [0x1d] = VEC, [0x1e] = VEC,
	[0x20] = VEC, [0x21] = VEC, [0x22] = VEC, [0x23] = VEC, [0x24] = VEC,
	[0x25] = VEC, [0x28] = VEC, [0x29] = VEC, [0x2a] = VEC, [0x2b] = VEC,
	[0x30] = VEC, [0x31] = VEC, [0x32] = VEC, [0x33] = VEC, [0x34] = VEC,
	[0x35] = VEC, [0x37] = VEC, [0x38] = VEC8, [0x40] = VEC, [0x41] = VEC,
	[0x82] = SUB(P_3882, D_M | D_PFX),
	[0xc8] = VEC, [0xc9] = VEC, [0xca] = VEC, [0xcb] = VEC, [0xcc] = VEC,
	[0xcd] = VEC, [0xdb] = VEC, [0xdc] = VEC, [0xdd] = VEC, [0xde] = VEC,
	[0xdf] = VEC,
	[0xf0] = SUB(P_38F0, D_M | D_PFX), [0xf1] = SUB(P_38F1, D_M | D_PFX),
};

const struct x86_row x86_decode_map3[256] = {
	[0x08] = VEC8, [0x14] = VEC, [0x15] = VEC, [0x16] = VEC, [0x17] = VEC,
	[0x20] = VEC, [0x21] = VEC, [0x22] = VEC, [0x40] = VEC, [0x41] = VEC,
	[0x42] = VEC, [0x44] = VEC, [0x60] = VEC, [0x61] = VEC, [0x62] = VEC,
	[0x63] = VEC, [0xcc] = VEC, [0xdf] = VEC,
};

#define GRP1(f)							\
	R(add, (f) | D_LOCK), R(or, (f) | D_LOCK),		\
	R(adc, (f) | D_LOCK), R(sbb, (f) | D_LOCK),		\
	R(and, (f) | D_LOCK), R(sub, (f) | D_LOCK),		\
	R(xor, (f) | D_LOCK), R(cmp, (f))
#define GRP2(f)							\
	R(rol, (f)), R(ror, (f)), R(rcl, (f)), R(rcr, (f)),	\
	R(shl, (f)), R(shr, (f)), R(shl, (f)), R(sar, (f))
#define ANYPFX(row) row, row, row, row

const struct x86_row x86_decode_sub[] = {
	[G_80] = GRP1(D_M | D_B | D_IB | D_I),
	[G_81] = GRP1(D_M | D_IZ | D_I),
	[G_83] = GRP1(D_M | D_IB | D_I),
	[G_8F] = R(pop, D_M | D_D64 | D_STK),
	[G_C0] = GRP2(D_M | D_B | D_UB | D_I),
	[G_C1] = GRP2(D_M | D_UB | D_I),
	[G_D0] = GRP2(D_M | D_B | D_ONE | D_I),
	[G_D1] = GRP2(D_M | D_ONE | D_I),
	[G_D2] = GRP2(D_M | D_B | D_CL),
	[G_D3] = GRP2(D_M | D_CL),
	[G_F6] = R(test, D_M | D_B | D_IB | D_I), R(test, D_M | D_B | D_IB | D_I),
	R(not, D_M | D_B | D_LOCK), R(neg, D_M | D_B | D_LOCK),
	R(mul, D_M | D_B), R(imul, D_M | D_B), R(div, D_M | D_B),
	R(idiv, D_M | D_B),
	[G_F7] = R(test, D_M | D_IZ | D_I), R(test, D_M | D_IZ | D_I),
	R(not, D_M | D_LOCK), R(neg, D_M | D_LOCK), R(mul, D_M), R(imul, D_M),
	R(div, D_M), R(idiv, D_M),
	[G_FE] = R(inc, D_M | D_B | D_LOCK), R(dec, D_M | D_B | D_LOCK),
	[G_FF] = R(inc, D_M | D_LOCK), R(dec, D_M | D_LOCK),
	R(call_ind, D_M | D_F64 | D_STK | D_END),
	R(call_far_ind, D_M | D_MEM | D_END),
	R(jmp_ind, D_M | D_F64 | D_END), R(jmp_far_ind, D_M | D_MEM | D_END),
	R(push, D_M | D_D64 | D_STK), NONE,
	[G_C6] = R(mov, D_M | D_B | D_IB | D_I),
	[G_C7] = R(mov, D_M | D_IZ | D_I),
	[G_0F00] = R(sldt, D_M), R(str, D_M), R(lldt, D_M | D_RMW),
	R(ltr, D_M | D_RMW), R(verr, D_M | D_RMW), R(verw, D_M | D_RMW), NONE,
	NONE,
	/* memory */
	[G_0F01] = R(sgdt, D_M), R(sidt, D_M), R(lgdt, D_M), R(lidt, D_M),
	R(smsw, D_M), NONE, R(lmsw, D_M | D_RMW | D_END), R(invlpg, D_M | D_END),
	/* register */
	SUB(G_01_0, D_M | D_RM), SUB(G_01_1, D_M | D_RM),
	SUB(G_01_2, D_M | D_RM), SUB(G_01_3, D_M | D_RM), R(smsw, D_M), NONE,
	R(lmsw, D_M | D_RMW | D_END), SUB(G_01_7, D_M | D_RM),
	[G_01_0] = NONE, R(vmcall, D_M | D_NP | D_END), NONE,
	[G_01_1] = NONE, NONE, R(clac, D_M | D_NP), R(stac, D_M | D_NP), NONE,
	[G_01_2] = R(xgetbv, D_M | D_NP), R(xsetbv, D_M | D_NP | D_END), NONE,
	[G_01_3] = NONE, R(vmcall, D_M | D_NP | D_END), NONE,
	[G_01_7] = R(swapgs, D_M | D_O64 | D_END), R(rdtscp, D_M), NONE,
	[G_0FBA] = NONE, NONE, NONE, NONE, R(bt, D_M | D_UB | D_I),
	R(bts, D_M | D_UB | D_I | D_LOCK), R(btr, D_M | D_UB | D_I | D_LOCK),
	R(btc, D_M | D_UB | D_I | D_LOCK),
	/* memory, then register */
	[G_0FC7] = NONE, R(cmpxchg8b, D_M | D_LOCK), NONE, NONE, NONE, NONE, NONE,
	NONE,
	[G_0FC7 + 14] = SUB(P_C7_6, D_M | D_PFX), SUB(P_C7_7, D_M | D_PFX),
	[P_C7_6] = R(rdrand, D_M), R(rdrand, D_M), NONE, NONE,
	[P_C7_7] = R(rdseed, D_M), R(rdseed, D_M), NONE, NONE,
	[P_0FAE] = SUB(G_0FAE, D_M | D_GRPM), SUB(G_AE_66, D_M | D_GRPM),
	SUB(G_AE_F3, D_M | D_GRPM), NONE,
	[G_0FAE] = R(fxsave, D_M), R(fxrstor, D_M), R(ldmxcsr, D_M),
	R(stmxcsr, D_M), R(xsave, D_M), R(xrstor, D_M), R(xsave, D_M),
	R(clflush, D_M),
	[G_0FAE + 13] = R(fence, D_M), R(fence, D_M), R(fence, D_M),
	/* CLWB, CLFLUSHOPT */
	[G_AE_66 + 6] = R(clflush, D_M), R(clflush, D_M),
	[G_AE_66 + 15] = NONE,
	/* FSGSBASE */
	[G_AE_F3 + 8] = R(rdfsbase, D_M | D_O64), R(rdfsbase, D_M | D_O64),
	R(wrfsbase, D_M | D_O64), R(wrfsbase, D_M | D_O64),
	[G_0F18] = R(prefetch, D_M), R(prefetch, D_M), R(prefetch, D_M),
	R(prefetch, D_M), NOPM, NOPM, NOPM, NOPM,
	[G_0F0D] = EIGHT(R(prefetch, D_M | D_MEM)),
	[P_90] = R(xchg, D_OR), R(xchg, D_OR), R(pause, D_OR | D_END),
	R(xchg, D_OR),
	[P_0FB8] = NONE, NONE, R(popcnt, D_M | D_R), NONE,
	[P_0FBC] = R(bsf, D_M | D_R), R(bsf, D_M | D_R), R(tzcnt, D_M | D_R),
	R(bsf, D_M | D_R),
	[P_0FBD] = R(bsr, D_M | D_R), R(bsr, D_M | D_R), R(lzcnt, D_M | D_R),
	R(bsr, D_M | D_R),
	[P_38F0] = R(movbe, D_M | D_R | D_MEM), R(movbe, D_M | D_R | D_MEM), NONE,
	R(crc32, D_M | D_R | D_RMB),
	[P_38F1] = R(movbe, D_M | D_MEM), R(movbe, D_M | D_MEM), NONE,
	R(crc32, D_M | D_R),
	[P_3882] = NONE, R(invpcid, D_M | D_R | D_MEM | D_END), NONE, NONE,
	[P_0F09] = R(wbinvd, 0), R(wbinvd, 0), R(wbinvd, 0), R(wbinvd, 0),
	[P_0FC3] = R(movnti, D_M | D_MEM), NONE, NONE, NONE,
	[P_0F77] = R(emms, 0), NONE, NONE, NONE,
	[P_0FF7] = R(maskmov, D_M | D_REG), R(maskmov, D_M | D_REG), NONE, NONE,
	[P_0F1E] = ANYPFX(NOPM),
};
/* clang-format on */
