// SPDX-License-Identifier: MIT
/*
 * fuzz_board.c - a guest that does anything to the chips and the board.
 *
 * The input is a list of steps: accesses to ports and to the IO-APIC (most of
 * them to addresses where something is), lines, acknowledgements, serial
 * input and time that passes. What the sink may rely on is checked all along.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/log.h"
#include "memory/bus.h"
#include "memory/irq.h"
#include "memory/layout_x86.h"
#include "vcpu/board/acpi_pm.h"
#include "vcpu/board/board.h"
#include "vcpu/board/debug_exit.h"
#include "vcpu/board/i8042.h"
#include "vcpu/board/pvpanic.h"
#include "vcpu/board/rtc.h"
#include "vcpu/board/uart.h"
#include "vcpu/irqchip/irqchip.h"
#include "vcpu/irqchip/pit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
	const uint8_t *data;
	size_t left;
	struct irq_sink sink;
	bool routed[LAYOUT_GSIS];
	bool intr;
	struct bus *bus;
	struct irqchip *chip;
	struct pit *pit;
	struct rtc *rtc;
	struct uart *uart;
	struct i8042 *i8042;
	struct acpi_pm *acpi_pm;
	struct debug_exit *debug_exit;
	struct pvpanic *pvpanic;
	uint64_t now;
	uint64_t pit_deadline;
	uint64_t rtc_deadline;
};

static void require(bool claim)
{
	if (!claim)
		abort();
}

/* The sink: what an engine may rely on */

static int sink_send(struct irq_sink *s, const struct msi_msg *m)
{
	(void)s;
	(void)m;
	abort(); /* there is a trigger() */
}

static void sink_route(struct irq_sink *s, unsigned int gsi,
		       const struct msi_msg *m)
{
	struct fuzz *f = container_of(s, struct fuzz, sink);

	require(gsi < LAYOUT_GSIS);
	require(m || f->routed[gsi]);
	require(!m || (m->addr & ~0xff00cull) == 0xfee00000);
	f->routed[gsi] = m;
}

static void sink_trigger(struct irq_sink *s, unsigned int gsi)
{
	struct fuzz *f = container_of(s, struct fuzz, sink);

	require(gsi < LAYOUT_GSIS && f->routed[gsi]);
}

static void sink_extint(struct irq_sink *s, bool asserted)
{
	struct fuzz *f = container_of(s, struct fuzz, sink);

	require(asserted != f->intr);
	f->intr = asserted;
}

static const struct irq_sink_ops sink_ops = {
	.send = sink_send,
	.route = sink_route,
	.trigger = sink_trigger,
	.extint = sink_extint,
};

/* The machine */

static uint64_t fuzz_now(void *ctx)
{
	return ((struct fuzz *)ctx)->now;
}

static uint64_t fuzz_wall(void *ctx)
{
	return 1793898489000000000ull + ((struct fuzz *)ctx)->now;
}

static void arm_pit(void *ctx, uint64_t deadline)
{
	((struct fuzz *)ctx)->pit_deadline = deadline;
}

static void arm_rtc(void *ctx, uint64_t deadline)
{
	struct fuzz *f = ctx;

	require(deadline > f->now);
	f->rtc_deadline = deadline;
}

static void uart_tx(void *ctx, const uint8_t *buf, size_t len)
{
	(void)ctx;
	require(buf && len == 1);
}

static void uart_ready(void *ctx)
{
	struct fuzz *f = ctx;

	require(uart_rx(f->uart, (const uint8_t *)"!", 1) == 1);
}

static void event(void *ctx)
{
	require(ctx);
}

static void event_exit(void *ctx, uint8_t status)
{
	(void)status;
	require(ctx);
}

static void create_chips(struct fuzz *f)
{
	const struct pit_params pit = {
		.irq = irqchip_line(f->chip, LAYOUT_GSI_PIT),
		.arm = arm_pit,
		.now = fuzz_now,
		.ctx = f,
	};
	const struct rtc_params rtc = {
		.irq = irqchip_line(f->chip, LAYOUT_GSI_RTC),
		.arm = arm_rtc,
		.now = fuzz_now,
		.wall = fuzz_wall,
		.ctx = f,
		.ram_low = 1u << 27,
	};
	const struct uart_params uart = {
		.port = LAYOUT_PORT_COM1,
		.irq = irqchip_line(f->chip, LAYOUT_GSI_COM1),
		.tx = uart_tx,
		.rx_ready = uart_ready,
		.ctx = f,
	};

	require(!pit_create(&f->pit, f->bus, &pit));
	require(!rtc_create(&f->rtc, f->bus, &rtc));
	require(!uart_create(&f->uart, f->bus, &uart));
}

static void create(struct fuzz *f)
{
	const struct board_events ev = { event, event, event_exit, event, f };

	f->sink.ops = &sink_ops;
	f->pit_deadline = UINT64_MAX;
	f->rtc_deadline = UINT64_MAX;
	require(!bus_create(&f->bus));
	require(!irqchip_create(&f->chip, f->bus));
	f->intr = true; /* connect tells the level, whatever it is */
	irqchip_connect(f->chip, &f->sink);
	create_chips(f);
	require(!i8042_create(&f->i8042, f->bus, &ev));
	require(!acpi_pm_create(&f->acpi_pm, f->bus, &ev));
	require(!debug_exit_create(&f->debug_exit, f->bus, &ev));
	require(!pvpanic_create(&f->pvpanic, f->bus, &ev));
}

static void destroy(struct fuzz *f)
{
	pvpanic_destroy(f->pvpanic);
	debug_exit_destroy(f->debug_exit);
	acpi_pm_destroy(f->acpi_pm);
	i8042_destroy(f->i8042);
	uart_destroy(f->uart);
	rtc_destroy(f->rtc);
	pit_destroy(f->pit);
	irqchip_connect(f->chip, NULL);
	irqchip_destroy(f->chip);
	bus_destroy(f->bus);
}

/* The input; zeroes after its end */

static uint64_t take(struct fuzz *f, size_t len)
{
	uint64_t val = 0;
	size_t n = min_u64(len, f->left);

	memcpy(&val, f->data, n);
	f->data += n;
	f->left -= n;
	return val;
}

static uint64_t take_port(struct fuzz *f)
{
	static const struct {
		uint16_t base, size;
	} ranges[] = {
		{ LAYOUT_PORT_PIC0 - 1, 4 },
		{ LAYOUT_PORT_PIT - 1, 6 },
		{ LAYOUT_PORT_I8042, 6 },
		{ LAYOUT_PORT_RTC, 2 },
		{ LAYOUT_PORT_PIC1 - 1, 4 },
		{ LAYOUT_PORT_DEBUG_EXIT - 1, 6 },
		{ LAYOUT_PORT_COM1, 8 },
		{ LAYOUT_PORT_ELCR - 1, 4 },
		{ LAYOUT_PORT_PVPANIC - 1, 3 },
		{ LAYOUT_PORT_ACPI_SLEEP - 1, 5 },
		{ 0, UINT16_MAX },
	};
	unsigned int which = take(f, 1) % ARRAY_SIZE(ranges);
	unsigned int off = take(f, ranges[which].size > 255 ? 2 : 1);

	return ranges[which].base + off % ranges[which].size;
}

/* The width of an access; mostly the usual one. */
static unsigned int take_len(struct fuzz *f, unsigned int usual)
{
	unsigned int how = take(f, 1);

	return how < 224 ? usual : 1u << (how & 3);
}

/* The timers of a machine that is never late. */
static void pass_time(struct fuzz *f, uint64_t ns)
{
	uint64_t end = f->now + ns, due;
	unsigned int calls = 0;

	for (;;) {
		due = min_u64(f->pit_deadline, f->rtc_deadline);
		if (due > end)
			break;
		/* Neither fires more often than its shortest period. */
		require(++calls <= 2 * ns / PIT_PERIOD_MIN_NS + 4);
		f->now = max_u64(f->now, due);
		if (due == f->pit_deadline) {
			f->pit_deadline = UINT64_MAX;
			pit_expired(f->pit);
		} else {
			f->rtc_deadline = UINT64_MAX;
			rtc_expired(f->rtc);
		}
	}
	f->now = end;
}

static void acknowledge(struct fuzz *f)
{
	bool intr = f->intr;
	int vector = irqchip_ack_pic(f->chip);

	require(intr == (vector >= 0));
	require(vector <= 0xff);
}

static void ioapic_register(struct fuzz *f)
{
	unsigned int reg = take(f, 1);

	bus_write(f->bus, BUS_MMIO, LAYOUT_IOAPIC, 4, reg);
	bus_write(f->bus, BUS_MMIO, LAYOUT_IOAPIC + 0x10, 4, take(f, 4));
	bus_read(f->bus, BUS_MMIO, LAYOUT_IOAPIC + 0x10, 4);
}

static void receive(struct fuzz *f)
{
	uint8_t buf[20] = { 0 };
	size_t len = take(f, 1) % sizeof(buf);

	require(uart_rx(f->uart, buf, len) <= min_u64(len, 16));
}

static void step(struct fuzz *f)
{
	unsigned int len, what = take(f, 1);
	uint64_t addr;

	switch (what % 10) {
	case 0:
	case 1:
	case 2:
		addr = take_port(f);
		len = take_len(f, 1);
		bus_write(f->bus, BUS_PIO, addr, len, take(f, len));
		break;
	case 3:
		addr = take_port(f);
		bus_read(f->bus, BUS_PIO, addr, take_len(f, 1));
		break;
	case 4:
		ioapic_register(f);
		break;
	case 5:
		addr = LAYOUT_IOAPIC + take(f, 1);
		len = take_len(f, 4);
		bus_write(f->bus, BUS_MMIO, addr, len, take(f, len));
		bus_read(f->bus, BUS_MMIO, addr, len);
		break;
	case 6:
		addr = take(f, 1);
		irq_set(irqchip_line(f->chip, addr % LAYOUT_GSIS), addr >> 7);
		break;
	case 7:
		acknowledge(f);
		irqchip_eoi(f->chip, take(f, 1));
		break;
	case 8:
		receive(f);
		break;
	case 9:
		pass_time(f, take(f, 1 + what / 10 % 4));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { .data = data, .left = size, .now = 1000000 };

	log_set_level(LOG_LEVEL_ERR);
	create(&f);
	while (f.left)
		step(&f);
	pass_time(&f, 3000000);
	destroy(&f);
	return 0;
}
