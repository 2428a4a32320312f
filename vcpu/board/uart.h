/* SPDX-License-Identifier: MIT */
/*
 * uart.h - the 16550A serial port.
 */
#ifndef MINIVMM_VCPU_BOARD_UART_H
#define MINIVMM_VCPU_BOARD_UART_H

#include <stddef.h>
#include <stdint.h>

struct bus;
struct irq_line;
struct uart;

struct uart_params {
	uint64_t port; /* LAYOUT_PORT_COM1; 8 ports */
	struct irq_line *irq;
	/*
	 * The guest sent @len bytes. On the thread of the vCPU that wrote, no
	 * lock held, so it may block: then only that vCPU waits. NULL: the
	 * cable is not plugged in.
	 */
	void (*tx)(void *ctx, const uint8_t *buf, size_t len);
	/*
	 * uart_rx() took less than it was given and there is room again. On
	 * a vCPU thread, no lock held; may call uart_rx(). NULL: skipped.
	 */
	void (*rx_ready)(void *ctx);
	void *ctx;
};

/* Copies *p. 0 or -errno. No vCPU runs in create and destroy. */
int uart_create(struct uart **out, struct bus *bus,
		const struct uart_params *p);
void uart_destroy(struct uart *u);

/*
 * Bytes arrive for the guest. Returns how many fitted into the FIFO; for the
 * others call again after rx_ready(). Any thread.
 */
size_t uart_rx(struct uart *u, const uint8_t *buf, size_t len);

#endif
