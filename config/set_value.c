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

int config_parse_size(const char *s, uint64_t *out)
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
	if (config_parse_size(value, &v) || !in_range(row, v))
		return -EINVAL;
	*(uint64_t *)field_of(row, obj) = v;
	return 0;
}

void config_show_size(uint64_t v, char *buf, size_t len)
{
	static const char units[] = "TGMK";
	int shift = 40;

	for (const char *u = units; *u; u++, shift -= 10) {
		if (v && !(v & ((1ull << shift) - 1))) {
			snprintf(buf, len, "%" PRIu64 "%c", v >> shift, *u);
			return;
		}
	}
	snprintf(buf, len, "%" PRIu64, v);
}

static const char *size_get(const struct config_row *row, const void *obj,
			    char *buf)
{
	config_show_size(*(const uint64_t *)field_of(row, obj), buf,
			 CONFIG_VALUE_MAX);
	return buf;
}

const struct config_type config_type_size = {
	.set = size_set,
	.get = size_get,
};

static const char *size_unset_get(const struct config_row *row, const void *obj,
				  char *buf)
{
	return *(const uint64_t *)field_of(row, obj) ? size_get(row, obj, buf)
						     : NULL;
}

const struct config_type config_type_size_unset = {
	.set = size_set,
	.get = size_unset_get,
};

int config_parse_number(const struct config_row *row, const char *value,
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
	if (config_parse_number(row, value, &v))
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

const struct config_type config_type_number = {
	.set = number_set,
	.get = number_get,
};

static const char *unset_get(const struct config_row *row, const void *obj,
			     char *buf)
{
	return *(const unsigned int *)field_of(row, obj)
		       ? number_get(row, obj, buf)
		       : NULL;
}

const struct config_type config_type_unset = {
	.set = number_set,
	.get = unset_get,
};

static int wide_set(const struct config_row *row, void *obj, const char *value,
		    const char *dir, struct config_error *e)
{
	(void)dir;
	(void)e;
	return config_parse_number(row, value, field_of(row, obj));
}

static const char *wide_get(const struct config_row *row, const void *obj,
			    char *buf)
{
	snprintf(buf, CONFIG_VALUE_MAX, "%" PRIu64,
		 *(const uint64_t *)field_of(row, obj));
	return buf;
}

const struct config_type config_type_wide = {
	.set = wide_set,
	.get = wide_get,
};

static const char *wide_unset_get(const struct config_row *row, const void *obj,
				  char *buf)
{
	return *(const uint64_t *)field_of(row, obj) ? wide_get(row, obj, buf)
						     : NULL;
}

const struct config_type config_type_wide_unset = {
	.set = wide_set,
	.get = wide_unset_get,
};

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

const struct config_type config_type_count = {
	.set = count_set,
	.get = number_get,
};

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

const struct config_type config_type_switch = {
	.set = switch_set,
	.get = switch_get,
};

/* A flag that needs no value on the command line. */
static int flag_set(const struct config_row *row, void *obj, const char *value,
		    const char *dir, struct config_error *e)
{
	return switch_set(row, obj, value ? value : "on", dir, e);
}

const struct config_type config_type_flag = {
	.set = flag_set,
	.get = switch_get,
};

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

const struct config_type config_type_choice = {
	.set = choice_set,
	.get = choice_get,
};

static const char *string_get(const struct config_row *row, const void *obj,
			      char *buf)
{
	(void)buf;
	return *(char *const *)field_of(row, obj);
}

static void string_fini(const struct config_row *row, void *obj)
{
	free(*(char **)field_of(row, obj));
	*(char **)field_of(row, obj) = NULL;
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

const struct config_type config_type_word = {
	.set = word_set,
	.get = string_get,
	.fini = string_fini,
};

bool config_is_text(const char *s)
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
	if (!in_range(row, strlen(value)) || !config_is_text(value))
		return -EINVAL;
	return config_replace(field_of(row, obj), value);
}

const struct config_type config_type_text = {
	.set = text_set,
	.get = string_get,
	.fini = string_fini,
};

int config_replace_path(char **field, const char *value, const char *dir)
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
	free(*field);
	*field = path;
	return 0;
}

static int path_set(const struct config_row *row, void *obj, const char *value,
		    const char *dir, struct config_error *e)
{
	(void)e;
	return config_replace_path(field_of(row, obj), value, dir);
}

const struct config_type config_type_path = {
	.set = path_set,
	.get = string_get,
	.fini = string_fini,
};
