#!/usr/bin/env bash
# check-banned.sh - nothing of banned.txt is in the sources outside the files
# it names. Lines of comments do not count.
set -u
shopt -s extglob
cd "$(dirname "$0")/../.." || exit 1

# allowed FILE GLOB...
allowed() {
	local file=$1 glob

	shift
	for glob in "$@"; do
		# shellcheck disable=SC2053 # a glob is meant
		[[ $file == $glob ]] && return 0
	done
	return 1
}

bad=0
while IFS=$'\t' read -r pattern where why; do
	case $pattern in '#'* | '') continue ;; esac
	set -f
	# shellcheck disable=SC2206 # words, not expanded
	globs=($where)
	set +f
	while IFS=: read -r file line text; do
		case $text in *([[:space:]])@(\*|/\*|//)*) continue ;; esac
		allowed "$file" "${globs[@]}" && continue
		echo "$file:$line: ${text#"${text%%[![:space:]]*}"} ($why)"
		bad=1
	done < <(grep -rnE --include='*.[ch]' -e "$pattern" base cmd config \
		memory vcpu virtio)
done <tests/tools/banned.txt
exit $bad
