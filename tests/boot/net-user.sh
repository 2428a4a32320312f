#!/usr/bin/env bash
# net-user.sh - TAP: a Debian kernel under the interpreter with a network that
# needs no setup, --net user and --net passt: DHCP, HTTP to this host and from
# it, several connections at once, cut off, killed in between, and without
# privileges.
#
# MINIVMM=PROGRAM and GUEST=DIR say what runs and boots.
# shellcheck disable=SC2016,SC2317 # claims are called, and guests have shells
set -u
PATH=$PATH:/usr/sbin:/sbin

here=$(realpath "$(dirname "$0")")
guest=$(realpath "${GUEST:-build/guest}")
program=$(realpath "${MINIVMM:-build/minivmm}")
scratch=$(mktemp -d -p "$guest")
trap 'end_all; rm -rf "$scratch"' EXIT
streams=4

# What guest-lib.sh asks for here.
minivmm=$program accel=interp images=$guest patience=120 vm_pid=
server=

# shellcheck source=tests/boot/guest-lib.sh
. "$here/guest-lib.sh"
# shellcheck source=tests/boot/net-lib.sh
. "$here/net-lib.sh"

end_all() {
	[ -z "$vm_pid" ] || kill -9 "$vm_pid" 2>/dev/null
	[ -z "$server" ] || kill "$server" 2>/dev/null
}

skip() { # count, what, reason
	local i

	for ((i = 0; i < $1; i++)); do
		checks=$((checks + 1))
		echo "ok $checks - $2 # SKIP $3"
	done
}

# A server on this host's loopback; its port in $served.
serve() {
	python3 -c '
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler,
                            directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, flush=True)
server.serve_forever()' "$scratch/www" >"$scratch/port" 2>"$scratch/www.log" &
	server=$!
	until [ -s "$scratch/port" ]; do
		sleep 0.05
	done
	served=$(cat "$scratch/port")
}

free_port() {
	python3 -c '
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# is_free PORT - nobody has it, from a moment's time on.
is_free() {
	local tries=40

	until python3 -c '
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))' "$1" 2>/dev/null; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

# fetch PORT NAME COUNT - all at once, through a forward; their checksums.
fetch() {
	timeout 60 python3 -c '
import concurrent.futures, hashlib, sys, urllib.request
def get(_):
    with urllib.request.urlopen("http://127.0.0.1:%s/%s" % tuple(sys.argv[1:3]),
                                timeout=50) as f:
        return hashlib.sha256(f.read()).hexdigest()
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print("\n".join(pool.map(get, range(int(sys.argv[3])))))' "$@"
}

# gets_all PORT - what the guest serves is what this host has served.
gets_all() {
	local got

	got=$(fetch "$1" file $streams | sort | uniq -c)
	echo "# from the guest: $got, here: $sum" >&2
	[ "$(echo "$got" | awk '{ print $1, $2 }')" = "$streams $sum" ]
}

# boot NAME OPTION... - to the prompt of the initrd, which has no network yet.
boot() {
	local name=$1

	shift
	vm_start "$name" --cmdline "$CONSOLE" --memory 256M "$@"
	vm_prompt
}

# longer_than BYTES rx|tx - the frames so far, on average; alone, one has 1514.
longer_than() {
	vm_do "cd /sys/class/net/eth0/statistics
echo mean=\$((\$(cat $2_bytes) / \$(cat $2_packets))); cd /" || return 1
	echo "# $2: $(vm_value mean=) bytes a frame" >&2
	[ "$(vm_value mean=)" -gt "$1" ]
}

# What the guest sends over IPv6 arrives, and none of it was "too big".
sends_over_ipv6() {
	local six_port socat_pid

	six_port=$(free_port)
	socat -u "TCP6-LISTEN:$six_port,bind=[::1]" "CREATE:$scratch/six" &
	socat_pid=$!
	vm_do "until ip -6 addr show dev eth0 | grep fec0: | grep -v tentative
do sleep 0.2; done; nc fec0::2 $six_port </file1;
sed -n 's/^Icmp6InPktTooBigs[^0-9]*//p' /proc/net/snmp6 | sed 's/^/too-big=/'" ||
		return 1
	wait $socat_pid
	cmp "$scratch/www/file" "$scratch/six" && vm_is too-big= 0
}

# The VM goes while the host still reads.
killed() {
	fetch "$1" file $streams >"$scratch/cut" 2>&1 &
	sleep 0.2
	vm_kill 2>/dev/null
	wait $!
	is_free "$1"
}

# A name server at 127.0.0.1, in a network that has nothing else; it goes with
# the machine. All names are 192.0.2.7.
with_name_server() {
	local root=

	[ "$(id -u)" -eq 0 ] || root=--map-root-user
	# shellcheck disable=SC2086 # one option or none
	unshare --net --mount $root true 2>/dev/null || return 1
	echo nameserver 127.0.0.1 >"$scratch/resolv.conf"
	cat >"$scratch/name-server" <<-'END'
		import socket
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind(("127.0.0.1", 53))
		while True:
		    query, peer = s.recvfrom(512)
		    end = query.index(0, 12) + 5
		    is_a = query[end - 3] == 1
		    s.sendto(query[:2] + b"\x81\x80\0\1\0" + bytes([is_a])
		             + b"\0\0\0\0" + query[12:end]
		             + (b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\7"
		                if is_a else b""), peer)
	END
	cat >"$scratch/with-name-server" <<-END
		#!/bin/sh
		exec unshare --net --mount $root sh -c 'ip link set lo up
		mount --bind $scratch/resolv.conf /etc/resolv.conf
		setpriv --pdeathsig KILL python3 $scratch/name-server &
		exec $program "\$@"' - "\$@"
	END
	chmod 755 "$scratch/with-name-server"
	minivmm=$scratch/with-name-server
}

# A program that this user may not use, as somebody who may do nothing.
without_privileges() {
	[ "$(id -u)" -eq 0 ] || return 0
	cp "$program" "$scratch/minivmm"
	chmod 755 "$scratch"
	printf '#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 %s\n' \
		"--clear-groups --no-new-privs $scratch/minivmm \"\$@\"" \
		>"$scratch/unprivileged"
	chmod 755 "$scratch/unprivileged" "$scratch/minivmm"
	minivmm=$scratch/unprivileged
}

linux=(--kernel "$guest/bzImage" --initrd "$guest/initrd.gz")
mkdir "$scratch/www"
head -c 3000000 /dev/urandom >"$scratch/www/file"
sum=$(sha256sum <"$scratch/www/file" | cut -d' ' -f1)
serve

# The example, by somebody without privileges.
without_privileges
cp "$here/../../examples/web-server.ini" "$scratch"
ln -s "$guest/bzImage" "$scratch/vmlinuz"
ln -s "$guest/initrd.gz" "$scratch/initrd.img"
truncate -s 1M "$scratch/root.img"
chmod 666 "$scratch/root.img"
check "user: the example web-server.ini boots, without privileges" \
	boot example -f "$scratch/web-server.ini"
check "user: the guest gets an address by DHCP" get_address
check "user: and a name" vm_is lease= "10.0.2.15 10.0.2.2 web"
check "user: the gateway answers pings" vm_do 'ping -c 1 -W 5 10.0.2.2'
check "user: the guest fetches from this host, $streams at once" guest_fetches
check "user: what it got came as long segments" longer_than 2000 rx
if [ -n "$(ip -6 addr show dev lo)" ]; then
	check "user: the guest sends to this host over IPv6" sends_over_ipv6
else
	skip 1 "user: IPv6" "this host has none"
fi
check "user: the guest starts a server" start_httpd
check "user: this host fetches from the guest, $streams at once" gets_all 8090
check "user: the guest sent long segments" longer_than 2000 tx
check "user: killed in between, it leaves no port behind" killed 8090
minivmm=$program

port=$(free_port)
check "restrict: a guest boots" boot restricted "${linux[@]}" \
	--net "user,restrict=on,net=192.168.77.0/24,hostfwd=tcp:127.0.0.1:$port-:80"
check "restrict: it gets an address of its network" get_address
check "restrict: and no way out of it" vm_is lease= "192.168.77.15  "
check "restrict: it reaches nothing here" vm_do \
	"! wget -q -T 3 -O /file1 http://192.168.77.2:$served/file"
check "restrict: but answers what it is asked" eval \
	"vm_do 'echo inside >/file1' && start_httpd &&
	[ \"\$(fetch $port file 1)\" = \"\$(echo inside | sha256sum | cut -d' ' -f1)\" ]"
vm_kill 2>/dev/null

if [ -e /etc/resolv.conf ] && with_name_server; then
	check "names: a guest boots" boot names "${linux[@]}" --net user
	check "names: it gets an address by DHCP" get_address
	check "names: the host's name server answers what it asks of its own" \
		vm_do 'nslookup -type=a minivmm.example 10.0.2.3 | grep -w 192.0.2.7'
	vm_kill 2>/dev/null
	minivmm=$program
else
	skip 3 names "no namespaces to be had, or no resolv.conf"
fi

# One at a time: the passt of Debian 12 (0.0~git20230309) was seen to search its
# table of connections for ever when there are several.
streams=1
if command -v passt >/dev/null; then
	port=$(free_port)
	check "passt: a guest boots" boot passt "${linux[@]}" \
		--net "passt,hostfwd=tcp:127.0.0.1:$port-:80"
	check "passt: the guest gets an address by DHCP" get_address
	check "passt: the guest fetches from this host" guest_fetches
	check "passt: the guest starts a server" start_httpd
	check "passt: this host fetches from the guest" gets_all "$port"
	check "passt: no child of the machine is left over" \
		test -z "$(ps -o pid= --ppid "$vm_pid")"
	check "passt: killed in between, it leaves no port behind" \
		killed "$port"
else
	skip 7 passt "it is not installed"
fi
echo "1..$checks"
