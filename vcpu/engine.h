/* SPDX-License-Identifier: MIT */
/*
 * engine.h - the boundary between the machine and whatever executes guest
 * instructions.
 *
 * How it works. An engine is created over RAM, a bus and the interrupt chips;
 * it adds itself as a listener to the first two and as the irq_sink of the
 * third. Port and MMIO accesses are not exits: the engine calls bus_read()
 * and bus_write() itself. run() returns only when the VM has to decide
 * something. Nothing outside an engine's folder asks which engine runs.
 */
#ifndef MINIVMM_VCPU_ENGINE_H
#define MINIVMM_VCPU_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

struct bus;
struct cpu_state;
struct engine;
struct engine_ops;
struct irqchip;
struct ram;
struct vcpu;
struct vtime;

enum vcpu_exit {
	VCPU_EXIT_KICKED,   /* vcpu kick: nothing happened */
	VCPU_EXIT_HALT,	    /* halted for good: no interrupt can wake it */
	VCPU_EXIT_RESET,    /* the guest asked for a reset in the CPU's way */
	VCPU_EXIT_SHUTDOWN, /* triple fault */
	VCPU_EXIT_DEBUG,    /* breakpoint or single step of a debugger */
};

struct engine_params {
	struct ram *ram;
	struct bus *bus;
	struct irqchip *chip;
	unsigned int nr_cpus;
	struct vtime *vtime; /* NULL: the host's time; see vtime.h */
};

/* Engines embed these two as their first member. */
struct engine {
	const struct engine_ops *ops;
};

struct vcpu {
	struct engine *engine;
	unsigned int id; /* and local APIC id */
};

/*
 * All return 0 or -errno and log one line where the detail is known. create,
 * destroy, vcpu_create and vcpu_destroy: one thread, no vCPU running.
 */
struct engine_ops {
	const char *name; /* "kvm", "dbt", "interp" */
	bool counts;	  /* instructions: keeps engine_params.vtime */
	/*
	 * 0; 1: works, but is no good choice, and in @why the reason; or
	 * -errno and in @why what is missing and what to do.
	 */
	int (*probe)(char *why, size_t why_len);
	int (*create)(struct engine **out, const struct engine_params *p);
	void (*destroy)(struct engine *e);
	/* CPU 0 starts runnable, the others wait for INIT. */
	int (*vcpu_create)(struct engine *e, unsigned int id,
			   struct vcpu **out);
	void (*vcpu_destroy)(struct vcpu *v);
	/* vCPU thread of v only, or before it starts. */
	int (*get_state)(struct vcpu *v, struct cpu_state *st);
	int (*set_state)(struct vcpu *v, const struct cpu_state *st);
	/*
	 * Run until one of enum vcpu_exit. -errno: the engine cannot go on;
	 * the line it logged names the guest's RIP, the bytes there and the
	 * reason. vCPU thread of v only.
	 */
	int (*run)(struct vcpu *v, enum vcpu_exit *why);
	/*
	 * Make run(), or the next run(), return VCPU_EXIT_KICKED soon. Any
	 * thread, async-signal-safe.
	 */
	void (*kick)(struct vcpu *v);
};

/*
 * The engine called @name, or for "auto" the first in the list whose probe is
 * content; with @counts only one that counts instructions. 0, *out and in @why
 * the reason for passing over better ones (empty when there is none); or -errno
 * and the reason in @why.
 */
int engine_select(const char *name, bool counts, const struct engine_ops **out,
		  char *why, size_t why_len);

#endif
