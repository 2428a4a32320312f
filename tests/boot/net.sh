#!/usr/bin/env bash
# net.sh - TAP: a Debian kernel under the interpreter with its network on taps
# of this machine, in a network namespace of the test's own: iperf3 both ways,
# contents that come back unchanged, with offloads and without, several
# queues, and an interface that goes away.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots. SECONDS_EACH=10 and
# MEGABYTES=200 make it longer than make check has time for.
# shellcheck disable=SC2016,SC2034,SC2317 # guest-lib.sh, net-lib.sh use them
set -u
PATH=$PATH:/usr/sbin:/sbin

here=$(realpath "$(dirname "$0")")
guest=$(realpath "${GUEST:-build/guest}")
program=$(realpath "${MINIVMM:-build/minivmm}")
seconds=${SECONDS_EACH:-1}
megabytes=${MEGABYTES:-8}

skip() {
	echo "1..0 # SKIP $*"
	exit 77
}

# Root of a namespace is enough for taps, where /dev/net/tun lets us in.
if [ -z "${IN_NAMESPACE:-}" ]; then
	[ -w /dev/net/tun ] || skip "/dev/net/tun cannot be written"
	root=
	[ "$(id -u)" -eq 0 ] || root=--map-root-user
	# shellcheck disable=SC2086 # one option or none
	unshare --net $root true 2>/dev/null || skip "no network namespaces"
	# shellcheck disable=SC2086
	IN_NAMESPACE=1 exec unshare --net $root "$0" "$@"
fi

scratch=$(mktemp -d -p "$guest")
trap 'end_all; rm -rf "$scratch"' EXIT

# What guest-lib.sh asks for.
minivmm=$program accel=interp images=$guest patience=$((120 + seconds)) vm_pid=
root_disk='' blank_disk=''
servers=()

# And net-lib.sh: everything here is in one namespace.
stream=$guest/stream at_peer=

# shellcheck source=tests/boot/guest-lib.sh
. "$here/guest-lib.sh"
# shellcheck source=tests/boot/net-lib.sh
. "$here/net-lib.sh"

end_all() {
	[ -z "$vm_pid" ] || kill -9 "$vm_pid" 2>/dev/null
	[ ${#servers[@]} -eq 0 ] || kill "${servers[@]}" 2>/dev/null
}

# make_tap NAME NUMBER [multi_queue] - 10.9.NUMBER.1, up.
make_tap() {
	ip tuntap add dev "$1" mode tap ${3:+"$3"} &&
		ip addr add "10.9.$2.1/24" dev "$1" && ip link set "$1" up
}

# limited [-R] - one stream over the second adapter, for which 1M is 8389
# Kbits; what goes at once before that is a tenth of it.
limited() {
	vm_do "iperf3 -c 10.9.3.1 -t 3 -f k ${1:-} |
sed -n 's/.* \\([0-9.]*\\) Kbits.*receiver.*/kbits=\\1/p'" || return 1
	echo "expected 5000 to 9500: $(vm_value kbits=)"
	awk -v r="$(vm_value kbits=)" 'BEGIN { exit !(r > 5000 && r < 9500) }'
}

is_up() {
	vm_do 'test "$(cat /sys/class/net/eth0/carrier)" = 1'
}

make_net_initrd
ip link set lo up
iperf3 -s >"$scratch/iperf.log" 2>&1 &
servers+=($!)

make_tap one0 1
start_net one 1 --net tap:one0,mac=52:54:00:00:00:07,mtu=1400
check "the link is up" is_up
check "the address is that of the configuration" vm_do \
	'grep -x 52:54:00:00:00:07 /sys/class/net/eth0/address'
check "the MTU is that of the configuration" vm_do \
	'grep -x 1400 /sys/class/net/eth0/mtu'
check "the host answers a ping" vm_do 'ping -c 2 -w 10 10.9.1.1'
check "a large packet in fragments comes back, too" vm_do \
	'ping -c 1 -s 20000 -w 10 10.9.1.1'
check "segments are left to the host" vm_do \
	'ethtool -k eth0 | grep "^tcp-segmentation-offload: on"'
flood_both 1 "with offloads"
check "offloads are switched off" no_offloads
flood_both 1 "without offloads"
check "no frame was bad" no_errors
check "the guest takes another address" vm_do \
	'ip link set eth0 address 52:54:00:00:00:08 && ping -c 1 -w 10 10.9.1.1'
ip link del one0
check "a tap that goes away takes the link down" vm_do \
	'for i in 1 2 3 4 5; do
grep -qx 0 /sys/class/net/eth0/carrier && break; sleep 1; done
grep -x 0 /sys/class/net/eth0/carrier'
vm_type 'poweroff -f'
vm_end
check "the guest ends as always" vm_ended_with 0

make_tap many0 2 multi_queue
make_tap slow0 3
start_net many 2 --cpus 2 --net tap:many0,queues=2 \
	--net tap:slow0,bandwidth=1M
check "the guest uses both pairs of queues" vm_do \
	'ethtool -l eth0 | tail -n 2 | grep "Combined:.*2"'
flood_both 2 "with two queues"
check "one pair is enough again" vm_do 'ethtool -L eth0 combined 1 &&
ping -c 2 -w 10 10.9.2.1 && ethtool -L eth0 combined 2 &&
ping -c 2 -w 10 10.9.2.1'
check "no frame was bad" no_errors
vm_do 'ip link set eth1 up && ip addr add 10.9.3.2/24 dev eth1'
check "a second adapter sends as fast as its limit" limited
echo "# sent: $(vm_value kbits=) Kbit/s"
check "and receives as fast as its limit" limited -R
echo "# received: $(vm_value kbits=) Kbit/s"
vm_type 'poweroff -f'
vm_end
check "the guest ends as always" vm_ended_with 0
echo "1..$checks"
