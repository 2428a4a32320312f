/* SPDX-License-Identifier: MIT */
/*
 * validate.h - the parts of config_validate(). For config/ only.
 */
#ifndef MINIVMM_CONFIG_VALIDATE_H
#define MINIVMM_CONFIG_VALIDATE_H

#include "config/config.h"

/* 0, or -EINVAL with @e filled. */
int config_validate_limits(const struct vm_config *c, struct config_error *e);
int config_validate_disks(const struct vm_config *c, struct config_error *e);
int config_validate_nets(const struct vm_config *c, struct config_error *e);
int config_validate_consoles(const struct vm_config *c, struct config_error *e);

/*
 * @path, NULL for none, is written by @what: it is no file that is read, no
 * disk and not the log.
 */
int config_validate_output(const struct vm_config *c, const char *what,
			   const char *path, struct config_error *e);

#endif
