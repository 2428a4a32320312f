// SPDX-License-Identifier: MIT
/*
 * uart_echo.c - echoes what arrives by interrupt until a 'q'; the interrupt
 * goes through the IO-APIC.
 */
#include "tests/guest/lib/guest.h"

#define VECTOR 0x44

/* Somebody has to type it. */
static bool wait_for(uint32_t count)
{
	for (int seconds = 0; seconds < 60; seconds++)
		if (irq_wait(VECTOR, count))
			return true;
	return false;
}

int guest_main(void)
{
	uint32_t seen = 0;
	uint8_t c;

	irq_setup();
	ioapic_route(4, VECTOR, (uint8_t)lapic_enable());
	outb(PORT_COM1 + 2, 1); /* FIFO on */
	outb(PORT_COM1 + 4, 8); /* OUT2: the line is connected */
	outb(PORT_COM1 + 1, 1); /* interrupt on received data */
	put_text("ready\n");

	for (;;) {
		expect(wait_for(seen + 1), "a receive interrupt");
		seen = irq_count[VECTOR];
		while (inb(PORT_COM1 + 5) & 1) {
			c = inb(PORT_COM1);
			put_char((char)c);
			if (c == 'q')
				return 0;
		}
	}
}
