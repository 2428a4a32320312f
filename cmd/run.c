// SPDX-License-Identifier: MIT
/*
 * run.c - `minivmm run`: as long as there is no machine, checks only.
 */
#include "cmd/run.h"

#include "cmd/check.h"
#include "cmd/options.h"
#include "cmd/status.h"

int cmd_run(int argc, char **argv)
{
	struct config_error e;
	struct options o;
	int status;

	status = options_start(&o, OPTIONS_RUN, argc, argv);
	if (status >= 0)
		return status;
	if (check_files(&o.config, &e))
		status = status_fail("%s", e.text);
	else
		status = status_fail("no machine in this build");
	options_fini(&o);
	return status;
}
