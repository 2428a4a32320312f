// SPDX-License-Identifier: MIT
/*
 * test_entry.c - a CPU after reset and at each kind of entry point.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "memory/boot/boot.h"
#include "vcpu/state.h"
#include "vcpu/x86/entry.h"

static struct cpu_state *fresh(unsigned int id)
{
	static struct cpu_state st;

	memset(&st, 0xa5, sizeof(st));
	x86_reset_state(&st, id);
	return &st;
}

static struct cpu_state *entered(enum boot_mode mode, gpa_t entry, gpa_t info)
{
	struct boot_entry e = { .mode = mode, .entry = entry, .info = info };
	struct cpu_state *st = fresh(0);

	x86_entry_state(st, &e);
	return st;
}

static uint32_t lapic(const struct cpu_state *st, unsigned int reg)
{
	uint32_t v;

	memcpy(&v, st->lapic + reg, sizeof(v));
	return v;
}

static uint32_t xsave(const struct cpu_state *st, unsigned int at)
{
	uint32_t v;

	memcpy(&v, st->xsave + at, sizeof(v));
	return v;
}

static void reset_starts_at_the_top_of_4_gib(void **state)
{
	struct cpu_state *st = fresh(0);

	(void)state;
	assert_int_equal(st->seg[CPU_CS].selector, 0xf000);
	assert_int_equal(st->seg[CPU_CS].base, 0xffff0000);
	assert_int_equal(st->seg[CPU_CS].limit, 0xffff);
	assert_int_equal(st->rip, 0xfff0);
	assert_int_equal(st->rflags, 2);
	assert_int_equal(st->gpr[CPU_RSP], 0);
	assert_int_equal(st->gpr[CPU_RAX], 0);
}

static void reset_registers_are_those_of_table_9_1(void **state)
{
	struct cpu_state *st = fresh(0);

	(void)state;
	assert_int_equal(st->cr0, 0x60000010);
	assert_int_equal(st->cr2 | st->cr3 | st->cr4 | st->cr8 | st->efer, 0);
	assert_int_equal(st->dr[6], 0xffff0ff0);
	assert_int_equal(st->dr[7], 0x400);
	assert_int_equal(st->xcr0, 1);
	assert_int_equal(st->idtr.base, 0);
	assert_int_equal(st->idtr.limit, 0xffff);
	assert_int_equal(st->seg[CPU_DS].access, 0x93);
	assert_int_equal(st->seg[CPU_DS].limit, 0xffff);
	assert_int_equal(st->seg[CPU_LDTR].access, 0x82);
	assert_int_equal(st->seg[CPU_TR].access, 0x8b);
	assert_true(st->msr.pat == 0x0007040600070406);
	assert_int_equal(st->msr.misc_enable, 1);
	assert_int_equal(st->msr.mtrr_def_type, 0);
	assert_false(st->events.nmi_masked);
	assert_int_equal(xsave(st, 0) & 0xffff, 0x40);
	assert_int_equal(xsave(st, 24), 0x1f80);
	assert_int_equal(xsave(st, 512), 3);
}

static void reset_local_apic_is_disabled_and_masked(void **state)
{
	struct cpu_state *st = fresh(3);
	unsigned int r;

	(void)state;
	assert_int_equal(lapic(st, 0x20), 3u << 24);
	assert_int_equal(lapic(st, 0x30), 0x50014);
	assert_int_equal(lapic(st, 0x80), 0);
	assert_int_equal(lapic(st, 0xd0), 0);
	assert_int_equal(lapic(st, 0xe0), UINT32_MAX);
	assert_int_equal(lapic(st, 0xf0), 0xff);
	for (r = 0x320; r <= 0x370; r += 0x10)
		assert_int_equal(lapic(st, r), 0x10000);
}

static void only_the_first_cpu_runs_and_is_the_bsp(void **state)
{
	struct cpu_state *st = fresh(0);

	(void)state;
	assert_int_equal(st->mp_state, CPU_MP_RUNNABLE);
	assert_int_equal(st->apic_base, 0xfee00900);
	st = fresh(1);
	assert_int_equal(st->mp_state, CPU_MP_UNINITIALIZED);
	assert_int_equal(st->apic_base, 0xfee00800);
}

static void long_entry_is_flat_64_bit_code_with_paging(void **state)
{
	struct cpu_state *st = entered(BOOT_MODE_LONG64, 0x1000200, 0x7000);

	(void)state;
	assert_int_equal(st->cr0, 0x80000011);
	assert_int_equal(st->cr3, LAYOUT_PAGE_TABLES);
	assert_int_equal(st->cr4, 1 << 5);
	assert_int_equal(st->efer, 1 << 8 | 1 << 10);
	assert_int_equal(st->seg[CPU_CS].selector, 0x10);
	assert_int_equal(st->seg[CPU_CS].access, 0xa09b);
	assert_int_equal(st->seg[CPU_SS].selector, 0x18);
	assert_int_equal(st->seg[CPU_DS].access, 0xc093);
	assert_int_equal(st->seg[CPU_DS].limit, UINT32_MAX);
	assert_int_equal(st->rip, 0x1000200);
	assert_int_equal(st->gpr[CPU_RSI], 0x7000);
	assert_int_equal(st->gpr[CPU_RSP], LAYOUT_BOOT_STACK);
	assert_int_equal(st->gpr[CPU_RDX], 0);
	assert_int_equal(st->rflags, 2);
	assert_int_equal(st->gdtr.base, LAYOUT_BOOT_GDT);
	assert_int_equal(st->gdtr.limit, 0x2f);
}

static void pvh_entry_is_flat_32_bit_code_without_paging(void **state)
{
	struct cpu_state *st = entered(BOOT_MODE_PROT32, 0x100020, 0x8000);

	(void)state;
	assert_int_equal(st->cr0, 0x11);
	assert_int_equal(st->cr4, 0);
	assert_int_equal(st->efer, 0);
	assert_int_equal(st->gpr[CPU_RBX], 0x8000);
	assert_int_equal(st->rip, 0x100020);
	assert_int_equal(st->rflags, 2);
	assert_int_equal(st->seg[CPU_CS].base, 0);
	assert_int_equal(st->seg[CPU_CS].limit, UINT32_MAX);
	assert_int_equal(st->seg[CPU_CS].access, 0xc09b);
	assert_int_equal(st->seg[CPU_ES].access, 0xc093);
	assert_int_equal(st->seg[CPU_TR].base, 0);
	assert_int_equal(st->seg[CPU_TR].limit, 0x67);
	assert_int_equal(st->seg[CPU_TR].access, 0x8b);
}

static void linux32_entry_is_flat_32_bit_code_with_the_page_in_esi(void **state)
{
	struct cpu_state *st = entered(BOOT_MODE_LINUX32, 0x1000000, 0x7000);

	(void)state;
	assert_int_equal(st->cr0, 0x11);
	assert_int_equal(st->rip, 0x1000000);
	assert_int_equal(st->gpr[CPU_RSI], 0x7000);
	assert_int_equal(st->gpr[CPU_RBX] | st->gpr[CPU_RBP] | st->gpr[CPU_RDI],
			 0);
	assert_int_equal(st->seg[CPU_CS].selector, 0x10);
	assert_int_equal(st->seg[CPU_CS].access, 0xc09b);
	assert_int_equal(st->seg[CPU_DS].selector, 0x18);
	assert_int_equal(st->seg[CPU_SS].selector, 0x18);
	assert_int_equal(st->rflags, 2);
}

static void flat_entry_is_real_mode_in_its_own_segment(void **state)
{
	struct cpu_state *st = entered(BOOT_MODE_REAL, LAYOUT_FLAT_IMAGE, 0);

	(void)state;
	assert_int_equal(st->cr0, 0x10);
	assert_int_equal(st->seg[CPU_CS].selector, 0x1000);
	assert_int_equal(st->seg[CPU_CS].base, 0x10000);
	assert_int_equal(st->seg[CPU_CS].limit, 0xffff);
	assert_int_equal(st->seg[CPU_SS].selector, 0x1000);
	assert_int_equal(st->seg[CPU_SS].base, 0x10000);
	assert_int_equal(st->seg[CPU_GS].selector, 0x1000);
	assert_int_equal(st->rip, 0);
	assert_int_equal(st->gpr[CPU_RSP], 0xfff0);
	assert_int_equal(st->rflags, 2);
	assert_int_equal(st->idtr.limit, 0x3ff);
}

static void entry_finds_what_firmware_leaves_behind(void **state)
{
	struct cpu_state *st = entered(BOOT_MODE_LONG64, 0x1000200, 0x7000);

	(void)state;
	assert_int_equal(st->msr.mtrr_def_type, 0x806);
	assert_int_equal(xsave(st, 0) & 0xffff, 0x37f);
	assert_int_equal(xsave(st, 4) & 0xff, 0);
	assert_int_equal(lapic(st, 0xf0), 0x1ff);
	assert_int_equal(lapic(st, 0x350), 0x700);
	assert_int_equal(lapic(st, 0x360), 0x400);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(reset_starts_at_the_top_of_4_gib),
	cmocka_unit_test(reset_registers_are_those_of_table_9_1),
	cmocka_unit_test(reset_local_apic_is_disabled_and_masked),
	cmocka_unit_test(only_the_first_cpu_runs_and_is_the_bsp),
	cmocka_unit_test(long_entry_is_flat_64_bit_code_with_paging),
	cmocka_unit_test(pvh_entry_is_flat_32_bit_code_without_paging),
	cmocka_unit_test(
		linux32_entry_is_flat_32_bit_code_with_the_page_in_esi),
	cmocka_unit_test(flat_entry_is_real_mode_in_its_own_segment),
	cmocka_unit_test(entry_finds_what_firmware_leaves_behind),
};

UNIT_MAIN(tests)
