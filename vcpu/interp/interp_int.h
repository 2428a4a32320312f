/* SPDX-License-Identifier: MIT */
/*
 * interp_int.h - what the files of the interpreter share.
 *
 *   interp.c        the engine: create, destroy, listeners
 *   interp_code.c   which pages hold decoded code, for all vCPUs
 *   interp_block.c  one vCPU's cache of decoded blocks
 *   interp_env.c    what instructions need of the engine: time, MMIO, MSRs
 *   interp_vcpu.c   one vCPU: create, state, kick, sleep
 *   interp_event.c  interrupts, NMI, INIT, SIPI, requests of other threads
 *   interp_run.c    the loop
 *   interp_stop.c   one vCPU alone, the others between two instructions
 *   interp_count.c  the same with every instruction counted, for vtime.h
 */
#ifndef MINIVMM_VCPU_INTERP_INTERP_INT_H
#define MINIVMM_VCPU_INTERP_INTERP_INT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/seed.h"
#include "memory/ram.h"
#include "vcpu/engine.h"
#include "vcpu/irqchip/lapic.h"
#include "vcpu/x86/cpu.h"
#include "vcpu/x86/pvclock.h"

struct bus;
struct interp_vcpu;
struct irqchip;
struct vtime;

/* What asks for a vCPU's attention, beside LAPIC_ATTENTION */
enum interp_attention {
	INTERP_KICK = 0x02,
	INTERP_NMI = 0x04,
	INTERP_INIT = 0x08,
	INTERP_SIPI = 0x10,
	INTERP_FLUSH = 0x20, /* drop writable translations: see code.c */
	INTERP_CLOCK = 0x40, /* counted: a deadline may be nearer now */
	INTERP_STOP = 0x80,  /* stand still while another one is alone */
};

/*
 * What is known of each page of RAM; index: interp_page(). Lazily touched
 * memory: a page of zeroes costs nothing.
 */
struct interp_code {
	uint64_t nr_pages;
	uint64_t low_pages;	 /* in region 0 */
	_Atomic uint8_t *flags;	 /* INTERP_PAGE_ */
	_Atomic uint32_t *gen;	 /* blocks of another generation are dead */
	_Atomic uint32_t *epoch; /* the flush that made it safe, see code.c */
	_Atomic uint32_t last_epoch;
	_Atomic uint64_t *_Atomic dirty; /* bitmap while the log is on */
};

#define INTERP_PAGE_CODE     0x1u /* blocks were decoded from it */
#define INTERP_PAGE_WRITABLE 0x2u /* some TLB may have it writable */

struct interp_engine {
	struct engine engine;
	struct ram *ram;
	struct bus *bus;
	struct irqchip *chip;
	struct lapic_bus *lapics;
	struct ram_listener listener;
	struct interp_code code;
	unsigned int nr_cpus;
	struct vtime *vtime; /* NULL: the host's time */
	uint64_t tsc_khz;
	uint64_t tsc_start; /* the host's, at the VM's time 0 */
	struct x86_pvclock_scale scale;
	struct interp_vcpu *_Atomic vcpu[LAYOUT_CPUS_MAX];
	pthread_mutex_t alone; /* held by the one that runs */
};

#define INTERP_BLOCK_MAX 64 /* instructions, the synthetic end included */

/* Instructions that run one after the other, from one page. */
struct interp_block {
	gpa_t gpa;
	uint64_t page;
	uint32_t gen;
	uint8_t mode; /* enum x86_mode */
	uint8_t nr;   /* instructions of the guest's */
	struct x86_insn insn[];
};

/*
 * Where 64-bit code went before: the block at a linear address, for one
 * generation of the TLB and one privilege (the key).
 */
struct interp_jump {
	uint64_t rip, key;
	const struct interp_block *block;
};

#define INTERP_JUMPS 4096u

/* Index: hash of the guest-physical address. The arena is filled, then all
 * is forgotten: no list to keep, no block to free. */
struct interp_blocks {
	struct interp_jump jump[INTERP_JUMPS];
	struct interp_block **table;
	char *arena;
	size_t used;
	struct interp_block *single; /* decoded for one execution */
};

struct interp_vcpu {
	struct vcpu vcpu;
	struct lapic_owner owner; /* its attention word is the CPU's */
	struct lapic *lapic;
	struct interp_blocks blocks;
	uint64_t tsc_offset; /* added to the VM's TSC */
	uint64_t deadline;   /* of the APIC timer, in ns of the VM's time */
	unsigned int budget; /* blocks until the clock is looked at */
	struct vtime *vtime; /* the engine's */
	const struct interp_block *block; /* counted: the one under way */
	struct seed seed;		  /* counted: of RDRAND */
	atomic_uint sipi_vector;
	atomic_bool running;   /* may use translations */
	atomic_bool standing;  /* ... but waits to go on: see stop.c */
	_Atomic uint32_t seen; /* the last epoch it has flushed for */
	struct x86_cpu cpu;
};

static inline struct interp_vcpu *interp_of_cpu(struct x86_cpu *cpu)
{
	return cpu->env_ctx;
}

static inline struct interp_engine *interp_of_vcpu(const struct interp_vcpu *v)
{
	return (struct interp_engine *)(void *)v->vcpu.engine;
}

/* interp_code.c */
int interp_code_init(struct interp_code *c, const struct ram *ram);
void interp_code_fini(struct interp_code *c);
/* Index of the page at @gpa, which is RAM. */
uint64_t interp_page(const struct interp_code *c, gpa_t gpa);
/*
 * The vCPU is about to decode from @page: from here on, writes to it are
 * noticed. Before that, read the page's generation.
 */
void interp_code_begin(struct interp_vcpu *v, uint64_t page);
/* May what was decoded since be kept? */
bool interp_code_may_keep(struct interp_vcpu *v, uint64_t page);
/* The page is about to be written: forget its code, note it dirty. */
void interp_code_written(struct interp_engine *e, uint64_t page);
/* vCPU thread: INTERP_FLUSH is set. */
void interp_code_flush(struct interp_vcpu *v);
/* Dirty log: on, off, fetch; see struct ram_listener. */
int interp_code_log(struct interp_engine *e, bool on);
int interp_code_fetch_log(struct interp_engine *e, const struct ram_region *r,
			  uint64_t *bitmap);

/* interp_block.c */
int interp_blocks_init(struct interp_blocks *b);
void interp_blocks_fini(struct interp_blocks *b);
/* Translations of linear addresses may have changed. */
void interp_blocks_forget_jumps(struct interp_blocks *b);
/* The block at cpu->rip. May unwind: a page fault of the fetch, #UD, #GP. */
const struct interp_block *interp_block_find(struct interp_vcpu *v);
/* Only the one instruction at cpu->rip; valid until the next call. */
const struct interp_block *interp_block_single(struct interp_vcpu *v);

/* interp_env.c */
extern const struct x86_env_ops interp_env_ops;
extern const struct lapic_ops interp_lapic_ops;
/* The VM's time in ns, and a vCPU's time stamp counter. */
uint64_t interp_now(const struct interp_engine *e);
uint64_t interp_tsc(const struct interp_vcpu *v);
void interp_set_tsc(struct interp_vcpu *v, uint64_t tsc);
/* Write the clock page that the guest asked for, again. 0 or -errno. */
int interp_publish_clock(struct interp_vcpu *v);

/* interp_vcpu.c: engine_ops members */
int interp_vcpu_create(struct engine *e, unsigned int id, struct vcpu **out);
void interp_vcpu_destroy(struct vcpu *v);
int interp_vcpu_get_state(struct vcpu *v, struct cpu_state *st);
int interp_vcpu_set_state(struct vcpu *v, const struct cpu_state *st);
void interp_vcpu_kick(struct vcpu *v);
/* Set @bits in the vCPU's attention word and end its sleep. Any thread. */
void interp_vcpu_ask(struct interp_vcpu *v, unsigned int bits);
/* Sleep while the attention word is @seen, to the timer's deadline at most. */
void interp_vcpu_sleep(struct interp_vcpu *v, unsigned int seen);
/* The same until somebody sets a bit. */
void interp_vcpu_wait(struct interp_vcpu *v, unsigned int seen);

/* interp_stop.c */
/*
 * Wait until all other vCPUs stand between two instructions, or do not run;
 * until resume they stay there. Nothing in between may unwind.
 */
void interp_stop_others(struct interp_vcpu *v);
void interp_resume_others(struct interp_vcpu *v);
/* INTERP_STOP is set: stand until whoever is alone has resumed. */
void interp_stand(struct interp_vcpu *v);

/* interp_event.c */
/*
 * Look at requests and interrupts, sleep while halted. True when run() is to
 * return *why. May unwind.
 */
bool interp_attend(struct interp_vcpu *v, enum vcpu_exit *why);

/* interp_count.c: only with a vtime */
void interp_count_init(struct interp_vcpu *v);
/* The machine has ended? Then wait for the kick. */
void interp_count_begin(struct interp_vcpu *v);
/* Ring what is due. May unwind. */
void interp_count_look(struct interp_vcpu *v);
/* The block at cpu->rip, none that a deadline comes inside of. May unwind. */
const struct interp_block *interp_count_find(struct interp_vcpu *v);
/* Run @block, up to an instruction that asks for attention. May unwind. */
void interp_count_block(struct interp_vcpu *v,
			const struct interp_block *block);
/* A fault or trap has unwound. */
void interp_count_unwound(struct interp_vcpu *v);
/* Halted: on to the next deadline, or wait while the attention is @seen. */
void interp_count_sleep(struct interp_vcpu *v, unsigned int seen);
/* A device was written to: wait until it has done its work. */
void interp_count_settle(const struct interp_vcpu *v);

/* interp_run.c: engine_ops member */
int interp_vcpu_run(struct vcpu *v, enum vcpu_exit *why);

#endif
