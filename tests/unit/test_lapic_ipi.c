// SPDX-License-Identifier: MIT
/*
 * test_lapic_ipi.c - who receives an IPI or an MSI.
 */
#include "tests/unit/lapic_rig.h"

#include <errno.h>

#define LOGICAL	    0x800u
#define LOWEST	    0x100u
#define NMI	    0x400u
#define INIT	    0x500u
#define SIPI	    0x600u
#define ASSERT	    0x4000u
#define LEVEL	    0x8000u
#define TO_SELF	    0x40000u
#define TO_ALL	    0x80000u
#define TO_OTHERS   0xc0000u
#define MSI_LOGICAL 4u
#define MSI_HINT    8u

/* CPUs that have @vector in the IRR, one bit each; takes it away */
static unsigned int taken(struct rig *r, uint8_t vector)
{
	unsigned int cpus = 0;

	for (unsigned int i = 0; i < RIG_CPUS; i++) {
		if (!rig_bit(r, i, R_IRR, vector))
			continue;
		cpus |= 1u << i;
		assert_int_equal(rig_ack(r, i), vector);
		wr(r, i, R_EOI, 0);
	}
	return cpus;
}

static void ipi(struct rig *r, unsigned int from, uint8_t dest, uint32_t low)
{
	wr(r, from, R_ICR2, (uint32_t)dest << 24);
	wr(r, from, R_ICR, low);
}

static void logical_flat(struct rig *r)
{
	for (unsigned int i = 0; i < RIG_CPUS; i++)
		wr(r, i, R_LDR, 1u << (24 + i));
}

/* Two clusters of two */
static void logical_cluster(struct rig *r)
{
	static const uint32_t ids[RIG_CPUS] = { 0x11, 0x12, 0x21, 0x22 };

	for (unsigned int i = 0; i < RIG_CPUS; i++) {
		wr(r, i, R_DFR, 0);
		wr(r, i, R_LDR, ids[i] << 24);
	}
}

static void physical_ipi_reaches_one_cpu(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	ipi(r, 0, 2, 0x41);
	assert_int_equal(taken(r, 0x41), 1 << 2);
	ipi(r, 0, 0, 0x41);
	assert_int_equal(taken(r, 0x41), 1 << 0);
	ipi(r, 0, 4, 0x41);
	ipi(r, 0, 0xfe, 0x41);
	assert_int_equal(taken(r, 0x41), 0);
	rig_destroy(r);
}

static void physical_ff_is_everybody(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	ipi(r, 1, 0xff, 0x41);
	assert_int_equal(taken(r, 0x41), 0xf);
	rig_msi(r, 0xff << 12, 0x42);
	assert_int_equal(taken(r, 0x42), 0xf);
	rig_destroy(r);
}

static void flat_destination_is_a_set_of_bits(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	logical_flat(r);
	ipi(r, 0, 0x06, LOGICAL | 0x41);
	assert_int_equal(taken(r, 0x41), 0x6);
	ipi(r, 0, 0xf0, LOGICAL | 0x41);
	assert_int_equal(taken(r, 0x41), 0);
	ipi(r, 0, 0x00, LOGICAL | 0x41);
	assert_int_equal(taken(r, 0x41), 0);
	ipi(r, 0, 0xff, LOGICAL | 0x41);
	assert_int_equal(taken(r, 0x41), 0xf);
	rig_destroy(r);
}

static void cluster_destination_is_a_cluster_and_its_members(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	logical_cluster(r);
	ipi(r, 0, 0x13, LOGICAL | 0x41);
	assert_int_equal(taken(r, 0x41), 0x3);
	ipi(r, 0, 0x22, LOGICAL | 0x41);
	assert_int_equal(taken(r, 0x41), 0x8);
	ipi(r, 0, 0x3f, LOGICAL | 0x41);
	assert_int_equal(taken(r, 0x41), 0);
	ipi(r, 0, 0xff, LOGICAL | 0x41);
	assert_int_equal(taken(r, 0x41), 0xf);
	rig_destroy(r);
}

static void unknown_destination_models_match_nobody(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	logical_flat(r);
	wr(r, 1, R_DFR, 0x70000000);
	ipi(r, 0, 0x0f, LOGICAL | 0x41);
	assert_int_equal(taken(r, 0x41), 0xd);
	rig_destroy(r);
}

static void x2apic_logical_ids_are_cluster_and_bit(void **state)
{
	struct rig *r = rig_create_enabled();
	uint64_t icr = (uint64_t)0x0000000a << 32 | LOGICAL | 0x41, got;

	(void)state;
	for (unsigned int i = 0; i < RIG_CPUS; i++)
		rig_to_x2apic(r, i);
	assert_int_equal(msr_wr(r, 0, R_ICR, icr), 0);
	assert_int_equal(taken(r, 0x41), 0xa);
	assert_int_equal(msr_rd(r, 0, R_ICR, &got), 0);
	assert_int_equal(got, icr);
	/* Another cluster with the same bits */
	assert_int_equal(msr_wr(r, 0, R_ICR, icr | 1ull << 48), 0);
	assert_int_equal(taken(r, 0x41), 0);
	/* An MSI's 8 bits are those of cluster 0. */
	rig_msi(r, 0x05 << 12 | MSI_LOGICAL, 0x42);
	assert_int_equal(taken(r, 0x42), 0x5);
	rig_destroy(r);
}

static void x2apic_destinations_are_32_bits_wide(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	rig_to_x2apic(r, 0);
	assert_int_equal(msr_wr(r, 0, R_ICR, 3ull << 32 | 0x41), 0);
	assert_int_equal(taken(r, 0x41), 1 << 3);
	assert_int_equal(msr_wr(r, 0, R_ICR, 0x103ull << 32 | 0x41), 0);
	assert_int_equal(msr_wr(r, 0, R_ICR, 0xffull << 32 | 0x41), 0);
	assert_int_equal(taken(r, 0x41), 0);
	assert_int_equal(msr_wr(r, 0, R_ICR, 0xffffffffull << 32 | 0x41), 0);
	assert_int_equal(taken(r, 0x41), 0xf);
	rig_destroy(r);
}

static void wide_logical_destination_is_no_xapic_id(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	logical_flat(r);
	rig_to_x2apic(r, 0);
	assert_int_equal(msr_wr(r, 0, R_ICR, 0x2ull << 32 | LOGICAL | 0x41), 0);
	assert_int_equal(taken(r, 0x41), 0x2);
	assert_int_equal(msr_wr(r, 0, R_ICR, 0x102ull << 32 | LOGICAL | 0x41),
			 0);
	assert_int_equal(taken(r, 0x41), 0);
	rig_destroy(r);
}

static void shorthands_ignore_the_destination(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	ipi(r, 1, 3, TO_SELF | 0x41);
	assert_int_equal(taken(r, 0x41), 1 << 1);
	ipi(r, 1, 3, TO_ALL | 0x41);
	assert_int_equal(taken(r, 0x41), 0xf);
	ipi(r, 1, 3, TO_OTHERS | 0x41);
	assert_int_equal(taken(r, 0x41), 0xd);
	rig_destroy(r);
}

static void disabled_cpus_are_not_there(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	assert_int_equal(lapic_set_base(r->cpu[2].l, 0xfee00000), 0);
	wr(r, 3, R_SVR, 0xff);
	ipi(r, 0, 0, TO_ALL | 0x41);
	assert_int_equal(taken(r, 0x41), 0x3);
	ipi(r, 0, 0, TO_OTHERS | NMI);
	assert_int_equal(r->cpu[0].nmis, 0);
	assert_int_equal(r->cpu[1].nmis, 1);
	assert_int_equal(r->cpu[2].nmis, 0);
	assert_int_equal(r->cpu[3].nmis, 1);
	rig_destroy(r);
}

static void nmi_init_and_sipi_reach_the_cpu_not_the_irr(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	ipi(r, 0, 1, NMI | 0x02);
	ipi(r, 0, 1, INIT | ASSERT);
	ipi(r, 0, 1, SIPI | ASSERT | 0x9a);
	assert_int_equal(r->cpu[1].nmis, 1);
	assert_int_equal(r->cpu[1].inits, 1);
	assert_int_equal(r->cpu[1].sipis, 1);
	assert_int_equal(r->cpu[1].sipi_vector, 0x9a);
	assert_int_equal(rig_pending(r, 1), -1);
	assert_int_equal(rig_errors(r, 0), 0);
	rig_destroy(r);
}

static void init_deassert_is_not_an_init(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	ipi(r, 0, 1, INIT | LEVEL | ASSERT);
	assert_int_equal(r->cpu[1].inits, 1);
	ipi(r, 0, 1, INIT | LEVEL);
	ipi(r, 0, 0, TO_ALL | INIT | LEVEL);
	assert_int_equal(r->cpu[0].inits + r->cpu[1].inits, 1);
	rig_destroy(r);
}

static void no_cpu_starts_itself_with_a_shorthand(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	ipi(r, 0, 0, TO_SELF | INIT | ASSERT);
	ipi(r, 0, 0, TO_ALL | INIT | ASSERT);
	ipi(r, 0, 0, TO_ALL | SIPI | ASSERT);
	for (unsigned int i = 0; i < RIG_CPUS; i++) {
		assert_int_equal(r->cpu[i].inits, 0);
		assert_int_equal(r->cpu[i].sipis, 0);
	}
	ipi(r, 0, 0, TO_OTHERS | INIT | ASSERT);
	assert_int_equal(r->cpu[0].inits, 0);
	assert_int_equal(r->cpu[3].inits, 1);
	rig_destroy(r);
}

static void smi_and_reserved_modes_are_ignored(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	for (uint32_t mode = 0x200; mode <= 0x700; mode += 0x100) {
		if (mode >= NMI && mode <= SIPI)
			continue;
		ipi(r, 0, 1, mode | 0x41);
		rig_msi(r, 1 << 12, mode | 0x41);
	}
	assert_int_equal(taken(r, 0x41), 0);
	assert_int_equal(r->cpu[1].wakes, 0);
	rig_destroy(r);
}

static void trigger_mode_of_a_fixed_ipi_is_ignored(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	ipi(r, 0, 1, LEVEL | 0x41);
	assert_false(rig_bit(r, 1, R_TMR, 0x41));
	assert_int_equal(taken(r, 0x41), 2);
	assert_int_equal(r->cpu[1].eois, 0);
	rig_destroy(r);
}

static void delivery_status_is_always_idle(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	ipi(r, 0, 1, 0x1041);
	assert_int_equal(rd(r, 0, R_ICR), 0x41);
	rig_to_x2apic(r, 0);
	assert_int_equal(msr_wr(r, 0, R_ICR, 0x1041), 0);
	assert_int_equal(rd(r, 0, R_ICR), 0x41);
	rig_destroy(r);
}

static void lowest_priority_chooses_the_least_busy(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	logical_flat(r);
	wr(r, 0, R_TPR, 0x20);
	wr(r, 1, R_TPR, 0x10);
	wr(r, 2, R_TPR, 0x30);
	/* CPU 3 serves something, which counts like a TPR. */
	rig_fixed(r, 3, 0x91);
	assert_int_equal(rig_ack(r, 3), 0x91);
	for (int i = 0; i < 8; i++) {
		ipi(r, 0, 0x0f, LOWEST | LOGICAL | 0x41);
		assert_int_equal(taken(r, 0x41), 1 << 1);
		/* Among those that are meant only */
		rig_msi(r, 0x0c << 12 | MSI_LOGICAL, LOWEST | 0x41);
		assert_int_equal(taken(r, 0x41), 1 << 2);
	}
	rig_destroy(r);
}

static void equal_priorities_take_turns(void **state)
{
	struct rig *r = rig_create_enabled();
	unsigned int seen = 0;

	(void)state;
	logical_flat(r);
	for (unsigned int i = 0; i < RIG_CPUS; i++) {
		rig_msi(r, 0xff << 12 | MSI_LOGICAL, LOWEST | 0x41);
		seen |= taken(r, 0x41);
	}
	assert_int_equal(seen, 0xf);
	rig_destroy(r);
}

static void redirection_hint_asks_for_one_cpu(void **state)
{
	struct rig *r = rig_create_enabled();
	unsigned int cpus;

	(void)state;
	logical_flat(r);
	rig_msi(r, 0x0f << 12 | MSI_LOGICAL | MSI_HINT, 0x41);
	cpus = taken(r, 0x41);
	assert_int_equal(__builtin_popcount(cpus), 1);
	rig_msi(r, 0x0f << 12 | MSI_LOGICAL | MSI_HINT, NMI);
	for (unsigned int i = 0; i < RIG_CPUS; i++)
		assert_int_equal(r->cpu[i].nmis, 1);
	rig_destroy(r);
}

static void lowest_priority_skips_those_that_cannot(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	logical_flat(r);
	wr(r, 0, R_SVR, 0xff);
	assert_int_equal(lapic_set_base(r->cpu[1].l, 0xfee00000), 0);
	wr(r, 2, R_TPR, 0xf0);
	for (int i = 0; i < 8; i++) {
		rig_msi(r, 0x07 << 12 | MSI_LOGICAL, LOWEST | 0x41);
		assert_true(rig_bit(r, 2, R_IRR, 0x41));
		assert_int_equal(rig_pending(r, 2), -1);
	}
	wr(r, 2, R_SVR, 0xff);
	rig_msi(r, 0x07 << 12 | MSI_LOGICAL, LOWEST | 0x43);
	assert_false(rig_bit(r, 2, R_IRR, 0x43));
	rig_destroy(r);
}

static void messages_to_other_addresses_are_refused(void **state)
{
	static const uint64_t bad[] = { 0, 0xfec00000, 0xfef00000, 0x1fee00000,
					UINT64_MAX };
	struct rig *r = rig_create_enabled();
	struct irq_sink *s = lapic_bus_sink(r->bus);
	struct msi_msg m = { .data = 0x41 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		m.addr = bad[i];
		assert_int_equal(s->ops->send(s, &m), -EINVAL);
	}
	assert_int_equal(taken(r, 0x41), 0);
	rig_destroy(r);
}

static void bus_without_cpus_loses_messages(void **state)
{
	struct lapic_bus *b;
	struct msi_msg m = { 0xfee00000, 0x41 };
	struct irq_sink *s;

	(void)state;
	assert_int_equal(lapic_bus_create(&b), 0);
	s = lapic_bus_sink(b);
	assert_int_equal(s->ops->send(s, &m), 0);
	m.data = LOWEST | 0x41;
	assert_int_equal(s->ops->send(s, &m), 0);
	s->ops->extint(s, true);
	lapic_bus_destroy(b);
	lapic_bus_destroy(NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(physical_ipi_reaches_one_cpu),
	cmocka_unit_test(physical_ff_is_everybody),
	cmocka_unit_test(flat_destination_is_a_set_of_bits),
	cmocka_unit_test(cluster_destination_is_a_cluster_and_its_members),
	cmocka_unit_test(unknown_destination_models_match_nobody),
	cmocka_unit_test(x2apic_logical_ids_are_cluster_and_bit),
	cmocka_unit_test(x2apic_destinations_are_32_bits_wide),
	cmocka_unit_test(wide_logical_destination_is_no_xapic_id),
	cmocka_unit_test(shorthands_ignore_the_destination),
	cmocka_unit_test(disabled_cpus_are_not_there),
	cmocka_unit_test(nmi_init_and_sipi_reach_the_cpu_not_the_irr),
	cmocka_unit_test(init_deassert_is_not_an_init),
	cmocka_unit_test(no_cpu_starts_itself_with_a_shorthand),
	cmocka_unit_test(smi_and_reserved_modes_are_ignored),
	cmocka_unit_test(trigger_mode_of_a_fixed_ipi_is_ignored),
	cmocka_unit_test(delivery_status_is_always_idle),
	cmocka_unit_test(lowest_priority_chooses_the_least_busy),
	cmocka_unit_test(equal_priorities_take_turns),
	cmocka_unit_test(redirection_hint_asks_for_one_cpu),
	cmocka_unit_test(lowest_priority_skips_those_that_cannot),
	cmocka_unit_test(messages_to_other_addresses_are_refused),
	cmocka_unit_test(bus_without_cpus_loses_messages),
};

UNIT_MAIN(tests)
