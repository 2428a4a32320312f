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

#define BLOCKS_PER_LOOK 512 /* at the clock: some 10 us */

#define DR7_ENABLED 0xffull /* L0 to G3: SDM 3B §17.2.4 */
#define DR6_BS	    (1ull << 14)

static void run_block(struct x86_cpu *cpu, const struct interp_block *block)
{
	const struct x86_insn *in = block->insn;

	cpu->reg[X86_REG_IP] = cpu->rip;
	for (;;) {
		cpu->cur = in;
		in->fn(cpu, in);
		if (in->flags & X86_F_END)
			break;
		in++;
	}
	cpu->cur = NULL;
}

static void run(struct interp_vcpu *v, const struct interp_block *block)
{
	if (v->vtime)
		interp_count_block(v, block);
	else
		run_block(&v->cpu, block);
}

/* Bits of DR6 for the instruction breakpoints at the current address. */
static uint64_t hit_breakpoints(const struct x86_cpu *cpu)
{
	uint64_t lin = cpu->seg_base[CPU_CS] + cpu->rip, bits = 0;
	uint64_t dr7 = cpu->st.dr[7];
	unsigned int i;

	if (cpu->rflags & X86_FL_RF)
		return 0;
	for (i = 0; i < 4; i++)
		if (dr7 >> (2 * i) & 3 && !(dr7 >> (16 + 4 * i) & 3) &&
		    cpu->st.dr[i] == lin)
			bits |= 1ull << i;
	return bits;
}

/* One instruction, with all that debugging wants. */
static void run_one(struct interp_vcpu *v)
{
	struct x86_cpu *cpu = &v->cpu;
	bool step = cpu->rflags & X86_FL_TF;
	uint64_t dr6 = hit_breakpoints(cpu);

	if (dr6)
		x86_trap_debug(cpu, dr6);
	/* Before it runs: it may begin a shadow of its own. */
	cpu->st.events.shadow_sti = false;
	cpu->st.events.shadow_mov_ss = false;
	cpu->rflags &= ~X86_FL_RF;
	run(v, interp_block_single(v));

	dr6 = cpu->pending_dr6 | (step ? DR6_BS : 0);
	cpu->pending_dr6 = 0;
	if (dr6)
		x86_trap_debug(cpu, dr6);
}

static bool one_at_a_time(const struct x86_cpu *cpu)
{
	return cpu->rflags & X86_FL_TF || cpu->st.dr[7] & DR7_ENABLED ||
	       cpu->st.events.shadow_sti || cpu->st.events.shadow_mov_ss;
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
	       cpu->st.mp_state != CPU_MP_RUNNABLE ||
	       (cpu->rflags & X86_FL_IF && !cpu->st.events.shadow_sti &&
		!cpu->st.events.shadow_mov_ss);
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
	if (X86_UNLIKELY(one_at_a_time(cpu)))
		run_one(v);
	else
		run_block(cpu, interp_block_find(v));
	return false;
}

/* The same, counting. */
static bool counted_turn(struct interp_vcpu *v, enum vcpu_exit *why)
{
	interp_count_look(v);
	if (X86_UNLIKELY(needs_attention(v)))
		return interp_attend(v, why);
	if (X86_UNLIKELY(one_at_a_time(&v->cpu)))
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
