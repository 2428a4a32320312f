/* SPDX-License-Identifier: MIT */
/*
 * cpu.h - the context that instructions execute in.
 *
 * How it works. struct x86_cpu holds the architected state in the form in
 * which it is fast to use: registers in one array, flags as the last result
 * and its carries, segment bases with 64-bit mode's zeroes applied, and a
 * software TLB (mem.h). x86_cpu_load() makes it from a struct cpu_state,
 * x86_cpu_store() makes a cpu_state of it; members of x86_cpu.st that have
 * such a form are stale in between.
 *
 *   fetch (engine) -> decode -> x86_do_<insn>(cpu, in) -> next
 *                                   | x86_raise(): longjmp to cpu->unwind
 *                                   v
 *                       x86_handle_fault(): deliver through the IDT
 *
 * An instruction that faults leaves everything as it was but for what the
 * SDM lets it (string instructions stop between two elements), because each
 * x86_do_<insn>() accesses memory before it changes a register. Whoever runs
 * instructions sets cpu->unwind first; nothing between there and x86_raise()
 * owns anything, so nothing leaks.
 *
 * Threads: the vCPU's own only.
 */
#ifndef MINIVMM_VCPU_X86_CPU_H
#define MINIVMM_VCPU_X86_CPU_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory/layout_x86.h"
#include "vcpu/state.h"
#include "vcpu/x86/insn.h"

struct bus;
struct ram;
struct x86_cpu;

#define X86_LIKELY(c)	__builtin_expect(!!(c), 1)
#define X86_UNLIKELY(c) __builtin_expect(!!(c), 0)
#define X86_INLINE	static inline __attribute__((always_inline))

/* RFLAGS (SDM 1 §3.4.3) */
#define X86_FL_CF     0x1ull
#define X86_FL_ONE    0x2ull
#define X86_FL_PF     0x4ull
#define X86_FL_AF     0x10ull
#define X86_FL_ZF     0x40ull
#define X86_FL_SF     0x80ull
#define X86_FL_TF     0x100ull
#define X86_FL_IF     0x200ull
#define X86_FL_DF     0x400ull
#define X86_FL_OF     0x800ull
#define X86_FL_IOPL   0x3000ull
#define X86_FL_NT     0x4000ull
#define X86_FL_RF     0x10000ull
#define X86_FL_VM     0x20000ull
#define X86_FL_AC     0x40000ull
#define X86_FL_VIF    0x80000ull
#define X86_FL_VIP    0x100000ull
#define X86_FL_ID     0x200000ull
#define X86_FL_STATUS 0x8d5ull /* CF PF AF ZF SF OF */
#define X86_FL_VALID  0x3f7fd7ull

/* CR0, CR4, EFER */
#define X86_CR0_PE	0x1ull
#define X86_CR0_MP	0x2ull
#define X86_CR0_EM	0x4ull
#define X86_CR0_TS	0x8ull
#define X86_CR0_ET	0x10ull
#define X86_CR0_NE	0x20ull
#define X86_CR0_WP	0x10000ull
#define X86_CR0_AM	0x40000ull
#define X86_CR0_NW	0x20000000ull
#define X86_CR0_CD	0x40000000ull
#define X86_CR0_PG	0x80000000ull
#define X86_CR4_VME	0x1ull
#define X86_CR4_PVI	0x2ull
#define X86_CR4_TSD	0x4ull
#define X86_CR4_DE	0x8ull
#define X86_CR4_PSE	0x10ull
#define X86_CR4_PAE	0x20ull
#define X86_CR4_MCE	0x40ull
#define X86_CR4_PGE	0x80ull
#define X86_CR4_PCE	0x100ull
#define X86_CR4_OSFXSR	0x200ull
#define X86_CR4_OSXMM	0x400ull
#define X86_CR4_UMIP	0x800ull
#define X86_CR4_FSGS	0x10000ull
#define X86_CR4_PCIDE	0x20000ull
#define X86_CR4_OSXSAVE 0x40000ull
#define X86_CR4_SMEP	0x100000ull
#define X86_CR4_SMAP	0x200000ull
/* What CPUID offers: no VME, SMAP, UMIP, PKE, LA57. */
#define X86_CR4_KNOWN                                                         \
	(X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_MCE | \
	 X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMM |         \
	 X86_CR4_FSGS | X86_CR4_PCIDE | X86_CR4_OSXSAVE | X86_CR4_SMEP)
#define X86_EFER_SCE 0x1ull
#define X86_EFER_LME 0x100ull
#define X86_EFER_LMA 0x400ull
#define X86_EFER_NXE 0x800ull

/* Exceptions (SDM 3A §6.3) */
enum x86_vector {
	X86_DE = 0,
	X86_DB = 1,
	X86_NMI = 2,
	X86_BP = 3,
	X86_OF = 4,
	X86_BR = 5,
	X86_UD = 6,
	X86_NM = 7,
	X86_DF = 8,
	X86_TS = 10,
	X86_NP = 11,
	X86_SS = 12,
	X86_GP = 13,
	X86_PF = 14,
	X86_MF = 16,
	X86_AC = 17,
	X86_MC = 18,
	X86_XM = 19,
};

/* What an instruction needs of its engine. Required, but for the last two. */
struct x86_env_ops {
	/* Time stamp counter of this CPU, offset applied. */
	uint64_t (*tsc)(struct x86_cpu *cpu);
	void (*set_tsc)(struct x86_cpu *cpu, uint64_t tsc);
	/* What is not RAM: local APIC or bus. @len 1, 2, 4 or 8. */
	uint64_t (*mmio_read)(struct x86_cpu *cpu, gpa_t gpa, unsigned int len);
	void (*mmio_write)(struct x86_cpu *cpu, gpa_t gpa, unsigned int len,
			   uint64_t val);
	/*
	 * MSRs that are not the CPU core's: APIC base, x2APIC, TSC deadline,
	 * paravirtual ones. 0, or -1: #GP.
	 */
	int (*rdmsr)(struct x86_cpu *cpu, uint32_t index, uint64_t *val);
	int (*wrmsr)(struct x86_cpu *cpu, uint32_t index, uint64_t val);
	/* CR8, the task priority. */
	uint64_t (*get_cr8)(struct x86_cpu *cpu);
	void (*set_cr8)(struct x86_cpu *cpu, uint64_t val);
	/*
	 * The page at @gpa is about to become writable in the TLB, or was
	 * just written without it: forget code decoded from it, log it dirty.
	 */
	void (*write_page)(struct x86_cpu *cpu, gpa_t gpa);
	/* What is executed at a linear address may have changed. */
	void (*flush_code)(struct x86_cpu *cpu);
	/* KVM's hypercall @nr; the result goes to RAX. */
	uint64_t (*hypercall)(struct x86_cpu *cpu, uint64_t nr);
	/* A random number; false: none now. */
	bool (*random)(struct x86_cpu *cpu, uint64_t *val);
	/* The guest spins: let others run. */
	void (*pause)(struct x86_cpu *cpu);
	/*
	 * Hold all other CPUs between two instructions, then let them go on.
	 * Both NULL: an engine that cannot.
	 */
	void (*stop_others)(struct x86_cpu *cpu);
	void (*resume_others)(struct x86_cpu *cpu);
};

/*
 * One page in the software TLB. A tag is the page's linear address plus the
 * generation of the TLB in the low 12 bits, or 0: a flush is a new generation.
 */
struct x86_tlb_entry {
	uint64_t tag_r, tag_w;
	uint64_t addend; /* host address minus linear address */
	uint64_t gpa;
};

#define X86_TLB_SIZE 2048
#define X86_PAGE     4096ull

struct x86_itlb_entry {
	uint64_t tag;
	gpa_t gpa;
	const uint8_t *host;
};

#define X86_ITLB_SIZE 256

/* The fault that x86_raise() left for x86_handle_fault(). */
struct x86_fault {
	uint8_t vector;
	bool has_error;
	uint32_t error;
	uint64_t cr2; /* of #PF */
	uint64_t dr6; /* of #DB: bits to set */
};

struct x86_cpu {
	uint64_t reg[X86_NR_REGS];
	uint64_t rip; /* valid between blocks; see x86_ip() */
	/*
	 * The six status flags: flag_res is the last result, sign-extended
	 * (ZF, SF, PF); flag_aux holds its carries: 63 CF, 63^62 OF, 3 AF,
	 * and 0: SF is inverted, 1: PF is inverted.
	 */
	int64_t flag_res;
	uint64_t flag_aux;
	uint64_t rflags; /* all others, X86_FL_ONE included */
	uint64_t seg_base[X86_NR_BASES];
	const struct x86_tlb_entry *tlb; /* the set of the current CPL */
	uint64_t tlb_gen;
	const struct x86_insn *cur;
	uint8_t mode;	    /* enum x86_mode, of the code segment */
	uint8_t stack_size; /* 2, 4 or 8 */
	uint8_t cpl;
	uint8_t flat;	/* legacy modes: bit per segment, see x86_lin() */
	bool long_mode; /* EFER.LMA */
	bool watch;	/* data breakpoints: every access goes the slow way */
	bool align;	/* so it does here, for #AC */
	bool halted;
	bool shutdown;		/* triple fault */
	uint8_t delivering;	/* exception under delivery + 1, or 0 */
	bool external;		/* ... that no instruction asked for */
	uint64_t pending_dr6;	/* #DB after this instruction */
	uint64_t repeated;	/* iterations of REP since who counts set it */
	uint64_t repeat_max;	/* after so many it stops: 1 or more */
	atomic_uint *attention; /* not 0: leave the guest after this block */

	jmp_buf unwind;
	struct x86_fault fault;

	struct ram *ram;
	struct bus *bus;
	const struct x86_env_ops *env;
	void *env_ctx;
	struct x86_thunks *thunks; /* native vector and x87 code */
	uint64_t phys_mask;	   /* valid bits of a physical address */
	unsigned int id, nr_cpus;
	uint32_t tsc_khz, kvm_features; /* for CPUID */
	uint32_t vec_features;		/* X86_VEC_, what the host can run */

	struct cpu_state st;
	struct x86_itlb_entry itlb[2][X86_ITLB_SIZE];
	struct x86_tlb_entry tlb_set[2][X86_TLB_SIZE]; /* CPL<3, CPL 3 */
};

/* Zero @cpu and set what does not change. */
void x86_cpu_init(struct x86_cpu *cpu, struct ram *ram, struct bus *bus,
		  const struct x86_env_ops *env, void *env_ctx);

/*
 * Can a CPU be in this state? -EINVAL: the modes in it contradict each other,
 * and nothing here is made for that. To be asked of states that others made.
 */
int x86_check_state(const struct cpu_state *st);

/* @st as x86_check_state() wants it. */
void x86_cpu_load(struct x86_cpu *cpu, const struct cpu_state *st);
void x86_cpu_store(struct x86_cpu *cpu, struct cpu_state *st);

/*
 * A segment register, CR0, EFER or RFLAGS.VM changed: derive mode, CPL, stack
 * size, bases and the TLB set again.
 */
void x86_update_mode(struct x86_cpu *cpu);

/* Only RFLAGS.AC did. */
void x86_update_align(struct x86_cpu *cpu);

/* DR7 changed: data breakpoints need every access to go the slow way. */
void x86_update_watch(struct x86_cpu *cpu);

/* Deliver exception @vector instead of finishing the instruction. */
_Noreturn void x86_raise(struct x86_cpu *cpu, enum x86_vector vector);
_Noreturn void x86_raise_error(struct x86_cpu *cpu, enum x86_vector vector,
			       uint32_t error);
_Noreturn void x86_raise_page_fault(struct x86_cpu *cpu, uint64_t lin,
				    uint32_t error);

/* The address of the current instruction, and of the one after @in. */
static inline uint64_t x86_ip_mask(const struct x86_insn *in, uint64_t ip)
{
	return in->flags & X86_F_CODE64 ? ip : (uint32_t)ip;
}

static inline uint64_t x86_ip(const struct x86_cpu *cpu,
			      const struct x86_insn *in)
{
	return x86_ip_mask(in, cpu->reg[X86_REG_IP] + in->off);
}

static inline uint64_t x86_next_ip(const struct x86_cpu *cpu,
				   const struct x86_insn *in)
{
	return x86_ip_mask(in, cpu->reg[X86_REG_IP] + in->off + in->len);
}

static inline bool x86_protected(const struct x86_cpu *cpu)
{
	return cpu->st.cr0 & X86_CR0_PE;
}

static inline bool x86_v86(const struct x86_cpu *cpu)
{
	return cpu->rflags & X86_FL_VM;
}

static inline bool x86_real_or_v86(const struct x86_cpu *cpu)
{
	return !x86_protected(cpu) || x86_v86(cpu);
}

/* #GP(0) when CPL > 0. */
static inline void x86_need_cpl0(struct x86_cpu *cpu)
{
	if (cpu->cpl)
		x86_raise_error(cpu, X86_GP, 0);
}

static inline unsigned int x86_iopl(const struct x86_cpu *cpu)
{
	return (cpu->rflags & X86_FL_IOPL) >> 12;
}

#endif
