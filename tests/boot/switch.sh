#!/usr/bin/env bash
# switch.sh - TAP: three stock kernels on one switch, with a fourth that is
# frozen, and a network of the host as the uplink, under the interpreter.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots. As root the uplink is
# a tap in a network namespace; without, that part is left out. All guests boot
# once and at the same time; what they do is typed on their consoles.
set -u
PATH=$PATH:/usr/sbin:/sbin
cd "$(dirname "$0")/../.." || exit 1

guest=$(realpath "${GUEST:-build/guest}")
minivmm=$(realpath "${MINIVMM:-build/minivmm}")
example=$PWD/examples/three-on-a-switch.ini
patience=${PATIENCE:-240} # seconds; others may need this machine, too
scratch=$(mktemp -d)
ns=minivmm-switch-$$
names=(a b c d)
declare -A pids=() consoles=() commands=()
switch_pid=
server_pid=
in_ns=()
checks=0

clean_up() {
	local pid

	for pid in "${pids[@]}" $switch_pid $server_pid; do
		kill -9 "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	ip netns del "$ns" 2>/dev/null
	rm -rf "$scratch"
}
trap clean_up EXIT

check() { # claim, command...
	local claim=$1

	shift
	checks=$((checks + 1))
	if "$@" >"$scratch/.said" 2>&1; then
		echo "ok $checks - $claim"
		return
	fi
	echo "not ok $checks - $claim"
	sed 's/^/# /' "$scratch/.said"
	"$minivmm" switch --stats "$scratch/switch.sock" | sed 's/^/# /'
	for name in "${names[@]}"; do
		tail -n 8 "$scratch/$name.out" | tr -d '\r\033' |
			sed "s/^/# $name: /"
	done
}

# Retry COMMAND... until it succeeds.
eventually() {
	local end=$((SECONDS + patience))

	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

# The host's side

make_network() {
	[ "$(id -u)" -eq 0 ] && ip netns add "$ns" 2>/dev/null || return 1
	in_ns=(ip netns exec "$ns")
	ip -n "$ns" link set lo up
}

start_switch() { # option...
	"${in_ns[@]}" "$minivmm" switch --listen "$scratch/switch.sock" \
		"$@" 2>>"$scratch/switch.err" </dev/null &
	switch_pid=$!
	eventually test -S "$scratch/switch.sock"
	[ ${#in_ns[@]} -eq 0 ] || {
		eventually ip -n "$ns" link set up0 up 2>/dev/null
		ip -n "$ns" addr add 10.9.0.254/24 dev up0 2>/dev/null
	}
}

end_switch() {
	local status=0

	kill -TERM $switch_pid
	wait $switch_pid || status=$?
	switch_pid=
	[ $status -eq 0 ] && [ ! -e "$scratch/switch.sock" ]
}

# What the uplink's network has for the guests.
start_server() {
	mkdir "$scratch/www"
	dd if=/dev/urandom of="$scratch/www/data" bs=64k count=16 2>/dev/null
	"${in_ns[@]}" busybox httpd -f -p 10.9.0.254:80 -h "$scratch/www" &
	server_pid=$!
}

# stat NAME COLUMN - of the port of the guest.
stat() {
	"$minivmm" switch --stats "$scratch/switch.sock" | awk -v n="$1" \
		-v c="$2" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
		$2 == n { print $at[c] }'
}

at_least() { # number, minimum
	echo "$1, expected $2 or more"
	[ "${1:-0}" -ge "$2" ]
}
less_than() { # number, bound
	echo "$1, expected less than $2"
	[ -n "$1" ] && [ "$1" -lt "$2" ]
}

# Guests

start_guest() { # name
	local fifo=$scratch/$1.in fd

	mkfifo "$fifo"
	# Opened for both directions: neither side waits for the other.
	exec {fd}<>"$fifo"
	consoles[$1]=$fd
	commands[$1]=0
	"$minivmm" -f "$scratch/guest.ini" --name "$1" --accel interp \
		--cmdline 'console=ttyS0 reboot=k panic=-1 quiet' \
		<"$fifo" >"$scratch/$1.out" 2>"$scratch/$1.err" &
	pids[$1]=$!
}

# start NAME COMMAND - type it; says when it is over and with what status.
start() {
	commands[$1]=$((commands[$1] + 1))
	# A tab would complete file names.
	printf '%s\n' "$2; echo end=\$?=${commands[$1]}" | tr '\t' ' ' \
		>&"${consoles[$1]}"
}
is_over() {
	grep -q "^end=[0-9]*=${commands[$1]}" "$scratch/$1.out" ||
		! kill -0 "${pids[$1]}"
}
succeeded() {
	eventually is_over "$1"
	grep -q "^end=0=${commands[$1]}" "$scratch/$1.out"
}
on() { # name, command
	start "$1" "$2"
	succeeded "$1"
}
fails_on() { # name, command
	start "$1" "$2"
	eventually is_over "$1"
	grep -q "^end=[1-9][0-9]*=${commands[$1]}" "$scratch/$1.out"
}

is_up() {
	grep -q 'Hello from user space' "$scratch/$1.out"
}

# sum_of NAME - the last MD5 that its console shows.
sum_of() {
	tr -d '\r' <"$scratch/$1.out" | grep -oE '^[0-9a-f]{32}' | tail -n 1
}
mac_of() { # name; the last one that it shows
	tr -d '\r' <"$scratch/$1.out" |
		grep -oE '^([0-9a-f]{2}:){5}[0-9a-f]{2}$' | tail -n 1
}
same_sum() { # two sums
	echo "$1 $2"
	[ -n "$1" ] && [ "$1" = "$2" ]
}

make_guests() {
	# The example, without its disk: the guests live in their initrd.
	cp "$guest/bzImage" "$scratch/vmlinuz"
	cp "$guest/initrd.gz" "$scratch/initrd.img"
	sed '/^\[disk/,/^$/d' "$example" >"$scratch/guest.ini"
	for name in "${names[@]}"; do
		start_guest "$name"
	done
	for name in "${names[@]}"; do
		check "guest $name is up" eventually is_up "$name"
	done
	for i in 0 1 2 3; do
		check "guest ${names[i]} has its network" on "${names[i]}" \
			"ip addr add 10.9.0.$((i + 1))/24 dev eth0 &&
			ip link set lo up && ip link set eth0 up"
	done
}

# transfer FROM TO ADDRESS-OF-TO CLAIM
transfer() {
	start "$2" 'nc -l -p 99 | md5sum'
	sleep 1
	check "$4" on "$1" "dd if=/dev/urandom of=/tmp/d bs=64k count=32 &&
		md5sum </tmp/d && nc $3 99 </tmp/d"
	check "$4: it ends" succeeded "$2"
	check "$4: as it was sent" same_sum "$(sum_of "$1")" "$(sum_of "$2")"
}

check_three() { # when
	check "a pings b $1" on a 'ping -c 2 -W 20 10.9.0.2'
	check "b pings c $1" on b 'ping -c 2 -W 20 10.9.0.3'
	check "c pings a $1" on c 'ping -c 2 -W 20 10.9.0.1'
}

check_uplink() { # when
	local sum

	sum=$(md5sum <"$scratch/www/data" | cut -c -32)
	check "a pings the uplink $1" on a 'ping -c 2 -W 20 10.9.0.254'
	check "the uplink pings b $1" "${in_ns[@]}" \
		busybox ping -c 2 -W 20 10.9.0.2
	check "c fetches a file through the uplink $1" on c \
		'wget -q -O - http://10.9.0.254/data | md5sum'
	check "c has all of it $1" same_sum "$sum" "$(sum_of c)"
}

uplink=()
if make_network; then
	uplink=(--uplink tap:up0)
else
	echo "# no network namespace to be had: without an uplink"
fi
start_switch "${uplink[@]}"
[ ${#uplink[@]} -eq 0 ] || start_server
make_guests

check_three "at first"
check "d answers, too" on a 'ping -c 2 -W 20 10.9.0.4'

# d does nothing from here on, and a has more to say to it than a ring holds.
kill -STOP "${pids[d]}"
check "a sends to d, which is frozen" on a \
	'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do
		ping -c 1 -s 60000 -W 1 10.9.0.4 >/dev/null & done; wait'
check "the switch drops what d has no room for" at_least "$(stat d drops)" 1
check "d is full" test "$(stat d state)" = full
check_three "while d is frozen"
before=$(stat c tx-bytes)
transfer a b 10.9.0.2 "a sends 2 MiB to b while d is frozen"
check "b got them" at_least "$(stat b tx-bytes)" $((2 << 20))
check "c did not" less_than "$(($(stat c tx-bytes) - before))" 100000
check "nothing was dropped for b" test "$(stat b drops)" = 0
check "each is known by one address" test \
	"$(stat a macs) $(stat b macs) $(stat c macs)" = "1 1 1"
[ ${#uplink[@]} -eq 0 ] || check_uplink "while d is frozen"
kill -CONT "${pids[d]}"
check "d is back when it goes on" on d 'ping -c 2 -W 20 10.9.0.1'
check "and takes what there is" eventually test "$(stat d state)" = up

# The guests stay, and find the next switch by themselves.
check "the switch ends" end_switch
if [ ${#uplink[@]} -gt 0 ]; then
	start_switch "${uplink[@]}" --isolate
	check "a finds the next switch" on a \
		'until ping -c 1 -W 2 10.9.0.254; do :; done'
	check_uplink "when isolated"
	check "b says what its address is" on b 'cat /sys/class/net/eth0/address'
	check "a does not hear of b when isolated" \
		fails_on a 'ping -c 1 -W 2 10.9.0.2'
	check "and does not reach it when it knows" fails_on a \
		"arp -s 10.9.0.2 $(mac_of b) && ping -c 1 -W 2 10.9.0.2"
	check "the switch refused it" at_least "$(stat a refused)" 1
	check "the switch ends again" end_switch
fi
check "it had nothing to complain about" test ! -s "$scratch/switch.err"
echo "# $SECONDS seconds"
echo "1..$checks"
