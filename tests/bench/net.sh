#!/usr/bin/env bash
# net.sh - how fast the network of a guest is over a tap, without KVM: the
# interpreter beside QEMU's translator (TCG), with the same kernel and the same
# tap; and what limits cost that are never reached. QEMU's board is q35: on its
# microvm some kernels find no timer.
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
trap '[ -z "$server" ] || kill "$server"; rm -rf "$tmp"' EXIT

row() {
	printf '%-36s %12s %12s %12s %7s\n' "$@"
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

# run NAME TAP COMMAND... - the guest's lines go to $tmp/NAME.
run() {
	local name=$1 tries=300

	shift
	mkfifo "$tmp/$name.in"
	: >"$tmp/$name.console"
	exec 3<>"$tmp/$name.in"
	timeout 300 "$@" <"$tmp/$name.in" >"$tmp/$name.console" 2>"$tmp/err" 3>&- &
	until grep -q '^initrd:.*#' "$tmp/$name.console"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || break
		sleep 0.2
	done
	echo "net-guest 10.9.0.1 $seconds" >&3
	wait $!
	exec 3>&-
	tr -d '\r' <"$tmp/$name.console" | sed -n 's/^bench://p' >"$tmp/$name"
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

tap="tap:bench0"
run mine "${mine[@]}" --net $tap
run limited "${mine[@]}" --net $tap,bandwidth=1T,ops=1000000000
if command -v qemu-system-x86_64 >/dev/null; then
	run qemu "${qemu[@]}" -device virtio-net-pci,netdev=n,romfile= \
		-netdev tap,id=n,ifname=bench0,script=no,downscript=no
else
	echo "skipped: QEMU: not installed"
fi

row "guest's network over a tap" "QEMU TCG" "with limits" minivmm ratio
while IFS='=' read -r what own; do
	[ "$what" = end ] && continue
	peer=$(value qemu "$what")
	row "$what" "$peer" "$(value limited "$what")" "$own" \
		"$(ratio "$own" "$peer")"
done <"$tmp/mine"
