#!/usr/bin/env bash
# run-tests.sh PROGRAM... - run test programs, show what failed, count.
#
# PROGRAM may have arguments: "tests/guest/run.sh build".
#
# A program prints TAP ("ok N - claim", "not ok N - claim", "# SKIP reason") and
# exits 0 pass, 1 fail, 77 skip, 124 timeout. A program that exits non-zero
# without a "not ok", or prints no result at all, counts as one failure. What
# it prints from "# warning" on is shown even where nothing failed. The last
# line printed is "N passed, N failed, N skipped".
#
# TEST_TIMEOUT=SECONDS bounds each program (default 300).
set -u

limit=${TEST_TIMEOUT:-300}
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# show_failure - the claims that failed with what was said of them, and how it
# ended. The claims come first: logs are cut in their middle, or at their end.
show_failure() {
	awk '!/^#/ { failed = /^not ok / }
		failed { print "     | " $0 }' "$log"
	echo "     its last lines:"
	tail -n 40 "$log" | sed 's/^/     | /'
}

# show_notices - what is worth a look in what passed.
show_notices() {
	awk '/^# warning/ { warned = 1 }
		!/^#/ { warned = 0 }
		warned || tolower($0) ~ /^ok .*# skip/ { print "     | " $0 }' "$log"
}

for prog in "$@"; do
	start=$(date +%s)
	# shellcheck disable=SC2086 # program and arguments
	timeout -k 5 "$limit" $prog >"$log" 2>&1 </dev/null
	status=$?
	took=$(($(date +%s) - start))

	# cmocka 1.1 calls what skip() left "not ok N # SKIP name".
	sed -i -E 's/^not (ok [0-9]+ # SKIP)/\1/' "$log"
	s=$(grep -ciE '^ok .*# skip' "$log")
	p=$(($(grep -cE '^ok ' "$log") - s))
	f=$(grep -cE '^not ok ' "$log")
	if [ $status -eq 77 ]; then
		s=$((s + 1))
		reason=$(tail -n 1 "$log")
		echo "SKIP $prog: $reason"
	elif [ $status -ne 0 ] && [ "$f" -eq 0 ]; then
		f=1
	elif [ $((p + f + s)) -eq 0 ]; then
		echo "$prog printed no result" >>"$log"
		f=1
	fi

	if [ "$f" -gt 0 ]; then
		echo "FAIL $prog (status $status, ${took}s)"
		show_failure
	elif [ $status -ne 77 ]; then
		printf 'PASS %s (%d tests, %ds)\n' "$prog" "$p" "$took"
		show_notices
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
