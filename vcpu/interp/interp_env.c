// SPDX-License-Identifier: MIT
/*
 * interp_env.c - what instructions, and the local APIC, need of the engine.
 */
#include <errno.h>
#include <sched.h>
#include <sys/random.h>
#include <time.h>
#include <x86intrin.h>

#include "base/checked.h"
#include "memory/bus.h"
#include "vcpu/interp/interp_int.h"
#include "vcpu/irqchip/irqchip.h"
#include "vcpu/vtime.h"

#define MSR_APIC_BASE	 0x1b
#define MSR_TSC_ADJUST	 0x3b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC_FIRST 0x800
#define MSR_X2APIC_LAST	 0x8ff

#define KVM_ENOSYS 1000 /* Linux virt/kvm/x86/hypercalls.rst */

/* Time */

static uint64_t vm_tsc(const struct interp_engine *e)
{
	return e->vtime ? vtime_now(e->vtime) : __rdtsc() - e->tsc_start;
}

uint64_t interp_now(const struct interp_engine *e)
{
	return x86_pvclock_ns(&e->scale, vm_tsc(e));
}

uint64_t interp_tsc(const struct interp_vcpu *v)
{
	return vm_tsc(interp_of_vcpu(v)) + v->tsc_offset;
}

void interp_set_tsc(struct interp_vcpu *v, uint64_t tsc)
{
	v->tsc_offset = tsc - vm_tsc(interp_of_vcpu(v));
	lapic_tsc_changed(v->lapic);
	interp_publish_clock(v);
}

static struct x86_pvclock_ref clock_ref(const struct interp_vcpu *v)
{
	return (struct x86_pvclock_ref){
		.scale = interp_of_vcpu(v)->scale,
		.tsc = v->tsc_offset, /* at the VM's time 0 */
		.ns = 0,
		.stable = true,
	};
}

int interp_publish_clock(struct interp_vcpu *v)
{
	const struct x86_pvclock_ref ref = clock_ref(v);

	return x86_pvclock_write_time(v->cpu.ram, v->cpu.st.msr.kvm_system_time,
				      &ref);
}

/* Nanoseconds since 1970 */
static uint64_t wall(const struct interp_vcpu *v)
{
	struct timespec t;

	if (v->vtime)
		return vtime_wall(v->vtime);
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static int publish_wall(struct interp_vcpu *v)
{
	return x86_pvclock_write_wall(v->cpu.ram, v->cpu.st.msr.kvm_wall_clock,
				      wall(v), interp_now(interp_of_vcpu(v)));
}

static uint64_t env_tsc(struct x86_cpu *cpu)
{
	return interp_tsc(interp_of_cpu(cpu));
}

static void env_set_tsc(struct x86_cpu *cpu, uint64_t tsc)
{
	interp_set_tsc(interp_of_cpu(cpu), tsc);
}

/* Memory-mapped devices */

static uint64_t env_mmio_read(struct x86_cpu *cpu, gpa_t gpa, unsigned int len)
{
	struct lapic *l = interp_of_cpu(cpu)->lapic;

	if (lapic_maps(l, gpa))
		return lapic_mmio_read(l, gpa % RAM_PAGE, len);
	return bus_read(cpu->bus, BUS_MMIO, gpa, len);
}

static void env_mmio_write(struct x86_cpu *cpu, gpa_t gpa, unsigned int len,
			   uint64_t val)
{
	struct interp_vcpu *v = interp_of_cpu(cpu);

	if (lapic_maps(v->lapic, gpa)) {
		lapic_mmio_write(v->lapic, gpa % RAM_PAGE, len, val);
		return;
	}
	bus_write(cpu->bus, BUS_MMIO, gpa, len, val);
	if (v->vtime)
		interp_count_settle(v);
}

/* MSRs that are not the core's */

static int env_rdmsr(struct x86_cpu *cpu, uint32_t index, uint64_t *val)
{
	struct interp_vcpu *v = interp_of_cpu(cpu);

	if (index >= MSR_X2APIC_FIRST && index <= MSR_X2APIC_LAST)
		return lapic_msr_read(v->lapic, index, val) ? -1 : 0;
	switch (index) {
	case MSR_APIC_BASE:
		*val = lapic_get_base(v->lapic);
		return 0;
	case MSR_TSC_ADJUST:
		*val = cpu->st.msr.tsc_adjust;
		return 0;
	case MSR_TSC_DEADLINE:
		*val = lapic_get_tsc_deadline(v->lapic);
		return 0;
	case X86_PVCLOCK_MSR_WALL:
		*val = cpu->st.msr.kvm_wall_clock;
		return 0;
	case X86_PVCLOCK_MSR_TIME:
		*val = cpu->st.msr.kvm_system_time;
		return 0;
	}
	return -1;
}

/* SDM 3B §18.17.3: the difference is added to the counter. */
static void adjust_tsc(struct interp_vcpu *v, uint64_t val)
{
	uint64_t by = val - v->cpu.st.msr.tsc_adjust;

	v->cpu.st.msr.tsc_adjust = val;
	interp_set_tsc(v, interp_tsc(v) + by);
}

static int env_wrmsr(struct x86_cpu *cpu, uint32_t index, uint64_t val)
{
	struct interp_vcpu *v = interp_of_cpu(cpu);
	int err;

	if (index >= MSR_X2APIC_FIRST && index <= MSR_X2APIC_LAST)
		return lapic_msr_write(v->lapic, index, val) ? -1 : 0;
	switch (index) {
	case MSR_APIC_BASE:
		return lapic_set_base(v->lapic, val) ? -1 : 0;
	case MSR_TSC_ADJUST:
		adjust_tsc(v, val);
		return 0;
	case MSR_TSC_DEADLINE:
		lapic_set_tsc_deadline(v->lapic, val);
		return 0;
	case X86_PVCLOCK_MSR_WALL:
		cpu->st.msr.kvm_wall_clock = val;
		err = publish_wall(v);
		return err == -EINVAL ? -1 : 0;
	case X86_PVCLOCK_MSR_TIME:
		cpu->st.msr.kvm_system_time = val;
		err = interp_publish_clock(v);
		return err == -EINVAL ? -1 : 0;
	}
	return -1;
}

static uint64_t env_get_cr8(struct x86_cpu *cpu)
{
	return lapic_get_cr8(interp_of_cpu(cpu)->lapic);
}

static void env_set_cr8(struct x86_cpu *cpu, uint64_t val)
{
	lapic_set_cr8(interp_of_cpu(cpu)->lapic, (uint8_t)(val & 0xf));
}

/* The rest */

static void env_write_page(struct x86_cpu *cpu, gpa_t gpa)
{
	struct interp_engine *e = interp_of_vcpu(interp_of_cpu(cpu));

	interp_code_written(e, interp_page(&e->code, gpa));
}

static void env_flush_code(struct x86_cpu *cpu)
{
	interp_blocks_forget_jumps(&interp_of_cpu(cpu)->blocks);
}

static uint64_t env_hypercall(struct x86_cpu *cpu, uint64_t nr)
{
	(void)cpu;
	(void)nr;
	return (uint64_t)-KVM_ENOSYS;
}

static bool env_random(struct x86_cpu *cpu, uint64_t *val)
{
	struct interp_vcpu *v = interp_of_cpu(cpu);

	if (v->vtime) {
		*val = seed_next(&v->seed);
		return true;
	}
	return getrandom(val, sizeof(*val), GRND_NONBLOCK) ==
	       (ssize_t)sizeof(*val);
}

static void env_pause(struct x86_cpu *cpu)
{
	if (cpu->nr_cpus > 1)
		sched_yield();
}

static void env_stop_others(struct x86_cpu *cpu)
{
	interp_stop_others(interp_of_cpu(cpu));
}

static void env_resume_others(struct x86_cpu *cpu)
{
	interp_resume_others(interp_of_cpu(cpu));
}

const struct x86_env_ops interp_env_ops = {
	.tsc = env_tsc,
	.set_tsc = env_set_tsc,
	.mmio_read = env_mmio_read,
	.mmio_write = env_mmio_write,
	.rdmsr = env_rdmsr,
	.wrmsr = env_wrmsr,
	.get_cr8 = env_get_cr8,
	.set_cr8 = env_set_cr8,
	.write_page = env_write_page,
	.flush_code = env_flush_code,
	.hypercall = env_hypercall,
	.random = env_random,
	.pause = env_pause,
	.stop_others = env_stop_others,
	.resume_others = env_resume_others,
};

/* The local APIC's side */

static struct interp_vcpu *of_owner(struct lapic_owner *o)
{
	return container_of(o, struct interp_vcpu, owner);
}

static uint64_t lapic_now(struct lapic_owner *o)
{
	return interp_now(interp_of_vcpu(of_owner(o)));
}

static uint64_t lapic_tsc(struct lapic_owner *o)
{
	return interp_tsc(of_owner(o));
}

static void lapic_arm(struct lapic_owner *o, uint64_t deadline)
{
	struct interp_vcpu *v = of_owner(o);

	v->deadline = deadline;
	if (v->block)
		interp_vcpu_ask(v, INTERP_CLOCK);
}

static void lapic_wake(struct lapic_owner *o)
{
	interp_vcpu_ask(of_owner(o), 0);
}

static void lapic_nmi(struct lapic_owner *o)
{
	interp_vcpu_ask(of_owner(o), INTERP_NMI);
}

static void lapic_init(struct lapic_owner *o)
{
	interp_vcpu_ask(of_owner(o), INTERP_INIT);
}

static void lapic_sipi(struct lapic_owner *o, uint8_t vector)
{
	struct interp_vcpu *v = of_owner(o);

	atomic_store(&v->sipi_vector, vector);
	interp_vcpu_ask(v, INTERP_SIPI);
}

static void lapic_eoi(struct lapic_owner *o, uint8_t vector)
{
	irqchip_eoi(interp_of_vcpu(of_owner(o))->chip, vector);
}

static int lapic_ack_pic(struct lapic_owner *o)
{
	return irqchip_ack_pic(interp_of_vcpu(of_owner(o))->chip);
}

const struct lapic_ops interp_lapic_ops = {
	.now = lapic_now,
	.tsc = lapic_tsc,
	.arm = lapic_arm,
	.wake = lapic_wake,
	.nmi = lapic_nmi,
	.init = lapic_init,
	.sipi = lapic_sipi,
	.eoi = lapic_eoi,
	.ack_pic = lapic_ack_pic,
};
