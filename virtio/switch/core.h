/* SPDX-License-Identifier: MIT */
/*
 * core.h - what a switch does with a frame: learning, flooding and its limit,
 * isolation, and what it counts. No I/O, and no time but what it is told.
 *
 * How it works. Ports are numbers. Each frame is judged by its first 14 bytes:
 *
 *   DROP   it is no frame, or nobody may have it
 *   ONE    its destination is known to be behind a port
 *   FLOOD  it goes to all that switch_core_floods_to() names: the destination
 *          is a group, or not known. Each port may cause so many of these a
 *          second; as one frame in is many out, this is what one port could
 *          hurt the others with
 *
 * Isolated: a port exchanges frames with the uplink only, and cannot draw an
 * address to itself that is known to be behind another.
 *
 * One thread.
 */
#ifndef MINIVMM_VIRTIO_SWITCH_CORE_H
#define MINIVMM_VIRTIO_SWITCH_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SWITCH_HEADER_LEN 14
#define SWITCH_PORTS_MAX  256  /* one of them is the uplink's */
#define SWITCH_UPLINK	  0    /* its number, also when there is none */
#define SWITCH_QUOTA	  128  /* addresses behind a port */
#define SWITCH_QUOTA_UP	  8192 /* and behind the uplink */

struct switch_core;

struct switch_core_params {
	bool isolate;
	uint32_t age_s;	     /* how long an address is known */
	uint32_t flood_rate; /* frames a second and port; 0: no limit */
	uint64_t key;	     /* any number that guests do not know */
};

/* rx: from the port into the switch; tx: from the switch to the port. */
struct switch_counters {
	uint64_t rx_frames, rx_bytes;
	uint64_t tx_frames, tx_bytes;
	uint64_t drops;	      /* to the port: it was full */
	uint64_t flood_drops; /* from the port: over its limit */
	uint64_t refused;  /* from the port: nobody may have it, or no frame */
	uint64_t unlearnt; /* addresses beyond its quota, or of others */
};

enum switch_verdict {
	SWITCH_DROP,
	SWITCH_ONE,
	SWITCH_FLOOD,
};

int switch_core_create(struct switch_core **out,
		       const struct switch_core_params *p);
void switch_core_destroy(struct switch_core *c);

/* The number of a new port, or -ENOSPC. Its counters are 0. */
int switch_core_add_port(struct switch_core *c, bool is_uplink);
/* Its number may be given to another; its addresses are forgotten. */
void switch_core_del_port(struct switch_core *c, unsigned int port);

/*
 * The frame of @len bytes that begins with @header came from port @in. Learns
 * and counts; with SWITCH_ONE the frame goes to port *@to.
 */
enum switch_verdict switch_core_judge(struct switch_core *c, unsigned int in,
				      const uint8_t header[SWITCH_HEADER_LEN],
				      uint32_t len, uint64_t now_ms,
				      unsigned int *to);

/* Whether a flooded frame from port @in goes to port @out. */
bool switch_core_floods_to(const struct switch_core *c, unsigned int in,
			   unsigned int out);

/* Frames with @bytes in all went to port @out, or did not for want of room. */
void switch_core_count_tx(struct switch_core *c, unsigned int out,
			  unsigned int frames, uint64_t bytes);
void switch_core_count_drop(struct switch_core *c, unsigned int out,
			    unsigned int frames);

/* Free what has aged; call it now and then. */
void switch_core_expire(struct switch_core *c, uint64_t now_ms);

const struct switch_counters *switch_core_counters(const struct switch_core *c,
						   unsigned int port);
/* Addresses that are known behind @port. */
uint32_t switch_core_macs(const struct switch_core *c, unsigned int port);

#endif
