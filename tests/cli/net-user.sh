#!/usr/bin/env bash
# net-user.sh - what can go wrong when a machine with a user network starts.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh
needs_engine

# taken tcp|udp - have a port that is taken; its number.
taken() {
	python3 -c '
import socket, sys, time
s = socket.socket(type=socket.SOCK_STREAM if sys.argv[1] == "tcp"
                  else socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
if sys.argv[1] == "tcp":
    s.listen()
print(s.getsockname()[1], flush=True)
time.sleep(60)' "$1" >"$scratch/port.$1" &
	holders+=($!)
	while [ ! -s "$scratch/port.$1" ]; do
		sleep 0.02
	done
	cat "$scratch/port.$1"
}

holders=()
guest=(--kernel "$guests/exit_status" --memory 8M)
for protocol in tcp udp; do
	taken "$protocol" >"$scratch/port"
	rule=$protocol:127.0.0.1:$(cat "$scratch/port")-:22
	refuses "a $protocol port that is taken is named" \
		"net net0: hostfwd=$rule: Address already in use" \
		"${guest[@]}" --net "user,hostfwd=$rule"
done
kill "${holders[@]}"
wait "${holders[@]}" 2>/dev/null

refuses "an address of no host of ours is named" \
	"net net0: hostfwd=tcp:192.0.2.77:2222-:22: Cannot assign requested address" \
	"${guest[@]}" --net user,hostfwd=tcp:192.0.2.77:2222-:22
refuses "a name server outside the network is refused" \
	"net net0: dns: not an address of the network" \
	"${guest[@]}" --net user,dns=10.0.3.3
refuses "an mtu that libslirp has no buffers for is refused" \
	"net net0: mtu: at most 65521" "${guest[@]}" --net user,mtu=65522
finish
