/* SPDX-License-Identifier: MIT */
/*
 * nets.h - opens the host's side of a network adapter, whatever its kind.
 */
#ifndef MINIVMM_CMD_NETS_H
#define MINIVMM_CMD_NETS_H

#include <stddef.h>
#include <stdint.h>

struct config_net;
struct loop;
struct net_backend;

/*
 * @owner is what others shall call who uses it. 0, or -errno and in @why one
 * line for the user: what is wrong and what to do. Before loop_run().
 */
int nets_open(struct net_backend **out, const struct config_net *cfg,
	      const char *owner, struct loop *loop, char *why, size_t why_len);

/*
 * The address of the adapter, CONFIG_MAC_LEN bytes: what the configuration
 * says, or one drawn at random. 0, or -EAGAIN: the host has no entropy yet.
 */
int nets_mac(const struct config_net *cfg, uint8_t *mac);

#endif
