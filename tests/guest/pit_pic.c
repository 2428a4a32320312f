// SPDX-License-Identifier: MIT
/*
 * pit_pic.c - a guest without an IO-APIC driver: PIT channel 0 through the
 * PIC and the LINT0 of the first CPU.
 */
#include "tests/guest/lib/guest.h"

#define VECTOR 0x20

int guest_main(void)
{
	irq_setup();
	lapic_enable();
	mmio_write(LAPIC + 0x350, 0x700); /* LINT0: ExtINT */

	outb(0x20, 0x11); /* ICW1: edge, cascade, ICW4 */
	outb(0x21, VECTOR);
	outb(0x21, 4);
	outb(0x21, 3);	  /* 8086 mode, automatic EOI */
	outb(0x21, 0xfe); /* only IRQ0 */

	outb(0x43, 0x34); /* channel 0, rate generator */
	outb(0x40, 0x9c);
	outb(0x40, 0x2e); /* 100 Hz */
	expect(irq_wait(VECTOR, 3), "three ticks in a second");
	return 0;
}
