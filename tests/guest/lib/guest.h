/* SPDX-License-Identifier: MIT */
/*
 * guest.h - what a tiny test guest has: ports, a serial line, interrupts and
 * an exit status.
 *
 * Guests are ELF64 images without any OS, entered in 64-bit mode with the
 * first 4 GiB mapped. Status 0 is a pass. They may run on an engine that
 * emulates ring 0 at a million instructions a second: keep loops short.
 */
#ifndef MINIVMM_TESTS_GUEST_LIB_GUEST_H
#define MINIVMM_TESTS_GUEST_LIB_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_COM1	0x3f8
#define PORT_DEBUG_EXIT 0xf4
#define LAPIC		0xfee00000ul
#define IOAPIC		0xfec00000ul
#define VIRTIO_WINDOW	0xd0000000ul
#define VIRTIO_GSI	24

static inline void outb(uint16_t port, uint8_t v)
{
	asm volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	asm volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t mmio_read(uintptr_t addr)
{
	uint32_t v;

	asm volatile("movl (%1), %0" : "=r"(v) : "r"(addr) : "memory");
	return v;
}

static inline void mmio_write(uintptr_t addr, uint32_t v)
{
	asm volatile("movl %0, (%1)" : : "r"(v), "r"(addr) : "memory");
}

static inline uint64_t rdmsr(uint32_t index)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(index));
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t index, uint64_t v)
{
	asm volatile("wrmsr"
		     :
		     : "a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(index));
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static inline void sti_hlt_cli(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

static inline void barrier(void)
{
	asm volatile("" : : : "memory");
}

/* RSI at entry: the zero page. */
extern uint64_t boot_info;

/* The test's main; its result is the exit status. */
int guest_main(void);

/* End with @status through the debug-exit port. */
__attribute__((noreturn)) void guest_exit(uint8_t status);

void put_char(char c);
void put_text(const char *s);
void put_hex(uint64_t v);

/* End with status 1 and "FAIL: what" on the serial line, unless @ok. */
void expect(bool ok, const char *what);

/*
 * Load an IDT whose vector @v counts in irq_count[@v] and ends the interrupt
 * at the local APIC; all other vectors do the same. Exceptions (below 32)
 * end the guest with status 99.
 */
void irq_setup(void);
extern volatile uint32_t irq_count[256];

/* Software-enable the local APIC of this CPU; returns its id. */
uint32_t lapic_enable(void);

/*
 * Start all other CPUs, in 64-bit mode, in @fn; its argument counts them from
 * 0. Returns how many there are within about a second of waiting for @nr (7
 * at most). A CPU that returns from @fn is halted.
 */
uint32_t ap_start(void (*fn)(uint32_t n), uint32_t nr);

/* Route @gsi of the IO-APIC to @vector on APIC @dest, edge, unmasked. */
void ioapic_route(uint32_t gsi, uint8_t vector, uint8_t dest);
void ioapic_mask(uint32_t gsi);

/*
 * Wait (halted) until irq_count[vector] reaches @count, for about a second at
 * most; true when it did.
 */
bool irq_wait(uint8_t vector, uint32_t count);

#endif
