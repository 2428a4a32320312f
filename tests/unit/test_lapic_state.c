// SPDX-License-Identifier: MIT
/*
 * test_lapic_state.c - saved state goes round, into another local APIC and
 * through the host's KVM.
 */
#include "tests/unit/lapic_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "vcpu/x86/entry.h"

static void put(struct cpu_state *st, uint32_t off, uint32_t val)
{
	memcpy(&st->lapic[off], &val, sizeof(val));
}

static uint32_t get(const struct cpu_state *st, uint32_t off)
{
	uint32_t val;

	memcpy(&val, &st->lapic[off], sizeof(val));
	return val;
}

static struct cpu_state *new_state(void)
{
	struct cpu_state *st = aligned_alloc(64, sizeof(*st));

	assert_non_null(st);
	memset(st, 0, sizeof(*st));
	return st;
}

/* Interrupts in every stage, a running timer, all registers in use */
static void make_busy(struct rig *r, unsigned int cpu)
{
	wr(r, cpu, R_LDR, 0x12000000);
	wr(r, cpu, R_DFR, 0);
	wr(r, cpu, R_TPR, 0x23);
	wr(r, cpu, R_ERROR, MASKED | 0xfe);
	wr(r, cpu, R_PERF, 0x400);
	wr(r, cpu, R_THERMAL, 0xf0);
	wr(r, cpu, R_LINT1, 0x400);
	wr(r, cpu, R_ICR2, 2u << 24);
	wr(r, cpu, R_ICR, 0x4031);
	rig_msi(r, cpu << 12, 0x8000 | 0x51);
	assert_int_equal(rig_ack(r, cpu), 0x51);
	rig_fixed(r, cpu, 0xc1);
	assert_int_equal(rig_ack(r, cpu), 0xc1);
	rig_fixed(r, cpu, 0x32);
	rig_fixed(r, cpu, 0xff);
	rig_fixed(r, cpu, 0x0f);
	wr(r, cpu, R_ESR, 0);
	wr(r, cpu, R_DIVIDE, 0x2);
	wr(r, cpu, R_TIMER, PERIODIC | 0xec);
	wr(r, cpu, R_INITIAL, 1000000);
	r->ns += 4000 * 8 + 3;
}

static void assert_same_apic(const struct cpu_state *a,
			     const struct cpu_state *b)
{
	assert_memory_equal(a->lapic, b->lapic, sizeof(a->lapic));
	assert_int_equal(a->apic_base, b->apic_base);
	assert_int_equal(a->msr.tsc_deadline, b->msr.tsc_deadline);
	assert_int_equal(a->cr8, b->cr8);
}

/* Save CPU 1 of @r, load into CPU 1 of another machine, save that. */
static void go_round(struct rig *r)
{
	struct rig *other = rig_create();
	struct cpu_state *a = new_state(), *b = new_state();

	other->ns = r->ns;
	lapic_get_state(r->cpu[1].l, a);
	assert_int_equal(lapic_set_state(other->cpu[1].l, a), 0);
	lapic_get_state(other->cpu[1].l, b);
	assert_same_apic(a, b);
	assert_int_equal(lapic_set_state(r->cpu[1].l, a), 0);
	lapic_get_state(r->cpu[1].l, b);
	assert_same_apic(a, b);
	free(a);
	free(b);
	rig_destroy(other);
}

static void xapic_state_goes_round(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	go_round(r);
	make_busy(r, 1);
	go_round(r);
	rig_destroy(r);
}

static void x2apic_state_goes_round(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	make_busy(r, 1);
	rig_to_x2apic(r, 1);
	assert_int_equal(msr_wr(r, 1, R_ICR, 0x123456789ull << 32 | 0x4032), 0);
	go_round(r);
	rig_destroy(r);
}

static void disabled_state_goes_round(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	assert_int_equal(lapic_set_base(r->cpu[1].l, 0xfee00000), 0);
	go_round(r);
	rig_destroy(r);
}

static void loaded_apic_goes_on_where_it_was(void **state)
{
	struct rig *r = rig_create_enabled(), *to = rig_create();
	struct cpu_state *st = new_state();

	(void)state;
	make_busy(r, 1);
	lapic_get_state(r->cpu[1].l, st);
	assert_int_equal(lapic_set_state(to->cpu[1].l, st), 0);
	assert_true(rig_attention(to, 1));
	assert_int_equal(rig_ack(to, 1), 0xff);
	wr(to, 1, R_EOI, 0);
	wr(to, 1, R_EOI, 0);
	assert_int_equal(to->cpu[1].eois, 0);
	wr(to, 1, R_EOI, 0);
	assert_int_equal(to->cpu[1].eois, 1);
	assert_int_equal(to->cpu[1].eoi_vector, 0x51);
	assert_int_equal(rig_ack(to, 1), 0x32);
	/* 4000.4 counts have passed; the rest of one is given again. */
	assert_int_equal(to->cpu[1].armed - to->ns, (1000000 - 4000) * 8);
	free(st);
	rig_destroy(to);
	rig_destroy(r);
}

static void expired_timer_is_saved_as_its_interrupt(void **state)
{
	struct rig *r = rig_create_enabled();
	struct cpu_state *st = new_state();

	(void)state;
	wr(r, 1, R_DIVIDE, 2);
	wr(r, 1, R_TIMER, 0xec);
	wr(r, 1, R_INITIAL, 100);
	/* Part of the last count is left: not expired yet. */
	r->ns += 799;
	lapic_get_state(r->cpu[1].l, st);
	assert_int_equal(get(st, R_CURRENT), 1);
	r->ns += 1;
	lapic_get_state(r->cpu[1].l, st);
	assert_int_equal(get(st, R_CURRENT), 0);
	assert_int_equal(get(st, R_IRR + 0x70), 1u << (0xec - 0xe0));
	/* And a one-shot at zero is over, not due. */
	assert_int_equal(lapic_set_state(r->cpu[1].l, st), 0);
	assert_true(lapic_next_deadline(r->cpu[1].l) == LAPIC_NEVER);
	free(st);
	rig_destroy(r);
}

static void tsc_deadline_is_saved_and_armed_again(void **state)
{
	struct rig *r = rig_create_enabled();
	struct cpu_state *st = new_state();

	(void)state;
	wr(r, 1, R_TIMER, DEADLINE | 0xec);
	lapic_set_tsc_deadline(r->cpu[1].l, r->ns * 2 + 1000);
	lapic_get_state(r->cpu[1].l, st);
	assert_int_equal(st->msr.tsc_deadline, r->ns * 2 + 1000);
	lapic_reset(r->cpu[1].l, LAPIC_POWER_UP);
	assert_int_equal(lapic_set_state(r->cpu[1].l, st), 0);
	assert_int_equal(r->cpu[1].armed, r->ns + 500);
	/* One that passed meanwhile fires. */
	r->ns += 600;
	assert_int_equal(lapic_set_state(r->cpu[1].l, st), 0);
	assert_int_equal(rig_pending(r, 1), 0xec);
	free(st);
	rig_destroy(r);
}

static void impossible_states_are_refused(void **state)
{
	struct rig *r = rig_create_enabled();
	struct cpu_state *st = new_state(), *was = new_state();

	(void)state;
	lapic_get_state(r->cpu[1].l, was);
	*st = *was;
	st->apic_base = 0xfee00000 | BASE_X2APIC;
	assert_int_equal(lapic_set_state(r->cpu[1].l, st), -EINVAL);
	st->apic_base = was->apic_base | 1ull << 50;
	assert_int_equal(lapic_set_state(r->cpu[1].l, st), -EINVAL);
	st->apic_base = was->apic_base;
	put(st, R_ID, 2u << 24);
	assert_int_equal(lapic_set_state(r->cpu[1].l, st), -EINVAL);
	/* The id of the other mode */
	put(st, R_ID, 1);
	assert_int_equal(lapic_set_state(r->cpu[1].l, st), -EINVAL);
	lapic_get_state(r->cpu[1].l, st);
	assert_same_apic(st, was);
	free(st);
	free(was);
	rig_destroy(r);
}

static void reserved_bits_of_a_page_are_dropped(void **state)
{
	struct rig *r = rig_create_enabled();
	struct cpu_state *st = new_state();

	(void)state;
	memset(st->lapic, 0xff, sizeof(st->lapic));
	put(st, R_ID, 1u << 24);
	st->apic_base = 0xfee00000 | BASE_ENABLE;
	st->msr.tsc_deadline = UINT64_MAX;
	assert_int_equal(lapic_set_state(r->cpu[1].l, st), 0);
	assert_int_equal(rd(r, 1, R_IRR), 0xffff0000);
	assert_int_equal(rd(r, 1, R_TPR), 0xff);
	assert_int_equal(rd(r, 1, R_LDR), 0xff000000);
	assert_int_equal(rd(r, 1, R_LINT0), 0x1e7ff);
	assert_int_equal(rd(r, 1, R_LINT1), 0x1a7ff);
	assert_int_equal(rd(r, 1, R_TIMER), 0x700ff);
	assert_int_equal(rd(r, 1, R_DIVIDE), 0xb);
	assert_int_equal(rd(r, 1, R_VERSION), 0x1050014);
	assert_int_equal(rig_pending(r, 1), -1);
	free(st);
	rig_destroy(r);
}

/* --- the host's KVM --- */

struct host_kvm {
	int kvm, vm, vcpu;
};

static void close_kvm(struct host_kvm *k)
{
	fd_close(&k->vcpu);
	fd_close(&k->vm);
	fd_close(&k->kvm);
}

/* KVM offers the modes that CPUID does: x2APIC, TSC deadline. */
static int offer_modes(int vcpu)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + sizeof(*c->entries));
	int err;

	assert_non_null(c);
	c->nent = 1;
	c->entries[0].function = 1;
	c->entries[0].ecx = 1 << 21 | 1 << 24;
	c->entries[0].edx = 1 << 9;
	err = ioctl(vcpu, KVM_SET_CPUID2, c);
	free(c);
	return err;
}

/* A vCPU 1 with a local APIC, or false: no KVM here. */
static bool open_kvm(struct host_kvm *k)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP,
					.args = { 24 } };
	struct kvm_enable_cap ids = {
		.cap = KVM_CAP_X2APIC_API,
		.args = { KVM_X2APIC_API_USE_32BIT_IDS },
	};

	*k = (struct host_kvm){ -1, -1, -1 };
	k->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (k->kvm < 0)
		return false;
	k->vm = ioctl(k->kvm, KVM_CREATE_VM, 0ul);
	if (k->vm < 0 || ioctl(k->vm, KVM_ENABLE_CAP, &split) ||
	    ioctl(k->vm, KVM_ENABLE_CAP, &ids))
		goto close;
	k->vcpu = ioctl(k->vm, KVM_CREATE_VCPU, 1ul);
	if (k->vcpu >= 0 && !offer_modes(k->vcpu))
		return true;
close:
	close_kvm(k);
	return false;
}

static void kvm_save(struct host_kvm *k, struct cpu_state *st)
{
	struct kvm_lapic_state page;
	struct kvm_sregs sregs;

	_Static_assert(sizeof(page.regs) == sizeof(st->lapic), "KVM's page");
	assert_int_equal(ioctl(k->vcpu, KVM_GET_SREGS, &sregs), 0);
	assert_int_equal(ioctl(k->vcpu, KVM_GET_LAPIC, &page), 0);
	memcpy(st->lapic, page.regs, sizeof(st->lapic));
	st->apic_base = sregs.apic_base;
}

static void kvm_load(struct host_kvm *k, const struct cpu_state *st)
{
	struct kvm_lapic_state page;
	struct kvm_sregs sregs;

	assert_int_equal(ioctl(k->vcpu, KVM_GET_SREGS, &sregs), 0);
	sregs.apic_base = st->apic_base;
	assert_int_equal(ioctl(k->vcpu, KVM_SET_SREGS, &sregs), 0);
	memcpy(page.regs, st->lapic, sizeof(st->lapic));
	assert_int_equal(ioctl(k->vcpu, KVM_SET_LAPIC, &page), 0);
}

/*
 * All but the running count, what the versions offer, and the PPR, which KVM
 * works out when the vCPU runs.
 */
static void assert_same_registers(struct cpu_state *a, struct cpu_state *b)
{
	for (uint32_t off = 0; off < CPU_LAPIC_SIZE; off += 16) {
		if (off == R_CURRENT || off == R_VERSION || off == R_PPR)
			continue;
		if (get(a, off) != get(b, off))
			print_message("# register %#x\n", off);
		assert_int_equal(get(a, off), get(b, off));
	}
	assert_int_equal(a->apic_base, b->apic_base);
}

static void state_goes_to_kvm_and_back(bool x2apic)
{
	struct rig *r = rig_create_enabled(), *to = rig_create();
	struct cpu_state *ours = new_state(), *kvms = new_state();
	struct host_kvm k;

	if (!open_kvm(&k)) {
		free(ours);
		free(kvms);
		rig_destroy(to);
		rig_destroy(r);
		skip();
	}
	make_busy(r, 1);
	if (x2apic)
		rig_to_x2apic(r, 1);
	lapic_get_state(r->cpu[1].l, ours);
	kvm_load(&k, ours);
	kvm_save(&k, kvms);
	assert_same_registers(ours, kvms);
	/* The count went on meanwhile, at the same rate. */
	assert_true(get(kvms, R_CURRENT) <= get(ours, R_CURRENT));
	assert_true(get(kvms, R_CURRENT) > 0);

	assert_int_equal(lapic_set_state(to->cpu[1].l, kvms), 0);
	lapic_get_state(to->cpu[1].l, ours);
	assert_same_registers(ours, kvms);
	assert_int_equal(get(ours, R_CURRENT), get(kvms, R_CURRENT));

	close_kvm(&k);
	free(ours);
	free(kvms);
	rig_destroy(to);
	rig_destroy(r);
}

static void xapic_state_goes_to_kvm_and_back(void **state)
{
	(void)state;
	state_goes_to_kvm_and_back(false);
}

static void x2apic_state_goes_to_kvm_and_back(void **state)
{
	(void)state;
	state_goes_to_kvm_and_back(true);
}

static void reset_state_is_the_one_of_entry(void **state)
{
	struct rig *r = rig_create();
	struct cpu_state *ours = new_state(), *st = new_state();

	(void)state;
	for (unsigned int i = 0; i < RIG_CPUS; i++) {
		x86_reset_state(st, i);
		lapic_get_state(r->cpu[i].l, ours);
		assert_same_registers(ours, st);
		assert_int_equal(lapic_set_state(r->cpu[i].l, st), 0);
	}
	free(st);
	free(ours);
	rig_destroy(r);
}

static void reset_state_is_kvms(void **state)
{
	struct rig *r = rig_create();
	struct cpu_state *ours = new_state(), *kvms = new_state();
	struct host_kvm k;

	(void)state;
	if (!open_kvm(&k)) {
		free(ours);
		free(kvms);
		rig_destroy(r);
		skip();
	}
	kvm_save(&k, kvms);
	lapic_get_state(r->cpu[1].l, ours);
	assert_same_registers(ours, kvms);
	close_kvm(&k);
	free(ours);
	free(kvms);
	rig_destroy(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(xapic_state_goes_round),
	cmocka_unit_test(x2apic_state_goes_round),
	cmocka_unit_test(disabled_state_goes_round),
	cmocka_unit_test(loaded_apic_goes_on_where_it_was),
	cmocka_unit_test(expired_timer_is_saved_as_its_interrupt),
	cmocka_unit_test(tsc_deadline_is_saved_and_armed_again),
	cmocka_unit_test(impossible_states_are_refused),
	cmocka_unit_test(reserved_bits_of_a_page_are_dropped),
	cmocka_unit_test(xapic_state_goes_to_kvm_and_back),
	cmocka_unit_test(x2apic_state_goes_to_kvm_and_back),
	cmocka_unit_test(reset_state_is_the_one_of_entry),
	cmocka_unit_test(reset_state_is_kvms),
};

UNIT_MAIN(tests)
