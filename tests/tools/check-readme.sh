#!/usr/bin/env bash
# check-readme.sh - every path in README.md's "Where is...?" table exists.
# Patterns are written as a shell understands them: virtio/*.c.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

# shellcheck disable=SC2016 # these are the backquotes of Markdown
paths=$(sed -n '/^## Where is/,/^## [^W]/p' README.md |
	sed -n 's/^|[^|]*|\(.*\)|$/\1/p' | grep -o '`[^`]*`' | tr -d '`')
check "the table has paths" test -n "$paths"
for path in $paths; do
	check "$path exists" compgen -G "$path"
done
finish
