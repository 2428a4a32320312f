/* SPDX-License-Identifier: MIT */
/*
 * fd.h - file descriptors without the odd conventions of the calls.
 *
 * Everything returns 0 (or a count) or -errno, retries EINTR and finishes
 * short transfers. Any thread.
 */
#ifndef MINIVMM_BASE_FD_H
#define MINIVMM_BASE_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Close *@fd if it is open (>= 0) and set it to -1. */
void fd_close(int *fd);

/*
 * Open /dev/null where stdin, stdout or stderr are closed: otherwise the next
 * file that is opened would be taken for one of them. First thing in main().
 * 0 or -errno.
 */
int fd_fill_standard(void);

/* Write all @len bytes. 0 or -errno. */
int fd_write_all(int fd, const void *buf, size_t len);

/*
 * Read @len bytes at @off. Returns the bytes read, less than @len only at the
 * end of the file, or -errno.
 */
ssize_t fd_pread_all(int fd, void *buf, size_t len, uint64_t off);

/* Write all @len bytes at @off. 0 or -errno. */
int fd_pwrite_all(int fd, const void *buf, size_t len, uint64_t off);

/* A new close-on-exec, non-blocking eventfd with count 0, or -errno. */
int fd_event_create(void);

/* Add 1 to the eventfd @fd. Async-signal-safe. */
void fd_event_signal(int fd);

/* Take the eventfd's count: 0 when it was not signalled. */
uint64_t fd_event_drain(int fd);

int fd_set_nonblock(int fd);

#endif
