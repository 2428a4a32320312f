/* SPDX-License-Identifier: MIT */
/*
 * board.h - what a device on the board can tell the machine.
 */
#ifndef MINIVMM_VCPU_BOARD_BOARD_H
#define MINIVMM_VCPU_BOARD_BOARD_H

#include <stdint.h>

/*
 * Filled once by the machine, copied by each device. Called on the thread of
 * the vCPU whose access it was, with no lock held, as often as the guest does
 * it; the vCPU goes on until somebody stops it. Members that are NULL are
 * skipped.
 */
struct board_events {
	void (*reset)(void *ctx);
	void (*poweroff)(void *ctx);
	void (*exit)(void *ctx, uint8_t status);
	void (*panic)(void *ctx);
	void *ctx;
};

#endif
