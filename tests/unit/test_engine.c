// SPDX-License-Identifier: MIT
/*
 * test_engine.c - what every engine promises (engine.h), with a few bytes of
 * real-mode code. An engine that does not work here is skipped.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "memory/bus.h"
#include "memory/irq.h"
#include "memory/ram.h"
#include "vcpu/engine.h"
#include "vcpu/interp/interp_int.h"
#include "vcpu/irqchip/irqchip.h"
#include "vcpu/state.h"
#include "vcpu/x86/vector.h"

#define CODE 0x1000

/* A device on one port that remembers, and ends the run by a kick. */
struct port {
	struct bus_dev dev;
	struct vcpu *kick;
	uint64_t val;
	unsigned int len, writes;
};

struct vm {
	struct ram *ram;
	struct bus *bus;
	struct irqchip *chip;
	const struct engine_ops *ops;
	struct engine *engine;
	struct vcpu *vcpu;
	struct port port;
	struct cpu_state st;
};

static uint64_t port_read(struct bus_dev *d, uint64_t off, unsigned int len)
{
	(void)d;
	(void)off;
	(void)len;
	return 0x11223344;
}

static void port_write(struct bus_dev *d, uint64_t off, unsigned int len,
		       uint64_t val)
{
	struct port *p = container_of(d, struct port, dev);

	(void)off;
	p->val = val;
	p->len = len;
	p->writes++;
	if (p->kick)
		p->kick->engine->ops->kick(p->kick);
}

static const struct bus_ops port_ops = { port_read, port_write };

static bool make_vm(struct vm *vm, const char *engine)
{
	struct engine_params p;
	char why[256];

	memset(vm, 0, sizeof(*vm));
	if (engine_select(engine, false, &vm->ops, why, sizeof(why))) {
		print_message("# %s\n", why);
		return false;
	}
	assert_int_equal(ram_create(&vm->ram, 2 << 20), 0);
	assert_int_equal(bus_create(&vm->bus), 0);
	assert_int_equal(irqchip_create(&vm->chip, vm->bus), 0);
	p = (struct engine_params){ vm->ram, vm->bus, vm->chip, 2, NULL };
	assert_int_equal(vm->ops->create(&vm->engine, &p), 0);
	assert_int_equal(vm->ops->vcpu_create(vm->engine, 0, &vm->vcpu), 0);
	vm->port.dev = (struct bus_dev){ "port", 0x80, 4, &port_ops };
	vm->port.kick = vm->vcpu;
	assert_int_equal(bus_add(vm->bus, BUS_PIO, &vm->port.dev), 0);
	return true;
}

static void free_vm(struct vm *vm)
{
	vm->ops->vcpu_destroy(vm->vcpu);
	vm->ops->destroy(vm->engine);
	irqchip_destroy(vm->chip);
	bus_destroy(vm->bus);
	ram_destroy(vm->ram);
}

/* *state comes as the engine's name and goes as the VM, NULL to skip. */
static int set_up(void **state)
{
	static _Alignas(64) struct vm vm;

	*state = make_vm(&vm, *state) ? &vm : NULL;
	return 0;
}

static int tear_down(void **state)
{
	if (*state)
		free_vm(*state);
	return 0;
}

static struct vm *vm_or_skip(void **state)
{
	if (!*state)
		skip();
	return *state;
}

/* Real mode, CS base 0, at CODE. */
static void load(struct vm *vm, const uint8_t *code, size_t len)
{
	assert_int_equal(ram_write(vm->ram, CODE, code, len), 0);
	assert_int_equal(vm->ops->get_state(vm->vcpu, &vm->st), 0);
	vm->st.seg[CPU_CS].base = 0;
	vm->st.seg[CPU_CS].selector = 0;
	vm->st.rip = CODE;
	vm->st.gpr[CPU_RSP] = 0x8000;
	assert_int_equal(vm->ops->set_state(vm->vcpu, &vm->st), 0);
}

static enum vcpu_exit run(struct vm *vm)
{
	enum vcpu_exit why;

	assert_int_equal(vm->ops->run(vm->vcpu, &why), 0);
	return why;
}

static void state_round_trips(void **state)
{
	static _Alignas(64) struct cpu_state back;
	struct vm *vm = vm_or_skip(state);
	size_t i;

	assert_int_equal(vm->ops->get_state(vm->vcpu, &vm->st), 0);
	for (i = 0; i < CPU_NR_GPRS; i++)
		vm->st.gpr[i] = 0x0123456789abcdefull * (i + 1);
	vm->st.rip = 0x123456;
	vm->st.msr.lstar = 0xffffffff81000000ull;
	vm->st.msr.pat = 0x0007010600070106ull;
	vm->st.dr[0] = 0x4000;
	vm->st.seg[CPU_GS].base = 0xffff888000000000ull;
	vm->st.seg[CPU_TR].selector = 0x40;
	assert_int_equal(vm->ops->set_state(vm->vcpu, &vm->st), 0);
	assert_int_equal(vm->ops->get_state(vm->vcpu, &back), 0);

	assert_memory_equal(back.gpr, vm->st.gpr, sizeof(back.gpr));
	assert_int_equal(back.rip, vm->st.rip);
	assert_memory_equal(back.seg, vm->st.seg, sizeof(back.seg));
	assert_memory_equal(back.dr, vm->st.dr, sizeof(back.dr));
	assert_memory_equal(back.xsave, vm->st.xsave, sizeof(back.xsave));
	assert_memory_equal(back.lapic, vm->st.lapic, sizeof(back.lapic));
	assert_int_equal(back.cr0, vm->st.cr0);
	assert_int_equal(back.apic_base, vm->st.apic_base);
	assert_int_equal(back.mp_state, vm->st.mp_state);
	/* The clock goes on. */
	assert_true(back.msr.tsc >= vm->st.msr.tsc);
	back.msr.tsc = vm->st.msr.tsc;
	assert_memory_equal(&back.msr, &vm->st.msr, sizeof(back.msr));
}

static void output_reaches_the_bus_and_a_kick_ends_the_run(void **state)
{
	/* mov al, 0x42; out 0x80, al; jmp $ */
	static const uint8_t code[] = { 0xb0, 0x42, 0xe6, 0x80, 0xeb, 0xfe };
	struct vm *vm = vm_or_skip(state);

	load(vm, code, sizeof(code));
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	assert_int_equal(vm->port.val, 0x42);
	assert_int_equal(vm->port.len, 1);
}

static void input_comes_from_the_bus(void **state)
{
	/* in eax, 0x80; out 0x80, eax; jmp $ */
	static const uint8_t code[] = { 0x66, 0xe5, 0x80, 0x66,
					0xe7, 0x80, 0xeb, 0xfe };
	struct vm *vm = vm_or_skip(state);

	load(vm, code, sizeof(code));
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	assert_int_equal(vm->port.val, 0x11223344);
	assert_int_equal(vm->port.len, 4);
}

static void string_output_writes_every_byte(void **state)
{
	/* mov si, 0x2000; mov cx, 3; mov dx, 0x81; cld; rep outsb;
	 * out 0x80, al; jmp $ */
	static const uint8_t code[] = { 0xbe, 0x00, 0x20, 0xb9, 0x03, 0x00,
					0xba, 0x81, 0x00, 0xfc, 0xf3, 0x6e,
					0xe6, 0x80, 0xeb, 0xfe };
	struct vm *vm = vm_or_skip(state);
	unsigned int tries;

	ram_write(vm->ram, 0x2000, "abc", 3);
	load(vm, code, sizeof(code));
	for (tries = 0; vm->port.writes < 4 && tries < 8; tries++)
		assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	assert_int_equal(vm->port.writes, 4);
}

static void kick_before_the_run_ends_it_at_once(void **state)
{
	static const uint8_t code[] = { 0xeb, 0xfe }; /* jmp $ */
	struct vm *vm = vm_or_skip(state);

	load(vm, code, sizeof(code));
	vm->ops->kick(vm->vcpu);
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
}

static void *kick_soon(void *arg)
{
	const struct timespec soon = { 0, 20000000 };
	struct vm *vm = arg;

	nanosleep(&soon, NULL);
	vm->ops->kick(vm->vcpu);
	return NULL;
}

static void kick_from_another_thread_ends_an_endless_loop(void **state)
{
	static const uint8_t code[] = { 0xeb, 0xfe };
	struct vm *vm = vm_or_skip(state);
	pthread_t t;

	load(vm, code, sizeof(code));
	pthread_create(&t, NULL, kick_soon, vm);
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	pthread_join(t, NULL);
}

static void kick_wakes_a_halted_cpu(void **state)
{
	static const uint8_t code[] = { 0xfa, 0xf4, 0xeb, 0xfd }; /* cli; hlt */
	struct vm *vm = vm_or_skip(state);
	pthread_t t;

	load(vm, code, sizeof(code));
	pthread_create(&t, NULL, kick_soon, vm);
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	pthread_join(t, NULL);
}

static void triple_fault_is_a_shutdown(void **state)
{
	static const uint8_t code[] = { 0x0f, 0x0b }; /* ud2 */
	struct vm *vm = vm_or_skip(state);

	load(vm, code, sizeof(code));
	/* Protected mode: real mode's vectors have no limit everywhere. */
	vm->st.cr0 |= 1;
	vm->st.seg[CPU_CS] = (struct cpu_segment){ .limit = 0xffffffff,
						   .selector = 8,
						   .access = 0xc09b };
	vm->st.seg[CPU_SS] = (struct cpu_segment){ .limit = 0xffffffff,
						   .selector = 16,
						   .access = 0xc093 };
	vm->st.idtr = (struct cpu_table){ 0, 0 };
	assert_int_equal(vm->ops->set_state(vm->vcpu, &vm->st), 0);
	assert_int_equal(run(vm), VCPU_EXIT_SHUTDOWN);
}

static void a_cpu_that_shut_down_runs_a_new_state(void **state)
{
	static const uint8_t code[] = { 0xe6, 0x80 }; /* out 0x80, al */
	static _Alignas(64) struct cpu_state fresh;
	struct vm *vm = vm_or_skip(state);

	assert_int_equal(vm->ops->get_state(vm->vcpu, &fresh), 0);
	triple_fault_is_a_shutdown(state);
	assert_int_equal(vm->ops->set_state(vm->vcpu, &fresh), 0);
	load(vm, code, sizeof(code));
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	assert_int_equal(vm->port.writes, 1);
}

/* What port 0x80 gets: 1 from the handler of #UD, 2 from after @insn. */
static uint64_t run_vector_insn(struct vm *vm, const uint8_t insn[6])
{
	static const uint8_t end[] = { 0xb0, 0x02, 0xe6, 0x80, 0xeb, 0xfe };
	static const uint8_t ud[] = { 0xb0, 0x01, 0xe6, 0x80, 0xeb, 0xfe };
	static const uint8_t vector[] = { 0x00, 0x20, 0, 0 };
	uint8_t code[12];

	memcpy(code, insn, 6);
	memcpy(code + 6, end, sizeof(end));
	assert_int_equal(ram_write(vm->ram, 0x2000, ud, sizeof(ud)), 0);
	assert_int_equal(ram_write(vm->ram, 4 * 6, vector, 4), 0);
	load(vm, code, sizeof(code));
	vm->st.cr4 = X86_CR4_OSFXSR;
	vm->st.cr0 &= ~(X86_CR0_EM | X86_CR0_TS);
	assert_int_equal(vm->ops->set_state(vm->vcpu, &vm->st), 0);
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	return vm->port.val;
}

static void what_the_host_cannot_run_is_ud_in_the_guest(void **state)
{
	static const struct {
		uint32_t feature;
		uint8_t insn[6]; /* NOPs after it */
	} list[] = {
		{ 0, { 0x66, 0x0f, 0xef, 0xc1, 0x90, 0x90 } },
		{ X86_VEC_SSE3, { 0xf2, 0x0f, 0x12, 0xc1, 0x90, 0x90 } },
		{ X86_VEC_SSE3, { 0xf3, 0x0f, 0x16, 0xc1, 0x90, 0x90 } },
		{ X86_VEC_SSE3, { 0x66, 0x0f, 0x7c, 0xc1, 0x90, 0x90 } },
		{ X86_VEC_SSE3, { 0xdf, 0x0e, 0x00, 0x30, 0x90, 0x90 } },
		{ X86_VEC_SSSE3, { 0x0f, 0x38, 0x00, 0xc1, 0x90, 0x90 } },
		{ X86_VEC_SSSE3, { 0x66, 0x0f, 0x3a, 0x0f, 0xc1, 0x01 } },
		{ X86_VEC_SSE41, { 0x66, 0x0f, 0x38, 0x40, 0xc1, 0x90 } },
		{ X86_VEC_SSE41, { 0x66, 0x0f, 0x3a, 0x0e, 0xc1, 0x01 } },
		{ X86_VEC_SSE42, { 0x66, 0x0f, 0x38, 0x37, 0xc1, 0x90 } },
		{ X86_VEC_SSE42, { 0x66, 0x0f, 0x3a, 0x63, 0xc1, 0x01 } },
		{ X86_VEC_AES, { 0x66, 0x0f, 0x38, 0xdc, 0xc1, 0x90 } },
		{ X86_VEC_AES, { 0x66, 0x0f, 0x3a, 0xdf, 0xc1, 0x01 } },
		{ X86_VEC_PCLMUL, { 0x66, 0x0f, 0x3a, 0x44, 0xc1, 0x01 } },
		{ X86_VEC_SHA, { 0x0f, 0x38, 0xc8, 0xc1, 0x90, 0x90 } },
		{ X86_VEC_SHA, { 0x0f, 0x3a, 0xcc, 0xc1, 0x01, 0x90 } },
	};
	struct vm *vm = vm_or_skip(state);
	struct x86_cpu *cpu = &((struct interp_vcpu *)(void *)vm->vcpu)->cpu;
	uint32_t all = cpu->vec_features;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(list); i++) {
		cpu->vec_features = all & ~list[i].feature;
		assert_int_equal(run_vector_insn(vm, list[i].insn),
				 list[i].feature ? 1 : 2);
		cpu->vec_features = all;
		assert_int_equal(run_vector_insn(vm, list[i].insn),
				 list[i].feature & ~all ? 1 : 2);
	}
}

/* Long mode without PAE, or as if EFER did not know; paging without PE. */
static void states_no_cpu_can_be_in_are_refused(void **state)
{
	static const struct {
		uint64_t cr0, cr4, efer, rflags;
	} bad[] = {
		{ 0x80000001, 0x00, 0x500, 2 },
		{ 0x80000001, 0x20, 0x400, 2 },
		{ 0x80000001, 0x20, 0x100, 2 },
		{ 0x00000001, 0x20, 0x500, 2 },
		{ 0x80000000, 0x20, 0x000, 2 },
		{ 0x00000000, 0x00, 0x000, 0x20002 },
		{ 0x80000001, 0x20, 0x500, 0x20002 },
		{ 0x80000001, 0x20020, 0x000, 2 },
	};
	struct vm *vm = vm_or_skip(state);
	size_t i;

	assert_int_equal(vm->ops->get_state(vm->vcpu, &vm->st), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		vm->st.cr0 = bad[i].cr0;
		vm->st.cr4 = bad[i].cr4;
		vm->st.efer = bad[i].efer;
		vm->st.rflags = bad[i].rflags;
		assert_int_equal(vm->ops->set_state(vm->vcpu, &vm->st),
				 -EINVAL);
	}
}

static void refused_state_changes_nothing(void **state)
{
	struct vm *vm = vm_or_skip(state);
	struct cpu_state *was = calloc(1, sizeof(*was));
	struct cpu_state *is = calloc(1, sizeof(*is));

	assert_int_equal(vm->ops->get_state(vm->vcpu, was), 0);
	vm->st = *was;
	vm->st.rip = 0x1234;
	vm->st.gpr[CPU_RAX] = 0x5678;
	vm->st.msr.tsc += 1ull << 50;
	vm->st.lapic[0x20 + 3] = 9; /* another CPU's id */
	assert_int_equal(vm->ops->set_state(vm->vcpu, &vm->st), -EINVAL);
	assert_int_equal(vm->ops->get_state(vm->vcpu, is), 0);
	assert_true(is->msr.tsc - was->msr.tsc < 1ull << 49);
	is->msr.tsc = was->msr.tsc;
	assert_memory_equal(is, was, sizeof(*is));
	free(is);
	free(was);
}

static void dirty_log_has_the_page_the_guest_wrote(void **state)
{
	/* mov [0x5000], al; out 0x80, al; jmp $ */
	static const uint8_t code[] = {
		0xa2, 0x00, 0x50, 0xe6, 0x80, 0xeb, 0xfe
	};
	struct vm *vm = vm_or_skip(state);
	uint64_t map[8];

	load(vm, code, sizeof(code));
	assert_int_equal(ram_dirty_start(vm->ram), 0);
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	assert_int_equal(ram_dirty_fetch(vm->ram, 0, map), 0);
	assert_true(map[0] & 1 << 5);
	assert_false(map[0] & 1 << 6);
	ram_dirty_stop(vm->ram);
}

static void doorbell_rings_without_an_exit(void **state)
{
	/* mov eax, 1; mov [ebx], eax; out 0x80, al; jmp $ */
	static const uint8_t code[] = { 0x66, 0xb8, 1,	  0,	0,
					0,    0x67, 0x66, 0x89, 0x03,
					0xe6, 0x80, 0xeb, 0xfe };
	struct vm *vm = vm_or_skip(state);
	struct bus_dev window = { "window", 0x300000, 0x1000, &port_ops };
	struct bus_doorbell bell = { 0x300050, 4, 1, fd_event_create() };

	assert_int_equal(bus_add(vm->bus, BUS_MMIO, &window), 0);
	assert_int_equal(bus_add_doorbell(vm->bus, &bell), 0);
	load(vm, code, sizeof(code));
	vm->st.gpr[CPU_RBX] = 0x300050;
	vm->st.seg[CPU_DS].limit = 0xffffffff;
	vm->st.seg[CPU_DS].access |= CPU_SEG_G;
	assert_int_equal(vm->ops->set_state(vm->vcpu, &vm->st), 0);
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	assert_int_equal(fd_event_drain(bell.fd), 1);
	assert_int_equal(vm->port.writes, 1); /* the port only */
	bus_del_doorbell(vm->bus, &bell);
	close(bell.fd);
}

static bool irr_has(const struct cpu_state *st, unsigned int vector)
{
	uint32_t word;

	memcpy(&word, st->lapic + 0x200 + vector / 32 * 16, sizeof(word));
	return word >> (vector % 32) & 1;
}

static void write_ioapic(struct vm *vm, uint32_t reg, uint32_t val)
{
	bus_write(vm->bus, BUS_MMIO, LAYOUT_IOAPIC, 4, reg);
	bus_write(vm->bus, BUS_MMIO, LAYOUT_IOAPIC + 0x10, 4, val);
}

static void interrupt_line_reaches_the_local_apic(void **state)
{
	struct vm *vm = vm_or_skip(state);
	const uint32_t svr = 0x1ff;
	int tries;

	assert_int_equal(vm->ops->get_state(vm->vcpu, &vm->st), 0);
	memcpy(vm->st.lapic + 0xf0, &svr, sizeof(svr));
	assert_int_equal(vm->ops->set_state(vm->vcpu, &vm->st), 0);

	write_ioapic(vm, 0x10 + 2 * 30 + 1, 0); /* GSI 30 to APIC 0 */
	write_ioapic(vm, 0x10 + 2 * 30, 0x77);
	irq_pulse(irqchip_line(vm->chip, 30));
	for (tries = 0; tries < 100; tries++) {
		assert_int_equal(vm->ops->get_state(vm->vcpu, &vm->st), 0);
		if (irr_has(&vm->st, 0x77))
			return;
		usleep(1000);
	}
	fail_msg("vector 0x77 never arrived");
}

/*
 * A kernel masks a pin while it moves the interrupt. One that came before is
 * not lost by that: KVM puts broadcasts off to a thread of its own.
 */
static void interrupt_survives_the_mask_behind_it(void **state)
{
	struct vm *vm = vm_or_skip(state);
	const uint32_t svr = 0x1ff;
	uint8_t vector;
	int tries;

	assert_int_equal(vm->ops->get_state(vm->vcpu, &vm->st), 0);
	memcpy(vm->st.lapic + 0xf0, &svr, sizeof(svr));
	assert_int_equal(vm->ops->set_state(vm->vcpu, &vm->st), 0);

	write_ioapic(vm, 0x10 + 2 * 30 + 1, 0xffu << 24);
	for (vector = 0x40; vector < 0x80; vector++) {
		write_ioapic(vm, 0x10 + 2 * 30, vector);
		irq_pulse(irqchip_line(vm->chip, 30));
		write_ioapic(vm, 0x10 + 2 * 30, 1 << 16 | vector);
		for (tries = 0; tries < 100; tries++) {
			vm->ops->get_state(vm->vcpu, &vm->st);
			if (irr_has(&vm->st, vector))
				break;
			usleep(1000);
		}
		assert_true(irr_has(&vm->st, vector));
	}
}

/*
 * A KVM without VMX or SVM cannot emulate POPCNT (F3 0F B8 C3: popcnt ax, bx):
 * from there on all runs without it, and nothing may be different.
 */
static void dirty_log_has_what_is_written_behind_a_gap(void **state)
{
	/* popcnt; mov [0x5000], al; out 0x80, al; jmp $ */
	static const uint8_t code[] = { 0xf3, 0x0f, 0xb8, 0xc3, 0xa2, 0x00,
					0x50, 0xe6, 0x80, 0xeb, 0xfe };
	struct vm *vm = vm_or_skip(state);
	uint64_t map[8];

	load(vm, code, sizeof(code));
	assert_int_equal(ram_dirty_start(vm->ram), 0);
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	assert_int_equal(vm->port.writes, 1);
	assert_int_equal(ram_dirty_fetch(vm->ram, 0, map), 0);
	assert_true(map[0] & 1 << 5);
	assert_false(map[0] & 1 << 6);
	ram_dirty_stop(vm->ram);
}

static void state_behind_a_gap_is_read_and_replaced(void **state)
{
	/* popcnt; next: inc ax; out 0x80, ax; jmp next */
	static const uint8_t code[] = { 0xf3, 0x0f, 0xb8, 0xc3, 0x40,
					0xe7, 0x80, 0xeb, 0xfb };
	struct vm *vm = vm_or_skip(state);

	load(vm, code, sizeof(code));
	vm->st.gpr[CPU_RBX] = 0x0f0f;
	vm->st.gpr[CPU_RSI] = 0x1234;
	vm->st.xsave[160] = 0x5a; /* XMM0 */
	vm->st.xsave[512] |= 3;
	assert_int_equal(vm->ops->set_state(vm->vcpu, &vm->st), 0);
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	assert_int_equal(vm->port.val, 9);
	assert_int_equal(vm->ops->get_state(vm->vcpu, &vm->st), 0);
	assert_int_equal(vm->st.gpr[CPU_RAX] & 0xffff, 9);
	assert_int_equal(vm->st.gpr[CPU_RSI], 0x1234);
	assert_int_equal(vm->st.xsave[160], 0x5a);
	assert_int_equal(vm->st.rip, CODE + 7);
	assert_int_equal(vm->st.mp_state, CPU_MP_RUNNABLE);

	vm->st.gpr[CPU_RAX] = 0x100;
	assert_int_equal(vm->ops->set_state(vm->vcpu, &vm->st), 0);
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	assert_int_equal(vm->port.val, 0x101);
}

static void *pulse_soon(void *arg)
{
	const struct timespec soon = { 0, 20000000 };
	struct vm *vm = arg;

	nanosleep(&soon, NULL);
	irq_pulse(irqchip_line(vm->chip, 30));
	return NULL;
}

static void interrupt_wakes_a_cpu_that_halted_behind_a_gap(void **state)
{
	/* popcnt; sti; next: hlt; jmp next */
	static const uint8_t code[] = { 0xf3, 0x0f, 0xb8, 0xc3,
					0xfb, 0xf4, 0xeb, 0xfd };
	/* out 0x80, al; jmp $ */
	static const uint8_t handler[] = { 0xe6, 0x80, 0xeb, 0xfe };
	const uint32_t svr = 0x1ff, vector = CODE + 0x100;
	struct vm *vm = vm_or_skip(state);
	pthread_t t;

	load(vm, code, sizeof(code));
	ram_write(vm->ram, CODE + 0x100, handler, sizeof(handler));
	ram_write(vm->ram, 0x77 * 4, &vector, sizeof(vector));
	memcpy(vm->st.lapic + 0xf0, &svr, sizeof(svr));
	assert_int_equal(vm->ops->set_state(vm->vcpu, &vm->st), 0);
	write_ioapic(vm, 0x10 + 2 * 30 + 1, 0);
	write_ioapic(vm, 0x10 + 2 * 30, 0x77);
	pthread_create(&t, NULL, pulse_soon, vm);
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	pthread_join(t, NULL);
	assert_int_equal(vm->port.writes, 1);
}

static void kick_ends_an_endless_loop_behind_a_gap(void **state)
{
	/* popcnt; jmp $ */
	static const uint8_t code[] = { 0xf3, 0x0f, 0xb8, 0xc3, 0xeb, 0xfe };
	struct vm *vm = vm_or_skip(state);
	pthread_t t;

	load(vm, code, sizeof(code));
	pthread_create(&t, NULL, kick_soon, vm);
	assert_int_equal(run(vm), VCPU_EXIT_KICKED);
	pthread_join(t, NULL);
}

/*
 * A loop that counts to 1000 and tells the port at every hundredth, begun on
 * one engine and ended on another.
 */
static void hand_over(const char *from, const char *to)
{
	/*
	 * mov cx, 10; next: mov dx, 100; one: inc ebx; dec dx; jnz one;
	 * mov eax, ebx; out 0x80, eax; loop next; jmp $
	 */
	static const uint8_t code[] = { 0xb9, 10,   0,	  0xba, 100,  0,
					0x66, 0x43, 0x4a, 0x75, 0xfb, 0x66,
					0x89, 0xd8, 0x66, 0xe7, 0x80, 0xe2,
					0xf0, 0xeb, 0xfe };
	static _Alignas(64) struct vm a, b;
	unsigned int tries;
	uint8_t page[4096];

	if (!make_vm(&a, from))
		skip();
	if (!make_vm(&b, to)) {
		free_vm(&a);
		skip();
	}
	load(&a, code, sizeof(code));
	a.st.gpr[CPU_RBX] = 0;
	assert_int_equal(a.ops->set_state(a.vcpu, &a.st), 0);
	while (a.port.writes < 3)
		assert_int_equal(run(&a), VCPU_EXIT_KICKED);

	assert_int_equal(a.ops->get_state(a.vcpu, &a.st), 0);
	assert_int_equal(ram_read(a.ram, CODE, page, sizeof(page)), 0);
	assert_int_equal(ram_write(b.ram, CODE, page, sizeof(page)), 0);
	assert_int_equal(b.ops->set_state(b.vcpu, &a.st), 0);
	for (tries = 0; b.port.val != 1000 && tries < 20; tries++)
		assert_int_equal(run(&b), VCPU_EXIT_KICKED);
	assert_int_equal(b.port.val, 1000);
	assert_int_equal(a.port.writes + b.port.writes, 10);
	free_vm(&b);
	free_vm(&a);
}

static void kvm_hands_over_to_interp(void **state)
{
	(void)state;
	hand_over("kvm", "interp");
}

static void interp_hands_over_to_kvm(void **state)
{
	(void)state;
	hand_over("interp", "kvm");
}

/* Lines that are in the pipe's read end @fd now. */
static unsigned int lines_in(int fd)
{
	unsigned int lines = 0;
	char c;

	fd_set_nonblock(fd);
	while (read(fd, &c, 1) == 1)
		lines += c == '\n';
	return lines;
}

/* A guest must not be able to fill the log, either. */
static void interrupts_arrive_when_the_host_has_no_eventfds(void **state)
{
	struct vm *vm = vm_or_skip(state);
	struct rlimit old, none;
	unsigned int lines;
	int log[2], i;

	assert_int_equal(pipe(log), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){ 0, old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	log_set_fd(log[1]);
	for (i = 0; i < 50; i++) {
		write_ioapic(vm, 0x10 + 2 * 30, 1 << 16);
		write_ioapic(vm, 0x10 + 2 * 30, 0x77);
	}
	log_set_fd(STDERR_FILENO);
	setrlimit(RLIMIT_NOFILE, &old);
	lines = lines_in(log[0]);
	close(log[0]);
	close(log[1]);
	assert_true(lines <= 1);
	interrupt_line_reaches_the_local_apic(state);
}

#define ENGINE_TEST(f, engine)                                        \
	{                                                             \
		engine ": " #f, f, set_up, tear_down, (char *)engine, \
	}
#define EVERY_TEST(engine)                                                    \
	ENGINE_TEST(state_round_trips, engine),                               \
		ENGINE_TEST(output_reaches_the_bus_and_a_kick_ends_the_run,   \
			    engine),                                          \
		ENGINE_TEST(input_comes_from_the_bus, engine),                \
		ENGINE_TEST(string_output_writes_every_byte, engine),         \
		ENGINE_TEST(kick_before_the_run_ends_it_at_once, engine),     \
		ENGINE_TEST(kick_from_another_thread_ends_an_endless_loop,    \
			    engine),                                          \
		ENGINE_TEST(kick_wakes_a_halted_cpu, engine),                 \
		ENGINE_TEST(triple_fault_is_a_shutdown, engine),              \
		ENGINE_TEST(dirty_log_has_the_page_the_guest_wrote, engine),  \
		ENGINE_TEST(doorbell_rings_without_an_exit, engine),          \
		ENGINE_TEST(interrupt_line_reaches_the_local_apic, engine),   \
		ENGINE_TEST(interrupt_survives_the_mask_behind_it, engine),   \
		ENGINE_TEST(dirty_log_has_what_is_written_behind_a_gap,       \
			    engine),                                          \
		ENGINE_TEST(state_behind_a_gap_is_read_and_replaced, engine), \
		ENGINE_TEST(interrupt_wakes_a_cpu_that_halted_behind_a_gap,   \
			    engine),                                          \
		ENGINE_TEST(kick_ends_an_endless_loop_behind_a_gap, engine),  \
		ENGINE_TEST(interrupts_arrive_when_the_host_has_no_eventfds,  \
			    engine)

static const struct CMUnitTest tests[] = {
	EVERY_TEST("kvm"),
	EVERY_TEST("interp"),
	ENGINE_TEST(a_cpu_that_shut_down_runs_a_new_state, "interp"),
	ENGINE_TEST(what_the_host_cannot_run_is_ud_in_the_guest, "interp"),
	ENGINE_TEST(states_no_cpu_can_be_in_are_refused, "interp"),
	ENGINE_TEST(refused_state_changes_nothing, "interp"),
	cmocka_unit_test(kvm_hands_over_to_interp),
	cmocka_unit_test(interp_hands_over_to_kvm),
};

UNIT_MAIN(tests)
