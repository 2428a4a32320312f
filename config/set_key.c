// SPDX-License-Identifier: MIT
/*
 * set_key.c - from the name of a section, key or option to its row, and what
 * to say when there is none.
 */
#include <errno.h>
#include <string.h>

#include "config/nearest.h"
#include "config/row.h"
#include "config/set.h"

/* The section that does have @key, or NULL. */
static const char *home_of_key(const char *key)
{
	const struct config_row *r;

	for (size_t i = 0; (r = config_row(i)); i++)
		if (r->pub.key && strcmp(r->pub.key, key) == 0)
			return r->pub.section;
	return NULL;
}

static void list_keys(const char *section, char *buf, size_t len)
{
	const struct config_row *r;
	const char *sep = "; expected ";
	size_t used = 0;

	for (size_t i = 0; (r = config_row(i)) && used < len; i++) {
		if (!r->pub.key || strcmp(r->pub.section, section) != 0)
			continue;
		used += (size_t)snprintf(buf + used, len - used, "%s%s", sep,
					 r->pub.key);
		sep = ", ";
	}
}

void config_row_hint(const char *section, const char *key, char *buf,
		     size_t len)
{
	const char *home = home_of_key(key);
	const struct config_group *g;
	const struct config_row *r;
	struct config_nearest n;

	if (home) {
		g = config_group_called(home);
		snprintf(buf, len, "; it belongs in [%s%s]", home,
			 g && !g->single ? " NAME" : "");
		return;
	}
	config_nearest_init(&n, key);
	for (size_t i = 0; (r = config_row(i)); i++)
		if (r->pub.key && strcmp(r->pub.section, section) == 0)
			config_nearest_offer(&n, r->pub.key);
	if (n.best)
		snprintf(buf, len, "; did you mean '%s'?", n.best);
	else
		list_keys(section, buf, len);
}

static int unknown_section(const char *section, struct config_error *e)
{
	const struct config_group *g;
	struct config_nearest n;
	char buf[48];

	config_nearest_init(&n, section);
	config_nearest_offer(&n, "vm");
	config_nearest_offer(&n, "kernel");
	for (size_t i = 0; (g = config_group(i)); i++)
		if (g->single)
			config_nearest_offer(&n, g->section);
	config_error_show(section, buf, sizeof(buf));
	if (n.best)
		return config_error_set(e,
					"unknown section [%s]; did you mean "
					"[%s]?",
					buf, n.best);
	return config_error_set(
		e, "unknown section [%s]; expected " CONFIG_SECTIONS, buf);
}

int config_enter_section(struct vm_config *c, const char *section,
			 struct config_error *e)
{
	const struct config_group *g;
	const char *name;
	void *item;

	g = config_group_of(section, &name);
	if (g)
		return config_group_find(c, g, name)
			       ? 0
			       : config_group_add(c, g, name, &item, e);
	if (strcmp(section, "vm") == 0 || strcmp(section, "kernel") == 0)
		return 0;
	return unknown_section(section, e);
}

int config_set_key(struct vm_config *c, const char *section, const char *key,
		   const char *value, const char *dir, struct config_error *e)
{
	const char *name;
	const struct config_group *g = config_group_of(section, &name);
	const char *kind = g ? g->section : section;
	const struct config_row *r = config_row_find(kind, key);
	char hint[200] = "", buf[48];
	void *obj = c;
	int err;

	if (!r) {
		config_row_hint(kind, key, hint, sizeof(hint));
		return config_error_set(e, "unknown key '%s' in [%s]%s",
					config_error_show(key, buf,
							  sizeof(buf)),
					section, hint);
	}
	if (g)
		obj = config_group_find(c, g, name);
	err = config_row_set(r, obj, value, dir, e);
	if (err)
		config_error_prefix(e, "%s: ", key);
	return err;
}

bool config_key_repeats(struct vm_config *c, const char *section,
			const char *key, bool forget)
{
	const char *name;
	const struct config_group *g = config_group_of(section, &name);
	const struct config_row *r;

	r = config_row_find(g ? g->section : section, key);
	if (!r || !r->type->get_nth)
		return false;
	if (forget)
		r->type->fini(r, g ? config_group_find(c, g, name) : c);
	return true;
}

int config_set_option(struct vm_config *c, const char *option,
		      const char *value, struct config_error *e)
{
	const struct config_row *r;
	int err;

	for (size_t i = 0; (r = config_row(i)); i++)
		if (r->pub.option && strcmp(r->pub.option, option) == 0)
			break;
	if (!r)
		return config_error_set(e, "--%s: unknown option", option);
	if (!value && r->pub.metavar)
		err = config_error_set(e, "expected %s", r->pub.format);
	else
		err = config_row_set(r, c, value, NULL, e);
	if (err)
		config_error_prefix(e, "--%s: ", option);
	return err;
}
