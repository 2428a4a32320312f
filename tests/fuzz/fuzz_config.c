// SPDX-License-Identifier: MIT
/*
 * fuzz_config.c - configuration from anywhere: no crash, and whatever was
 * accepted prints and reads back as the same text.
 *
 * An input that starts with "--" is command lines, one "--option value" a
 * line; any other is an ini file.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int set_line(struct vm_config *c, char *line, struct config_error *e)
{
	char *value = strchr(line, ' ');

	if (strncmp(line, "--", 2) != 0)
		return 0;
	if (value)
		*value++ = '\0';
	return config_set_option(c, line + 2, value, e);
}

static int set_lines(struct vm_config *c, const uint8_t *data, size_t size,
		     struct config_error *e)
{
	char *text = strndup((const char *)data, size);
	char *rest = text, *line;
	int err = 0;

	while (text && !err && (line = strsep(&rest, "\n")))
		err = set_line(c, line, e);
	free(text);
	return err;
}

static char *dump(const struct vm_config *c, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (!f)
		abort();
	config_dump(c, f);
	fclose(f);
	return text;
}

static void read_back(const struct vm_config *c)
{
	struct vm_config back;
	struct config_error e;
	size_t len, back_len;
	char *text, *back_text;

	if (config_init(&back))
		return;
	text = dump(c, &len);
	if (config_read_text(&back, text, len, "dump", &e))
		abort();
	back_text = dump(&back, &back_len);
	if (len != back_len || memcmp(text, back_text, len) != 0)
		abort();
	free(text);
	free(back_text);
	config_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_error e = { "" };
	struct vm_config c;
	int err;

	if (config_init(&c))
		return 0;
	if (size > 2 && memcmp(data, "--", 2) == 0)
		err = set_lines(&c, data, size, &e);
	else
		err = config_read_text(&c, (const char *)data, size, "f/f.ini",
				       &e);
	/* A refusal says why, in one line. */
	if (err && (!e.text[0] || strchr(e.text, '\n')))
		abort();
	/* A refused setting leaves the ones before it usable, too. */
	read_back(&c);
	if (!config_validate(&c, &e))
		config_cmdline(&c);
	config_fini(&c);
	return 0;
}
