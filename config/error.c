// SPDX-License-Identifier: MIT
/*
 * error.c - messages for the user, one line each.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/set.h"

/* One line, whatever bytes the user's text had. */
static void keep_one_line(char *s)
{
	for (; *s; s++)
		if (iscntrl((unsigned char)*s))
			*s = '?';
}

int config_error_set(struct config_error *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	keep_one_line(e->text);
	return -EINVAL;
}

void config_error_prefix(struct config_error *e, const char *fmt, ...)
{
	struct config_error old = *e;
	size_t used;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	keep_one_line(e->text);
	used = strlen(e->text);
	snprintf(e->text + used, sizeof(e->text) - used, "%s", old.text);
}

const char *config_error_show(const char *value, char *buf, size_t len)
{
	size_t n = strnlen(value, len - 1);

	memcpy(buf, value, n);
	buf[n] = '\0';
	if (value[n])
		memcpy(buf + n - 3, "...", 3);
	return buf;
}
