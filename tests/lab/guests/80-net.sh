# shellcheck shell=dash disable=SC2016,SC2034,SC2086,SC2154
# A network adapter on a tap that minivmm makes, and that is then moved into a
# network namespace: iperf3 both ways, contents that come back unchanged, with
# offloads and without.

tap=net$$
at_peer=

# A namespace stays as long as somebody is in it.
make_namespace() {
	local tries=$((patience * 4))

	unshare -n sleep 100000 &
	peer_pid=$!
	at_peer="nsenter -n/proc/$peer_pid/ns/net"
	until [ "$(readlink /proc/$peer_pid/ns/net)" != \
		"$(readlink /proc/self/ns/net)" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.25
	done
	$at_peer ip link set lo up
}

move_tap() {
	ip link set $tap netns $peer_pid &&
		$at_peer ip addr add 10.9.0.1/24 dev $tap &&
		$at_peer ip link set $tap up
}

make_net_initrd
check "there is a network namespace" make_namespace
check "a guest with a network adapter starts" \
	start_net net 0 --net "tap:$tap"
check "its tap is moved into a network namespace" move_tap
check "what is there answers its ping" vm_do 'ping -c 2 -w 20 10.9.0.1'
$at_peer iperf3 -s >"$scratch/iperf.log" 2>&1 &
iperf_pid=$!
check "segments are left to the host" vm_do \
	'ethtool -k eth0 | grep "^tcp-segmentation-offload: on"'
flood_both 0 "with offloads"
check "offloads are switched off" no_offloads
flood_both 0 "without offloads"
check "no frame was bad" no_errors
vm_type exit
vm_end
check "the guest powers off" vm_ended_with 0
kill $iperf_pid $peer_pid
