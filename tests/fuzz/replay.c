// SPDX-License-Identifier: MIT
/*
 * replay.c - the plain driver of a fuzz target: every file of a folder once,
 * as TAP. `make check` runs it over the corpus.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* 0 when @path was read and survived. */
static int replay(const char *path)
{
	static uint8_t data[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	size_t size;

	if (!f)
		return -1;
	size = fread(data, 1, sizeof(data), f);
	fclose(f);
	LLVMFuzzerTestOneInput(data, size);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	char path[4096];
	int i, n, bad = 0;

	n = argc == 2 ? scandir(argv[1], &entries, not_hidden, alphasort) : -1;
	if (n <= 0) {
		printf("not ok 1 - a corpus in %s\n",
		       argc == 2 ? argv[1] : "?");
		return 1;
	}
	for (i = 0; i < n; i++) {
		int err;

		snprintf(path, sizeof(path), "%s/%s", argv[1],
			 entries[i]->d_name);
		err = replay(path);
		printf("%sok %d - survives %s\n", err ? "not " : "", i + 1,
		       path);
		bad |= err;
		free(entries[i]);
	}
	free(entries);
	printf("1..%d\n", n);
	return bad ? 1 : 0;
}
