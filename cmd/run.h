/* SPDX-License-Identifier: MIT */
/*
 * run.h - `minivmm run`, the default verb.
 */
#ifndef MINIVMM_CMD_RUN_H
#define MINIVMM_CMD_RUN_H

/*
 * Parse @argv, build the machine, run it to its end. Returns the exit
 * status of the process (man/minivmm.1, EXIT STATUS).
 */
int cmd_run(int argc, char **argv);

#endif
