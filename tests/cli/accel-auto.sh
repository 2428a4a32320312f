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

# The same without /dev/kvm, in a mount namespace with a /dev of its own.
hidden_kvm() { # COMMAND...
	local as_root=''

	[ "$(id -u)" -eq 0 ] || as_root=-r
	mkdir -p "$scratch/dev"
	# shellcheck disable=SC2016,SC2086 # the inner shell's; one or none
	unshare -m $as_root sh -c 'mount -t tmpfs dev "$0" && : >"$0/null" &&
		mount --bind /dev/null "$0/null" &&
		mount --rbind "$0" /dev && exec "$@"' "$scratch/dev" "$@"
}

without_kvm() { # OPTION...
	hidden_kvm "$minivmm" --kernel "$guest" --memory 8M "$@" </dev/null \
		>"$scratch/out" 2>"$scratch/err"
	[ $? -eq 42 ] && return
	cat "$scratch/out" "$scratch/err"
	return 1
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

if ! has_kvm; then
	pass "no /dev/kvm # SKIP this build has no KVM"
elif hidden_kvm true 2>/dev/null; then
	check "auto runs the guest where there is no /dev/kvm" without_kvm -v
	check "by the interpreter, and says that /dev/kvm is missing" \
		grep -q 'engine interp (.*/dev/kvm' "$scratch/err"
else
	pass "no /dev/kvm # SKIP no mount namespaces here"
fi
finish
