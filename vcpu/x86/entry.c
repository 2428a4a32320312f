// SPDX-License-Identifier: MIT
/*
 * entry.c - the state of a CPU after reset, and at a kernel's entry point.
 */
#include "vcpu/x86/entry.h"

#include <string.h>

#include "base/le.h"
#include "memory/boot/boot.h"
#include "vcpu/state.h"

/* SDM 3A §2.5 */
#define CR0_PE	     (1ull << 0)
#define CR0_ET	     (1ull << 4)
#define CR0_NW	     (1ull << 29)
#define CR0_CD	     (1ull << 30)
#define CR0_PG	     (1ull << 31)
#define CR4_PAE	     (1ull << 5)
#define EFER_LME     (1ull << 8)
#define EFER_LMA     (1ull << 10)
#define RFLAGS_FIXED (1ull << 1)

/* SDM 3A §10.4.4 */
#define APIC_BASE_BSP	 (1ull << 8)
#define APIC_BASE_ENABLE (1ull << 11)

/* SDM 3A §11.11.2.1: enabled, write-back */
#define MTRR_DEF_TYPE_WB 0x806ull
#define PAT_RESET	 0x0007040600070406ull
#define MISC_FAST_STRING 1ull

/* Local APIC registers (SDM 3A table 10-1) and their values */
enum {
	LAPIC_ID = 0x20,
	LAPIC_VERSION = 0x30,
	LAPIC_DFR = 0xe0,
	LAPIC_SVR = 0xf0,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,

	LAPIC_VERSION_RESET = 0x50014, /* six LVT entries, version 0x14 */
	LAPIC_LVT_MASKED = 1 << 16,
	LAPIC_LVT_NMI = 4 << 8,
	LAPIC_LVT_EXTINT = 7 << 8,
	LAPIC_SVR_RESET = 0xff,
	LAPIC_SVR_ENABLED = 0x1ff,
};

/* FXSAVE image and XSAVE header (SDM 1 §13.4) */
enum {
	XSAVE_FCW = 0,
	XSAVE_FTW = 4, /* abridged: a bit per register in use */
	XSAVE_MXCSR = 24,
	XSAVE_XSTATE_BV = 512,

	FCW_RESET = 0x40,
	FCW_FNINIT = 0x37f,
	FTW_RESET = 0xff, /* all zero, none empty */
	MXCSR_RESET = 0x1f80,
	XSTATE_X87_SSE = 3,
};

static void put_lapic(struct cpu_state *st, unsigned int reg, uint32_t v)
{
	le32 le = le32_put(v);

	memcpy(st->lapic + reg, &le, sizeof(le));
}

/* SDM 3A §10.4.7.1 */
static void reset_lapic(struct cpu_state *st, unsigned int apic_id)
{
	put_lapic(st, LAPIC_ID, apic_id << 24);
	put_lapic(st, LAPIC_VERSION, LAPIC_VERSION_RESET);
	put_lapic(st, LAPIC_DFR, UINT32_MAX);
	put_lapic(st, LAPIC_SVR, LAPIC_SVR_RESET);
	for (unsigned int r = LAPIC_LVT_TIMER; r <= LAPIC_LVT_ERROR; r += 0x10)
		put_lapic(st, r, LAPIC_LVT_MASKED);
	st->apic_base = LAYOUT_LAPIC | APIC_BASE_ENABLE;
	if (!apic_id)
		st->apic_base |= APIC_BASE_BSP;
}

static void set_fpu(struct cpu_state *st, uint16_t fcw, uint8_t ftw)
{
	le16 cw = le16_put(fcw);
	le32 mxcsr = le32_put(MXCSR_RESET);
	le64 used = le64_put(XSTATE_X87_SSE);

	memcpy(st->xsave + XSAVE_FCW, &cw, sizeof(cw));
	st->xsave[XSAVE_FTW] = ftw;
	memcpy(st->xsave + XSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
	memcpy(st->xsave + XSAVE_XSTATE_BV, &used, sizeof(used));
}

/* Types of segments (SDM 3A §3.4.5.1, §3.5) */
enum {
	TYPE_LDT = 2,
	TYPE_DATA = 3,	/* read/write, accessed */
	TYPE_CODE = 11, /* execute/read, accessed */
	TYPE_TSS_BUSY = 11,
};

static void set_segment(struct cpu_state *st, enum cpu_seg seg, uint64_t base,
			uint32_t limit, uint16_t selector, unsigned int access)
{
	st->seg[seg] = (struct cpu_segment){
		.base = base,
		.limit = limit,
		.selector = selector,
		.access = (uint16_t)(CPU_SEG_P | access),
	};
}

static void set_data_segments(struct cpu_state *st, uint64_t base,
			      uint32_t limit, uint16_t selector,
			      unsigned int access)
{
	static const enum cpu_seg data[] = { CPU_ES, CPU_SS, CPU_DS, CPU_FS,
					     CPU_GS };

	for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		set_segment(st, data[i], base, limit, selector,
			    CPU_SEG_S | TYPE_DATA | access);
}

/*
 * Table 9-1 calls CS read/write; hosts, and the checks of a VM entry (SDM 3C
 * §26.3.1.2), want the type of a code segment, which is all the same to a CPU
 * in real mode.
 */
static void reset_segments(struct cpu_state *st)
{
	set_segment(st, CPU_CS, 0xffff0000, 0xffff, 0xf000,
		    CPU_SEG_S | TYPE_CODE);
	set_data_segments(st, 0, 0xffff, 0, 0);
	set_segment(st, CPU_LDTR, 0, 0xffff, 0, TYPE_LDT);
	set_segment(st, CPU_TR, 0, 0xffff, 0, TYPE_TSS_BUSY);
	st->gdtr.limit = 0xffff;
	st->idtr.limit = 0xffff;
}

void x86_reset_state(struct cpu_state *st, unsigned int apic_id)
{
	memset(st, 0, sizeof(*st));
	st->gpr[CPU_RDX] = 0x600; /* family 6, as every x86-64 CPU says */
	st->rip = 0xfff0;
	st->rflags = RFLAGS_FIXED;
	reset_segments(st);
	st->cr0 = CR0_CD | CR0_NW | CR0_ET;
	st->xcr0 = 1; /* x87 is always on */
	st->dr[6] = 0xffff0ff0;
	st->dr[7] = 0x400;
	st->msr.pat = PAT_RESET;
	st->msr.misc_enable = MISC_FAST_STRING;
	st->mp_state = apic_id ? CPU_MP_UNINITIALIZED : CPU_MP_RUNNABLE;
	set_fpu(st, FCW_RESET, FTW_RESET);
	reset_lapic(st, apic_id);
}

/*
 * What firmware would have done before a kernel runs: caches on, FPU
 * initialised, interrupts of the 8259 let through ("virtual wire mode",
 * MultiProcessor Specification 1.4 §3.6.2.2).
 */
static void as_firmware_leaves_it(struct cpu_state *st)
{
	st->gpr[CPU_RDX] = 0;
	st->cr0 = CR0_ET;
	st->msr.mtrr_def_type = MTRR_DEF_TYPE_WB;
	set_fpu(st, FCW_FNINIT, 0);
	put_lapic(st, LAPIC_SVR, LAPIC_SVR_ENABLED);
	put_lapic(st, LAPIC_LVT_LINT0, LAPIC_LVT_EXTINT);
	put_lapic(st, LAPIC_LVT_LINT1, LAPIC_LVT_NMI);
}

static void enter_real(struct cpu_state *st, const struct boot_entry *e)
{
	uint16_t selector = (uint16_t)(e->entry >> 4);

	set_segment(st, CPU_CS, e->entry, 0xffff, selector,
		    CPU_SEG_S | TYPE_CODE);
	set_data_segments(st, e->entry, 0xffff, selector, 0);
	st->idtr.limit = 0x3ff;
	st->gpr[CPU_RSP] = 0xfff0;
	st->rip = 0;
}

/* @size is what tells 32-bit from 64-bit code: CPU_SEG_DB or CPU_SEG_L. */
static void enter_flat(struct cpu_state *st, const struct boot_entry *e,
		       unsigned int size)
{
	set_segment(st, CPU_CS, 0, UINT32_MAX, BOOT_SEL_CODE,
		    CPU_SEG_S | TYPE_CODE | CPU_SEG_G | size);
	set_data_segments(st, 0, UINT32_MAX, BOOT_SEL_DATA,
			  CPU_SEG_G | CPU_SEG_DB);
	st->seg[CPU_LDTR] = (struct cpu_segment){ 0 };
	set_segment(st, CPU_TR, 0, 0x67, BOOT_SEL_TSS, TYPE_TSS_BUSY);
	st->gdtr = (struct cpu_table){ LAYOUT_BOOT_GDT, BOOT_GDT_SIZE - 1 };
	st->idtr = (struct cpu_table){ 0 };
	st->cr0 |= CR0_PE;
	st->gpr[CPU_RSP] = LAYOUT_BOOT_STACK;
	st->rip = e->entry;
}

static void enter_long64(struct cpu_state *st, const struct boot_entry *e)
{
	enter_flat(st, e, CPU_SEG_L);
	st->cr0 |= CR0_PG;
	st->cr3 = LAYOUT_PAGE_TABLES;
	st->cr4 = CR4_PAE;
	st->efer = EFER_LME | EFER_LMA;
	st->gpr[CPU_RSI] = e->info;
}

void x86_entry_state(struct cpu_state *st, const struct boot_entry *entry)
{
	as_firmware_leaves_it(st);
	switch (entry->mode) {
	case BOOT_MODE_REAL:
		enter_real(st, entry);
		break;
	case BOOT_MODE_PROT32:
		enter_flat(st, entry, CPU_SEG_DB);
		st->gpr[CPU_RBX] = entry->info;
		break;
	case BOOT_MODE_LINUX32:
		enter_flat(st, entry, CPU_SEG_DB);
		st->gpr[CPU_RSI] = entry->info;
		break;
	case BOOT_MODE_LONG64:
		enter_long64(st, entry);
		break;
	}
}
