/* SPDX-License-Identifier: MIT */
/*
 * console.h - between the guest's serial port and the user: terminal raw
 * mode, the escape key, stdin to the UART, the UART to stdout or a file.
 */
#ifndef MINIVMM_CMD_CONSOLE_H
#define MINIVMM_CMD_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct console;
struct loop;
struct uart;

struct console_params {
	struct loop *loop;
	bool use_stdin;
	int out_fd; /* where output goes, the caller's; -1: nowhere */
	/* The user typed Ctrl-a x. Loop thread. */
	void (*quit)(void *ctx);
	void *ctx;
};

/* 0 or -errno. Nothing is read and no terminal changed before start. */
int console_create(struct console **out, const struct console_params *p);

/* Restores the terminal. When the vCPUs are gone and the loop is drained. */
void console_destroy(struct console *c);

/* The guest's side; call once, before console_start(). */
void console_attach(struct console *c, struct uart *u);

/*
 * Put the terminal into raw mode, if stdin is one and ours to change, and
 * read from now on. Loop thread only.
 */
void console_start(struct console *c);

/* struct uart_params' members: vCPU thread. */
void console_tx(void *console, const uint8_t *buf, size_t len);
void console_rx_ready(void *console);

/*
 * No vCPU may wait for the output any more: what does not go out at once is
 * dropped from now on. Any thread.
 */
void console_hang_up(struct console *c);

#endif
