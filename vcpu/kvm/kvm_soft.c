// SPDX-License-Identifier: MIT
/*
 * kvm_soft.c - the whole guest in KVM's stead, with KVM's interrupts and time.
 */
#include "vcpu/kvm/kvm_soft.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "base/log.h"
#include "vcpu/kvm/kvm_assist.h"
#include "vcpu/x86/exception.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/step.h"

#define BLOCKS_PER_LOOK 128   /* at the host's TSC */
#define REPEAT_MAX	65536 /* elements, then something may be pending */

#define EFER_KNOWN (X86_EFER_SCE | X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE)
#define XCR0_KNOWN 3ull /* x87, SSE */

bool kvm_soft_can_take(const struct cpu_state *st)
{
	return !x86_check_state(st) && !(st->cr4 & ~X86_CR4_KNOWN) &&
	       !(st->efer & ~EFER_KNOWN) && !(st->xcr0 & ~XCR0_KNOWN);
}

static void kick_others(struct kvm_engine *k, const struct kvm_vcpu *but)
{
	unsigned int i;

	for (i = 0; i < k->nr_cpus; i++) {
		struct kvm_vcpu *v = atomic_load(&k->vcpu[i]);

		if (v && v != but)
			kvm_vcpu_kick(&v->vcpu);
	}
}

int kvm_soft_take_over(struct kvm_vcpu *v)
{
	struct kvm_engine *k = kvm_engine_of(&v->vcpu);
	int err = 0;

	pthread_mutex_lock(&k->gate_lock);
	if (k->soft)
		goto unlock;
	err = kvm_gate_open(k);
	if (err) {
		log_info("kvm: no gate into this KVM: %s", strerror(-err));
		goto unlock;
	}
	k->soft = true;
	log_info("kvm: this KVM emulates guest kernels: the guest goes on "
		 "without it, but for its interrupts and clocks");
	kick_others(k, v);
unlock:
	pthread_mutex_unlock(&k->gate_lock);
	return err;
}

/* A CPU that waits for INIT or SIPI does so in KVM, to the first step. */
static int wait_for_start(struct kvm_vcpu *v, enum vcpu_exit *why)
{
	int err = kvm_gate_enter(v);

	if (!err)
		err = kvm_ioctl(v->fd, KVM_RUN, NULL);
	if (!err)
		return 0;
	if (err != -EINTR && err != -EAGAIN)
		return err;
	__atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	atomic_store(&v->attention, 0);
	*why = VCPU_EXIT_KICKED;
	return 1;
}

/* The state out of KVM. 0; 1: *why is the answer; or -errno. */
static int enter(struct kvm_assist *a, enum vcpu_exit *why)
{
	struct kvm_vcpu *v = a->v;
	int err = kvm_state_read(&v->vcpu, &a->st);

	if (err)
		return err;
	if (a->st.mp_state == CPU_MP_UNINITIALIZED ||
	    a->st.mp_state == CPU_MP_INIT_RECEIVED)
		return wait_for_start(v, why);
	if (!kvm_soft_can_take(&a->st)) {
		log_err("kvm: vCPU %u uses what vcpu/x86 has not: CR4 %#llx, "
			"XCR0 %#llx",
			v->vcpu.id, (unsigned long long)a->st.cr4,
			(unsigned long long)a->st.xcr0);
		return -EOPNOTSUPP;
	}
	err = kvm_assist_read_tsc_offset(a);
	if (!err)
		err = kvm_gate_enter(v);
	if (err)
		return err;
	a->cpu.env = &kvm_soft_env_ops;
	a->cpu.repeat_max = REPEAT_MAX;
	x86_cpu_load(&a->cpu, &a->st);
	a->inside = true;
	a->budget = 1;
	a->poll = true;
	return 0;
}

int kvm_soft_give_back(struct kvm_vcpu *v)
{
	struct kvm_assist *a = v->assist;
	int err;

	if (!a || !a->inside)
		return 0;
	a->inside = false;
	kvm_assist_report_written(a);
	x86_cpu_store(&a->cpu, &a->st);
	a->st.cr8 = v->gate.cr8;
	a->st.apic_base = v->gate.apic_base;
	a->st.events.nmi_injected = a->nmi;
	a->nmi = false;
	err = kvm_gate_leave(v);
	return err ? err : kvm_state_set_core(&v->vcpu, &a->st);
}

static void take(struct kvm_assist *a, uint8_t vector)
{
	/* There may be more behind it. */
	a->want = true;
	a->halts = 0;
	if (vector == X86_NMI)
		a->cpu.st.events.nmi_masked = true; /* until IRET */
	x86_deliver_interrupt(&a->cpu, vector);
}

/* What KVM, or an engine before, was about to deliver. May unwind. */
static void deliver_begun(struct kvm_assist *a)
{
	struct cpu_events *ev = &a->cpu.st.events, begun = *ev;

	ev->exception_pending = false;
	ev->interrupt_injected = false;
	a->nmi = a->nmi || ev->nmi_injected;
	ev->nmi_injected = false;
	if (begun.interrupt_injected)
		take(a, begun.interrupt_vector);
	if (!begun.exception_pending)
		return;
	a->cpu.fault = (struct x86_fault){
		.vector = begun.exception_vector,
		.has_error = begun.exception_has_error,
		.error = begun.exception_error,
		.cr2 = a->cpu.st.cr2,
	};
	x86_handle_fault(&a->cpu);
}

/*
 * A HLT is done at once, and KVM sleeps when it is asked again. A CPU that
 * takes no interrupts some KVMs do not let sleep at all.
 */
static void doze(struct kvm_assist *a)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	if (++a->halts > 2)
		nanosleep(&ms, NULL);
}

/* A call between two instructions. May unwind. */
static void ask(struct kvm_assist *a, enum kvm_gate_op op)
{
	struct x86_cpu *cpu = &a->cpu;
	struct kvm_gate_call c = {
		.op = op,
		.irqs = x86_may_interrupt(cpu),
		.nmi_masked = cpu->st.events.nmi_masked ||
			      cpu->st.events.shadow_mov_ss,
	};

	kvm_assist_report_written(a);
	a->poll = false;
	a->want = !c.irqs;
	if (a->nmi && !c.nmi_masked) {
		a->nmi = false;
		take(a, X86_NMI);
		return;
	}
	a->gates++;
	switch (kvm_gate_call(a->v, &c)) {
	case KVM_GATE_DONE:
		if (op == KVM_GATE_HLT)
			doze(a);
		break;
	case KVM_GATE_KICKED:
		break;
	case KVM_GATE_EVENT:
		take(a, c.vector);
		break;
	case KVM_GATE_RESET:
		longjmp(cpu->unwind, KVM_SOFT_GONE);
	default:
		longjmp(cpu->unwind, KVM_SOFT_ERROR);
	}
	a->next_poll = __rdtsc() + kvm_engine_of(&a->v->vcpu)->tsc_khz;
}

static bool kicked(struct kvm_assist *a)
{
	if (X86_LIKELY(!atomic_load_explicit(&a->v->attention,
					     memory_order_relaxed)))
		return false;
	__atomic_store_n(&a->v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	atomic_store(&a->v->attention, 0);
	kvm_assist_report_written(a);
	return true;
}

static void run_block(struct kvm_assist *a, const struct kvm_block *block)
{
	a->insns += block->nr;
	x86_run_insns(&a->cpu, block->insn);
}

static void run_one(struct kvm_assist *a)
{
	bool trap = x86_step_begin(&a->cpu);

	run_block(a, kvm_block_single(a->blocks, &a->cpu));
	x86_step_end(&a->cpu, trap);
}

static void look_at_clock(struct kvm_assist *a)
{
	a->budget = BLOCKS_PER_LOOK;
	if (__rdtsc() >= a->next_poll)
		a->poll = true;
}

/* Between two blocks. May unwind. */
static void turn(struct kvm_assist *a)
{
	struct x86_cpu *cpu = &a->cpu;

	if (X86_UNLIKELY(cpu->halted)) {
		ask(a, KVM_GATE_HLT);
		return;
	}
	if (X86_UNLIKELY(--a->budget == 0))
		look_at_clock(a);
	if (X86_UNLIKELY(a->poll || (a->want && x86_may_interrupt(cpu)))) {
		ask(a, KVM_GATE_NOP);
		return;
	}
	if (X86_UNLIKELY(x86_one_at_a_time(cpu)))
		run_one(a);
	else
		run_block(a, kvm_block_find(a->blocks, cpu));
}

/* 0: the vCPU was reset; 1: *why is the answer; or -errno. */
static int run_inside(struct kvm_assist *a, enum vcpu_exit *why)
{
	switch (setjmp(a->cpu.unwind)) {
	case 0:
		deliver_begun(a);
		break;
	case KVM_SOFT_GONE:
		a->inside = false;
		return 0;
	case KVM_SOFT_ERROR:
		return -EIO;
	default:
		x86_handle_fault(&a->cpu);
		break;
	}
	while (!a->cpu.shutdown) {
		a->cpu.cur = NULL;
		if (kicked(a)) {
			*why = VCPU_EXIT_KICKED;
			return 1;
		}
		turn(a);
	}
	kvm_assist_report_written(a);
	*why = VCPU_EXIT_SHUTDOWN;
	return 1;
}

int kvm_soft_run(struct kvm_vcpu *v, enum vcpu_exit *why)
{
	struct kvm_assist *a = kvm_assist_get(v);
	int ret = 0;

	if (!a)
		return -ENOMEM;
	a->poll = true;
	while (!ret) {
		if (!a->inside)
			ret = enter(a, why);
		if (!ret && a->inside)
			ret = run_inside(a, why);
	}
	return ret < 0 ? ret : 0;
}
