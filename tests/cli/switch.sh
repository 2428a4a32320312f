#!/usr/bin/env bash
# switch.sh - `minivmm switch` without machines: what it refuses, its socket,
# its statistics, its end.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh
cd "$scratch" || exit 1
pid=
trap '[ -z "$pid" ] || kill -9 "$pid"; rm -rf "$scratch"' EXIT

refuses "something has to be asked for" "switch: expected: --listen PATH, or \
--stats PATH of a switch that runs" switch
refuses "an unknown option is suggested" \
	"switch: --lisen: unknown option; did you mean --listen?" switch --lisen x
refuses "a stray argument is refused" "switch: me: unexpected" switch me
refuses "an option without its value is refused" \
	"switch: --listen: needs a value" switch --listen
refuses "a value for nothing is refused" \
	"switch: --isolate=on: takes no value" switch --isolate=on
refuses "an age is a number" "switch: --age=old: 'old' is not 1 to 1000000" \
	switch --age=old
refuses "a limit is in range" \
	"switch: --flood-limit: '100000001' is not 0 to 100000000" \
	switch --flood-limit 100000001
refuses "isolation needs an uplink" "switch: --isolate: without --uplink, no \
port would reach anything" switch --listen s --isolate
refuses "statistics are asked for alone" \
	"switch: --stats: asks a switch that runs: no other option" \
	switch --stats s --listen s
refuses "an uplink is of a known kind" "$(
	"$minivmm" --kernel x --net fish 2>&1 |
		sed 's/^minivmm: --net/switch: --uplink: --net/')" \
	switch --listen s --uplink fish
refuses "a socket is in a folder that exists" \
	"no/where: No such file or directory" switch --listen no/where
touch file
refuses "a file that is no socket is not replaced" \
	"file: there is a file, and it is no socket" switch --listen file
refuses "no switch, no statistics" "s: No such file or directory" \
	switch --stats s
check "nothing was left behind" test "$(ls)" = file

# $pid is a switch that listens at s.
start() { # option...
	"$minivmm" switch --listen s "$@" 2>err </dev/null &
	pid=$!
	for _ in $(seq 200); do
		"$minivmm" switch --stats s >/dev/null 2>&1 && return
		kill -0 $pid || return 1
		sleep 0.05
	done
	return 1
}
ends_with() { # status
	local status=0

	wait "$pid" 2>/dev/null || status=$?
	pid=
	[ $status -eq "$1" ]
}

check "a switch starts" start
check "statistics have their names on top" test "$("$minivmm" switch \
	--stats s | tr -s ' ')" = "port name state macs rx-frames rx-bytes \
tx-frames tx-bytes drops flood-drops refused unlearnt"
check "its socket is its owner's alone" test "$(stat -c %a s)" = 600
refuses "a socket in use is not replaced" \
	"s: a switch is running there already" switch --listen s
kill -TERM "$pid"
check "SIGTERM ends it with status 0" ends_with 0
check "it says nothing" test ! -s err
check "its socket is gone" test ! -e s

check "another starts" start --io poll
kill -9 "$pid"
check "and is killed" ends_with 137
check "its socket is left" test -S s
refuses "which says that there is no switch" \
	"s: no switch is running there" switch --stats s
check "and is replaced" start
kill -INT "$pid"
check "SIGINT ends it with status 0" ends_with 0

check "a network inside it can be the uplink" start --uplink user --isolate
check "the uplink has a line of its own" test "$("$minivmm" switch --stats s |
	awk 'NR == 2 { print $1, $2, $3, $4, NF }')" = "0 uplink up 0 12"
chained() {
	local other status=1

	"$minivmm" switch --listen t --uplink switch:s 2>&1 &
	other=$!
	for _ in $(seq 200); do
		"$minivmm" switch --stats s | grep -q "^1 *switch *up" && {
			status=0
			break
		}
		sleep 0.05
	done
	kill $other && wait $other && return $status
}
check "it can be the uplink of another" chained
kill "$pid"
check "it ends like any other" ends_with 0
finish
