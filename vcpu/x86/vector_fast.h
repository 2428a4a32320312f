/* SPDX-License-Identifier: MIT */
/*
 * vector_fast.h - operands of SSE instructions that the host runs right away:
 * for vector_fast.c and vector_float.c only. vCPU thread of the CPU only.
 */
#ifndef MINIVMM_VCPU_X86_VECTOR_FAST_H
#define MINIVMM_VCPU_X86_VECTOR_FAST_H

#include <string.h>

#include "vcpu/x86/fpu.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/vector.h"

typedef uint64_t x86_v2 __attribute__((vector_size(16)));

static inline x86_v2 x86_vec_get(struct x86_cpu *cpu, unsigned int n)
{
	x86_v2 v;

	memcpy(&v, x86_xmm(cpu, n), 16);
	return v;
}

static inline void x86_vec_put(struct x86_cpu *cpu, unsigned int n, x86_v2 v)
{
	memcpy(x86_xmm(cpu, n), &v, 16);
}

/* The low @size bytes of a register; the rest stays. */
static inline void x86_vec_put_low(struct x86_cpu *cpu, unsigned int n,
				   uint64_t v, unsigned int size)
{
	memcpy(x86_xmm(cpu, n), &v, size);
}

static inline uint64_t x86_vec_get_low(struct x86_cpu *cpu, unsigned int n)
{
	return x86_vec_get(cpu, n)[0];
}

X86_INLINE bool x86_vec_off(const struct x86_cpu *cpu)
{
	return X86_UNLIKELY(cpu->st.cr0 & (X86_CR0_EM | X86_CR0_TS) ||
			    !(cpu->st.cr4 & X86_CR4_OSFXSR));
}

/* The host address of 16 bytes of the TLB's, or NULL. */
X86_INLINE const void *x86_vec_load_ptr(struct x86_cpu *cpu, uint64_t lin)
{
	const struct x86_tlb_entry *e = x86_tlb_slot(cpu, lin);

	return X86_LIKELY(e->tag_r == x86_tlb_want(cpu, lin, 16))
		       ? x86_host(e, lin)
		       : NULL;
}

X86_INLINE void *x86_vec_store_ptr(struct x86_cpu *cpu, uint64_t lin)
{
	const struct x86_tlb_entry *e = x86_tlb_slot(cpu, lin);

	return X86_LIKELY(e->tag_w == x86_tlb_want(cpu, lin, 16))
		       ? x86_host(e, lin)
		       : NULL;
}

/* The rm operand; false: something is unusual. */
X86_INLINE bool x86_vec_source(struct x86_cpu *cpu, const struct x86_insn *in,
			       bool aligned, x86_v2 *out)
{
	const void *p;
	uint64_t lin;

	if (!x86_is_mem(in)) {
		*out = x86_vec_get(cpu, in->rm);
		return true;
	}
	lin = x86_lin(cpu, in, 16, false);
	p = x86_vec_load_ptr(cpu, lin);
	if (X86_UNLIKELY(!p || (aligned && lin & 15)))
		return false;
	memcpy(out, p, 16);
	return true;
}

/* The same of @size bytes, zero-extended from memory. */
X86_INLINE bool x86_vec_source_low(struct x86_cpu *cpu,
				   const struct x86_insn *in, unsigned int size,
				   x86_v2 *out)
{
	if (!x86_is_mem(in))
		*out = x86_vec_get(cpu, in->rm);
	else
		*out = (x86_v2){
			x86_read(cpu, x86_lin(cpu, in, size, false), size), 0
		};
	return true;
}

/* Of vector_float.c: map 0F, by mandatory prefix; NULL: not there. */
x86_fn *x86_vec_float(unsigned int pfx, uint8_t opcode);

#endif
