// SPDX-License-Identifier: MIT
/*
 * interp_run.c - the loop: find the block at RIP, run its instructions, look
 * at what others ask for, again.
 *
 * How it works. Faults unwind to the one setjmp() in interp_vcpu_run(),
 * which delivers them and goes on; a fault during that delivery comes the
 * same way. Whatever lives across an unwinding is in struct interp_vcpu.
 *
 * Single steps, breakpoints and the shadows of STI and MOV SS take one
 * instruction at a time; nothing in a block has to know of them.
 */
#include "vcpu/interp/interp_int.h"
#include "vcpu/x86/exception.h"
#include "vcpu/x86/step.h"

#define BLOCKS_PER_LOOK 512 /* at the clock: some 10 us */

static void run(struct interp_vcpu *v, const struct interp_block *block)
{
	if (v->vtime)
		interp_count_block(v, block);
	else
		x86_run_insns(&v->cpu, block->insn);
}

/* One instruction, with all that debugging wants. */
static void run_one(struct interp_vcpu *v)
{
	bool trap = x86_step_begin(&v->cpu);

	run(v, interp_block_single(v));
	x86_step_end(&v->cpu, trap);
}

/* Is there anything that interp_attend() could do something about now? */
static bool needs_attention(const struct interp_vcpu *v)
{
	unsigned int asked =
		atomic_load_explicit(&v->owner.attention, memory_order_relaxed);
	const struct x86_cpu *cpu = &v->cpu;

	if (X86_LIKELY(!asked))
		return cpu->halted || cpu->st.mp_state != CPU_MP_RUNNABLE;
	/* An interrupt that has to wait asks in vain: let the guest go on. */
	return asked != LAPIC_ATTENTION || cpu->halted ||
	       cpu->st.mp_state != CPU_MP_RUNNABLE || x86_may_interrupt(cpu);
}

static void look_at_clock(struct interp_vcpu *v)
{
	v->budget = BLOCKS_PER_LOOK;
	if (v->deadline != LAPIC_NEVER &&
	    interp_now(interp_of_vcpu(v)) >= v->deadline)
		lapic_run_timer(v->lapic);
}

/* True when run() is to return *why. May unwind. */
static bool turn(struct interp_vcpu *v, enum vcpu_exit *why)
{
	struct x86_cpu *cpu = &v->cpu;

	if (X86_UNLIKELY(needs_attention(v)))
		return interp_attend(v, why);
	if (X86_UNLIKELY(v->budget-- == 0))
		look_at_clock(v);
	if (X86_UNLIKELY(x86_one_at_a_time(cpu)))
		run_one(v);
	else
		x86_run_insns(cpu, interp_block_find(v)->insn);
	return false;
}

/* The same, counting. */
static bool counted_turn(struct interp_vcpu *v, enum vcpu_exit *why)
{
	interp_count_look(v);
	if (X86_UNLIKELY(needs_attention(v)))
		return interp_attend(v, why);
	if (X86_UNLIKELY(x86_one_at_a_time(&v->cpu)))
		run_one(v);
	else
		interp_count_block(v, interp_count_find(v));
	return false;
}

static bool run_counted(struct interp_vcpu *v, enum vcpu_exit *why)
{
	while (!v->cpu.shutdown)
		if (counted_turn(v, why))
			return true;
	return false;
}

static bool run_free(struct interp_vcpu *v, enum vcpu_exit *why)
{
	while (!v->cpu.shutdown)
		if (turn(v, why))
			return true;
	return false;
}

static void handle_unwound(struct interp_vcpu *v)
{
	if (v->vtime)
		interp_count_unwound(v);
	x86_handle_fault(&v->cpu);
}

int interp_vcpu_run(struct vcpu *vcpu, enum vcpu_exit *why)
{
	struct interp_vcpu *v = (struct interp_vcpu *)(void *)vcpu;
	bool decided;

	atomic_store(&v->running, true);
	if (v->vtime)
		interp_count_begin(v);
	if (setjmp(v->cpu.unwind))
		handle_unwound(v);
	decided = v->vtime ? run_counted(v, why) : run_free(v, why);
	if (!decided)
		*why = VCPU_EXIT_SHUTDOWN;
	atomic_store(&v->running, false);
	return 0;
}
