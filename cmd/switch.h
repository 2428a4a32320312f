/* SPDX-License-Identifier: MIT */
/*
 * switch.h - `minivmm switch`.
 */
#ifndef MINIVMM_CMD_SWITCH_H
#define MINIVMM_CMD_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "virtio/loop.h"

/* What the command line says; texts are in argv. */
struct switch_options {
	const char *listen; /* NULL: not given, as with the others */
	const char *stats;
	const char *uplink;
	const char *log_file;
	bool isolate;
	bool help;
	enum loop_kind io;
	uint32_t age_s;
	uint32_t flood_rate;
	unsigned int verbose;
};

/* 0, or -EINVAL with @e filled. */
int switch_options_parse(struct switch_options *o, char **argv,
			 struct config_error *e);
void switch_options_print_help(void);

/* Print what the switch at @path has counted. The exit status. */
int switch_print_stats(const char *path);

/*
 * Serve until SIGTERM or SIGINT, or with --stats ask a switch that runs.
 * Returns the exit status of the process.
 */
int cmd_switch(int argc, char **argv);

#endif
