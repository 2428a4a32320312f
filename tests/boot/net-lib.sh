# shellcheck shell=dash disable=SC2016,SC2154
# net-lib.sh - what guests do with their networks, over a tap and over one that
# needs no setup.
#
# Sourced after guest-lib.sh: in the KVM lab by its busybox, on this machine by
# bash. Who sources it has set as well:
#   seconds     that an iperf3 runs
#   megabytes   that go to a guest and come back
#   stream      the program of stream.c
#   at_peer     words before a command at the other end of a tap: what enters
#               the network namespace where that is, or nothing
#   served      port of a web server on this loopback; $sum is the SHA-256 of
#               its /file
#   streams     how many connections fetch that at once
# On a tap the guest is 10.9.NUMBER.2, its peer 10.9.NUMBER.1.

# start_net NAME NUMBER OPTION... - a guest with an address on its first
# adapter, that sends back whatever its port 5001 is sent.
start_net() {
	local name=$1 number=$2

	shift 2
	vm_start "$name" --kernel "$images/bzImage" \
		--initrd "$scratch/net-initrd" --cmdline "$CONSOLE" "$@"
	vm_prompt && vm_do "ip link set lo up; stream serve tcp:0.0.0.0:5001 &
ip link set eth0 up && ip addr add 10.9.$number.2/24 dev eth0"
}

# The archive of start_net: the kernel unpacks both, one after the other.
make_net_initrd() {
	cat "$images/initrd.gz" "$images/net-tools.gz" >"$scratch/net-initrd"
}

# Bits per second that the receiver of the last iperf3 saw, for people.
rate() {
	tr -d '\r' <"$vm_out" | awk '/SUM.*receiver/ { r = $6 " " $7 }
		END { print r }'
}

# flood NUMBER [-R] - eight streams, from the guest or (-R) to it.
flood() {
	vm_do "iperf3 -c 10.9.$1.1 -t $seconds -P 8 ${2:-} >/tmp/iperf;
status=\$?; grep -e SUM -e error /tmp/iperf; (exit \$status)"
}

# echoed NUMBER - eight connections send to the guest and get all of it back
# at the same time. Compared here, byte by byte: a checksum of so much takes an
# interpreted guest longer than the network does.
echoed() {
	$at_peer "$stream" echo "tcp:10.9.$1.2:5001" 8 $((megabytes << 17))
}

# flood_both NUMBER HOW
flood_both() {
	local start

	check "iperf3 sends over 8 streams for $seconds s $2" flood "$1"
	echo "# sent $2: $(rate)"
	check "iperf3 receives over 8 streams for $seconds s $2" flood "$1" -R
	echo "# received $2: $(rate)"
	start=$(date +%s)
	check "$megabytes MB come back unchanged $2" echoed "$1"
	echo "# back $2 after $(($(date +%s) - start)) s"
}

no_offloads() {
	vm_do 'ethtool -K eth0 tx off rx-gro-hw off gso off gro off'
}

# Neither driver nor stack saw anything wrong; at both ends the last of what
# /proc/net/snmp counts for TCP, wrong checksums, is 0.
no_errors() {
	vm_do '! cat /sys/class/net/eth0/statistics/*_errors | grep -vx 0 &&
! dmesg | grep -i -e "hw csum" -e "rx error" -e "bad gso" &&
grep "^Tcp:.* 0$" /proc/net/snmp' &&
		$at_peer grep '^Tcp:.* 0$' /proc/net/snmp
}

# What DHCP has said goes to the console and to the interface.
get_address() {
	vm_do 'printf "#!/bin/sh\n[ \$1 = bound ] || exit 0\nip addr add \$ip/\$mask dev \$interface\nip route add default via \$router\necho \"lease=\$ip \$router \$hostname\"\necho \$router >/router\n" >/lease; chmod +x /lease' &&
		vm_do 'ip link set lo up; ip link set eth0 up; udhcpc -q -n -f -i eth0 -O hostname -s /lease'
}

# All of it at once, too.
guest_fetches() {
	vm_do "for i in $(seq -s ' ' "$streams"); do
wget -q -O /file\$i http://\$(cat /router):$served/file & done; wait;
sha256sum /file? | cut -d' ' -f1 | sort | uniq -c | sed 's/^ */sums=/'" &&
		vm_is sums= "$streams $sum"
}

start_httpd() {
	vm_do 'mkdir -p /www; cp /file1 /www/file; httpd -p 80 -h /www'
}
