/* SPDX-License-Identifier: MIT */
/*
 * entry.h - the state of a CPU after reset, and at a kernel's entry point.
 */
#ifndef MINIVMM_VCPU_X86_ENTRY_H
#define MINIVMM_VCPU_X86_ENTRY_H

struct boot_entry;
struct cpu_state;

/* The state after RESET (SDM 3A §9.1.1), local APIC included. */
void x86_reset_state(struct cpu_state *st, unsigned int apic_id);

/*
 * Change what the boot protocol of @entry defines, and what firmware would
 * have done before (caches, FPU, virtual wire mode), in a state made by
 * x86_reset_state(). The GDT and page tables it names are in guest RAM
 * already (boot_load()).
 */
void x86_entry_state(struct cpu_state *st, const struct boot_entry *entry);

#endif
