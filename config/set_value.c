// SPDX-License-Identifier: MIT
/*
 * set_value.c - reading and writing values: sizes, numbers, switches, choices,
 * texts and paths.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config/set.h"
#include "config/row.h"

static void *field_of(const struct config_row *row, const void *obj)
{
	return (char *)obj + row->field;
}

static bool in_range(const struct config_row *row, uint64_t v)
{
	return v >= row->min && v <= row->max &&
	       (!row->step || v % row->step == 0);
}

int config_replace(char **field, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

/* Decimal digits only: no sign, no space, no base. The rest is at *end. */
static int parse_digits(const char *s, uint64_t *out, const char **end)
{
	uint64_t v = 0;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	for (; isdigit((unsigned char)*s); s++) {
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -EINVAL;
	}
	*out = v;
	*end = s;
	return 0;
}

/* The power of two behind K, M, G or T; -1 for another letter. */
static int unit_shift(char unit)
{
	static const char units[] = "KMGT";
	const char *u = strchr(units, toupper((unsigned char)unit));

	return u ? 10 * (int)(u - units + 1) : -1;
}

static int parse_size(const char *s, uint64_t *out)
{
	uint64_t v;
	int shift;

	if (parse_digits(s, &v, &s))
		return -EINVAL;
	if (*s) {
		shift = unit_shift(*s++);
		if (shift < 0 || *s || v > UINT64_MAX >> shift)
			return -EINVAL;
		v <<= shift;
	}
	*out = v;
	return 0;
}

static int size_set(const struct config_row *row, void *obj, const char *value,
		    const char *dir, struct config_error *e)
{
	uint64_t v;

	(void)dir;
	(void)e;
	if (parse_size(value, &v) || !in_range(row, v))
		return -EINVAL;
	*(uint64_t *)field_of(row, obj) = v;
	return 0;
}

/* With the largest unit that leaves no remainder. */
static const char *size_get(const struct config_row *row, const void *obj,
			    char *buf)
{
	uint64_t v = *(const uint64_t *)field_of(row, obj);
	static const char units[] = "TGMK";
	int shift = 40;

	for (const char *u = units; *u; u++, shift -= 10) {
		if (v && !(v & ((1ull << shift) - 1))) {
			snprintf(buf, CONFIG_VALUE_MAX, "%" PRIu64 "%c",
				 v >> shift, *u);
			return buf;
		}
	}
	snprintf(buf, CONFIG_VALUE_MAX, "%" PRIu64, v);
	return buf;
}

const struct config_type config_type_size = { size_set, size_get, NULL };

static int parse_number(const struct config_row *row, const char *value,
			uint64_t *out)
{
	if (parse_digits(value, out, &value) || *value || !in_range(row, *out))
		return -EINVAL;
	return 0;
}

static int number_set(const struct config_row *row, void *obj,
		      const char *value, const char *dir,
		      struct config_error *e)
{
	uint64_t v;

	(void)dir;
	(void)e;
	if (parse_number(row, value, &v))
		return -EINVAL;
	*(unsigned int *)field_of(row, obj) = (unsigned int)v;
	return 0;
}

static const char *number_get(const struct config_row *row, const void *obj,
			      char *buf)
{
	snprintf(buf, CONFIG_VALUE_MAX, "%u",
		 *(const unsigned int *)field_of(row, obj));
	return buf;
}

const struct config_type config_type_number = { number_set, number_get, NULL };

static int wide_set(const struct config_row *row, void *obj, const char *value,
		    const char *dir, struct config_error *e)
{
	(void)dir;
	(void)e;
	return parse_number(row, value, field_of(row, obj));
}

static const char *wide_get(const struct config_row *row, const void *obj,
			    char *buf)
{
	snprintf(buf, CONFIG_VALUE_MAX, "%" PRIu64,
		 *(const uint64_t *)field_of(row, obj));
	return buf;
}

const struct config_type config_type_wide = { wide_set, wide_get, NULL };

/* A flag that counts how often it was given, or the count itself. */
static int count_set(const struct config_row *row, void *obj, const char *value,
		     const char *dir, struct config_error *e)
{
	unsigned int *n = field_of(row, obj);

	if (value)
		return number_set(row, obj, value, dir, e);
	if (*n < row->max)
		(*n)++;
	return 0;
}

const struct config_type config_type_count = { count_set, number_get, NULL };

static int switch_set(const struct config_row *row, void *obj,
		      const char *value, const char *dir,
		      struct config_error *e)
{
	bool on = strcmp(value, "on") == 0;

	(void)dir;
	(void)e;
	if (!on && strcmp(value, "off") != 0)
		return -EINVAL;
	*(bool *)field_of(row, obj) = on;
	return 0;
}

static const char *switch_get(const struct config_row *row, const void *obj,
			      char *buf)
{
	(void)buf;
	return *(const bool *)field_of(row, obj) ? "on" : "off";
}

const struct config_type config_type_switch = { switch_set, switch_get, NULL };

/* A flag that needs no value on the command line. */
static int flag_set(const struct config_row *row, void *obj, const char *value,
		    const char *dir, struct config_error *e)
{
	return switch_set(row, obj, value ? value : "on", dir, e);
}

const struct config_type config_type_flag = { flag_set, switch_get, NULL };

/* The index of @value in the row's choices, or -1. */
static int choice_index(const struct config_row *row, const char *value)
{
	for (int i = 0; row->choices[i]; i++)
		if (strcmp(row->choices[i], value) == 0)
			return i;
	return -1;
}

/* An enum without negative values is an unsigned int to gcc and clang. */
static int choice_set(const struct config_row *row, void *obj,
		      const char *value, const char *dir,
		      struct config_error *e)
{
	int i = choice_index(row, value);

	(void)dir;
	(void)e;
	if (i < 0)
		return -EINVAL;
	*(unsigned int *)field_of(row, obj) = (unsigned int)i;
	return 0;
}

static const char *choice_get(const struct config_row *row, const void *obj,
			      char *buf)
{
	(void)buf;
	return row->choices[*(const unsigned int *)field_of(row, obj)];
}

const struct config_type config_type_choice = { choice_set, choice_get, NULL };

static const char *string_get(const struct config_row *row, const void *obj,
			      char *buf)
{
	(void)buf;
	return *(char *const *)field_of(row, obj);
}

static void string_fini(const struct config_row *row, void *obj)
{
	free(*(char **)field_of(row, obj));
}

static int word_set(const struct config_row *row, void *obj, const char *value,
		    const char *dir, struct config_error *e)
{
	(void)dir;
	(void)e;
	if (choice_index(row, value) < 0)
		return -EINVAL;
	return config_replace(field_of(row, obj), value);
}

const struct config_type config_type_word = { word_set, string_get,
					      string_fini };

/* Printable bytes, and UTF-8 beyond ASCII; a cmdline is no place for \n. */
static bool is_text(const char *s)
{
	for (; *s; s++)
		if (iscntrl((unsigned char)*s))
			return false;
	return true;
}

static int text_set(const struct config_row *row, void *obj, const char *value,
		    const char *dir, struct config_error *e)
{
	(void)dir;
	(void)e;
	if (!in_range(row, strlen(value)) || !is_text(value))
		return -EINVAL;
	return config_replace(field_of(row, obj), value);
}

const struct config_type config_type_text = { text_set, string_get,
					      string_fini };

/* @value as it is, or with @dir in front, into *out. 0, -EINVAL, -ENOMEM. */
static int resolve_path(const char *value, const char *dir, char **out)
{
	bool as_is = *value == '/' || !dir;
	char *path;

	if (!*value)
		return -EINVAL;
	if (asprintf(&path, "%s%s", as_is ? "" : dir, value) < 0)
		return -ENOMEM;
	if (strlen(path) >= PATH_MAX) {
		free(path);
		return -EINVAL;
	}
	free(*out);
	*out = path;
	return 0;
}

static int path_set(const struct config_row *row, void *obj, const char *value,
		    const char *dir, struct config_error *e)
{
	(void)e;
	return resolve_path(value, dir, field_of(row, obj));
}

const struct config_type config_type_path = { path_set, string_get,
					      string_fini };

static const char serial_file[] = "file:";

static int serial_set(const struct config_row *row, void *obj,
		      const char *value, const char *dir,
		      struct config_error *e)
{
	struct vm_config *c = obj;
	size_t prefix = strlen(serial_file);

	(void)row;
	(void)e;
	if (strncmp(value, serial_file, prefix) == 0) {
		int err = resolve_path(value + prefix, dir, &c->serial_path);

		if (!err)
			c->serial = CONFIG_SERIAL_FILE;
		return err;
	}
	if (strcmp(value, "stdio") == 0)
		c->serial = CONFIG_SERIAL_STDIO;
	else if (strcmp(value, "off") == 0)
		c->serial = CONFIG_SERIAL_OFF;
	else
		return -EINVAL;
	free(c->serial_path);
	c->serial_path = NULL;
	return 0;
}

static const char *serial_get(const struct config_row *row, const void *obj,
			      char *buf)
{
	const struct vm_config *c = obj;

	(void)row;
	if (c->serial == CONFIG_SERIAL_STDIO)
		return "stdio";
	if (c->serial == CONFIG_SERIAL_OFF)
		return "off";
	snprintf(buf, CONFIG_VALUE_MAX, "%s%s", serial_file, c->serial_path);
	return buf;
}

const struct config_type config_type_serial = { serial_set, serial_get, NULL };
