// SPDX-License-Identifier: MIT
/*
 * interp_vcpu.c - one interpreted vCPU: create, state, kick, sleep.
 *
 * How it works. Requests of other threads are bits in the attention word,
 * which the loop looks at between two blocks. A halted CPU sleeps in
 * futex(2) on that very word: a bit that is set just before it sleeps makes
 * the word another one, and the sleep does not begin.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/log.h"
#include "vcpu/interp/interp_int.h"
#include "vcpu/x86/entry.h"
#include "vcpu/x86/thunk.h"

#define NS_PER_S 1000000000ull

/* Linux virt/kvm/x86/cpuid.rst: NOP_IO_DELAY, CLOCKSOURCE2, its stability */
#define KVM_FEATURES (1u << 1 | 1u << 3 | 1u << 24)

static struct interp_vcpu *of_vcpu(struct vcpu *v)
{
	return container_of(v, struct interp_vcpu, vcpu);
}

static long futex(atomic_uint *word, int op, unsigned int val,
		  const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, val, timeout,
		       NULL, 0);
}

void interp_vcpu_ask(struct interp_vcpu *v, unsigned int bits)
{
	atomic_fetch_or(&v->owner.attention, bits);
	if (!atomic_load(&v->running))
		futex(&v->owner.attention, FUTEX_WAKE, 1, NULL);
}

static void sleep_on(struct interp_vcpu *v, unsigned int seen,
		     const struct timespec *timeout)
{
	atomic_store(&v->running, false);
	futex(&v->owner.attention, FUTEX_WAIT, seen, timeout);
	atomic_store(&v->running, true);
}

void interp_vcpu_wait(struct interp_vcpu *v, unsigned int seen)
{
	sleep_on(v, seen, NULL);
}

void interp_vcpu_sleep(struct interp_vcpu *v, unsigned int seen)
{
	uint64_t now = interp_now(interp_of_vcpu(v));
	struct timespec t, *timeout = NULL;

	if (v->vtime) {
		interp_count_sleep(v, seen);
		return;
	}
	if (v->deadline != LAPIC_NEVER) {
		uint64_t ns = v->deadline > now ? v->deadline - now : 0;

		t.tv_sec = (time_t)(ns / NS_PER_S);
		t.tv_nsec = (long)(ns % NS_PER_S);
		timeout = &t;
	}
	sleep_on(v, seen, timeout);
	lapic_run_timer(v->lapic);
}

void interp_vcpu_kick(struct vcpu *v)
{
	interp_vcpu_ask(of_vcpu(v), INTERP_KICK);
}

static int create_lapic(struct interp_engine *e, struct interp_vcpu *v)
{
	const struct lapic_params p = {
		.bus = e->lapics,
		.owner = &v->owner,
		.id = v->vcpu.id,
		.tsc_khz = e->tsc_khz,
		.phys_bits =
			(unsigned int)__builtin_popcountll(v->cpu.phys_mask),
	};

	return lapic_create(&v->lapic, &p);
}

static void init_cpu(struct interp_engine *e, struct interp_vcpu *v)
{
	struct x86_cpu *cpu = &v->cpu;
	struct cpu_state st;

	x86_cpu_init(cpu, e->ram, e->bus, &interp_env_ops, v);
	cpu->attention = &v->owner.attention;
	cpu->id = v->vcpu.id;
	cpu->nr_cpus = e->nr_cpus;
	cpu->tsc_khz = (uint32_t)e->tsc_khz;
	cpu->kvm_features = KVM_FEATURES;
	x86_reset_state(&st, v->vcpu.id);
	x86_cpu_load(cpu, &st);
}

int interp_vcpu_create(struct engine *engine, unsigned int id,
		       struct vcpu **out)
{
	struct interp_engine *e =
		container_of(engine, struct interp_engine, engine);
	struct interp_vcpu *v;
	size_t size = checked_round_up(sizeof(*v), 64);
	int err;

	*out = NULL;
	v = aligned_alloc(64, size);
	if (!v)
		return -ENOMEM;
	memset(v, 0, size);
	v->vcpu = (struct vcpu){ engine, id };
	v->owner.ops = &interp_lapic_ops;
	v->deadline = LAPIC_NEVER;
	v->vtime = e->vtime;
	if (v->vtime)
		interp_count_init(v);
	init_cpu(e, v);

	err = interp_blocks_init(&v->blocks);
	if (!err)
		err = x86_thunks_create(&v->cpu.thunks);
	if (!err)
		err = create_lapic(e, v);
	if (err) {
		log_err("interp: vCPU %u: %s", id, strerror(-err));
		interp_vcpu_destroy(&v->vcpu);
		return err;
	}
	atomic_store(&e->vcpu[id], v);
	*out = &v->vcpu;
	return 0;
}

void interp_vcpu_destroy(struct vcpu *vcpu)
{
	struct interp_vcpu *v;

	if (!vcpu)
		return;
	v = of_vcpu(vcpu);
	atomic_store(&interp_of_vcpu(v)->vcpu[vcpu->id], NULL);
	if (v->lapic)
		lapic_destroy(v->lapic);
	if (v->cpu.thunks)
		x86_thunks_destroy(v->cpu.thunks);
	interp_blocks_fini(&v->blocks);
	free(v);
}

int interp_vcpu_get_state(struct vcpu *vcpu, struct cpu_state *st)
{
	struct interp_vcpu *v = of_vcpu(vcpu);

	x86_cpu_store(&v->cpu, st);
	st->msr.tsc = interp_tsc(v);
	st->cr8 = lapic_get_cr8(v->lapic);
	lapic_get_state(v->lapic, st);
	if (atomic_load(&v->owner.attention) & INTERP_NMI)
		st->events.nmi_pending = true;
	return 0;
}

int interp_vcpu_set_state(struct vcpu *vcpu, const struct cpu_state *st)
{
	struct interp_vcpu *v = of_vcpu(vcpu);
	int err = x86_check_state(st);

	/* All of it or nothing. */
	if (!err)
		err = lapic_check_state(v->lapic, st);
	if (!err) {
		x86_cpu_load(&v->cpu, st);
		interp_set_tsc(v, st->msr.tsc);
		err = lapic_set_state(v->lapic, st);
	}
	if (err) {
		log_err("interp: vCPU %u: loading the state: %s", vcpu->id,
			strerror(-err));
		return err;
	}
	if (st->events.nmi_pending)
		interp_vcpu_ask(v, INTERP_NMI);
	return 0;
}
