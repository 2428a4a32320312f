// SPDX-License-Identifier: MIT
/*
 * smp.c - INIT and SIPI start the other CPUs, each counts once.
 */
#include "tests/guest/lib/guest.h"

#define TRAMPOLINE 0x8000ul
#define ICR_LO	   0x300
#define ALL_OTHERS 0xc0000
#define CPUS	   4

/* In RAM that nothing else uses, within reach of a real-mode segment 0 */
#define FLAG 0xf800ul

static const uint8_t code[] = {
	0xfa,			      /* cli */
	0x31, 0xc0,		      /* xor ax, ax */
	0x8e, 0xd8,		      /* mov ds, ax */
	0xf0, 0xfe, 0x06, 0x00, 0xf8, /* lock inc byte [FLAG] */
	0xf4,			      /* hlt */
	0xeb, 0xfd,		      /* jmp to the hlt */
};

int guest_main(void)
{
	volatile uint8_t *flag = (volatile uint8_t *)FLAG;
	uint64_t until;
	size_t i;

	*flag = 0;
	for (i = 0; i < sizeof(code); i++)
		((volatile uint8_t *)TRAMPOLINE)[i] = code[i];

	lapic_enable();
	mmio_write(LAPIC + ICR_LO, ALL_OTHERS | 0x4500); /* INIT */
	mmio_write(LAPIC + ICR_LO, ALL_OTHERS | 0x4600 | TRAMPOLINE >> 12);
	until = rdtsc() + 8000000000ull;
	while (*flag < CPUS - 1 && rdtsc() < until)
		asm volatile("pause");
	put_hex(*flag);
	put_text(" CPUs started\n");
	return *flag == CPUS - 1 ? 0 : 1;
}
