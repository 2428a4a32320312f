/* SPDX-License-Identifier: MIT */
/*
 * x86_native.h - run user-level code on the real CPU with every register
 * given, and get every register back: the oracle of the semantics' tests.
 *
 * How it works. x86_native_run() loads the registers and jumps to code at
 * X86_NATIVE_CODE, behind which is a jump back. A fault is caught as a signal, its
 * registers are taken from the signal frame. The code may use the pages at
 * X86_NATIVE_DATA; the pages around them are not mapped.
 *
 * Not reentrant: signals and addresses are the process's.
 */
#ifndef MINIVMM_TESTS_UNIT_X86_NATIVE_H
#define MINIVMM_TESTS_UNIT_X86_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

#define X86_NATIVE_CODE	 0x10000000ull
#define X86_NATIVE_DATA	 0x20000000ull
#define X86_NATIVE_PAGES 4u /* of data */
#define X86_NATIVE_BYTES (X86_NATIVE_PAGES * 4096u)
#define X86_NATIVE_NONE	 -1 /* no fault */

struct x86_native {
	_Alignas(64) uint8_t fx[512];
	uint64_t gpr[16];
	uint64_t rip; /* where it stopped */
	uint64_t rflags;
	int vector; /* of the fault, or X86_NATIVE_NONE */
};

/* Map code and data. 0, or -1 when the addresses are taken. */
int x86_native_init(void);

/* Run @len bytes of @code (at most 256) with *st, replaced by the result. */
void x86_native_run(struct x86_native *st, const uint8_t *code,
		    unsigned int len);

/* The data pages, as the code sees them. */
uint8_t *x86_native_data(void);

/* Does this process have something at @addr? Then code could reach it. */
bool x86_native_mapped(uint64_t addr);

#endif
