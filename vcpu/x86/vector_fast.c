// SPDX-License-Identifier: MIT
/*
 * vector_fast.c - the commonest SSE instructions without a thunk: a host
 * function for each, which runs the very instruction on its two operands.
 *
 * No meaning of their own: what is unusual (a fault, two pages, MMIO, a
 * missing feature) is left to x86_do_sse(), which starts from the beginning.
 */
#include <string.h>

#include "vcpu/x86/semantics.h"
#include "vcpu/x86/vector_fast.h"

#define PLAIN(name, insn, needs, aligned)                                \
	static void name(struct x86_cpu *cpu, const struct x86_insn *in) \
	{                                                                \
		x86_v2 a, b;                                             \
                                                                         \
		if (x86_vec_off(cpu) || (needs) & ~cpu->vec_features ||  \
		    !x86_vec_source(cpu, in, aligned, &b)) {             \
			x86_do_sse(cpu, in);                             \
			return;                                          \
		}                                                        \
		a = x86_vec_get(cpu, in->reg);                           \
		__asm__(insn " %1, %0" : "+x"(a) : "x"(b));              \
		x86_vec_put(cpu, in->reg, a);                            \
	}

/* clang-format off */

/* name, opcode after 66 0F */
#define INTEGERS(X)                                                          \
	X(punpcklbw, 0x60) X(punpcklwd, 0x61) X(punpckldq, 0x62)             \
	X(packsswb, 0x63) X(pcmpgtb, 0x64) X(pcmpgtw, 0x65)                  \
	X(pcmpgtd, 0x66) X(packuswb, 0x67) X(punpckhbw, 0x68)                \
	X(punpckhwd, 0x69) X(punpckhdq, 0x6a) X(packssdw, 0x6b)              \
	X(punpcklqdq, 0x6c) X(punpckhqdq, 0x6d) X(pcmpeqb, 0x74)             \
	X(pcmpeqw, 0x75) X(pcmpeqd, 0x76) X(psrlw, 0xd1) X(psrld, 0xd2)      \
	X(psrlq, 0xd3) X(paddq, 0xd4) X(pmullw, 0xd5) X(psubusb, 0xd8)       \
	X(psubusw, 0xd9) X(pminub, 0xda) X(pand, 0xdb) X(paddusb, 0xdc)      \
	X(paddusw, 0xdd) X(pmaxub, 0xde) X(pandn, 0xdf) X(pavgb, 0xe0)       \
	X(psraw, 0xe1) X(psrad, 0xe2) X(pavgw, 0xe3) X(pmulhuw, 0xe4)        \
	X(pmulhw, 0xe5) X(psubsb, 0xe8) X(psubsw, 0xe9) X(pminsw, 0xea)      \
	X(por, 0xeb) X(paddsb, 0xec) X(paddsw, 0xed) X(pmaxsw, 0xee)         \
	X(pxor, 0xef) X(psllw, 0xf1) X(pslld, 0xf2) X(psllq, 0xf3)           \
	X(pmuludq, 0xf4) X(pmaddwd, 0xf5) X(psadbw, 0xf6) X(psubb, 0xf8)     \
	X(psubw, 0xf9) X(psubd, 0xfa) X(psubq, 0xfb) X(paddb, 0xfc)          \
	X(paddw, 0xfd) X(paddd, 0xfe)                                        \
	X(unpcklpd, 0x14) X(unpckhpd, 0x15) X(andpd, 0x54) X(andnpd, 0x55)   \
	X(orpd, 0x56) X(xorpd, 0x57)

/* after 0F */
#define BITWISE(X)                                                           \
	X(unpcklps, 0x14) X(unpckhps, 0x15) X(andps, 0x54) X(andnps, 0x55)   \
	X(orps, 0x56) X(xorps, 0x57)

/* after 66 0F 38, with the feature */
#define LATER(X)                                                             \
	X(pshufb, 0x00, SSSE3) X(phaddd, 0x02, SSSE3) X(pabsd, 0x1e, SSSE3)  \
	X(pcmpeqq, 0x29, SSE41) X(pcmpgtq, 0x37, SSE42)                      \
	X(pminsb, 0x38, SSE41) X(pminsd, 0x39, SSE41) X(pminuw, 0x3a, SSE41) \
	X(pminud, 0x3b, SSE41) X(pmaxsb, 0x3c, SSE41) X(pmaxsd, 0x3d, SSE41) \
	X(pmaxuw, 0x3e, SSE41) X(pmaxud, 0x3f, SSE41) X(pmulld, 0x40, SSE41) \
	X(aesimc, 0xdb, AES) X(aesenc, 0xdc, AES) X(aesenclast, 0xdd, AES)   \
	X(aesdec, 0xde, AES) X(aesdeclast, 0xdf, AES)

/* after 0F 38 */
#define SHA(X)                                                               \
	X(sha1nexte, 0xc8) X(sha1msg1, 0xc9) X(sha1msg2, 0xca)               \
	X(sha256msg1, 0xcc) X(sha256msg2, 0xcd)

/* clang-format on */

#define DEFINE(name, opcode) PLAIN(name, #name, 0, true)
#define DEFINE_LATER(name, opcode, feature) \
	PLAIN(name, #name, X86_VEC_##feature, true)
#define DEFINE_SHA(name, opcode) PLAIN(name, #name, X86_VEC_SHA, false)

INTEGERS(DEFINE)
BITWISE(DEFINE)
LATER(DEFINE_LATER)
SHA(DEFINE_SHA)

/* The round constants are in XMM0. */
static void sha256rnds2(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_v2 a, b;

	if (x86_vec_off(cpu) || X86_VEC_SHA & ~cpu->vec_features ||
	    !x86_vec_source(cpu, in, false, &b)) {
		x86_do_sse(cpu, in);
		return;
	}
	a = x86_vec_get(cpu, in->reg);
	__asm__("movdqu %2, %%xmm0\n\t"
		"sha256rnds2 %%xmm0, %1, %0"
		: "+x"(a)
		: "x"(b), "m"(*(const x86_v2 *)x86_xmm(cpu, 0))
		: "xmm0");
	x86_vec_put(cpu, in->reg, a);
}

/* Moves */

X86_INLINE void load16(struct x86_cpu *cpu, const struct x86_insn *in,
		       bool aligned)
{
	x86_v2 v;

	if (x86_vec_off(cpu) || !x86_vec_source(cpu, in, aligned, &v))
		x86_do_sse(cpu, in);
	else
		x86_vec_put(cpu, in->reg, v);
}

static void movdqa(struct x86_cpu *cpu, const struct x86_insn *in)
{
	load16(cpu, in, true);
}

static void movdqu(struct x86_cpu *cpu, const struct x86_insn *in)
{
	load16(cpu, in, false);
}

X86_INLINE void store16(struct x86_cpu *cpu, const struct x86_insn *in,
			bool aligned)
{
	uint64_t lin;
	void *p;

	if (x86_vec_off(cpu)) {
		x86_do_sse(cpu, in);
		return;
	}
	if (!x86_is_mem(in)) {
		x86_vec_put(cpu, in->rm, x86_vec_get(cpu, in->reg));
		return;
	}
	lin = x86_lin(cpu, in, 16, true);
	p = x86_vec_store_ptr(cpu, lin);
	if (X86_UNLIKELY(!p || (aligned && lin & 15)))
		x86_do_sse(cpu, in);
	else
		memcpy(p, x86_xmm(cpu, in->reg), 16);
}

static void movdqa_store(struct x86_cpu *cpu, const struct x86_insn *in)
{
	store16(cpu, in, true);
}

static void movdqu_store(struct x86_cpu *cpu, const struct x86_insn *in)
{
	store16(cpu, in, false);
}

/* MOVSS, MOVSD, MOVQ from memory clear the rest, from a register only MOVQ. */
X86_INLINE void load_low(struct x86_cpu *cpu, const struct x86_insn *in,
			 unsigned int size)
{
	uint64_t v;

	if (x86_vec_off(cpu)) {
		x86_do_sse(cpu, in);
	} else if (x86_is_mem(in)) {
		v = x86_read(cpu, x86_lin(cpu, in, size, false), size);
		x86_vec_put(cpu, in->reg, (x86_v2){ v, 0 });
	} else {
		x86_vec_put_low(cpu, in->reg, x86_vec_get_low(cpu, in->rm),
				size);
	}
}

static void movss(struct x86_cpu *cpu, const struct x86_insn *in)
{
	load_low(cpu, in, 4);
}

static void movsd(struct x86_cpu *cpu, const struct x86_insn *in)
{
	load_low(cpu, in, 8);
}

static void movq(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_v2 v;

	if (x86_vec_off(cpu) || !x86_vec_source_low(cpu, in, 8, &v))
		x86_do_sse(cpu, in);
	else
		x86_vec_put(cpu, in->reg, (x86_v2){ v[0], 0 });
}

X86_INLINE void store_low(struct x86_cpu *cpu, const struct x86_insn *in,
			  unsigned int size)
{
	uint64_t v;

	if (x86_vec_off(cpu)) {
		x86_do_sse(cpu, in);
		return;
	}
	v = x86_vec_get_low(cpu, in->reg);
	if (x86_is_mem(in))
		x86_write(cpu, x86_lin(cpu, in, size, true), size, v);
	else
		x86_vec_put_low(cpu, in->rm, v, size);
}

static void movss_store(struct x86_cpu *cpu, const struct x86_insn *in)
{
	store_low(cpu, in, 4);
}

static void movsd_store(struct x86_cpu *cpu, const struct x86_insn *in)
{
	store_low(cpu, in, 8);
}

static void movq_store(struct x86_cpu *cpu, const struct x86_insn *in)
{
	if (x86_vec_off(cpu) || x86_is_mem(in))
		store_low(cpu, in, 8);
	else
		x86_vec_put(cpu, in->rm,
			    (x86_v2){ x86_vec_get_low(cpu, in->reg), 0 });
}

/* MOVD, MOVQ between a general register or memory and XMM */
static void movd(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int size = in->pfx & X86_PFX_REXW ? 8 : 4;

	if (x86_vec_off(cpu))
		x86_do_sse(cpu, in);
	else
		x86_vec_put(cpu, in->reg,
			    (x86_v2){ x86_rm_get(cpu, in, size), 0 });
}

static void movd_store(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int size = in->pfx & X86_PFX_REXW ? 8 : 4;

	if (x86_vec_off(cpu))
		x86_do_sse(cpu, in);
	else
		x86_rm_set(cpu, in, size, x86_vec_get_low(cpu, in->reg));
}

static void pmovmskb(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint32_t bits;
	x86_v2 v;

	if (x86_vec_off(cpu)) {
		x86_do_sse(cpu, in);
		return;
	}
	v = x86_vec_get(cpu, in->rm);
	__asm__("pmovmskb %1, %0" : "=r"(bits) : "x"(v));
	cpu->reg[in->reg] = bits;
}

/* With an immediate */

static void pshufd(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int i, imm = (unsigned int)in->imm;
	uint32_t from[4], to[4];
	x86_v2 v;

	if (x86_vec_off(cpu) || !x86_vec_source(cpu, in, true, &v)) {
		x86_do_sse(cpu, in);
		return;
	}
	memcpy(from, &v, 16);
	for (i = 0; i < 4; i++)
		to[i] = from[imm >> (2 * i) & 3];
	memcpy(x86_xmm(cpu, in->reg), to, 16);
}

static void palignr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int by = (uint8_t)in->imm;
	uint8_t both[64] = { 0 };
	x86_v2 v;

	if (x86_vec_off(cpu) || X86_VEC_SSSE3 & ~cpu->vec_features ||
	    !x86_vec_source(cpu, in, true, &v)) {
		x86_do_sse(cpu, in);
		return;
	}
	memcpy(both, &v, 16);
	memcpy(both + 16, x86_xmm(cpu, in->reg), 16);
	memcpy(x86_xmm(cpu, in->reg), both + (by < 32 ? by : 32), 16);
}

/* Shifts by a count that a register holds do the same by an immediate. */
#define SHIFT(name, insn)                                                \
	static void name(struct x86_cpu *cpu, const struct x86_insn *in) \
	{                                                                \
		x86_v2 a, n = { (uint8_t)in->imm, 0 };                   \
                                                                         \
		if (x86_vec_off(cpu)) {                                  \
			x86_do_sse(cpu, in);                             \
			return;                                          \
		}                                                        \
		a = x86_vec_get(cpu, in->rm);                            \
		__asm__(insn " %1, %0" : "+x"(a) : "x"(n));              \
		x86_vec_put(cpu, in->rm, a);                             \
	}

SHIFT(psrlw_imm, "psrlw")
SHIFT(psraw_imm, "psraw")
SHIFT(psllw_imm, "psllw")
SHIFT(psrld_imm, "psrld")
SHIFT(psrad_imm, "psrad")
SHIFT(pslld_imm, "pslld")
SHIFT(psrlq_imm, "psrlq")
SHIFT(psllq_imm, "psllq")

X86_INLINE void shift_bytes(struct x86_cpu *cpu, const struct x86_insn *in,
			    bool left)
{
	unsigned int n = (uint8_t)in->imm;
	uint8_t wide[48] = { 0 };

	if (x86_vec_off(cpu)) {
		x86_do_sse(cpu, in);
		return;
	}
	n = n < 16 ? n : 16;
	memcpy(wide + 16, x86_xmm(cpu, in->rm), 16);
	memcpy(x86_xmm(cpu, in->rm), wide + 16 + (left ? -(int)n : (int)n), 16);
}

static void psrldq(struct x86_cpu *cpu, const struct x86_insn *in)
{
	shift_bytes(cpu, in, false);
}

static void pslldq(struct x86_cpu *cpu, const struct x86_insn *in)
{
	shift_bytes(cpu, in, true);
}

/* 66 0F 71 to 73, by ModRM.reg */
static x86_fn *find_shift(const struct x86_insn *in)
{
	static x86_fn *const table[3][8] = {
		{ [2] = psrlw_imm, [4] = psraw_imm, [6] = psllw_imm },
		{ [2] = psrld_imm, [4] = psrad_imm, [6] = pslld_imm },
		{ [2] = psrlq_imm,
		  [3] = psrldq,
		  [6] = psllq_imm,
		  [7] = pslldq },
	};

	return table[in->opcode - 0x71][in->modrm >> 3 & 7];
}

/* clang-format off */

#define ENTRY(name, opcode)	           [opcode] = name,
#define ENTRY_LATER(name, opcode, feature) [opcode] = name,

/* By mandatory prefix: none, 66, F3, F2 */
static x86_fn *const map1[4][256] = {
	{
		BITWISE(ENTRY)
		[0x10] = movdqu, [0x11] = movdqu_store,
		[0x28] = movdqa, [0x29] = movdqa_store,
		[0x2b] = movdqa_store,
	},
	{
		INTEGERS(ENTRY)
		[0x10] = movdqu, [0x11] = movdqu_store,
		[0x28] = movdqa, [0x29] = movdqa_store,
		[0x2b] = movdqa_store,
		[0x6e] = movd, [0x6f] = movdqa, [0x70] = pshufd,
		[0x7e] = movd_store, [0x7f] = movdqa_store,
		[0xd6] = movq_store, [0xd7] = pmovmskb,
		[0xe7] = movdqa_store,
	},
	{
		[0x10] = movss, [0x11] = movss_store,
		[0x6f] = movdqu, [0x7e] = movq, [0x7f] = movdqu_store,
	},
	{
		[0x10] = movsd, [0x11] = movsd_store,
	},
};

static x86_fn *const map2_none[256] = {
	SHA(ENTRY)
	[0xcb] = sha256rnds2,
};

static x86_fn *const map2_66[256] = {
	LATER(ENTRY_LATER)
};

/* clang-format on */

static x86_fn *find_map1(const struct x86_insn *in, unsigned int pfx)
{
	x86_fn *fn;

	if (in->opcode >= 0x71 && in->opcode <= 0x73)
		return pfx == 1 ? find_shift(in) : NULL;
	fn = map1[pfx][in->opcode];
	return fn ? fn : x86_vec_float(pfx, in->opcode);
}

x86_fn *x86_vec_fast(const struct x86_insn *in)
{
	unsigned int pfx = x86_vec_prefix(in);

	if (in->map == 1)
		return find_map1(in, pfx);
	if (in->map == 2)
		return pfx == 0	  ? map2_none[in->opcode]
		       : pfx == 1 ? map2_66[in->opcode]
				  : NULL;
	return pfx == 1 && in->opcode == 0x0f ? palignr : NULL;
}
