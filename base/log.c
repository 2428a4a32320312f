// SPDX-License-Identifier: MIT
/*
 * log.c - one line per event, to stderr or the log file.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static _Atomic int log_level = LOG_LEVEL_WARN;
static _Atomic int log_fd = STDERR_FILENO;
static atomic_bool log_raw;
static struct log_first *_Atomic log_first;

void log_set_level(enum log_level level)
{
	log_level = (int)level;
}

void log_set_fd(int fd)
{
	log_fd = fd;
}

void log_set_raw_terminal(bool raw)
{
	log_raw = raw;
}

void log_keep_first(struct log_first *first)
{
	if (first)
		first->text[0] = '\0';
	log_first = first;
}

static void log_line(enum log_level level, const char *fmt, va_list ap)
{
	static const char *const tag[] = { "error: ", "warning: ", "", "" };
	char line[LINE_MAX_BYTES];
	int len, room = (int)sizeof(line) - 2;

	if ((int)level > log_level)
		return;

	len = snprintf(line, (size_t)room, "minivmm: %s", tag[level]);
	len += vsnprintf(line + len, (size_t)(room - len), fmt, ap);
	if (len >= room)
		len = room - 1;
	if (log_raw)
		line[len++] = '\r';
	line[len++] = '\n';

	/* Nobody is left to tell when the log itself cannot be written. */
	if (write(log_fd, line, (size_t)len) < 0)
		return;
}

void log_err(const char *fmt, ...)
{
	struct log_first *first = log_first;
	va_list ap;

	if (first && !first->text[0]) {
		va_start(ap, fmt);
		vsnprintf(first->text, sizeof(first->text), fmt, ap);
		va_end(ap);
	}
	if (first && log_fd == STDERR_FILENO)
		return;
	va_start(ap, fmt);
	log_line(LOG_LEVEL_ERR, fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_LEVEL_WARN, fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_LEVEL_DEBUG, fmt, ap);
	va_end(ap);
}

void log_once(atomic_bool *said, const char *fmt, ...)
{
	va_list ap;

	if (atomic_exchange(said, true))
		return;

	va_start(ap, fmt);
	log_line(LOG_LEVEL_WARN, fmt, ap);
	va_end(ap);
}
