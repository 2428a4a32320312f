/* SPDX-License-Identifier: MIT */
/*
 * layout_x86.h - every guest-physical address, port and interrupt number of
 * the machine, once. man/minivmm-guest.7 shows the same map to guests.
 *
 *   0                 RAM: real-mode vectors, boot structures as below
 *   0x9fc00..0xfffff  RAM that e820 reserves; ACPI tables from 0xe0000
 *   0x100000          kernel
 *   .. 0xbfffffff     the end of low RAM, 3 GiB at most
 *   0xd0000000        virtio-mmio windows, 4 KiB each
 *   0xfec00000        IO-APIC
 *   0xfee00000        local APICs
 *   0x100000000       RAM above the hole
 */
#ifndef MINIVMM_MEMORY_LAYOUT_X86_H
#define MINIVMM_MEMORY_LAYOUT_X86_H

#include <stdint.h>

/* A guest-physical address. Never a pointer: ram_ptr() makes one of it. */
typedef uint64_t gpa_t;

/* RAM */
#define LAYOUT_RAM_MIN	 (1ull << 20)
#define LAYOUT_RAM_MAX	 (64ull << 30)
#define LAYOUT_HOLE_BASE 0xc0000000ull	/* low RAM ends here at the latest */
#define LAYOUT_HIGH_BASE 0x100000000ull /* RAM goes on here */
#define LAYOUT_CPUS_MAX	 64

/* Boot structures in low RAM, all below the EBDA */
#define LAYOUT_BOOT_GDT	   0x500ull
#define LAYOUT_BOOT_STACK  0x6ff0ull
#define LAYOUT_ZERO_PAGE   0x7000ull
#define LAYOUT_PVH_INFO	   0x8000ull  /* hvm_start_info, modules, memory map */
#define LAYOUT_PAGE_TABLES 0x9000ull  /* PML4, PDPT, 4 page directories */
#define LAYOUT_FLAT_IMAGE  0x10000ull /* --boot flat: 1000:0000, real mode */
#define LAYOUT_CMDLINE	   0x20000ull
#define LAYOUT_CMDLINE_MAX 0x10000ull
#define LAYOUT_SETUP_DATA  0x30000ull /* Linux: random seed, device tree */
#define LAYOUT_SETUP_END   0x90000ull
#define LAYOUT_EBDA	   0x9fc00ull /* e820: reserved from here to 1 MiB */
#define LAYOUT_ACPI	   0xe0000ull /* RSDP first: found by a scan too */
#define LAYOUT_ACPI_END	   0x100000ull
#define LAYOUT_KERNEL	   0x100000ull

/* The hole */
#define LAYOUT_VIRTIO_BASE  0xd0000000ull
#define LAYOUT_VIRTIO_SIZE  0x1000ull
#define LAYOUT_VIRTIO_SLOTS 48
#define LAYOUT_IOAPIC	    0xfec00000ull
#define LAYOUT_LAPIC	    0xfee00000ull
#define LAYOUT_KVM_TSS	    0xfffbd000ull /* Intel real mode needs 3 pages */
#define LAYOUT_KVM_IDMAP    0xfffbc000ull
#define LAYOUT_KVM_GATE	    0xfffb0000ull /* 5 pages, see kvm_gate.h */

/* Ports */
#define LAYOUT_PORT_PIC0       0x20
#define LAYOUT_PORT_PIT	       0x40
#define LAYOUT_PORT_I8042      0x60
#define LAYOUT_PORT_SPEAKER    0x61
#define LAYOUT_PORT_RTC	       0x70
#define LAYOUT_PORT_PIC1       0xa0
#define LAYOUT_PORT_DEBUG_EXIT 0xf4
#define LAYOUT_PORT_COM1       0x3f8
#define LAYOUT_PORT_ELCR       0x4d0
#define LAYOUT_PORT_PVPANIC    0x505
#define LAYOUT_PORT_ACPI_SLEEP 0x600 /* sleep control; status is next */
#define LAYOUT_PORT_ACPI_RESET 0x602 /* write 1: reset */

/* Global system interrupts: below 24 as on a PC, virtio above */
#define LAYOUT_GSI_PIT	  0 /* IO-APIC pin 2, see the MADT override */
#define LAYOUT_GSI_COM1	  4
#define LAYOUT_GSI_RTC	  8
#define LAYOUT_GSI_VIRTIO 24 /* slot n uses 24 + n */
#define LAYOUT_GSIS	  (LAYOUT_GSI_VIRTIO + LAYOUT_VIRTIO_SLOTS)
#define LAYOUT_IOAPIC_ID  0 /* local APIC ids start at 0 too: separate */

#endif
