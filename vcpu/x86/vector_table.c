// SPDX-License-Identifier: MIT
/*
 * vector_table.c - operands of vector instructions, by opcode and prefix.
 *
 * Columns are the mandatory prefixes: none, 66, F3, F2. Written from the
 * instruction pages of SDM 2. SHA operands need no alignment here: AMD's do
 * not, and a guest that relied on the fault is not known.
 */
#include "vcpu/x86/vector.h"

#include <stddef.h>

/* reg and rm kinds, memory bytes, flags */
#define ROW(reg_, rm_, mem_, flags_)                                       \
	{                                                                  \
		.reg = X86_VEC_##reg_, .rm = X86_VEC_##rm_, .mem = (mem_), \
		.flags = (flags_), .valid = true                           \
	}

#define ST X86_VEC_STORE
#define IB X86_VEC_IMM
#define AL X86_VEC_ALIGN
#define MO X86_VEC_MEMONLY
#define RO X86_VEC_REGONLY
#define FP X86_VEC_FP
#define FL X86_VEC_FLAGS
#define X0 X86_VEC_XMM0
#define CD X86_VEC_ACDX
#define NO                     \
	{                      \
		.valid = false \
	}
#define GW 0xff

/* clang-format off */

/* The common shapes */
#define X16(f)	ROW(XMM, XMM, 16, AL | (f))
#define U16(f)	ROW(XMM, XMM, 16, (f))
#define X8(f)	ROW(XMM, XMM, 8, (f))
#define X4(f)	ROW(XMM, XMM, 4, (f))
#define M8(f)	ROW(MM, MM, 8, (f))
#define M4(f)	ROW(MM, MM, 4, (f))
#define MMX(f)	{ M8(f), X16(f), NO, NO }	  /* mm or xmm */
#define XONLY(f) { NO, X16(f), NO, NO }
#define PSPD(f) { X16(f), X16(f), NO, NO }
#define FOUR(f) { X16(f), X16(f), X4(f), X8(f) } /* ps pd ss sd */

static const struct x86_vec map1[256][4] = {
	[0x10] = { U16(0), U16(0), X4(0), X8(0) },
	[0x11] = { U16(ST), U16(ST), X4(ST), X8(ST) },
	[0x12] = { X8(0), X8(MO), X16(0), X8(0) },
	[0x13] = { X8(ST | MO), X8(ST | MO), NO, NO },
	[0x14] = PSPD(0), [0x15] = PSPD(0),
	[0x16] = { X8(0), X8(MO), X16(0), NO },
	[0x17] = { X8(ST | MO), X8(ST | MO), NO, NO },
	[0x28] = PSPD(0), [0x29] = PSPD(ST),
	[0x2a] = { ROW(XMM, MM, 8, FP), ROW(XMM, MM, 8, FP),
		   ROW(XMM, GPR, GW, FP), ROW(XMM, GPR, GW, FP) },
	[0x2b] = PSPD(ST | MO),
	[0x2c] = { ROW(MM, XMM, 8, FP), ROW(MM, XMM, 16, AL | FP),
		   ROW(GPR, XMM, 4, FP), ROW(GPR, XMM, 8, FP) },
	[0x2d] = { ROW(MM, XMM, 8, FP), ROW(MM, XMM, 16, AL | FP),
		   ROW(GPR, XMM, 4, FP), ROW(GPR, XMM, 8, FP) },
	[0x2e] = { X4(FP | FL), X8(FP | FL), NO, NO },
	[0x2f] = { X4(FP | FL), X8(FP | FL), NO, NO },
	[0x50] = { ROW(GPR, XMM, 0, RO), ROW(GPR, XMM, 0, RO), NO, NO },
	[0x51] = FOUR(FP),
	[0x52] = { X16(0), NO, X4(0), NO }, [0x53] = { X16(0), NO, X4(0), NO },
	[0x54] = PSPD(0), [0x55] = PSPD(0), [0x56] = PSPD(0), [0x57] = PSPD(0),
	[0x58] = FOUR(FP), [0x59] = FOUR(FP),
	[0x5a] = { X8(FP), X16(FP), X4(FP), X8(FP) },
	[0x5b] = { X16(FP), X16(FP), X16(FP), NO },
	[0x5c] = FOUR(FP), [0x5d] = FOUR(FP), [0x5e] = FOUR(FP),
	[0x5f] = FOUR(FP),
	[0x60] = { M4(0), X16(0), NO, NO }, [0x61] = { M4(0), X16(0), NO, NO },
	[0x62] = { M4(0), X16(0), NO, NO },
	[0x63] = MMX(0), [0x64] = MMX(0), [0x65] = MMX(0), [0x66] = MMX(0),
	[0x67] = MMX(0), [0x68] = MMX(0), [0x69] = MMX(0), [0x6a] = MMX(0),
	[0x6b] = MMX(0), [0x6c] = XONLY(0), [0x6d] = XONLY(0),
	[0x6e] = { ROW(MM, GPR, GW, 0), ROW(XMM, GPR, GW, 0), NO, NO },
	[0x6f] = { M8(0), X16(0), U16(0), NO },
	[0x70] = { M8(IB), X16(IB), X16(IB), X16(IB) },
	/* 0x71 to 0x73: x86_vec_find() */
	[0x74] = MMX(0), [0x75] = MMX(0), [0x76] = MMX(0),
	[0x7c] = { NO, X16(FP), NO, X16(FP) },
	[0x7d] = { NO, X16(FP), NO, X16(FP) },
	[0x7e] = { ROW(MM, GPR, GW, ST), ROW(XMM, GPR, GW, ST), X8(0), NO },
	[0x7f] = { M8(ST), X16(ST), U16(ST), NO },
	[0xc2] = { X16(FP | IB), X16(FP | IB), X4(FP | IB), X8(FP | IB) },
	[0xc4] = { ROW(MM, GPR, 2, IB), ROW(XMM, GPR, 2, IB), NO, NO },
	[0xc5] = { ROW(GPR, MM, 0, RO | IB), ROW(GPR, XMM, 0, RO | IB), NO, NO },
	[0xc6] = PSPD(IB),
	[0xd0] = { NO, X16(FP), NO, X16(FP) },
	[0xd1] = MMX(0), [0xd2] = MMX(0), [0xd3] = MMX(0), [0xd4] = MMX(0),
	[0xd5] = MMX(0),
	[0xd6] = { NO, X8(ST), ROW(XMM, MM, 0, RO), ROW(MM, XMM, 0, RO) },
	[0xd7] = { ROW(GPR, MM, 0, RO), ROW(GPR, XMM, 0, RO), NO, NO },
	[0xd8] = MMX(0), [0xd9] = MMX(0), [0xda] = MMX(0), [0xdb] = MMX(0),
	[0xdc] = MMX(0), [0xdd] = MMX(0), [0xde] = MMX(0), [0xdf] = MMX(0),
	[0xe0] = MMX(0), [0xe1] = MMX(0), [0xe2] = MMX(0), [0xe3] = MMX(0),
	[0xe4] = MMX(0), [0xe5] = MMX(0),
	[0xe6] = { NO, X16(FP), X8(FP), X16(FP) },
	[0xe7] = { M8(ST | MO), X16(ST | MO), NO, NO },
	[0xe8] = MMX(0), [0xe9] = MMX(0), [0xea] = MMX(0), [0xeb] = MMX(0),
	[0xec] = MMX(0), [0xed] = MMX(0), [0xee] = MMX(0), [0xef] = MMX(0),
	[0xf0] = { NO, NO, NO, U16(MO) },
	[0xf1] = MMX(0), [0xf2] = MMX(0), [0xf3] = MMX(0), [0xf4] = MMX(0),
	[0xf5] = MMX(0), [0xf6] = MMX(0),
	[0xf8] = MMX(0), [0xf9] = MMX(0), [0xfa] = MMX(0), [0xfb] = MMX(0),
	[0xfc] = MMX(0), [0xfd] = MMX(0), [0xfe] = MMX(0),
};

static const struct x86_vec map2[256][4] = {
	[0x00] = MMX(0), [0x01] = MMX(0), [0x02] = MMX(0), [0x03] = MMX(0),
	[0x04] = MMX(0), [0x05] = MMX(0), [0x06] = MMX(0), [0x07] = MMX(0),
	[0x08] = MMX(0), [0x09] = MMX(0), [0x0a] = MMX(0), [0x0b] = MMX(0),
	[0x10] = XONLY(X0), [0x14] = XONLY(X0), [0x15] = XONLY(X0),
	[0x17] = XONLY(FL),
	[0x1c] = MMX(0), [0x1d] = MMX(0), [0x1e] = MMX(0),
	[0x20] = { NO, X8(0), NO, NO }, [0x21] = { NO, X4(0), NO, NO },
	[0x22] = { NO, ROW(XMM, XMM, 2, 0), NO, NO },
	[0x23] = { NO, X8(0), NO, NO }, [0x24] = { NO, X4(0), NO, NO },
	[0x25] = { NO, X8(0), NO, NO },
	[0x28] = XONLY(0), [0x29] = XONLY(0), [0x2a] = XONLY(MO),
	[0x2b] = XONLY(0),
	[0x30] = { NO, X8(0), NO, NO }, [0x31] = { NO, X4(0), NO, NO },
	[0x32] = { NO, ROW(XMM, XMM, 2, 0), NO, NO },
	[0x33] = { NO, X8(0), NO, NO }, [0x34] = { NO, X4(0), NO, NO },
	[0x35] = { NO, X8(0), NO, NO },
	[0x37] = XONLY(0), [0x38] = XONLY(0), [0x39] = XONLY(0),
	[0x3a] = XONLY(0), [0x3b] = XONLY(0), [0x3c] = XONLY(0),
	[0x3d] = XONLY(0), [0x3e] = XONLY(0), [0x3f] = XONLY(0),
	[0x40] = XONLY(0), [0x41] = XONLY(0),
	[0xc8] = { U16(0), NO, NO, NO }, [0xc9] = { U16(0), NO, NO, NO },
	[0xca] = { U16(0), NO, NO, NO }, [0xcb] = { U16(X0), NO, NO, NO },
	[0xcc] = { U16(0), NO, NO, NO }, [0xcd] = { U16(0), NO, NO, NO },
	[0xdb] = XONLY(0), [0xdc] = XONLY(0), [0xdd] = XONLY(0),
	[0xde] = XONLY(0), [0xdf] = XONLY(0),
};

static const struct x86_vec map3[256][4] = {
	[0x08] = XONLY(FP | IB), [0x09] = XONLY(FP | IB),
	[0x0a] = { NO, X4(FP | IB), NO, NO }, [0x0b] = { NO, X8(FP | IB), NO, NO },
	[0x0c] = XONLY(IB), [0x0d] = XONLY(IB), [0x0e] = XONLY(IB),
	[0x0f] = MMX(IB),
	[0x14] = { NO, ROW(XMM, GPR, 1, ST | IB), NO, NO },
	[0x15] = { NO, ROW(XMM, GPR, 2, ST | IB), NO, NO },
	[0x16] = { NO, ROW(XMM, GPR, GW, ST | IB), NO, NO },
	[0x17] = { NO, ROW(XMM, GPR, 4, ST | IB), NO, NO },
	[0x20] = { NO, ROW(XMM, GPR, 1, IB), NO, NO },
	[0x21] = { NO, X4(IB), NO, NO },
	[0x22] = { NO, ROW(XMM, GPR, GW, IB), NO, NO },
	[0x40] = XONLY(FP | IB), [0x41] = XONLY(FP | IB), [0x42] = XONLY(IB),
	[0x44] = XONLY(IB),
	[0x60] = { NO, U16(IB | FL | X0 | CD), NO, NO },
	[0x61] = { NO, U16(IB | FL | CD), NO, NO },
	[0x62] = { NO, U16(IB | FL | X0 | CD), NO, NO },
	[0x63] = { NO, U16(IB | FL | CD), NO, NO },
	[0xcc] = { U16(IB), NO, NO, NO },
	[0xdf] = XONLY(IB),
};
/* clang-format on */

/* 0F 71 to 0F 73: a shift of rm by imm8; bit n: ModRM.reg n exists. */
static const struct x86_vec *find_shift(uint8_t opcode, unsigned int pfx,
					unsigned int ext)
{
	static const struct x86_vec shift[2] = {
		ROW(NONE, MM, 0, RO | IB | ST),
		ROW(NONE, XMM, 0, RO | IB | ST),
	};
	static const uint8_t exts[3][2] = {
		{ 0x54, 0x54 },
		{ 0x54, 0x54 },
		{ 0x44, 0xcc },
	};

	if (pfx > 1 || !(exts[opcode - 0x71][pfx] & 1u << ext))
		return NULL;
	return &shift[pfx];
}

const struct x86_vec *x86_vec_find(unsigned int map, uint8_t opcode,
				   unsigned int pfx, unsigned int ext)
{
	const struct x86_vec *v;

	if (map == 1 && opcode >= 0x71 && opcode <= 0x73)
		return find_shift(opcode, pfx, ext);
	v = map == 1 ? map1[opcode] : map == 2 ? map2[opcode] : map3[opcode];
	return v[pfx].valid ? &v[pfx] : NULL;
}

static uint32_t map1_needs(uint8_t opcode, unsigned int pfx)
{
	switch (opcode) {
	case 0x12: /* MOVSLDUP, MOVDDUP */
	case 0x16: /* MOVSHDUP */
		return pfx > 1 ? X86_VEC_SSE3 : 0;
	case 0x7c:
	case 0x7d:
	case 0xd0:
	case 0xf0:
		return X86_VEC_SSE3;
	}
	return 0;
}

static uint32_t map2_needs(uint8_t opcode)
{
	if (opcode < 0x10 || (opcode >= 0x1c && opcode < 0x20))
		return X86_VEC_SSSE3;
	if (opcode == 0x37)
		return X86_VEC_SSE42;
	if (opcode < 0xc0)
		return X86_VEC_SSE41;
	return opcode < 0xd0 ? X86_VEC_SHA : X86_VEC_AES;
}

static uint32_t map3_needs(uint8_t opcode)
{
	switch (opcode) {
	case 0x0f:
		return X86_VEC_SSSE3;
	case 0x44:
		return X86_VEC_PCLMUL;
	case 0xcc:
		return X86_VEC_SHA;
	case 0xdf:
		return X86_VEC_AES;
	}
	return opcode < 0x60 ? X86_VEC_SSE41 : X86_VEC_SSE42;
}

uint32_t x86_vec_needs(unsigned int map, uint8_t opcode, unsigned int pfx)
{
	return map == 1	  ? map1_needs(opcode, pfx)
	       : map == 2 ? map2_needs(opcode)
			  : map3_needs(opcode);
}
