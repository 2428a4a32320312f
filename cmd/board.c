// SPDX-License-Identifier: MIT
/*
 * board.c - the fixed-port devices of the machine, wired together.
 */
#include "cmd/board.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "cmd/alarm.h"
#include "memory/irq.h"
#include "memory/layout_x86.h"
#include "memory/ram.h"
#include "vcpu/board/acpi_pm.h"
#include "vcpu/board/debug_exit.h"
#include "vcpu/board/i8042.h"
#include "vcpu/board/pvpanic.h"
#include "vcpu/board/rtc.h"
#include "vcpu/board/uart.h"
#include "vcpu/irqchip/irqchip.h"
#include "vcpu/irqchip/pit.h"
#include "vcpu/vtime.h"
#include "virtio/backend/chr.h"

struct board {
	struct vtime *vtime;
	struct pit *pit;
	struct uart *uart;
	struct rtc *rtc;
	struct i8042 *i8042;
	struct acpi_pm *acpi_pm;
	struct debug_exit *debug_exit;
	struct pvpanic *pvpanic;
	struct alarm pit_alarm;
	struct alarm rtc_alarm;
};

static void pit_arm(void *board, uint64_t deadline_ns)
{
	struct board *b = board;

	alarm_set(&b->pit_alarm, deadline_ns);
}

static void on_pit_expired(void *board)
{
	struct board *b = board;

	pit_expired(b->pit);
}

static void rtc_arm(void *board, uint64_t deadline_ns)
{
	struct board *b = board;

	alarm_set(&b->rtc_alarm, deadline_ns);
}

static void on_rtc_expired(void *board)
{
	struct board *b = board;

	rtc_expired(b->rtc);
}

static uint64_t virtual_now(void *board)
{
	const struct board *b = board;

	return vtime_now(b->vtime);
}

static uint64_t virtual_wall(void *board)
{
	const struct board *b = board;

	return vtime_wall(b->vtime);
}

static int create_clocks(struct board *b, const struct board_params *p)
{
	const struct pit_params pit = {
		.irq = irqchip_line(p->chip, LAYOUT_GSI_PIT),
		.arm = pit_arm,
		.now = b->vtime ? virtual_now : NULL,
		.ctx = b,
	};
	const struct rtc_params rtc = {
		.irq = irqchip_line(p->chip, LAYOUT_GSI_RTC),
		.arm = rtc_arm,
		.now = b->vtime ? virtual_now : NULL,
		.wall = b->vtime ? virtual_wall : NULL,
		.ctx = b,
		.ram_low = ram_region(p->ram, 0)->size,
		.ram_high = ram_size(p->ram) - ram_region(p->ram, 0)->size,
	};
	int err;

	alarm_init(&b->pit_alarm, p->loop, p->vtime, "pit", on_pit_expired, b);
	alarm_init(&b->rtc_alarm, p->loop, p->vtime, "rtc", on_rtc_expired, b);
	err = pit_create(&b->pit, p->bus, &pit);
	return err ? err : rtc_create(&b->rtc, p->bus, &rtc);
}

/* The serial cable: COM1 at one end, a stream of the host at the other. */

static void serial_tx(void *stream, const uint8_t *buf, size_t len)
{
	chr_write(stream, buf, len);
}

static void serial_rx_ready(void *stream)
{
	chr_resume(stream);
}

static size_t serial_input(void *uart, const uint8_t *buf, size_t len)
{
	return uart_rx(uart, buf, len);
}

static int create_uart(struct board *b, const struct board_params *p)
{
	const struct uart_params uart = {
		.port = LAYOUT_PORT_COM1,
		.irq = irqchip_line(p->chip, LAYOUT_GSI_COM1),
		.tx = serial_tx,
		.rx_ready = serial_rx_ready,
		.ctx = p->serial,
	};
	struct chr_events events = { .input = serial_input };
	int err = uart_create(&b->uart, p->bus, &uart);

	if (err)
		return err;
	events.ctx = b->uart;
	chr_attach(p->serial, &events);
	return 0;
}

int board_create(struct board **out, const struct board_params *p)
{
	struct board *b;
	int err;

	*out = NULL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;

	b->vtime = p->vtime;
	err = create_clocks(b, p);
	if (!err)
		err = create_uart(b, p);
	if (!err)
		err = i8042_create(&b->i8042, p->bus, &p->events);
	if (!err)
		err = acpi_pm_create(&b->acpi_pm, p->bus, &p->events);
	if (!err)
		err = debug_exit_create(&b->debug_exit, p->bus, &p->events);
	if (!err)
		err = pvpanic_create(&b->pvpanic, p->bus, &p->events);
	if (err) {
		board_destroy(b);
		return err;
	}
	*out = b;
	return 0;
}

void board_destroy(struct board *b)
{
	if (!b)
		return;
	pvpanic_destroy(b->pvpanic);
	debug_exit_destroy(b->debug_exit);
	acpi_pm_destroy(b->acpi_pm);
	i8042_destroy(b->i8042);
	uart_destroy(b->uart);
	rtc_destroy(b->rtc);
	pit_destroy(b->pit);
	free(b);
}
