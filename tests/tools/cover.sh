#!/usr/bin/env bash
# cover.sh OBJDIR - the share of lines that ran, per file and in all, from what
# programs built with --coverage left in OBJDIR. Least covered first.
set -eu

cd "$1"
find base cmd config memory vcpu virtio -name '*.gcda' -print0 |
	xargs -0 -r gcov -n -r 2>/dev/null | awk -F"[':% ]+" '
	/^File/ { file = $2 }
	/^Lines executed/ && file ~ /\.c$/ && file !~ /^(\/|tests)/ {
		share = $3; lines = $5
		printf "%6.1f%% %6d  %s\n", share, lines, file | "sort -n"
		sum += lines; ran += share * lines / 100
		file = ""
	}
	END {
		close("sort -n")
		if (sum)
			printf "%6.1f%% %6d  all\n", 100 * ran / sum, sum
	}'
