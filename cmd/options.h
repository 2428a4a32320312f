/* SPDX-License-Identifier: MIT */
/*
 * options.h - the command line: options of the setter table and a few of its
 * own, through getopt_long into a vm_config.
 *
 * Files (-f) are read first, then the other options are set in order: the
 * command line overrides the files, wherever -f stands. One thread: getopt
 * keeps its place in global variables.
 */
#ifndef MINIVMM_CMD_OPTIONS_H
#define MINIVMM_CMD_OPTIONS_H

#include <stddef.h>
#include <stdio.h>

#include "config/config.h"

enum options_verb {
	OPTIONS_RUN,
	OPTIONS_CHECK,
};

enum options_action {
	OPTIONS_GO,
	OPTIONS_HELP,	 /* --help was given; the rest was not looked at */
	OPTIONS_VERSION, /* likewise */
};

struct options {
	struct vm_config config;
	enum options_action action;
	const char *dump_dtb; /* check only; in argv; NULL: not given */
};

/*
 * Parse @argv, where argv[0] is skipped. 0, or -errno with @e filled; call
 * options_fini() after success only. Checks single values, not how they fit
 * together (config_validate()).
 */
int options_parse(struct options *o, enum options_verb verb, int argc,
		  char **argv, struct config_error *e);
void options_fini(struct options *o);

/*
 * How every verb starts: parse, do what --help and --version ask, validate,
 * report errors. Returns -1 to go on, with @o filled; otherwise the exit
 * status of the process, and @o is not to be touched.
 */
int options_start(struct options *o, enum options_verb verb, int argc,
		  char **argv);

/* Row @i of the options that @verb takes, or NULL past the end. */
const struct config_setting *options_row(enum options_verb verb, size_t i);

/* The texts of --help and --version. */
void options_print_help(FILE *out);
void options_print_version(FILE *out);

#endif
