// SPDX-License-Identifier: MIT
/*
 * status.c - the exit statuses that are minivmm's own, and how it says why.
 */
#include "cmd/status.h"

#include <stdarg.h>
#include <stdio.h>

int status_fail(const char *fmt, ...)
{
	va_list ap;

	fputs("minivmm: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
	return STATUS_FAILED;
}
