// SPDX-License-Identifier: MIT
/*
 * entry_state.c - the 64-bit entry is as the boot protocol says: RSI has the
 * zero page, interrupts are off, 4 GiB are mapped, the e820 map is there.
 */
#include "tests/guest/lib/guest.h"

int guest_main(void)
{
	uint64_t zero_page = boot_info, flags;

	asm volatile("pushf; pop %0" : "=r"(flags));
	expect(zero_page == 0x7000, "RSI is the zero page");
	expect(!(flags & 0x200), "interrupts are off");
	expect(*(uint32_t *)(zero_page + 0x202) == 0x53726448,
	       "HdrS in the zero page");
	expect(*(uint8_t *)(zero_page + 0x1e8) >= 3, "e820 entries");
	expect(*(uint8_t *)(zero_page + 0x210) == 0xff, "loader type");
	mmio_read(IOAPIC); /* mapped: no page fault */
	return 0;
}
