// SPDX-License-Identifier: MIT
/*
 * validate_limit.c - do the limits of the devices fit together?
 */
#include "config/set.h"
#include "config/validate.h"

static int check_limit(const char *kind, const char *name,
		       const struct config_limit *l, bool deterministic,
		       struct config_error *e)
{
	const char *burst = NULL;

	if (l->bandwidth_burst && !l->bandwidth)
		burst = "bandwidth";
	else if (l->ops_burst && !l->ops)
		burst = "ops";
	if (burst)
		return config_error_set(e,
					"%s %s: %s-burst without %s; expected "
					"both",
					kind, name, burst, burst);
	/* They go by the host's clock. */
	if (deterministic && (l->bandwidth || l->ops))
		return config_error_set(e,
					"deterministic: on takes no limits; "
					"%s %s has one",
					kind, name);
	return 0;
}

int config_validate_limits(const struct vm_config *c, struct config_error *e)
{
	int err = 0;

	for (size_t i = 0; !err && i < c->nr_disks; i++)
		err = check_limit("disk", c->disks[i].name, &c->disks[i].limit,
				  c->deterministic, e);
	for (size_t i = 0; !err && i < c->nr_nets; i++)
		err = check_limit("net", c->nets[i].name, &c->nets[i].limit,
				  c->deterministic, e);
	return err;
}
