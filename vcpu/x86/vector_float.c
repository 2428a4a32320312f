// SPDX-License-Identifier: MIT
/*
 * vector_float.c - the commonest SSE instructions that raise floating-point
 * exceptions, without a thunk; see vector_fast.c.
 *
 * How it works. The host's MXCSR masks all exceptions and rounds to nearest:
 * when the guest's does, too, only flags are left. Before an instruction the
 * host's are a subset of the guest's; what the host has more afterwards, the
 * guest gets. With any other MXCSR it is x86_do_sse()'s.
 */
#include "vcpu/x86/semantics.h"
#include "vcpu/x86/vector_fast.h"

/* Only masked exceptions, to nearest, with denormals: as after reset. */
X86_INLINE bool is_usual(uint32_t mxcsr)
{
	return (mxcsr & ~X86_MXCSR_FLAGS) == X86_MXCSR_MASKS;
}

X86_INLINE uint32_t host_mxcsr(void)
{
	uint32_t v;

	__asm__ volatile("stmxcsr %0" : "=m"(v));
	return v;
}

/* Flags that the guest does not have must not come from before. */
X86_INLINE void begin_fp(uint32_t guest)
{
	uint32_t clean = X86_MXCSR_MASKS;

	if (X86_UNLIKELY(host_mxcsr() & X86_MXCSR_FLAGS & ~guest))
		__asm__ volatile("ldmxcsr %0" : : "m"(clean));
}

X86_INLINE void end_fp(struct x86_cpu *cpu)
{
	*x86_mxcsr(cpu) |= host_mxcsr() & X86_MXCSR_FLAGS;
}

X86_INLINE bool fp_unusual(struct x86_cpu *cpu)
{
	return x86_vec_off(cpu) || X86_UNLIKELY(!is_usual(*x86_mxcsr(cpu)));
}

#define FLOAT(name, insn, load)                                          \
	static void name(struct x86_cpu *cpu, const struct x86_insn *in) \
	{                                                                \
		x86_v2 a, b;                                             \
                                                                         \
		if (fp_unusual(cpu) || !(load)) {                        \
			x86_do_sse(cpu, in);                             \
			return;                                          \
		}                                                        \
		a = x86_vec_get(cpu, in->reg);                           \
		begin_fp(*x86_mxcsr(cpu));                               \
		__asm__ volatile(insn " %1, %0" : "+x"(a) : "x"(b));     \
		end_fp(cpu);                                             \
		x86_vec_put(cpu, in->reg, a);                            \
	}

#define FLOAT_FORMS(op)                                             \
	FLOAT(op##ps, #op "ps", x86_vec_source(cpu, in, true, &b))  \
	FLOAT(op##pd, #op "pd", x86_vec_source(cpu, in, true, &b))  \
	FLOAT(op##ss, #op "ss", x86_vec_source_low(cpu, in, 4, &b)) \
	FLOAT(op##sd, #op "sd", x86_vec_source_low(cpu, in, 8, &b))

FLOAT_FORMS(sqrt)
FLOAT_FORMS(add)
FLOAT_FORMS(mul)
FLOAT_FORMS(sub)
FLOAT_FORMS(min)
FLOAT_FORMS(div)
FLOAT_FORMS(max)
FLOAT(cvtss2sd, "cvtss2sd", x86_vec_source_low(cpu, in, 4, &b))
FLOAT(cvtsd2ss, "cvtsd2ss", x86_vec_source_low(cpu, in, 8, &b))

/* UCOMISS, COMISS ...: ZF, PF and CF; the others become 0. */
#define ORDER(name, insn, size)                                          \
	static void name(struct x86_cpu *cpu, const struct x86_insn *in) \
	{                                                                \
		int zf, pf, cf;                                          \
		x86_v2 a, b;                                             \
                                                                         \
		if (fp_unusual(cpu) ||                                   \
		    !x86_vec_source_low(cpu, in, size, &b)) {            \
			x86_do_sse(cpu, in);                             \
			return;                                          \
		}                                                        \
		a = x86_vec_get(cpu, in->reg);                           \
		begin_fp(*x86_mxcsr(cpu));                               \
		__asm__ volatile(insn " %4, %3"                          \
				 : "=@ccz"(zf), "=@ccp"(pf), "=@ccc"(cf) \
				 : "x"(a), "x"(b));                      \
		end_fp(cpu);                                             \
		x86_set_status_flags(cpu, (zf ? X86_FL_ZF : 0) |         \
						  (pf ? X86_FL_PF : 0) | \
						  (cf ? X86_FL_CF : 0)); \
	}

ORDER(ucomiss, "ucomiss", 4)
ORDER(ucomisd, "ucomisd", 8)
ORDER(comiss, "comiss", 4)
ORDER(comisd, "comisd", 8)

/* From a general register or memory of 4 or 8 bytes. */
#define FROM_INTEGER(name, insn)                                         \
	static void name(struct x86_cpu *cpu, const struct x86_insn *in) \
	{                                                                \
		bool wide = in->pfx & X86_PFX_REXW;                      \
		uint64_t v;                                              \
		x86_v2 a;                                                \
                                                                         \
		if (fp_unusual(cpu)) {                                   \
			x86_do_sse(cpu, in);                             \
			return;                                          \
		}                                                        \
		v = x86_rm_get(cpu, in, wide ? 8 : 4);                   \
		if (!wide)                                               \
			v = (uint64_t)(int32_t)v;                        \
		a = x86_vec_get(cpu, in->reg);                           \
		begin_fp(*x86_mxcsr(cpu));                               \
		__asm__ volatile(insn "q %1, %0" : "+x"(a) : "r"(v));    \
		end_fp(cpu);                                             \
		x86_vec_put(cpu, in->reg, a);                            \
	}

FROM_INTEGER(cvtsi2ss, "cvtsi2ss")
FROM_INTEGER(cvtsi2sd, "cvtsi2sd")

/* To a general register; what does not fit depends on its size. */
#define TO_INTEGER(name, insn, size)                                         \
	static void name(struct x86_cpu *cpu, const struct x86_insn *in)     \
	{                                                                    \
		uint64_t v;                                                  \
		uint32_t half;                                               \
		x86_v2 b;                                                    \
                                                                             \
		if (fp_unusual(cpu) ||                                       \
		    !x86_vec_source_low(cpu, in, size, &b)) {                \
			x86_do_sse(cpu, in);                                 \
			return;                                              \
		}                                                            \
		begin_fp(*x86_mxcsr(cpu));                                   \
		if (in->pfx & X86_PFX_REXW) {                                \
			__asm__ volatile(insn " %1, %0" : "=r"(v) : "x"(b)); \
		} else {                                                     \
			__asm__ volatile(insn " %1, %0"                      \
					 : "=r"(half)                        \
					 : "x"(b));                          \
			v = half;                                            \
		}                                                            \
		end_fp(cpu);                                                 \
		cpu->reg[in->reg] = v;                                       \
	}

TO_INTEGER(cvttss2si, "cvttss2si", 4)
TO_INTEGER(cvttsd2si, "cvttsd2si", 8)
TO_INTEGER(cvtss2si, "cvtss2si", 4)
TO_INTEGER(cvtsd2si, "cvtsd2si", 8)

/* clang-format off */
static x86_fn *const map1[4][256] = {
	{
		[0x2e] = ucomiss, [0x2f] = comiss,
		[0x51] = sqrtps, [0x58] = addps, [0x59] = mulps,
		[0x5c] = subps, [0x5d] = minps, [0x5e] = divps,
		[0x5f] = maxps,
	},
	{
		[0x2e] = ucomisd, [0x2f] = comisd,
		[0x51] = sqrtpd, [0x58] = addpd, [0x59] = mulpd,
		[0x5c] = subpd, [0x5d] = minpd, [0x5e] = divpd,
		[0x5f] = maxpd,
	},
	{
		[0x2a] = cvtsi2ss, [0x2c] = cvttss2si, [0x2d] = cvtss2si,
		[0x51] = sqrtss, [0x58] = addss, [0x59] = mulss,
		[0x5a] = cvtss2sd, [0x5c] = subss, [0x5d] = minss,
		[0x5e] = divss, [0x5f] = maxss,
	},
	{
		[0x2a] = cvtsi2sd, [0x2c] = cvttsd2si, [0x2d] = cvtsd2si,
		[0x51] = sqrtsd, [0x58] = addsd, [0x59] = mulsd,
		[0x5a] = cvtsd2ss, [0x5c] = subsd, [0x5d] = minsd,
		[0x5e] = divsd, [0x5f] = maxsd,
	},
};
/* clang-format on */

x86_fn *x86_vec_float(unsigned int pfx, uint8_t opcode)
{
	return map1[pfx][opcode];
}
