// SPDX-License-Identifier: MIT
/*
 * dump.c - vm_config to an ini file that reads back equal.
 */
#include <ctype.h>
#include <string.h>

#include "config/config.h"
#include "config/set.h"
#include "config/row.h"

/* Would inih, or the unquoting, change @s? */
static bool needs_quotes(const char *s)
{
	size_t len = strlen(s);

	if (!len || s[0] == '"' || strchr(s, ';') ||
	    isspace((unsigned char)s[0]) || isspace((unsigned char)s[len - 1]))
		return true;
	for (; *s; s++)
		if (iscntrl((unsigned char)*s))
			return true;
	return false;
}

static void print_quoted(const char *s, FILE *out)
{
	putc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (iscntrl((unsigned char)*s))
			fprintf(out, "\\x%02x", (unsigned char)*s);
		else
			putc(*s, out);
	}
	putc('"', out);
}

static void print_value(const char *key, const char *value, FILE *out)
{
	fprintf(out, "%s = ", key);
	if (needs_quotes(value))
		print_quoted(value, out);
	else
		fputs(value, out);
	putc('\n', out);
}

static void print_row(const struct config_row *r, const void *obj, FILE *out)
{
	char buf[CONFIG_VALUE_MAX];
	const char *value;

	if (!r->type->get_nth) {
		value = r->type->get(r, obj, buf);
		if (value)
			print_value(r->pub.key, value, out);
		return;
	}
	for (size_t i = 0; (value = r->type->get_nth(r, obj, i, buf)); i++)
		print_value(r->pub.key, value, out);
}

static void print_rows(const char *section, const void *obj, FILE *out)
{
	const struct config_row *r;

	for (size_t i = 0; (r = config_row(i)); i++)
		if (r->pub.key && strcmp(r->pub.section, section) == 0)
			print_row(r, obj, out);
}

static void print_group(const struct vm_config *c, const struct config_group *g,
			FILE *out)
{
	const void *item;

	for (size_t i = 0; (item = config_group_item(c, g, i)); i++) {
		fprintf(out, "\n[%s%s%s]\n", g->section, g->single ? "" : " ",
			g->single ? "" : config_group_name(g, item));
		print_rows(g->section, item, out);
	}
}

void config_dump(const struct vm_config *c, FILE *out)
{
	const struct config_group *g;

	fputs("[vm]\n", out);
	print_rows("vm", c, out);
	fputs("\n[kernel]\n", out);
	print_rows("kernel", c, out);
	if (!c->cmdline && c->boot != CONFIG_BOOT_FLAT)
		fprintf(out, "# cmdline = %s\n", config_cmdline(c));
	for (size_t i = 0; (g = config_group(i)); i++)
		print_group(c, g, out);
}
