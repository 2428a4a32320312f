// SPDX-License-Identifier: MIT
/*
 * kvm_state.c - struct cpu_state to and from KVM.
 *
 * The order of setting matters: MSRs and the local APIC depend on the APIC
 * base in the special registers, events on everything before.
 */
#include "vcpu/kvm/kvm_int.h"

#include <errno.h>
#include <linux/kvm_para.h>
#include <stddef.h>
#include <string.h>

#include "base/checked.h"
#include "base/log.h"
#include "vcpu/kvm/kvm_soft.h"
#include "vcpu/state.h"

/* SDM 4 chapter 2; the KVM_ ones: Linux virt/kvm/x86/msr.rst */
static const struct {
	uint32_t index;
	size_t offset; /* in struct cpu_msrs */
} msrs[] = {
	{ 0xc0000081, offsetof(struct cpu_msrs, star) },
	{ 0xc0000082, offsetof(struct cpu_msrs, lstar) },
	{ 0xc0000083, offsetof(struct cpu_msrs, cstar) },
	{ 0xc0000084, offsetof(struct cpu_msrs, fmask) },
	{ 0xc0000102, offsetof(struct cpu_msrs, kernel_gs_base) },
	{ 0x174, offsetof(struct cpu_msrs, sysenter_cs) },
	{ 0x175, offsetof(struct cpu_msrs, sysenter_esp) },
	{ 0x176, offsetof(struct cpu_msrs, sysenter_eip) },
	{ 0x277, offsetof(struct cpu_msrs, pat) },
	{ 0x1a0, offsetof(struct cpu_msrs, misc_enable) },
	{ 0x2ff, offsetof(struct cpu_msrs, mtrr_def_type) },
	{ 0x48, offsetof(struct cpu_msrs, spec_ctrl) },
	{ 0xc0000103, offsetof(struct cpu_msrs, tsc_aux) },
	/* NR_CORE_MSRS end here: the others belong to clocks and KVM. */
	{ 0x3b, offsetof(struct cpu_msrs, tsc_adjust) },
	{ 0x10, offsetof(struct cpu_msrs, tsc) },
	{ MSR_KVM_WALL_CLOCK_NEW, offsetof(struct cpu_msrs, kvm_wall_clock) },
	{ MSR_KVM_SYSTEM_TIME_NEW, offsetof(struct cpu_msrs, kvm_system_time) },
	{ MSR_KVM_ASYNC_PF_INT, offsetof(struct cpu_msrs, kvm_async_pf_int) },
	{ MSR_KVM_ASYNC_PF_EN, offsetof(struct cpu_msrs, kvm_async_pf_en) },
	{ MSR_KVM_STEAL_TIME, offsetof(struct cpu_msrs, kvm_steal_time) },
	{ MSR_KVM_PV_EOI_EN, offsetof(struct cpu_msrs, kvm_pv_eoi_en) },
	{ MSR_KVM_POLL_CONTROL, offsetof(struct cpu_msrs, kvm_poll_control) },
	/* After the local APIC: it arms the timer. */
	{ 0x6e0, offsetof(struct cpu_msrs, tsc_deadline) },
};

#define NR_CORE_MSRS 13

static int vcpu_fd(struct vcpu *v)
{
	return container_of(v, struct kvm_vcpu, vcpu)->fd;
}

static uint64_t *msr_slot(struct cpu_msrs *m, size_t i)
{
	return (uint64_t *)(void *)((char *)m + msrs[i].offset);
}

/*
 * The first @nr of them. KVM stops at the first MSR that this host does not
 * have: skip it and go on with the rest. An MSR that is skipped keeps its
 * value in @m.
 */
static int transfer_msrs(int fd, unsigned long request, struct cpu_msrs *m,
			 size_t nr)
{
	_Alignas(struct kvm_msrs) char
		buf[sizeof(struct kvm_msrs) +
		    ARRAY_SIZE(msrs) * sizeof(struct kvm_msr_entry)];
	struct kvm_msrs *list = (struct kvm_msrs *)(void *)buf;
	size_t first = 0, i, n;
	int done;

	while (first < nr) {
		n = nr - first;
		*list = (struct kvm_msrs){ .nmsrs = (uint32_t)n };
		for (i = 0; i < n; i++)
			list->entries[i] = (struct kvm_msr_entry){
				.index = msrs[first + i].index,
				.data = *msr_slot(m, first + i),
			};
		done = kvm_ioctl(fd, request, list);
		if (done < 0)
			return done;
		for (i = 0; i < (size_t)done; i++)
			*msr_slot(m, first + i) = list->entries[i].data;
		first += (size_t)done + 1;
	}
	return 0;
}

static void regs_from_kvm(struct cpu_state *st, const struct kvm_regs *r)
{
	const uint64_t gpr[CPU_NR_GPRS] = {
		r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
		r->r8,	r->r9,	r->r10, r->r11, r->r12, r->r13, r->r14, r->r15,
	};

	memcpy(st->gpr, gpr, sizeof(gpr));
	st->rip = r->rip;
	st->rflags = r->rflags;
}

static struct kvm_regs regs_to_kvm(const struct cpu_state *st)
{
	const uint64_t *g = st->gpr;

	return (struct kvm_regs){
		.rax = g[CPU_RAX],
		.rcx = g[CPU_RCX],
		.rdx = g[CPU_RDX],
		.rbx = g[CPU_RBX],
		.rsp = g[CPU_RSP],
		.rbp = g[CPU_RBP],
		.rsi = g[CPU_RSI],
		.rdi = g[CPU_RDI],
		.r8 = g[CPU_R8],
		.r9 = g[CPU_R9],
		.r10 = g[CPU_R10],
		.r11 = g[CPU_R11],
		.r12 = g[CPU_R12],
		.r13 = g[CPU_R13],
		.r14 = g[CPU_R14],
		.r15 = g[CPU_R15],
		.rip = st->rip,
		.rflags = st->rflags,
	};
}

static struct cpu_segment segment_from_kvm(const struct kvm_segment *k)
{
	uint32_t access = k->type | (uint32_t)k->s << 4 |
			  (uint32_t)k->dpl << 5 | (uint32_t)k->present << 7 |
			  (uint32_t)k->avl << 12 | (uint32_t)k->l << 13 |
			  (uint32_t)k->db << 14 | (uint32_t)k->g << 15;

	if (k->unusable)
		access &= ~CPU_SEG_P;
	return (struct cpu_segment){
		.base = k->base,
		.limit = k->limit,
		.selector = k->selector,
		.access = (uint16_t)access,
	};
}

static struct kvm_segment segment_to_kvm(const struct cpu_segment *s)
{
	return (struct kvm_segment){
		.base = s->base,
		.limit = s->limit,
		.selector = s->selector,
		.type = s->access & 0xf,
		.s = s->access >> 4 & 1,
		.dpl = s->access >> 5 & 3,
		.present = s->access >> 7 & 1,
		.avl = s->access >> 12 & 1,
		.l = s->access >> 13 & 1,
		.db = s->access >> 14 & 1,
		.g = s->access >> 15 & 1,
		.unusable = !(s->access & CPU_SEG_P),
	};
}

static void sregs_from_kvm(struct cpu_state *st, const struct kvm_sregs *s)
{
	const struct kvm_segment *seg[CPU_NR_SEGS] = {
		[CPU_ES] = &s->es, [CPU_CS] = &s->cs,	 [CPU_SS] = &s->ss,
		[CPU_DS] = &s->ds, [CPU_FS] = &s->fs,	 [CPU_GS] = &s->gs,
		[CPU_TR] = &s->tr, [CPU_LDTR] = &s->ldt,
	};
	size_t i;

	for (i = 0; i < CPU_NR_SEGS; i++)
		st->seg[i] = segment_from_kvm(seg[i]);
	st->gdtr = (struct cpu_table){ s->gdt.base, s->gdt.limit };
	st->idtr = (struct cpu_table){ s->idt.base, s->idt.limit };
	st->cr0 = s->cr0;
	st->cr2 = s->cr2;
	st->cr3 = s->cr3;
	st->cr4 = s->cr4;
	st->cr8 = s->cr8;
	st->efer = s->efer;
	st->apic_base = s->apic_base;
}

static struct kvm_sregs sregs_to_kvm(const struct cpu_state *st)
{
	return (struct kvm_sregs){
		.es = segment_to_kvm(&st->seg[CPU_ES]),
		.cs = segment_to_kvm(&st->seg[CPU_CS]),
		.ss = segment_to_kvm(&st->seg[CPU_SS]),
		.ds = segment_to_kvm(&st->seg[CPU_DS]),
		.fs = segment_to_kvm(&st->seg[CPU_FS]),
		.gs = segment_to_kvm(&st->seg[CPU_GS]),
		.tr = segment_to_kvm(&st->seg[CPU_TR]),
		.ldt = segment_to_kvm(&st->seg[CPU_LDTR]),
		.gdt = { .base = st->gdtr.base, .limit = st->gdtr.limit },
		.idt = { .base = st->idtr.base, .limit = st->idtr.limit },
		.cr0 = st->cr0,
		.cr2 = st->cr2,
		.cr3 = st->cr3,
		.cr4 = st->cr4,
		.cr8 = st->cr8,
		.efer = st->efer,
		.apic_base = st->apic_base,
	};
}

static void events_from_kvm(struct cpu_events *e,
			    const struct kvm_vcpu_events *k)
{
	*e = (struct cpu_events){
		.exception_pending = k->exception.injected,
		.exception_vector = k->exception.nr,
		.exception_has_error = k->exception.has_error_code,
		.exception_error = k->exception.error_code,
		.interrupt_injected = k->interrupt.injected,
		.interrupt_soft = k->interrupt.soft,
		.interrupt_vector = k->interrupt.nr,
		.nmi_injected = k->nmi.injected,
		.nmi_pending = k->nmi.pending,
		.nmi_masked = k->nmi.masked,
		.shadow_sti = k->interrupt.shadow & KVM_X86_SHADOW_INT_STI,
		.shadow_mov_ss =
			k->interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS,
	};
}

static struct kvm_vcpu_events events_to_kvm(const struct cpu_events *e)
{
	return (struct kvm_vcpu_events){
		.exception.injected = e->exception_pending,
		.exception.nr = e->exception_vector,
		.exception.has_error_code = e->exception_has_error,
		.exception.error_code = e->exception_error,
		.interrupt.injected = e->interrupt_injected,
		.interrupt.soft = e->interrupt_soft,
		.interrupt.nr = e->interrupt_vector,
		.interrupt.shadow =
			(e->shadow_sti ? KVM_X86_SHADOW_INT_STI : 0) |
			(e->shadow_mov_ss ? KVM_X86_SHADOW_INT_MOV_SS : 0),
		.nmi.injected = e->nmi_injected,
		.nmi.pending = e->nmi_pending,
		.nmi.masked = e->nmi_masked,
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING |
			 KVM_VCPUEVENT_VALID_SHADOW,
	};
}

/* Index: enum cpu_mp_state */
static const uint32_t mp_states[] = {
	[CPU_MP_RUNNABLE] = KVM_MP_STATE_RUNNABLE,
	[CPU_MP_UNINITIALIZED] = KVM_MP_STATE_UNINITIALIZED,
	[CPU_MP_INIT_RECEIVED] = KVM_MP_STATE_INIT_RECEIVED,
	[CPU_MP_HALTED] = KVM_MP_STATE_HALTED,
};

static int get_mp_state(int fd, enum cpu_mp_state *out)
{
	struct kvm_mp_state mp = { 0 };
	int err = kvm_ioctl(fd, KVM_GET_MP_STATE, &mp);
	size_t i;

	*out = CPU_MP_RUNNABLE;
	for (i = 0; !err && i < ARRAY_SIZE(mp_states); i++)
		if (mp_states[i] == mp.mp_state)
			*out = (enum cpu_mp_state)i;
	return err;
}

static int set_mp_state(int fd, enum cpu_mp_state state)
{
	const struct kvm_mp_state mp = { .mp_state = mp_states[state] };

	return kvm_ioctl(fd, KVM_SET_MP_STATE, &mp);
}

static int get_debug(int fd, uint64_t dr[8])
{
	struct kvm_debugregs d = { 0 };
	int err = kvm_ioctl(fd, KVM_GET_DEBUGREGS, &d);

	if (err)
		return err;
	memset(dr, 0, 8 * sizeof(dr[0]));
	memcpy(dr, d.db, sizeof(d.db));
	dr[6] = d.dr6;
	dr[7] = d.dr7;
	return 0;
}

static int set_debug(int fd, const uint64_t dr[8])
{
	struct kvm_debugregs d = { .dr6 = dr[6], .dr7 = dr[7] };

	memcpy(d.db, dr, sizeof(d.db));
	return kvm_ioctl(fd, KVM_SET_DEBUGREGS, &d);
}

static int get_xstate(int fd, struct cpu_state *st)
{
	struct kvm_xcrs x = { .nr_xcrs = 0 };
	struct kvm_xsave area = { 0 };
	int err = kvm_ioctl(fd, KVM_GET_XSAVE, &area);

	if (err)
		return err;
	memcpy(st->xsave, &area, sizeof(st->xsave));

	/* No XSAVE on this host: x87 and SSE are all there is. */
	st->xcr0 = 1;
	if (!kvm_ioctl(fd, KVM_GET_XCRS, &x) && x.nr_xcrs)
		st->xcr0 = x.xcrs[0].value;
	return 0;
}

static int set_xstate(int fd, const struct cpu_state *st)
{
	const struct kvm_xcrs x = {
		.nr_xcrs = 1,
		.xcrs[0] = { .xcr = 0, .value = st->xcr0 },
	};
	struct kvm_xsave area = { 0 };
	int err = kvm_ioctl(fd, KVM_SET_XCRS, &x);

	if (err && !(err == -EINVAL && st->xcr0 == 1))
		return err;
	memcpy(&area, st->xsave, sizeof(st->xsave));
	return kvm_ioctl(fd, KVM_SET_XSAVE, &area);
}

static int report(struct vcpu *v, const char *what, int err)
{
	if (err)
		log_err("kvm: vCPU %u: %s: %s", v->id, what, strerror(-err));
	return err;
}

int kvm_state_read(struct vcpu *v, struct cpu_state *st)
{
	struct kvm_lapic_state lapic = { 0 };
	struct kvm_vcpu_events events = { 0 };
	struct kvm_sregs sregs = { 0 };
	struct kvm_regs regs = { 0 };
	int fd = vcpu_fd(v);
	int err;

	memset(st, 0, sizeof(*st));
	/* First: KVM settles a pending INIT or SIPI here. */
	err = get_mp_state(fd, &st->mp_state);
	if (!err)
		err = kvm_ioctl(fd, KVM_GET_REGS, &regs);
	if (!err)
		err = kvm_ioctl(fd, KVM_GET_SREGS, &sregs);
	if (!err)
		err = get_xstate(fd, st);
	if (!err)
		err = get_debug(fd, st->dr);
	if (!err)
		err = kvm_ioctl(fd, KVM_GET_LAPIC, &lapic);
	if (!err)
		err = kvm_ioctl(fd, KVM_GET_VCPU_EVENTS, &events);
	if (!err)
		err = transfer_msrs(fd, KVM_GET_MSRS, &st->msr,
				    ARRAY_SIZE(msrs));
	if (err)
		return report(v, "reading the state", err);

	regs_from_kvm(st, &regs);
	sregs_from_kvm(st, &sregs);
	memcpy(st->lapic, lapic.regs, sizeof(st->lapic));
	events_from_kvm(&st->events, &events);
	return 0;
}

int kvm_state_get(struct vcpu *v, struct cpu_state *st)
{
	int err = kvm_soft_give_back(container_of(v, struct kvm_vcpu, vcpu));

	return err ? err : kvm_state_read(v, st);
}

/* Registers, and before them what their meaning depends on. */
static int set_registers(int fd, const struct cpu_state *st)
{
	const struct kvm_sregs sregs = sregs_to_kvm(st);
	const struct kvm_regs regs = regs_to_kvm(st);
	int err;

	err = kvm_ioctl(fd, KVM_SET_SREGS, &sregs);
	if (!err)
		err = kvm_ioctl(fd, KVM_SET_REGS, &regs);
	if (!err)
		err = set_xstate(fd, st);
	if (!err)
		err = set_debug(fd, st->dr);
	return err;
}

static int set_events(int fd, const struct cpu_state *st, uint32_t keep)
{
	struct kvm_vcpu_events events = events_to_kvm(&st->events);
	int err;

	events.flags &= ~keep;
	err = set_mp_state(fd, st->mp_state);
	return err ? err : kvm_ioctl(fd, KVM_SET_VCPU_EVENTS, &events);
}

int kvm_state_set(struct vcpu *v, const struct cpu_state *st)
{
	struct cpu_msrs msr = st->msr;
	struct kvm_lapic_state lapic = { 0 };
	int fd = vcpu_fd(v);
	int err;

	memcpy(lapic.regs, st->lapic, sizeof(lapic.regs));
	err = kvm_soft_give_back(container_of(v, struct kvm_vcpu, vcpu));
	if (!err)
		err = set_registers(fd, st);
	if (!err)
		err = kvm_ioctl(fd, KVM_SET_LAPIC, &lapic);
	if (!err)
		err = transfer_msrs(fd, KVM_SET_MSRS, &msr, ARRAY_SIZE(msrs));
	if (!err)
		err = set_events(fd, st, 0);
	return report(v, "loading the state", err);
}

int kvm_state_set_core(struct vcpu *v, const struct cpu_state *st)
{
	struct cpu_msrs msr = st->msr;
	int fd = vcpu_fd(v);
	int err;

	err = set_registers(fd, st);
	if (!err)
		err = transfer_msrs(fd, KVM_SET_MSRS, &msr, NR_CORE_MSRS);
	if (!err)
		err = set_events(fd, st, KVM_VCPUEVENT_VALID_NMI_PENDING);
	return report(v, "loading the state", err);
}
