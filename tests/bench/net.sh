#!/usr/bin/env bash
# net.sh - how fast the network of a guest is, over a tap, inside the process
# (libslirp) and between two guests, without KVM: the interpreter beside QEMU's
# translator (TCG), with the same kernel and the same kind of network (between
# guests a switch, and two of QEMU's sockets); and what limits cost that are
# never reached. QEMU's board is q35: on its microvm some kernels find no timer.
#
# GUEST has the guests of images.mk; MINIVMM is the program to measure. One
# vCPU, one run each, in a network namespace of their own. The ratio says how
# many times as fast as QEMU minivmm is. Nothing is asserted, and what the
# host lacks is skipped.
set -u
PATH=$PATH:/usr/sbin:/sbin

mv=$MINIVMM
guest=${GUEST:-build/guest}
here=$(realpath "$(dirname "$0")")
seconds=2

skip() {
	echo "skipped: network: $1"
	exit 0
}

if [ -z "${IN_NAMESPACE:-}" ]; then
	[ -w /dev/net/tun ] || skip "/dev/net/tun cannot be written"
	command -v iperf3 >/dev/null || skip "no iperf3"
	[ -r "$guest/net-tools.gz" ] || skip "no $guest/net-tools.gz"
	root=
	[ "$(id -u)" -eq 0 ] || root=--map-root-user
	# shellcheck disable=SC2086 # one option or none
	unshare --net $root true 2>/dev/null || skip "no network namespaces"
	# shellcheck disable=SC2086
	IN_NAMESPACE=1 exec unshare --net $root "$0" "$@"
fi

tmp=$(mktemp -d)
server=
declare -A guests=() consoles=() # of each, its process and its input
clean_up() {
	[ -z "$server" ] || kill "$server"
	[ ${#guests[@]} -eq 0 ] || kill -9 "${guests[@]}" 2>/dev/null
	rm -rf "$tmp"
}
trap clean_up EXIT

row() {
	printf '%-42s %9s %12s %9s %6s\n' "$@"
}

ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { if (a > 0 && b > 0) printf "%.2f", a / b }'
}

"$here/../boot/mk-initrd.sh" "$guest" "$here/../boot/initrd-init" \
	"$tmp/initrd.gz" "$here/net-guest" virtio_mmio virtio_pci virtio_net ||
	skip "no initrd"
cat "$tmp/initrd.gz" "$guest/net-tools.gz" >"$tmp/initrd"

mine=("$mv" --accel interp --memory 256M --kernel "$guest/bzImage"
	--initrd "$tmp/initrd" --cmdline "console=ttyS0 reboot=t panic=-1 quiet")
qemu=(qemu-system-x86_64 -M q35 -accel tcg -cpu max -m 256 -nodefaults
	-no-user-config -no-reboot -display none -serial stdio
	-kernel "$guest/bzImage" -initrd "$tmp/initrd"
	-append "console=ttyS0 reboot=t panic=-1 quiet")

# start NAME WHAT COMMAND... - net-guest WHAT in the guest that COMMAND starts.
start() {
	local name=$1 what=$2 tries=300 fd

	shift 2
	mkfifo "$tmp/$name.in"
	: >"$tmp/$name.console"
	exec {fd}<>"$tmp/$name.in"
	consoles[$name]=$fd
	timeout 300 "$@" <"$tmp/$name.in" >"$tmp/$name.console" 2>"$tmp/err" &
	guests[$name]=$!
	until grep -q '^initrd:.*#' "$tmp/$name.console"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || break
		sleep 0.2
	done
	echo "net-guest $what" >&$fd
}

# finish NAME - its lines go to $tmp/NAME.
finish() {
	local fd=${consoles[$1]}

	wait "${guests[$1]}"
	exec {fd}>&-
	unset "guests[$1]"
	tr -d '\r' <"$tmp/$1.console" | sed -n 's/^bench://p' >"$tmp/$1"
}

run() {
	start "$@"
	finish "$1"
}

# The other end of what runs next; ended by end_peer.
start_peer() {
	start peer "serve 10.8.0.1" "$@"
}
end_peer() {
	kill "${guests[peer]}"
	finish peer
	rm -f "$tmp/peer.in"
}

# value NAME WHAT
value() {
	[ -r "$tmp/$1" ] && sed -n "s|^$2=||p" "$tmp/$1"
}

ip link set lo up
ip tuntap add dev bench0 mode tap
ip addr add 10.9.0.1/24 dev bench0
ip link set bench0 up
iperf3 -s >/dev/null 2>&1 &
server=$!

# table NAME TITLE THIRD - minivmm's lines in $tmp/NAME beside those of QEMU in
# $tmp/NAME-qemu and, if there are any, those of THIRD.
table() {
	row "$2" "QEMU TCG" "${3:+with limits}" minivmm ratio
	while IFS='=' read -r what own; do
		[ "$what" = end ] && continue
		peer=$(value "$1-qemu" "$what")
		row "$what" "$peer" "$(value "${3:-none}" "$what")" "$own" \
			"$(ratio "$own" "$peer")"
	done <"$tmp/$1"
}

on_tap="10.9.0.1 $seconds"
run tap "$on_tap" "${mine[@]}" --net tap:bench0
run limited "$on_tap" "${mine[@]}" \
	--net tap:bench0,bandwidth=1T,ops=1000000000
inside="10.0.2.2 $seconds user"
run user "$inside" "${mine[@]}" --net user
between="10.8.0.1 $seconds between"
"$mv" switch --listen "$tmp/switch" &
guests[switch]=$!
until [ -S "$tmp/switch" ]; do
	sleep 0.05
done
start_peer "${mine[@]}" --net "switch:$tmp/switch"
run between "$between" "${mine[@]}" --net "switch:$tmp/switch"
end_peer
kill "${guests[switch]}"
unset "guests[switch]"
if command -v qemu-system-x86_64 >/dev/null; then
	link=stream,id=n,addr.type=unix,addr.path=$tmp/link
	start_peer "${qemu[@]}" -device virtio-net-pci,netdev=n,romfile= \
		-netdev "$link,server=on"
	run between-qemu "$between" "${qemu[@]}" \
		-device virtio-net-pci,netdev=n,romfile= \
		-netdev "$link,server=off"
	end_peer
	run tap-qemu "$on_tap" "${qemu[@]}" \
		-device virtio-net-pci,netdev=n,romfile= \
		-netdev tap,id=n,ifname=bench0,script=no,downscript=no
	run user-qemu "$inside" "${qemu[@]}" \
		-device virtio-net-pci,netdev=n,romfile= -netdev user,id=n
else
	echo "skipped: QEMU: not installed"
fi

table tap "guest's network over a tap" limited
table user "guest's network inside the process" ""
table between "between two guests" ""
