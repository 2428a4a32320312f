/* SPDX-License-Identifier: MIT */
/*
 * terminal.h - the raw mode of the user's terminal, undone on every exit.
 *
 * Signal handlers have to find the saved settings when the process crashes,
 * so they are kept at file scope: one terminal a process.
 */
#ifndef MINIVMM_CMD_TERMINAL_H
#define MINIVMM_CMD_TERMINAL_H

#include <stdbool.h>

/*
 * Raw mode on stdin. False when stdin is no terminal, or one that another
 * process group is using: then nothing was changed.
 */
bool terminal_enter_raw(void);

/* Back to the settings before; nothing when they were not changed. */
void terminal_restore(void);

#endif
