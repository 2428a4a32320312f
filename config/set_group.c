// SPDX-License-Identifier: MIT
/*
 * set_group.c - the list of disks, and the group --disk FILE[,key=value...].
 *
 * How it works. A group is pieces with commas between them; ",," is a comma
 * inside a piece. The first piece is the file, unless it starts with the name
 * of a disk key and "=".
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/set.h"
#include "config/row.h"

#define DISK_NAME_MAX 31

void config_disk_fini(struct config_disk *d)
{
	free(d->name);
	free(d->path);
	free(d->serial);
}

struct config_disk *config_disk_find(const struct vm_config *c,
				     const char *name)
{
	for (size_t i = 0; i < c->nr_disks; i++)
		if (strcmp(c->disks[i].name, name) == 0)
			return &c->disks[i];
	return NULL;
}

static bool is_disk_name(const char *s)
{
	size_t len = strlen(s);

	if (!len || len > DISK_NAME_MAX)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
			return false;
	return true;
}

int config_disk_add(struct vm_config *c, const char *name,
		    struct config_disk **out, struct config_error *e)
{
	struct config_disk *disks, *d;
	int err = -ENOMEM;

	if (!is_disk_name(name))
		return config_error_set(e, "expected [disk NAME] with a name "
					   "of 1 to 31 of A-Z a-z 0-9 . _ -");
	if (c->nr_disks == CONFIG_DISKS_MAX)
		return config_error_set(e, "more than %d disks",
					CONFIG_DISKS_MAX);
	disks = reallocarray(c->disks, c->nr_disks + 1, sizeof(*disks));
	if (!disks)
		goto out_of_memory;
	c->disks = disks;
	d = &disks[c->nr_disks];
	*d = (struct config_disk){ .name = strdup(name) };
	if (!d->name)
		goto out_of_memory;
	err = config_row_defaults("disk", d);
	if (err)
		goto fini_disk;
	c->nr_disks++;
	*out = d;
	return 0;

fini_disk:
	config_disk_fini(d);
out_of_memory:
	config_error_set(e, "out of memory");
	return err;
}

/* Disks of files go when the first --disk comes. */
static void drop_disks_of_files(struct vm_config *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->nr_disks; i++) {
		if (c->disks[i].from_option)
			c->disks[kept++] = c->disks[i];
		else
			config_disk_fini(&c->disks[i]);
	}
	c->nr_disks = kept;
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
static const struct config_row *split_piece(char *piece, char **value)
{
	const struct config_row *r;
	char *eq = strchr(piece, '=');

	if (!eq)
		return NULL;
	*eq = '\0';
	r = config_row_find("disk", piece);
	*eq = '=';
	if (r)
		*value = eq + 1;
	return r;
}

static int unknown_piece(char *piece, struct config_error *e)
{
	const struct config_row *r = config_row_find("disk", piece);
	char hint[200] = "";

	if (r)
		return config_error_set(e, "%s: expected %s after '%s='", piece,
					r->pub.format, piece);
	piece[strcspn(piece, "=")] = '\0';
	config_row_hint("disk", piece, hint, sizeof(hint));
	return config_error_set(
		e, "unknown key '%.40s'%s (a comma in a file name is ',,')",
		piece, hint);
}

static int set_piece(struct config_disk *d, char *piece, bool first,
		     uint64_t *seen, struct config_error *e)
{
	char *value = piece;
	const struct config_row *r = split_piece(piece, &value);
	uint64_t bit;
	int err;

	if (!r && first)
		r = config_row_find("disk", "file");
	if (!r)
		return unknown_piece(piece, e);
	bit = 1ull << (r - config_row(0));
	if (*seen & bit)
		return config_error_set(e, "%s: given twice", r->pub.key);
	*seen |= bit;
	err = config_row_set(r, d, value, NULL, e);
	if (err)
		config_error_prefix(e, "%s: ", r->pub.key);
	return err;
}

static int set_pieces(struct config_disk *d, char *text, struct config_error *e)
{
	uint64_t seen = 0;
	bool first = true;
	char *piece;
	int err;

	while ((piece = next_piece(&text))) {
		err = set_piece(d, piece, first, &seen, e);
		if (err)
			return err;
		first = false;
	}
	if (!d->path)
		return config_error_set(e, "expected a file");
	return 0;
}

static int disk_set(const struct config_row *row, void *obj, const char *value,
		    const char *dir, struct config_error *e)
{
	struct vm_config *c = obj;
	struct config_disk *d;
	char name[16];
	char *text;
	int err;

	(void)row;
	(void)dir;
	drop_disks_of_files(c);
	snprintf(name, sizeof(name), "disk%zu", c->nr_disks);
	err = config_disk_add(c, name, &d, e);
	if (err)
		return err;
	/* That config_error_set() never returns 0 is in another file. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	d->from_option = true;
	text = strdup(value);
	err = text ? set_pieces(d, text, e) : -ENOMEM;
	free(text);
	if (err)
		config_disk_fini(&c->disks[--c->nr_disks]);
	return err;
}

const struct config_type config_type_disk = { disk_set, NULL };
