/* SPDX-License-Identifier: MIT */
/*
 * machine.h - one virtual machine, built from a configuration and torn down
 * in reverse. The only module that knows every other.
 *
 * Threads: the thread that creates a machine is its loop thread. Each vCPU
 * has its own. Locks, in the order in which they may nest (left first):
 *
 *   virtio_dev.lock    status, features and queue registers of one device
 *   uart, rtc, pit     one chip's registers; never held across a callback
 *   pic, ioapic        one chip's registers, see irqchip.h
 *   kvm route_lock     KVM's routing table
 *   interp alone       no other vCPU moves; none of the above inside
 *   loop post lock     the list of posted tasks
 */
#ifndef MINIVMM_CMD_MACHINE_H
#define MINIVMM_CMD_MACHINE_H

#include <stdbool.h>

struct machine;
struct machine_error;
struct vm_config;

/* Why a machine ended. */
enum machine_end {
	MACHINE_POWEROFF, /* or reboot */
	MACHINE_EXIT,	  /* the byte written to the debug-exit port */
	MACHINE_CRASH,	  /* triple fault, or a panic through pvpanic */
	MACHINE_TIMEOUT,
	MACHINE_QUIT,	/* Ctrl-a x */
	MACHINE_SIGNAL, /* SIGINT, SIGTERM or SIGHUP */
	MACHINE_ERROR,	/* minivmm itself cannot go on; it was logged */
};

struct machine_result {
	enum machine_end end;
	int value; /* exit byte, or signal number */
};

/*
 * Build everything, up to vCPUs that are ready to run. @cfg stays the
 * caller's and must outlive the machine. 0, or -errno and in @e one line:
 * what, where, and what to do.
 */
int machine_create(struct machine **out, const struct vm_config *cfg,
		   struct machine_error *e);

/* Run to the end. Once per machine. */
struct machine_result machine_run(struct machine *m);

/*
 * After machine_run(): the hash of the architected registers of all CPUs and
 * of all RAM, as text (STATE_HASH_TEXT bytes). 0, or -errno after one log
 * line.
 */
int machine_state_hash(struct machine *m, char *text);

void machine_destroy(struct machine *m);

#endif
