// SPDX-License-Identifier: MIT
/*
 * check.c - `minivmm check`: parse, cross-check, print the configuration that
 * counts; start nothing.
 */
#include "cmd/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/options.h"
#include "cmd/status.h"

static int check(const struct options *o)
{
	struct config_error e;

	if (check_files(&o->config, &e))
		return status_fail("%s", e.text);
	config_dump(&o->config, stdout);
	if (fflush(stdout))
		return status_fail("stdout: %s", strerror(errno));
	return 0;
}

int cmd_check(int argc, char **argv)
{
	struct options o;
	int status;

	status = options_start(&o, OPTIONS_CHECK, argc, argv);
	if (status >= 0)
		return status;
	status = check(&o);
	options_fini(&o);
	return status;
}
