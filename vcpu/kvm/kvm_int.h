/* SPDX-License-Identifier: MIT */
/*
 * kvm_int.h - what the files of the KVM engine share.
 *
 *   kvm.c        the engine: probe, create, destroy, doorbells
 *   kvm_mem.c    RAM regions as memory slots, the dirty log
 *   kvm_irq.c    MSI routes, irqfds, the PIC's output
 *   kvm_cpuid.c  what the guest's CPUID says
 *   kvm_vcpu.c   one vCPU: create, run, kick
 *   kvm_exit.c   exits that are errors, in words
 *   kvm_assist.c an instruction that KVM cannot emulate
 *   kvm_soft.c   ... and all of them; kvm_soft_env.c, kvm_block.c, kvm_gate.c
 *   kvm_state.c  struct cpu_state to and from KVM
 */
#ifndef MINIVMM_VCPU_KVM_KVM_INT_H
#define MINIVMM_VCPU_KVM_KVM_INT_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "memory/bus.h"
#include "memory/irq.h"
#include "memory/layout_x86.h"
#include "memory/ram.h"
#include "vcpu/engine.h"
#include "vcpu/kvm/kvm_gate.h"

struct kvm_assist;
struct kvm_vcpu;

/* One GSI's way into the local APICs. */
struct kvm_route {
	int fd;	   /* irqfd, -1 until the pin is first unmasked */
	bool live; /* msg is in KVM's routing table */
	struct msi_msg msg;
};

struct kvm_engine {
	struct engine engine;
	int dev_fd; /* /dev/kvm */
	int vm_fd;
	struct ram *ram;
	struct bus *bus;
	struct irqchip *chip;
	unsigned int nr_cpus;
	size_t run_size; /* of a vCPU's mapping */

	struct ram_listener ram_listener;
	struct bus_listener bus_listener;
	struct irq_sink sink;

	pthread_mutex_t route_lock; /* routes[] and KVM's table */
	struct kvm_route routes[LAYOUT_GSIS];
	atomic_bool said_route;

	atomic_bool extint; /* the PIC asks for the first CPU */
	struct kvm_vcpu *_Atomic vcpu[LAYOUT_CPUS_MAX];

	atomic_bool soft;	   /* all instructions run in kvm_soft.c */
	pthread_mutex_t gate_lock; /* gate_pages, and who sets soft */
	void *gate_pages;

	struct kvm_cpuid2 *cpuid; /* template, without the per-CPU numbers */
	uint32_t tsc_khz;
};

struct kvm_vcpu {
	struct vcpu vcpu;
	int fd;
	struct kvm_run *run;
	_Atomic pid_t tid;	   /* of the thread in run(), 0 before */
	struct kvm_assist *assist; /* NULL until it is needed */
	struct kvm_gate gate;
	atomic_uint attention; /* kicked, for instructions that run here */
	timer_t patience;      /* with the emulator of this host */
	bool has_patience;
};

/* ioctl(2) that returns -errno. */
int kvm_ioctl(int fd, unsigned long request, const void *arg);

/*
 * A KVM without VMX or SVM below it is based on page tables only, and runs
 * the guest's ring 0 in KVM's instruction emulator: tiny guests work, stock
 * kernels do not.
 */
bool kvm_host_emulates(void);

struct kvm_engine *kvm_engine_of(struct vcpu *v);

/* kvm_mem.c */
int kvm_mem_init(struct kvm_engine *k);
void kvm_mem_fini(struct kvm_engine *k);

/* kvm_irq.c */
int kvm_irq_init(struct kvm_engine *k);
void kvm_irq_fini(struct kvm_engine *k);
/*
 * Before entering the guest on the first CPU: deliver the PIC's interrupt, or
 * ask KVM to tell when that is possible. 0 or -errno.
 */
int kvm_irq_inject_pic(struct kvm_engine *k, struct kvm_vcpu *v);

/* kvm_cpuid.c */
int kvm_cpuid_init(struct kvm_engine *k);
void kvm_cpuid_fini(struct kvm_engine *k);
int kvm_cpuid_set(struct kvm_engine *k, struct kvm_vcpu *v);

/* kvm_vcpu.c: engine_ops members */
int kvm_vcpu_create(struct engine *e, unsigned int id, struct vcpu **out);
void kvm_vcpu_destroy(struct vcpu *v);
int kvm_vcpu_run(struct vcpu *v, enum vcpu_exit *why);
void kvm_vcpu_kick(struct vcpu *v);
/* Let the kick's signal interrupt KVM_RUN; once per process is enough. */
int kvm_vcpu_install_kick(struct kvm_engine *k);

/* kvm_exit.c: log one line about an exit that ends the run; -errno. */
int kvm_exit_report(struct kvm_vcpu *v);

/*
 * kvm_assist.c: do the instruction at RIP in KVM's stead. 0, or -errno: it is
 * none that vcpu/x86 knows either. vCPU thread.
 */
int kvm_assist_step(struct kvm_vcpu *v);
/* The guest keeps KVM's emulator busy: take it over, if its state allows. */
void kvm_assist_all(struct kvm_vcpu *v);
void kvm_assist_destroy(struct kvm_assist *a);

/* kvm_state.c: engine_ops members */
int kvm_state_get(struct vcpu *v, struct cpu_state *st);
int kvm_state_set(struct vcpu *v, const struct cpu_state *st);
/* What KVM has, wherever the vCPU's instructions run. */
int kvm_state_read(struct vcpu *v, struct cpu_state *st);
/*
 * All but the local APIC, the clocks and KVM's own MSRs, which go on meanwhile
 * and would lose what came since they were read.
 */
int kvm_state_set_core(struct vcpu *v, const struct cpu_state *st);

#endif
