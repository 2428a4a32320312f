/* SPDX-License-Identifier: MIT */
/*
 * consoles.h - the consoles and named ports of a machine: their streams, and
 * the virtio device that they share.
 */
#ifndef MINIVMM_CMD_CONSOLES_H
#define MINIVMM_CMD_CONSOLES_H

struct consoles;
struct loop;
struct machine_error;
struct ram;
struct virtio_dev;
struct vm_config;

struct consoles_params {
	const struct vm_config *cfg;
	struct ram *ram;
	struct loop *loop;
	/* The user typed Ctrl-a x on one that is a terminal. Loop thread. */
	void (*quit)(void *ctx);
	void *ctx;
};

/*
 * Open the streams, and make the device of them, which is the caller's and
 * must go first. 0 or -errno; *out is to be destroyed either way.
 */
int consoles_create(struct consoles **out, struct virtio_dev **dev,
		    const struct consoles_params *p, struct machine_error *e);

/* Clients, files and terminals are read from here on. Loop thread only. */
void consoles_start(struct consoles *c);

/* The loop is drained. NULL is allowed. */
void consoles_destroy(struct consoles *c);

#endif
