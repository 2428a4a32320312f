// SPDX-License-Identifier: MIT
/*
 * net_slirp.c - libslirp, loaded when a machine asks for it.
 */
#include "virtio/backend/net_slirp.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/log.h"

#define SONAME "libslirp.so.0"

/* g_log_set_default_handler() and G_LOG_LEVEL_ERROR of glib 2. */
typedef void log_fn(const char *domain, int level, const char *text,
		    void *data);
#define LEVEL_ERROR (1 << 2)

static const struct {
	const char *name;
	size_t member;
} functions[] = {
	{ "slirp_new", offsetof(struct netb_slirp, new) },
	{ "slirp_cleanup", offsetof(struct netb_slirp, cleanup) },
	{ "slirp_input", offsetof(struct netb_slirp, input) },
	{ "slirp_pollfds_fill", offsetof(struct netb_slirp, pollfds_fill) },
	{ "slirp_pollfds_poll", offsetof(struct netb_slirp, pollfds_poll) },
	{ "slirp_add_hostfwd", offsetof(struct netb_slirp, add_hostfwd) },
};

/* A guest can have this said as often as it likes. */
static void handle_log(const char *domain, int level, const char *text,
		       void *data)
{
	(void)domain;
	(void)data;
	if (level & LEVEL_ERROR) /* glib ends the process after it */
		log_err("libslirp: %s", text);
	else
		log_debug("libslirp: %s", text);
}

/* glib writes to stderr otherwise. It is loaded by libslirp. */
static void redirect_log(void *lib)
{
	log_fn *(*set)(log_fn * fn, void *data);
	void *sym = dlsym(lib, "g_log_set_default_handler");

	if (!sym)
		return;
	memcpy(&set, &sym, sizeof(set));
	set(handle_log, NULL);
}

int netb_slirp_load(struct netb_slirp *out, char *why, size_t why_len)
{
	/* glib cannot be unloaded. */
	void *lib = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!lib) {
		snprintf(why, why_len,
			 "needs libslirp (Debian: apt install libslirp0): %s",
			 dlerror());
		return -ENOENT;
	}
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		void *sym = dlsym(lib, functions[i].name);

		if (!sym) {
			snprintf(why, why_len, "%s has no %s()", SONAME,
				 functions[i].name);
			dlclose(lib);
			return -ENOSYS;
		}
		memcpy((char *)out + functions[i].member, &sym, sizeof(sym));
	}
	redirect_log(lib);
	/* Its count only: the library stays. */
	dlclose(lib);
	return 0;
}
