// SPDX-License-Identifier: MIT
/*
 * switch_options.c - the command line of `minivmm switch`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "cmd/switch.h"
#include "config/nearest.h"

#define AGE_DEFAULT   300u
#define AGE_MAX	      1000000u
#define FLOOD_DEFAULT 10000u
#define FLOOD_MAX     100000000u

typedef int set_fn(struct switch_options *o, const char *value);

static int set_listen(struct switch_options *o, const char *value)
{
	o->listen = value;
	return *value ? 0 : -EINVAL;
}

static int set_uplink(struct switch_options *o, const char *value)
{
	o->uplink = value;
	return 0;
}

static int set_isolate(struct switch_options *o, const char *value)
{
	(void)value;
	o->isolate = true;
	return 0;
}

static int set_number(uint32_t *out, const char *value, uint32_t min,
		      uint32_t max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || n < min || n > max)
		return -EINVAL;
	*out = (uint32_t)n;
	return 0;
}

static int set_age(struct switch_options *o, const char *value)
{
	return set_number(&o->age_s, value, 1, AGE_MAX);
}

static int set_flood_limit(struct switch_options *o, const char *value)
{
	return set_number(&o->flood_rate, value, 0, FLOOD_MAX);
}

static int set_stats(struct switch_options *o, const char *value)
{
	o->stats = value;
	return *value ? 0 : -EINVAL;
}

static int set_io(struct switch_options *o, const char *value)
{
	static const char *const kinds[] = {
		[LOOP_AUTO] = "auto",
		[LOOP_URING] = "uring",
		[LOOP_POLL] = "poll",
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(value, kinds[i]) != 0)
			continue;
		o->io = (enum loop_kind)i;
		return 0;
	}
	return -EINVAL;
}

static int set_log_file(struct switch_options *o, const char *value)
{
	o->log_file = value;
	return *value ? 0 : -EINVAL;
}

static int set_verbose(struct switch_options *o, const char *value)
{
	(void)value;
	o->verbose++;
	return 0;
}

static int set_help(struct switch_options *o, const char *value)
{
	(void)value;
	o->help = true;
	return 0;
}

static const struct option {
	const char *name;
	char letter;
	const char *metavar; /* NULL: takes no value */
	set_fn *set;
	const char *format; /* what the value has to be */
	const char *help;
} options[] = {
	{ "listen", 0, "PATH", set_listen, "a path",
	  "serve on this UNIX socket" },
	{ "uplink", 0, "KIND", set_uplink, NULL,
	  "tap:NAME, user, ... as with --net of minivmm run" },
	{ "isolate", 0, NULL, set_isolate, NULL,
	  "ports reach the uplink only, not each other" },
	{ "age", 0, "SECONDS", set_age, "1 to 1000000",
	  "forget an address after so long; 300" },
	{ "flood-limit", 0, "N", set_flood_limit, "0 to 100000000",
	  "floods a second and port; 0: any; 10000" },
	{ "stats", 0, "PATH", set_stats, "a path",
	  "print what the switch there has counted" },
	{ "io", 0, "KIND", set_io, "auto, uring or poll",
	  "the event loop: auto, uring, poll" },
	{ "log-file", 0, "FILE", set_log_file, "a path",
	  "write log lines there, not to stderr" },
	{ "verbose", 'v', NULL, set_verbose, NULL,
	  "say more; twice: much more" },
	{ "help", 'h', NULL, set_help, NULL, "print this help" },
};

void switch_options_print_help(void)
{
	puts("Usage: minivmm switch --listen PATH [--uplink KIND] [--isolate]\n"
	     "       minivmm switch --stats PATH\n");
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];
		char left[40], letter[8] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name,
			 o->metavar ? " " : "", o->metavar ? o->metavar : "");
		printf("  %-25s %s\n", left, o->help);
	}
}

static int complain(struct config_error *e, const char *arg, const char *what)
{
	snprintf(e->text, sizeof(e->text), "switch: %.300s: %s", arg, what);
	return -EINVAL;
}

static int unknown(struct config_error *e, const char *arg)
{
	struct config_nearest n;
	char what[80] = "unknown option; 'minivmm switch --help' lists them";

	if (strncmp(arg, "--", 2) != 0)
		return complain(e, arg, arg[0] == '-' ? what : "unexpected");
	config_nearest_init(&n, arg + 2);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		config_nearest_offer(&n, options[i].name);
	if (n.best)
		snprintf(what, sizeof(what),
			 "unknown option; did you mean --%s?", n.best);
	return complain(e, arg, what);
}

/* The option that is called @arg up to its '=', which *value then follows. */
static const struct option *find(const char *arg, const char **value)
{
	size_t len = strcspn(arg, "=");

	*value = arg[len] ? arg + len + 1 : NULL;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];

		if (o->letter && arg[0] == '-' && arg[1] == o->letter &&
		    !arg[2])
			return o;
		if (strncmp(arg, "--", 2) == 0 && len == strlen(o->name) + 2 &&
		    strncmp(arg + 2, o->name, len - 2) == 0)
			return o;
	}
	return NULL;
}

static int parse_one(struct switch_options *o, char ***argv,
		     struct config_error *e)
{
	const char *arg = *(*argv)++, *value;
	const struct option *opt = find(arg, &value);
	char what[100];

	if (!opt)
		return unknown(e, arg);
	if (!opt->metavar && value)
		return complain(e, arg, "takes no value");
	if (opt->metavar && !value)
		value = **argv ? *(*argv)++ : NULL;
	if (opt->metavar && !value)
		return complain(e, arg, "needs a value");
	if (!opt->set(o, value))
		return 0;
	snprintf(what, sizeof(what), "'%.40s' is not %s", value, opt->format);
	return complain(e, arg, what);
}

static int check(const struct switch_options *o, struct config_error *e)
{
	if (!o->listen && !o->stats)
		return complain(e, "expected",
				"--listen PATH, or --stats PATH of a switch "
				"that runs");
	if (o->stats && (o->listen || o->uplink || o->isolate))
		return complain(e, "--stats",
				"asks a switch that runs: no other option");
	if (o->isolate && !o->uplink)
		return complain(e, "--isolate",
				"without --uplink, no port would reach "
				"anything");
	return 0;
}

int switch_options_parse(struct switch_options *o, char **argv,
			 struct config_error *e)
{
	*o = (struct switch_options){
		.age_s = AGE_DEFAULT,
		.flood_rate = FLOOD_DEFAULT,
	};
	while (*argv && !o->help) {
		int err = parse_one(o, &argv, e);

		if (err)
			return err;
	}
	return o->help ? 0 : check(o, e);
}
