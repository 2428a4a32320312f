// SPDX-License-Identifier: MIT
/*
 * fuzz_interp.c - guest code and a CPU's state into the interpreter: whatever
 * both are, the guest reads and writes guest RAM and devices and nothing else.
 *
 * How it works. The input's first bytes choose a mode, registers, FPU and
 * control bits, and may spoil the state as a snapshot of a stranger would;
 * the rest is code at CODE_AT. The guest has descriptor tables, a TSS, page
 * tables (RAM, holes, a device, a large page that RAM ends in), and handlers
 * that go on one byte after an instruction that faults. A timer kicks guests
 * that run on or sleep.
 *
 * What must hold afterwards: every translation in the TLBs leads to the page
 * of guest RAM it names, what the guest cannot have changed is as it was, the
 * state that get_state() gives is one that set_state() takes. Pages that
 * nobody may touch lie around guest RAM; the sanitizers see the rest.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/checked.h"
#include "base/log.h"
#include "memory/bus.h"
#include "memory/ram.h"
#include "tests/fuzz/fuzz_input.h"
#include "vcpu/engine.h"
#include "vcpu/interp/interp_int.h"
#include "vcpu/irqchip/irqchip.h"
#include "vcpu/state.h"
#include "vcpu/x86/entry.h"
#include "vcpu/x86/fpu.h"
#include "vcpu/x86/mem.h"

#define RAM_SIZE   (LAYOUT_RAM_MIN + RAM_PAGE)
#define GUARD_SIZE (1ull << 20)
#define RUN_NS	   300000

/* The guest's own */
#define CODE_AT	    0x1000ull
#define CODE_MAX    0x1800u
#define HANDLERS_AT 0x3000ull
#define GDT_AT	    0x5000ull
#define TSS_AT	    0x5100ull
#define IDT_AT	    0x6000ull
#define STACK_AT    0x9000ull
#define TABLES_AT   0x10000ull
#define DATA_AT	    0x20000ull
#define DEVICE_AT   0xd0000000ull
#define DEVICE_LIN  0x300000ull

#define CODE64 0x08u
#define DATA0  0x10u
#define CODE32 0x18u
#define USER32 0x28u
#define USERD  0x30u
#define USER64 0x38u
#define TSS    0x40u

/* The first byte of an input */
#define HOW_MODE   0x03u /* 0 real, 1 protected, 2 with paging, 3 64-bit */
#define HOW_USER   0x04u
#define HOW_SPOIL  0x08u
#define HOW_XSAVE  0x10u
#define HOW_NO_IDT 0x20u
#define HOW_LAPIC  0x40u

struct fuzz {
	struct fuzz_input in;
	struct ram *ram;
	struct bus *bus;
	struct irqchip *chip;
	const struct engine_ops *ops;
	struct engine *engine;
	struct vcpu *vcpu;
	timer_t timer;
	struct bus_dev mmio, pio;
	unsigned int how;
	struct cpu_state st, got;
};

static uint64_t dev_read(struct bus_dev *d, uint64_t off, unsigned int len)
{
	require(len <= 8 && range_fits(off, len, d->size));
	return 0x0123456789abcdefull ^ off;
}

static void dev_write(struct bus_dev *d, uint64_t off, unsigned int len,
		      uint64_t val)
{
	(void)val;
	require(len <= 8 && range_fits(off, len, d->size));
}

static const struct bus_ops dev_ops = { dev_read, dev_write };

/* Setting up, once */

static void on_timer(int sig, siginfo_t *info, void *context)
{
	struct vcpu *v = info->si_value.sival_ptr;

	(void)sig;
	(void)context;
	v->engine->ops->kick(v);
}

static void make_timer(struct fuzz *f)
{
	struct sigaction sa = { .sa_sigaction = on_timer,
				.sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = SIGRTMIN,
			       .sigev_value.sival_ptr = f->vcpu };

	require(!sigaction(SIGRTMIN, &sa, NULL));
	require(!timer_create(CLOCK_MONOTONIC, &ev, &f->timer));
}

static void set_timer(struct fuzz *f, long ns)
{
	const struct itimerspec t = { { 0, ns }, { 0, ns } };

	require(!timer_settime(f->timer, 0, &t, NULL));
}

/* Move RAM into the middle of pages that nobody may touch. */
static void make_ram(struct fuzz *f)
{
	struct ram_region *r;
	char *fence;

	require(!ram_create(&f->ram, RAM_SIZE));
	r = (struct ram_region *)(uintptr_t)ram_region(f->ram, 0);
	fence = mmap(NULL, RAM_SIZE + 2 * GUARD_SIZE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	require(fence != MAP_FAILED);
	r->host = mremap(r->host, RAM_SIZE, RAM_SIZE,
			 MREMAP_MAYMOVE | MREMAP_FIXED, fence + GUARD_SIZE);
	require(r->host == fence + GUARD_SIZE);
}

static void create(struct fuzz *f)
{
	struct engine_params p;
	char why[256];

	log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	make_ram(f);
	require(!bus_create(&f->bus) && !irqchip_create(&f->chip, f->bus));
	f->mmio = (struct bus_dev){ "mmio", DEVICE_AT, 0x2000, &dev_ops };
	f->pio = (struct bus_dev){ "pio", 0x1000, 0x1000, &dev_ops };
	require(!bus_add(f->bus, BUS_MMIO, &f->mmio) &&
		!bus_add(f->bus, BUS_PIO, &f->pio));
	require(!engine_select("interp", false, &f->ops, why, sizeof(why)));
	p = (struct engine_params){ f->ram, f->bus, f->chip, 1, NULL };
	require(!f->ops->create(&f->engine, &p));
	require(!f->ops->vcpu_create(f->engine, 0, &f->vcpu));
	make_timer(f);
}

/* The guest's memory */

static void put(struct fuzz *f, gpa_t at, uint64_t v, unsigned int size)
{
	memcpy(ram_ptr(f->ram, at, size), &v, size);
}

static void put_descriptors(struct fuzz *f)
{
	static const uint64_t gdt[] = {
		0,
		0x00af9b000000ffff,
		0x00cf93000000ffff,
		0x00cf9b000000ffff,
		0x000f9b000000ffff, /* 16-bit code */
		0x00cffb000000ffff,
		0x00cff3000000ffff,
		0x00affb000000ffff,
		0x00008b0000000067 | TSS_AT << 16,
		0,
		0x0000ec0000081000, /* a call gate to CODE_AT */
		0,
	};

	memcpy(ram_ptr(f->ram, GDT_AT, sizeof(gdt)), gdt, sizeof(gdt));
	put(f, TSS_AT + 4, STACK_AT, 8);  /* RSP0; ESP0 and SS0 */
	put(f, TSS_AT + 36, STACK_AT, 8); /* IST1 */
	if ((f->how & HOW_MODE) < 3)
		put(f, TSS_AT + 8, DATA0, 4);
}

/* Drop the error code, if there is one, and return to the next byte. */
static unsigned int handler(struct fuzz *f, gpa_t at, bool has_error)
{
	static const char real[] = "\x55\x89\xe5\xff\x46\x02\x5d\xcf";
	static const char prot[] = "\x83\xc4\x04\xff\x04\x24\xcf";
	static const char wide[] = "\x48\x83\xc4\x08\x48\xff\x04\x24\x48\xcf";
	unsigned int mode = f->how & HOW_MODE, skip;

	if (!mode) {
		memcpy(ram_ptr(f->ram, at, 16), real, sizeof(real));
		return 0;
	}
	skip = has_error ? 0 : mode < 3 ? 3 : 4;
	if (mode < 3)
		memcpy(ram_ptr(f->ram, at, 16), prot, sizeof(prot));
	else
		memcpy(ram_ptr(f->ram, at, 16), wide, sizeof(wide));
	return skip;
}

static void put_idt(struct fuzz *f)
{
	const uint32_t with_error = 1u << X86_DF | 1u << X86_TS | 1u << X86_NP |
				    1u << X86_SS | 1u << X86_GP | 1u << X86_PF |
				    1u << X86_AC;
	unsigned int mode = f->how & HOW_MODE, i;

	for (i = 0; i < 256; i++) {
		gpa_t at = HANDLERS_AT + 16 * i;
		uint64_t gate;

		at += handler(f, at, i < 32 && with_error >> i & 1);
		gate = 0xee0000000000ull | at |
		       (mode < 3 ? CODE32 : CODE64) << 16;
		if (!mode)
			put(f, 4 * i, at, 4);
		else
			put(f, IDT_AT + (mode < 3 ? 8 : 16) * i, gate, 8);
	}
}

#define P_RW   0x3ull
#define P_USER 0x4ull
#define P_BIG  0x80ull

/* RAM page by page, one entry of which the input chooses; then devices. */
static void put_tables(struct fuzz *f, unsigned int size, gpa_t table)
{
	uint64_t bits = P_RW | (f->how & HOW_USER ? P_USER : 0), pte;
	unsigned int i, hole = take8(&f->in);

	for (i = 0; i < 256; i++)
		put(f, table + i * size, i * RAM_PAGE | bits, size);
	pte = take32(&f->in);
	if (hole)
		put(f, table + hole * size, pte | take8(&f->in) % 2 * P_RW,
		    size);
	i = DEVICE_LIN / RAM_PAGE;
	put(f, table + (i % 512) * size, DEVICE_AT | bits, size);
	put(f, table + (i % 512 + 1) * size, LAYOUT_LAPIC | bits, size);
}

static void put_paging(struct fuzz *f)
{
	const uint64_t bits = P_RW | P_USER;
	gpa_t t = TABLES_AT;

	if ((f->how & HOW_MODE) == 2) {
		put(f, t, (t + 0x1000) | bits, 4);
		put(f, t + 4, P_BIG | bits, 4);
		put(f, t + 8, DEVICE_AT | P_BIG | bits, 4);
		put_tables(f, 4, t + 0x1000);
		return;
	}
	put(f, t, (t + 0x1000) | bits, 8);
	put(f, t + 0xff8, (t + 0x1000) | bits, 8);
	put(f, t + 0x1000, (t + 0x2000) | bits, 8);
	put(f, t + 0x1008, P_BIG | bits, 8); /* 1 GiB */
	put(f, t + 0x2000, (t + 0x3000) | bits, 8);
	put(f, t + 0x2008, (t + 0x3000) | bits, 8);
	put(f, t + 0x2010, P_BIG | bits, 8); /* 2 MiB */
	put_tables(f, 8, t + 0x3000);
}

/* The CPU's state */

static uint64_t some_value(struct fuzz *f)
{
	static const uint64_t values[] = {
		0,
		1,
		DATA_AT,
		DATA_AT + 0xfff,
		DEVICE_LIN,
		DEVICE_LIN + 0xffc,
		DEVICE_AT,
		LAYOUT_LAPIC,
		RAM_SIZE - 1,
		RAM_SIZE - 8,
		0x200000 + RAM_SIZE - 8,
		0x400000 + RAM_SIZE - 4,
		0x40000000 + RAM_SIZE - 4,
		CODE_AT,
		CODE_AT + 64,
		TABLES_AT + 0x3000,
		GDT_AT,
		IDT_AT,
		0xffffffff,
		0x7fffffff,
		0x80000000,
		0x7fffffffffff,
		0x8000000000000000,
		0x7fffffffffffffff,
		UINT64_MAX,
		UINT64_MAX - 7,
		0xffffff8000000000,
		0xfff8,
	};
	uint8_t which = take8(&f->in);

	if (which < ARRAY_SIZE(values))
		return values[which];
	return which & 0x80 ? take32(&f->in) : DATA_AT + 8ull * which;
}

static struct cpu_segment segment(uint16_t sel, uint16_t access)
{
	return (struct cpu_segment){ 0, UINT32_MAX, sel, access };
}

static void set_segments(struct fuzz *f)
{
	struct cpu_state *st = &f->st;
	bool user = f->how & HOW_USER, wide = (f->how & HOW_MODE) == 3;
	uint16_t rights = user ? 0x60 : 0, rpl = user ? 3 : 0;
	unsigned int i;

	for (i = 0; i <= CPU_GS; i++)
		st->seg[i] =
			segment((user ? USERD : DATA0) | rpl, 0xc093 | rights);
	st->seg[CPU_CS] = segment((uint16_t)((user ? (wide ? USER64 : USER32)
						   : (wide ? CODE64 : CODE32)) |
					     rpl),
				  (wide ? 0xa09b : 0xc09b) | rights);
	st->seg[CPU_TR] = (struct cpu_segment){ TSS_AT, 0x67, TSS, 0x8b };
	st->gdtr = (struct cpu_table){ GDT_AT, 12 * 8 - 1 };
	st->idtr = (struct cpu_table){ IDT_AT, 0xfff };
}

static void set_real(struct fuzz *f)
{
	unsigned int i;

	for (i = 0; i <= CPU_GS; i++)
		f->st.seg[i] = (struct cpu_segment){ 0, 0xffff, 0, 0x93 };
	f->st.idtr = (struct cpu_table){ 0, 0x3ff };
}

static void set_control(struct fuzz *f)
{
	unsigned int mode = f->how & HOW_MODE;
	struct cpu_state *st = &f->st;
	uint8_t cr0 = take8(&f->in), cr4 = take8(&f->in);

	st->cr0 = X86_CR0_ET | X86_CR0_NE | (cr0 & 0xe) |
		  (cr0 & 0x80 ? X86_CR0_WP : 0) | (cr0 & 0x40 ? X86_CR0_AM : 0);
	st->cr4 = X86_CR4_PSE | (cr4 & 1 ? 0 : X86_CR4_OSFXSR) |
		  (cr4 & 2 ? 0 : X86_CR4_OSXMM | X86_CR4_OSXSAVE) |
		  (cr4 & 4 ? X86_CR4_SMEP : 0) | (cr4 & 8 ? X86_CR4_TSD : 0) |
		  (cr4 & 16 ? 0 : X86_CR4_FSGS) | (cr4 & 32 ? X86_CR4_DE : 0);
	st->efer = X86_EFER_SCE | (cr4 & 64 ? X86_EFER_NXE : 0);
	st->xcr0 = 3;
	st->cr3 = TABLES_AT;
	if (mode)
		st->cr0 |= X86_CR0_PE;
	if (mode >= 2)
		st->cr0 |= X86_CR0_PG;
	if (mode == 3) {
		st->cr4 |= X86_CR4_PAE;
		st->efer |= X86_EFER_LME | X86_EFER_LMA;
	}
}

static void set_fpu(struct fuzz *f)
{
	uint8_t *fx = f->st.xsave;
	uint16_t fcw = take16(&f->in) ^ 0x37f, fsw = take16(&f->in);
	uint32_t mxcsr = take32(&f->in) ^ 0x1f80;
	unsigned int i;

	if (f->how & HOW_XSAVE)
		for (i = X86_FX_FTW; i < X86_FX_END; i++)
			fx[i] = take8(&f->in);
	memcpy(fx + X86_FX_FCW, &fcw, 2);
	memcpy(fx + X86_FX_FSW, &fsw, 2);
	memcpy(fx + X86_FX_MXCSR, &mxcsr, 4);
}

static void set_lapic(struct fuzz *f)
{
	unsigned int n = take8(&f->in) % 8;

	while (n--)
		f->st.lapic[take16(&f->in) % CPU_LAPIC_SIZE] = take8(&f->in);
}

static void set_events(struct fuzz *f)
{
	uint16_t bits = take16(&f->in);

	f->st.events = (struct cpu_events){
		.exception_pending = bits & 1,
		.exception_has_error = bits & 2,
		.interrupt_injected = bits & 4,
		.nmi_injected = bits & 8,
		.nmi_pending = bits & 16,
		.nmi_masked = bits & 32,
		.shadow_sti = bits & 64,
		.shadow_mov_ss = bits & 128,
		.exception_vector = (uint8_t)(bits >> 8),
		.interrupt_vector = (uint8_t)(bits >> 8),
	};
	f->st.mp_state = bits >> 8 & 7;
}

/* Bytes that no engine of ours has written. */
static void spoil(struct fuzz *f)
{
	unsigned int n = take8(&f->in) % 16;
	char *raw = (char *)&f->st;

	while (n--) {
		unsigned int at = take16(&f->in) % sizeof(f->st);

		raw[at] = (char)take8(&f->in);
	}
	set_events(f);
}

static void set_debug(struct fuzz *f)
{
	uint8_t which = take8(&f->in);

	if (!(which & 1))
		return;
	f->st.dr[0] = some_value(f);
	f->st.dr[1] = CODE_AT + which % 32;
	f->st.dr[7] = take32(&f->in);
}

static void make_state(struct fuzz *f)
{
	struct cpu_state *st = &f->st;
	unsigned int i;

	x86_reset_state(st, 0);
	st->rip = CODE_AT;
	for (i = 0; i < CPU_NR_GPRS; i++)
		st->gpr[i] = some_value(f);
	if (!(take8(&f->in) & 1))
		st->gpr[CPU_RSP] = STACK_AT - 0x800;
	st->rflags = (take32(&f->in) & 0x3c7dd5) | X86_FL_ONE;
	if (f->how & HOW_MODE)
		set_segments(f);
	else
		set_real(f);
	set_control(f);
	set_fpu(f);
	set_debug(f);
	st->msr.lstar = st->msr.sysenter_eip = CODE_AT + 32;
	st->msr.sysenter_cs = CODE64;
	st->msr.sysenter_esp = STACK_AT;
	st->msr.star = (uint64_t)(USER32 | 3) << 48 | (uint64_t)CODE64 << 32;
	if (f->how & HOW_LAPIC)
		set_lapic(f);
	if (f->how & HOW_SPOIL)
		spoil(f);
}

static void put_guest(struct fuzz *f)
{
	size_t n;

	require(!ram_zero(f->ram, 0, RAM_SIZE));
	put_descriptors(f);
	if (!(f->how & HOW_NO_IDT))
		put_idt(f);
	if ((f->how & HOW_MODE) >= 2)
		put_paging(f);
	make_state(f);
	n = min_u64(f->in.left, CODE_MAX);
	memcpy(ram_ptr(f->ram, CODE_AT, CODE_MAX), f->in.data, n);
}

/* What must hold */

static void check_tlb(const struct fuzz *f, const struct x86_cpu *cpu)
{
	const uint64_t gen = cpu->tlb_gen;
	unsigned int i;

	for (i = 0; i < 2 * X86_TLB_SIZE; i++) {
		const struct x86_tlb_entry *e =
			&cpu->tlb_set[i / X86_TLB_SIZE][i % X86_TLB_SIZE];
		uint64_t tag = e->tag_r;

		if (e->tag_w % X86_PAGE == gen)
			require(e->tag_w == tag);
		if (tag % X86_PAGE != gen)
			continue;
		require(e->gpa % X86_PAGE == 0 &&
			x86_host(e, tag - gen) ==
				ram_ptr(f->ram, e->gpa, X86_PAGE));
	}
	for (i = 0; i < 2 * X86_ITLB_SIZE; i++) {
		const struct x86_itlb_entry *e =
			&cpu->itlb[i / X86_ITLB_SIZE][i % X86_ITLB_SIZE];

		if (e->tag % X86_PAGE == gen)
			require(e->host == ram_ptr(f->ram, e->gpa, X86_PAGE));
	}
}

static void check_cpu(const struct fuzz *f, const struct interp_vcpu *v)
{
	const struct x86_cpu *cpu = &v->cpu;

	require(cpu->ram == f->ram && cpu->bus == f->bus &&
		cpu->env == &interp_env_ops && cpu->env_ctx == v &&
		cpu->attention == &v->owner.attention);
	require(cpu->reg[X86_REG_ZERO] == 0 &&
		cpu->seg_base[X86_SEG_FLAT] == 0);
	require(cpu->mode <= X86_MODE_64 && cpu->cpl <= 3 &&
		cpu->align == (cpu->cpl == 3 && cpu->rflags & X86_FL_AC &&
			       cpu->st.cr0 & X86_CR0_AM) &&
		(cpu->align || cpu->tlb == cpu->tlb_set[cpu->cpl == 3]));
	check_tlb(f, cpu);
}

static void run(struct fuzz *f)
{
	struct interp_vcpu *v = (struct interp_vcpu *)(void *)f->vcpu;
	enum vcpu_exit why;

	set_timer(f, RUN_NS);
	require(!f->ops->run(f->vcpu, &why));
	set_timer(f, 0);
	require(why == VCPU_EXIT_KICKED || why == VCPU_EXIT_SHUTDOWN);
	check_cpu(f, v);
	require(!f->ops->get_state(f->vcpu, &f->got));
	require(!f->ops->set_state(f->vcpu, &f->got));
	/* Requests that came too late for this guest are not the next one's. */
	atomic_store(&v->owner.attention, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;

	f.in = (struct fuzz_input){ data, size };
	if (!f.ram)
		create(&f);
	f.how = take8(&f.in);
	put_guest(&f);
	if (!f.ops->set_state(f.vcpu, &f.st))
		run(&f);
	return 0;
}
