// SPDX-License-Identifier: MIT
/*
 * test_host_tsc.c - what CPUID says of the TSC, and what measuring finds.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "vcpu/x86/host_tsc.h"

/* Leaves of made-up hosts; those not named are zero. */

static void bare(uint32_t leaf, uint32_t out[4])
{
	memset(out, 0, 16);
	if (leaf == 0)
		out[0] = 0x14;
}

static void crystal(uint32_t leaf, uint32_t out[4])
{
	memset(out, 0, 16);
	if (leaf == 0)
		out[0] = 0x15;
	if (leaf == 0x15)
		memcpy(out, (uint32_t[4]){ 2, 216, 24000000, 0 }, 16);
}

static void no_crystal(uint32_t leaf, uint32_t out[4])
{
	memset(out, 0, 16);
	if (leaf == 0)
		out[0] = 0x16;
	if (leaf == 0x15)
		memcpy(out, (uint32_t[4]){ 2, 216, 0, 0 }, 16);
	if (leaf == 0x16)
		memcpy(out, (uint32_t[4]){ 0xffff0a28, 3000, 100, 0 }, 16);
}

static void ratio_only(uint32_t leaf, uint32_t out[4])
{
	no_crystal(leaf, out);
	if (leaf == 0)
		out[0] = 0x15;
}

static void hypervisor(uint32_t leaf, uint32_t out[4], const char *name,
		       uint32_t max, uint32_t khz)
{
	crystal(leaf, out);
	if (leaf == 1)
		out[2] = 1u << 31;
	if (leaf == 0x40000000) {
		out[0] = max;
		memcpy(&out[1], name, 12);
	}
	if (leaf == 0x40000010)
		out[0] = khz;
}

static void kvm(uint32_t leaf, uint32_t out[4])
{
	hypervisor(leaf, out, "KVMKVMKVM\0\0", 0x40000010, 2596132);
}

static void kvm_without_the_leaf(uint32_t leaf, uint32_t out[4])
{
	hypervisor(leaf, out, "KVMKVMKVM\0\0", 0x40000001, 2596132);
}

static void vmware(uint32_t leaf, uint32_t out[4])
{
	hypervisor(leaf, out, "VMwareVMware", 0x40000010, 3000000);
}

static void other_hypervisor(uint32_t leaf, uint32_t out[4])
{
	hypervisor(leaf, out, "Microsoft Hv", 0x40000082, 3000000);
}

static void nonsense(uint32_t leaf, uint32_t out[4])
{
	hypervisor(leaf, out, "KVMKVMKVM\0\0", 0x40000010, 7);
	if (leaf == 0x15)
		memcpy(out, (uint32_t[4]){ 1, 0xffffffff, 0xffffffff, 0 }, 16);
}

static void pretender(uint32_t leaf, uint32_t out[4])
{
	kvm(leaf, out);
	if (leaf == 1)
		out[2] = 0;
}

static void leaves_that_say_nothing_give_0(void **state)
{
	(void)state;
	assert_int_equal(x86_host_tsc_khz_cpuid(bare), 0);
	assert_int_equal(x86_host_tsc_khz_cpuid(ratio_only), 0);
	assert_int_equal(x86_host_tsc_khz_cpuid(nonsense), 0);
}

static void crystal_and_ratio_give_the_frequency(void **state)
{
	(void)state;
	assert_int_equal(x86_host_tsc_khz_cpuid(crystal), 2592000);
	assert_int_equal(x86_host_tsc_khz_cpuid(no_crystal), 2600000);
}

static void timing_leaf_counts_under_its_hypervisors_only(void **state)
{
	(void)state;
	assert_int_equal(x86_host_tsc_khz_cpuid(kvm), 2596132);
	assert_int_equal(x86_host_tsc_khz_cpuid(vmware), 3000000);
	assert_int_equal(x86_host_tsc_khz_cpuid(kvm_without_the_leaf), 2592000);
	assert_int_equal(x86_host_tsc_khz_cpuid(other_hypervisor), 2592000);
	assert_int_equal(x86_host_tsc_khz_cpuid(pretender), 2592000);
}

/* The best of a few: somebody may hold both CPUs for a while. */
static void measuring_twice_agrees_within_a_permille(void **state)
{
	uint64_t a, b;

	(void)state;
	for (int i = 0; i < 5; i++) {
		a = x86_host_tsc_khz_measure(10000);
		b = x86_host_tsc_khz_measure(20000);
		assert_true(a > 0);
		if (a < b + b / 1000 && b < a + a / 1000)
			return;
	}
	fail_msg("%llu and %llu kHz", (unsigned long long)a,
		 (unsigned long long)b);
}

static void frequency_of_this_host_is_what_it_measures(void **state)
{
	uint64_t said = x86_host_tsc_khz(), measured;

	(void)state;
	for (int i = 0; i < 5; i++) {
		measured = x86_host_tsc_khz_measure(10000);
		if (said < measured + measured / 100 &&
		    measured < said + said / 100)
			return;
	}
	fail_msg("%llu, measured %llu kHz", (unsigned long long)said,
		 (unsigned long long)measured);
}

/* 50 ppm are promised; 1,000 leave room for a clock that is being slewed. */
static void a_short_measurement_is_exact(void **state)
{
	uint64_t said, measured;

	(void)state;
	if (x86_host_tsc_khz_cpuid(x86_host_cpuid))
		skip(); /* not measured here */
	for (int i = 0; i < 5; i++) {
		said = x86_host_tsc_khz();
		measured = x86_host_tsc_khz_measure(50000);
		if (said < measured + measured / 1000 &&
		    measured < said + said / 1000)
			return;
	}
	fail_msg("%llu, measured %llu kHz", (unsigned long long)said,
		 (unsigned long long)measured);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(leaves_that_say_nothing_give_0),
	cmocka_unit_test(crystal_and_ratio_give_the_frequency),
	cmocka_unit_test(timing_leaf_counts_under_its_hypervisors_only),
	cmocka_unit_test(measuring_twice_agrees_within_a_permille),
	cmocka_unit_test(frequency_of_this_host_is_what_it_measures),
	cmocka_unit_test(a_short_measurement_is_exact),
};

UNIT_MAIN(tests)
