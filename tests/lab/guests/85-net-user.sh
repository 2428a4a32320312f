# shellcheck shell=dash disable=SC2016,SC2034,SC2086,SC2154
# A network without setup: DHCP, HTTP from this loopback to the guest, and from
# the guest to this loopback, several connections at once.

streams=4 served=8000
mkdir "$scratch/www"
dd if=/dev/urandom of="$scratch/www/file" bs=64k count=48 2>/dev/null
sum=$(sha256sum <"$scratch/www/file" | cut -d ' ' -f 1)
ip link set lo up
httpd -f -p 127.0.0.1:$served -h "$scratch/www" &
httpd_pid=$!

# fetched PORT - its checksum is that of what was served here.
fetched() {
	wget -q -O - "http://127.0.0.1:$1/file" | sha256sum | grep -q "^$sum "
}

# fetched_by_all PORT - $streams at once
fetched_by_all() {
	local i pids='' bad=0

	for i in $(seq $streams); do
		fetched "$1" &
		pids="$pids $!"
	done
	for i in $pids; do
		wait "$i" || bad=1
	done
	return $bad
}

vm_start user $LINUX --cmdline "$CONSOLE" \
	--net user,hostfwd=tcp:127.0.0.1:8090-:80
check "a guest with a network that needs no setup starts" vm_prompt
check "it gets an address by DHCP" get_address
check "and a gateway" vm_is lease= "10.0.2.15 10.0.2.2 "
check "the gateway answers its ping" vm_do 'ping -c 1 -W 5 10.0.2.2'
check "it fetches from the loopback here, $streams at once" guest_fetches
check "it starts a server" start_httpd
check "the loopback here leads to that, $streams at once" fetched_by_all 8090
vm_type exit
vm_end
check "the guest powers off" vm_ended_with 0
kill $httpd_pid
