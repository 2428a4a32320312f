// SPDX-License-Identifier: MIT
/*
 * engine.c - the list of engines, best first, and the choice among them.
 */
#include "vcpu/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#if CONFIG_KVM
#include "vcpu/kvm/kvm.h"
#endif

static const struct engine_ops *const engines[] = {
#if CONFIG_KVM
	&kvm_engine_ops,
#endif
	NULL, /* the end, so that the list is never empty */
};

static int select_named(const char *name, const struct engine_ops **out,
			char *why, size_t why_len)
{
	size_t i;

	for (i = 0; engines[i]; i++) {
		if (strcmp(engines[i]->name, name))
			continue;
		*out = engines[i];
		return engines[i]->probe(why, why_len);
	}
	snprintf(why, why_len, "this build has no engine \"%s\"", name);
	return -ENOENT;
}

int engine_select(const char *name, const struct engine_ops **out, char *why,
		  size_t why_len)
{
	int err = -ENOENT;
	size_t i;

	*out = NULL;
	if (strcmp(name, "auto"))
		return select_named(name, out, why, why_len);

	snprintf(why, why_len, "this build has no engine");
	for (i = 0; engines[i]; i++) {
		err = engines[i]->probe(why, why_len);
		if (err)
			continue;
		*out = engines[i];
		return 0;
	}
	return err;
}
