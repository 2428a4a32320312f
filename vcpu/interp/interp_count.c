// SPDX-License-Identifier: MIT
/*
 * interp_count.c - running with every instruction counted (vcpu/vtime.h).
 *
 * How it works. Time is known between blocks, and inside of one it is that
 * plus the instructions before the current one, which cpu->cur tells. So
 * counting costs an addition a block. A deadline inside the next block makes
 * the engine take single instructions up to it; a repeated string instruction
 * stops at it by repeat_max.
 *
 * What an instruction causes itself (an interrupt of a device that it rang, a
 * new deadline, the end of the machine) sets a bit in the attention word:
 * when that changes, the block ends behind the instruction.
 */
#include "base/checked.h"
#include "vcpu/interp/interp_int.h"
#include "vcpu/vtime.h"

static uint64_t inside(void *ctx)
{
	const struct interp_vcpu *v = ctx;

	if (!v->block || !v->cpu.cur)
		return 0;
	return (uint64_t)(v->cpu.cur - v->block->insn) + v->cpu.repeated;
}

void interp_count_init(struct interp_vcpu *v)
{
	v->vtime->inside = inside;
	v->vtime->inside_ctx = v;
	seed_init(&v->seed, v->vtime->seed, SEED_CPU);
}

static unsigned int attention(const struct interp_vcpu *v)
{
	return atomic_load_explicit(&v->owner.attention, memory_order_relaxed);
}

void interp_count_begin(struct interp_vcpu *v)
{
	unsigned int seen = attention(v);

	if (!atomic_load(&v->vtime->stopped))
		return;
	while (!(seen & INTERP_KICK)) {
		interp_vcpu_wait(v, seen);
		seen = atomic_load(&v->owner.attention);
	}
}

static uint64_t deadline(const struct interp_vcpu *v)
{
	return min_u64(v->deadline, v->vtime->deadline);
}

void interp_count_look(struct interp_vcpu *v)
{
	if (X86_UNLIKELY(attention(v) & INTERP_CLOCK))
		atomic_fetch_and(&v->owner.attention, ~INTERP_CLOCK);
	if (X86_LIKELY(v->vtime->ns < deadline(v)))
		return;
	vtime_run_alarms(v->vtime);
	lapic_run_timer(v->lapic);
}

/* Instructions that begin before the deadline, 1 at least. */
static uint64_t left(const struct interp_vcpu *v)
{
	uint64_t until = deadline(v), now = v->vtime->ns;

	return until > now ? until - now : 1;
}

const struct interp_block *interp_count_find(struct interp_vcpu *v)
{
	const struct interp_block *block = interp_block_find(v);

	return X86_LIKELY(block->nr <= left(v)) ? block
						: interp_block_single(v);
}

static void done(struct interp_vcpu *v, uint64_t instructions)
{
	uint64_t repeated = v->cpu.repeated;

	v->vtime->ns += instructions + (repeated ? repeated - 1 : 0);
	v->block = NULL;
	v->cpu.cur = NULL;
}

void interp_count_block(struct interp_vcpu *v, const struct interp_block *block)
{
	const struct x86_insn *in = block->insn;
	struct x86_cpu *cpu = &v->cpu;
	unsigned int seen = attention(v);

	v->block = block;
	cpu->repeated = 0;
	/* Only the last one of a block repeats. */
	cpu->repeat_max = left(v) - block->nr + 1;
	cpu->reg[X86_REG_IP] = cpu->rip;
	for (;;) {
		cpu->cur = in;
		in->fn(cpu, in);
		if (in->flags & X86_F_END)
			break;
		in++;
		if (X86_UNLIKELY(attention(v) != seen)) {
			cpu->rip = x86_ip(cpu, in);
			done(v, (uint64_t)(in - block->insn));
			return;
		}
	}
	done(v, block->nr);
}

void interp_count_unwound(struct interp_vcpu *v)
{
	struct vtime *t = v->vtime;

	if (!v->block)
		t->ns++;
	else if (v->cpu.cur)
		t->ns += inside(v) + 1;
	else /* a trap, behind the last one */
		t->ns += v->block->nr;
	v->block = NULL;
}

void interp_count_sleep(struct interp_vcpu *v, unsigned int seen)
{
	uint64_t until = deadline(v);

	if (until == VTIME_NEVER)
		interp_vcpu_wait(v, seen);
	else
		vtime_skip(v->vtime, until);
}

void interp_count_settle(const struct interp_vcpu *v)
{
	if (v->vtime->settle)
		v->vtime->settle(v->vtime->settle_ctx);
}
