// SPDX-License-Identifier: MIT
/*
 * kvm_gate.c - KVM as nothing but the interrupt controller of a vCPU.
 *
 *   page 0   code, stubs, GDT, stack   page 3   page directory, 3 to 4 GiB
 *   page 1   PML4                      page 4   IDT
 *   page 2   PDPT
 *
 * Linear addresses are guest-physical ones. All vCPUs share the pages; what
 * they write there, interrupt frames, nobody reads.
 */
#include "vcpu/kvm/kvm_gate.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"
#include "base/log.h"
#include "vcpu/irqchip/irqchip.h"
#include "vcpu/kvm/kvm_int.h"

#define GATE	   LAYOUT_KVM_GATE
#define GATE_PAGES 5
#define SLOT	   RAM_REGIONS_MAX /* after those of RAM */

/* Offsets in page 0 */
#define OFF_STUBS 0x200u /* of vector n: byte n, a NOP */
#define OFF_GDT	  0x400u
#define OFF_STACK 0xff0u
#define NR_STUBS  256u

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS	 0x18

#define PTE_PW	  0x63ull /* present, writable, accessed, dirty */
#define PTE_LARGE 0x80ull

#define VECTOR_NMI 2
#define VECTOR_GP  13

#define GATE_CR0   0x80010033ull /* PG WP NE ET MP PE */
#define GATE_CR4   0x20ull	 /* PAE */
#define GATE_EFER  0x500ull	 /* LMA LME */
#define RFLAGS_ONE 0x2ull
#define RFLAGS_IF  0x200ull

static const struct {
	uint16_t off;
	uint8_t len;
	uint8_t bytes[2];
} code[KVM_GATE_OPS] = {
	[KVM_GATE_NOP] = { 0x00, 1, { 0x90 } },
	[KVM_GATE_HLT] = { 0x10, 1, { 0xf4 } },
	[KVM_GATE_RDMSR] = { 0x20, 2, { 0x0f, 0x32 } },
	[KVM_GATE_WRMSR] = { 0x30, 2, { 0x0f, 0x30 } },
	[KVM_GATE_READ] = { 0x40, 2, { 0x8b, 0x03 } },	/* mov (%rbx), %eax */
	[KVM_GATE_WRITE] = { 0x50, 2, { 0x89, 0x03 } }, /* mov %eax, (%rbx) */
};

static void put64(char *pages, unsigned int page, unsigned int off, uint64_t v)
{
	memcpy(pages + page * RAM_PAGE + off, &v, sizeof(v));
}

static void write_tables(char *pages)
{
	unsigned int i;

	put64(pages, 1, 0, (GATE + 2 * RAM_PAGE) | PTE_PW);
	put64(pages, 2, 3 * 8, (GATE + 3 * RAM_PAGE) | PTE_PW);
	for (i = 0; i < 512; i++)
		put64(pages, 3, 8 * i,
		      (KVM_GATE_REACH_FIRST + ((uint64_t)i << 21)) | PTE_PW |
			      PTE_LARGE);
	put64(pages, 0, OFF_GDT + SEL_CODE, 0x00af9b000000ffff);
	put64(pages, 0, OFF_GDT + SEL_DATA, 0x00cf93000000ffff);
	/* SDM 3A §6.14.1: 64-bit interrupt gates */
	for (i = 0; i < NR_STUBS; i++) {
		uint64_t to = GATE + OFF_STUBS + i;

		put64(pages, 4, 16 * i,
		      (to & 0xffff) | SEL_CODE << 16 | 0x8e00ull << 32 |
			      (to >> 16 & 0xffff) << 48);
		put64(pages, 4, 16 * i + 8, to >> 32);
	}
}

static void write_code(char *pages)
{
	unsigned int i;

	memset(pages, 0x90, OFF_GDT);
	for (i = 0; i < KVM_GATE_OPS; i++)
		memcpy(pages + code[i].off, code[i].bytes, code[i].len);
}

static int set_slot(struct kvm_engine *k, uint64_t size)
{
	const struct kvm_userspace_memory_region slot = {
		.slot = SLOT,
		.guest_phys_addr = GATE,
		.memory_size = size,
		.userspace_addr = (uint64_t)(uintptr_t)k->gate_pages,
	};

	return kvm_ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot);
}

int kvm_gate_open(struct kvm_engine *k)
{
	size_t size = GATE_PAGES * RAM_PAGE;
	const int want =
		KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	int err;

	if (k->gate_pages)
		return 0;
	err = kvm_ioctl(k->vm_fd, KVM_CHECK_EXTENSION,
			(void *)KVM_CAP_SYNC_REGS);
	if (err < 0 || (err & want) != want)
		return -EOPNOTSUPP;
	k->gate_pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (k->gate_pages == MAP_FAILED) {
		k->gate_pages = NULL;
		return -errno;
	}
	write_code(k->gate_pages);
	write_tables(k->gate_pages);
	err = set_slot(k, size);
	if (err)
		kvm_gate_close(k);
	return err;
}

void kvm_gate_close(struct kvm_engine *k)
{
	if (!k->gate_pages)
		return;
	set_slot(k, 0);
	munmap(k->gate_pages, GATE_PAGES * RAM_PAGE);
	k->gate_pages = NULL;
}

static int set_single_step(struct kvm_vcpu *v, bool on)
{
	const struct kvm_guest_debug debug = {
		.control =
			on ? KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP : 0,
	};

	return kvm_ioctl(v->fd, KVM_SET_GUEST_DEBUG, &debug);
}

int kvm_gate_enter(struct kvm_vcpu *v)
{
	struct kvm_sregs sregs;
	int err;

	v->run->kvm_valid_regs =
		KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	err = kvm_ioctl(v->fd, KVM_GET_SREGS, &sregs);
	if (err)
		return err;
	v->gate.cr8 = sregs.cr8;
	v->gate.apic_base = sregs.apic_base;
	return set_single_step(v, true);
}

int kvm_gate_leave(struct kvm_vcpu *v)
{
	v->run->kvm_valid_regs = 0;
	v->run->kvm_dirty_regs = 0;
	return set_single_step(v, false);
}

static void load_sregs(const struct kvm_vcpu *v, struct kvm_sregs *s)
{
	const struct kvm_segment data = {
		.limit = UINT32_MAX,
		.selector = SEL_DATA,
		.type = 3,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	const struct kvm_segment text = {
		.limit = UINT32_MAX,
		.selector = SEL_CODE,
		.type = 11,
		.present = 1,
		.l = 1,
		.s = 1,
		.g = 1,
	};
	const struct kvm_segment tss = {
		.base = GATE,
		.limit = 0x67,
		.selector = SEL_TSS,
		.type = 11,
		.present = 1,
	};

	*s = (struct kvm_sregs){
		.cs = text,
		.ds = data,
		.es = data,
		.fs = data,
		.gs = data,
		.ss = data,
		.tr = tss,
		.ldt.unusable = 1,
		.gdt = { .base = GATE + OFF_GDT, .limit = 0x1f },
		.idt = { .base = GATE + 4 * RAM_PAGE, .limit = 0xfff },
		.cr0 = GATE_CR0,
		.cr3 = GATE + RAM_PAGE,
		.cr4 = GATE_CR4,
		.cr8 = v->gate.cr8,
		.efer = GATE_EFER,
		.apic_base = v->gate.apic_base,
	};
}

/* The state that the next KVM_RUN begins with. */
static void load(struct kvm_vcpu *v, const struct kvm_gate_call *c)
{
	struct kvm_sync_regs *to = &v->run->s.regs;

	to->regs = (struct kvm_regs){
		.rax = c->rax,
		.rbx = c->rbx,
		.rcx = c->rcx,
		.rdx = c->rdx,
		.rsp = GATE + OFF_STACK,
		.rip = GATE + code[c->op].off,
		.rflags = RFLAGS_ONE | (c->irqs ? RFLAGS_IF : 0),
	};
	load_sregs(v, &to->sregs);
	to->events = (struct kvm_vcpu_events){ .nmi.masked = c->nmi_masked };
	v->run->kvm_dirty_regs = v->run->kvm_valid_regs;
}

static int event(struct kvm_gate_call *c, uint8_t vector)
{
	c->vector = vector;
	return KVM_GATE_EVENT;
}

static int unexpected(struct kvm_vcpu *v)
{
	log_err("kvm: vCPU %u: gate: unexpected exit %u at %#llx", v->vcpu.id,
		v->run->exit_reason,
		(unsigned long long)v->run->s.regs.regs.rip);
	return -EIO;
}

/* Where the one instruction led to; -EAGAIN: it has not run yet. */
static int arrival(struct kvm_vcpu *v, struct kvm_gate_call *c)
{
	const struct kvm_regs *r = &v->run->s.regs.regs;
	uint64_t off = r->rip - GATE;

	if (off > OFF_STUBS && off <= OFF_STUBS + NR_STUBS)
		return event(c, (uint8_t)(off - OFF_STUBS - 1));
	if (off == code[c->op].off)
		return -EAGAIN;
	if (off != code[c->op].off + code[c->op].len)
		return unexpected(v);
	c->rax = r->rax;
	c->rdx = r->rdx;
	return KVM_GATE_DONE;
}

/* What KVM was about to deliver when it was interrupted, it is rid of. */
static int injected(const struct kvm_vcpu *v, struct kvm_gate_call *c)
{
	const struct kvm_vcpu_events *e = &v->run->s.regs.events;

	if (e->nmi.injected)
		return event(c, VECTOR_NMI);
	if (e->interrupt.injected)
		return event(c, e->interrupt.nr);
	return KVM_GATE_DONE;
}

static int handle_exit(struct kvm_vcpu *v, struct kvm_gate_call *c)
{
	switch (v->run->exit_reason) {
	case KVM_EXIT_DEBUG:
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return arrival(v, c);
	case KVM_EXIT_IOAPIC_EOI:
		irqchip_eoi(kvm_engine_of(&v->vcpu)->chip, v->run->eoi.vector);
		return arrival(v, c);
	default:
		return unexpected(v);
	}
}

static int call_once(struct kvm_vcpu *v, struct kvm_gate_call *c)
{
	int err = 0, ret;

	if (v->vcpu.id == 0 && c->irqs)
		err = kvm_irq_inject_pic(kvm_engine_of(&v->vcpu), v);
	if (err)
		return err;
	load(v, c);
	err = kvm_ioctl(v->fd, KVM_RUN, NULL);
	if (err && err != -EINTR && err != -EAGAIN) {
		log_err("kvm: vCPU %u: gate: %s", v->vcpu.id, strerror(-err));
		return err;
	}
	v->gate.cr8 = v->run->s.regs.sregs.cr8;
	v->gate.apic_base = v->run->s.regs.sregs.apic_base;
	if (!(v->run->s.regs.sregs.cr0 & 1))
		return KVM_GATE_RESET;
	ret = injected(v, c);
	if (ret)
		return ret;
	if (!err)
		return handle_exit(v, c);
	__atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	return KVM_GATE_KICKED;
}

int kvm_gate_call(struct kvm_vcpu *v, struct kvm_gate_call *c)
{
	int ret;

	do
		ret = call_once(v, c);
	while (ret == -EAGAIN);
	return ret;
}
