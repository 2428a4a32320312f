/* SPDX-License-Identifier: MIT */
/*
 * disk.h - `minivmm disk`: pools of partitions.
 */
#ifndef MINIVMM_CMD_DISK_H
#define MINIVMM_CMD_DISK_H

/*
 * Do what @argv says to a pool. Returns the exit status of the process
 * (man/minivmm-disk.1).
 */
int cmd_disk(int argc, char **argv);

#endif
