#!/usr/bin/env bash
# lint.sh CPPFLAGS STD FILE... - what analysers say, those that are installed.
# Their suppressions, each with its reason, are in .clang-tidy and here.
set -u
cd "$(dirname "$0")/../.." || exit 1

flags=()
eval "flags=($1)" # words, and a macro's value that has quotes
std=$2
shift 2
bad=0

# have TOOL - or say that it is left out.
have() {
	command -v "$1" >/dev/null && return
	echo "lint: no $1 here, left out"
	return 1
}

if have clang-tidy; then
	# Generated warnings of system headers are counted on stderr.
	clang-tidy --quiet --warnings-as-errors='*' "$@" -- "$std" \
		"${flags[@]}" 2>/dev/null || bad=1
fi
if have cppcheck; then
	# normalCheckLevelMaxBranches: about cppcheck itself.
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 \
		--enable=warning,performance,portability \
		--suppress=missingIncludeSystem \
		--suppress=normalCheckLevelMaxBranches \
		-j "$(nproc)" "${flags[@]}" "$@" || bad=1
fi
if have shellcheck; then
	make -s --no-print-directory check-shell || bad=1
fi
exit $bad
