/* SPDX-License-Identifier: MIT */
/*
 * console.h - the user's end of a serial port or console: opens the stream
 * that the configuration names; on a terminal, raw mode and the escape key.
 */
#ifndef MINIVMM_CMD_CONSOLE_H
#define MINIVMM_CMD_CONSOLE_H

#include <stdbool.h>

struct chr;
struct config_stream;
struct console;
struct loop;
struct machine_error;

struct console_params {
	struct loop *loop;
	const char *what; /* "serial", "console agent": outlives the console */
	const struct config_stream *stream; /* not kept */
	/* Each byte goes to one client, and none is dropped: see chr.h. */
	bool keep_all;
	/* The user typed Ctrl-a x. Loop thread. */
	void (*quit)(void *ctx);
	void *ctx;
};

/*
 * Opens, and says on stderr where clients find it. Nothing is read and no
 * terminal changed before start. 0, or -errno with @e filled.
 */
int console_create(struct console **out, const struct console_params *p,
		   struct machine_error *e);

/*
 * Restores the terminal. When the vCPUs are gone and the loop is drained.
 * NULL is allowed.
 */
void console_destroy(struct console *c);

/* The stream, for the guest's side; it stays the console's. */
struct chr *console_stream(struct console *c);

/*
 * Put the terminal into raw mode, if stdin is one and ours to change, and
 * read from now on. Loop thread only.
 */
void console_start(struct console *c);

#endif
