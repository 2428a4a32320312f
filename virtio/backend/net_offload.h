/* SPDX-License-Identifier: MIT */
/*
 * net_offload.h - offloads for a backend that has none.
 *
 * Without them a guest cuts what it sends into frames and sums each of them,
 * and takes what it receives one frame at a time: in a guest that is itself
 * run in software, that is most of what a network costs. Here the host does it
 * instead, at its own speed, in front of any backend that moves complete
 * frames.
 *
 *   guest:  up to 64 KiB of TCP, no checksum      up to 64 KiB, DATA_VALID
 *                       |                                  ^
 *                      net_cut.h                     net_join.h
 *                       v                                  |
 *   backend:    frames, complete                  frames, complete
 *
 * Both directions stay without a wait: a frame is joined with those that are
 * there behind it, and nothing waits for more of them.
 *
 * Loop thread only, as all of net.h.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_NET_OFFLOAD_H
#define MINIVMM_VIRTIO_BACKEND_NET_OFFLOAD_H

struct net_backend;

/*
 * Put a backend with checksum and TCP segmentation offloads in front of
 * *@b, and into it, unless *@b has offloads of its own. It owns what was
 * there. 0 or -ENOMEM, and then *@b is as it was. Before net_attach().
 */
int netb_offload_add(struct net_backend **b);

#endif
