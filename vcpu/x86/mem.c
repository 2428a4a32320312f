// SPDX-License-Identifier: MIT
/*
 * mem.c - the slow ways of mem.h: TLB misses, page crossings, MMIO, and the
 * checks of legacy segments.
 */
#include "vcpu/x86/mem.h"

#include "memory/bus.h"
#include "memory/ram.h"
#include "vcpu/x86/mmu.h"

#define PAGE_MASK (X86_PAGE - 1)

static bool is_user(const struct x86_cpu *cpu)
{
	return cpu->cpl == 3;
}

/* PUSH, POP and CALL with memory: which of the two accesses is it? */
static bool is_stack_part(const struct x86_cpu *cpu, uint64_t lin)
{
	switch (cpu->cur->op) {
	case X86_OP_push:
	case X86_OP_pop:
	case X86_OP_call_ind:
	case X86_OP_call_far_ind:
		return lin - cpu->reg[CPU_RSP] + 16 < 32;
	}
	return false;
}

/* SDM 3A §3.3.7.1; stack accesses raise #SS. */
static void check_canonical(struct x86_cpu *cpu, uint64_t lin)
{
	bool stack;

	if (X86_LIKELY(!cpu->long_mode || x86_canonical(lin)))
		return;
	stack = cpu->cur &&
		(cpu->cur->flags & X86_F_STACK || is_stack_part(cpu, lin));
	x86_raise_error(cpu, stack ? X86_SS : X86_GP, 0);
}

static gpa_t translate(struct x86_cpu *cpu, uint64_t lin, unsigned int access)
{
	uint32_t error;
	gpa_t gpa;

	check_canonical(cpu, lin);
	if (x86_translate(cpu, lin, access, &gpa, &error))
		x86_raise_page_fault(cpu, lin, error);
	return gpa;
}

static struct x86_tlb_entry *slot(struct x86_cpu *cpu, uint64_t lin, bool user)
{
	return &cpu->tlb_set[user][lin / X86_PAGE % X86_TLB_SIZE];
}

/*
 * The host address of @lin, the translation entered into the TLB; NULL and
 * *gpa when it is not RAM.
 */
static void *resolve(struct x86_cpu *cpu, uint64_t lin, bool user, bool write,
		     gpa_t *gpa)
{
	unsigned int access =
		(user ? X86_ACC_USER : 0) | (write ? X86_ACC_WRITE : 0);
	struct x86_tlb_entry *e = slot(cpu, lin, user);
	uint64_t tag = (lin & ~PAGE_MASK) | cpu->tlb_gen;
	char *page;

	if ((write ? e->tag_w : e->tag_r) == tag)
		return x86_host(e, lin);

	*gpa = translate(cpu, lin, access);
	page = ram_ptr(cpu->ram, *gpa & ~PAGE_MASK, X86_PAGE);
	if (!page)
		return NULL;
	if (write)
		cpu->env->write_page(cpu, *gpa & ~PAGE_MASK);
	if (X86_LIKELY(!cpu->watch)) {
		e->tag_r = tag;
		e->tag_w = write ? tag : 0;
		e->addend = (uint64_t)(uintptr_t)page - (lin & ~PAGE_MASK);
		e->gpa = *gpa & ~PAGE_MASK;
	}
	return page + (lin & PAGE_MASK);
}

/* Bytes of [lin, lin + size) in the first page. */
static unsigned int first_part(uint64_t lin, unsigned int size)
{
	uint64_t left = X86_PAGE - (lin & PAGE_MASK);

	return size < left ? size : (unsigned int)left;
}

static uint64_t mmio_read(struct x86_cpu *cpu, gpa_t gpa, unsigned int size)
{
	uint64_t v = 0;
	unsigned int i;

	if (!(size & (size - 1)))
		return cpu->env->mmio_read(cpu, gpa, size);
	for (i = 0; i < size; i++)
		v |= cpu->env->mmio_read(cpu, gpa + i, 1) << (8 * i);
	return v;
}

static void mmio_write(struct x86_cpu *cpu, gpa_t gpa, unsigned int size,
		       uint64_t val)
{
	unsigned int i;

	if (!(size & (size - 1))) {
		cpu->env->mmio_write(cpu, gpa, size, val);
		return;
	}
	for (i = 0; i < size; i++)
		cpu->env->mmio_write(cpu, gpa + i, 1, val >> (8 * i) & 0xff);
}

/* Within one page; any size up to 8. */
static uint64_t read_part(struct x86_cpu *cpu, uint64_t lin, unsigned int size,
			  bool user)
{
	uint64_t v = 0;
	gpa_t gpa;
	void *p = resolve(cpu, lin, user, false, &gpa);

	if (!p)
		return mmio_read(cpu, gpa, size);
	if (!(size & (size - 1)))
		return x86_load(p, size);
	memcpy(&v, p, size);
	return v;
}

static void write_part(struct x86_cpu *cpu, uint64_t lin, unsigned int size,
		       uint64_t val, bool user)
{
	gpa_t gpa;
	void *p = resolve(cpu, lin, user, true, &gpa);

	if (!p)
		mmio_write(cpu, gpa, size, val);
	else if (!(size & (size - 1)))
		x86_store(p, val, size);
	else
		memcpy(p, &val, size);
}

/* SDM 3B §17.2.4: note a hit; the trap comes after the instruction. */
static void check_watch(struct x86_cpu *cpu, uint64_t lin, unsigned int size,
			bool write)
{
	uint64_t dr7 = cpu->st.dr[7];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		unsigned int rw = dr7 >> (16 + 4 * i) & 3;
		unsigned int len = dr7 >> (18 + 4 * i) & 3;
		uint64_t bytes = len == 2 ? 8 : len + 1;
		uint64_t at = cpu->st.dr[i] & ~(bytes - 1);

		if (!(dr7 >> (2 * i) & 3) || !(rw & 1) || (rw == 1 && !write))
			continue;
		if (lin + size > at && lin < at + bytes)
			cpu->pending_dr6 |= 1u << i;
	}
}

_Noreturn void x86_raise_align(struct x86_cpu *cpu, uint64_t lin,
			       unsigned int align)
{
	check_canonical(cpu, lin);
	check_canonical(cpu, lin + align - 1);
	x86_raise_error(cpu, X86_AC, 0);
}

static uint64_t read_any(struct x86_cpu *cpu, uint64_t lin, unsigned int size,
			 bool user)
{
	unsigned int first = first_part(lin, size);
	uint64_t v;

	if (X86_UNLIKELY(cpu->watch))
		check_watch(cpu, lin, size, false);
	if (first < size)
		check_canonical(cpu, lin + first);
	v = read_part(cpu, lin, first, user);
	if (first < size)
		v |= read_part(cpu, lin + first, size - first, user)
		     << (8 * first);
	return v;
}

static void write_any(struct x86_cpu *cpu, uint64_t lin, unsigned int size,
		      uint64_t val, bool user)
{
	unsigned int first = first_part(lin, size);
	gpa_t gpa;

	if (X86_UNLIKELY(cpu->watch))
		check_watch(cpu, lin, size, true);
	/* Nothing is written unless all can be; the first page faults first. */
	if (first < size) {
		check_canonical(cpu, lin + first);
		resolve(cpu, lin, user, true, &gpa);
		resolve(cpu, lin + first, user, true, &gpa);
	}
	write_part(cpu, lin, first, val, user);
	if (first < size)
		write_part(cpu, lin + first, size - first, val >> (8 * first),
			   user);
}

uint64_t x86_read_slow(struct x86_cpu *cpu, uint64_t lin, unsigned int size)
{
	x86_need_align(cpu, lin, size);
	return read_any(cpu, lin, size, is_user(cpu));
}

void x86_write_slow(struct x86_cpu *cpu, uint64_t lin, unsigned int size,
		    uint64_t val)
{
	x86_need_align(cpu, lin, size);
	write_any(cpu, lin, size, val, is_user(cpu));
}

uint64_t x86_sys_read(struct x86_cpu *cpu, uint64_t lin, unsigned int size)
{
	return read_any(cpu, lin, size, false);
}

void x86_sys_write(struct x86_cpu *cpu, uint64_t lin, unsigned int size,
		   uint64_t val)
{
	write_any(cpu, lin, size, val, false);
}

void *x86_write_ptr_slow(struct x86_cpu *cpu, uint64_t lin, unsigned int size)
{
	unsigned int first = first_part(lin, size);
	bool user = is_user(cpu);
	char *p, *second;
	gpa_t gpa;

	x86_need_align(cpu, lin, size);
	if (X86_UNLIKELY(cpu->watch))
		check_watch(cpu, lin, size, true);
	if (first < size)
		check_canonical(cpu, lin + first);
	p = resolve(cpu, lin, user, true, &gpa);
	if (first == size)
		return p;
	second = resolve(cpu, lin + first, user, true, &gpa);
	return p && second == p + first ? p : NULL;
}

void x86_probe_write(struct x86_cpu *cpu, uint64_t lin, unsigned int len)
{
	unsigned int first = first_part(lin, len);
	bool user = is_user(cpu);
	gpa_t gpa;

	resolve(cpu, lin, user, true, &gpa);
	if (first < len)
		resolve(cpu, lin + first, user, true, &gpa);
}

void x86_read_bytes(struct x86_cpu *cpu, uint64_t lin, void *buf,
		    unsigned int len)
{
	char *to = buf;

	while (len) {
		unsigned int n = len < 8 ? len : 8;
		uint64_t v = read_any(cpu, lin, n, is_user(cpu));

		memcpy(to, &v, n);
		to += n;
		lin += n;
		len -= n;
	}
}

void x86_write_bytes(struct x86_cpu *cpu, uint64_t lin, const void *buf,
		     unsigned int len)
{
	const char *from = buf;

	x86_probe_write(cpu, lin, len);
	while (len) {
		unsigned int n = len < 8 ? len : 8;
		uint64_t v = 0;

		memcpy(&v, from, n);
		write_any(cpu, lin, n, v, is_user(cpu));
		from += n;
		lin += n;
		len -= n;
	}
}

__attribute__((no_sanitize("alignment"))) bool
x86_cas(void *p, uint64_t old, uint64_t val, unsigned int size)
{
	uint8_t o1 = (uint8_t)old;
	uint16_t o2 = (uint16_t)old;
	uint32_t o4 = (uint32_t)old;

	switch (size) {
	case 1:
		return __atomic_compare_exchange_n((uint8_t *)p, &o1,
						   (uint8_t)val, false,
						   __ATOMIC_SEQ_CST,
						   __ATOMIC_SEQ_CST);
	case 2:
		return __atomic_compare_exchange_n((uint16_t *)p, &o2,
						   (uint16_t)val, false,
						   __ATOMIC_SEQ_CST,
						   __ATOMIC_SEQ_CST);
	case 4:
		return __atomic_compare_exchange_n((uint32_t *)p, &o4,
						   (uint32_t)val, false,
						   __ATOMIC_SEQ_CST,
						   __ATOMIC_SEQ_CST);
	}
	return __atomic_compare_exchange_n((uint64_t *)p, &old, val, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

bool x86_cas_split(struct x86_cpu *cpu, uint64_t lin, uint64_t old,
		   uint64_t val, unsigned int size)
{
	unsigned int first = first_part(lin, size);
	bool user = is_user(cpu), same;
	char now[8], *a, *b;
	gpa_t gpa;

	a = resolve(cpu, lin, user, true, &gpa);
	b = resolve(cpu, lin + first, user, true, &gpa);
	if (first == size || !a || !b) {
		write_any(cpu, lin, size, val, user);
		return true;
	}
	if (cpu->env->stop_others)
		cpu->env->stop_others(cpu);
	memcpy(now, a, first);
	memcpy(now + first, b, size - first);
	same = !memcmp(now, &old, size);
	if (same) {
		memcpy(a, &val, first);
		memcpy(b, (char *)&val + first, size - first);
	}
	if (cpu->env->resume_others)
		cpu->env->resume_others(cpu);
	return same;
}

uint64_t x86_bus_read(struct x86_cpu *cpu, gpa_t gpa, unsigned int len)
{
	return bus_read(cpu->bus, BUS_MMIO, gpa, len);
}

void x86_bus_write(struct x86_cpu *cpu, gpa_t gpa, unsigned int len,
		   uint64_t val)
{
	bus_write(cpu->bus, BUS_MMIO, gpa, len, val);
}

/* Generations are the low bits of tags: 0 is no entry. */
void x86_tlb_flush(struct x86_cpu *cpu)
{
	if (++cpu->tlb_gen < X86_PAGE)
		return;
	cpu->tlb_gen = 1;
	memset(cpu->tlb_set, 0, sizeof(cpu->tlb_set));
	memset(cpu->itlb, 0, sizeof(cpu->itlb));
	cpu->env->flush_code(cpu);
}

void x86_tlb_flush_page(struct x86_cpu *cpu, uint64_t lin)
{
	uint64_t page = lin / X86_PAGE;
	int user;

	for (user = 0; user < 2; user++) {
		struct x86_tlb_entry *e = slot(cpu, lin, user);

		e->tag_r = e->tag_w = 0;
		cpu->itlb[user][page % X86_ITLB_SIZE].tag = 0;
	}
	cpu->env->flush_code(cpu);
}

const uint8_t *x86_fetch_ptr(struct x86_cpu *cpu, uint64_t lin, gpa_t *gpa)
{
	bool user = is_user(cpu);
	struct x86_itlb_entry *e =
		&cpu->itlb[user][lin / X86_PAGE % X86_ITLB_SIZE];
	uint64_t tag = (lin & ~PAGE_MASK) | cpu->tlb_gen;
	gpa_t at;

	if (e->tag != tag) {
		at = translate(cpu, lin,
			       X86_ACC_FETCH | (user ? X86_ACC_USER : 0));
		e->gpa = at & ~PAGE_MASK;
		e->host = ram_ptr(cpu->ram, e->gpa, X86_PAGE);
		e->tag = tag;
	}
	*gpa = e->gpa | (lin & PAGE_MASK);
	return e->host ? e->host + (lin & PAGE_MASK) : NULL;
}

bool x86_in_limit(const struct cpu_segment *s, uint64_t off, unsigned int size)
{
	uint64_t last = off + size - 1, top;

	/* Expand-down: data (bit 3 clear) with bit 2 set. */
	if ((s->access & (CPU_SEG_S | 0xc)) != (CPU_SEG_S | 0x4))
		return last <= s->limit;
	top = s->access & CPU_SEG_DB ? 0xffffffff : 0xffff;
	return off > s->limit && last <= top;
}

/* Present, and of a type that may be read or written. */
static bool type_allows(const struct cpu_segment *s, bool write)
{
	bool code = s->access & 8;

	if (!(s->access & CPU_SEG_P))
		return false;
	if (write)
		return !code && s->access & 2;
	return !code || s->access & 2;
}

uint64_t x86_seg_lin(struct x86_cpu *cpu, unsigned int seg, uint64_t off,
		     unsigned int size, bool write)
{
	const struct cpu_segment *s = &cpu->st.seg[seg];

	if (cpu->mode == X86_MODE_64)
		return off + cpu->seg_base[seg];
	if ((x86_protected(cpu) && !x86_v86(cpu) && !type_allows(s, write)) ||
	    !x86_in_limit(s, off, size))
		x86_raise_error(cpu, seg == CPU_SS ? X86_SS : X86_GP, 0);
	return (uint32_t)(s->base + off);
}
