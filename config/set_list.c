// SPDX-License-Identifier: MIT
/*
 * set_list.c - keys that may be given several times: each adds a text.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/row.h"
#include "config/set.h"

static struct config_list *list_of(const struct config_row *row,
				   const void *obj)
{
	return (struct config_list *)((char *)obj + row->field);
}

static int list_set(const struct config_row *row, void *obj, const char *value,
		    const char *dir, struct config_error *e)
{
	struct config_list *l = list_of(row, obj);
	size_t len = strlen(value);
	char **text;

	(void)dir;
	if (len < row->min || len > row->max || !config_is_text(value))
		return -EINVAL;
	if (l->nr == CONFIG_LIST_MAX)
		return config_error_set(e, "given more than %d times",
					CONFIG_LIST_MAX);
	text = reallocarray(l->text, l->nr + 1, sizeof(*text));
	if (!text)
		return -ENOMEM;
	l->text = text;
	text[l->nr] = strdup(value);
	if (!text[l->nr])
		return -ENOMEM;
	l->nr++;
	return 0;
}

static const char *list_get(const struct config_row *row, const void *obj,
			    size_t i, char *buf)
{
	const struct config_list *l = list_of(row, obj);

	(void)buf;
	return i < l->nr ? l->text[i] : NULL;
}

static void list_fini(const struct config_row *row, void *obj)
{
	struct config_list *l = list_of(row, obj);

	for (size_t i = 0; i < l->nr; i++)
		free(l->text[i]);
	free(l->text);
	*l = (struct config_list){ 0 };
}

const struct config_type config_type_list = {
	.set = list_set,
	.get_nth = list_get,
	.fini = list_fini,
};
