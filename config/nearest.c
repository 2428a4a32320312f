// SPDX-License-Identifier: MIT
/*
 * nearest.c - "did you mean": the known word closest to one that is unknown.
 */
#include "config/nearest.h"

#include <string.h>

#define WORD_MAX 32 /* longer words are no typing error of ours */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/*
 * Edits that turn @a into @b, where an edit adds, drops or replaces a letter
 * or swaps two neighbours. Both are at most WORD_MAX long.
 */
static size_t edit_distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];
	size_t la = strlen(a), lb = strlen(b);

	for (size_t j = 0; j <= lb; j++)
		last[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *free_row = before;

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			row[j] = min3(last[j] + 1, row[j - 1] + 1,
				      last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = last;
		last = row;
		row = free_row;
	}
	return last[lb];
}

void config_nearest_init(struct config_nearest *n, const char *word)
{
	n->word = word;
	n->best = NULL;
	/* One edit in three letters is a slip, more is another word. */
	n->distance = strlen(word) / 3 + 1;
	if (n->distance < 2)
		n->distance = 2;
}

void config_nearest_offer(struct config_nearest *n, const char *candidate)
{
	size_t d;

	if (strlen(n->word) > WORD_MAX || strlen(candidate) > WORD_MAX)
		return;
	d = edit_distance(n->word, candidate);
	if (strncmp(n->word, candidate, strlen(n->word)) == 0)
		d = 1; /* cut short: as close as one letter */
	if (d >= n->distance)
		return;
	n->distance = d;
	n->best = candidate;
}
