#!/usr/bin/env bash
# check-house.sh MAKE-ARGUMENT... - the structure checks as tests: headers,
# layers, symbols, format, README.
set -u
cd "$(dirname "$0")/../.."

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

make=(make -s --no-print-directory "$@")
claim 'every header compiles alone' "${make[@]}" check-headers
claim 'includes go one way' "${make[@]}" check-layers
claim 'symbols carry their module, nothing is mutable at file scope' \
	"${make[@]}" check-symbols
claim 'README names what exists' tests/tools/check-readme.sh
if command -v clang-format >/dev/null; then
	claim 'clang-format has nothing to change' "${make[@]}" check-format
fi
if command -v shellcheck >/dev/null; then
	claim 'shellcheck is content' "${make[@]}" check-shell
fi
echo "1..$n"
exit $bad
