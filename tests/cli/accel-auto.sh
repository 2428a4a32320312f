#!/usr/bin/env bash
# accel-auto.sh - which engine is chosen, and where that is said.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

guest=$(dirname "$minivmm")/tests/guest/exit_status
if [ ! -e "$guest" ]; then
	echo "$guest is not there: make check-guest makes it"
	exit 77
fi

# run OPTION... - the tiny guest, which ends with status 42.
run() {
	rm -f "$scratch/log"
	"$minivmm" --kernel "$guest" --memory 8M "$@" </dev/null \
		>"$scratch/out" 2>"$scratch/err"
	[ $? -eq 42 ] && return
	cat "$scratch/out" "$scratch/err"
	return 1
}

# one_line FILE - does it name the engine and the loop, and nothing else?
one_line() {
	cat "$1"
	[ "$(wc -l <"$1")" -eq 1 ] &&
		grep -qE '^minivmm: engine (kvm|interp)( \(.+\))?, loop ' "$1"
}

check "auto runs a guest, whatever this host has" run
check "and says nothing" test ! -s "$scratch/err"
check "with -v" run -v
check "stderr names the engine, in one line" one_line "$scratch/err"
check "with a log file" run --log-file "$scratch/log"
check "the log names it without -v" one_line "$scratch/log"
check "and stderr stays empty" test ! -s "$scratch/err"

# A build without KVM passes nothing over, and so has no reason.
has_kvm() {
	! "$minivmm" --kernel "$guest" --memory 8M --accel kvm </dev/null 2>&1 |
		grep -q 'this build has no engine'
}

if has_kvm && ! grep -qwE 'vmx|svm' /proc/cpuinfo; then
	check "without VMX and SVM that is the interpreter, with the reason" \
		grep -q 'engine interp (..*), loop' "$scratch/log"
fi
check "a forced engine is named too" \
	run --accel interp --log-file "$scratch/log"
check "without a reason" \
	grep -q '^minivmm: engine interp, loop' "$scratch/log"

finish
