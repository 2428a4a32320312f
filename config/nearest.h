/* SPDX-License-Identifier: MIT */
/*
 * nearest.h - "did you mean": the known word closest to one that is unknown.
 *
 * Any thread; nothing allocates.
 */
#ifndef MINIVMM_CONFIG_NEAREST_H
#define MINIVMM_CONFIG_NEAREST_H

#include <stddef.h>

struct config_nearest {
	const char *word;
	const char *best; /* NULL: nothing is close; not copied */
	size_t distance;  /* of best, or the first that is too far */
};

/* Start a search; @word must outlive it. */
void config_nearest_init(struct config_nearest *n, const char *word);

/* Consider @candidate; on equal distances the first one stays. */
void config_nearest_offer(struct config_nearest *n, const char *candidate);

#endif
