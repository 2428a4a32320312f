// SPDX-License-Identifier: MIT
/*
 * options.c - the command line: options of the setter table and a few of its
 * own, through getopt_long into a vm_config.
 */
#include "cmd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "cmd/status.h"
#include "config/nearest.h"

#define ROWS_MAX   64
#define LONG_FIRST 256 /* getopt's value of row 0: above every letter */

/* What is no setting of a machine */
enum own {
	OWN_DUMP_DTB, /* check only: first, so that run can skip it */
	OWN_CONFIG,
	OWN_VERSION,
	OWN_HELP,
};

static const struct config_setting own_rows[] = {
	[OWN_DUMP_DTB] = {
		.option = "dump-dtb",
		.metavar = "FILE",
		.help = "check: write the device tree (-: stdout)",
	},
	[OWN_CONFIG] = {
		.option = "config",
		.short_option = 'f',
		.metavar = "FILE",
		.help = "read an ini file; may be repeated",
	},
	[OWN_VERSION] = {
		.option = "version",
		.help = "print the version",
	},
	[OWN_HELP] = {
		.option = "help",
		.short_option = 'h',
		.help = "print this help",
	},
};

/* One option of argv, kept until the files are read. */
struct given {
	const char *option;
	const char *value;
};

const struct config_setting *options_row(enum options_verb verb, size_t i)
{
	size_t own = verb == OPTIONS_CHECK ? 0 : 1;
	const struct config_setting *s;

	for (size_t n = 0; (s = config_setting(n)); n++)
		if (s->option && i-- == 0)
			return s;
	return i < ARRAY_SIZE(own_rows) - own ? &own_rows[own + i] : NULL;
}

/* The options of the setter table count as owned by config/. */
static bool is_own(const struct config_setting *s)
{
	return s >= own_rows && s < own_rows + ARRAY_SIZE(own_rows);
}

static int fail(struct config_error *e, const char *before, const char *what,
		const char *after)
{
	snprintf(e->text, sizeof(e->text), "%s%.300s%s", before, what, after);
	return -EINVAL;
}

static int unknown_option(enum options_verb verb, const char *name,
			  struct config_error *e)
{
	const struct config_setting *s;
	struct config_nearest n;

	config_nearest_init(&n, name);
	for (size_t i = 0; (s = options_row(verb, i)); i++)
		config_nearest_offer(&n, s->option);
	if (strcmp(name, "dump-dtb") == 0)
		return fail(e, "--", name, ": expected after 'minivmm check'");
	if (!n.best)
		return fail(e, "--", name,
			    ": unknown option; 'minivmm --help' lists them");
	snprintf(e->text, sizeof(e->text),
		 "--%.300s: unknown option; did you mean --%s?", name, n.best);
	return -EINVAL;
}

/*
 * Is @arg, if it is a long option, the whole name of one? getopt would take
 * any beginning of a name, and scripts would break when a name is added.
 */
static int check_name(enum options_verb verb, const char *arg,
		      struct config_error *e)
{
	const struct config_setting *s;
	char name[64];

	if (!arg || strncmp(arg, "--", 2) != 0 || !arg[2])
		return 0;
	arg += 2;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(arg, "="), arg);
	for (size_t i = 0; (s = options_row(verb, i)); i++)
		if (strcmp(s->option, name) == 0)
			return 0;
	return unknown_option(verb, name, e);
}

static void fill_tables(enum options_verb verb, struct option *longs,
			char *shorts)
{
	const struct config_setting *s;

	/* Stop at the first non-option; ':' for a value that is missing. */
	*shorts++ = '+';
	*shorts++ = ':';
	for (size_t i = 0; i < ROWS_MAX && (s = options_row(verb, i)); i++) {
		*longs++ = (struct option){
			.name = s->option,
			.has_arg = s->metavar ? required_argument : no_argument,
			.val = LONG_FIRST + (int)i,
		};
		if (!s->short_option)
			continue;
		*shorts++ = s->short_option;
		if (s->metavar)
			*shorts++ = ':';
	}
	*longs = (struct option){ 0 };
	*shorts = '\0';
}

/* The row that getopt's @val stands for, or NULL. */
static const struct config_setting *row_of(enum options_verb verb, int val)
{
	const struct config_setting *s;

	if (val >= LONG_FIRST)
		return options_row(verb, (size_t)(val - LONG_FIRST));
	for (size_t i = 0; (s = options_row(verb, i)); i++)
		if (s->short_option && s->short_option == val)
			return s;
	return NULL;
}

/* getopt returned ':' or '?' */
static int bad_option(enum options_verb verb, int val, struct config_error *e)
{
	const struct config_setting *s = row_of(verb, optopt);
	char letter[] = { (char)optopt, '\0' };

	if (!s)
		return fail(e, "-", letter,
			    ": unknown option; 'minivmm --help' lists them");
	if (val == ':') {
		snprintf(e->text, sizeof(e->text),
			 "--%s: expected a value: --%s %s", s->option,
			 s->option, s->metavar);
		return -EINVAL;
	}
	return fail(e, "--", s->option, ": takes no value");
}

static int handle_own(struct options *o, const struct config_setting *s,
		      const char *value, struct config_error *e)
{
	switch ((enum own)(s - own_rows)) {
	case OWN_CONFIG:
		return config_read_file(&o->config, value, e);
	case OWN_DUMP_DTB:
		o->dump_dtb = value;
		break;
	case OWN_VERSION:
		o->action = OPTIONS_VERSION;
		break;
	case OWN_HELP:
		o->action = OPTIONS_HELP;
		break;
	}
	return 0;
}

/* All of @argv: files are read, settings go to @given, in order. */
static int scan(struct options *o, enum options_verb verb, int argc,
		char **argv, struct given *given, struct config_error *e)
{
	char shorts[2 * ROWS_MAX + 3];
	struct option longs[ROWS_MAX + 1];
	const struct config_setting *s;
	int val, err;

	fill_tables(verb, longs, shorts);
	opterr = 0;
	optind = 0; /* glibc: start again */
	for (;;) {
		err = check_name(verb, argv[optind ? optind : 1], e);
		if (err)
			return err;
		val = getopt_long(argc, argv, shorts, longs, NULL);
		if (val < 0)
			break;
		s = val == '?' || val == ':' ? NULL : row_of(verb, val);
		if (!s)
			return bad_option(verb, val, e);
		if (!is_own(s)) {
			*given++ = (struct given){ s->option, optarg };
			continue;
		}
		err = handle_own(o, s, optarg, e);
		if (err || o->action != OPTIONS_GO)
			return err;
	}
	if (optind < argc)
		return fail(e, "unexpected argument '", argv[optind],
			    "'; expected an option, such as --kernel FILE");
	return 0;
}

/* More options than this no argv can hold: "-vv" is two in three bytes. */
static size_t count_most(int argc, char **argv)
{
	size_t n = 1;

	for (int i = 1; i < argc; i++)
		n += strlen(argv[i]);
	return n;
}

int options_parse(struct options *o, enum options_verb verb, int argc,
		  char **argv, struct config_error *e)
{
	struct given *given;
	int err;

	memset(o, 0, sizeof(*o));
	err = config_init(&o->config);
	given = calloc(count_most(argc, argv), sizeof(*given));
	if (err || !given) {
		snprintf(e->text, sizeof(e->text), "out of memory");
		err = -ENOMEM;
		goto free_given;
	}
	err = scan(o, verb, argc, argv, given, e);
	for (struct given *g = given; !err && g->option; g++)
		err = config_set_option(&o->config, g->option, g->value, e);
free_given:
	free(given);
	if (err)
		config_fini(&o->config);
	return err;
}

void options_fini(struct options *o)
{
	config_fini(&o->config);
}

/* One line of --help. */
static void print_option(const struct config_setting *s, FILE *out)
{
	char name[64], letter[] = "-x,";

	letter[1] = s->short_option;
	snprintf(name, sizeof(name), "%s%s%s", s->option, s->metavar ? " " : "",
		 s->metavar ? s->metavar : "");
	fprintf(out, "  %3s --%-29s %s", s->short_option ? letter : "", name,
		s->help);
	if (s->fallback && s->metavar)
		fprintf(out, " [%s]", s->fallback);
	putc('\n', out);
}

void options_print_help(FILE *out)
{
	const struct config_setting *s;

	fputs("Usage: minivmm [run] --kernel FILE [--disk FILE] [option...]\n"
	      "       minivmm check [option...]\n"
	      "       minivmm disk VERB POOL [argument...]\n"
	      "       minivmm help | version\n\n"
	      "run starts a virtual machine; check prints the configuration "
	      "that counts\nand starts nothing. Defaults are in brackets.\n\n",
	      out);
	for (size_t i = 0; (s = options_row(OPTIONS_CHECK, i)); i++)
		print_option(s, out);
	fputs("\nConsole: Ctrl-a x ends the machine, Ctrl-a h lists the keys."
	      "\nExit status: the guest's; 124 timeout, 125 minivmm "
	      "failed, 126 guest crashed.\n"
	      "Manual pages: minivmm(1), minivmm.ini(5), minivmm-guest(7).\n",
	      out);
}

void options_print_version(FILE *out)
{
	fputs("minivmm " MINIVMM_VERSION "\n", out);
}

/* --help and --version: 0 when stdout took the text. */
static int print_text(enum options_action action)
{
	if (action == OPTIONS_HELP)
		options_print_help(stdout);
	else
		options_print_version(stdout);
	if (fflush(stdout))
		return status_fail("stdout: %s", strerror(errno));
	return 0;
}

int options_start(struct options *o, enum options_verb verb, int argc,
		  char **argv)
{
	struct config_error e;
	int status;

	if (options_parse(o, verb, argc, argv, &e))
		return status_fail("%s", e.text);
	if (o->action != OPTIONS_GO) {
		status = print_text(o->action);
		options_fini(o);
		return status;
	}
	if (config_validate(&o->config, &e)) {
		options_fini(o);
		return status_fail("%s", e.text);
	}
	return -1;
}
