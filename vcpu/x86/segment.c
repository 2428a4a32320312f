// SPDX-License-Identifier: MIT
/*
 * segment.c - segment registers, descriptor tables, and the instructions
 * that look at descriptors.
 */
#include "vcpu/x86/segment.h"

#include "vcpu/x86/mem.h"
#include "vcpu/x86/mmu.h"
#include "vcpu/x86/semantics.h"

#define SEL_TI 4u

uint32_t x86_sel_error(const struct x86_cpu *cpu, uint16_t sel)
{
	return (sel & 0xfffcu) | (cpu->external ? 1 : 0);
}

/* The table of @sel; a bad LDT has limit 0. */
static uint64_t table_of(const struct x86_cpu *cpu, uint16_t sel,
			 uint32_t *limit)
{
	const struct cpu_segment *ldt = &cpu->st.seg[CPU_LDTR];

	if (!(sel & SEL_TI)) {
		*limit = cpu->st.gdtr.limit;
		return cpu->st.gdtr.base;
	}
	*limit = ldt->access & CPU_SEG_P ? ldt->limit : 0;
	return ldt->base;
}

bool x86_peek_desc(struct x86_cpu *cpu, uint16_t sel, struct x86_desc *d)
{
	uint32_t limit;
	uint64_t base = table_of(cpu, sel, &limit), v;

	if (x86_sel_null(sel) || (sel | 7u) > limit)
		return false;
	v = x86_sys_read(cpu, base + (sel & ~7u), 8);
	d->lo = (uint32_t)v;
	d->hi = (uint32_t)(v >> 32);
	return true;
}

bool x86_peek_upper(struct x86_cpu *cpu, uint16_t sel, uint64_t *v)
{
	uint32_t limit;
	uint64_t base = table_of(cpu, sel, &limit);

	if ((sel | 7u) + 8 > limit)
		return false;
	*v = x86_sys_read(cpu, base + (sel & ~7u) + 8, 8);
	return true;
}

struct x86_desc x86_read_desc(struct x86_cpu *cpu, uint16_t sel,
			      enum x86_vector vector)
{
	struct x86_desc d;

	if (!x86_peek_desc(cpu, sel, &d))
		x86_raise_error(cpu, vector, x86_sel_error(cpu, sel));
	return d;
}

void x86_mark_accessed(struct x86_cpu *cpu, uint16_t sel, struct x86_desc *d)
{
	uint32_t limit;
	uint64_t base = table_of(cpu, sel, &limit);

	if (d->hi & X86_DESC_ACCESSED)
		return;
	d->hi |= X86_DESC_ACCESSED;
	x86_sys_write(cpu, base + (sel & ~7u) + 5, 1, d->hi >> 8 & 0xff);
}

struct cpu_segment x86_unpack_desc(uint16_t sel, const struct x86_desc *d)
{
	uint32_t limit = (d->lo & 0xffff) | (d->hi & 0xf0000);

	if (d->hi & X86_DESC_G)
		limit = limit << 12 | 0xfff;
	return (struct cpu_segment){
		.selector = sel,
		.base = x86_desc_base(d),
		.limit = limit,
		.access = d->hi >> 8 & 0xf0ff,
	};
}

void x86_load_real_segment(struct x86_cpu *cpu, unsigned int seg, uint16_t sel)
{
	struct cpu_segment *s = &cpu->st.seg[seg];

	s->selector = sel;
	s->base = (uint64_t)sel << 4;
	if (x86_v86(cpu)) {
		s->limit = 0xffff;
		s->access = 0xf3;
	}
	x86_update_mode(cpu);
}

/* Readable, and privileged enough (SDM 3A §5.5). */
static void check_data(struct x86_cpu *cpu, uint16_t sel,
		       const struct x86_desc *d, enum x86_vector vector)
{
	unsigned int dpl = x86_desc_dpl(d), rpl = sel & 3;
	bool code = d->hi & X86_DESC_CODE;
	bool ok = d->hi & X86_DESC_S && (!code || d->hi & X86_DESC_WRITABLE);

	if (ok && !(code && d->hi & X86_DESC_CONFORMING))
		ok = dpl >= cpu->cpl && dpl >= rpl;
	if (!ok)
		x86_raise_error(cpu, vector, x86_sel_error(cpu, sel));
	if (!(d->hi & X86_DESC_P))
		x86_raise_error(cpu, X86_NP, x86_sel_error(cpu, sel));
}

struct x86_desc x86_check_ss(struct x86_cpu *cpu, uint16_t sel,
			     unsigned int cpl, enum x86_vector vector)
{
	struct x86_desc d = x86_read_desc(cpu, sel, vector);

	if ((sel & 3) != cpl || x86_desc_dpl(&d) != cpl ||
	    (d.hi & (X86_DESC_S | X86_DESC_CODE | X86_DESC_WRITABLE)) !=
		    (X86_DESC_S | X86_DESC_WRITABLE))
		x86_raise_error(cpu, vector, x86_sel_error(cpu, sel));
	if (!(d.hi & X86_DESC_P))
		x86_raise_error(cpu, X86_SS, x86_sel_error(cpu, sel));
	return d;
}

void x86_set_ss(struct x86_cpu *cpu, uint16_t sel, struct x86_desc *d)
{
	x86_mark_accessed(cpu, sel, d);
	cpu->st.seg[CPU_SS] = x86_unpack_desc(sel, d);
	x86_update_mode(cpu);
}

/* Unusable, but its DPL still is the CPL. */
void x86_set_ss_null(struct x86_cpu *cpu, uint16_t sel, unsigned int cpl)
{
	cpu->st.seg[CPU_SS] = (struct cpu_segment){
		.selector = sel,
		.access = (uint16_t)(cpl << 5),
	};
	x86_update_mode(cpu);
}

static void load_ss(struct x86_cpu *cpu, uint16_t sel)
{
	struct x86_desc d;

	if (!x86_sel_null(sel)) {
		d = x86_check_ss(cpu, sel, cpu->cpl, X86_GP);
		x86_set_ss(cpu, sel, &d);
		return;
	}
	if (cpu->mode != X86_MODE_64 || cpu->cpl == 3 || (sel & 3) != cpu->cpl)
		x86_raise_error(cpu, X86_GP, x86_sel_error(cpu, 0));
	x86_set_ss_null(cpu, sel, cpu->cpl);
}

void x86_load_data(struct x86_cpu *cpu, unsigned int seg, uint16_t sel,
		   enum x86_vector vector)
{
	struct x86_desc d;

	if (x86_sel_null(sel)) {
		cpu->st.seg[seg] = (struct cpu_segment){ .selector = sel };
	} else {
		d = x86_read_desc(cpu, sel, vector);
		check_data(cpu, sel, &d, vector);
		x86_mark_accessed(cpu, sel, &d);
		cpu->st.seg[seg] = x86_unpack_desc(sel, &d);
	}
	x86_update_mode(cpu);
}

void x86_load_segment(struct x86_cpu *cpu, unsigned int seg, uint16_t sel)
{
	if (x86_real_or_v86(cpu)) {
		x86_load_real_segment(cpu, seg, sel);
		return;
	}
	if (seg == CPU_SS)
		load_ss(cpu, sel);
	else
		x86_load_data(cpu, seg, sel, X86_GP);
}

struct x86_desc x86_check_code(struct x86_cpu *cpu, uint16_t sel)
{
	struct x86_desc d;
	unsigned int dpl;
	bool ok;

	if (x86_sel_null(sel))
		x86_raise_error(cpu, X86_GP, x86_sel_error(cpu, 0));
	d = x86_read_desc(cpu, sel, X86_GP);
	dpl = x86_desc_dpl(&d);
	if (d.hi & X86_DESC_CONFORMING)
		ok = dpl <= cpu->cpl;
	else
		ok = dpl == cpu->cpl && (sel & 3) <= cpu->cpl;
	if (cpu->long_mode && d.hi & X86_DESC_L && d.hi & X86_DESC_DB)
		ok = false;
	if (!ok || !x86_desc_is_code(&d))
		x86_raise_error(cpu, X86_GP, x86_sel_error(cpu, sel));
	if (!(d.hi & X86_DESC_P))
		x86_raise_error(cpu, X86_NP, x86_sel_error(cpu, sel));
	return d;
}

/* CPL lives in SS.DPL; callers that change it load SS as well. */
void x86_set_cs(struct x86_cpu *cpu, uint16_t sel, struct x86_desc *d,
		unsigned int cpl)
{
	x86_mark_accessed(cpu, sel, d);
	cpu->st.seg[CPU_CS] = x86_unpack_desc((uint16_t)((sel & ~3u) | cpl), d);
	x86_update_mode(cpu);
}

void x86_drop_segments(struct x86_cpu *cpu)
{
	static const uint8_t data[] = { CPU_ES, CPU_DS, CPU_FS, CPU_GS };
	unsigned int i;

	for (i = 0; i < sizeof(data); i++) {
		struct cpu_segment *s = &cpu->st.seg[data[i]];
		bool conforming = (s->access & 0xc) == 0xc;

		if (!(s->access & CPU_SEG_P) || conforming ||
		    (s->access >> 5 & 3u) >= cpu->cpl)
			continue;
		/* The base is not touched: that is what 64-bit mode sees. */
		s->selector = 0;
		s->access = 0;
	}
	x86_update_mode(cpu);
}

void x86_set_flat(struct x86_cpu *cpu, uint16_t cs, uint16_t ss,
		  unsigned int cpl, bool code64)
{
	uint16_t dpl = (uint16_t)(cpl << 5);

	/* Code: execute, read, accessed; data: read, write, accessed. */
	cpu->st.seg[CPU_CS] = (struct cpu_segment){
		.selector = cs,
		.limit = UINT32_MAX,
		.access = 0x9b | dpl | CPU_SEG_G |
			  (code64 ? CPU_SEG_L : CPU_SEG_DB),
	};
	cpu->st.seg[CPU_SS] = (struct cpu_segment){
		.selector = ss,
		.limit = UINT32_MAX,
		.access = 0x93 | dpl | CPU_SEG_G | CPU_SEG_DB,
	};
	x86_update_mode(cpu);
}

static void begin_shadow(struct x86_cpu *cpu)
{
	cpu->st.events.shadow_mov_ss = true;
}

void x86_do_mov_to_sreg(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int seg = in->modrm >> 3 & 7;

	x86_load_segment(cpu, seg, (uint16_t)x86_rm_get(cpu, in, 2));
	cpu->rip = x86_next_ip(cpu, in);
	if (seg == CPU_SS)
		begin_shadow(cpu);
}

/* Memory gets 16 bits; a register its full size, zero-extended. */
static void store_word(struct x86_cpu *cpu, const struct x86_insn *in,
		       uint64_t v)
{
	x86_rm_set(cpu, in, x86_is_mem(in) ? 2 : in->size, v);
}

void x86_do_mov_from_sreg(struct x86_cpu *cpu, const struct x86_insn *in)
{
	store_word(cpu, in, cpu->st.seg[in->modrm >> 3 & 7].selector);
}

/* 06 0E 16 1E, 0F A0, 0F A8 */
static unsigned int implied_seg(const struct x86_insn *in)
{
	if (in->map)
		return in->opcode < 0xa8 ? CPU_FS : CPU_GS;
	return in->opcode >> 3 & 3;
}

void x86_do_push_sreg(struct x86_cpu *cpu, const struct x86_insn *in)
{
	x86_push(cpu, cpu->st.seg[implied_seg(in)].selector, in->size);
}

void x86_do_pop_sreg(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int seg = implied_seg(in), size = cpu->stack_size;

	x86_load_segment(cpu, seg, (uint16_t)x86_peek(cpu, 0, in->size));
	x86_reg_set(cpu, CPU_RSP, cpu->reg[CPU_RSP] + in->size, size);
	if (seg != CPU_SS)
		return;
	begin_shadow(cpu);
	cpu->rip = x86_next_ip(cpu, in);
}

/* LES C4, LDS C5; 0F: LSS B2, LFS B4, LGS B5 */
void x86_do_lds(struct x86_cpu *cpu, const struct x86_insn *in)
{
	unsigned int seg = in->map	    ? in->opcode & 7
			   : in->opcode & 1 ? CPU_DS
					    : CPU_ES;
	uint64_t lin = x86_lin(cpu, in, in->size + 2u, false);
	uint64_t off = x86_read(cpu, lin, in->size);

	x86_load_segment(cpu, seg, (uint16_t)x86_read(cpu, lin + in->size, 2));
	x86_reg_set(cpu, in->reg, off, in->size);
	cpu->rip = x86_next_ip(cpu, in);
}

/* SDM 2, "LAR", "LSL": system types that the instruction shows. */
static bool visible(const struct x86_cpu *cpu, uint16_t sel,
		    const struct x86_desc *d, uint16_t types)
{
	bool conforming = x86_desc_is_code(d) && d->hi & X86_DESC_CONFORMING;
	unsigned int dpl = x86_desc_dpl(d);

	if (!(d->hi & X86_DESC_S) && !(types >> x86_desc_type(d) & 1))
		return false;
	return conforming || (dpl >= cpu->cpl && dpl >= (sel & 3u));
}

static bool find_visible(struct x86_cpu *cpu, const struct x86_insn *in,
			 uint16_t types, struct x86_desc *d)
{
	uint16_t sel;

	if (x86_real_or_v86(cpu))
		x86_raise(cpu, X86_UD);
	sel = (uint16_t)x86_rm_get(cpu, in, 2);
	return x86_peek_desc(cpu, sel, d) && visible(cpu, sel, d, types);
}

void x86_do_lar(struct x86_cpu *cpu, const struct x86_insn *in)
{
	/* Long mode: LDT, TSSes and call gates of 64 bits only. */
	uint16_t types = cpu->long_mode ? 0x1a04 : 0x1a3e;
	struct x86_desc d;
	bool ok = find_visible(cpu, in, types, &d);

	if (ok)
		x86_reg_set(cpu, in->reg, d.hi & 0x00ffff00, in->size);
	x86_set_zf(cpu, ok);
}

void x86_do_lsl(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint16_t types = cpu->long_mode ? 0x0a04 : 0x0a0e;
	struct x86_desc d;
	bool ok = find_visible(cpu, in, types, &d);

	if (ok)
		x86_reg_set(cpu, in->reg, x86_unpack_desc(0, &d).limit,
			    in->size);
	x86_set_zf(cpu, ok);
}

static void verify(struct x86_cpu *cpu, const struct x86_insn *in, bool write)
{
	struct x86_desc d;
	bool ok = find_visible(cpu, in, 0, &d);

	if (ok && write)
		ok = !(d.hi & X86_DESC_CODE) && d.hi & X86_DESC_WRITABLE;
	else if (ok)
		ok = !(d.hi & X86_DESC_CODE) || d.hi & X86_DESC_WRITABLE;
	x86_set_zf(cpu, ok);
}

void x86_do_verr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	verify(cpu, in, false);
}

void x86_do_verw(struct x86_cpu *cpu, const struct x86_insn *in)
{
	verify(cpu, in, true);
}

void x86_do_arpl(struct x86_cpu *cpu, const struct x86_insn *in)
{
	uint16_t src = (uint16_t)cpu->reg[in->reg], dst;
	bool lower;

	if (x86_real_or_v86(cpu))
		x86_raise(cpu, X86_UD);
	dst = (uint16_t)x86_rm_get(cpu, in, 2);
	lower = (dst & 3) < (src & 3);
	if (lower)
		x86_rm_set(cpu, in, 2, (dst & ~3u) | (src & 3u));
	x86_set_zf(cpu, lower);
}

/* 10 bytes in 64-bit mode, 6 elsewhere. */
static void store_table(struct x86_cpu *cpu, const struct x86_insn *in,
			const struct cpu_table *t)
{
	unsigned int wide = in->flags & X86_F_CODE64 ? 8 : 4;
	uint64_t lin = x86_lin(cpu, in, 2 + wide, true);
	uint8_t bytes[10];

	x86_need_align(cpu, lin, 4);
	memcpy(bytes, &t->limit, 2);
	memcpy(bytes + 2, &t->base, wide);
	x86_write_bytes(cpu, lin, bytes, 2 + wide);
}

static void load_table(struct x86_cpu *cpu, const struct x86_insn *in,
		       struct cpu_table *t)
{
	unsigned int wide = in->flags & X86_F_CODE64 ? 8 : 4;
	uint64_t lin, base;
	uint16_t limit;

	x86_need_cpl0(cpu);
	lin = x86_lin(cpu, in, 2 + wide, false);
	limit = (uint16_t)x86_read(cpu, lin, 2);
	base = x86_read(cpu, lin + 2, wide);
	if (wide == 8 && !x86_canonical(base))
		x86_raise_error(cpu, X86_GP, 0);
	/* A 16-bit operand has a base of 24 bits. */
	t->base = in->size == 2 && wide == 4 ? base & 0xffffff : base;
	t->limit = limit;
}

void x86_do_sgdt(struct x86_cpu *cpu, const struct x86_insn *in)
{
	store_table(cpu, in, &cpu->st.gdtr);
}

void x86_do_sidt(struct x86_cpu *cpu, const struct x86_insn *in)
{
	store_table(cpu, in, &cpu->st.idtr);
}

void x86_do_lgdt(struct x86_cpu *cpu, const struct x86_insn *in)
{
	load_table(cpu, in, &cpu->st.gdtr);
}

void x86_do_lidt(struct x86_cpu *cpu, const struct x86_insn *in)
{
	load_table(cpu, in, &cpu->st.idtr);
}

void x86_do_sldt(struct x86_cpu *cpu, const struct x86_insn *in)
{
	if (x86_real_or_v86(cpu))
		x86_raise(cpu, X86_UD);
	store_word(cpu, in, cpu->st.seg[CPU_LDTR].selector);
}

void x86_do_str(struct x86_cpu *cpu, const struct x86_insn *in)
{
	if (x86_real_or_v86(cpu))
		x86_raise(cpu, X86_UD);
	store_word(cpu, in, cpu->st.seg[CPU_TR].selector);
}

/* A system segment of @type from the GDT; 16 bytes in long mode. */
static struct cpu_segment read_system(struct x86_cpu *cpu, uint16_t sel,
				      struct x86_desc *d, uint16_t types)
{
	struct cpu_segment s;

	if (sel & SEL_TI)
		x86_raise_error(cpu, X86_GP, x86_sel_error(cpu, sel));
	*d = x86_read_desc(cpu, sel, X86_GP);
	if (d->hi & X86_DESC_S || !(types >> x86_desc_type(d) & 1))
		x86_raise_error(cpu, X86_GP, x86_sel_error(cpu, sel));
	if (!(d->hi & X86_DESC_P))
		x86_raise_error(cpu, X86_NP, x86_sel_error(cpu, sel));
	s = x86_unpack_desc(sel, d);
	if (cpu->long_mode)
		s.base |= x86_sys_read(cpu, cpu->st.gdtr.base + (sel & ~7u) + 8,
				       4)
			  << 32;
	return s;
}

static void need_system(struct x86_cpu *cpu)
{
	if (x86_real_or_v86(cpu))
		x86_raise(cpu, X86_UD);
	x86_need_cpl0(cpu);
}

void x86_do_lldt(struct x86_cpu *cpu, const struct x86_insn *in)
{
	struct x86_desc d;
	uint16_t sel;

	need_system(cpu);
	sel = (uint16_t)x86_rm_get(cpu, in, 2);
	if (x86_sel_null(sel))
		cpu->st.seg[CPU_LDTR] = (struct cpu_segment){ .selector = sel };
	else
		cpu->st.seg[CPU_LDTR] = read_system(cpu, sel, &d, 1 << 2);
}

/* The TSS becomes busy: bit 1 of its type. */
void x86_do_ltr(struct x86_cpu *cpu, const struct x86_insn *in)
{
	struct cpu_segment s;
	struct x86_desc d;
	uint16_t sel;

	need_system(cpu);
	sel = (uint16_t)x86_rm_get(cpu, in, 2);
	if (x86_sel_null(sel))
		x86_raise_error(cpu, X86_GP, 0);
	s = read_system(cpu, sel, &d,
			cpu->long_mode ? 1 << 9 : 1 << 9 | 1 << 1);
	x86_sys_write(cpu, cpu->st.gdtr.base + (sel & ~7u) + 5, 1,
		      (d.hi >> 8 & 0xff) | 2);
	s.access |= 2;
	cpu->st.seg[CPU_TR] = s;
}
