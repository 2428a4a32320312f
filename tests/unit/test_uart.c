// SPDX-License-Identifier: MIT
/*
 * test_uart.c - the 16550A as drivers use it, and as they should not.
 */
#include "tests/unit/chips.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/thread.h"
#include "memory/layout_x86.h"
#include "vcpu/board/uart.h"

#define P   LAYOUT_PORT_COM1
#define RBR (P + 0)
#define THR (P + 0)
#define IER (P + 1)
#define IIR (P + 2)
#define FCR (P + 2)
#define LCR (P + 3)
#define MCR (P + 4)
#define RTS 0x02
#define LSR (P + 5)
#define MSR (P + 6)
#define SCR (P + 7)

struct board {
	struct bus *bus;
	struct uart *uart;
	struct fake_line irq;
	uint8_t sent[64];
	size_t nr_sent;
	atomic_uint ready;
};

static void board_tx(void *ctx, const uint8_t *buf, size_t len)
{
	struct board *b = ctx;

	if (range_fits(b->nr_sent, len, sizeof(b->sent)))
		memcpy(b->sent + b->nr_sent, buf, len);
	b->nr_sent += len;
}

static void board_ready(void *ctx)
{
	((struct board *)ctx)->ready++;
}

static int setup(void **state)
{
	struct board *b = test_calloc(1, sizeof(*b));
	struct uart_params p = {
		.port = P,
		.tx = board_tx,
		.rx_ready = board_ready,
		.ctx = b,
	};

	b->bus = chips_bus();
	b->irq = fake_line();
	p.irq = &b->irq.line;
	assert_int_equal(uart_create(&b->uart, b->bus, &p), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct board *b = *state;

	uart_destroy(b->uart);
	bus_destroy(b->bus);
	test_free(b);
	return 0;
}

static size_t rx(struct board *b, const char *text)
{
	return uart_rx(b->uart, (const uint8_t *)text, strlen(text));
}

static void transmitter_sends_and_is_empty_at_once(void **state)
{
	struct board *b = *state;

	assert_int_equal(in8(b->bus, LSR), 0x60);
	out8(b->bus, THR, 'H');
	out8(b->bus, THR, 'i');
	assert_int_equal(in8(b->bus, LSR), 0x60);
	assert_int_equal(b->nr_sent, 2);
	assert_memory_equal(b->sent, "Hi", 2);
}

static void divisor_does_not_leave_the_port(void **state)
{
	struct board *b = *state;

	out8(b->bus, LCR, 0x83);
	out8(b->bus, P + 0, 0x01);
	out8(b->bus, P + 1, 0x02);
	assert_int_equal(in8(b->bus, P + 0), 0x01);
	assert_int_equal(in8(b->bus, P + 1), 0x02);
	out8(b->bus, LCR, 0x03);
	assert_int_equal(in8(b->bus, IER), 0);
	assert_int_equal(b->nr_sent, 0);
}

/* The steps of Linux's autoconfig() that decide "16550A". */
static void linux_finds_a_16550a(void **state)
{
	struct board *b = *state;

	out8(b->bus, IER, 0);
	assert_int_equal(in8(b->bus, IER), 0);
	out8(b->bus, IER, 0xff);
	assert_int_equal(in8(b->bus, IER), 0x0f);
	out8(b->bus, IER, 0);

	out8(b->bus, MCR, 0x10 | 0x08 | 0x02);
	assert_int_equal(in8(b->bus, MSR) & 0xf0, 0x90);
	out8(b->bus, MCR, 0);

	out8(b->bus, LCR, 0xbf);
	out8(b->bus, FCR, 0);
	out8(b->bus, LCR, 0);
	out8(b->bus, FCR, 0x01);
	assert_int_equal(in8(b->bus, IIR) >> 6, 3);
	/* No enhanced features register: the same through DLAB. */
	out8(b->bus, LCR, 0x80);
	assert_int_equal(in8(b->bus, IIR), 0xc1);
	out8(b->bus, LCR, 0);
	out8(b->bus, FCR, 0x21); /* 64 bytes? no */
	assert_int_equal(in8(b->bus, IIR), 0xc1);
	out8(b->bus, SCR, 0xa5);
	assert_int_equal(in8(b->bus, SCR), 0xa5);
}

/* serial8250_do_startup(): is THRE asserted again when enabled again? */
static void thre_interrupts_whenever_it_is_enabled(void **state)
{
	struct board *b = *state;

	out8(b->bus, MCR, 0x08);
	out8(b->bus, IER, 0x02);
	assert_true(b->irq.level);
	assert_int_equal(in8(b->bus, IIR), 0x02);
	assert_false(b->irq.level);
	assert_int_equal(in8(b->bus, IIR), 0x01);
	out8(b->bus, IER, 0);
	out8(b->bus, IER, 0x02);
	assert_true(b->irq.level);
	assert_int_equal(in8(b->bus, IIR), 0x02);
}

static void sending_interrupts_again(void **state)
{
	struct board *b = *state;

	out8(b->bus, MCR, 0x08);
	out8(b->bus, IER, 0x02);
	in8(b->bus, IIR);
	b->irq.edges = 0;
	out8(b->bus, THR, 'a');
	out8(b->bus, THR, 'b');
	out8(b->bus, THR, 'c');
	assert_true(b->irq.level);
	assert_int_equal(b->irq.edges, 1);
	assert_int_equal(in8(b->bus, IIR), 0x02);
	assert_false(b->irq.level);
}

static void received_byte_interrupts_until_it_is_read(void **state)
{
	struct board *b = *state;

	out8(b->bus, FCR, 0x01);
	out8(b->bus, MCR, 0x08);
	out8(b->bus, IER, 0x01);
	assert_int_equal(rx(b, "xy"), 2);
	assert_true(b->irq.level);
	assert_int_equal(in8(b->bus, IIR), 0xc4);
	assert_int_equal(in8(b->bus, LSR), 0x61);
	assert_int_equal(in8(b->bus, RBR), 'x');
	assert_true(b->irq.level);
	assert_int_equal(in8(b->bus, RBR), 'y');
	assert_false(b->irq.level);
	assert_int_equal(in8(b->bus, IIR), 0xc1);
	assert_int_equal(in8(b->bus, LSR), 0x60);
	assert_int_equal(in8(b->bus, RBR), 0);
}

static void bytes_below_the_trigger_level_time_out_at_once(void **state)
{
	struct board *b = *state;

	out8(b->bus, FCR, 0x41); /* 4 bytes */
	out8(b->bus, MCR, 0x08);
	out8(b->bus, IER, 0x01);
	rx(b, "abc");
	assert_true(b->irq.level);
	assert_int_equal(in8(b->bus, IIR), 0xcc);
	rx(b, "d");
	assert_int_equal(in8(b->bus, IIR), 0xc4);
}

static void out2_gates_the_line(void **state)
{
	struct board *b = *state;

	out8(b->bus, IER, 0x01);
	rx(b, "x");
	assert_false(b->irq.level);
	assert_int_equal(in8(b->bus, IIR), 0x04);
	out8(b->bus, MCR, 0x08);
	assert_true(b->irq.level);
	out8(b->bus, MCR, 0x00);
	assert_false(b->irq.level);
}

static void receiver_takes_what_fits_and_asks_for_more(void **state)
{
	struct board *b = *state;

	out8(b->bus, MCR, RTS);
	assert_int_equal(rx(b, "ab"), 1); /* FIFOs are off */
	assert_int_equal(b->ready, 0);
	assert_int_equal(in8(b->bus, RBR), 'a');
	assert_int_equal(b->ready, 1);

	out8(b->bus, FCR, 0x01);
	assert_int_equal(rx(b, "0123456789abcdefgh"), 16);
	assert_int_equal(rx(b, "g"), 0);
	assert_int_equal(b->ready, 1);
	while (in8(b->bus, LSR) & 1)
		in8(b->bus, RBR);
	assert_int_equal(b->ready, 2);
	assert_false(in8(b->bus, LSR) & 2); /* no overrun */
	assert_int_equal(rx(b, "gh"), 2);
	in8(b->bus, RBR);
	in8(b->bus, RBR);
	assert_int_equal(b->ready, 2); /* nobody waits */
}

static void fifo_reset_asks_for_more(void **state)
{
	struct board *b = *state;

	out8(b->bus, MCR, RTS);
	out8(b->bus, FCR, 0x01);
	rx(b, "0123456789abcdefgh");
	out8(b->bus, FCR, 0x07);
	assert_int_equal(in8(b->bus, LSR), 0x60);
	assert_int_equal(b->ready, 1);
	/* With FIFOs on, a write without the bit clears nothing. */
	rx(b, "x");
	out8(b->bus, FCR, 0x01);
	assert_int_equal(in8(b->bus, LSR), 0x61);
	out8(b->bus, FCR, 0x00);
	assert_int_equal(in8(b->bus, LSR), 0x60);
}

static void loopback_returns_what_is_sent(void **state)
{
	struct board *b = *state;
	unsigned int i;

	out8(b->bus, FCR, 0x01);
	out8(b->bus, MCR, 0x1f);
	for (i = 0; i < 17; i++)
		out8(b->bus, THR, i);
	assert_int_equal(b->nr_sent, 0);
	assert_int_equal(in8(b->bus, LSR), 0x63); /* the last one overran */
	assert_int_equal(in8(b->bus, LSR), 0x61);
	for (i = 0; i < 16; i++)
		assert_int_equal(in8(b->bus, RBR), i);
	assert_int_equal(in8(b->bus, LSR), 0x60);
}

static void loopback_keeps_the_world_waiting(void **state)
{
	struct board *b = *state;

	out8(b->bus, MCR, 0x10);
	assert_int_equal(rx(b, "a"), 0);
	in8(b->bus, RBR);
	assert_int_equal(b->ready, 0);
	out8(b->bus, MCR, RTS);
	assert_int_equal(b->ready, 1);
	assert_int_equal(rx(b, "a"), 1);
}

static void input_waits_until_the_guest_listens(void **state)
{
	struct board *b = *state;

	assert_int_equal(rx(b, "early"), 0);
	out8(b->bus, FCR, 0x07); /* a driver starts: nothing to lose */
	assert_int_equal(b->ready, 0);
	out8(b->bus, IER, 0x01);
	assert_int_equal(b->ready, 1);
	assert_int_equal(rx(b, "early"), 5);

	out8(b->bus, IER, 0x00);
	assert_int_equal(rx(b, "late"), 0);
	while (in8(b->bus, LSR) & 1)
		in8(b->bus, RBR);
	assert_int_equal(b->ready, 1);
	out8(b->bus, MCR, RTS);
	assert_int_equal(b->ready, 2);
}

static void modem_lines_show_a_terminal_and_loopback(void **state)
{
	struct board *b = *state;

	assert_int_equal(in8(b->bus, MSR), 0xb0);
	out8(b->bus, IER, 0x08);
	out8(b->bus, MCR, 0x14); /* loopback, RI: CTS, DSR, DCD fall */
	assert_int_equal(in8(b->bus, IIR), 0x00);
	assert_int_equal(in8(b->bus, MSR), 0x4b);
	assert_int_equal(in8(b->bus, MSR), 0x40);
	assert_int_equal(in8(b->bus, IIR), 0x01);
	out8(b->bus, MCR, 0x10); /* RI's trailing edge */
	assert_int_equal(in8(b->bus, MSR), 0x04);
}

static void causes_come_in_their_order(void **state)
{
	struct board *b = *state;

	out8(b->bus, IER, 0x0f);
	out8(b->bus, MCR, 0x10);
	out8(b->bus, THR, '1');
	out8(b->bus, THR, '2'); /* overrun of the one-byte receiver */
	assert_int_equal(in8(b->bus, IIR), 0x06);
	in8(b->bus, LSR);
	assert_int_equal(in8(b->bus, IIR), 0x04);
	assert_int_equal(in8(b->bus, RBR), '1');
	assert_int_equal(in8(b->bus, IIR), 0x02);
	assert_int_equal(in8(b->bus, IIR), 0x00);
	in8(b->bus, MSR);
	assert_int_equal(in8(b->bus, IIR), 0x01);
}

static void any_access_is_harmless(void **state)
{
	struct board *b = *state;

	chips_hammer(b->bus, P - 1, 10);
	out8(b->bus, LCR, 0x03);
	out8(b->bus, MCR, 0x00);
	b->nr_sent = 0;
	out8(b->bus, THR, '!');
	assert_int_equal(b->nr_sent, 1);
	assert_int_equal(b->sent[0], '!');
}

static void port_works_without_callbacks(void **state)
{
	struct board *b = *state;
	struct uart_params p = { .port = 0x2f8, .irq = &b->irq.line };
	struct uart *u;

	assert_int_equal(uart_create(&u, b->bus, &p), 0);
	out8(b->bus, 0x2f8, 'x');
	out8(b->bus, 0x2fc, RTS);
	assert_int_equal(uart_rx(u, (const uint8_t *)"ab", 2), 1);
	assert_int_equal(in8(b->bus, 0x2f8), 'a');
	uart_destroy(u);
}

static void second_uart_at_the_port_is_refused(void **state)
{
	struct board *b = *state;
	struct uart_params p = { .port = P + 4, .irq = &b->irq.line };
	struct uart *u;

	assert_int_equal(uart_create(&u, b->bus, &p), -EEXIST);
	assert_null(u);
	uart_destroy(NULL);
}

#define STREAM 20000

static void *feed(void *arg)
{
	struct board *b = arg;
	unsigned int i = 0, seen = 0;
	uint8_t c;

	while (i < STREAM) {
		c = (uint8_t)i;
		if (uart_rx(b->uart, &c, 1)) {
			i++;
			continue;
		}
		/* Sleeps would hide a wake-up that never comes. */
		while (b->ready == seen)
			sched_yield();
		seen = b->ready;
	}
	return NULL;
}

static void no_byte_is_lost_between_threads(void **state)
{
	struct board *b = *state;
	unsigned int i = 0;
	pthread_t t;

	out8(b->bus, FCR, 0x01);
	out8(b->bus, MCR, 0x08);
	out8(b->bus, IER, 0x03);
	assert_int_equal(thread_start(&t, "feed", feed, b), 0);
	while (i < STREAM) {
		if (!(in8(b->bus, LSR) & 1)) {
			out8(b->bus, THR, '.');
			sched_yield();
			continue;
		}
		assert_int_equal(in8(b->bus, RBR), (uint8_t)i);
		i++;
	}
	thread_join(t);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	T(transmitter_sends_and_is_empty_at_once),
	T(divisor_does_not_leave_the_port),
	T(linux_finds_a_16550a),
	T(thre_interrupts_whenever_it_is_enabled),
	T(sending_interrupts_again),
	T(received_byte_interrupts_until_it_is_read),
	T(bytes_below_the_trigger_level_time_out_at_once),
	T(out2_gates_the_line),
	T(receiver_takes_what_fits_and_asks_for_more),
	T(fifo_reset_asks_for_more),
	T(loopback_returns_what_is_sent),
	T(loopback_keeps_the_world_waiting),
	T(input_waits_until_the_guest_listens),
	T(modem_lines_show_a_terminal_and_loopback),
	T(causes_come_in_their_order),
	T(any_access_is_harmless),
	T(port_works_without_callbacks),
	T(second_uart_at_the_port_is_refused),
	T(no_byte_is_lost_between_threads),
};

UNIT_MAIN(tests)
