#!/usr/bin/env bash
# stats.sh FOLDER... - C sources in numbers, per folder: files, lines, lines of
# code, share of comments among lines that are not empty, the longest function;
# and how often devices cite the specification.
set -eu
cd "$(dirname "$0")/../.."

# A function's lines are those between "{" and "}" in column one.
count() {
	awk '
	FNR == 1 { files++; comment = 0; body = 0 }
	{ lines++ }
	/^$/ { next }
	{ full++ }
	comment || /^[ \t]*(\/\*|\/\/)/ {
		comments++
		if (/^[ \t]*\/\*/) comment = 1
		if (/\*\//) comment = 0
		next
	}
	/^{/ { body = FNR }
	/^}/ && body {
		functions++; length_sum += FNR - body - 1
		if (FNR - body - 1 > longest) longest = FNR - body - 1
		body = 0
	}
	END {
		printf "%6d %7d %7d %8d%% %9d %6.1f %8d\n", files, lines,
			full - comments, full ? 100 * comments / full : 0,
			functions, functions ? length_sum / functions : 0,
			longest
	}' "$@"
}

printf '%-18s %6s %7s %7s %9s %9s %6s %8s\n' folder files lines code comments \
	functions mean longest
find "$@" -name '*.[ch]' -printf '%h\n' | sort -u | while read -r folder; do
	mapfile -t files < <(find "$folder" -maxdepth 1 -name '*.[ch]')
	printf '%-18s ' "$folder"
	count "${files[@]}"
done
mapfile -t files < <(find "$@" -name '*.[ch]')
printf '%-18s ' all
count "${files[@]}"

for f in virtio/*.c; do
	case $f in */loop*.c) continue ;; esac
	lines=$(grep -cvE '^[[:space:]]*($|/?\*|//)' "$f")
	cited=$(grep -c '§' "$f")
	[ $((cited * 60)) -ge "$lines" ] ||
		echo "note: $f: $cited references in $lines lines of code"
done
