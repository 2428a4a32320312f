/* SPDX-License-Identifier: MIT */
/*
 * blk_names.h - numbers of virtio 1.2 §5.2 as a driver knows them.
 *
 * Not the device's own: a wrong number there must not be right here.
 */
#ifndef MINIVMM_TESTS_UNIT_BLK_NAMES_H
#define MINIVMM_TESTS_UNIT_BLK_NAMES_H

enum {
	T_IN = 0,
	T_OUT = 1,
	T_FLUSH = 4,
	T_ID = 8,
	T_DISCARD = 11,
	T_ZERO = 13,
};

enum {
	S_OK = 0,
	S_IOERR = 1,
	S_UNSUPP = 2,
};

#define F_SEG_MAX  (1u << 2)
#define F_RO	   (1u << 5)
#define F_BLK_SIZE (1u << 6)
#define F_FLUSH	   (1u << 9)
#define F_MQ	   (1u << 12)
#define F_DISCARD  (1u << 13)
#define F_ZEROES   (1u << 14)

#endif
