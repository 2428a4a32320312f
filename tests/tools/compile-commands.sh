#!/usr/bin/env bash
# compile-commands.sh COMMAND FILE... - a JSON compilation database: how each
# file is compiled, for clangd and its like.
set -eu

# As the text of a JSON string.
quoted() {
	printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"
}

command=$1
shift
between='['
for f in "$@"; do
	printf '%s\n{"directory": %s, "file": %s, "command": %s}' "$between" \
		"$(quoted "$PWD")" "$(quoted "$f")" "$(quoted "$command -c $f")"
	between=,
done
printf '\n]\n'
