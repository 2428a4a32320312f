/* SPDX-License-Identifier: MIT */
/*
 * machine_error.h - why a machine could not be built, in words.
 */
#ifndef MINIVMM_CMD_MACHINE_ERROR_H
#define MINIVMM_CMD_MACHINE_ERROR_H

/* The reason for the user; always terminated. */
struct machine_error {
	char text[512];
};

/* Replace the text: what, where, and what to do. */
void machine_explain(struct machine_error *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
