/* SPDX-License-Identifier: MIT */
/*
 * net_passt_int.h - what the files of the passt backend share.
 *
 *   net_passt.c        the backend: its stream on the loop
 *   net_passt_start.c  the process
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_PASST_INT_H
#define MINIVMM_VIRTIO_BACKEND_NET_PASST_INT_H

#include "virtio/backend/net_passt.h"

/* 0 and in *fd our end of passt's socket, or as netb_passt_open(). */
int netb_passt_start(int *fd, const struct netb_passt_params *p, char *why,
		     size_t why_len);

#endif
