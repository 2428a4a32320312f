// SPDX-License-Identifier: MIT
/*
 * set_group.c - lists of named things (disks, network adapters ...): sections
 * [disk NAME] of a file and groups --disk FILE[,key=value...] of the command
 * line, by the same rows of the setter table.
 *
 * How it works. A group is pieces with commas between them; ",," is a comma
 * inside a piece. The first piece is the value of the list's first key,
 * unless it starts with the name of a key and "=". The first group of a
 * command line drops what the files listed. A single thing (a balloon) is a
 * list of one at most, which has the name of its section.
 *
 * To add a list: two members in config.h, a line in groups[], rows in set.c.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "config/row.h"
#include "config/set.h"

#define ITEM_NAME_MAX 31

static const struct config_group groups[] = {
	{
		.section = "disk",
		.first = "file",
		.max = CONFIG_DISKS_MAX,
		.list = offsetof(struct vm_config, disks),
		.nr = offsetof(struct vm_config, nr_disks),
		.size = sizeof(struct config_disk),
		.name = offsetof(struct config_disk, name),
		.from_option = offsetof(struct config_disk, from_option),
	},
	{
		.section = "net",
		.first = "kind",
		.max = CONFIG_NETS_MAX,
		.list = offsetof(struct vm_config, nets),
		.nr = offsetof(struct vm_config, nr_nets),
		.size = sizeof(struct config_net),
		.name = offsetof(struct config_net, name),
		.from_option = offsetof(struct config_net, from_option),
	},
	{
		.section = "vsock",
		.single = true,
		.first = "socket",
		.max = 1,
		.list = offsetof(struct vm_config, vsock),
		.nr = offsetof(struct vm_config, nr_vsocks),
		.size = sizeof(struct config_vsock),
		.name = offsetof(struct config_vsock, name),
		.from_option = offsetof(struct config_vsock, from_option),
	},
	{
		.section = "balloon",
		.single = true,
		.first = "size",
		.max = 1,
		.list = offsetof(struct vm_config, balloon),
		.nr = offsetof(struct vm_config, nr_balloons),
		.size = sizeof(struct config_balloon),
		.name = offsetof(struct config_balloon, name),
		.from_option = offsetof(struct config_balloon, from_option),
	},
	{
		.section = "console",
		.first = "kind",
		.max = CONFIG_CONSOLES_MAX,
		.list = offsetof(struct vm_config, consoles),
		.nr = offsetof(struct vm_config, nr_consoles),
		.size = sizeof(struct config_console),
		.name = offsetof(struct config_console, name),
		.from_option = offsetof(struct config_console, from_option),
	},
};

const struct config_group *config_group(size_t i)
{
	return i < ARRAY_SIZE(groups) ? &groups[i] : NULL;
}

const struct config_group *config_group_called(const char *section)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (strcmp(groups[i].section, section) == 0)
			return &groups[i];
	return NULL;
}

const struct config_group *config_group_of(const char *section,
					   const char **name)
{
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		n = strlen(groups[i].section);
		if (strncmp(section, groups[i].section, n) != 0 ||
		    section[n] != (groups[i].single ? '\0' : ' '))
			continue;
		*name = groups[i].single
				? section
				: section + n + strspn(section + n, " \t");
		return &groups[i];
	}
	return NULL;
}

/* The list and its length; the pointer has a type of its own for each. */
static char *get_list(const struct vm_config *c, const struct config_group *g)
{
	char *list;

	memcpy(&list, (const char *)c + g->list, sizeof(list));
	return list;
}

static void set_list(struct vm_config *c, const struct config_group *g,
		     char *list)
{
	memcpy((char *)c + g->list, &list, sizeof(list));
}

static size_t *nr_of(const struct vm_config *c, const struct config_group *g)
{
	return (size_t *)((char *)c + g->nr);
}

static char **name_of(const struct config_group *g, void *item)
{
	return (char **)((char *)item + g->name);
}

static bool *from_option(const struct config_group *g, void *item)
{
	return (bool *)((char *)item + g->from_option);
}

void *config_group_item(const struct vm_config *c, const struct config_group *g,
			size_t i)
{
	return i < *nr_of(c, g) ? get_list(c, g) + i * g->size : NULL;
}

const char *config_group_name(const struct config_group *g, const void *item)
{
	return *name_of(g, (void *)item);
}

void *config_group_find(const struct vm_config *c, const struct config_group *g,
			const char *name)
{
	char *item;

	for (size_t i = 0; (item = config_group_item(c, g, i)); i++)
		if (strcmp(*name_of(g, item), name) == 0)
			return item;
	return NULL;
}

static void item_fini(const struct config_group *g, void *item)
{
	const struct config_row *r;

	for (size_t i = 0; (r = config_row(i)); i++)
		if (r->type->fini && strcmp(r->pub.section, g->section) == 0)
			r->type->fini(r, item);
	free(*name_of(g, item));
}

void config_group_fini(struct vm_config *c, const struct config_group *g)
{
	char *item;

	for (size_t i = 0; (item = config_group_item(c, g, i)); i++)
		item_fini(g, item);
	free(get_list(c, g));
}

static bool is_item_name(const char *s)
{
	size_t len = strlen(s);

	if (!len || len > ITEM_NAME_MAX)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
			return false;
	return true;
}

/* Room for one more, all zero, behind the list. NULL: no memory. */
static char *grow_list(struct vm_config *c, const struct config_group *g)
{
	size_t nr = *nr_of(c, g);
	char *list = reallocarray(get_list(c, g), nr + 1, g->size);

	if (!list)
		return NULL;
	set_list(c, g, list);
	return memset(list + nr * g->size, 0, g->size);
}

int config_group_add(struct vm_config *c, const struct config_group *g,
		     const char *name, void **out, struct config_error *e)
{
	int err = -ENOMEM;
	char *item;

	if (!is_item_name(name))
		return config_error_set(e,
					"expected [%s NAME] with a name of 1 "
					"to 31 of A-Z a-z 0-9 . _ -",
					g->section);
	if (g->single && *nr_of(c, g))
		return config_error_set(e, "given twice");
	if (*nr_of(c, g) == g->max)
		return config_error_set(e, "more than %zu %ss", g->max,
					g->section);
	item = grow_list(c, g);
	if (!item)
		goto out_of_memory;
	*name_of(g, item) = strdup(name);
	if (!*name_of(g, item))
		goto out_of_memory;
	err = config_row_defaults(g->section, item);
	if (err)
		goto fini_item;
	(*nr_of(c, g))++;
	*out = item;
	return 0;

fini_item:
	item_fini(g, item);
out_of_memory:
	config_error_set(e, "out of memory");
	return err;
}

/* What files listed goes when the first group comes. */
static void drop_items_of_files(struct vm_config *c,
				const struct config_group *g)
{
	char *list = get_list(c, g), *item;
	size_t kept = 0;

	for (size_t i = 0; (item = config_group_item(c, g, i)); i++) {
		if (!*from_option(g, item))
			item_fini(g, item);
		else
			memmove(list + kept++ * g->size, item, g->size);
	}
	*nr_of(c, g) = kept;
}

/*
 * Take the next piece off *rest, with ",," made ",". Returns the piece, in
 * place, and *rest behind it, or NULL when there was none left.
 */
static char *next_piece(char **rest)
{
	char *piece = *rest, *in = *rest, *out = *rest;

	if (!piece)
		return NULL;
	*rest = NULL;
	for (; *in; in++) {
		if (*in == ',' && in[1] != ',') {
			*rest = in + 1;
			break;
		}
		if (*in == ',')
			in++;
		*out++ = *in;
	}
	*out = '\0';
	return piece;
}

/* The row of "key=value" and its value, or NULL when key is not known. */
static const struct config_row *split_piece(const struct config_group *g,
					    char *piece, char **value)
{
	const struct config_row *r;
	char *eq = strchr(piece, '=');

	if (!eq)
		return NULL;
	*eq = '\0';
	r = config_row_find(g->section, piece);
	*eq = '=';
	if (r)
		*value = eq + 1;
	return r;
}

static int unknown_piece(const struct config_group *g, char *piece,
			 struct config_error *e)
{
	const struct config_row *r = config_row_find(g->section, piece);
	char hint[200] = "";

	if (r)
		return config_error_set(e, "%s: expected %s after '%s='", piece,
					r->pub.format, piece);
	piece[strcspn(piece, "=")] = '\0';
	config_row_hint(g->section, piece, hint, sizeof(hint));
	return config_error_set(e,
				"unknown key '%.40s'%s (a comma in a value is "
				"',,')",
				piece, hint);
}

/* What a group has set so far: a bit per row, from the group's first on. */
struct seen {
	const struct config_row *first;
	uint64_t bits;
};

static int note_row(struct seen *s, const struct config_row *r,
		    struct config_error *e)
{
	uint64_t bit = 1ull << (r - s->first);

	if ((s->bits & bit) && !r->type->get_nth)
		return config_error_set(e, "%s: given twice", r->pub.key);
	s->bits |= bit;
	return 0;
}

static int set_piece(const struct config_group *g, void *item, char *piece,
		     bool first, struct seen *seen, struct config_error *e)
{
	char *value = piece;
	const struct config_row *r = split_piece(g, piece, &value);
	int err;

	if (!r && first)
		r = config_row_find(g->section, g->first);
	if (!r)
		return unknown_piece(g, piece, e);
	err = note_row(seen, r, e);
	if (err)
		return err;
	err = config_row_set(r, item, value, NULL, e);
	if (err)
		config_error_prefix(e, "%s: ", r->pub.key);
	return err;
}

static int set_pieces(const struct config_group *g, void *item, char *text,
		      struct config_error *e)
{
	const struct config_row *r = config_row_find(g->section, g->first);
	struct seen seen = { .first = r };
	char buf[CONFIG_VALUE_MAX];
	bool first = true;
	char *piece;
	int err;

	while ((piece = next_piece(&text))) {
		err = set_piece(g, item, piece, first, &seen, e);
		if (err)
			return err;
		first = false;
	}
	if (!r->type->get(r, item, buf))
		return config_error_set(e, "expected %s", r->pub.format);
	return 0;
}

/* Of an item of the command line. */
static void make_name(const struct vm_config *c, const struct config_group *g,
		      char *buf, size_t len)
{
	if (g->single)
		snprintf(buf, len, "%s", g->section);
	else
		snprintf(buf, len, "%s%zu", g->section, *nr_of(c, g));
}

static int group_set(const struct config_row *row, void *obj, const char *value,
		     const char *dir, struct config_error *e)
{
	const struct config_group *g = config_group_called(row->pub.section);
	struct vm_config *c = obj;
	char name[ITEM_NAME_MAX];
	void *item;
	char *text;
	int err;

	(void)dir;
	drop_items_of_files(c, g);
	make_name(c, g, name, sizeof(name));
	err = config_group_add(c, g, name, &item, e);
	if (err)
		return err;
	*from_option(g, item) = true;
	text = strdup(value);
	err = text ? set_pieces(g, item, text, e) : -ENOMEM;
	free(text);
	if (err)
		item_fini(g, get_list(c, g) + --*nr_of(c, g) * g->size);
	return err;
}

const struct config_type config_type_group = { .set = group_set };
