/* SPDX-License-Identifier: MIT */
/*
 * row.h - what a row of the setter table is made of. For config/ only.
 */
#ifndef MINIVMM_CONFIG_ROW_H
#define MINIVMM_CONFIG_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

/* Room for the text of any value that is not a string of its own */
#define CONFIG_VALUE_MAX 4200

struct config_row;

/* How values of one kind are read and written. */
struct config_type {
	/*
	 * Set the row's field of @obj (a vm_config, a config_disk ...) from
	 * @value. NULL values reach flags only. @dir: what a relative
	 * path is relative to, with a slash at its end; NULL or "" for the
	 * current folder. 0; -EINVAL
	 * for a value that is not what row->pub.format says; -ENOMEM; or
	 * another error with @e filled.
	 */
	int (*set)(const struct config_row *row, void *obj, const char *value,
		   const char *dir, struct config_error *e);
	/*
	 * The field as text, in @buf (CONFIG_VALUE_MAX bytes) or in @obj;
	 * NULL when it is not set. NULL member: nothing to print.
	 */
	const char *(*get)(const struct config_row *row, const void *obj,
			   char *buf);
	/*
	 * Instead of get, for a key that may be given several times: value
	 * @i, NULL past the last one.
	 */
	const char *(*get_nth)(const struct config_row *row, const void *obj,
			       size_t i, char *buf);
	/* Free what the field owns and leave it empty. NULL: nothing. */
	void (*fini)(const struct config_row *row, void *obj);
};

struct config_row {
	struct config_setting pub;
	const struct config_type *type;
	size_t field;		    /* offset in vm_config, config_disk ... */
	uint64_t min, max;	    /* of the number, or of the text's length */
	uint64_t step;		    /* 0: any number in between */
	const char *const *choices; /* NULL-terminated; the index is kept */
};

extern const struct config_type config_type_size;     /* uint64_t */
extern const struct config_type config_type_number;   /* unsigned int */
extern const struct config_type config_type_wide;     /* uint64_t */
extern const struct config_type config_type_count;    /* number or flag */
extern const struct config_type config_type_switch;   /* bool */
extern const struct config_type config_type_flag;     /* switch or flag: on */
extern const struct config_type config_type_choice;   /* enum */
extern const struct config_type config_type_word;     /* char *, a choice */
extern const struct config_type config_type_text;     /* char * */
extern const struct config_type config_type_path;     /* char * */
extern const struct config_type config_type_stream;   /* config_stream */
extern const struct config_type config_type_serial;   /* of vm_config */
extern const struct config_type config_type_list;     /* struct config_list */
extern const struct config_type config_type_unset;    /* number; 0: not set */
extern const struct config_type config_type_net_kind; /* of config_net */
extern const struct config_type config_type_mac;      /* of config_net */
extern const struct config_type config_type_net_fd;   /* of config_net */
extern const struct config_type config_type_subnet;   /* of config_net */
extern const struct config_type config_type_address;  /* uint32_t, IPv4 */
extern const struct config_type config_type_group;    /* a whole --disk */
/* Numbers that are not set when 0: uint64_t */
extern const struct config_type config_type_size_unset;
extern const struct config_type config_type_wide_unset;

/*
 * A list of named things, each with the keys of the rows of its section; or
 * one thing, which has the name of its section.
 */
struct config_group {
	const char *section; /* "disk": [disk NAME], --disk */
	bool single;	     /* "balloon": [balloon], --balloon; max is 1 */
	const char *first;   /* key of the first piece, which must be set */
	size_t max;	     /* items */
	size_t list, nr;     /* offsets in vm_config: the items, how many */
	size_t size;	     /* of an item, and offsets in it: */
	size_t name;	     /* char *, of the section; "disk0".. of groups */
	size_t from_option;  /* bool: of a group, not of a section */
};

/* List @i, or NULL past the end. */
const struct config_group *config_group(size_t i);

/* The list whose rows are those of @section ("disk"), or NULL. */
const struct config_group *config_group_called(const char *section);

/*
 * The list of the ini section "disk NAME", and NAME; or of "balloon", and that;
 * NULL: no such list.
 */
const struct config_group *config_group_of(const char *section,
					   const char **name);

/* Item @i, or NULL past the end. */
void *config_group_item(const struct vm_config *c, const struct config_group *g,
			size_t i);
const char *config_group_name(const struct config_group *g, const void *item);

/* The item called @name, or NULL. */
void *config_group_find(const struct vm_config *c, const struct config_group *g,
			const char *name);

/*
 * An item called @name with every key at its default, at the end of the list.
 * 0 or -errno with @e filled.
 */
int config_group_add(struct vm_config *c, const struct config_group *g,
		     const char *name, void **out, struct config_error *e);

/* Free the list. */
void config_group_fini(struct vm_config *c, const struct config_group *g);

/* The row of @key in @section ("vm", "kernel", "disk"), or NULL. */
const struct config_row *config_row_find(const char *section, const char *key);

/* Row @i of the table, or NULL past the end. */
const struct config_row *config_row(size_t i);

/*
 * Run the row's setter; on failure @e says "expected ...; got ...", without
 * the name of the setting.
 */
int config_row_set(const struct config_row *row, void *obj, const char *value,
		   const char *dir, struct config_error *e);

/* Set the rows of @section in @obj to their defaults. 0 or -errno. */
int config_row_defaults(const char *section, void *obj);

/* " (did you mean '%s'?)", or what a list of the keys of @section says. */
void config_row_hint(const char *section, const char *key, char *buf,
		     size_t len);

/* Replace the string at @field by a copy of @value. 0 or -ENOMEM. */
int config_replace(char **field, const char *value);

/*
 * The same for a path, with @dir in front of it if it is relative. 0, -EINVAL
 * when it is empty or too long, or -ENOMEM.
 */
int config_replace_path(char **field, const char *value, const char *dir);

/* Decimal digits only, within the bounds of @row. 0 or -EINVAL. */
int config_parse_number(const struct config_row *row, const char *value,
			uint64_t *out);

/* Printable bytes, and UTF-8 beyond ASCII; nothing is a second line. */
bool config_is_text(const char *s);

#endif
