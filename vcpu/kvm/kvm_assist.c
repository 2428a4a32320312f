// SPDX-License-Identifier: MIT
/*
 * kvm_assist.c - stepping over an instruction that this host's KVM cannot
 * emulate, with the semantics of vcpu/x86.
 *
 * How it works. A KVM that emulates guest kernels gives up at instructions
 * its emulator does not know (KVM_EXIT_INTERNAL_ERROR). The state moves into
 * an x86 context, one instruction runs there, and the state moves back; a
 * fault that the instruction raises is delivered on the way. What is KVM's,
 * the local APIC and the clocks, stays where it is. That costs some 200 us,
 * against an error that ends the VM: right for a host with hardware, where it
 * happens to an odd access to a device. On a host without, it is the first
 * of many, and kvm_soft.c goes on with all the others.
 *
 * In the one instruction, accesses to the local APIC fall on the bus, and
 * MSRs that are KVM's raise #GP: none of them is unknown to KVM's emulator.
 */
#include "vcpu/kvm/kvm_assist.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <x86intrin.h>

#include "base/checked.h"
#include "base/log.h"
#include "vcpu/kvm/kvm_soft.h"
#include "vcpu/x86/exception.h"
#include "vcpu/x86/fetch.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"
#include "vcpu/x86/thunk.h"

static struct kvm_assist *of_cpu(struct x86_cpu *cpu)
{
	return cpu->env_ctx;
}

uint64_t kvm_assist_tsc(struct x86_cpu *cpu)
{
	return __rdtsc() + of_cpu(cpu)->tsc_offset;
}

static void no_set_tsc(struct x86_cpu *cpu, uint64_t val)
{
	(void)val;
	x86_raise_error(cpu, X86_GP, 0);
}

static int no_rdmsr(struct x86_cpu *cpu, uint32_t index, uint64_t *val)
{
	(void)cpu;
	(void)index;
	(void)val;
	return -1;
}

static int no_wrmsr(struct x86_cpu *cpu, uint32_t index, uint64_t val)
{
	(void)cpu;
	(void)index;
	(void)val;
	return -1;
}

static uint64_t get_cr8(struct x86_cpu *cpu)
{
	return cpu->st.cr8;
}

static void set_cr8(struct x86_cpu *cpu, uint64_t val)
{
	cpu->st.cr8 = val & 0xf;
}

void kvm_assist_report_written(struct kvm_assist *a)
{
	unsigned int i;

	if (!a->nr_written)
		return;
	for (i = 0; i < a->nr_written; i++)
		ram_written(a->cpu.ram, a->written[i], X86_PAGE);
	a->nr_written = 0;
	/* The next write to any of them is to be noted again. */
	x86_tlb_flush(&a->cpu);
}

void kvm_assist_write_page(struct x86_cpu *cpu, gpa_t gpa)
{
	struct kvm_assist *a = of_cpu(cpu);

	if (a->nr_written == KVM_WRITTEN_MAX)
		kvm_assist_report_written(a);
	a->written[a->nr_written++] = gpa;
}

void kvm_assist_flush_code(struct x86_cpu *cpu)
{
	(void)cpu;
}

uint64_t kvm_assist_hypercall(struct x86_cpu *cpu, uint64_t nr)
{
	(void)cpu;
	(void)nr;
	return (uint64_t)-1000; /* KVM_ENOSYS */
}

bool kvm_assist_random(struct x86_cpu *cpu, uint64_t *val)
{
	(void)cpu;
	return getrandom(val, sizeof(*val), GRND_NONBLOCK) ==
	       (ssize_t)sizeof(*val);
}

void kvm_assist_pause(struct x86_cpu *cpu)
{
	if (cpu->nr_cpus > 1)
		sched_yield();
}

static const struct x86_env_ops step_env = {
	.tsc = kvm_assist_tsc,
	.set_tsc = no_set_tsc,
	.mmio_read = x86_bus_read,
	.mmio_write = x86_bus_write,
	.rdmsr = no_rdmsr,
	.wrmsr = no_wrmsr,
	.get_cr8 = get_cr8,
	.set_cr8 = set_cr8,
	.write_page = kvm_assist_write_page,
	.flush_code = kvm_assist_flush_code,
	.hypercall = kvm_assist_hypercall,
	.random = kvm_assist_random,
	.pause = kvm_assist_pause,
};

static int init(struct kvm_assist *a, struct kvm_vcpu *v)
{
	struct kvm_engine *k = kvm_engine_of(&v->vcpu);
	int err;

	x86_cpu_init(&a->cpu, k->ram, k->bus, &step_env, a);
	a->v = v;
	a->cpu.attention = &v->attention;
	a->cpu.id = v->vcpu.id;
	a->cpu.nr_cpus = k->nr_cpus;
	a->cpu.tsc_khz = k->tsc_khz;
	a->cpu.kvm_features = KVM_SOFT_FEATURES;
	err = x86_thunks_create(&a->cpu.thunks);
	return err ? err : kvm_blocks_create(&a->blocks);
}

struct kvm_assist *kvm_assist_get(struct kvm_vcpu *v)
{
	size_t size = checked_round_up(sizeof(struct kvm_assist), 64);
	struct kvm_assist *a = v->assist;

	if (a)
		return a;
	a = aligned_alloc(64, size);
	if (!a)
		return NULL;
	memset(a, 0, size);
	if (init(a, v)) {
		x86_thunks_destroy(a->cpu.thunks);
		free(a);
		return NULL;
	}
	v->assist = a;
	return a;
}

void kvm_assist_destroy(struct kvm_assist *a)
{
	if (!a)
		return;
	log_info("kvm: vCPU %u: %lu instructions stepped over; %llu run in "
		 "KVM's stead, with %lu calls to it",
		 a->v->vcpu.id, a->steps, (unsigned long long)a->insns,
		 a->gates);
	kvm_blocks_destroy(a->blocks);
	x86_thunks_destroy(a->cpu.thunks);
	free(a);
}

/* Linux Documentation/virt/kvm/devices/vcpu.rst; exact, since 5.16 */
int kvm_assist_read_tsc_offset(struct kvm_assist *a)
{
	const struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uint64_t)(uintptr_t)&a->tsc_offset,
	};

	return kvm_ioctl(a->v->fd, KVM_GET_DEVICE_ATTR, &attr);
}

static void log_kind(struct kvm_assist *a, const struct x86_insn *in)
{
	a->steps++;
	if (a->seen[in->op])
		return;
	a->seen[in->op] = true;
	log_info("kvm: vCPU %u: KVM cannot emulate \"%s\" (opcode %02x) at "
		 "%#llx: stepped over, said once",
		 a->v->vcpu.id, x86_op_name(in->op), in->opcode,
		 (unsigned long long)a->cpu.rip);
}

static bool is_unknown(const struct x86_insn *in)
{
	return in->op == X86_OP_ud || in->op == X86_OP_avx;
}

/*
 * Run the one instruction. Faults unwind to here and are delivered, but for
 * the #UD of what nobody knows.
 */
static int execute(struct kvm_assist *a)
{
	struct x86_cpu *cpu = &a->cpu;
	const struct kvm_block *block;
	const struct x86_insn *in;
	volatile bool known = false;

	cpu->cur = NULL;
	if (setjmp(cpu->unwind)) {
		if (!known && cpu->fault.vector == X86_UD)
			return -EILSEQ;
		x86_handle_fault(cpu);
		return 0;
	}
	block = kvm_block_single(a->blocks, cpu);
	in = &block->insn[0];
	if (is_unknown(in))
		return -EILSEQ;
	known = true;
	log_kind(a, in);
	cpu->reg[X86_REG_IP] = cpu->rip;
	cpu->cur = in;
	in->fn(cpu, in);
	cpu->cur = NULL;
	if (!(in->flags & X86_F_END))
		cpu->rip = x86_next_ip(cpu, in);
	return 0;
}

static void take_over_if_can(struct kvm_vcpu *v, const struct cpu_state *st)
{
	if (kvm_host_emulates() && kvm_soft_can_take(st))
		kvm_soft_take_over(v);
}

void kvm_assist_all(struct kvm_vcpu *v)
{
	struct kvm_assist *a = kvm_assist_get(v);

	if (a && !kvm_state_read(&v->vcpu, &a->st))
		take_over_if_can(v, &a->st);
}

int kvm_assist_step(struct kvm_vcpu *v)
{
	struct kvm_assist *a = kvm_assist_get(v);
	int err;

	if (!a)
		return -ENOMEM;
	err = kvm_state_read(&v->vcpu, &a->st);
	if (err)
		return err;
	if (kvm_assist_read_tsc_offset(a))
		a->tsc_offset = a->st.msr.tsc - __rdtsc();
	a->cpu.env = &step_env;
	x86_cpu_load(&a->cpu, &a->st);
	err = execute(a);
	if (err || a->cpu.shutdown)
		return err ? err : -EIO;
	x86_cpu_store(&a->cpu, &a->st);
	kvm_assist_report_written(a);
	err = kvm_state_set_core(&v->vcpu, &a->st);
	if (!err)
		take_over_if_can(v, &a->st);
	return err;
}
