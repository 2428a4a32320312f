#!/usr/bin/env bash
# net-tap.sh - taps are found, made, taken over, or refused in one line that
# says what to do. In a network namespace of its own.
set -u
cd "$(dirname "$0")/../.." || exit 1
PATH=$PATH:/usr/sbin:/sbin

if [ -z "${IN_NAMESPACE:-}" ]; then
	root=
	[ "$(id -u)" -eq 0 ] || root=--map-root-user
	# shellcheck disable=SC2086 # one option or none
	if ! [ -w /dev/net/tun ] || ! unshare --net $root true 2>/dev/null; then
		echo "1..0 # SKIP no tap devices or no network namespaces"
		exit 77
	fi
	# shellcheck disable=SC2086
	IN_NAMESPACE=1 exec unshare --net $root "$0" "$@"
fi
. tests/tools/tap.sh
needs_engine
cd "$scratch" || exit 1

machine="--memory 8M --timeout 60 --kernel"

# ends COMMAND... - with the status of the guest exit_status.
ends() {
	"$@" </dev/null >out 2>err
	[ $? -eq 42 ] && return
	cat out err
	return 1
}

# /sys shows the interfaces of another namespace.
is_gone() {
	! ip link show "$1" 2>/dev/null
}

# shellcheck disable=SC2086 # options
guest() { # option...
	ends "$minivmm" $machine "$guests/exit_status" "$@"
}

# shellcheck disable=SC2086 # options
refused() { # claim, line, option...
	local claim=$1 line=$2

	shift 2
	refuses "$claim" "net net0: $line" $machine "$guests/exit_status" "$@"
}

check "a tap that is not there is made" guest --net tap:made0,mtu=4000
check "and goes with the machine" is_gone made0
ip tuntap add dev found0 mode tap
ip link set found0 up
check "a tap that is there is used" guest --net tap:found0
check "and stays" ip link show found0
check "a tap that is up is no reason for a word" test ! -s err
ip link set found0 down
check "one that is down is used, too" guest --net tap:found0
check "with a word about it" grep -q "tap:found0 is down" err
ip tuntap add dev many0 mode tap multi_queue
check "a tap of several queues gives one" guest --net tap:many0
check "or eight" guest --net tap:many0,queues=8

refused "one queue is not several" "tap:found0: no tap of several queues; \
expected one made with 'ip tuntap add dev found0 mode tap multi_queue', or \
queues=1" --net tap:found0,queues=2
refused "the loopback interface is no tap" \
	"tap:lo: that interface is no tap" --net tap:lo

# Two machines: the first spins, and somebody holds the other end.
ip link set found0 up
# shellcheck disable=SC2086 # options
"$minivmm" $machine "$guests/spin" --net tap:found0 </dev/null >out 2>&1 &
first=$!
for _ in $(seq 100); do
	ip link show found0 | grep -q LOWER_UP && break
	sleep 0.1
done
refused "one tap serves one machine" \
	"tap:found0: in use by another program" --net tap:found0
kill $first
wait $first 2>/dev/null

refused "a descriptor that is not open is none" "fd=77 is not open; expected \
a tap that whoever starts minivmm has opened" --net tap,fd=77
refused "a file is no tap" "fd=9 is no tap; expected /dev/net/tun after \
TUNSETIFF" --net tap,fd=9 9</dev/null
refused "a tap device without an interface is none" "fd=9 is no tap; \
expected /dev/net/tun after TUNSETIFF" --net tap,fd=9 9<>/dev/net/tun

# with_tap FLAGS NAME COMMAND... - descriptor 9 is a tap with these flags.
with_tap() {
	python3 -c '
import fcntl, os, struct, sys
flags, name = int(sys.argv[1], 0), sys.argv[2].encode()
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", name, flags))
os.dup2(fd, 9)
os.set_inheritable(9, True)
os.execvp(sys.argv[3], sys.argv[3:])' "$@"
}

# IFF_TAP, IFF_NO_PI, IFF_VNET_HDR; without the header; a tun.
# shellcheck disable=SC2086 # options
check "a tap that somebody else opened is used" ends \
	with_tap 0x5002 handed0 "$minivmm" $machine "$guests/exit_status" \
	--net tap,fd=9
for flags in 0x1002 0x5001; do
	# shellcheck disable=SC2086 # options
	with_tap $flags handed0 "$minivmm" $machine "$guests/exit_status" \
		--net tap,fd=9 </dev/null >out 2>err
	check "one with flags $flags is refused" grep -qx "minivmm: net net0: \
fd=9 is handed0 with other flags; expected IFF_TAP, IFF_NO_PI and \
IFF_VNET_HDR" err
done
# shellcheck disable=SC2086 # options
with_tap 0x5102 many0 "$minivmm" $machine "$guests/exit_status" \
	--net tap,fd=9,fd=10,queues=2 </dev/null >out 2>err 10</dev/null
check "each of several descriptors is looked at" \
	grep -q "fd=10 is no tap" err
finish
