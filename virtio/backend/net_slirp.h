/* SPDX-License-Identifier: MIT */
/*
 * net_slirp.h - libslirp, loaded when a machine asks for it.
 *
 * Not linked: with glib and what that needs it is five more libraries, and
 * costs every start 0.4 ms, that of machines without a network, too.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_SLIRP_H
#define MINIVMM_VIRTIO_BACKEND_NET_SLIRP_H

#include <slirp/libslirp.h>
#include <stddef.h>

/* The functions of libslirp.h without their prefix. */
struct netb_slirp {
	__typeof__(&slirp_new) new;
	__typeof__(&slirp_cleanup) cleanup;
	__typeof__(&slirp_input) input;
	__typeof__(&slirp_pollfds_fill) pollfds_fill;
	__typeof__(&slirp_pollfds_poll) pollfds_poll;
	__typeof__(&slirp_add_hostfwd) add_hostfwd;
};

/*
 * Load the library, which then stays loaded, and send what it has to say to
 * our log. 0, or -errno and in @why one line for the user. Before
 * loop_run() or loop thread only.
 */
int netb_slirp_load(struct netb_slirp *out, char *why, size_t why_len);

#endif
