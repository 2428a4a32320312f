// SPDX-License-Identifier: MIT
/*
 * ioapic_mask.c - an edge that comes while its pin is masked is delivered
 * when the pin is unmasked.
 */
#include "tests/guest/lib/guest.h"

#define VECTOR 0x51

int guest_main(void)
{
	uint8_t id;

	irq_setup();
	id = (uint8_t)lapic_enable();
	outb(PORT_COM1 + 4, 8);
	ioapic_mask(4);
	outb(PORT_COM1 + 1, 2); /* transmitter empty: pending at once */
	expect(irq_count[VECTOR] == 0, "nothing while masked");
	ioapic_route(4, VECTOR, id);
	expect(irq_wait(VECTOR, 1), "the latched edge");
	return 0;
}
