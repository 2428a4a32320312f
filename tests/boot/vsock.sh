#!/usr/bin/env bash
# vsock.sh - TAP: streams between this host and a real kernel, through the
# socket device and its UNIX sockets.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots. ONLY=PATTERN runs
# those event loops (uring, poll) that it matches. Both ends are the program of
# stream.c; what it sends comes back, and is compared there.
# shellcheck disable=SC2016,SC2317 # claims are called, and guests have shells
set -u

here=$(realpath "$(dirname "$0")")
guest=$(realpath "${GUEST:-build/guest}")
minivmm=$(realpath "${MINIVMM:-build/minivmm}")
only=${ONLY:-}
scratch=$(mktemp -d)
trap 'end_all; rm -rf "$scratch"' EXIT

# What guest-lib.sh asks for here.
accel=interp images=$guest patience=60 vm_pid=

# shellcheck source=tests/boot/guest-lib.sh
. "$here/guest-lib.sh"

stream=$guest/stream
socket=$scratch/vsock
servers=()
host=vsock:2 any=vsock:4294967295

end_all() {
	[ -z "$vm_pid" ] || kill -9 "$vm_pid" 2>/dev/null
	[ ${#servers[@]} -eq 0 ] || kill "${servers[@]}" 2>/dev/null
}

# serve_here WHAT PORT - a server for guests
serve_here() {
	"$stream" "$1" "unix:${socket}_$2" &
	servers+=($!)
}

# serve_there WHAT PORT - a server in the guest
serve_there() {
	vm_do "stream $1 $any:$2 & sleep 0.2"
}

# In KiB.
resident() {
	awk '/^RssAnon/ { print $2 }' "/proc/$vm_pid/status"
}

files() {
	find "/proc/$vm_pid/fd" -type l | wc -l
}

# as_many_files N - within some time
as_many_files() {
	local tries=$((patience * 4))

	until [ "$(files)" -le "$1" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && vm_alive || return 1
		sleep 0.25
	done
}

# pushed_less KIB - by the last push of the guest
pushed_less() {
	local bytes

	bytes=$(vm_value pushed=)
	echo "# the guest pushed $bytes bytes" >&2
	[ "$bytes" -gt 0 ] && [ "$bytes" -lt $(($1 * 1024)) ]
}

# grew_less BEFORE KIB
grew_less() {
	local now

	now=$(resident)
	echo "# $1 KiB before, $now now" >&2
	[ $((now - $1)) -lt "$2" ]
}

from_host() {
	check "$io: a client of the host gets 2 MB through the guest" \
		"$stream" echo "hybrid:$socket:1000" 1 2000000
	check "$io: 100 of them do at once" \
		"$stream" echo "hybrid:$socket:1000" 100 20000
	check "$io: where nobody listens in the guest, it is refused" \
		"$stream" refused "hybrid:$socket:1001"
}

from_guest() {
	check "$io: a client of the guest gets 2 MB through the host" \
		vm_do "stream echo $host:2000 1 2000000"
	check "$io: 100 of them do at once" \
		vm_do "stream echo $host:2000 100 20000"
	check "$io: where nobody listens on the host, it is refused" \
		vm_do "stream refused $host:2001"
	serve_here stall 2001
	kill -9 "${servers[-1]}"
	wait "${servers[-1]}" 2>/dev/null
	check "$io: where a killed server left its socket, it is refused" \
		vm_do "stream refused $host:2001"
}

both_at_once() {
	vm_do "(stream echo $host:2000 20 100000; echo \"both=\$?\") & true"
	check "$io: both directions at once: from the host" \
		"$stream" echo "hybrid:$socket:1000" 20 100000
	check "... and from the guest" vm_wait 'both=0'
}

# Who goes without a word, and who stays without one.
rude_ones() {
	local before

	before=$(files)
	"$stream" push "hybrid:$socket:1000" >/dev/null &
	sleep 0.5
	kill -9 $!
	wait $! 2>/dev/null
	check "$io: a client of the host that is killed leaves nothing" \
		as_many_files "$before"
	vm_do "stream push $host:2000 & sleep 1; kill -9 \$!"
	check "$io: a client of the guest that is killed leaves nothing" \
		as_many_files "$before"
	check "$io: a client that leaves what it said is heard" \
		"$stream" leave "hybrid:$socket:1000" 100000
	check "... and leaves nothing" as_many_files "$before"
}

# The other end never reads: nobody keeps more than was agreed on.
flow_control() {
	local before

	before=$(resident)
	serve_here stall 2002
	vm_do "stream push $host:2002"
	check "$io: a host that does not read stops the guest" pushed_less 2000
	vm_do "stream stall $any:1002 & sleep 0.2"
	"$stream" push "hybrid:$socket:1002" >"$scratch/pushed"
	echo "# the host $(cat "$scratch/pushed") bytes" >&2
	check "$io: a guest that does not read stops the host" \
		[ "$(sed 's/pushed=//' "$scratch/pushed")" -lt 2000000 ]
	check "$io: that costs minivmm less than a MB" grew_less "$before" 1000
	check "$io: others go on meanwhile" \
		"$stream" echo "hybrid:$socket:1000" 1 100000
}

no_lines() {
	check "$io: a client without a line is sent away" \
		"$stream" refused "hybrid:$socket:$(printf 'x%.0s' {1..50})"
	check "$io: so is one with a port too large" \
		"$stream" refused "hybrid:$socket:4294967296"
}

live_socket() {
	"$minivmm" --kernel "$images/bzImage" --accel interp \
		--vsock "$socket" >"$scratch/second" 2>&1
	test $? = 125 && grep -q 'is in use by another program' \
		"$scratch/second"
}

run() { # uring|poll
	local io=$1 cid=$2

	vm_start "$io" --kernel "$images/bzImage" --initrd "$images/vsock.gz" \
		--cmdline "$CONSOLE" --io "$io" \
		--vsock "cid=$cid,socket=$socket"
	check "$io: a guest boots" vm_prompt
	serve_there serve 1000
	serve_here serve 2000
	from_host
	from_guest
	both_at_once
	rude_ones
	flow_control
	no_lines
	check "$io: a second machine does not take the socket" live_socket
	vm_type exit
	vm_end
	check "$io: it powers off with status 0" vm_ended_with 0
	check "$io: and removes its socket" test ! -e "$socket"
	kill "${servers[@]}" 2>/dev/null
	rm -f "${socket}"_*
	servers=()
}

[[ uring != *"$only"* ]] || run uring 3
[[ poll != *"$only"* ]] || run poll 4294967294

echo "# all of it took $SECONDS s"
echo "1..$checks"
