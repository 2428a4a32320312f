// SPDX-License-Identifier: MIT
/*
 * exception.c - through the IDT: exceptions, interrupts, INT n.
 *
 * How it works. A delivery reads the gate, finds the stack, writes the frame
 * to it and only then changes registers: when one of the accesses faults,
 * nothing has changed but cpu->delivering, from which x86_handle_fault()
 * knows that it was a fault within a delivery (SDM 3A, table 6-5).
 */
#include "vcpu/x86/exception.h"

#include "vcpu/x86/mem.h"
#include "vcpu/x86/mmu.h"
#include "vcpu/x86/segment.h"
#include "vcpu/x86/semantics.h"
#include "vcpu/x86/task.h"

/* cpu->delivering of what cannot make a double fault. */
#define BENIGN 0xff

struct event {
	uint8_t vector;
	bool soft; /* INT n, INT3, INTO: the gate's DPL counts */
	bool has_error;
	uint32_t error;
	uint64_t rip;	 /* to return to */
	uint64_t rflags; /* to push */
};

/* An entry of the IDT. */
struct gate {
	uint16_t sel;
	uint64_t offset;
	unsigned int type; /* 5 task, 6 7 16-bit, 14 15 32- or 64-bit */
	unsigned int dpl, ist;
	bool present;
};

static uint32_t gate_error(const struct x86_cpu *cpu, uint8_t vector)
{
	return vector * 8u + 2 + (cpu->external ? 1 : 0);
}

static struct gate read_gate(struct x86_cpu *cpu, uint8_t vector)
{
	unsigned int size = cpu->long_mode ? 16 : 8;
	uint64_t at = cpu->st.idtr.base + vector * size, lo, hi = 0;

	if (vector * size + size - 1 > cpu->st.idtr.limit)
		x86_raise_error(cpu, X86_GP, gate_error(cpu, vector));
	lo = x86_sys_read(cpu, at, 8);
	if (cpu->long_mode)
		hi = x86_sys_read(cpu, at + 8, 8);
	return (struct gate){
		.sel = (uint16_t)(lo >> 16),
		.offset = (lo & 0xffff) | (lo >> 32 & 0xffff0000) | hi << 32,
		.type = lo >> 40 & 0xf,
		.dpl = lo >> 45 & 3,
		.ist = lo >> 32 & 7,
		.present = lo >> 47 & 1,
	};
}

static struct gate check_gate(struct x86_cpu *cpu, const struct event *ev)
{
	struct gate g = read_gate(cpu, ev->vector);
	bool ok = g.type == 14 || g.type == 15 ||
		  (!cpu->long_mode && g.type >= 5 && g.type <= 7);

	if (!ok || (ev->soft && g.dpl < cpu->cpl))
		x86_raise_error(cpu, X86_GP, gate_error(cpu, ev->vector));
	if (!g.present)
		x86_raise_error(cpu, X86_NP, gate_error(cpu, ev->vector));
	return g;
}

/* The handler's code segment, and the privilege it will run at. */
static struct x86_desc handler_code(struct x86_cpu *cpu, const struct gate *g,
				    unsigned int *cpl)
{
	struct x86_desc d;

	if (x86_sel_null(g->sel))
		x86_raise_error(cpu, X86_GP, x86_sel_error(cpu, 0));
	d = x86_read_desc(cpu, g->sel, X86_GP);
	if (!x86_desc_is_code(&d) || x86_desc_dpl(&d) > cpu->cpl ||
	    (cpu->long_mode &&
	     (d.hi & (X86_DESC_L | X86_DESC_DB)) != X86_DESC_L))
		x86_raise_error(cpu, X86_GP, x86_sel_error(cpu, g->sel));
	if (!(d.hi & X86_DESC_P))
		x86_raise_error(cpu, X86_NP, x86_sel_error(cpu, g->sel));
	*cpl = d.hi & X86_DESC_CONFORMING ? cpu->cpl : x86_desc_dpl(&d);
	return d;
}

/* The stack pushes of one delivery, with the handler's privilege. */
struct frame {
	struct x86_cpu *cpu;
	const struct cpu_segment *stack; /* NULL: long mode */
	uint64_t sp, mask;
	unsigned int size; /* of a push */
	uint16_t ss;	   /* for #SS: 0 unless it is a new one */
	bool user;
};

static void frame_push(struct frame *f, uint64_t v)
{
	uint64_t at = (f->sp - f->size) & f->mask;

	if (f->stack) {
		if (!x86_in_limit(f->stack, at, f->size))
			x86_raise_error(f->cpu, X86_SS,
					x86_sel_error(f->cpu, f->ss));
		at = (uint32_t)(f->stack->base + at);
	}
	if (f->user)
		x86_write(f->cpu, at, f->size, v);
	else
		x86_sys_write(f->cpu, at, f->size, v);
	f->sp -= f->size;
}

/* SDM 3A §6.12.1: TF, NT, RF, VM; IF by an interrupt gate. */
static void enter_handler(struct x86_cpu *cpu, const struct gate *g)
{
	cpu->rflags &= ~(X86_FL_TF | X86_FL_NT | X86_FL_RF | X86_FL_VM);
	if (!(g->type & 1))
		cpu->rflags &= ~X86_FL_IF;
	cpu->rip = g->offset;
}

/* SDM 3A §6.14 */
static void deliver_long(struct x86_cpu *cpu, const struct event *ev)
{
	struct gate g = check_gate(cpu, ev);
	unsigned int cpl, old_cpl = cpu->cpl;
	struct x86_desc cs = handler_code(cpu, &g, &cpl);
	struct frame f = { .cpu = cpu, .size = 8, .mask = UINT64_MAX };
	uint16_t ss = cpu->st.seg[CPU_SS].selector;

	f.user = cpl == 3;
	f.sp = cpu->reg[CPU_RSP];
	if (g.ist)
		f.sp = x86_read_tss(cpu, 28 + 8 * g.ist, 8);
	else if (cpl < old_cpl)
		f.sp = x86_read_tss(cpu, 4 + 8 * cpl, 8);
	if (!x86_canonical(f.sp))
		x86_raise_error(cpu, X86_SS, x86_sel_error(cpu, 0));

	f.sp &= ~15ull;
	frame_push(&f, ss);
	frame_push(&f, cpu->reg[CPU_RSP]);
	frame_push(&f, ev->rflags);
	frame_push(&f, cpu->st.seg[CPU_CS].selector);
	frame_push(&f, ev->rip);
	if (ev->has_error)
		frame_push(&f, ev->error);
	if (!x86_canonical(g.offset))
		x86_raise_error(cpu, X86_GP, x86_sel_error(cpu, 0));

	x86_set_cs(cpu, g.sel, &cs, cpl);
	if (cpl < old_cpl)
		x86_set_ss_null(cpu, (uint16_t)cpl, cpl);
	cpu->reg[CPU_RSP] = f.sp;
	enter_handler(cpu, &g);
}

static void push_v86_segments(struct x86_cpu *cpu, struct frame *f)
{
	frame_push(f, cpu->st.seg[CPU_GS].selector);
	frame_push(f, cpu->st.seg[CPU_FS].selector);
	frame_push(f, cpu->st.seg[CPU_DS].selector);
	frame_push(f, cpu->st.seg[CPU_ES].selector);
}

static void clear_data_segments(struct x86_cpu *cpu)
{
	cpu->st.seg[CPU_ES] = (struct cpu_segment){ 0 };
	cpu->st.seg[CPU_DS] = (struct cpu_segment){ 0 };
	cpu->st.seg[CPU_FS] = (struct cpu_segment){ 0 };
	cpu->st.seg[CPU_GS] = (struct cpu_segment){ 0 };
}

/* SDM 3A §6.12.2: the error code goes to the new task's stack. */
static void deliver_task(struct x86_cpu *cpu, const struct event *ev,
			 const struct gate *g)
{
	const struct x86_task_switch sw = {
		.how = X86_TASK_CALL,
		.rip = ev->rip,
		.rflags = ev->rflags,
		.has_error = ev->has_error,
		.error = ev->error,
	};

	x86_switch_task(cpu, g->sel, &sw);
}

/* SDM 3A §6.12.1, §20.3.1 */
static void deliver_to_gate(struct x86_cpu *cpu, const struct event *ev,
			    struct gate g)
{
	unsigned int cpl, old_cpl = cpu->cpl;
	struct x86_desc cs = handler_code(cpu, &g, &cpl), ss = { 0 };
	struct frame f = { .cpu = cpu, .size = g.type & 8 ? 4 : 2 };
	struct cpu_segment stack = cpu->st.seg[CPU_SS];
	bool v86 = x86_v86(cpu);
	uint16_t ss_sel = 0;

	if (v86 && cpl)
		x86_raise_error(cpu, X86_GP, x86_sel_error(cpu, g.sel));
	f.sp = cpu->reg[CPU_RSP];
	if (cpl < old_cpl) {
		ss_sel = x86_inner_stack(cpu, cpl, &f.sp);
		if (x86_sel_null(ss_sel))
			x86_raise_error(cpu, X86_TS, x86_sel_error(cpu, 0));
		ss = x86_check_ss(cpu, ss_sel, cpl, X86_TS);
		stack = x86_unpack_desc(ss_sel, &ss);
	}
	f.stack = &stack;
	f.ss = ss_sel;
	f.mask = stack.access & CPU_SEG_DB ? 0xffffffff : 0xffff;
	f.user = cpl == 3;

	if (v86)
		push_v86_segments(cpu, &f);
	if (cpl < old_cpl) {
		frame_push(&f, cpu->st.seg[CPU_SS].selector);
		frame_push(&f, cpu->reg[CPU_RSP]);
	}
	frame_push(&f, ev->rflags);
	frame_push(&f, cpu->st.seg[CPU_CS].selector);
	frame_push(&f, ev->rip);
	if (ev->has_error)
		frame_push(&f, ev->error);

	if (v86)
		clear_data_segments(cpu);
	if (g.type < 14)
		g.offset &= 0xffff;
	enter_handler(cpu, &g);
	if (cpl < old_cpl)
		x86_set_ss(cpu, ss_sel, &ss);
	x86_set_cs(cpu, g.sel, &cs, cpl);
	x86_reg_set(cpu, CPU_RSP, f.sp, cpu->stack_size);
}

static void deliver_protected(struct x86_cpu *cpu, const struct event *ev)
{
	struct gate g = check_gate(cpu, ev);

	if (g.type == 5)
		deliver_task(cpu, ev, &g);
	else
		deliver_to_gate(cpu, ev, g);
}

/* SDM 3A §20.1.4 */
static void deliver_real(struct x86_cpu *cpu, const struct event *ev)
{
	struct frame f = {
		.cpu = cpu,
		.size = 2,
		.stack = &cpu->st.seg[CPU_SS],
		.sp = cpu->reg[CPU_RSP],
		.mask = cpu->stack_size == 2 ? 0xffff : 0xffffffff,
	};
	uint64_t entry;

	if (ev->vector * 4u + 3 > cpu->st.idtr.limit)
		x86_raise_error(cpu, X86_GP, gate_error(cpu, ev->vector));
	entry = x86_sys_read(cpu, cpu->st.idtr.base + ev->vector * 4u, 4);
	frame_push(&f, ev->rflags);
	frame_push(&f, cpu->st.seg[CPU_CS].selector);
	frame_push(&f, ev->rip);

	x86_reg_set(cpu, CPU_RSP, f.sp, cpu->stack_size);
	cpu->rflags &= ~(X86_FL_IF | X86_FL_TF | X86_FL_AC | X86_FL_RF);
	x86_load_real_segment(cpu, CPU_CS, (uint16_t)(entry >> 16));
	cpu->rip = entry & 0xffff;
}

static void deliver(struct x86_cpu *cpu, const struct event *ev)
{
	cpu->halted = false;
	if (cpu->long_mode)
		deliver_long(cpu, ev);
	else if (x86_protected(cpu))
		deliver_protected(cpu, ev);
	else
		deliver_real(cpu, ev);
	cpu->delivering = 0;
	cpu->external = false;
}

/* SDM 3A, table 6-4 */
static bool contributory(unsigned int vector)
{
	return vector == X86_DE || (vector >= X86_TS && vector <= X86_GP);
}

static bool makes_double_fault(unsigned int first, unsigned int second)
{
	if (first == X86_PF)
		return second == X86_PF || contributory(second);
	return contributory(first) && contributory(second);
}

/* What the fault in cpu->fault is, given what was under delivery. */
static void combine(struct x86_cpu *cpu)
{
	unsigned int first = cpu->delivering - 1u;

	if (!cpu->delivering || cpu->delivering == BENIGN)
		return;
	if (first == X86_DF)
		cpu->shutdown = true;
	else if (makes_double_fault(first, cpu->fault.vector))
		cpu->fault = (struct x86_fault){ .vector = X86_DF,
						 .has_error = true };
}

static void sync_rip(struct x86_cpu *cpu)
{
	if (cpu->cur)
		cpu->rip = x86_ip(cpu, cpu->cur);
	cpu->cur = NULL;
}

void x86_handle_fault(struct x86_cpu *cpu)
{
	const struct x86_fault *f = &cpu->fault;
	struct event ev;

	sync_rip(cpu);
	combine(cpu);
	if (cpu->shutdown)
		return;
	if (f->vector == X86_PF)
		cpu->st.cr2 = f->cr2;
	if (f->vector == X86_DB)
		cpu->st.dr[6] = (cpu->st.dr[6] & ~0xfull) | f->dr6;
	ev = (struct event){
		.vector = f->vector,
		.has_error = f->has_error && x86_protected(cpu),
		.error = f->error,
		.rip = cpu->rip,
		.rflags = x86_get_rflags(cpu),
	};
	/* SDM 3A §17.3.1.1: so that a breakpoint does not repeat. */
	if (f->vector != X86_DB)
		ev.rflags |= X86_FL_RF;
	cpu->delivering = (uint8_t)(f->vector + 1);
	cpu->external = true;
	deliver(cpu, &ev);
}

void x86_deliver_interrupt(struct x86_cpu *cpu, uint8_t vector)
{
	struct event ev = {
		.vector = vector,
		.rip = cpu->rip,
		.rflags = x86_get_rflags(cpu),
	};

	cpu->delivering = BENIGN;
	cpu->external = true;
	deliver(cpu, &ev);
}

_Noreturn void x86_trap_debug(struct x86_cpu *cpu, uint64_t dr6)
{
	cpu->cur = NULL;
	cpu->fault = (struct x86_fault){ .vector = X86_DB, .dr6 = dr6 };
	longjmp(cpu->unwind, 1);
}

static void soft_interrupt(struct x86_cpu *cpu, const struct x86_insn *in,
			   uint8_t vector)
{
	struct event ev = {
		.vector = vector,
		.soft = true,
		.rip = x86_next_ip(cpu, in),
		.rflags = x86_get_rflags(cpu),
	};

	cpu->external = false;
	deliver(cpu, &ev);
}

void x86_do_int(struct x86_cpu *cpu, const struct x86_insn *in)
{
	if (x86_v86(cpu) && x86_iopl(cpu) < 3)
		x86_raise_error(cpu, X86_GP, 0);
	soft_interrupt(cpu, in, (uint8_t)in->imm);
}

void x86_do_int3(struct x86_cpu *cpu, const struct x86_insn *in)
{
	soft_interrupt(cpu, in, X86_BP);
}

void x86_do_into(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->rip = x86_next_ip(cpu, in);
	if (x86_of(cpu))
		soft_interrupt(cpu, in, X86_OF);
}

/* ICEBP: a #DB that no DR6 bit explains. */
void x86_do_int1(struct x86_cpu *cpu, const struct x86_insn *in)
{
	cpu->rip = x86_next_ip(cpu, in);
	x86_trap_debug(cpu, 0);
}
