/* SPDX-License-Identifier: MIT */
/*
 * state.h - the architected state of one x86-64 CPU, engine-neutral.
 *
 * What get_state() of one engine fills, set_state() of any engine takes. The
 * numbers are what the SDM calls them; nothing here is derived.
 */
#ifndef MINIVMM_VCPU_STATE_H
#define MINIVMM_VCPU_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* Order of ModRM and of KVM_GET_REGS' names (SDM 2A §2.1.5) */
enum cpu_gpr {
	CPU_RAX,
	CPU_RCX,
	CPU_RDX,
	CPU_RBX,
	CPU_RSP,
	CPU_RBP,
	CPU_RSI,
	CPU_RDI,
	CPU_R8,
	CPU_R9,
	CPU_R10,
	CPU_R11,
	CPU_R12,
	CPU_R13,
	CPU_R14,
	CPU_R15,
	CPU_NR_GPRS,
};

/* Order of the sreg field (SDM 2B, "MOV"), then the two system registers */
enum cpu_seg {
	CPU_ES,
	CPU_CS,
	CPU_SS,
	CPU_DS,
	CPU_FS,
	CPU_GS,
	CPU_LDTR,
	CPU_TR,
	CPU_NR_SEGS,
};

/* Hidden part included (SDM 3A §3.4.3) */
struct cpu_segment {
	uint64_t base;
	uint32_t limit; /* in bytes, granularity applied */
	uint16_t selector;
	/*
	 * Access rights as in a descriptor's bits 40..55: type 3:0, S 4,
	 * DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15. An unusable segment
	 * has P = 0.
	 */
	uint16_t access;
};

#define CPU_SEG_S   0x0010u
#define CPU_SEG_P   0x0080u
#define CPU_SEG_AVL 0x1000u
#define CPU_SEG_L   0x2000u
#define CPU_SEG_DB  0x4000u
#define CPU_SEG_G   0x8000u

struct cpu_table {
	uint64_t base;
	uint16_t limit;
};

/* MSRs that are part of the state (SDM 4, chapter 2; KVM's own: msr.rst) */
struct cpu_msrs {
	uint64_t star, lstar, cstar, fmask;
	uint64_t kernel_gs_base;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t pat, misc_enable, mtrr_def_type;
	uint64_t tsc, tsc_aux, tsc_deadline, tsc_adjust;
	uint64_t spec_ctrl;
	/* KVM paravirtual MSRs */
	uint64_t kvm_system_time, kvm_wall_clock;
	uint64_t kvm_async_pf_en, kvm_async_pf_int, kvm_steal_time;
	uint64_t kvm_pv_eoi_en, kvm_poll_control;
};

enum cpu_mp_state {
	CPU_MP_RUNNABLE,
	CPU_MP_UNINITIALIZED, /* waits for INIT */
	CPU_MP_INIT_RECEIVED, /* waits for SIPI */
	CPU_MP_HALTED,
};

/* Events accepted but not delivered yet, and what holds others off */
struct cpu_events {
	bool exception_pending;
	bool exception_has_error;
	uint8_t exception_vector;
	uint32_t exception_error;
	bool interrupt_injected; /* delivery was under way */
	bool interrupt_soft;
	uint8_t interrupt_vector;
	bool nmi_injected, nmi_pending, nmi_masked;
	bool shadow_sti, shadow_mov_ss; /* SDM 3A §6.8.3 */
};

#define CPU_XSAVE_MAX  4096 /* x87, SSE, AVX, AVX-512, PKRU: standard format */
#define CPU_LAPIC_SIZE 1024 /* the register page up to the last register */

struct cpu_state {
	uint64_t gpr[CPU_NR_GPRS];
	uint64_t rip;
	uint64_t rflags;
	struct cpu_segment seg[CPU_NR_SEGS];
	struct cpu_table gdtr, idtr;
	uint64_t cr0, cr2, cr3, cr4, cr8;
	uint64_t efer;
	uint64_t xcr0;
	uint64_t dr[8]; /* 4 and 5 unused */
	uint64_t apic_base;
	struct cpu_msrs msr;
	struct cpu_events events;
	enum cpu_mp_state mp_state;
	/* SDM 1 §13.4, standard (non-compacted) form */
	_Alignas(64) uint8_t xsave[CPU_XSAVE_MAX];
	/* SDM 3A §10.4.1, one 32-bit register every 16 bytes */
	uint8_t lapic[CPU_LAPIC_SIZE];
};

#endif
