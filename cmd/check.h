/* SPDX-License-Identifier: MIT */
/*
 * check.h - `minivmm check`, and the cross-checks against the host that every
 * start wants.
 */
#ifndef MINIVMM_CMD_CHECK_H
#define MINIVMM_CMD_CHECK_H

struct config_error;
struct vm_config;

/*
 * Parse @argv, check it, print the configuration that counts; start nothing.
 * Returns the exit status of the process.
 */
int cmd_check(int argc, char **argv);

/*
 * Are the files that @c names there, of the right kind, and open for us? A
 * disk in use by another minivmm passes: the lock is taken when the machine
 * starts. Opens and closes, changes nothing. 0, or -errno with @e filled.
 */
int check_files(const struct vm_config *c, struct config_error *e);

#endif
