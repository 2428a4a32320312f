// SPDX-License-Identifier: MIT
/*
 * main.c - the table of verbs, nothing else.
 */
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/fd.h"
#include "cmd/check.h"
#include "cmd/disk.h"
#include "cmd/options.h"
#include "cmd/run.h"
#include "cmd/status.h"
#include "cmd/switch.h"
#include "config/nearest.h"

/* Both take anything after them for what it cannot be: a mistake. */
static int no_arguments(int argc, char **argv)
{
	if (argc < 2)
		return 0;
	return status_fail("%s: unexpected argument '%s'", argv[0], argv[1]);
}

static int cmd_help(int argc, char **argv)
{
	int status = no_arguments(argc, argv);

	if (!status)
		options_print_help(stdout);
	return status;
}

static int cmd_version(int argc, char **argv)
{
	int status = no_arguments(argc, argv);

	if (!status)
		options_print_version(stdout);
	return status;
}

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} verbs[] = {
	{ "run", cmd_run },   { "check", cmd_check },
	{ "disk", cmd_disk }, { "switch", cmd_switch },
	{ "help", cmd_help }, { "version", cmd_version },
};

static int unknown_verb(const char *name)
{
	struct config_nearest n;

	config_nearest_init(&n, name);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		config_nearest_offer(&n, verbs[i].name);
	if (n.best)
		return status_fail("%s: unknown verb; did you mean '%s'?", name,
				   n.best);
	return status_fail("%s: unknown verb; expected run, check, disk, "
			   "switch, help, version or an option such as "
			   "--kernel FILE",
			   name);
}

int main(int argc, char **argv)
{
	int err = fd_fill_standard();

	if (err)
		return status_fail("/dev/null: %s", strerror(-err));
	if (argc < 2 || argv[1][0] == '-')
		return cmd_run(argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].main(argc - 1, argv + 1);
	return unknown_verb(argv[1]);
}
