// SPDX-License-Identifier: MIT
/*
 * test_lapic.c - the local APIC: registers, modes, priorities, errors, LINT.
 */
#include "tests/unit/lapic_rig.h"

#include <errno.h>

/* --- creation and reset --- */

static void registers_after_power_up_are_the_manuals(void **state)
{
	struct rig *r = rig_create();

	(void)state;
	assert_int_equal(rd(r, 2, R_ID), 2u << 24);
	assert_int_equal(rd(r, 2, R_VERSION), 0x1050014);
	assert_int_equal(rd(r, 2, R_TPR), 0);
	assert_int_equal(rd(r, 2, R_PPR), 0);
	assert_int_equal(rd(r, 2, R_LDR), 0);
	assert_int_equal(rd(r, 2, R_DFR), 0xffffffff);
	assert_int_equal(rd(r, 2, R_SVR), 0xff);
	assert_int_equal(rd(r, 2, R_ESR), 0);
	assert_int_equal(rd(r, 2, R_ICR), 0);
	for (uint32_t off = R_TIMER; off <= R_ERROR; off += 16)
		assert_int_equal(rd(r, 2, off), MASKED);
	assert_int_equal(rd(r, 2, R_INITIAL), 0);
	assert_int_equal(rd(r, 2, R_DIVIDE), 0);
	rig_destroy(r);
}

static void boot_cpu_is_marked_in_its_base(void **state)
{
	struct rig *r = rig_create();

	(void)state;
	assert_int_equal(lapic_get_base(r->cpu[0].l),
			 0xfee00000 | BASE_ENABLE | BASE_BSP);
	assert_int_equal(lapic_get_base(r->cpu[1].l), 0xfee00000 | BASE_ENABLE);
	rig_destroy(r);
}

static void bad_parameters_are_refused(void **state)
{
	struct rig *r = rig_create();
	struct lapic_owner o = { .ops = &rig_ops };
	struct lapic_params good = rig_params(r, 3), p;
	struct lapic *l;

	(void)state;
	good.owner = &o;
	p = good;
	assert_int_equal(lapic_create(&l, &p), -EEXIST);
	assert_null(l);
	p.id = LAYOUT_CPUS_MAX;
	assert_int_equal(lapic_create(&l, &p), -EINVAL);
	p = good;
	p.id = 5;
	p.tsc_khz = 0;
	assert_int_equal(lapic_create(&l, &p), -EINVAL);
	p.tsc_khz = 1;
	p.phys_bits = 31;
	assert_int_equal(lapic_create(&l, &p), -EINVAL);
	p.phys_bits = 53;
	assert_int_equal(lapic_create(&l, &p), -EINVAL);
	lapic_destroy(NULL);
	rig_destroy(r);
}

static void init_keeps_the_base_and_forgets_the_rest(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	rig_to_x2apic(r, 1);
	rig_fixed(r, 1, 0x40);
	lapic_reset(r->cpu[1].l, LAPIC_INIT);
	assert_true(lapic_get_base(r->cpu[1].l) & BASE_X2APIC);
	assert_int_equal(rig_pending(r, 1), -1);
	assert_int_equal(rd(r, 1, R_SVR), 0xff);
	assert_int_equal(rd(r, 1, R_LDR), 2);
	lapic_reset(r->cpu[1].l, LAPIC_POWER_UP);
	assert_false(lapic_get_base(r->cpu[1].l) & BASE_X2APIC);
	assert_int_equal(rd(r, 1, R_LDR), 0);
	rig_destroy(r);
}

/* --- the page --- */

static void reserved_bits_and_read_only_registers_stay(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 0, R_ID, 0x7f000000);
	assert_int_equal(rd(r, 0, R_ID), 0);
	wr(r, 0, R_VERSION, 0);
	assert_int_equal(rd(r, 0, R_VERSION), 0x1050014);
	wr(r, 0, R_TPR, 0xffffff15);
	assert_int_equal(rd(r, 0, R_TPR), 0x15);
	wr(r, 0, R_PPR, 0xff);
	assert_int_equal(rd(r, 0, R_PPR), 0x15);
	wr(r, 0, R_LDR, 0x12ffffff);
	assert_int_equal(rd(r, 0, R_LDR), 0x12000000);
	wr(r, 0, R_DFR, 0);
	assert_int_equal(rd(r, 0, R_DFR), 0x0fffffff);
	wr(r, 0, R_SVR, 0xffffffff);
	assert_int_equal(rd(r, 0, R_SVR), 0x13ff);
	wr(r, 0, R_TIMER, 0xffffffff);
	assert_int_equal(rd(r, 0, R_TIMER), 0x700ff);
	wr(r, 0, R_THERMAL, 0xffffffff);
	assert_int_equal(rd(r, 0, R_THERMAL), 0x107ff);
	wr(r, 0, R_PERF, 0xffffffff);
	assert_int_equal(rd(r, 0, R_PERF), 0x107ff);
	wr(r, 0, R_LINT1, 0xffffffff);
	assert_int_equal(rd(r, 0, R_LINT1), 0x1a7ff);
	wr(r, 0, R_ERROR, 0xffffffff);
	assert_int_equal(rd(r, 0, R_ERROR), 0x100ff);
	wr(r, 0, R_DIVIDE, 0xffffffff);
	assert_int_equal(rd(r, 0, R_DIVIDE), 0xb);
	wr(r, 0, R_ICR2, 0xffffffff);
	assert_int_equal(rd(r, 0, R_ICR2), 0xff000000);
	wr(r, 0, R_IRR, 0xffffffff);
	assert_int_equal(rd(r, 0, R_IRR), 0);
	assert_int_equal(rig_errors(r, 0), 0);
	rig_destroy(r);
}

static void unknown_registers_are_an_error_in_the_esr(void **state)
{
	static const uint32_t offs[] = { 0x000, 0x040, 0x290, 0x2f0,
					 0x3a0, 0x3f0, 0x400, 0xff0 };
	struct rig *r = rig_create_enabled();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(offs); i++) {
		assert_int_equal(rd(r, 0, offs[i]), 0);
		assert_int_equal(rig_errors(r, 0), 0x80);
		wr(r, 0, offs[i], 0xffffffff);
		assert_int_equal(rig_errors(r, 0), 0x80);
	}
	assert_int_equal(rig_errors(r, 0), 0);
	rig_destroy(r);
}

static void only_aligned_32_bit_writes_count(void **state)
{
	struct rig *r = rig_create();
	struct lapic *l = r->cpu[0].l;

	(void)state;
	lapic_mmio_write(l, R_TPR, 1, 0x20);
	lapic_mmio_write(l, R_TPR, 2, 0x20);
	lapic_mmio_write(l, R_TPR, 8, 0x20);
	lapic_mmio_write(l, R_TPR + 4, 4, 0x20);
	lapic_mmio_write(l, R_TPR + 1, 4, 0x20);
	assert_int_equal(rd(r, 0, R_TPR), 0);
	rig_destroy(r);
}

static void reads_of_any_width_stay_in_their_register(void **state)
{
	struct rig *r = rig_create();
	struct lapic *l = r->cpu[0].l;

	(void)state;
	assert_int_equal(lapic_mmio_read(l, R_VERSION, 8), 0x1050014);
	assert_int_equal(lapic_mmio_read(l, R_VERSION, 1), 0x14);
	assert_int_equal(lapic_mmio_read(l, R_VERSION + 2, 1), 5);
	assert_int_equal(lapic_mmio_read(l, R_VERSION + 2, 4), 0x105);
	assert_int_equal(lapic_mmio_read(l, R_VERSION + 4, 4), 0);
	assert_int_equal(lapic_mmio_read(l, R_VERSION + 15, 8), 0);
	rig_destroy(r);
}

static void page_answers_only_at_its_base_in_xapic_mode(void **state)
{
	struct rig *r = rig_create();
	struct lapic *l = r->cpu[1].l;

	(void)state;
	assert_true(lapic_maps(l, 0xfee00000));
	assert_true(lapic_maps(l, 0xfee00fff));
	assert_false(lapic_maps(l, 0xfee01000));
	assert_false(lapic_maps(l, 0xfedfffff));
	assert_int_equal(lapic_set_base(l, 0x12345000 | BASE_ENABLE), 0);
	assert_true(lapic_maps(l, 0x12345020));
	assert_false(lapic_maps(l, 0xfee00020));
	rig_to_x2apic(r, 1);
	assert_false(lapic_maps(l, 0x12345020));
	assert_int_equal(lapic_set_base(l, 0x12345000), 0);
	assert_false(lapic_maps(l, 0x12345020));
	rig_destroy(r);
}

/* --- IA32_APIC_BASE --- */

static void base_refuses_reserved_bits(void **state)
{
	struct rig *r = rig_create();
	struct lapic *l = r->cpu[0].l;
	uint64_t was = lapic_get_base(l);

	(void)state;
	assert_int_equal(lapic_set_base(l, was | 1), -EINVAL);
	assert_int_equal(lapic_set_base(l, was | 1 << 9), -EINVAL);
	assert_int_equal(lapic_set_base(l, was | 1ull << 40), -EINVAL);
	assert_int_equal(lapic_set_base(l, was | 1ull << 63), -EINVAL);
	assert_int_equal(lapic_get_base(l), was);
	assert_int_equal(lapic_set_base(l, was | 1ull << 39), 0);
	rig_destroy(r);
}

static void base_allows_the_arrows_of_the_figure_only(void **state)
{
	const uint64_t b = 0xfee00000, x = b | BASE_ENABLE,
		       x2 = x | BASE_X2APIC, bad = b | BASE_X2APIC;
	struct rig *r = rig_create();
	struct lapic *l = r->cpu[1].l;

	(void)state;
	assert_int_equal(lapic_set_base(l, bad), -EINVAL);
	assert_int_equal(lapic_set_base(l, x2), 0);
	assert_int_equal(lapic_set_base(l, x), -EINVAL);
	assert_int_equal(lapic_set_base(l, bad), -EINVAL);
	assert_int_equal(lapic_get_base(l), x2);
	assert_int_equal(lapic_set_base(l, x2), 0);
	assert_int_equal(lapic_set_base(l, b), 0);
	assert_int_equal(lapic_set_base(l, x2), -EINVAL);
	assert_int_equal(lapic_set_base(l, bad), -EINVAL);
	assert_int_equal(lapic_set_base(l, x), 0);
	assert_int_equal(lapic_get_base(l), x);
	rig_destroy(r);
}

static void disabling_loses_registers_and_interrupts(void **state)
{
	struct rig *r = rig_create_enabled();
	struct lapic *l = r->cpu[1].l;

	(void)state;
	rig_fixed(r, 1, 0x55);
	wr(r, 1, R_TPR, 0x30);
	assert_int_equal(lapic_set_base(l, 0xfee00000), 0);
	assert_int_equal(rig_pending(r, 1), -1);
	rig_fixed(r, 1, 0x56);
	assert_int_equal(lapic_set_base(l, 0xfee00000 | BASE_ENABLE), 0);
	assert_int_equal(rig_pending(r, 1), -1);
	assert_int_equal(rd(r, 1, R_TPR), 0);
	assert_int_equal(rd(r, 1, R_SVR), 0xff);
	rig_destroy(r);
}

/* --- x2APIC MSRs --- */

static void msrs_are_refused_outside_x2apic_mode(void **state)
{
	struct rig *r = rig_create();
	uint64_t v;

	(void)state;
	assert_int_equal(msr_rd(r, 0, R_ID, &v), -EINVAL);
	assert_int_equal(msr_wr(r, 0, R_TPR, 0), -EINVAL);
	rig_destroy(r);
}

static void x2apic_ids_are_whole_numbers(void **state)
{
	struct rig *r = rig_create();
	uint64_t v;

	(void)state;
	rig_to_x2apic(r, 3);
	assert_int_equal(msr_rd(r, 3, R_ID, &v), 0);
	assert_int_equal(v, 3);
	assert_int_equal(msr_rd(r, 3, R_LDR, &v), 0);
	assert_int_equal(v, 1 << 3);
	rig_destroy(r);
}

static void msrs_that_do_not_exist_are_refused(void **state)
{
	static const uint32_t none[] = { 0x000, 0x040, R_APR,  0x0c0, R_DFR,
					 0x290, 0x2f0, R_ICR2, 0x3a0, 0xff0 };
	struct rig *r = rig_create();
	uint64_t v;

	(void)state;
	rig_to_x2apic(r, 0);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		assert_int_equal(msr_rd(r, 0, none[i], &v), -EINVAL);
		assert_int_equal(msr_wr(r, 0, none[i], 0), -EINVAL);
	}
	assert_int_equal(lapic_msr_read(r->cpu[0].l, 0x7ff, &v), -EINVAL);
	assert_int_equal(lapic_msr_read(r->cpu[0].l, 0x900, &v), -EINVAL);
	rig_destroy(r);
}

static void msrs_refuse_the_wrong_direction(void **state)
{
	static const uint32_t ro[] = {
		R_ID,  R_VERSION, R_PPR,      R_LDR,
		R_ISR, R_TMR,	  R_IRR + 70, R_CURRENT
	};
	struct rig *r = rig_create();
	uint64_t v;

	(void)state;
	rig_to_x2apic(r, 0);
	for (size_t i = 0; i < ARRAY_SIZE(ro); i++) {
		assert_int_equal(msr_wr(r, 0, ro[i], 0), -EINVAL);
		assert_int_equal(msr_rd(r, 0, ro[i], &v), 0);
	}
	assert_int_equal(msr_rd(r, 0, R_EOI, &v), -EINVAL);
	assert_int_equal(msr_rd(r, 0, R_SELF_IPI, &v), -EINVAL);
	rig_destroy(r);
}

static void msrs_refuse_reserved_bits(void **state)
{
	static const struct {
		uint32_t off;
		uint64_t val;
	} bad[] = {
		{ R_TPR, 0x100 },
		{ R_TPR, 1ull << 32 },
		{ R_EOI, 1 },
		{ R_ESR, 1 },
		{ R_SVR, 0x400 },
		{ R_SVR, 0x2000 },
		{ R_TIMER, 0x80000 },
		{ R_TIMER, 0x100 },
		{ R_LINT0, 0x800 },
		{ R_ERROR, 0x100 },
		{ R_PERF, 0x8000 },
		{ R_DIVIDE, 4 },
		{ R_INITIAL, 1ull << 32 },
		{ R_SELF_IPI, 0x100 },
		{ R_ICR, 1 << 13 },
		{ R_ICR, 1 << 16 },
		{ R_ICR, 1 << 20 },
		{ R_ICR, 1u << 31 },
	};
	struct rig *r = rig_create();

	(void)state;
	rig_to_x2apic(r, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(msr_wr(r, 0, bad[i].off, bad[i].val), -EINVAL);
	/* Read-only bits are not reserved. */
	assert_int_equal(msr_wr(r, 0, R_LINT0, 0x15040), 0);
	assert_int_equal(msr_wr(r, 0, R_TIMER, 0x11040), 0);
	rig_destroy(r);
}

static void self_ipi_register_interrupts_its_own_cpu(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	rig_to_x2apic(r, 1);
	assert_int_equal(msr_wr(r, 1, R_SELF_IPI, 0x99), 0);
	assert_int_equal(rig_pending(r, 1), 0x99);
	assert_int_equal(msr_wr(r, 1, R_SELF_IPI, 15), 0);
	assert_int_equal(msr_wr(r, 1, R_ESR, 0), 0);
	assert_int_equal(rd(r, 1, R_ESR), 0x20);
	rig_destroy(r);
}

/* --- priorities --- */

static void vector_goes_from_irr_to_isr_to_nowhere(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	rig_fixed(r, 0, 0x61);
	assert_true(rig_bit(r, 0, R_IRR, 0x61));
	assert_int_equal(rig_pending(r, 0), 0x61);
	assert_int_equal(rig_pending(r, 0), 0x61);
	assert_int_equal(rig_ack(r, 0), 0x61);
	assert_false(rig_bit(r, 0, R_IRR, 0x61));
	assert_true(rig_bit(r, 0, R_ISR, 0x61));
	assert_int_equal(rd(r, 0, R_PPR), 0x60);
	assert_int_equal(rig_ack(r, 0), -1);
	wr(r, 0, R_EOI, 0);
	assert_false(rig_bit(r, 0, R_ISR, 0x61));
	assert_int_equal(rd(r, 0, R_PPR), 0);
	assert_int_equal(rig_pending(r, 0), -1);
	rig_destroy(r);
}

static void every_legal_vector_arrives(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	for (int v = 16; v < 256; v++) {
		rig_fixed(r, 0, (uint8_t)v);
		assert_int_equal(rig_ack(r, 0), v);
		wr(r, 0, R_EOI, 0);
	}
	rig_destroy(r);
}

static void highest_vector_comes_first_and_nests_by_class(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	rig_fixed(r, 0, 0x41);
	rig_fixed(r, 0, 0x45);
	rig_fixed(r, 0, 0x32);
	assert_int_equal(rig_ack(r, 0), 0x45);
	/* Same class: waits, though no vector is above it in number. */
	rig_fixed(r, 0, 0x4f);
	assert_int_equal(rig_pending(r, 0), -1);
	rig_fixed(r, 0, 0x50);
	assert_int_equal(rig_ack(r, 0), 0x50);
	wr(r, 0, R_EOI, 0);
	assert_int_equal(rig_pending(r, 0), -1);
	wr(r, 0, R_EOI, 0);
	assert_int_equal(rig_ack(r, 0), 0x4f);
	wr(r, 0, R_EOI, 0);
	assert_int_equal(rig_ack(r, 0), 0x41);
	wr(r, 0, R_EOI, 0);
	assert_int_equal(rig_ack(r, 0), 0x32);
	rig_destroy(r);
}

static void same_vector_twice_is_one_interrupt(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	rig_fixed(r, 0, 0x41);
	rig_fixed(r, 0, 0x41);
	assert_int_equal(r->cpu[0].wakes, 1);
	assert_int_equal(rig_ack(r, 0), 0x41);
	/* In service, one more is remembered. */
	rig_fixed(r, 0, 0x41);
	wr(r, 0, R_EOI, 0);
	assert_int_equal(rig_ack(r, 0), 0x41);
	wr(r, 0, R_EOI, 0);
	assert_int_equal(rig_pending(r, 0), -1);
	rig_destroy(r);
}

static void tpr_holds_classes_up_to_its_own(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 0, R_TPR, 0x50);
	rig_fixed(r, 0, 0x5f);
	assert_int_equal(rig_pending(r, 0), -1);
	rig_fixed(r, 0, 0x60);
	assert_int_equal(rig_pending(r, 0), 0x60);
	wr(r, 0, R_TPR, 0xff);
	assert_int_equal(rig_pending(r, 0), -1);
	assert_int_equal(rig_ack(r, 0), -1);
	wr(r, 0, R_TPR, 0x4f);
	assert_int_equal(rig_ack(r, 0), 0x60);
	rig_destroy(r);
}

static void cr8_is_the_upper_half_of_the_tpr(void **state)
{
	struct rig *r = rig_create_enabled();
	struct lapic *l = r->cpu[0].l;

	(void)state;
	wr(r, 0, R_TPR, 0x35);
	assert_int_equal(lapic_get_cr8(l), 3);
	lapic_set_cr8(l, 9);
	assert_int_equal(rd(r, 0, R_TPR), 0x90);
	rig_fixed(r, 0, 0x9f);
	assert_int_equal(rig_pending(r, 0), -1);
	lapic_set_cr8(l, 8);
	assert_int_equal(rig_pending(r, 0), 0x9f);
	rig_destroy(r);
}

static void ppr_is_the_higher_of_tpr_and_service(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	rig_fixed(r, 0, 0x43);
	assert_int_equal(rig_ack(r, 0), 0x43);
	wr(r, 0, R_TPR, 0x37);
	assert_int_equal(rd(r, 0, R_PPR), 0x40);
	wr(r, 0, R_TPR, 0x4a);
	assert_int_equal(rd(r, 0, R_PPR), 0x4a);
	wr(r, 0, R_TPR, 0x58);
	assert_int_equal(rd(r, 0, R_PPR), 0x58);
	rig_destroy(r);
}

static void apr_follows_the_manuals_formula(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 0, R_TPR, 0x35);
	assert_int_equal(rd(r, 0, R_APR), 0x35);
	rig_fixed(r, 0, 0x62);
	assert_int_equal(rd(r, 0, R_APR), 0x60);
	assert_int_equal(rig_ack(r, 0), 0x62);
	/* TPR 3 and ISRV 6: 3 AND 6 is 2. */
	assert_int_equal(rd(r, 0, R_APR), 0x20);
	rig_destroy(r);
}

static void eoi_without_service_does_nothing(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	rig_fixed(r, 0, 0x41);
	wr(r, 0, R_EOI, 0);
	assert_int_equal(rig_pending(r, 0), 0x41);
	assert_int_equal(r->cpu[0].eois, 0);
	rig_destroy(r);
}

/* --- attention --- */

static void attention_means_that_something_is_deliverable(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	assert_int_equal(rig_pending(r, 0), -1);
	assert_false(rig_attention(r, 0));
	wr(r, 0, R_TPR, 0x80);
	rig_fixed(r, 0, 0x41);
	assert_true(rig_attention(r, 0));
	assert_int_equal(rig_pending(r, 0), -1);
	assert_false(rig_attention(r, 0));
	wr(r, 0, R_TPR, 0x30);
	assert_true(rig_attention(r, 0));
	assert_int_equal(rig_ack(r, 0), 0x41);
	rig_fixed(r, 0, 0x42);
	assert_int_equal(rig_pending(r, 0), -1);
	assert_false(rig_attention(r, 0));
	wr(r, 0, R_EOI, 0);
	assert_true(rig_attention(r, 0));
	rig_destroy(r);
}

static void owners_bits_of_the_attention_word_stay(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	atomic_store(&r->cpu[0].owner.attention, 0xf0);
	rig_fixed(r, 0, 0x41);
	assert_int_equal(r->cpu[0].owner.attention, 0xf1);
	rig_ack(r, 0);
	rig_pending(r, 0);
	assert_int_equal(r->cpu[0].owner.attention, 0xf0);
	rig_destroy(r);
}

/* --- level-triggered messages --- */

#define MSI_LEVEL 0x8000u

static void end_of_level_interrupt_is_told_on(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	rig_msi(r, 0, MSI_LEVEL | 0x71);
	assert_true(rig_bit(r, 0, R_TMR, 0x71));
	rig_ack(r, 0);
	assert_int_equal(r->cpu[0].eois, 0);
	wr(r, 0, R_EOI, 0);
	assert_int_equal(r->cpu[0].eois, 1);
	assert_int_equal(r->cpu[0].eoi_vector, 0x71);
	/* The next one with the vector is an edge. */
	rig_fixed(r, 0, 0x71);
	assert_false(rig_bit(r, 0, R_TMR, 0x71));
	rig_ack(r, 0);
	wr(r, 0, R_EOI, 0);
	assert_int_equal(r->cpu[0].eois, 1);
	rig_destroy(r);
}

static void eoi_broadcast_can_be_suppressed(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 3, R_SVR, 0x11ff);
	rig_msi(r, 3 << 12, MSI_LEVEL | 0x71);
	assert_int_equal(rig_ack(r, 3), 0x71);
	wr(r, 3, R_EOI, 0);
	assert_int_equal(r->cpu[3].eois, 0);
	assert_int_equal(rd(r, 3, R_PPR), 0);
	rig_destroy(r);
}

/* --- software disable --- */

static void disabled_by_software_takes_no_interrupts(void **state)
{
	struct rig *r = rig_create();

	(void)state;
	rig_fixed(r, 0, 0x41);
	assert_int_equal(rig_pending(r, 0), -1);
	rig_msi(r, 0, 0x400);
	assert_int_equal(r->cpu[0].nmis, 1);
	wr(r, 0, R_SVR, 0x1ff);
	assert_int_equal(rig_pending(r, 0), -1);
	rig_destroy(r);
}

static void software_disable_masks_the_lvt_and_keeps_the_irr(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 0, R_TIMER, 0x40);
	wr(r, 0, R_ERROR, 0x41);
	rig_fixed(r, 0, 0x61);
	wr(r, 0, R_SVR, 0xff);
	for (uint32_t off = R_TIMER; off <= R_ERROR; off += 16)
		assert_true(rd(r, 0, off) & MASKED);
	wr(r, 0, R_TIMER, 0x40);
	assert_int_equal(rd(r, 0, R_TIMER), MASKED | 0x40);
	assert_int_equal(rig_ack(r, 0), 0x61);
	wr(r, 0, R_SVR, 0x1ff);
	assert_int_equal(rd(r, 0, R_TIMER), MASKED | 0x40);
	wr(r, 0, R_TIMER, 0x40);
	assert_int_equal(rd(r, 0, R_TIMER), 0x40);
	rig_destroy(r);
}

/* --- errors --- */

static void illegal_vectors_are_errors_of_both_ends(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 0, R_ICR2, 1 << 24);
	wr(r, 0, R_ICR, 0x0f);
	assert_int_equal(rig_errors(r, 0), 0x20);
	assert_int_equal(rig_errors(r, 1), 0);
	rig_fixed(r, 1, 0x0f);
	assert_int_equal(rig_errors(r, 1), 0x40);
	assert_int_equal(rig_pending(r, 1), -1);
	assert_int_equal(rd(r, 1, R_IRR), 0);
	rig_destroy(r);
}

static void esr_shows_errors_only_after_a_write(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	rd(r, 0, 0x3f0);
	rig_fixed(r, 0, 1);
	assert_int_equal(rd(r, 0, R_ESR), 0);
	wr(r, 0, R_ESR, 0xffffffff);
	assert_int_equal(rd(r, 0, R_ESR), 0xc0);
	assert_int_equal(rd(r, 0, R_ESR), 0xc0);
	wr(r, 0, R_ESR, 0);
	assert_int_equal(rd(r, 0, R_ESR), 0);
	rig_destroy(r);
}

static void error_interrupt_comes_once_until_the_esr_is_written(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 0, R_ERROR, 0xee);
	rig_fixed(r, 0, 1);
	assert_int_equal(rig_ack(r, 0), 0xee);
	wr(r, 0, R_EOI, 0);
	rig_fixed(r, 0, 1);
	rd(r, 0, 0x3f0);
	assert_int_equal(rig_pending(r, 0), -1);
	wr(r, 0, R_ESR, 0);
	rig_fixed(r, 0, 1);
	assert_int_equal(rig_pending(r, 0), 0xee);
	rig_destroy(r);
}

static void error_interrupt_with_an_illegal_vector_ends(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 0, R_ERROR, 0x05);
	rd(r, 0, 0x3f0);
	assert_int_equal(rig_pending(r, 0), -1);
	assert_int_equal(rig_errors(r, 0), 0xc0);
	rig_destroy(r);
}

/* --- LINT pins --- */

static void pic_comes_through_lint0_before_all_vectors(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 0, R_LINT0, 0x700);
	wr(r, 0, R_TPR, 0xff);
	r->pic_vector = 0x08;
	rig_extint(r, true);
	assert_true(rig_attention(r, 0));
	assert_int_equal(r->cpu[0].wakes, 1);
	assert_int_equal(rig_pending(r, 0), LAPIC_EXTINT);
	assert_int_equal(rig_ack(r, 0), 8);
	assert_int_equal(rd(r, 0, R_ISR), 0);
	assert_int_equal(rig_pending(r, 0), -1);
	assert_false(rig_attention(r, 0));
	rig_destroy(r);
}

static void pic_that_withdraws_is_not_pending(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 0, R_LINT0, 0x700);
	rig_extint(r, true);
	rig_extint(r, false);
	assert_int_equal(rig_pending(r, 0), -1);
	assert_int_equal(rig_ack(r, 0), -1);
	rig_destroy(r);
}

static void masked_lint0_holds_the_pic(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 0, R_LINT0, MASKED | 0x700);
	rig_extint(r, true);
	assert_int_equal(rig_pending(r, 0), -1);
	wr(r, 0, R_LINT0, 0x700);
	assert_true(rig_attention(r, 0));
	assert_int_equal(rig_pending(r, 0), LAPIC_EXTINT);
	rig_destroy(r);
}

static void pic_reaches_a_cpu_whose_apic_is_off(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 0, R_LINT0, MASKED);
	rig_extint(r, true);
	assert_int_equal(rig_pending(r, 0), -1);
	assert_int_equal(lapic_set_base(r->cpu[0].l, 0xfee00000), 0);
	assert_true(rig_attention(r, 0));
	assert_int_equal(rig_pending(r, 0), LAPIC_EXTINT);
	rig_extint(r, false);
	assert_int_equal(rig_pending(r, 0), -1);
	rig_extint(r, true);
	assert_int_equal(rig_pending(r, 0), LAPIC_EXTINT);
	lapic_set_lint(r->cpu[0].l, 1, true);
	assert_int_equal(r->cpu[0].nmis, 1);
	rig_destroy(r);
}

static void fixed_lint0_interrupts_once_an_edge(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 0, R_LINT0, 0x38);
	rig_extint(r, true);
	rig_extint(r, true);
	assert_int_equal(rig_ack(r, 0), 0x38);
	wr(r, 0, R_EOI, 0);
	assert_int_equal(rig_pending(r, 0), -1);
	rig_extint(r, false);
	rig_extint(r, true);
	assert_int_equal(rig_ack(r, 0), 0x38);
	rig_destroy(r);
}

static void level_lint0_asks_again_after_eoi_while_high(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 0, R_LINT0, 0x8038);
	rig_extint(r, true);
	assert_int_equal(rd(r, 0, R_LINT0), 0xc038);
	assert_int_equal(rig_ack(r, 0), 0x38);
	wr(r, 0, R_LINT0, 0x8038);
	assert_int_equal(rd(r, 0, R_LINT0), 0xc038);
	assert_int_equal(rig_pending(r, 0), -1);
	wr(r, 0, R_EOI, 0);
	assert_int_equal(rig_ack(r, 0), 0x38);
	rig_extint(r, false);
	wr(r, 0, R_EOI, 0);
	assert_int_equal(rd(r, 0, R_LINT0), 0x8038);
	assert_int_equal(rig_pending(r, 0), -1);
	/* High while masked: comes with the unmasking. */
	wr(r, 0, R_LINT0, MASKED | 0x8038);
	rig_extint(r, true);
	assert_int_equal(rig_pending(r, 0), -1);
	wr(r, 0, R_LINT0, 0x8038);
	assert_int_equal(rig_pending(r, 0), 0x38);
	rig_destroy(r);
}

static void lint1_is_edge_triggered_whatever_its_entry_says(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	wr(r, 2, R_LINT1, 0x8038);
	lapic_set_lint(r->cpu[2].l, 1, true);
	assert_int_equal(rd(r, 2, R_LINT1), 0x8038);
	assert_int_equal(rig_ack(r, 2), 0x38);
	wr(r, 2, R_EOI, 0);
	assert_int_equal(r->cpu[2].eois, 0);
	assert_int_equal(rig_pending(r, 2), -1);
	rig_destroy(r);
}

static void lint1_brings_nmi_and_init(void **state)
{
	struct rig *r = rig_create_enabled();

	(void)state;
	lapic_set_lint(r->cpu[2].l, 1, true);
	assert_int_equal(r->cpu[2].nmis, 0);
	lapic_set_lint(r->cpu[2].l, 1, false);
	wr(r, 2, R_LINT1, 0x400);
	lapic_set_lint(r->cpu[2].l, 1, true);
	assert_int_equal(r->cpu[2].nmis, 1);
	lapic_set_lint(r->cpu[2].l, 1, false);
	wr(r, 2, R_LINT1, 0x500);
	lapic_set_lint(r->cpu[2].l, 1, true);
	assert_int_equal(r->cpu[2].inits, 1);
	lapic_set_lint(r->cpu[2].l, 1, false);
	/* SMI: nothing here takes it. */
	wr(r, 2, R_LINT1, 0x200);
	lapic_set_lint(r->cpu[2].l, 1, true);
	assert_int_equal(rig_pending(r, 2), -1);
	rig_destroy(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(registers_after_power_up_are_the_manuals),
	cmocka_unit_test(boot_cpu_is_marked_in_its_base),
	cmocka_unit_test(bad_parameters_are_refused),
	cmocka_unit_test(init_keeps_the_base_and_forgets_the_rest),
	cmocka_unit_test(reserved_bits_and_read_only_registers_stay),
	cmocka_unit_test(unknown_registers_are_an_error_in_the_esr),
	cmocka_unit_test(only_aligned_32_bit_writes_count),
	cmocka_unit_test(reads_of_any_width_stay_in_their_register),
	cmocka_unit_test(page_answers_only_at_its_base_in_xapic_mode),
	cmocka_unit_test(base_refuses_reserved_bits),
	cmocka_unit_test(base_allows_the_arrows_of_the_figure_only),
	cmocka_unit_test(disabling_loses_registers_and_interrupts),
	cmocka_unit_test(msrs_are_refused_outside_x2apic_mode),
	cmocka_unit_test(x2apic_ids_are_whole_numbers),
	cmocka_unit_test(msrs_that_do_not_exist_are_refused),
	cmocka_unit_test(msrs_refuse_the_wrong_direction),
	cmocka_unit_test(msrs_refuse_reserved_bits),
	cmocka_unit_test(self_ipi_register_interrupts_its_own_cpu),
	cmocka_unit_test(vector_goes_from_irr_to_isr_to_nowhere),
	cmocka_unit_test(every_legal_vector_arrives),
	cmocka_unit_test(highest_vector_comes_first_and_nests_by_class),
	cmocka_unit_test(same_vector_twice_is_one_interrupt),
	cmocka_unit_test(tpr_holds_classes_up_to_its_own),
	cmocka_unit_test(cr8_is_the_upper_half_of_the_tpr),
	cmocka_unit_test(ppr_is_the_higher_of_tpr_and_service),
	cmocka_unit_test(apr_follows_the_manuals_formula),
	cmocka_unit_test(eoi_without_service_does_nothing),
	cmocka_unit_test(attention_means_that_something_is_deliverable),
	cmocka_unit_test(owners_bits_of_the_attention_word_stay),
	cmocka_unit_test(end_of_level_interrupt_is_told_on),
	cmocka_unit_test(eoi_broadcast_can_be_suppressed),
	cmocka_unit_test(disabled_by_software_takes_no_interrupts),
	cmocka_unit_test(software_disable_masks_the_lvt_and_keeps_the_irr),
	cmocka_unit_test(illegal_vectors_are_errors_of_both_ends),
	cmocka_unit_test(esr_shows_errors_only_after_a_write),
	cmocka_unit_test(error_interrupt_comes_once_until_the_esr_is_written),
	cmocka_unit_test(error_interrupt_with_an_illegal_vector_ends),
	cmocka_unit_test(pic_comes_through_lint0_before_all_vectors),
	cmocka_unit_test(pic_that_withdraws_is_not_pending),
	cmocka_unit_test(masked_lint0_holds_the_pic),
	cmocka_unit_test(pic_reaches_a_cpu_whose_apic_is_off),
	cmocka_unit_test(fixed_lint0_interrupts_once_an_edge),
	cmocka_unit_test(level_lint0_asks_again_after_eoi_while_high),
	cmocka_unit_test(lint1_is_edge_triggered_whatever_its_entry_says),
	cmocka_unit_test(lint1_brings_nmi_and_init),
};

UNIT_MAIN(tests)
