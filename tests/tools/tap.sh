# shellcheck shell=bash
# tap.sh - sourced by shell tests: claims in TAP, a scratch folder, and the
# program under test as $minivmm.
#
#   check CLAIM COMMAND...    the command succeeds; its output is for failures
#   refuses CLAIM LINE ARG... minivmm ARG... fails with status 125, no output
#                             and LINE as the only line on stderr
#   needs_engine              end with a SKIP where no engine runs a guest;
#                             $guests is then the folder of the tiny ones
#   finish                    print the plan; returns what to exit with

minivmm=$(realpath -m "${MINIVMM:-build/minivmm}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tap_count=0
tap_failed=0

pass() { # claim
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

fail() { # claim
	tap_count=$((tap_count + 1))
	tap_failed=1
	echo "not ok $tap_count - $1"
}

check() {
	claim=$1
	shift
	if "$@" >"$scratch/.out"; then
		pass "$claim"
		return
	fi
	fail "$claim"
	sed 's/^/# /' "$scratch/.out"
}

refuses() {
	claim=$1 line=$2
	shift 2
	status=0
	"$minivmm" "$@" >"$scratch/.out" 2>"$scratch/.err" </dev/null ||
		status=$?
	if [ $status -eq 125 ] && [ ! -s "$scratch/.out" ] &&
		[ "$(cat "$scratch/.err")" = "minivmm: $line" ]; then
		pass "$claim"
		return
	fi
	fail "$claim"
	echo "# status $status, expected 125"
	echo "# expected: minivmm: $line"
	sed 's/^/# got:      /' "$scratch/.err" "$scratch/.out"
}

needs_engine() {
	guests=$(dirname "$minivmm")/tests/guest status=0
	"$minivmm" --kernel "$guests/exit_status" --memory 8M \
		>"$scratch/.out" 2>&1 </dev/null || status=$?
	[ $status -ne 125 ] || {
		tail -n 1 "$scratch/.out"
		exit 77
	}
}

finish() {
	echo "1..$tap_count"
	return $tap_failed
}
