// SPDX-License-Identifier: MIT
/*
 * test_x86_mmu.c - page walks: accessed and dirty bits, and who hears of them.
 */
#include <stdlib.h>

#include "base/checked.h"
#include "memory/bus.h"
#include "memory/ram.h"
#include "tests/unit/unit.h"
#include "vcpu/x86/mmu.h"

#define LIN   0x40201000ull
#define PAGE  0x9000ull
#define PTE_A 0x20
#define PTE_D 0x40

/* The tables of LIN, root first, and the entry of LIN in each. */
static const gpa_t entries[] = { 0x1000, 0x2008, 0x3008, 0x4008 };

struct bench {
	struct ram *ram;
	struct bus *bus;
	struct x86_cpu *cpu;
	gpa_t told[8];
	uint64_t seen[8]; /* the entry in that page when it was told */
	unsigned int nr_told;
};

static void note_page(struct x86_cpu *cpu, gpa_t gpa)
{
	struct bench *b = cpu->env_ctx;
	unsigned int i;

	assert_true(b->nr_told < ARRAY_SIZE(b->told));
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		if ((entries[i] & ~0xfffull) == gpa)
			ram_read(b->ram, entries[i], &b->seen[b->nr_told], 8);
	b->told[b->nr_told++] = gpa;
}

static const struct x86_env_ops env = { .write_page = note_page };

static uint64_t entry(const struct bench *b, unsigned int i)
{
	uint64_t v;

	assert_int_equal(ram_read(b->ram, entries[i], &v, 8), 0);
	return v;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	unsigned int i;

	*state = b;
	if (ram_create(&b->ram, 1 << 20) || bus_create(&b->bus) ||
	    posix_memalign((void **)&b->cpu, 64, sizeof(*b->cpu)))
		return -1;
	x86_cpu_init(b->cpu, b->ram, b->bus, &env, b);
	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		uint64_t to = i == 3 ? PAGE : entries[i + 1] & ~0xfffull;

		to |= 7;
		ram_write(b->ram, entries[i], &to, 8);
	}
	b->cpu->st.cr0 = X86_CR0_PG | X86_CR0_PE;
	b->cpu->st.cr3 = 0x1000;
	b->cpu->st.cr4 = X86_CR4_PAE;
	b->cpu->st.efer = X86_EFER_LME | X86_EFER_LMA;
	b->cpu->long_mode = true;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	free(b->cpu);
	bus_destroy(b->bus);
	ram_destroy(b->ram);
	free(b);
	return 0;
}

static gpa_t translate(struct bench *b, unsigned int access)
{
	uint32_t error;
	gpa_t gpa;

	assert_int_equal(x86_translate(b->cpu, LIN + 5, access, &gpa, &error),
			 0);
	return gpa;
}

static void a_read_sets_accessed_in_every_entry(void **state)
{
	struct bench *b = *state;
	unsigned int i;

	assert_int_equal(translate(b, 0), PAGE + 5);
	for (i = 0; i < 4; i++)
		assert_int_equal(entry(b, i) & (PTE_A | PTE_D), PTE_A);
}

static void a_write_sets_dirty_in_the_last_entry_only(void **state)
{
	struct bench *b = *state;

	assert_int_equal(translate(b, X86_ACC_WRITE), PAGE + 5);
	assert_int_equal(entry(b, 2) & PTE_D, 0);
	assert_int_equal(entry(b, 3) & PTE_D, PTE_D);
}

static void a_page_table_is_told_after_it_has_changed(void **state)
{
	struct bench *b = *state;
	unsigned int i;

	translate(b, X86_ACC_WRITE);
	assert_int_equal(b->nr_told, 4);
	for (i = 0; i < 4; i++)
		assert_int_equal(b->seen[i] & PTE_A, PTE_A);
	assert_int_equal(b->seen[3] & PTE_D, PTE_D);
}

static void every_page_table_that_changes_is_told(void **state)
{
	struct bench *b = *state;
	unsigned int i;

	translate(b, 0);
	assert_int_equal(b->nr_told, 4);
	for (i = 0; i < 4; i++)
		assert_int_equal(b->told[i], entries[i] & ~0xfffull);

	translate(b, 0);
	assert_int_equal(b->nr_told, 4); /* nothing changed */
	translate(b, X86_ACC_WRITE);
	assert_int_equal(b->nr_told, 5); /* D, in the last one */
	assert_int_equal(b->told[4], 0x4000);
}

static void a_walk_that_is_refused_changes_nothing(void **state)
{
	struct bench *b = *state;
	uint64_t none = 0;
	uint32_t error = 99;
	gpa_t gpa;

	ram_write(b->ram, entries[3], &none, 8);
	assert_int_equal(
		x86_translate(b->cpu, LIN, X86_ACC_WRITE, &gpa, &error), -1);
	assert_int_equal(error, X86_ACC_WRITE);
	assert_int_equal(b->nr_told, 0);
	assert_int_equal(entry(b, 0) & PTE_A, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_read_sets_accessed_in_every_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_write_sets_dirty_in_the_last_entry_only, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			every_page_table_that_changes_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_page_table_is_told_after_it_has_changed, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_walk_that_is_refused_changes_nothing, setup,
			teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
