/* SPDX-License-Identifier: MIT */
/*
 * pool_file.h - files that come into being complete, or not at all.
 *
 * Functions return 0, or STATUS_FAILED after they have told the user why.
 */
#ifndef MINIVMM_CMD_POOL_FILE_H
#define MINIVMM_CMD_POOL_FILE_H

#include <stdint.h>

/*
 * A file of @size bytes, all a hole, that is to be @path: without a name where
 * the file system can do that. @path must not exist.
 */
int pool_file_new(const char *path, uint64_t size, int *fd);

/* It is complete: bring it to stable storage, under its name. */
int pool_file_name(const char *path, int fd);

/* A file or device to be read, which nobody writes. */
int pool_file_open(const char *path, int *fd, uint64_t *size);

#endif
