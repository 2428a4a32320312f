#!/usr/bin/env bash
# switch.sh FOLDER - how fast `minivmm switch` forwards between two ports,
# beside what else connects machines on one host: Linux's bridge between two
# taps, and QEMU as a hub between two datagram sockets.
#
# FOLDER has the programs of bench.mk; MINIVMM is the program to measure. No
# guest runs: a thread sends as fast as it can, another receives, and what the
# switch costs is seen in its CPU time. Numbers are the median of runs that
# take turns. Nothing is asserted; what the host lacks is skipped.
set -u
PATH=$PATH:/usr/sbin:/sbin

dir=$1
mv=$MINIVMM
rounds=5

tmp=$(mktemp -d)
ns=minivmm-bench-$$
pids=()
clean_up() {
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null
	ip netns del "$ns" 2>/dev/null
	rm -rf "$tmp"
}
trap clean_up EXIT

row() {
	printf '%-36s %9s  %-24s %9s  %6s\n' "$@"
}

ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { if (a > 0 && b > 0) printf "%.2f", a / b }'
}

median() { # file, field
	sort -n -k "$2,$2" "$1" | awk -v f="$2" '{ v[NR] = $f }
		END { if (NR) print v[int((NR + 1) / 2)]; else print "-" }'
}

wait_for() { # socket
	for _ in $(seq 100); do
		[ -S "$1" ] && return
		sleep 0.05
	done
	return 1
}

# Each starts one peer; then run_NAME LENGTH prints a line of switch-rate.

start_switch() {
	"$mv" switch --listen "$tmp/sw" &
	switch=$!
	pids+=("$switch")
	wait_for "$tmp/sw"
}
run_switch() {
	"$dir/switch-rate" rings "$tmp/sw" "$switch" "$1"
}

start_bridge() {
	{
		ip netns add "$ns" &&
			ip -n "$ns" tuntap add dev a mode tap &&
			ip -n "$ns" tuntap add dev b mode tap &&
			ip -n "$ns" link add bridge0 type bridge &&
			ip -n "$ns" link set dev a master bridge0 up &&
			ip -n "$ns" link set dev b master bridge0 up &&
			ip -n "$ns" link set dev bridge0 up
	} 2>/dev/null
}
run_bridge() {
	ip netns exec "$ns" "$dir/switch-rate" taps a b 0 "$1"
}

start_qemu() {
	local side hub=()

	command -v qemu-system-x86_64 >/dev/null || return
	for side in a b; do
		hub+=(-netdev "dgram,id=$side,local.type=unix,local.path=$tmp/$side,\
remote.type=unix,remote.path=$tmp/$side.port"
			-netdev "hubport,hubid=0,netdev=$side,id=hub$side")
	done
	qemu-system-x86_64 -M none -nodefaults -no-user-config -display none \
		"${hub[@]}" 2>/dev/null &
	qemu=$!
	pids+=("$qemu")
	wait_for "$tmp/a" && wait_for "$tmp/b"
}
run_qemu() {
	rm -f "$tmp"/?.port
	"$dir/switch-rate" dgram "$tmp/a" "$tmp/b" "$qemu" "$1"
}

declare -A names=([bridge]="Linux bridge, two taps"
	[qemu]="QEMU hub, two sockets")
peers=()

rows() { # length
	local peer own other what="frames of $1 bytes, thousand/s"

	rm -f "$tmp"/rate.*
	for ((i = 0; i < rounds; i++)); do
		for peer in switch "${peers[@]}"; do
			"run_$peer" "$1" >>"$tmp/rate.$peer" 2>/dev/null
		done
	done
	own=$(median "$tmp/rate.switch" 1)
	for peer in "${peers[@]}"; do
		other=$(median "$tmp/rate.$peer" 1)
		row "$what" "$own" "${names[$peer]}" "$other" \
			"$(ratio "$own" "$other")"
		what=
	done
	[ -z "$what" ] || row "$what" "$own" "" "" ""
	own=$(median "$tmp/rate.switch" 3)
	what="  ns of CPU for each, ports included"
	for peer in "${peers[@]}"; do
		other=$(median "$tmp/rate.$peer" 3)
		row "$what" "$own" "${names[$peer]}" "$other" \
			"$(ratio "$own" "$other")"
		what=
	done
	own=$(median "$tmp/rate.switch" 2)
	row "  thousand/s and core of the switch" "$(awk -v ns="$own" \
		'BEGIN { if (ns > 0) printf "%.0f", 1e6 / ns }')" "" "" ""
}

start_switch || {
	echo "skipped: the switch did not start"
	exit 0
}
for peer in bridge qemu; do
	if "start_$peer"; then
		peers+=("$peer")
	else
		echo "skipped: ${names[$peer]}: not to be had here"
	fi
done
row "between two ports of a switch" minivmm beside "" ratio
rows 60
rows 1514
