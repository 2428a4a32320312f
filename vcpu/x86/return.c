// SPDX-License-Identifier: MIT
/*
 * return.c - back from handlers and called gates: IRET, far RET.
 */
#include "vcpu/x86/mem.h"
#include "vcpu/x86/mmu.h"
#include "vcpu/x86/segment.h"
#include "vcpu/x86/semantics.h"
#include "vcpu/x86/task.h"

/* Flags that IRET at privilege @cpl may change (SDM 2, "IRET"). */
static void restore_flags(struct x86_cpu *cpu, uint64_t fl, unsigned int size,
			  unsigned int cpl)
{
	uint64_t may = X86_FL_STATUS | X86_FL_TF | X86_FL_DF | X86_FL_NT |
		       X86_FL_RF | X86_FL_AC | X86_FL_ID;

	if (!cpl)
		may |= X86_FL_IOPL | X86_FL_VIF | X86_FL_VIP;
	if (cpl <= x86_iopl(cpu))
		may |= X86_FL_IF;
	if (size == 2)
		may &= 0xffff;
	x86_set_rflags(cpu, (x86_get_rflags(cpu) & ~may) | (fl & may));
}

static void iret_real(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int size = in->size;
	uint64_t ip, cs, fl, vm = cpu->rflags & X86_FL_VM;

	if (x86_v86(cpu) && x86_iopl(cpu) < 3)
		x86_raise_error(cpu, X86_GP, 0);
	ip = x86_peek(cpu, 0, size);
	cs = x86_peek(cpu, size, size);
	fl = x86_peek(cpu, 2 * size, size);
	if (ip > 0xffff)
		x86_raise_error(cpu, X86_GP, 0);
	x86_add_rsp(cpu, 3 * (int64_t)size);
	restore_flags(cpu, fl, size, vm ? 3 : 0);
	x86_load_real_segment(cpu, CPU_CS, (uint16_t)cs);
	cpu->rip = ip;
}

struct iret_frame {
	uint64_t ip, cs, fl, sp, ss;
};

static bool returns_to_v86(const struct x86_cpu *cpu,
			   const struct iret_frame *f, unsigned int size)
{
	return !cpu->long_mode && !cpu->cpl && size == 4 && f->fl & X86_FL_VM;
}

static struct iret_frame read_iret_frame(struct x86_cpu *cpu, unsigned int size)
{
	struct iret_frame f = { 0 };
	bool outer;

	f.ip = x86_peek(cpu, 0, size);
	f.cs = x86_peek(cpu, size, size) & 0xffff;
	f.fl = x86_peek(cpu, 2 * size, size);
	if (returns_to_v86(cpu, &f, size))
		return f;
	outer = (f.cs & 3) > cpu->cpl;
	if (outer || cpu->mode == X86_MODE_64) {
		f.sp = x86_peek(cpu, 3 * size, size);
		f.ss = x86_peek(cpu, 4 * size, size) & 0xffff;
	}
	return f;
}

static struct x86_desc check_return_code(struct x86_cpu *cpu, uint16_t sel)
{
	struct x86_desc d;
	unsigned int dpl, rpl = sel & 3;
	bool ok;

	if (x86_sel_null(sel))
		x86_raise_error(cpu, X86_GP, 0);
	d = x86_read_desc(cpu, sel, X86_GP);
	dpl = x86_desc_dpl(&d);
	ok = x86_desc_is_code(&d) && rpl >= cpu->cpl &&
	     (d.hi & X86_DESC_CONFORMING ? dpl <= rpl : dpl == rpl);
	if (!ok)
		x86_raise_error(cpu, X86_GP, x86_sel_error(cpu, sel));
	if (!(d.hi & X86_DESC_P))
		x86_raise_error(cpu, X86_NP, x86_sel_error(cpu, sel));
	return d;
}

static void check_return_ip(struct x86_cpu *cpu, const struct x86_desc *cs,
			    uint64_t ip)
{
	bool code64 = cpu->long_mode && cs->hi & X86_DESC_L;

	if (code64 ? !x86_canonical(ip) : ip > x86_unpack_desc(0, cs).limit)
		x86_raise_error(cpu, X86_GP, 0);
}

/*
 * CS:IP and, from 64-bit mode or to outer privilege, SS:SP as popped.
 * @extra bytes of arguments are released on both stacks (RETF n).
 */
static void return_to(struct x86_cpu *cpu, const struct iret_frame *f,
		      bool with_stack, unsigned int popped, unsigned int extra)
{
	uint16_t cs_sel = (uint16_t)f->cs, ss_sel = (uint16_t)f->ss;
	struct x86_desc cs = check_return_code(cpu, cs_sel), ss = { 0 };
	unsigned int rpl = cs_sel & 3;
	bool outer = rpl > cpu->cpl;
	bool null_ss = x86_sel_null(ss_sel);

	check_return_ip(cpu, &cs, f->ip);
	if (with_stack && null_ss) {
		if (!(cpu->long_mode && cs.hi & X86_DESC_L) || rpl == 3 ||
		    (ss_sel & 3) != rpl)
			x86_raise_error(cpu, X86_GP, 0);
	} else if (with_stack) {
		ss = x86_check_ss(cpu, ss_sel, rpl, X86_GP);
	}

	x86_set_cs(cpu, cs_sel, &cs, rpl);
	if (with_stack && null_ss)
		x86_set_ss_null(cpu, ss_sel, rpl);
	else if (with_stack)
		x86_set_ss(cpu, ss_sel, &ss);
	if (with_stack)
		x86_reg_set(cpu, CPU_RSP, f->sp + extra, cpu->stack_size);
	else
		x86_add_rsp(cpu, popped + extra);
	if (outer)
		x86_drop_segments(cpu);
	cpu->rip = f->ip;
}

/* Six more words; all of EFLAGS is the guest's (SDM 3A §20.2.1). */
static void return_to_v86(struct x86_cpu *cpu, const struct iret_frame *f)
{
	static const uint8_t order[] = { CPU_SS, CPU_ES, CPU_DS, CPU_FS,
					 CPU_GS };
	uint32_t sp = (uint32_t)x86_peek(cpu, 12, 4);
	uint16_t sel[sizeof(order)];
	unsigned int i;

	for (i = 0; i < sizeof(order); i++)
		sel[i] = (uint16_t)x86_peek(cpu, 16 + 4 * i, 4);
	if (f->ip > 0xffff)
		x86_raise_error(cpu, X86_GP, 0);
	x86_set_rflags(cpu, f->fl & X86_FL_VALID);
	x86_load_real_segment(cpu, CPU_CS, (uint16_t)f->cs);
	for (i = 0; i < sizeof(order); i++)
		x86_load_real_segment(cpu, order[i], sel[i]);
	cpu->reg[CPU_RSP] = sp;
	cpu->rip = f->ip;
}

/* SDM 3A §7.4: to the task that this one's TSS links to. */
static void return_to_task(struct x86_cpu *cpu, const struct x86_insn *in)
{
	const struct x86_task_switch sw = {
		.how = X86_TASK_RETURN,
		.rip = x86_next_ip(cpu, in),
		.rflags = x86_get_rflags(cpu) & ~X86_FL_NT,
	};

	if (cpu->long_mode)
		x86_raise_error(cpu, X86_GP, 0);
	x86_switch_task(cpu, (uint16_t)x86_read_tss(cpu, 0, 2), &sw);
}

void x86_do_iret(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int size = in->size, cpl = cpu->cpl;
	struct iret_frame f;
	bool with_stack;

	cpu->st.events.nmi_masked = false;
	if (x86_real_or_v86(cpu)) {
		iret_real(cpu, in);
		return;
	}
	if (cpu->rflags & X86_FL_NT) {
		return_to_task(cpu, in);
		return;
	}
	f = read_iret_frame(cpu, size);
	if (returns_to_v86(cpu, &f, size)) {
		return_to_v86(cpu, &f);
		return;
	}
	with_stack = (f.cs & 3) > cpl || cpu->mode == X86_MODE_64;
	return_to(cpu, &f, with_stack, 3 * size, 0);
	restore_flags(cpu, f.fl, size, cpl);
}

void x86_do_ret_far(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int size = in->size, extra = (unsigned int)in->imm;
	struct iret_frame f = { 0 };
	bool outer;

	f.ip = x86_peek(cpu, 0, size);
	f.cs = x86_peek(cpu, size, size) & 0xffff;
	if (x86_real_or_v86(cpu)) {
		x86_add_rsp(cpu, 2 * (int64_t)size + extra);
		x86_load_real_segment(cpu, CPU_CS, (uint16_t)f.cs);
		cpu->rip = f.ip;
		return;
	}
	outer = (f.cs & 3) > cpu->cpl;
	if (outer) {
		f.sp = x86_peek(cpu, 2 * size + extra, size);
		f.ss = x86_peek(cpu, 3 * size + extra, size) & 0xffff;
	}
	return_to(cpu, &f, outer, 2 * size, extra);
}
