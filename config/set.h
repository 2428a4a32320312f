/* SPDX-License-Identifier: MIT */
/*
 * set.h - the door to the setter table, for the readers and the printer of
 * this room.
 *
 * Messages made here do not say where the value came from; the reader puts
 * that in front with config_error_prefix().
 */
#ifndef MINIVMM_CONFIG_SET_H
#define MINIVMM_CONFIG_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "config/config.h"

/* What a message says of the sections that there are. */
#define CONFIG_SECTIONS                             \
	"[vm], [kernel], [disk NAME], [net NAME], " \
	"[vsock] or [balloon]"

/* Put "<fmt>" in front of the text that @e has. */
void config_error_prefix(struct config_error *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Replace the text of @e. Returns -EINVAL, to be returned. */
int config_error_set(struct config_error *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The start of @value in @buf, short enough to be shown inside a line. */
const char *config_error_show(const char *value, char *buf, size_t len);

/*
 * Enter the ini section @section: check its name, add its item if it is a new
 * [disk NAME]. 0 or -errno with @e filled.
 */
int config_enter_section(struct vm_config *c, const char *section,
			 struct config_error *e);

/*
 * Set @key of the section @section, which was entered. A relative path in
 * @value is relative to @dir (with a slash at its end, or ""). 0 or -errno with @e filled.
 */
int config_set_key(struct vm_config *c, const char *section, const char *key,
		   const char *value, const char *dir, struct config_error *e);

/*
 * True when @key of @section may be given several times; what it had before
 * is then forgotten if @forget.
 */
bool config_key_repeats(struct vm_config *c, const char *section,
			const char *key, bool forget);

#endif
