/* SPDX-License-Identifier: MIT */
/*
 * log.h - one line per event, to stderr or the log file.
 *
 * A module logs where the detail is known and returns a code; only cmd/ says
 * what that meant for the user. Any thread; a line is written with one
 * write(2), so lines of different threads do not mix.
 */
#ifndef MINIVMM_BASE_LOG_H
#define MINIVMM_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Lines above @level are dropped. The default is LOG_LEVEL_WARN. */
void log_set_level(enum log_level level);

/* Send lines to @fd, which stays the caller's. The default is stderr. */
void log_set_fd(int fd);

/*
 * "\r\n" ends lines while the terminal is in raw mode: otherwise each line
 * would start where the last one ended.
 */
void log_set_raw_terminal(bool raw);

/*
 * Errors from now on are not for stderr: the first one's text goes to @first,
 * for a caller that tells the user itself, in one line. NULL ends that. A log
 * file has all of them. One thread.
 */
struct log_first {
	char text[256];
};

void log_keep_first(struct log_first *first);

void log_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Warn the first time only: for what a guest could repeat for ever. @said
 * lives with the object the line is about and starts false.
 */
void log_once(atomic_bool *said, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
