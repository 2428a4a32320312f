// SPDX-License-Identifier: MIT
/*
 * far.c - jumps and calls to other code segments, through gates and to tasks
 * (SDM 3A §5.8, §7.3).
 *
 * How it works. The selector names a code segment, a call gate, which has the
 * code segment and the offset in it, or a task. All is checked and pushed
 * before a register changes.
 */
#include "vcpu/x86/mem.h"
#include "vcpu/x86/mmu.h"
#include "vcpu/x86/segment.h"
#include "vcpu/x86/semantics.h"
#include "vcpu/x86/task.h"

/* Types of system descriptors (SDM 3A, table 3-2). */
enum {
	TSS16 = 1,
	GATE16 = 4,
	TASK_GATE = 5,
	TSS32 = 9,
	GATE32 = 12, /* in long mode: of 64 bits */
};

#define MAX_PARAMS 31

/* A call gate. */
struct gate {
	uint16_t cs;
	uint64_t offset;
	unsigned int size; /* of what is pushed */
	unsigned int params;
};

static _Noreturn void bad_selector(struct x86_cpu *cpu, uint16_t sel)
{
	x86_raise_error(cpu, X86_GP, x86_sel_error(cpu, sel));
}

static void check_target(struct x86_cpu *cpu, const struct x86_desc *cs,
			 uint64_t ip)
{
	bool code64 = cpu->long_mode && cs->hi & X86_DESC_L;

	if (code64 ? !x86_canonical(ip) : ip > x86_unpack_desc(0, cs).limit)
		x86_raise_error(cpu, X86_GP, 0);
}

static uint64_t upper_half(struct x86_cpu *cpu, uint16_t sel)
{
	uint64_t v;

	/* SDM 3A §5.8.3.1: the second half has no type. */
	if (!x86_peek_upper(cpu, sel, &v) || v >> 40 & 0x1f)
		bad_selector(cpu, sel);
	return v;
}

/* Gates and tasks: privilege first, then presence (SDM 2A, "CALL"). */
static void check_system(struct x86_cpu *cpu, uint16_t sel,
			 const struct x86_desc *d)
{
	unsigned int dpl = x86_desc_dpl(d);

	if (dpl < cpu->cpl || dpl < (sel & 3u))
		bad_selector(cpu, sel);
	if (!(d->hi & X86_DESC_P))
		x86_raise_error(cpu, X86_NP, x86_sel_error(cpu, sel));
}

static struct gate read_gate(struct x86_cpu *cpu, uint16_t sel,
			     const struct x86_desc *d)
{
	struct gate g = {
		.cs = (uint16_t)(d->lo >> 16),
		.offset = d->lo & 0xffff,
		.size = 2,
		.params = d->hi & MAX_PARAMS,
	};

	if (x86_desc_type(d) == GATE32) {
		g.offset |= d->hi & 0xffff0000;
		g.size = 4;
	}
	if (!cpu->long_mode)
		return g;
	g.offset |= upper_half(cpu, sel) << 32;
	g.size = 8;
	g.params = 0;
	return g;
}

/* The code segment behind a gate; a call may go to more privilege. */
static struct x86_desc gate_code(struct x86_cpu *cpu, const struct gate *g,
				 bool call)
{
	struct x86_desc d;
	unsigned int dpl;
	bool ok;

	if (x86_sel_null(g->cs))
		x86_raise_error(cpu, X86_GP, x86_sel_error(cpu, 0));
	d = x86_read_desc(cpu, g->cs, X86_GP);
	dpl = x86_desc_dpl(&d);
	ok = x86_desc_is_code(&d) && dpl <= cpu->cpl;
	if (!call && !(d.hi & X86_DESC_CONFORMING))
		ok = ok && dpl == cpu->cpl;
	if (cpu->long_mode && (d.hi & (X86_DESC_L | X86_DESC_DB)) != X86_DESC_L)
		ok = false;
	if (!ok)
		bad_selector(cpu, g->cs);
	if (!(d.hi & X86_DESC_P))
		x86_raise_error(cpu, X86_NP, x86_sel_error(cpu, g->cs));
	return d;
}

/* A stack that is not in use yet. */
struct inner {
	uint64_t sp;
	struct x86_desc desc;
	struct cpu_segment seg;
	uint16_t sel;
};

static void inner_push(struct x86_cpu *cpu, struct inner *s, unsigned int size,
		       uint64_t v)
{
	uint64_t mask = s->seg.access & CPU_SEG_DB ? 0xffffffff : 0xffff;
	uint64_t at = s->sp - size;

	if (!cpu->long_mode) {
		at &= mask;
		if (!x86_in_limit(&s->seg, at, size))
			x86_raise_error(cpu, X86_SS,
					x86_sel_error(cpu, s->sel));
		at = (uint32_t)(s->seg.base + at);
	}
	x86_sys_write(cpu, at, size, v);
	s->sp -= size;
}

static struct inner find_inner(struct x86_cpu *cpu, unsigned int cpl)
{
	struct inner s = { .sel = (uint16_t)cpl };

	if (cpu->long_mode) {
		s.sp = x86_read_tss(cpu, 4 + 8 * cpl, 8);
		if (!x86_canonical(s.sp))
			x86_raise_error(cpu, X86_SS, 0);
		return s;
	}
	s.sel = x86_inner_stack(cpu, cpl, &s.sp);
	s.desc = x86_check_ss(cpu, s.sel, cpl, X86_TS);
	s.seg = x86_unpack_desc(s.sel, &s.desc);
	return s;
}

/* SDM 3A §5.8.5: parameters move with the call. */
static void call_inner(struct x86_cpu *cpu, const struct x86_insn *in,
		       const struct gate *g, struct x86_desc *cs)
{
	unsigned int cpl = x86_desc_dpl(cs), i = g->params;
	struct inner s = find_inner(cpu, cpl);

	inner_push(cpu, &s, g->size, cpu->st.seg[CPU_SS].selector);
	inner_push(cpu, &s, g->size, cpu->reg[CPU_RSP]);
	while (i--)
		inner_push(cpu, &s, g->size,
			   x86_peek(cpu, i * g->size, g->size));
	inner_push(cpu, &s, g->size, cpu->st.seg[CPU_CS].selector);
	inner_push(cpu, &s, g->size, x86_next_ip(cpu, in));

	if (cpu->long_mode)
		x86_set_ss_null(cpu, s.sel, cpl);
	else
		x86_set_ss(cpu, s.sel, &s.desc);
	x86_set_cs(cpu, g->cs, cs, cpl);
	x86_reg_set(cpu, CPU_RSP, s.sp, cpu->stack_size);
	cpu->rip = g->offset;
}

static void push_return(struct x86_cpu *cpu, const struct x86_insn *in,
			unsigned int size)
{
	uint64_t rsp = cpu->reg[CPU_RSP];

	x86_write(cpu, x86_stack_lin(cpu, rsp - size, size, true), size,
		  cpu->st.seg[CPU_CS].selector);
	x86_write(cpu, x86_stack_lin(cpu, rsp - 2 * size, size, true), size,
		  x86_next_ip(cpu, in));
	x86_add_rsp(cpu, -2 * (int64_t)size);
}

static void through_gate(struct x86_cpu *cpu, const struct x86_insn *in,
			 const struct gate *g, bool call)
{
	struct x86_desc cs = gate_code(cpu, g, call);

	check_target(cpu, &cs, g->offset);
	if (call && !(cs.hi & X86_DESC_CONFORMING) &&
	    x86_desc_dpl(&cs) < cpu->cpl) {
		call_inner(cpu, in, g, &cs);
		return;
	}
	if (call)
		push_return(cpu, in, g->size);
	x86_set_cs(cpu, g->cs, &cs, cpu->cpl);
	cpu->rip = g->offset;
}

static void to_task(struct x86_cpu *cpu, const struct x86_insn *in,
		    uint16_t tss, bool call)
{
	const struct x86_task_switch sw = {
		.how = call ? X86_TASK_CALL : X86_TASK_JUMP,
		.rip = x86_next_ip(cpu, in),
		.rflags = x86_get_rflags(cpu),
	};

	x86_switch_task(cpu, tss, &sw);
}

/* What @sel names is no segment. */
static void to_system(struct x86_cpu *cpu, const struct x86_insn *in,
		      uint16_t sel, const struct x86_desc *d, bool call)
{
	unsigned int type = x86_desc_type(d);
	struct gate g;

	if (cpu->long_mode && type != GATE32)
		bad_selector(cpu, sel);
	switch (type) {
	case GATE16:
	case GATE32:
		check_system(cpu, sel, d);
		g = read_gate(cpu, sel, d);
		through_gate(cpu, in, &g, call);
		break;
	case TASK_GATE:
		check_system(cpu, sel, d);
		to_task(cpu, in, (uint16_t)(d->lo >> 16), call);
		break;
	case TSS16:
	case TSS32:
		check_system(cpu, sel, d);
		to_task(cpu, in, sel, call);
		break;
	default:
		bad_selector(cpu, sel);
	}
}

static void real_far(struct x86_cpu *cpu, const struct x86_insn *in,
		     uint16_t sel, uint64_t ip, bool call)
{
	if (ip > cpu->st.seg[CPU_CS].limit)
		x86_raise_error(cpu, X86_GP, 0);
	if (call)
		push_return(cpu, in, in->size);
	x86_load_real_segment(cpu, CPU_CS, sel);
	cpu->rip = ip;
}

static void go_far(struct x86_cpu *cpu, const struct x86_insn *in, uint16_t sel,
		   uint64_t ip, bool call)
{
	struct x86_desc d;

	if (x86_real_or_v86(cpu)) {
		real_far(cpu, in, sel, ip, call);
		return;
	}
	if (x86_peek_desc(cpu, sel, &d) && !(d.hi & X86_DESC_S)) {
		to_system(cpu, in, sel, &d, call);
		return;
	}
	d = x86_check_code(cpu, sel);
	check_target(cpu, &d, ip);
	if (call)
		push_return(cpu, in, in->size);
	x86_set_cs(cpu, sel, &d, cpu->cpl);
	cpu->rip = ip;
}

void x86_do_jmp_far(struct x86_cpu *cpu, const struct x86_insn *in)
{
	go_far(cpu, in, in->sel, in->imm, false);
}

void x86_do_call_far(struct x86_cpu *cpu, const struct x86_insn *in)
{
	go_far(cpu, in, in->sel, in->imm, true);
}

/* m16:16, m16:32 or m16:64: offset first. */
static uint16_t read_pointer(struct x86_cpu *cpu, const struct x86_insn *in,
			     uint64_t *ip)
{
	uint64_t lin = x86_lin(cpu, in, in->size + 2u, false);

	*ip = x86_read(cpu, lin, in->size);
	return (uint16_t)x86_read(cpu, lin + in->size, 2);
}

void x86_do_jmp_far_ind(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t ip;
	uint16_t sel = read_pointer(cpu, in, &ip);

	go_far(cpu, in, sel, ip, false);
}

void x86_do_call_far_ind(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint64_t ip;
	uint16_t sel = read_pointer(cpu, in, &ip);

	go_far(cpu, in, sel, ip, true);
}
