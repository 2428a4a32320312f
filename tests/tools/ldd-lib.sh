# shellcheck shell=bash
# ldd-lib.sh - sourced: what a program needs to run elsewhere.

# libraries PROGRAM... - files that the loader would map, and the loader.
libraries() {
	# A static program makes ldd fail, and needs nothing.
	{ ldd "$@" 2>/dev/null || true; } |
		grep -o '/[^ )]*' | grep -v ':$' | sort -u
}
