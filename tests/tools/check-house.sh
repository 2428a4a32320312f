#!/usr/bin/env bash
# check-house.sh MAKE-ARGUMENT... - the structure checks as tests: headers,
# layers, symbols, words, format, README.
set -u
cd "$(dirname "$0")/../.." || exit 1

n=0 bad=0
claim() { # claim, command...
	local text=$1 out

	shift
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n - $text"
		return
	fi
	bad=1
	echo "not ok $n - $text"
	echo "$out" | tail -n 20 | sed 's/^/# /'
}

# What the machine may not have is no mistake of the source.
claim_with() { # tool, claim, command...
	if command -v "$1" >/dev/null; then
		claim "${@:2}"
		return
	fi
	n=$((n + 1))
	echo "ok $n - $2 # SKIP no $1 here"
}

# shellcheck disable=SC2317 # called through claim
short() {
	test "$(wc -l <"$1")" -le "$2"
}

make=(make -s --no-print-directory "$@")
claim 'every header compiles alone' "${make[@]}" check-headers
claim 'includes go one way' "${make[@]}" check-layers
claim 'symbols carry their module, nothing is mutable at file scope' \
	"${make[@]}" check-symbols
claim 'files open with licence and name, devices cite the specification' \
	tests/tools/check-openings.sh
claim 'nothing banned is used' tests/tools/check-banned.sh
claim 'callers of ram_ptr() are known' tests/tools/check-ram-ptr.sh
claim 'README names what exists' tests/tools/check-readme.sh
claim 'the boundary to the engines is small' short vcpu/engine.h 120
claim 'the Makefile is short' short Makefile 250
claim_with clang-format 'clang-format has nothing to change' \
	"${make[@]}" check-format
claim_with shellcheck 'shellcheck is content' "${make[@]}" check-shell
echo "1..$n"
exit $bad
