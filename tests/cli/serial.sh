#!/usr/bin/env bash
# serial.sh - the serial port on a pseudo-terminal, a UNIX socket and TCP:
# clients that come late, stop to read, or are killed; the machine's end does
# not depend on them.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh
needs_engine
cd "$scratch" || exit 1
if ! command -v socat >/dev/null; then
	echo "no socat here"
	exit 77
fi
trap 'kill -9 $pid 2>/dev/null; rm -rf "$scratch"' EXIT
pid=

# until_true COMMAND... - for 20 seconds at most
until_true() {
	local tries=400

	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
}

# start STREAM OPTION... - an echo guest; $at is where socat finds it.
start() {
	local stream=$1 address

	shift
	: >err
	"$minivmm" --memory 8M --timeout 60 --io "$io" --serial "$stream" \
		--kernel "$guests/uart_echo" "$@" </dev/null >out 2>err &
	pid=$!
	until_true grep -q '^minivmm: serial: ' err || return 1
	address=$(sed -n 's/^minivmm: serial: //p' err)
	case $stream in
	pty) at=$address,rawer ;;
	unix:*) at=UNIX:$address ;;
	tcp:*) at=TCP:$address ;;
	esac
}

ends_with() { # status
	local got=0

	until_true eval "! readlink /proc/$pid/exe >/dev/null" ||
		kill -9 "$pid"
	wait "$pid" 2>/dev/null || got=$?
	[ "$got" = "$1" ] && return
	echo "status $got, expected $1"
	cat err
	return 1
}

# hears TEXT - a new client, which types what comes on its stdin
hears() {
	local seen='' c client

	exec 6< <(exec timeout 20 socat -t 20 - "$at")
	client=$!
	until case $seen in *"$1") ;; *) false ;; esac; do
		IFS= read -r -u 6 -N 1 c || break
		seen=$seen$c
	done
	kill $client 2>/dev/null
	exec 6<&-
	case $seen in *"$1") return 0 ;; esac
	echo "got: $seen"
	return 1
}

talks() {
	printf 'hello' | hears "$1"
}

quits() {
	printf q | timeout 20 socat -u - "$at"
	ends_with 0
}

# Much more than the line's buffers hold, from one who does not read.
floods() {
	head -c 300000 /dev/zero | tr '\0' a | timeout 60 socat -u - "$at"
}

nothing_on_stdio() {
	test ! -s out
}

for io in uring poll; do
	for stream in pty unix:line tcp:127.0.0.1:0; do
		name="${stream%%:*} ($io)"
		check "a machine starts with its serial port on $name" \
			start "$stream"
		check "a late client sees the recent output" hears ready$'\n' \
			</dev/null
		check "what a client types reaches the guest" talks hello
		check "the next client sees that, too" hears hello </dev/null
		check "nothing is on stdout" nothing_on_stdio
		check "the guest ends as a client tells it to" quits
	done

	check "a machine on TCP serves" start tcp:0
	check "who only writes does not hold up the guest" floods
	check "it ends when it is told to" quits

	# Kept open by one who reads nothing.
	start pty
	exec 5<>"${at%,rawer}"
	head -c 100000 /dev/zero | tr '\0' a | timeout 10 cat >&5
	kill -TERM "$pid"
	check "SIGTERM ends it with a full pty ($io)" ends_with 143
	exec 5>&-

	start unix:line --timeout 4
	floods
	check "a timeout ends it with a client that reads nothing ($io)" \
		ends_with 124
	check "its socket is removed" test ! -e line
	start unix:line
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	check "a killed machine leaves its socket" test -S line
	check "the next one takes its place" start unix:line
	check "which serves" quits

	start unix:line
	socat -u "$at" /dev/null &
	reader=$!
	sleep 0.2
	kill -9 $reader
	wait $reader 2>/dev/null
	check "a killed client makes way for the next ($io)" \
		hears ready$'\n' </dev/null
	refuses "a socket in use is refused" \
		"serial: line is in use by another program" \
		--kernel "$guests/hello" --serial unix:line
	quits >/dev/null
done

refuses "a socket does not go over a file" \
	"serial: err is a file; expected a socket, or nothing" \
	check --kernel "$guests/hello" --serial unix:err
refuses "a socket in no folder is refused" \
	"serial: none/line: cannot make it: No such file or directory" \
	check --kernel "$guests/hello" --serial unix:none/line
refuses "a port is a number" "--serial: expected stdio, off, pty, file:PATH, \
unix:PATH or tcp:[ADDRESS:]PORT; got 'tcp:here'" --serial tcp:here
finish
