/* SPDX-License-Identifier: MIT */
/*
 * status.h - the exit statuses that are minivmm's own, and how it says why.
 *
 * Every other status is the guest's: 0 after power-off or reboot, or the byte
 * it wrote to the debug-exit port, unchanged.
 */
#ifndef MINIVMM_CMD_STATUS_H
#define MINIVMM_CMD_STATUS_H

enum status {
	STATUS_TIMEOUT = 124, /* --timeout expired */
	STATUS_FAILED = 125,  /* minivmm itself failed */
	STATUS_CRASHED = 126, /* the guest crashed */
};

/*
 * Print "minivmm: <fmt>" as one line on stderr. Returns STATUS_FAILED, to be
 * returned.
 */
int status_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
