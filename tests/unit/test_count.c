// SPDX-License-Identifier: MIT
/*
 * test_count.c - virtual time: what counts as an instruction, and that timers
 * come at the very one. Real-mode code at CODE, on the interpreter.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "memory/bus.h"
#include "memory/ram.h"
#include "vcpu/engine.h"
#include "vcpu/irqchip/irqchip.h"
#include "vcpu/state.h"
#include "vcpu/vtime.h"

#define CODE	0x1000
#define HANDLER 0x2000
#define NOTES	16

/* A port that notes what time it is, and ends the run with 0xff. */
struct vm {
	struct bus_dev port;
	struct vtime t;
	struct vtime_alarm alarm;
	uint64_t rang_at;
	struct ram *ram;
	struct bus *bus;
	struct irqchip *chip;
	const struct engine_ops *ops;
	struct engine *engine;
	struct vcpu *vcpu;
	struct cpu_state st;
	uint64_t note[NOTES];
	unsigned int nr_notes;
};

static void port_write(struct bus_dev *d, uint64_t off, unsigned int len,
		       uint64_t val)
{
	struct vm *vm = container_of(d, struct vm, port);

	(void)off;
	(void)len;
	if (vm->nr_notes < NOTES)
		vm->note[vm->nr_notes++] = vtime_now(&vm->t);
	if (val == 0xff)
		vm->ops->kick(vm->vcpu);
}

static const struct bus_ops port_ops = { NULL, port_write };

static void rang(void *ctx)
{
	struct vm *vm = ctx;

	vm->rang_at = vtime_now(&vm->t);
	vm->ops->get_state(vm->vcpu, &vm->st);
	vm->ops->kick(vm->vcpu);
}

static int set_up(void **state)
{
	static _Alignas(64) struct vm vm;
	struct engine_params p;
	char why[256];

	memset(&vm, 0, sizeof(vm));
	vtime_init(&vm.t, 5);
	if (engine_select("auto", true, &vm.ops, why, sizeof(why)) ||
	    ram_create(&vm.ram, 2 << 20) || bus_create(&vm.bus) ||
	    irqchip_create(&vm.chip, vm.bus))
		return -1;
	p = (struct engine_params){ vm.ram, vm.bus, vm.chip, 1, &vm.t };
	if (vm.ops->create(&vm.engine, &p) ||
	    vm.ops->vcpu_create(vm.engine, 0, &vm.vcpu))
		return -1;
	vm.port = (struct bus_dev){ "port", 0x80, 1, &port_ops };
	vm.alarm = (struct vtime_alarm){ .expired = rang, .ctx = &vm };
	vtime_add_alarm(&vm.t, &vm.alarm);
	*state = &vm;
	return bus_add(vm.bus, BUS_PIO, &vm.port);
}

static int tear_down(void **state)
{
	struct vm *vm = *state;

	vm->ops->vcpu_destroy(vm->vcpu);
	vm->ops->destroy(vm->engine);
	irqchip_destroy(vm->chip);
	bus_destroy(vm->bus);
	ram_destroy(vm->ram);
	return 0;
}

static void load_at(struct vm *vm, gpa_t at, const uint8_t *code, size_t len)
{
	assert_int_equal(ram_write(vm->ram, at, code, len), 0);
}

static enum vcpu_exit go_on(struct vm *vm)
{
	enum vcpu_exit why;

	assert_int_equal(vm->ops->run(vm->vcpu, &why), 0);
	assert_int_equal(vm->ops->get_state(vm->vcpu, &vm->st), 0);
	return why;
}

static void start(struct vm *vm, const uint8_t *code, size_t len)
{
	load_at(vm, CODE, code, len);
	assert_int_equal(vm->ops->get_state(vm->vcpu, &vm->st), 0);
	vm->st.seg[CPU_CS].base = 0;
	vm->st.seg[CPU_CS].selector = 0;
	vm->st.rip = CODE;
	vm->st.gpr[CPU_RSP] = 0x8000;
	assert_int_equal(vm->ops->set_state(vm->vcpu, &vm->st), 0);
	assert_int_equal(go_on(vm), VCPU_EXIT_KICKED);
}

/* Real-mode vector @v -> HANDLER */
static void set_vector(struct vm *vm, unsigned int v)
{
	static const uint8_t to[4] = { HANDLER & 0xff, HANDLER >> 8, 0, 0 };

	load_at(vm, v * 4, to, sizeof(to));
}

/* Code below ends with these: mov al, 0xff; out 0x80, al */
#define DONE 0xb0, 0xff, 0xe6, 0x80

static void an_instruction_is_a_nanosecond(void **state)
{
	static const uint8_t code[] = {
		0xe6, 0x80,	  /* out 0x80, al */
		0x90, 0x90, 0x90, /* nop */
		0xe6, 0x80,	  /* out 0x80, al */
		DONE,
	};
	struct vm *vm = *state;

	start(vm, code, sizeof(code));
	assert_int_equal(vm->note[0], 0);
	assert_int_equal(vm->note[1], 4);
	assert_int_equal(vm->note[2], 6);
	assert_int_equal(vtime_now(&vm->t), 7);
}

static void the_tsc_counts_inside_of_a_block(void **state)
{
	static const uint8_t code[] = {
		0x90,		  /* nop */
		0x0f, 0x31,	  /* rdtsc */
		0x89, 0xc3,	  /* mov bx, ax */
		0x90, 0x0f, 0x31, /* nop; rdtsc */
		0x89, 0xc1,	  /* mov cx, ax */
		DONE,
	};
	struct vm *vm = *state;

	start(vm, code, sizeof(code));
	assert_int_equal(vm->st.gpr[CPU_RBX], 1);
	assert_int_equal(vm->st.gpr[CPU_RCX], 4);
}

static void a_loop_counts_every_round(void **state)
{
	static const uint8_t code[] = {
		0xb9, 0xe8, 0x03, /* mov cx, 1000 */
		0x90, 0xe2, 0xfd, /* 1: nop; loop 1b */
		DONE,
	};
	struct vm *vm = *state;

	start(vm, code, sizeof(code));
	assert_int_equal(vm->note[0], 1 + 2 * 1000 + 1);
}

static void a_string_counts_its_iterations(void **state)
{
	static const uint8_t code[] = {
		0xb9, 0x88, 0x13, /* mov cx, 5000 */
		0xbf, 0x00, 0x40, /* mov di, 0x4000 */
		0xf3, 0xaa,	  /* rep stosb */
		0xe6, 0x80,	  /* out 0x80, al */
		0xf3, 0xaa,	  /* rep stosb: none */
		DONE,
	};
	struct vm *vm = *state;

	start(vm, code, sizeof(code));
	assert_int_equal(vm->note[0], 2 + 5000);
	assert_int_equal(vm->note[1], 2 + 5000 + 1 + 1 + 1);
}

static void a_fault_counts_as_its_instruction(void **state)
{
	static const uint8_t code[] = {
		0x90, 0x90, 0x0f, 0x0b, /* nop; nop; ud2 */
	};
	static const uint8_t handler[] = { DONE };
	struct vm *vm = *state;

	set_vector(vm, 6);
	load_at(vm, HANDLER, handler, sizeof(handler));
	start(vm, code, sizeof(code));
	assert_int_equal(vm->note[0], 3 + 1);
}

/* Single steps: one instruction, and one trap, each. */
static void steps_and_traps_count(void **state)
{
	static const uint8_t code[] = {
		0x68, 0x02, 0x01, 0x9d, /* push 0x102; popf: TF */
		0x90, 0x90, 0x90,	/* nop */
	};
	static const uint8_t handler[] = { 0xe6, 0x80, 0xcf }; /* out; iret */
	struct vm *vm = *state;

	set_vector(vm, 1);
	load_at(vm, HANDLER, handler, sizeof(handler));
	vtime_set_alarm(&vm->t, &vm->alarm, 12);
	start(vm, code, sizeof(code));
	assert_int_equal(vm->note[0], 2 + 1 + 1);
	assert_int_equal(vm->note[1], 2 + 1 + 1 + 2 + 1 + 1);
}

static void an_alarm_rings_at_its_instruction(void **state)
{
	static const uint8_t code[] = {
		0x40, 0x40, 0x40, 0x40, /* 1: inc ax ... */
		0x40, 0x40, 0x40, 0xeb, 0xf7,
	};
	struct vm *vm = *state;
	uint64_t at;

	start(vm, (const uint8_t[]){ DONE }, 4);
	for (at = 100; at < 130; at++) {
		vm->t.ns = 0;
		vtime_set_alarm(&vm->t, &vm->alarm, at);
		start(vm, code, sizeof(code));
		assert_int_equal(vm->rang_at, at);
		assert_int_equal(vm->st.rip, CODE + at % 8);
	}
}

static void an_alarm_rings_inside_of_a_string(void **state)
{
	static const uint8_t code[] = {
		0xb9, 0x88, 0x13, /* mov cx, 5000 */
		0xbf, 0x00, 0x40, /* mov di, 0x4000 */
		0xf3, 0xaa,	  /* rep stosb */
		DONE,
	};
	struct vm *vm = *state;

	vtime_set_alarm(&vm->t, &vm->alarm, 2 + 1234);
	start(vm, code, sizeof(code));
	assert_int_equal(vm->rang_at, 2 + 1234);
	assert_int_equal(vm->st.gpr[CPU_RCX], 5000 - 1234);
	assert_int_equal(vm->st.rip, CODE + 6);
	assert_int_equal(go_on(vm), VCPU_EXIT_KICKED);
	assert_int_equal(vm->note[0], 2 + 5000 + 1);
}

/* ecx, edx:eax: an MSR. 66-prefixed: real mode. */
#define WRMSR(msr, lo)                                                    \
	0x66, 0xb9, (msr)&0xff, (msr) >> 8, 0, 0, 0x66, 0xb8, (lo)&0xff,  \
		(lo) >> 8 & 0xff, (lo) >> 16 & 0xff, 0, 0x66, 0x31, 0xd2, \
		0x0f, 0x30

/* On by TSC deadline, x2APIC mode, vector 0x40 */
#define LAPIC_TIMER                                                       \
	0x66, 0xb9, 0x1b, 0, 0, 0, 0x66, 0xb8, 0, 0x0d, 0xe0, 0xfe, 0x66, \
		0x31, 0xd2, 0x0f, 0x30, WRMSR(0x80f, 0x1ff),              \
		WRMSR(0x832, 0x40040)

static void the_apic_timer_interrupts_at_its_instruction(void **state)
{
	static const uint8_t code[] = {
		LAPIC_TIMER, WRMSR(0x6e0, 777),
		0xfb, /* sti */
		0x90,	     0x90,
		0x90,	     0xeb,
		0xfb, /* 1: nop...; jmp 1b */
	};
	static const uint8_t handler[] = { 0x0f, 0x31, DONE }; /* rdtsc */
	struct vm *vm = *state;

	set_vector(vm, 0x40);
	load_at(vm, HANDLER, handler, sizeof(handler));
	start(vm, code, sizeof(code));
	assert_int_equal(vm->note[0], 777 + 2);
	assert_int_equal(vm->t.skipped, 0);
}

static void a_halt_skips_to_the_deadline(void **state)
{
	static const uint8_t code[] = {
		LAPIC_TIMER, WRMSR(0x6e0, 0x800000), 0xfb, 0xf4, /* sti; hlt */
	};
	static const uint8_t handler[] = { 0xe6, 0x80, DONE };
	struct vm *vm = *state;

	set_vector(vm, 0x40);
	load_at(vm, HANDLER, handler, sizeof(handler));
	start(vm, code, sizeof(code));
	assert_int_equal(vm->note[0], 0x800000);
	/* Four writes of MSRs, STI and HLT came before. */
	assert_int_equal(vm->t.skipped, 0x800000 - (4 * 4 + 2));
}

static void a_stopped_machine_runs_no_instruction(void **state)
{
	static const uint8_t code[] = { DONE, 0x90, DONE };
	struct vm *vm = *state;

	start(vm, code, sizeof(code));
	vtime_stop(&vm->t);
	vm->ops->kick(vm->vcpu);
	assert_int_equal(go_on(vm), VCPU_EXIT_KICKED);
	assert_int_equal(vtime_now(&vm->t), 2);
	assert_int_equal(vm->st.rip, CODE + 4);
}

static uint64_t random_number(struct vm *vm, uint64_t seed)
{
	static const uint8_t code[] = { 0x66, 0x0f, 0xc7, 0xf3, DONE };

	vm->ops->vcpu_destroy(vm->vcpu);
	vm->t.seed = seed;
	assert_int_equal(vm->ops->vcpu_create(vm->engine, 0, &vm->vcpu), 0);
	start(vm, code, sizeof(code)); /* rdrand ebx */
	return vm->st.gpr[CPU_RBX];
}

static void random_numbers_follow_from_the_seed(void **state)
{
	struct vm *vm = *state;
	uint64_t first = random_number(vm, 1);

	assert_int_equal(random_number(vm, 1), first);
	assert_int_not_equal(random_number(vm, 2), first);
}

static void two_cpus_cannot_be_counted(void **state)
{
	struct vm *vm = *state;
	const struct engine_params p = { vm->ram, vm->bus, vm->chip, 2,
					 &vm->t };
	struct engine *e;

	assert_int_equal(vm->ops->create(&e, &p), -EINVAL);
}

static void kvm_cannot_count(void **state)
{
	const struct engine_ops *ops;
	char why[256];

	(void)state;
	assert_true(engine_select("kvm", true, &ops, why, sizeof(why)) < 0);
	assert_true(strlen(why) > 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	TEST(an_instruction_is_a_nanosecond),
	TEST(the_tsc_counts_inside_of_a_block),
	TEST(a_loop_counts_every_round),
	TEST(a_string_counts_its_iterations),
	TEST(a_fault_counts_as_its_instruction),
	TEST(steps_and_traps_count),
	TEST(an_alarm_rings_at_its_instruction),
	TEST(an_alarm_rings_inside_of_a_string),
	TEST(the_apic_timer_interrupts_at_its_instruction),
	TEST(a_halt_skips_to_the_deadline),
	TEST(a_stopped_machine_runs_no_instruction),
	TEST(random_numbers_follow_from_the_seed),
	TEST(two_cpus_cannot_be_counted),
	cmocka_unit_test(kvm_cannot_count),
};

UNIT_MAIN(tests)
