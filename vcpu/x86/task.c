// SPDX-License-Identifier: MIT
/*
 * task.c - switching tasks by the hardware (SDM 3A, chapter 7).
 *
 * How it works. All of the new TSS is read, and checked as far as that needs
 * no segment, before the old one is written: until there, a fault is the old
 * task's. Then TR, EFLAGS, registers and bare selectors are the new task's at
 * once, and its segments are loaded one after the other: a fault is the new
 * task's now, with the rest of its segments not usable.
 */
#include "vcpu/x86/task.h"

#include "vcpu/x86/exception.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/segment.h"
#include "vcpu/x86/semantics.h"

#define TYPE_BUSY 2u
#define TYPE_32	  8u
#define DR6_BT	  0x8000ull
#define DR7_LOCAL 0x155ull /* L0 to L3, LE */

/* Where things are in a TSS (SDM 3A, figures 7-2 and 7-10). */
struct layout {
	uint8_t word; /* bytes of each */
	uint8_t ip, flags, reg, seg, ldt;
	uint8_t nr_segs; /* ES, CS, SS, DS, FS, GS */
	uint8_t limit;
};

#define TSS32_CR3  0x1c
#define TSS32_TRAP 0x64

static const struct layout *layout_of(unsigned int type)
{
	static const struct layout wide = { 4,	  0x20, 0x24, 0x28,
					    0x48, 0x60, 6,    0x67 };
	static const struct layout narrow = { 2, 14, 16, 18, 34, 42, 4, 0x2b };

	return type & TYPE_32 ? &wide : &narrow;
}

/* A task as its TSS has it. */
struct task {
	struct cpu_segment tss;
	const struct layout *l;
	uint32_t cr3, ip, flags, reg[8];
	uint16_t seg[6], ldt;
	bool trap;
};

uint64_t x86_read_tss(struct x86_cpu *cpu, unsigned int off, unsigned int size)
{
	const struct cpu_segment *tr = &cpu->st.seg[CPU_TR];

	if (off + size - 1 > tr->limit)
		x86_raise_error(cpu, X86_TS, x86_sel_error(cpu, tr->selector));
	return x86_sys_read(cpu, tr->base + off, size);
}

uint16_t x86_inner_stack(struct x86_cpu *cpu, unsigned int cpl, uint64_t *sp)
{
	bool wide = cpu->st.seg[CPU_TR].access & 8;

	if (wide) {
		*sp = x86_read_tss(cpu, 4 + 8 * cpl, 4);
		return (uint16_t)x86_read_tss(cpu, 8 + 8 * cpl, 2);
	}
	*sp = x86_read_tss(cpu, 2 + 4 * cpl, 2);
	return (uint16_t)x86_read_tss(cpu, 4 + 4 * cpl, 2);
}

static uint32_t get(struct x86_cpu *cpu, const struct task *t, unsigned int off)
{
	return (uint32_t)x86_sys_read(cpu, t->tss.base + off, t->l->word);
}

static void read_task(struct x86_cpu *cpu, struct task *t)
{
	const struct layout *l = t->l;
	unsigned int i;

	t->ip = get(cpu, t, l->ip);
	t->flags = get(cpu, t, l->flags);
	for (i = 0; i < 8; i++)
		t->reg[i] = get(cpu, t, l->reg + i * l->word);
	for (i = 0; i < l->nr_segs; i++)
		t->seg[i] = (uint16_t)get(cpu, t, l->seg + i * l->word);
	t->ldt = (uint16_t)get(cpu, t, l->ldt);
	if (l->word == 2)
		return;
	t->cr3 = get(cpu, t, TSS32_CR3);
	t->trap = get(cpu, t, TSS32_TRAP) & 1;
}

/* The TSS of @sel, available, or busy when a nested task returns to it. */
static struct task find_task(struct x86_cpu *cpu, uint16_t sel,
			     enum x86_task_how how)
{
	enum x86_vector vector = how == X86_TASK_RETURN ? X86_TS : X86_GP;
	unsigned int busy = how == X86_TASK_RETURN ? TYPE_BUSY : 0, type;
	struct x86_desc d = { 0 };
	struct task t = { 0 };

	if (!(sel & 4))
		d = x86_read_desc(cpu, sel, vector);
	type = x86_desc_type(&d);
	if (sel & 4 || d.hi & X86_DESC_S || (type & ~TYPE_32) != (1 | busy))
		x86_raise_error(cpu, vector, x86_sel_error(cpu, sel));
	if (!(d.hi & X86_DESC_P))
		x86_raise_error(cpu, X86_NP, x86_sel_error(cpu, sel));
	t.tss = x86_unpack_desc(sel, &d);
	t.l = layout_of(type);
	if (t.tss.limit < t.l->limit)
		x86_raise_error(cpu, X86_TS, x86_sel_error(cpu, sel));
	read_task(cpu, &t);
	return t;
}

static void save_task(struct x86_cpu *cpu, const struct x86_task_switch *sw)
{
	const struct cpu_segment *tr = &cpu->st.seg[CPU_TR];
	const struct layout *l = layout_of(tr->access);
	unsigned int i;

	if (tr->limit < l->limit)
		x86_raise_error(cpu, X86_TS, x86_sel_error(cpu, tr->selector));
	x86_sys_write(cpu, tr->base + l->ip, l->word, sw->rip);
	x86_sys_write(cpu, tr->base + l->flags, l->word, sw->rflags);
	for (i = 0; i < 8; i++)
		x86_sys_write(cpu, tr->base + l->reg + i * l->word, l->word,
			      cpu->reg[i]);
	for (i = 0; i < l->nr_segs; i++)
		x86_sys_write(cpu, tr->base + l->seg + i * l->word, 2,
			      cpu->st.seg[i].selector);
}

static void set_busy(struct x86_cpu *cpu, const struct cpu_segment *tss,
		     bool busy)
{
	uint64_t at = cpu->st.gdtr.base + (tss->selector & ~7u) + 5;
	uint64_t type = x86_sys_read(cpu, at, 1) & ~(uint64_t)TYPE_BUSY;

	x86_sys_write(cpu, at, 1, type | (busy ? TYPE_BUSY : 0));
}

/* SDM 3A, table 7-2: busy flags, link, NT. */
static void link_tasks(struct x86_cpu *cpu, struct task *t,
		       enum x86_task_how how)
{
	const struct cpu_segment *tr = &cpu->st.seg[CPU_TR];

	if (how != X86_TASK_CALL)
		set_busy(cpu, tr, false);
	if (how == X86_TASK_CALL) {
		x86_sys_write(cpu, t->tss.base, 2, tr->selector);
		t->flags |= X86_FL_NT;
	}
	if (how != X86_TASK_RETURN)
		set_busy(cpu, &t->tss, true);
	t->tss.access |= TYPE_BUSY;
}

/* From here on faults are the new task's. */
static void become(struct x86_cpu *cpu, const struct task *t)
{
	unsigned int i;

	cpu->st.seg[CPU_TR] = t->tss;
	cpu->st.cr0 |= X86_CR0_TS;
	if (t->l->word == 4 && cpu->st.cr0 & X86_CR0_PG) {
		cpu->st.cr3 = t->cr3;
		x86_tlb_flush(cpu);
	}
	for (i = 0; i < 8; i++)
		cpu->reg[i] = t->l->word == 4
				      ? t->reg[i]
				      : (cpu->reg[i] & 0xffff0000) | t->reg[i];
	cpu->rip = t->ip;
	cpu->cur = NULL;
	for (i = 0; i < 6; i++)
		cpu->st.seg[i] = (struct cpu_segment){ .selector = t->seg[i] };
	cpu->st.seg[CPU_LDTR] = (struct cpu_segment){ .selector = t->ldt };
	/* The CPL is in SS. */
	cpu->st.seg[CPU_SS].access = (uint16_t)((t->seg[CPU_CS] & 3) << 5);
	cpu->st.dr[7] &= ~DR7_LOCAL;
	x86_update_watch(cpu);
	x86_set_rflags(cpu, t->flags & X86_FL_VALID);
	x86_update_mode(cpu);
}

static void load_ldt(struct x86_cpu *cpu, uint16_t sel)
{
	struct x86_desc d = { 0 };

	if (x86_sel_null(sel))
		return;
	if (!(sel & 4))
		d = x86_read_desc(cpu, sel, X86_TS);
	if (sel & 4 || d.hi & X86_DESC_S || x86_desc_type(&d) != 2 ||
	    !(d.hi & X86_DESC_P))
		x86_raise_error(cpu, X86_TS, x86_sel_error(cpu, sel));
	cpu->st.seg[CPU_LDTR] = x86_unpack_desc(sel, &d);
}

static void load_code(struct x86_cpu *cpu, uint16_t sel)
{
	struct x86_desc d = x86_read_desc(cpu, sel, X86_TS);
	unsigned int dpl = x86_desc_dpl(&d), rpl = sel & 3;

	if (!x86_desc_is_code(&d) ||
	    (d.hi & X86_DESC_CONFORMING ? dpl > rpl : dpl != rpl))
		x86_raise_error(cpu, X86_TS, x86_sel_error(cpu, sel));
	if (!(d.hi & X86_DESC_P))
		x86_raise_error(cpu, X86_NP, x86_sel_error(cpu, sel));
	x86_set_cs(cpu, sel, &d, rpl);
}

static void load_segments(struct x86_cpu *cpu, const struct task *t)
{
	static const uint8_t data[] = { CPU_ES, CPU_DS, CPU_FS, CPU_GS };
	uint16_t ss = t->seg[CPU_SS];
	struct x86_desc d;
	unsigned int i;

	load_ldt(cpu, t->ldt);
	if (x86_v86(cpu)) {
		for (i = 0; i < 6; i++)
			x86_load_real_segment(cpu, i, t->seg[i]);
		return;
	}
	/* SS first: x86_set_cs() looks for the CPL there. */
	d = x86_check_ss(cpu, ss, t->seg[CPU_CS] & 3, X86_TS);
	x86_set_ss(cpu, ss, &d);
	load_code(cpu, t->seg[CPU_CS]);
	for (i = 0; i < sizeof(data); i++)
		x86_load_data(cpu, data[i], t->seg[data[i]], X86_TS);
}

void x86_switch_task(struct x86_cpu *cpu, uint16_t sel,
		     const struct x86_task_switch *sw)
{
	struct task t = find_task(cpu, sel, sw->how);

	save_task(cpu, sw);
	link_tasks(cpu, &t, sw->how);
	become(cpu, &t);
	load_segments(cpu, &t);
	if (sw->has_error)
		x86_push(cpu, sw->error, t.l->word);
	if (cpu->rip > cpu->st.seg[CPU_CS].limit)
		x86_raise_error(cpu, X86_GP, 0);
	if (t.trap)
		x86_trap_debug(cpu, DR6_BT);
}
