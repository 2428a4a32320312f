// SPDX-License-Identifier: MIT
/*
 * unclaimed.c - ports and addresses that nobody owns read all ones, ignore
 * writes and stop nothing.
 */
#include "tests/guest/lib/guest.h"

int guest_main(void)
{
	static uint8_t buf[16];
	void *p = buf;
	unsigned long n = 5;

	expect(inb(0x1234) == 0xff, "byte from an unclaimed port");
	expect(inl(0xfffc) == 0xffffffff, "dword from an unclaimed port");
	outb(0x1234, 0);
	outl(0xfffe, 0);
	asm volatile("rep insb" : "+D"(p), "+c"(n) : "d"(0x1234) : "memory");
	expect(buf[4] == 0xff && !buf[5], "five bytes by INS");

	expect(mmio_read(0xc8000000) == 0xffffffff, "an unclaimed address");
	mmio_write(0xc8000000, 1);
	expect(mmio_read(IOAPIC - 4) == 0xffffffff, "just below the IO-APIC");
	return 0;
}
