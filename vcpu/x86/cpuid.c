// SPDX-License-Identifier: MIT
/*
 * cpuid.c - the CPUID policy of the software engines.
 *
 * The host's vendor, family and model, because vector and x87 instructions
 * are the host's with its corner cases; of its features those that have a
 * meaning in vcpu/x86. Hidden on purpose: SMAP (guests then have no STAC and
 * CLAC to execute), AVX and later (no meaning yet), MTRR and machine checks
 * (nothing behind them), everything about performance and power.
 */
#include "vcpu/x86/cpuid.h"

#include <cpuid.h>
#include <string.h>

#include "base/checked.h"
#include "vcpu/x86/cpu.h"
#include "vcpu/x86/semantics.h"
#include "vcpu/x86/vector.h"

enum {
	EAX,
	EBX,
	ECX,
	EDX
};

#define BIT(n) (1u << (n))

/* Leaf 1 (SDM 2A, tables 3-10 and 3-11) */
#define L1_ECX_HOST                                                         \
	(BIT(0) | BIT(1) | BIT(9) | BIT(13) | BIT(19) | BIT(20) | BIT(23) | \
	 BIT(25)) /* SSE3 PCLMUL SSSE3 CX16 SSE4 POPCNT AES */
#define L1_ECX_OURS                                                  \
	(BIT(17) | BIT(21) | BIT(22) | BIT(24) | BIT(26) | BIT(30) | \
	 BIT(31)) /* PCID x2APIC MOVBE TSC_DEADLINE XSAVE RDRAND hypervisor */
#define L1_ECX_OSXSAVE BIT(27)
/* FPU DE PSE TSC MSR PAE CX8 APIC SEP PGE CMOV PAT PSE36 CLFSH MMX FXSR SSE2 */
#define L1_EDX_OURS                                                           \
	(BIT(0) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(8) |       \
	 BIT(9) | BIT(11) | BIT(13) | BIT(15) | BIT(16) | BIT(17) | BIT(19) | \
	 BIT(23) | BIT(24) | BIT(25) | BIT(26))
#define L1_EDX_HTT BIT(28)

/* Leaf 7: FSGSBASE BMI1 SMEP BMI2 ERMS INVPCID RDSEED CLFLUSHOPT CLWB; SHA */
#define L7_EBX_OURS                                                       \
	(BIT(0) | BIT(3) | BIT(7) | BIT(8) | BIT(9) | BIT(10) | BIT(18) | \
	 BIT(23) | BIT(24))
#define L7_EBX_HOST BIT(29)
#define L7_EDX_OURS BIT(4) /* FSRM */

/* 0x80000001: LAHF ABM PREFETCHW; SYSCALL NX 1GB RDTSCP LM */
#define X1_ECX_OURS (BIT(0) | BIT(5) | BIT(8))
#define X1_EDX_OURS (BIT(11) | BIT(20) | BIT(26) | BIT(27) | BIT(29))
/* Low bits that AMD repeats there. */
#define X1_EDX_COPY 0x0183f3ffu

#define XSAVE_SIZE 576u

static void host(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
	if (!__get_cpuid_count(leaf, sub, &out[EAX], &out[EBX], &out[ECX],
			       &out[EDX]))
		memset(out, 0, 4 * sizeof(out[0]));
}

uint32_t x86_host_vec_features(void)
{
	static const struct {
		uint8_t bit; /* of leaf 1 ECX */
		uint8_t feature;
	} map[] = {
		{ 0, X86_VEC_SSE3 },   { 1, X86_VEC_PCLMUL },
		{ 9, X86_VEC_SSSE3 },  { 19, X86_VEC_SSE41 },
		{ 20, X86_VEC_SSE42 }, { 25, X86_VEC_AES },
	};
	uint32_t r[4], out = 0;
	unsigned int i;

	host(1, 0, r);
	for (i = 0; i < ARRAY_SIZE(map); i++)
		if (r[ECX] & BIT(map[i].bit))
			out |= map[i].feature;
	host(7, 0, r);
	return r[EBX] & L7_EBX_HOST ? out | X86_VEC_SHA : out;
}

static bool host_is_amd(void)
{
	uint32_t r[4];

	host(0, 0, r);
	return r[EBX] == 0x68747541; /* "Auth" */
}

static void leaf_1(const struct x86_cpu *cpu, uint32_t out[4])
{
	uint32_t h[4];

	host(1, 0, h);
	out[EAX] = h[EAX];
	/* CLFLUSH of 64 bytes, CPUs, APIC id */
	out[EBX] = 8u << 8 | cpu->nr_cpus << 16 | cpu->id << 24;
	out[ECX] = (h[ECX] & L1_ECX_HOST) | L1_ECX_OURS;
	if (cpu->st.cr4 & X86_CR4_OSXSAVE)
		out[ECX] |= L1_ECX_OSXSAVE;
	out[EDX] = L1_EDX_OURS | (cpu->nr_cpus > 1 ? L1_EDX_HTT : 0);
}

static void leaf_7(uint32_t sub, uint32_t out[4])
{
	uint32_t h[4];

	if (sub)
		return;
	host(7, 0, h);
	out[EBX] = (h[EBX] & L7_EBX_HOST) | L7_EBX_OURS;
	out[EDX] = L7_EDX_OURS;
}

static unsigned int bits_for(unsigned int n)
{
	return n > 1 ? 32u - (unsigned int)__builtin_clz(n - 1) : 0;
}

/* One thread a core, all cores in one package. */
static void leaf_b(const struct x86_cpu *cpu, uint32_t sub, uint32_t out[4])
{
	out[ECX] = sub;
	out[EDX] = cpu->id;
	if (sub == 0) {
		out[EBX] = 1;
		out[ECX] |= 1 << 8;
	} else if (sub == 1) {
		out[EAX] = bits_for(cpu->nr_cpus);
		out[EBX] = cpu->nr_cpus;
		out[ECX] |= 2 << 8;
	}
}

static void leaf_d(const struct x86_cpu *cpu, uint32_t sub, uint32_t out[4])
{
	(void)cpu;
	if (sub)
		return;
	out[EAX] = 3; /* x87, SSE */
	out[EBX] = out[ECX] = XSAVE_SIZE;
}

static void leaf_kvm(const struct x86_cpu *cpu, uint32_t leaf, uint32_t out[4])
{
	if (leaf == 0x40000000) {
		out[EAX] = 0x40000010;
		memcpy(&out[EBX], "KVMKVMKVM\0\0\0", 12);
	} else if (leaf == 0x40000001) {
		out[EAX] = cpu->kvm_features;
	} else if (leaf == 0x40000010) {
		out[EAX] = cpu->tsc_khz;
	}
}

static void leaf_extended(const struct x86_cpu *cpu, uint32_t leaf,
			  uint32_t out[4])
{
	switch (leaf) {
	case 0x80000000:
		host(0, 0, out);
		out[EAX] = 0x80000008;
		break;
	case 0x80000001:
		host(leaf, 0, out);
		out[EBX] = 0;
		out[ECX] = X1_ECX_OURS;
		out[EDX] = X1_EDX_OURS;
		if (host_is_amd())
			out[EDX] |= L1_EDX_OURS & X1_EDX_COPY;
		break;
	case 0x80000002:
	case 0x80000003:
	case 0x80000004:
		host(leaf, 0, out);
		break;
	case 0x80000007:
		out[EDX] = BIT(8); /* invariant TSC */
		break;
	case 0x80000008:
		out[EAX] = 48u << 8 |
			   (unsigned int)__builtin_popcountll(cpu->phys_mask);
		out[ECX] = host_is_amd() ? cpu->nr_cpus - 1 : 0;
		break;
	}
}

void x86_cpuid(const struct x86_cpu *cpu, uint32_t leaf, uint32_t sub,
	       uint32_t out[4])
{
	memset(out, 0, 4 * sizeof(out[0]));
	if (leaf >= 0x80000000) {
		leaf_extended(cpu, leaf, out);
		return;
	}
	switch (leaf) {
	case 0:
		host(0, 0, out);
		out[EAX] = 0xd;
		break;
	case 1:
		leaf_1(cpu, out);
		break;
	case 6:
		out[EAX] = BIT(2); /* the APIC timer never stops */
		break;
	case 7:
		leaf_7(sub, out);
		break;
	case 0xb:
		leaf_b(cpu, sub, out);
		break;
	case 0xd:
		leaf_d(cpu, sub, out);
		break;
	default:
		leaf_kvm(cpu, leaf, out);
		break;
	}
}

void x86_do_cpuid(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint32_t out[4];

	(void)in;
	x86_cpuid(cpu, (uint32_t)cpu->reg[CPU_RAX], (uint32_t)cpu->reg[CPU_RCX],
		  out);
	cpu->reg[CPU_RAX] = out[EAX];
	cpu->reg[CPU_RBX] = out[EBX];
	cpu->reg[CPU_RCX] = out[ECX];
	cpu->reg[CPU_RDX] = out[EDX];
}
