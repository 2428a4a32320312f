#!/usr/bin/env bash
# software.sh FOLDER - what guests cost without KVM: the interpreter beside
# QEMU's translator (TCG), on its fastest board, and beside the host itself.
#
# FOLDER has the programs of bench.mk, GUEST the guests of images.mk; MINIVMM
# is the program to measure. One vCPU, one run each. The ratio says how many
# times as long as TCG the interpreter takes. Nothing is asserted, and what the
# host lacks is skipped.
set -u
PATH=$PATH:/usr/sbin:/sbin

dir=$1
mv=$MINIVMM
guest=${GUEST:-build/guest}
here=$(dirname "$0")
greeting='Hello from user space'
# int_loop.S: 20 million iterations of 16 instructions
loop_millions=320
cmdline='console=ttyS0 reboot=t panic=-1 quiet'

tmp=$(mktemp -d)
disk=$dir/root.img
# The chroot had the host's /dev in it, in a mount namespace of its own.
trap 'rm -rf --one-file-system "$tmp" "$disk"' EXIT

mine=("$mv" --accel interp --memory 256M)
qemu=(qemu-system-x86_64 -M microvm -accel tcg -cpu max -m 256 -nodefaults
	-no-user-config -no-reboot -display none -serial stdio)
with_qemu=
command -v qemu-system-x86_64 >/dev/null && with_qemu=yes

row() {
	printf '%-36s %9s %9s %9s  %6s\n' "$@"
}

# ratio A B - A / B with two digits behind the point.
ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { if (a > 0 && b > 0) printf "%.2f", a / b }'
}

# seconds MICROSECONDS
seconds() {
	[ -z "$1" ] || awk -v us="$1" 'BEGIN { printf "%.3f", us / 1e6 }'
}

skip() {
	echo "skipped: $1"
}

now() {
	echo "${EPOCHREALTIME/[.,]/}"
}

# 1. The integer loop

# loop COMMAND... - millions of instructions per second, between two bytes.
loop() {
	timeout 60 "$@" </dev/null 2>/dev/null | {
		read -r -N 1 && begin=$(now) && read -r -N 1 &&
			awk -v us=$(($(now) - begin)) -v m=$loop_millions \
				'BEGIN { printf "%.0f", m * 1e6 / us }'
	}
}

bench_loop() {
	local own peer=

	own=$(loop "${mine[@]}" --kernel "$dir/int_loop")
	[ -z "$with_qemu" ] || peer=$(loop "${qemu[@]}" -kernel "$dir/int_loop")
	row "integer loop, MIPS" "" "$peer" "$own" "$(ratio "$peer" "$own")"
}

# 2. Debian

# interp CMDLINE [DISK] - boot it; tcg the same.
interp() {
	timeout 120 "${mine[@]}" --kernel "$guest/bzImage" \
		--initrd "$guest/initrd.gz" --cmdline "$cmdline $1" \
		${2:+--disk "$2"} </dev/null 2>>"$tmp/err"
}

# The board has nothing that Linux could measure the TSC by.
tcg() {
	local more=()

	[ -z "${2:-}" ] || more=(-drive "id=d,file=$2,format=raw,if=none"
		-device "virtio-blk-device,drive=d")
	timeout 120 "${qemu[@]}" -kernel "$guest/bzImage" \
		-initrd "$guest/initrd.gz" "${more[@]}" \
		-append "$cmdline $1 tsc_early_khz=$khz" </dev/null 2>>"$tmp/err"
}

# boot ENGINE - microseconds to the greeting of the initrd and to the end.
boot() {
	local begin line

	begin=$(now)
	"$1" minivmm.once | while read -r line; do
		[[ $line == *"$greeting"* ]] && echo "/init $(($(now) - begin))"
	done >"$tmp/$1.boot"
	# What did not greet did not boot.
	[ -s "$tmp/$1.boot" ] && echo "power-off $(($(now) - begin))" >>"$tmp/$1.boot"
}

# work ENGINE - lines of work.sh, which is the init of the root disk.
work() {
	rm -f "$disk"
	cp --sparse=always "$guest/root.img" "$disk"
	debugfs -w -R "write $here/work.sh /usr/sbin/work" "$disk" 2>>"$tmp/err" \
		>>"$tmp/err"
	"$1" "root=/dev/vda rw init=/usr/sbin/work" "$disk" | tr -d '\r' |
		sed -n 's/^took //p' >"$tmp/$1.work"
}

# The programs of the same root disk, on the host.
native() {
	mkdir "$tmp/root"
	tar -C "$tmp/root" --exclude='./dev/*' -xf "$guest/rootfs.tar" \
		2>>"$tmp/err"
	cp "$here/work.sh" "$tmp/root/usr/sbin/work"
	# shellcheck disable=SC2016 # for that shell
	unshare -rm sh -c 'mount --rbind /dev "$1/dev" && chroot "$1" /usr/sbin/work' \
		sh "$tmp/root" 2>>"$tmp/err" | sed -n 's/^took //p' >"$tmp/native.work"
}

# value FILE NAME - of the line "VALUE NAME".
value() {
	[ -f "$tmp/$1" ] && awk -v name="$2" \
		'{ v = $1; sub(/^[^ ]* /, "") } $0 == name { print v }' "$tmp/$1"
}

bench_boot() {
	local own peer name

	boot interp
	[ -z "$with_qemu" ] || boot tcg
	for name in /init power-off; do
		own=$(awk -v n=$name '$1 == n { print $2 }' "$tmp/interp.boot")
		peer=$([ -z "$with_qemu" ] ||
			awk -v n=$name '$1 == n { print $2 }' "$tmp/tcg.boot")
		row "Debian's cloud kernel to $name, s" "" \
			"$(seconds "$peer")" "$(seconds "$own")" \
			"$(ratio "$own" "$peer")"
	done
}

bench_work() {
	local us name peer

	native
	work interp
	[ -z "$with_qemu" ] || work tcg
	while read -r us name; do
		peer=$(value tcg.work "$name")
		row "$name, s" "$(seconds "$(value native.work "$name")")" \
			"$(seconds "$peer")" "$(seconds "$us")" "$(ratio "$us" "$peer")"
	done <"$tmp/interp.work"
	[ -s "$tmp/interp.work" ] || skip "work: $(tail -n 1 "$tmp/err")"
}

main() {
	local image

	khz=$("$dir/tsc-khz")
	echo
	[ -n "$with_qemu" ] || skip "TCG: no qemu-system-x86_64 here"
	row "without KVM, one CPU" native TCG interp ratio
	bench_loop
	for image in bzImage initrd.gz root.img rootfs.tar; do
		[ -f "$guest/$image" ] && continue
		skip "Debian: no $guest/$image (make guest-images)"
		return 0
	done
	bench_boot
	bench_work
}

main
