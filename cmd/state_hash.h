/* SPDX-License-Identifier: MIT */
/*
 * state_hash.h - one number for the state of a machine: equal states have
 * equal hashes.
 */
#ifndef MINIVMM_CMD_STATE_HASH_H
#define MINIVMM_CMD_STATE_HASH_H

#define STATE_HASH_TEXT 33 /* bytes: 32 hexadecimal digits and a NUL */

struct cpu_state;
struct ram;
struct state_hash;

/* 0 or -ENOMEM. */
int state_hash_create(struct state_hash **out);

/* The architected registers of one more CPU: in the order of their numbers. */
void state_hash_cpu(struct state_hash *h, const struct cpu_state *st);

/*
 * All of RAM. Looks only at what somebody has touched; a page of zeroes
 * counts as one that nobody has. 0, or -errno of lseek(2).
 */
int state_hash_ram(struct state_hash *h, const struct ram *ram);

/* The hash as text. Frees @h; a NULL @text is allowed, and a NULL @h then. */
void state_hash_finish(struct state_hash *h, char *text);

#endif
