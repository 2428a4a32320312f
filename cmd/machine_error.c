// SPDX-License-Identifier: MIT
/*
 * machine_error.c - why a machine could not be built, in words.
 */
#include "cmd/machine_error.h"

#include <stdarg.h>
#include <stdio.h>

void machine_explain(struct machine_error *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
}
