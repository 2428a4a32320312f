// SPDX-License-Identifier: MIT
/*
 * ini.c - an ini file through inih into the setter table.
 *
 * How it works. inih pulls lines from next_line() and calls handle_key() for
 * each "key = value". The reader is ours because inih, left alone, cuts long
 * lines in two, cuts names of sections after 49 bytes, skips empty sections
 * and gives no line numbers. Here each line is one call: the reader counts,
 * refuses what would be cut, and follows the section headers itself.
 *
 * Grammar on top of inih's: indentation means nothing (inih would continue
 * the line before); a value may stand in double quotes, where \" \\ and \xHH
 * are escapes and a semicolon starts no comment.
 */
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "config/config.h"
#include "config/set.h"

#define FILE_MAX (1u << 20)
#define LINE_LEN 40960 /* twice a path of 4 KiB with every byte escaped */
#define SEEN_MAX 1024  /* more than all keys of all sections */
#define NAME_LEN 64

/*
 * Debian builds inih with its line limit (200 bytes) in a variable; upstream
 * builds it in. Weak, so that the latter links too: then longer lines are
 * refused with a message, never cut.
 */
extern int ini_max_line __attribute__((weak));

/* A key that was set, to find the second time. */
struct seen {
	char section[NAME_LEN];
	char key[NAME_LEN];
	unsigned int line;
};

struct ini {
	struct vm_config *c;
	struct config_error *e;
	const char *dir;
	const char *next, *end; /* what is left of the text */
	unsigned int line;	/* of the last line handed out */
	int err;		/* and the reader ends */
	char section[NAME_LEN];
	struct seen seen[SEEN_MAX];
	size_t nr_seen;
};

static void enter_section(struct ini *ini, const char *line, size_t len)
{
	const char *close = memchr(line, ']', len);
	const char *tail, *end = line + len;

	if (!close) {
		ini->err = config_error_set(ini->e, "expected [section]");
		return;
	}
	if (close - line - 1 >= NAME_LEN) {
		ini->err = config_error_set(ini->e,
					    "name of the section is too long; "
					    "expected " CONFIG_SECTIONS);
		return;
	}
	for (tail = close + 1; tail < end && isspace((unsigned char)*tail);)
		tail++;
	if (tail < end && *tail != ';' && *tail != '#') {
		ini->err = config_error_set(ini->e, "text after [section]");
		return;
	}
	snprintf(ini->section, sizeof(ini->section), "%.*s",
		 (int)(close - line - 1), line + 1);
	ini->err = config_enter_section(ini->c, ini->section, ini->e);
}

/* Refuse what inih would cut; follow the sections. */
static void look_at_line(struct ini *ini, const char *line, size_t len,
			 size_t room)
{
	if (memchr(line, '\0', len))
		ini->err = config_error_set(
			ini->e, "a zero byte; expected an ini file");
	else if (len >= room)
		ini->err = config_error_set(
			ini->e, "line of %zu bytes; expected less than %zu",
			len, room);
	else if (len && *line == '[')
		enter_section(ini, line, len);
}

/* Where the value of "key = value" starts in @line; @len without one. */
static size_t find_value(const char *line, size_t len)
{
	size_t i = 0;

	while (i < len && line[i] != '=' && line[i] != ':')
		i++;
	if (i < len)
		i++;
	while (i < len && isspace((unsigned char)line[i]))
		i++;
	return i;
}

/*
 * Copy @line to @buf, which has room for twice its length: semicolons inside
 * a quoted value get a backslash, as inih would take them for comments.
 */
static void copy_line(char *buf, const char *line, size_t len)
{
	size_t i = find_value(line, len);
	bool quoted = i < len && line[i] == '"' && line[0] != '[';

	if (!quoted)
		i = len;
	else
		i++;
	memcpy(buf, line, i);
	for (buf += i; i < len; i++) {
		if (quoted && line[i] == ';')
			*buf++ = '\\';
		if (line[i] == '"')
			quoted = false;
		*buf++ = line[i];
		if (quoted && line[i] == '\\' && i + 1 < len)
			*buf++ = line[++i];
	}
	*buf = '\0';
}

/* inih's fgets(): one line, without indentation; NULL at the end. */
static char *next_line(char *buf, int size, void *stream)
{
	struct ini *ini = stream;
	const char *start = ini->next, *nl;
	size_t len;

	if (ini->err || start == ini->end)
		return NULL;
	nl = memchr(start, '\n', (size_t)(ini->end - start));
	ini->next = nl ? nl + 1 : ini->end;
	ini->line++;
	len = (size_t)((nl ? nl : ini->end) - start);
	for (; len && isspace((unsigned char)*start); len--)
		start++;
	look_at_line(ini, start, len, (size_t)size / 2);
	if (ini->err)
		return NULL;
	copy_line(buf, start, len);
	return buf;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *d;

	d = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
	return d ? (int)(d - digits) : -1;
}

/* What follows a backslash at *s; *s moves to its last byte. -1: nothing. */
static int unescape(const char **s)
{
	const char *p = *s;
	int high, low;

	if (*p == '"' || *p == '\\' || *p == ';')
		return *p;
	if (*p != 'x')
		return -1;
	high = hex_digit(p[1]);
	low = high < 0 ? -1 : hex_digit(p[2]);
	if (low < 0 || !(high | low))
		return -1;
	*s = p + 2;
	return high << 4 | low;
}

/* Take the quotes off @in, which starts with one; @out has room for it. */
static int unquote(const char *in, char *out, struct config_error *e)
{
	int c;

	for (in++; *in && *in != '"'; in++) {
		c = (unsigned char)*in;
		if (c == '\\') {
			in++;
			c = unescape(&in);
			if (c < 0)
				return config_error_set(
					e, "expected \\\" \\\\ or \\xHH "
					   "after a backslash in quotes");
		}
		*out++ = (char)c;
	}
	*out = '\0';
	if (!*in)
		return config_error_set(e, "expected a closing quote");
	if (in[1])
		return config_error_set(e, "text after the closing quote");
	return 0;
}

static int note_key(struct ini *ini, const char *key)
{
	struct seen *s;

	for (size_t i = 0; i < ini->nr_seen; i++) {
		s = &ini->seen[i];
		if (strcmp(s->section, ini->section) == 0 &&
		    strcmp(s->key, key) == 0)
			return config_key_repeats(ini->c, ini->section, key,
						  false)
				       ? 0
				       : config_error_set(
						 ini->e,
						 "%s: given twice, first on "
						 "line %u",
						 key, s->line);
	}
	/* A later file overrides the earlier one, also here. */
	config_key_repeats(ini->c, ini->section, key, true);
	if (ini->nr_seen == ARRAY_SIZE(ini->seen))
		return config_error_set(ini->e, "too many keys");
	s = &ini->seen[ini->nr_seen++];
	snprintf(s->section, sizeof(s->section), "%s", ini->section);
	snprintf(s->key, sizeof(s->key), "%s", key);
	s->line = ini->line;
	return 0;
}

static int set_key(struct ini *ini, const char *key, const char *value)
{
	char *plain = NULL;
	int err;

	err = note_key(ini, key);
	if (err)
		return err;
	if (*value == '"') {
		plain = malloc(strlen(value) + 1);
		if (!plain)
			return -ENOMEM;
		err = unquote(value, plain, ini->e);
		if (err)
			config_error_prefix(ini->e, "%s: ", key);
	}
	if (!err)
		err = config_set_key(ini->c, ini->section, key,
				     plain ? plain : value, ini->dir, ini->e);
	free(plain);
	return err;
}

/* inih's handler. Its @section may be cut; ours is not. */
static int handle_key(void *user, const char *section, const char *key,
		      const char *value)
{
	struct ini *ini = user;

	(void)section;
	if (ini->err)
		return 0;
	if (!ini->section[0])
		ini->err = config_error_set(ini->e,
					    "%s: expected " CONFIG_SECTIONS
					    " before the first key",
					    key);
	else
		ini->err = set_key(ini, key, value);
	return !ini->err;
}

/* Everything up to the last slash of @path, in memory of the caller. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
}

/* Drop a UTF-8 byte order mark: else it would hide a first [section]. */
static void skip_bom(struct ini *ini)
{
	static const char bom[] = "\xef\xbb\xbf";
	size_t n = strlen(bom);

	if ((size_t)(ini->end - ini->next) >= n &&
	    memcmp(ini->next, bom, n) == 0)
		ini->next += n;
}

/* As much of @path as leaves room for the message behind it. */
static const char *end_of(const char *path)
{
	size_t len = strlen(path),
	       max = sizeof((struct config_error){ "" }) / 2;

	return len > max ? path + len - max : path;
}

/* Errors of inih (@ret: a line, < 0 no memory) become ours. */
static int finish(struct ini *ini, int ret, const char *name)
{
	unsigned int line = ini->line;

	if (ret < 0 && !ini->err) {
		config_error_set(ini->e, "out of memory");
		ini->err = -ENOMEM;
	}
	/* inih goes on behind a line that it cannot read: the first counts. */
	if (ret > 0 && (!ini->err || (unsigned int)ret < line)) {
		line = (unsigned int)ret;
		ini->err = config_error_set(ini->e, "expected 'key = value', "
						    "[section] or a comment");
	}
	if (ini->err)
		config_error_prefix(ini->e, "%s:%u: ", end_of(name), line);
	return ini->err;
}

int config_read_text(struct vm_config *c, const char *text, size_t len,
		     const char *name, struct config_error *e)
{
	struct ini *ini = calloc(1, sizeof(*ini));
	char *dir = folder_of(name);
	int err = -ENOMEM;

	e->text[0] = '\0';
	if (!ini || !dir) {
		config_error_set(e, "%s: out of memory", name);
		goto free_dir;
	}
	ini->c = c;
	ini->e = e;
	ini->dir = dir;
	ini->next = text;
	ini->end = text + len;
	skip_bom(ini);
	if (&ini_max_line)
		ini_max_line = LINE_LEN;
	err = finish(ini, ini_parse_stream(next_line, ini, handle_key, ini),
		     name);
free_dir:
	free(dir);
	free(ini);
	return err;
}

/* All of @f, FILE_MAX bytes at most, in memory of the caller. */
static int read_all(FILE *f, char **out, size_t *len)
{
	char *text = malloc(FILE_MAX + 1);

	if (!text)
		return -ENOMEM;
	errno = EIO;
	*len = fread(text, 1, FILE_MAX + 1, f);
	if (ferror(f))
		goto free_text;
	errno = EFBIG;
	if (*len > FILE_MAX)
		goto free_text;
	*out = text;
	return 0;

free_text:
	free(text);
	return -errno;
}

int config_read_file(struct vm_config *c, const char *path,
		     struct config_error *e)
{
	FILE *f = fopen(path, "re");
	size_t len = 0;
	char *text = NULL;
	int err = f ? 0 : -errno;

	if (f) {
		err = read_all(f, &text, &len);
		fclose(f);
	}
	if (err) {
		config_error_set(e, "%s: cannot read: %s; expected an ini file",
				 end_of(path), strerror(-err));
		return err;
	}
	err = config_read_text(c, text, len, path, e);
	free(text);
	return err;
}
