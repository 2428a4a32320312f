// SPDX-License-Identifier: MIT
/*
 * test_options.c - argv to options: forms, order, verbs and refusals.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "cmd/options.h"

#define ARGS_MAX 16

static int parse_line(struct options *o, const char *line,
		      struct config_error *e)
{
	char *argv[ARGS_MAX] = { (char *)"minivmm" };
	char *copy = strdup(line), *next = copy, *word;
	int argc = 1, err;

	while ((word = strsep(&next, " ")))
		argv[argc++] = word;
	e->text[0] = '\0';
	err = options_parse(o, OPTIONS_RUN, *line ? argc : 1, argv, e);
	free(copy);
	return err;
}

/* @line is split at spaces. */
static void parses(struct options *o, const char *line)
{
	struct config_error e;

	parse_line(o, line, &e);
	assert_string_equal(e.text, "");
}

static void refuses(const char *line, const char *message)
{
	struct config_error e;
	struct options o;

	assert_true(parse_line(&o, line, &e) < 0);
	assert_string_equal(e.text, message);
}

static void no_option_leaves_the_defaults(void **state)
{
	struct options o;

	(void)state;
	parses(&o, "");
	assert_int_equal(o.action, OPTIONS_GO);
	assert_null(o.config.kernel);
	assert_int_equal(o.config.cpus, 1);
	options_fini(&o);
}

static void values_come_in_all_usual_forms(void **state)
{
	struct options o;

	(void)state;
	parses(&o, "--kernel=k --memory 1G -c 2");
	assert_string_equal(o.config.kernel, "k");
	assert_int_equal(o.config.memory, 1 << 30);
	assert_int_equal(o.config.cpus, 2);
	options_fini(&o);
	parses(&o, "-m1G -c3 -vv -v --initrd --x");
	assert_int_equal(o.config.memory, 1 << 30);
	assert_int_equal(o.config.cpus, 3);
	assert_int_equal(o.config.verbose, 3);
	assert_string_equal(o.config.initrd, "--x");
	options_fini(&o);
}

static void the_last_of_equal_options_counts(void **state)
{
	struct options o;

	(void)state;
	parses(&o, "-c 2 --cpus 3 --disk a --disk b");
	assert_int_equal(o.config.cpus, 3);
	assert_int_equal(o.config.nr_disks, 2);
	options_fini(&o);
}

static void the_command_line_overrides_files_in_any_order(void **state)
{
	static const char text[] = "[vm]\ncpus = 4\nmemory = 1G\nverbose = 1\n";
	char path[] = "/tmp/minivmm-test-XXXXXX", line[100];
	struct options o;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
	snprintf(line, sizeof(line), "--cpus 2 -v -f %s", path);
	parses(&o, line);
	assert_int_equal(o.config.cpus, 2);
	assert_int_equal(o.config.memory, 1 << 30);
	assert_int_equal(o.config.verbose, 2);
	options_fini(&o);
	unlink(path);
}

static void help_and_version_end_the_parsing(void **state)
{
	struct options o;

	(void)state;
	parses(&o, "--help --nonsense");
	assert_int_equal(o.action, OPTIONS_HELP);
	options_fini(&o);
	parses(&o, "-c 2 --version --nonsense");
	assert_int_equal(o.action, OPTIONS_VERSION);
	options_fini(&o);
}

static void dump_dtb_belongs_to_check(void **state)
{
	char *argv[] = { (char *)"check", (char *)"--dump-dtb", (char *)"-",
			 NULL };
	struct config_error e;
	struct options o;

	(void)state;
	assert_int_equal(options_parse(&o, OPTIONS_CHECK, 3, argv, &e), 0);
	assert_string_equal(o.dump_dtb, "-");
	options_fini(&o);
	refuses("--dump-dtb -", "--dump-dtb: expected after 'minivmm check'");
}

static void unknown_options_suggest_the_nearest(void **state)
{
	(void)state;
	refuses("--memroy 1G",
		"--memroy: unknown option; did you mean --memory?");
	refuses("--tpm on",
		"--tpm: unknown option; 'minivmm --help' lists them");
	refuses("--nets user", "--nets: unknown option; did you mean --net?");
	refuses("-z", "-z: unknown option; 'minivmm --help' lists them");
	refuses("-vz", "-z: unknown option; 'minivmm --help' lists them");
}

static void beginnings_of_names_are_not_names(void **state)
{
	(void)state;
	refuses("--mem 1G", "--mem: unknown option; did you mean --memory?");
	refuses("--mem=1G", "--mem: unknown option; did you mean --memory?");
}

static void values_are_demanded_and_refused_as_the_table_says(void **state)
{
	(void)state;
	refuses("--kernel", "--kernel: expected a value: --kernel FILE");
	refuses("-m", "--memory: expected a value: --memory SIZE");
	refuses("--verbose=2", "--verbose: takes no value");
}

static void stray_arguments_are_refused(void **state)
{
	(void)state;
	refuses("bzImage", "unexpected argument 'bzImage'; expected an option, "
			   "such as --kernel FILE");
	refuses("-c 2 -- x", "unexpected argument 'x'; expected an option, "
			     "such as --kernel FILE");
}

static void bad_values_name_their_flag(void **state)
{
	(void)state;
	refuses("-c 0", "--cpus: expected a number from 1 to 64; got '0'");
}

static void help_has_one_line_of_80_columns_per_option(void **state)
{
	const struct config_setting *s;
	char *text = NULL, name[64];
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	options_print_help(f);
	fclose(f);
	for (size_t i = 0; (s = options_row(OPTIONS_CHECK, i)); i++) {
		snprintf(name, sizeof(name), " --%s%s", s->option,
			 s->metavar ? " " : "");
		assert_non_null(strstr(text, name));
	}
	for (char *line = text, *nl; (nl = strchr(line, '\n')); line = nl + 1)
		assert_true(nl - line <= 80);
	free(text);
}

static void every_option_is_listed_once(void **state)
{
	const struct config_setting *a, *b;

	(void)state;
	for (size_t i = 0; (a = options_row(OPTIONS_CHECK, i)); i++)
		for (size_t j = 0; j < i; j++) {
			b = options_row(OPTIONS_CHECK, j);
			assert_string_not_equal(a->option, b->option);
			assert_false(a->short_option &&
				     a->short_option == b->short_option);
		}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(no_option_leaves_the_defaults),
	cmocka_unit_test(values_come_in_all_usual_forms),
	cmocka_unit_test(the_last_of_equal_options_counts),
	cmocka_unit_test(the_command_line_overrides_files_in_any_order),
	cmocka_unit_test(help_and_version_end_the_parsing),
	cmocka_unit_test(dump_dtb_belongs_to_check),
	cmocka_unit_test(unknown_options_suggest_the_nearest),
	cmocka_unit_test(beginnings_of_names_are_not_names),
	cmocka_unit_test(values_are_demanded_and_refused_as_the_table_says),
	cmocka_unit_test(stray_arguments_are_refused),
	cmocka_unit_test(bad_values_name_their_flag),
	cmocka_unit_test(help_has_one_line_of_80_columns_per_option),
	cmocka_unit_test(every_option_is_listed_once),
};

UNIT_MAIN(tests)
