/* SPDX-License-Identifier: MIT */
/*
 * unit.h - what every unit test includes: cmocka, and TAP as its output.
 *
 * A test's name is a claim: "ram_ptr_refuses_range_past_end".
 */
#ifndef MINIVMM_TESTS_UNIT_UNIT_H
#define MINIVMM_TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* main() of a test program: 0 when all passed. */
#define UNIT_MAIN(tests)                                                  \
	int main(void)                                                    \
	{                                                                 \
		cmocka_set_message_output(CM_OUTPUT_TAP);                 \
		return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0; \
	}

#endif
