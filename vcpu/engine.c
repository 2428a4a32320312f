// SPDX-License-Identifier: MIT
/*
 * engine.c - the list of engines, best first, and the choice among them.
 */
#include "vcpu/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "vcpu/interp/interp.h"
#if CONFIG_KVM
#include "vcpu/kvm/kvm.h"
#endif

static const struct engine_ops *const engines[] = {
#if CONFIG_KVM
	&kvm_engine_ops,
#endif
	&interp_engine_ops,
};

static int select_named(const char *name, bool counts,
			const struct engine_ops **out, char *why,
			size_t why_len)
{
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		if (strcmp(engines[i]->name, name))
			continue;
		if (counts && !engines[i]->counts) {
			snprintf(why, why_len,
				 "cannot count instructions; a deterministic "
				 "machine needs --accel auto or interp");
			return -EOPNOTSUPP;
		}
		*out = engines[i];
		ret = engines[i]->probe(why, why_len);
		return ret < 0 ? ret : 0;
	}
	snprintf(why, why_len, "this build has no engine \"%s\"", name);
	return -ENOENT;
}

int engine_select(const char *name, bool counts, const struct engine_ops **out,
		  char *why, size_t why_len)
{
	size_t i;

	*out = NULL;
	why[0] = '\0';
	if (strcmp(name, "auto"))
		return select_named(name, counts, out, why, why_len);

	/* The last one runs everywhere. */
	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		if (counts && !engines[i]->counts)
			continue;
		*out = engines[i];
		if (!engines[i]->probe(why, why_len))
			break;
	}
	return 0;
}
