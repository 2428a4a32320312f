// SPDX-License-Identifier: MIT
/*
 * kvm_assist.c - stepping over an instruction that this host's KVM cannot
 * emulate, with the semantics of vcpu/x86.
 *
 * How it works. A KVM that emulates guest kernels gives up at instructions
 * its emulator does not know (KVM_EXIT_INTERNAL_ERROR). The whole state moves
 * into an x86 context, one instruction runs there, and the state moves back;
 * a fault that the instruction raises is delivered on the way. That costs
 * some 100 us, against an error that ends the VM.
 *
 * What the local APIC, which is KVM's, would have to do is not possible here:
 * such accesses fall on the bus, and MSRs that are KVM's raise #GP. No
 * instruction that touches them is unknown to KVM's emulator.
 */
#include "vcpu/kvm/kvm_int.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <x86intrin.h>

#include "base/checked.h"
#include "base/log.h"
#include "vcpu/state.h"
#include "vcpu/x86/cpu.h"
#include "vcpu/x86/exception.h"
#include "vcpu/x86/mem.h"
#include "vcpu/x86/semantics.h"
#include "vcpu/x86/thunk.h"

struct kvm_assist {
	struct x86_cpu cpu;
	struct cpu_state st;
	struct x86_insn in;
	atomic_uint attention;
	uint64_t tsc_offset;
	bool seen[X86_NR_OPS]; /* logged once per kind */
	unsigned long steps;
};

static struct kvm_assist *of_cpu(struct x86_cpu *cpu)
{
	return cpu->env_ctx;
}

static uint64_t tsc(struct x86_cpu *cpu)
{
	return __rdtsc() + of_cpu(cpu)->tsc_offset;
}

static void set_tsc(struct x86_cpu *cpu, uint64_t val)
{
	of_cpu(cpu)->tsc_offset = val - __rdtsc();
}

static uint64_t mmio_read(struct x86_cpu *cpu, gpa_t gpa, unsigned int len)
{
	return bus_read(cpu->bus, BUS_MMIO, gpa, len);
}

static void mmio_write(struct x86_cpu *cpu, gpa_t gpa, unsigned int len,
		       uint64_t val)
{
	bus_write(cpu->bus, BUS_MMIO, gpa, len, val);
}

static int rdmsr(struct x86_cpu *cpu, uint32_t index, uint64_t *val)
{
	(void)cpu;
	(void)index;
	(void)val;
	return -1;
}

static int wrmsr(struct x86_cpu *cpu, uint32_t index, uint64_t val)
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

/* The dirty log of this engine is KVM's: tell it of a write that is ours. */
static void write_page(struct x86_cpu *cpu, gpa_t gpa)
{
	ram_written(cpu->ram, gpa, X86_PAGE);
}

static void flush_code(struct x86_cpu *cpu)
{
	(void)cpu;
}

static uint64_t hypercall(struct x86_cpu *cpu, uint64_t nr)
{
	(void)cpu;
	(void)nr;
	return (uint64_t)-1000; /* KVM_ENOSYS */
}

static bool random_number(struct x86_cpu *cpu, uint64_t *val)
{
	(void)cpu;
	return getrandom(val, sizeof(*val), GRND_NONBLOCK) ==
	       (ssize_t)sizeof(*val);
}

static void pause_cpu(struct x86_cpu *cpu)
{
	(void)cpu;
	sched_yield();
}

static const struct x86_env_ops env = {
	.tsc = tsc,
	.set_tsc = set_tsc,
	.mmio_read = mmio_read,
	.mmio_write = mmio_write,
	.rdmsr = rdmsr,
	.wrmsr = wrmsr,
	.get_cr8 = get_cr8,
	.set_cr8 = set_cr8,
	.write_page = write_page,
	.flush_code = flush_code,
	.hypercall = hypercall,
	.random = random_number,
	.pause = pause_cpu,
};

static struct kvm_assist *create(struct kvm_vcpu *v)
{
	struct kvm_engine *k = kvm_engine_of(&v->vcpu);
	size_t size = checked_round_up(sizeof(struct kvm_assist), 64);
	struct kvm_assist *a = aligned_alloc(64, size);

	if (!a)
		return NULL;
	memset(a, 0, size);
	x86_cpu_init(&a->cpu, k->ram, k->bus, &env, a);
	a->cpu.attention = &a->attention;
	a->cpu.id = v->vcpu.id;
	a->cpu.nr_cpus = k->nr_cpus;
	if (x86_thunks_create(&a->cpu.thunks)) {
		free(a);
		return NULL;
	}
	return a;
}

void kvm_assist_destroy(struct kvm_assist *a)
{
	if (!a)
		return;
	log_info("kvm: %lu instructions stepped over", a->steps);
	x86_thunks_destroy(a->cpu.thunks);
	free(a);
}

/* The instruction at RIP, page by page: the next page may not be there. */
static int decode(struct kvm_assist *a)
{
	struct x86_cpu *cpu = &a->cpu;
	uint64_t lin = cpu->seg_base[CPU_CS] + cpu->rip;
	uint8_t bytes[X86_INSN_MAX];
	const uint8_t *p;
	size_t n = 0;
	gpa_t gpa;
	int err;

	do {
		size_t part = min_u64(X86_PAGE - (lin + n) % X86_PAGE,
				      X86_INSN_MAX - n);

		p = x86_fetch_ptr(cpu, lin + n, &gpa);
		if (!p)
			return -EFAULT;
		memcpy(bytes + n, p, part);
		n += part;
		err = x86_decode(&a->in, bytes, n, cpu->mode);
	} while (err == -ENODATA && n < X86_INSN_MAX);
	return err;
}

static void log_kind(struct kvm_assist *a, const struct kvm_vcpu *v)
{
	a->steps++;
	if (a->seen[a->in.op])
		return;
	a->seen[a->in.op] = true;
	log_info("kvm: vCPU %u: KVM cannot emulate \"%s\" (opcode %02x): "
		 "stepped over, said once",
		 v->vcpu.id, x86_op_name(a->in.op), a->in.opcode);
}

/* Run the one instruction. Faults unwind to here and are delivered. */
static int execute(struct kvm_assist *a, const struct kvm_vcpu *v)
{
	struct x86_cpu *cpu = &a->cpu;
	int err;

	cpu->cur = NULL;
	if (setjmp(cpu->unwind)) {
		x86_handle_fault(cpu);
		return 0;
	}
	err = decode(a);
	if (err || a->in.op == X86_OP_ud)
		return err ? err : -EILSEQ;
	log_kind(a, v);
	x86_bind(&a->in);
	x86_insn_set_off(&a->in, 0);
	cpu->reg[X86_REG_IP] = cpu->rip;
	cpu->cur = &a->in;
	a->in.fn(cpu, &a->in);
	if (!(a->in.flags & X86_F_END))
		cpu->rip = x86_next_ip(cpu, &a->in);
	return 0;
}

int kvm_assist_step(struct kvm_vcpu *v)
{
	struct kvm_assist *a;
	int err;

	if (!v->assist)
		v->assist = create(v);
	a = v->assist;
	if (!a)
		return -ENOMEM;

	err = kvm_state_get(&v->vcpu, &a->st);
	if (err)
		return err;
	a->tsc_offset = a->st.msr.tsc - __rdtsc();
	x86_cpu_load(&a->cpu, &a->st);
	err = execute(a, v);
	if (err || a->cpu.shutdown)
		return err ? err : -EIO;
	x86_cpu_store(&a->cpu, &a->st);
	return kvm_state_set(&v->vcpu, &a->st);
}
