// SPDX-License-Identifier: MIT
/*
 * guest.c - serial line, exit status and interrupts of a tiny test guest.
 */
#include "tests/guest/lib/guest.h"

#define LAPIC_ID  0x20
#define LAPIC_SVR 0xf0
#define LAPIC_ICR 0x300

/* LAPIC_ICR: to all but self; and the two messages that start a CPU */
#define ICR_OTHERS 0xc0000
#define ICR_INIT   0x4500
#define ICR_SIPI   0x4600

/* ap.S */
#define AP_PAGE 0x8000ul
extern const uint8_t ap_code[], ap_code_end[];
extern volatile uint32_t ap_count;
extern void (*volatile ap_function)(uint32_t n);

struct gate {
	uint16_t offset_lo, selector, attributes, offset_mid;
	uint32_t offset_hi, reserved;
};

extern char irq_entry[]; /* interrupts.S: vector v at 16 * v */

volatile uint32_t irq_count[256];
static struct gate idt[256];

void guest_exit(uint8_t status)
{
	outb(PORT_DEBUG_EXIT, status);
	for (;;)
		asm volatile("cli; hlt");
}

void put_char(char c)
{
	outb(PORT_COM1, (uint8_t)c);
}

void put_text(const char *s)
{
	while (*s)
		put_char(*s++);
}

void put_hex(uint64_t v)
{
	int shift = 60;

	while (shift && !(v >> shift & 0xf))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put_char("0123456789abcdef"[v >> shift & 0xf]);
}

void expect(bool ok, const char *what)
{
	if (ok)
		return;
	put_text("FAIL: ");
	put_text(what);
	put_char('\n');
	guest_exit(1);
}

void irq_setup(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = { sizeof(idt) - 1, (uint64_t)idt };
	uint16_t cs;
	int v;

	asm volatile("mov %%cs, %0" : "=r"(cs));
	for (v = 0; v < 256; v++) {
		uint64_t entry = (uint64_t)irq_entry + 16u * (unsigned int)v;

		idt[v] = (struct gate){
			.offset_lo = (uint16_t)entry,
			.selector = cs,
			.attributes = 0x8e00, /* present interrupt gate */
			.offset_mid = (uint16_t)(entry >> 16),
			.offset_hi = (uint32_t)(entry >> 32),
		};
	}
	asm volatile("lidt %0" : : "m"(idtr));
}

uint32_t lapic_enable(void)
{
	mmio_write(LAPIC + LAPIC_SVR, 0x1ff);
	return mmio_read(LAPIC + LAPIC_ID) >> 24;
}

uint32_t ap_start(void (*fn)(uint32_t n), uint32_t nr)
{
	uint64_t until = rdtsc() + 4000000000ull;
	size_t i;

	for (i = 0; i < (size_t)(ap_code_end - ap_code); i++)
		((volatile uint8_t *)AP_PAGE)[i] = ap_code[i];
	ap_function = fn;
	lapic_enable();
	mmio_write(LAPIC + LAPIC_ICR, ICR_OTHERS | ICR_INIT);
	mmio_write(LAPIC + LAPIC_ICR, ICR_OTHERS | ICR_SIPI | AP_PAGE >> 12);
	while (ap_count < nr && rdtsc() < until)
		asm volatile("pause");
	return ap_count;
}

static void ioapic_write(uint32_t reg, uint32_t v)
{
	mmio_write(IOAPIC, reg);
	mmio_write(IOAPIC + 0x10, v);
}

void ioapic_route(uint32_t gsi, uint8_t vector, uint8_t dest)
{
	ioapic_write(0x10 + 2 * gsi + 1, (uint32_t)dest << 24);
	ioapic_write(0x10 + 2 * gsi, vector);
}

void ioapic_mask(uint32_t gsi)
{
	ioapic_write(0x10 + 2 * gsi, 1u << 16);
}

bool irq_wait(uint8_t vector, uint32_t count)
{
	/* A one-second one-shot of the APIC timer ends the halt. */
	mmio_write(LAPIC + 0x3e0, 0xb); /* divide by 1 */
	mmio_write(LAPIC + 0x320, 0xfe);
	mmio_write(LAPIC + 0x380, 1000000000);
	irq_count[0xfe] = 0;
	while (irq_count[vector] < count && !irq_count[0xfe])
		sti_hlt_cli();
	mmio_write(LAPIC + 0x380, 0);
	return irq_count[vector] >= count;
}
